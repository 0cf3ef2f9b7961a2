"""The whole loop on a user's own data, also when it is killed in the middle."""

import json
import os
import random
import select
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from playbook import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def pictures(folder: Path) -> Path:
    """Circles, squares and stripes of any size, colour and mode, and a file that is no picture."""
    chance = random.Random(7)
    for label in ("circle", "square", "stripes"):
        (folder / label).mkdir(parents=True)
        for number in range(60):
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


def table(path: Path) -> Path:
    """36 classes that each speak of their own things."""
    chance = random.Random(7)
    filler = ["please", "the", "today", "again", "with", "my", "about", "help", "order", "now"]
    rows = [
        f"{' '.join(chance.choices(filler, k=4))} topic{label} word{label}{chance.randint(0, 3)},class {label}"
        for label in range(36)
        for _ in range(25)
    ]
    chance.shuffle(rows)
    path.write_text("text,label\n" + "\n".join(dict.fromkeys(rows)) + "\n")
    return path


def start(state: Path, data: Path, mark: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "playbook", "loop", "--state", str(state), "--out", str(state / "report"), "--data", str(data)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "LOOP_TEST": mark}
    )


def finished(state: Path, data: Path) -> dict[str, Any]:
    """Run the loop to its end; its report."""
    run = start(state, data, mark := uuid.uuid4().hex)
    said, _ = run.communicate()
    assert run.returncode == 0, said
    assert not living(mark)
    report: dict[str, Any] = json.loads((state / "report" / "report.json").read_text(encoding="utf-8"))
    return report


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


def test_the_loop_runs_on_a_users_pictures_and_on_a_table_with_dozens_of_classes_and_survives_a_kill(tmp_path: Path) -> None:
    state = tmp_path / "state"

    report = finished(state, pictures(tmp_path / "pictures"))
    assert report["outcome"] == "passed"
    assert report["data"]["vision"] | {"rows": 0} == report["data"]["vision"] | {"rows": 0, "declared": False, "rejected": 1}
    assert report["data"]["vision"]["classes"] == ["circle", "square", "stripes"]
    vision = report["models"]["vision"]
    assert vision["accuracy"] > vision["evaluation"]["majority_accuracy"]
    assert vision["predictions"]["model_version"] == vision["registration"]["version"]
    assert report["data"]["nlp"]["declared"], "the other task keeps its data set"

    killed = start(state, table(tmp_path / "tickets.csv"), mark := uuid.uuid4().hex)
    assert killed.stdout is not None
    for line in killed.stdout:
        if "vision · label" in line:
            break
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    assert all(gone(pid, 20) for pid in living(mark)), "a child survived the command"

    report = finished(state, tmp_path / "tickets.csv")
    assert report["outcome"] == "passed"
    assert len(report["data"]["nlp"]["classes"]) == 36
    assert report["models"]["nlp"]["accuracy"] > report["models"]["nlp"]["evaluation"]["majority_accuracy"]

    again = finished(state, tmp_path / "tickets.csv")
    assert [again["models"][task]["registration"]["version"] for task in ("vision", "nlp")] == [
        report["models"][task]["registration"]["version"] for task in ("vision", "nlp")
    ]
    trained = [step for step in again["steps"] if step["name"].endswith("· train")]
    assert [step["status"] for step in trained] == ["cached", "cached"]
