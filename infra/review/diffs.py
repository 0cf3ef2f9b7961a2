"""Changes as Terraform's readers know them: a diff, folded, with the construct and the line that declared each."""

from collections.abc import Iterator, Sequence, Set

from infra.review.gfm import summary, wrapped
from infra.review.glance import quantity
from infra.review.parts import Block
from infra.review.report import Change
from infra.review.values import difference, pair
from infra.review.visible import visible

SIGNS = {"create": "+", "update": "~", "replace": "-/+", "delete": "-", "forget": "-", "import": "←", "move": "→", "read": "?"}
WHOLE = ("create", "delete", "forget")


def changes(title: str, found: Sequence[Change], whole: Set[tuple[str, str]]) -> Iterator[Block]:
    """Changes as a diff.

    Args:
        title: of the fold.
        found: what is listed.
        whole: stack and address of those whose attributes are listed also where the resource is made or goes as a whole; of the others
            the page and the JSON have them, and so it is said.
    """
    lines = [part for change in found for line in _diff(change, (change.stack, change.address) in whole) for part in wrapped(line)]
    opening = f"{summary(f'{title}: {len(found)}')}\n\n~~~~diff"
    again = f"{summary(f'{title}, continued')}\n\n~~~~diff"
    yield Block(head=opening, lines=lines, tail="~~~~\n\n</details>", again=again)


def _diff(change: Change, whole: bool) -> Iterator[str]:
    where = "  ".join(filter(None, (change.construct_path, change.source[0] if change.source else "")))
    yield f"{SIGNS[change.action]} {change.action} {visible(change.address)}{f'  ({visible(where)})' if where else ''}"
    if change.moved_from:
        yield f"    moved from {visible(change.moved_from)}"
    if change.imported:
        yield f"    adopts {visible(change.imported)}"
    if change.reason:
        yield f"    {visible(change.reason)}"
    if change.action in WHOLE and change.attributes and not whole:
        yield f"    {quantity(len(change.attributes), 'attribute')}: on the page and in the JSON"
        return
    computed = [one.path for one in change.attributes if one.unknown and one.before is None and not one.forces_replacement]
    for attribute in change.attributes:
        if attribute.path in computed:
            continue
        forces = "   forces the replacement" if attribute.forces_replacement else ""
        path = visible(attribute.path)
        lines = difference(attribute)
        if lines is None:
            before, after = map(visible, pair(attribute))
            if change.action != "create":
                yield f"-   {path} = {before}"
            if change.action not in ("delete", "forget"):
                yield f"+   {path} = {after}{forces}"
        else:
            yield f"    {path}:{forces}"
            yield from (f"@@ {line} @@" if sign == "…" else f"{sign}     {visible(line)}" for sign, line in lines)
    if computed:
        yield f"    known after apply: {visible(', '.join(computed))}"
