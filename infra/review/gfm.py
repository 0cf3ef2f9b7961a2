"""What the Markdown of code hosts is made of (https://github.github.com/gfm): nothing of a plan becomes markup, a mention or a link."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from infra.review.parts import Block
from infra.review.visible import visible, words

LISTED = re.compile(r"^(?:[-+=](?=\s|$|[-=])|\d+[.)](?=\s|$))")
"""What would begin a list or a heading at the start of a line."""
WIDEST = 2_000
"""Characters of a line of a fence, where what is longer goes on in the next; and of a sentence."""
NAMED = 400
"""Characters of a code span. What a longer one leaves out is said, and is in the JSON as a whole."""

SHORT = 6
"""Rows up to which a table is not folded."""


def code(text: object) -> str:
    """`text` as a code span, whatever it holds."""
    shown = _short(visible(text), NAMED)
    longest = max(map(len, re.findall("`+", shown)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if not shown.strip() or shown[0] in "` " or shown[-1] in "` " else ""
    return f"{ticks}{pad}{shown or ' '}{pad}{ticks}"


def prose(text: object) -> str:
    """A sentence of which every word that could be markup, a mention or a link is a code span: so names stand out too."""
    sentence = " ".join(f"{plain}{code(name) if name else ''}{closing}" for plain, name, closing in words(_short(visible(text), WIDEST)))
    return LISTED.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", sentence)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most:,} characters more)"


def row(cells: Iterable[str]) -> str:
    """A row of a table; its cells are Markdown already."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def table(heads: Sequence[str], numbers: Iterable[int] = ()) -> str:
    """The head of a table; the columns in `numbers` are set to the right."""
    right = set(numbers)
    return f"{row(heads)}\n{row('---:' if i in right else '---' for i in range(len(heads)))}"


def summary(title: str) -> str:
    """What opens a fold; `title` is text."""
    return f"<details><summary>{escape(visible(title))}</summary>"


def wrapped(line: str, go_on: str = "↪ ") -> list[str]:
    """A line of any length as lines that a host takes, the later ones marked: nothing is cut."""
    if len(line) <= WIDEST:
        return [line]
    rest = range(WIDEST, len(line), WIDEST - len(go_on))
    return [line[:WIDEST], *(f"{go_on}{line[start : start + WIDEST - len(go_on)]}" for start in rest)]


def tabled(
    title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = (), shown: int = SHORT
) -> Iterator[Block]:
    """A table with its title; folded where it has more than `shown` rows."""
    lines = list(map(row, rows))
    head = table(heads, numbers)
    if len(lines) <= shown:
        yield Block(head=f"**{title}**\n\n{head}", lines=lines, again=head)
    else:
        opening = f"{summary(title)}\n\n{head}"
        yield Block(head=opening, lines=lines, tail="\n</details>", again=f"{summary(f'{title}, continued')}\n\n{head}")


def folded(title: str, lines: Sequence[str]) -> Iterator[Block]:
    """Lines behind their title."""
    yield Block(head=f"{summary(title)}\n", lines=lines, tail="\n</details>", again=f"{summary(f'{title}, continued')}\n")
