"""Data that is quickly learned, and the loop over it in a process group of its own, to its end or until it is killed."""

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from playbook import ROOT


def pictures(folder: Path, each: int = 60) -> Path:
    """Circles, squares and stripes of any size, colour and mode, and a file that is no picture."""
    chance = random.Random(7)
    for label in ("circle", "square", "stripes"):
        (folder / label).mkdir(parents=True)
        for number in range(each):
            size = (chance.randint(24, 240), chance.randint(24, 240))
            image = Image.new("RGB", size, tuple(chance.randint(150, 255) for _ in range(3)))
            draw, ink = ImageDraw.Draw(image), tuple(chance.randint(0, 90) for _ in range(3))
            box = (size[0] * 0.2, size[1] * 0.2, size[0] * 0.8, size[1] * 0.8)
            if label == "circle":
                draw.ellipse(box, fill=ink)
            elif label == "square":
                draw.rectangle(box, fill=ink)
            else:
                for at in range(0, size[0], max(4, size[0] // 8)):
                    draw.line((at, 0, at, size[1]), fill=ink, width=max(1, size[0] // 20))
            image.convert(("RGB", "RGBA", "P", "L")[number % 4]).save(folder / label / f"{number}.png")
    (folder / "circle" / "broken.png").write_bytes(b"no picture")
    return folder


def table(path: Path, classes: int = 36, each: int = 25) -> Path:
    """Classes that each speak of their own things."""
    chance = random.Random(7)
    filler = ["please", "the", "today", "again", "with", "my", "about", "help", "order", "now"]
    rows = [
        f"{' '.join(chance.choices(filler, k=4))} topic{label} word{label}{chance.randint(0, 3)},class {label}"
        for label in range(classes)
        for _ in range(each)
    ]
    chance.shuffle(rows)
    path.write_text("text,label\n" + "\n".join(dict.fromkeys(rows)) + "\n")
    return path


def one_task(folder: Path, task: str) -> Path:
    """A folder whose `environments` know of one task only: a loop that is started there closes for that task alone."""
    shutil.copytree(ROOT / "environments", folder / "environments", ignore=shutil.ignore_patterns("__pycache__"))
    listed = folder / "environments" / "tasks.yaml"
    head, *tasks = listed.read_text(encoding="utf-8").split("  - name: ")
    listed.write_text("  - name: ".join([head, *(one for one in tasks if one.startswith(f"{task}\n"))]), encoding="utf-8")
    return folder


def start(state: Path, *data: Path, mark: str, folder: Path = ROOT) -> "subprocess.Popen[str]":
    """The loop, started in `folder`, with `mark` in the environment of everything that it starts."""
    command = [sys.executable, "-m", "playbook", "loop", "--state", str(state), "--out", str(state / "report")]
    return subprocess.Popen(
        [*command, *(part for path in data for part in ("--data", str(path)))],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "LOOP_TEST": mark},
        start_new_session=True,
    )


def finished(state: Path, *data: Path, folder: Path = ROOT, status: int = 0) -> dict[str, Any]:
    """Run the loop to its end; its report."""
    run = start(state, *data, mark=(mark := uuid.uuid4().hex), folder=folder)
    said, _ = run.communicate()
    assert run.returncode == status, said
    assert not living(mark)
    report: dict[str, Any] = json.loads((state / "report" / "report.json").read_text(encoding="utf-8"))
    return report


def killed(state: Path, *data: Path, when: Callable[[str], bool], folder: Path = ROOT) -> str:
    """Run the loop and kill its process group once `when` is true of what it has said, which is returned; no child may survive."""
    run = start(state, *data, mark=(mark := uuid.uuid4().hex), folder=folder)
    assert run.stdout is not None
    said = b""
    while not when(said.decode(errors="replace")):
        if select.select([run.stdout], [], [], 0.005)[0]:
            said += (more := os.read(run.stdout.fileno(), 65536))
            assert more, said.decode()
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    run.stdout.close()
    survivors = [called(pid) for pid in living(mark) if not gone(pid, 20)]
    assert not survivors, f"children survived the command: {survivors}; it had said: {said.decode()}"
    return said.decode()


def living(mark: str) -> list[int]:
    """Processes that were started, directly or not, with `mark` in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"LOOP_TEST={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def called(pid: int) -> str:
    """How a process was started."""
    try:
        return f"{pid} {(Path('/proc') / str(pid) / 'cmdline').read_text().replace(chr(0), ' ')}"
    except OSError:
        return str(pid)


def gone(pid: int, seconds: float) -> bool:
    """Whether the process ends within so many seconds."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)
