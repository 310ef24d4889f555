"""Options of a transformed function: how its run is cut, bounded and executed."""

from dataclasses import dataclass, fields
from typing import Any

from dagsolve.errors import ArgumentError
from dagsolve.planning.budget import bytes_of


@dataclass(frozen=True)
class Options:
    """What the user chose, checked."""

    chunks: Any = None
    """None (one tile per array), an int (cuts axes longer than it), "auto", or {argument number: chunks}."""
    memory_limit: int | None = None
    """Bytes per worker; None: no limit."""
    scheduler: Any = None
    """None (the active Client, else threads), "sync", "threads", a distributed Client, or, for plans only, a
    described Cluster."""
    progress: bool | None = None
    """True shows a bar, False does not, None does where somebody is looking."""

    @classmethod
    def read(cls, who: str, given: dict[str, Any]) -> "Options":
        """Options from keyword arguments.

        Raises ArgumentError for an unknown option or an impossible value.
        """
        names = [f.name for f in fields(cls)]
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise ArgumentError(f"{who}: option {unknown[0]!r} is not known; options are {', '.join(names)}")
        made = dict(given)
        if made.get("memory_limit") is not None:
            made["memory_limit"] = bytes_of(made["memory_limit"])
        scheduler = made.get("scheduler")
        if isinstance(scheduler, str) and scheduler not in ("sync", "threads"):
            raise ArgumentError(
                f'{who}: scheduler must be None, "sync", "threads", a distributed Client or a Cluster, '
                f"got {scheduler!r}"
            )
        return cls(**made)
