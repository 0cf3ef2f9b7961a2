"""The review as files: `review.md` (and `review-2.md` … where it is longer than a host takes), `review.json`, `review.html`."""

import os
from pathlib import Path

from infra.review import markdown, page
from infra.review.report import Report, to_json


def write(report: Report, folder: Path) -> list[Path]:
    """Write all of it; a reader sees the old files or the new ones, never half of one. The paths, Markdown first.

    Args:
        report: the review.
        folder: where to; it is made.
    """
    parts = markdown.render(report)
    contents = {f"review{'' if number == 1 else f'-{number}'}.md": part for number, part in enumerate(parts, 1)}
    contents |= {"review.json": to_json(report), "review.html": page.render(report)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        new = folder / f".{name}.{os.getpid()}"
        new.write_text(content, encoding="utf-8")
        os.replace(new, folder / name)
    # Parts of a longer review that was here before would be read as parts of this one.
    for left in folder.glob("review-*.md"):
        if left.name not in contents:
            left.unlink()
    return [folder / name for name in contents]
