"""Tables of words and of facts, as aligned text and as HTML for notebooks."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

SHOWN = 24  # rows of a table, at most

_LEFT = ' style="text-align:left"'
_RIGHT = ' style="text-align:right"'


@dataclass(frozen=True)
class Table:
    """Rows of words below their titles; the first column says what a row is about."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def shortened(self) -> "Table":
        """At most 24 rows, the last of them saying how many are left out."""
        if len(self.rows) <= SHOWN:
            return self
        rest = (f"… {len(self.rows) - SHOWN + 1:,} more", *("" for _ in self.titles[1:]))
        return Table(self.titles, (*self.rows[: SHOWN - 1], rest))

    def text(self, indent: str = "  ") -> str:
        """Lines of text: the first column to the left, the others to the right."""
        rows = (self.titles, *self.shortened().rows)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for first, *others in rows:
            right = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
            lines.append((indent + "  ".join((first.ljust(widths[0]), *right))).rstrip())
        return "\n".join(lines)

    def html(self) -> str:
        """A `<table>`, the first column to the left, the others to the right."""
        head = _html_row("th", self.titles)
        body = "".join(_html_row("td", row) for row in self.shortened().rows)
        return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def duration(seconds: float) -> str:
    """Seconds in words: milliseconds below a tenth of one, whole seconds from a thousand."""
    if seconds < 0.1:
        return f"{1e3 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:,.0f} s"


def rate(amount: float, unit: str) -> str:
    """An amount a second in three digits: 36.8 Gflop/s."""
    for prefix in ("", "k", "M", "G", "T"):
        if amount < 999.5:
            return f"{amount:.3g} {prefix}{unit}"
        amount /= 1000
    return f"{amount:.3g} P{unit}"


def facts_text(facts: Iterable[tuple[str, str]], indent: str = "  ") -> str:
    """Lines of (name, value), the values below each other."""
    pairs = list(facts)
    width = max((len(name) for name, _ in pairs), default=0)
    return "\n".join(f"{indent}{name:<{width}}  {value}" for name, value in pairs)


def facts_html(facts: Iterable[tuple[str, str]]) -> str:
    """A `<table>` of (name, value)."""
    rows = (
        f"<tr><th{_LEFT}>{escape(name)}</th><td{_LEFT}>{escape(value)}</td></tr>" for name, value in facts
    )
    return f"<table><tbody>{''.join(rows)}</tbody></table>"


def list_html(title: str, lines: Iterable[str]) -> str:
    """A title and a list below it; nothing where there are no lines."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"{title_html(title)}<ul>{items}</ul>" if items else ""


def title_html(title: str) -> str:
    """A line of its own in bold letters."""
    return f"<div><strong>{escape(title)}</strong></div>"


def _html_row(tag: str, cells: tuple[str, ...]) -> str:
    styles = (_LEFT, *(_RIGHT for _ in cells[1:]))
    inner = "".join(
        f"<{tag}{style}>{escape(cell)}</{tag}>" for cell, style in zip(cells, styles, strict=True)
    )
    return f"<tr>{inner}</tr>"
