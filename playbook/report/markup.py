"""What every part of the page is made of: panels, tiles, tables, the line that says where numbers come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """Text that is markup already; any other text is escaped where it enters the page."""


def text(content: object) -> str:
    """`content` as markup."""
    return content if isinstance(content, Html) else escape(str(content))


def section(anchor: str, title: str, *parts: str) -> str:
    """A chapter of the page, which the list of contents leads to."""
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>{"".join(parts)}</section>'


def panel(*parts: str) -> str:
    """A framed block; what is too wide for the screen scrolls inside it."""
    return f'<div class="panel">{"".join(parts)}</div>'


def pair(*parts: str) -> str:
    """Blocks side by side where there is room."""
    return f'<div class="pair">{"".join(parts)}</div>'


def tile(figure: str, label: str) -> str:
    """One figure and what it is."""
    return f'<div class="tile"><b>{escape(figure)}</b><span>{escape(label)}</span></div>'


def tiles(*parts: str) -> str:
    """Tiles in a row."""
    return f'<div class="tiles">{"".join(parts)}</div>'


def source(content: str) -> str:
    """Where the numbers of a panel come from."""
    return f'<p class="source">From: {escape(content)}.</p>'


def verdict(good: bool, word: str) -> Html:
    """A word with a sign and a colour: neither says it alone."""
    return Html(f'<span class="{"good" if good else "bad"}">{"✓" if good else "✗"} {escape(word)}</span>')


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], numbers: Iterable[int] = ()) -> str:
    """A table; the columns in `numbers` are set to the right."""
    right = set(numbers)

    def cells(tag: str, row: Sequence[object]) -> str:
        return "".join(f"<{tag}{' class=number' if i in right else ''}>{text(cell)}</{tag}>" for i, cell in enumerate(row))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><tr>{cells('th', heads)}</tr>{body}</table>"


def fold(title: str, *parts: str) -> str:
    """Parts that few readers need, behind their title."""
    return f"<details><summary>{escape(title)}</summary>{''.join(parts)}</details>"


def quantity(count: int, one: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {one}{'' if count == 1 else 's'}"
