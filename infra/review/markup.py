"""What the review's page is made of: panels, tables, folds, values, and what the filters ask of everything that they can hide."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from infra.review.report import AttributeChange, Change, Level, Word
from infra.review.values import difference, pair
from infra.review.visible import visible, words

MARKS: dict[Level | Word, str] = {"block": "✗", "sign-off": "!", "note": "·", "BLOCK": "✗", "SIGN-OFF": "!", "ROUTINE": "✓"}
"""Signs that any font has; pictures of code hosts' fonts are missing on some machines."""
Place = tuple[str, str]
"""Stack and address."""


class Html(str):
    """Text that is markup already; any other text is escaped where it enters the page."""


def text(content: object) -> Html:
    """`content` as markup, every character of it seen."""
    return content if isinstance(content, Html) else Html(escape(visible(content)))


def code(content: object) -> Html:
    """A name, an address or a value."""
    return Html(f"<code>{text(content)}</code>")


def prose(sentence: object) -> Html:
    """A sentence whose names stand out."""
    parts = (f"{text(plain)}{code(name) if name else ''}{closing}" for plain, name, closing in words(visible(sentence)))
    return Html(" ".join(parts))


def level(found: Level) -> Html:
    """A level as a word, a sign and a colour: none says it alone."""
    return Html(f'<span class="level {found}">{MARKS[found]} {found}</span>')


def section(anchor: str, title: str, *parts: str) -> Html:
    """A chapter of the page, which the list of contents leads to."""
    return Html(f'<section id="{anchor}"><h2>{escape(title)}</h2>{"".join(parts)}</section>')


def panel(*parts: str) -> Html:
    """A framed block; what is too wide for the screen scrolls inside it."""
    return Html(f'<div class="panel">{"".join(parts)}</div>' if any(parts) else "")


def group(title: str, *parts: str) -> Html:
    """Parts with their title; nothing where there are none."""
    return Html(f'<div class="group"><h3>{text(title)}</h3>{"".join(parts)}</div>' if any(parts) else "")


def fold(title: str, *parts: str, unfolded: bool = False) -> Html:
    """Parts that few readers need, behind their title."""
    return Html(f"<details{' open' if unfolded else ''}><summary>{text(title)}</summary>{''.join(parts)}</details>")


def attributes(change: Change | None, place: Place, found: Level | None = None) -> str:
    """What the filters know of an item."""
    known = {"stack": place[0], "type": change.type if change else "", "action": change.action if change else "", "level": found or ""}
    return "".join(f' data-{name}="{text(value)}"' for name, value in known.items() if value)


def table(heads: Sequence[object], rows: Iterable[tuple[str, Sequence[object]]], numbers: Iterable[int] = ()) -> Html:
    """A table.

    Args:
        heads: of the columns.
        rows: what the filters know of each, or nothing, and its cells.
        numbers: columns that are set to the right.
    """
    right = set(numbers)

    def cells(tag: str, row: Sequence[object]) -> str:
        return "".join(f"<{tag}{' class=number' if i in right else ''}>{text(cell)}</{tag}>" for i, cell in enumerate(row))

    body = "".join(f"<tr{f' class=item{known}' if known else ''}>{cells('td', row)}</tr>" for known, row in rows)
    return Html(f"<div class=wide><table><thead><tr>{cells('th', heads)}</tr></thead><tbody>{body}</tbody></table></div>")


def facts(found: Mapping[str, str] | Iterable[tuple[str, str]]) -> Html:
    """Names and what they are; what is empty is left out."""
    pairs = found.items() if isinstance(found, Mapping) else found
    return Html(f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{content}</dd>' for name, content in pairs if content)}</dl>")


def arrow(attribute: AttributeChange) -> Html:
    """An attribute's old and new value in a line."""
    before, after = pair(attribute)
    return Html(f"{code(attribute.path)} <del>{text(before)}</del> → <ins>{text(after)}</ins>")


def values(attribute: AttributeChange, change: Change) -> Html:
    """An attribute's old and new value in a table's row; documents as the lines that differ."""
    forced = " <b class=forces>forces replacement</b>" if attribute.forces_replacement else ""
    name = f"<th scope=row>{code(attribute.path)}{forced}</th>"
    lines = difference(attribute)
    if lines is not None:
        body = "".join(f'<span class="{KINDS[sign]}">{sign} {text(line)}\n</span>' for sign, line in lines)
        return Html(f"<tr>{name}<td colspan=2><pre>{body}</pre></td></tr>")
    before, after = pair(attribute)
    if change.action == "create":
        return Html(f"<tr>{name}<td colspan=2><ins>{text(after)}</ins></td></tr>")
    if change.action in ("delete", "forget"):
        return Html(f"<tr>{name}<td colspan=2><del>{text(before)}</del></td></tr>")
    return Html(f"<tr>{name}<td><del>{text(before)}</del></td><td><ins>{text(after)}</ins></td></tr>")


KINDS = {"-": "minus", "+": "plus", " ": "same", "…": "left-out"}
