"""Text of others, ready to be read: a plan may hold what nobody sees, or what turns the order of what is read; both are written out."""

import re
from collections.abc import Iterator

PLAIN = re.compile(r"[\w.,;:()'\"%+/=?!’“”…–—→×·≤≥±−-]+")
NAMING = re.compile(r"_|:(?=\w)|//|\bwww\.|\bGH-\d")
"""What tells a name or an address from a word, and what a code host would make a link or a picture of by itself."""
ENDING = re.compile(r"[.,;:!?)]+$")


def visible(text: object) -> str:
    r"""`text` on one line, every character of it seen: a line's end as `\n`, a right-to-left override as `\u202e`."""
    written = str(text)
    if written.isprintable():
        return written
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in written)


def words(sentence: str) -> Iterator[tuple[str, str, str]]:
    """The words of a sentence: what is plain, then what is a name, then what closes it; the first or the second is empty."""
    for word in sentence.split(" "):
        if not word or (PLAIN.fullmatch(word) and not NAMING.search(word)):
            yield word, "", ""
            continue
        opening = "(" if word.startswith("(") and not word.endswith("()") else ""
        inner = word[len(opening) :]
        end = ENDING.search(inner)
        closing = end[0] if end and end.start() else ""
        yield opening, inner[: len(inner) - len(closing)], closing
