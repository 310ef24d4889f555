"""Nested containers ↔ their leaves: dict, list, tuple, named tuple and dataclass; by optree.

Every object that is none of these is a leaf, also None; and so is a dataclass that is an array (Zarr's).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import optree

_NAMESPACE = "dagsolve"
_KNOWN: set[type] = set()

Tree = optree.PyTreeSpec


def flatten(value: Any) -> tuple[list[Any], Tree]:
    """Leaves in order, and the structure that `unflatten` puts them back into."""
    while True:
        leaves, structure = optree.tree_flatten(value, none_is_leaf=True, namespace=_NAMESPACE)
        new = {type(x) for x in leaves if _is_container(x)} - _KNOWN
        if not new:
            return leaves, structure
        for cls in new:
            _register(cls)


def _is_container(x: Any) -> bool:
    """Whether it is a dataclass that holds leaves: Zarr's arrays are dataclasses too, but arrays first."""
    return dataclasses.is_dataclass(x) and not isinstance(x, type) and not hasattr(x, "dtype")


def unflatten(structure: Tree, leaves: Sequence[Any]) -> Any:
    """The containers of `flatten` with other leaves in the same places."""
    return optree.tree_unflatten(structure, leaves)


def paths(value: Any) -> list[str]:
    """Where each leaf stands, e.g. "['kernel'][0]"; empty for a value that is itself a leaf."""
    flatten(value)
    found, _, _ = optree.tree_flatten_with_path(value, none_is_leaf=True, namespace=_NAMESPACE)
    return ["".join(f"[{key!r}]" for key in path) for path in found]


def _register(cls: type) -> None:
    fields = [f.name for f in dataclasses.fields(cls) if f.init]

    def take(value: Any) -> tuple[list[Any], None, list[str]]:
        return [getattr(value, name) for name in fields], None, fields

    def build(_: None, children: Sequence[Any]) -> Any:
        return cls(**dict(zip(fields, children, strict=True)))

    optree.register_pytree_node(cls, take, build, namespace=_NAMESPACE)  # type: ignore[arg-type]
    _KNOWN.add(cls)
