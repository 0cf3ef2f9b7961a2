"""A document in as few comments as its host's limit allows: numbered, each with the digests of all, and nothing of it cut.

The limit is kept in UTF-8 bytes, which are never fewer than the characters that a host counts.
`python -m infra.review.parts FILE…` tells whether parts are what was written: exit code 1 when one is missing or was changed.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

LIMIT = 65_536
"""What GitHub takes in one comment; GitLab and Gitea take more."""
MARK = re.compile(r"<!-- playbook-review (?P<subject>\S+) part (?P<number>\d+) of (?P<count>\d+) (?P<digests>[0-9a-f ]+) -->\n")
FOOT = "\n<!-- playbook-review end -->\n"


@dataclass(frozen=True, kw_only=True)
class Block:
    """Lines that stand between a head and a tail; where a part ends among them, the next one begins with the head again.

    Attributes:
        head: what opens it: a heading, a table's head, a fold.
        lines: what can be parted.
        tail: what closes it.
        again: the head of what goes on in another part; as `head` where it is empty.
    """

    head: str
    lines: Sequence[str] = ()
    tail: str = ""
    again: str = ""

    def text(self, lines: Sequence[str], first: bool) -> str:
        """These lines between head and tail, and an empty line after them."""
        head = self.head if first or not self.again else self.again
        return "\n".join(part for part in (head, *lines, self.tail) if part) + "\n\n"


def digest(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def split(subject: str, blocks: Sequence[Block], limit: int = LIMIT) -> list[str]:
    """The parts of a document.

    Args:
        subject: one word that says what is reviewed; who posts the parts finds the comments of an earlier review by it.
        blocks: the document.
        limit: bytes that a part may have.

    Raises:
        ValueError: when one line with what must stand around it is longer than the limit.
    """
    count = 1
    while True:
        bodies = _pack(blocks, limit - len(_framed(subject, 1, ["0" * 64] * count, "").encode()) - 16)
        if len(bodies) <= count:
            break
        count = len(bodies)
    digests = [digest(body) for body in bodies]
    return [_framed(subject, number, digests, body) for number, body in enumerate(bodies, 1)]


def _framed(subject: str, number: int, digests: Sequence[str], body: str) -> str:
    """A body between the mark that says which part it is and, of several, the line that says so to people."""
    count = len(digests)
    mark = f"<!-- playbook-review {subject} part {number} of {count} {' '.join(digests)} -->\n"
    if count == 1:
        return f"{mark}{body}{FOOT}"
    others = " · ".join(f"**{i}** (this)" if i == number else f"{i} `{found[:12]}`" for i, found in enumerate(digests, 1))
    return f"{mark}{body}{FOOT}\nPart {number} of {count} of this review, by the SHA-256 of the others: {others}\n"


def _pack(blocks: Iterable[Block], room: int) -> list[str]:
    """Blocks into texts of at most `room` bytes; a block that does not fit goes on in the next."""
    bodies: list[str] = []
    body, left = "", room
    for block in blocks:
        whole = block.text(block.lines, first=True)
        size = len(whole.encode())
        if size <= left:
            body, left = body + whole, left - size
            continue
        # A block of some length is begun where its head and a few of its lines still fit.
        lines, first = list(block.lines), True
        while True:
            taken = _fitting(block, lines, first, left)
            if taken or not (lines or body):
                piece = block.text(lines[:taken], first)
                body, left = body + piece, left - len(piece.encode())
                lines, first = lines[taken:], False
                if not lines:
                    break
            if not body:
                raise ValueError(
                    f"a line of {len(lines[0]) if lines else len(whole)} characters does not fit into {room} bytes: {whole[:80]!r}"
                )
            bodies.append(body)
            body, left = "", room
            if not block.lines and size <= left:
                body, left = whole, left - size
                break
    return [*bodies, body] if body or not bodies else bodies


def _fitting(block: Block, lines: Sequence[str], first: bool, left: int) -> int:
    """How many of the lines fit into `left` bytes."""
    used = len(block.text((), first).encode())
    for number, line in enumerate(lines):
        used += len(line.encode()) + 1
        if used > left:
            return number
    return len(lines)


def verify(parts: Sequence[str]) -> list[str]:
    """What is wrong with the parts of a document, in any order: one that is missing, of another review, or changed."""
    found: dict[int, tuple[str, str, str]] = {}
    wrong: list[str] = []
    for place, part in enumerate(parts, 1):
        mark = MARK.match(part)
        if mark is None or FOOT not in part:
            wrong.append(f"text {place} is no whole part of a review: its first line or its end is missing.")
            continue
        number, digests = int(mark["number"]), mark["digests"].split()
        body = part[mark.end() : part.rindex(FOOT)]
        if len(digests) != int(mark["count"]) or not 1 <= number <= len(digests) or digest(body) != digests[number - 1]:
            wrong.append(f"part {number} was changed after it was written: it is not the text that its digest names.")
        found[number] = (mark["subject"], mark["count"], mark["digests"])
    if len(set(found.values())) > 1:
        wrong.append("the parts are of different reviews: their subjects or digests differ.")
    for _, count, _ in set(found.values()):
        wrong += [f"part {number} of {count} is missing." for number in range(1, int(count) + 1) if number not in found]
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Check parts that were kept or posted; 0 when they are whole, 1 when they are not, 2 when one cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m infra.review.parts", description="Check the parts of a review against each other.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="the text of a comment")
    options = parser.parse_args(arguments)
    try:
        wrong = verify([file.read_text(encoding="utf-8") for file in options.files])
    except (OSError, UnicodeDecodeError) as error:
        print(f"{error}. Nothing was checked. Name the files that hold the comments as they were posted.", file=sys.stderr)
        return 2
    if wrong:
        print(*wrong, "Write the review anew: playbook review", sep="\n", file=sys.stderr)
        return 1
    print(f"{len(options.files)} of {len(options.files)} parts are as they were written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
