"""The whole loop on a user's own data, also when it is killed in the middle."""

import json
import os
import random
import select
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from playbook import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


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


def table(path: Path, classes: int = 36) -> Path:
    """Classes that each speak of their own things."""
    chance = random.Random(7)
    filler = ["please", "the", "today", "again", "with", "my", "about", "help", "order", "now"]
    rows = [
        f"{' '.join(chance.choices(filler, k=4))} topic{label} word{label}{chance.randint(0, 3)},class {label}"
        for label in range(classes)
        for _ in range(25)
    ]
    chance.shuffle(rows)
    path.write_text("text,label\n" + "\n".join(dict.fromkeys(rows)) + "\n")
    return path


def start(state: Path, *data: Path, mark: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "playbook", "loop", "--state", str(state), "--out", str(state / "report")]
    return subprocess.Popen(
        [*command, *(part for path in data for part in ("--data", str(path)))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "LOOP_TEST": mark},
        start_new_session=True,
    )


def finished(state: Path, *data: Path) -> dict[str, Any]:
    """Run the loop to its end; its report."""
    run = start(state, *data, mark=(mark := uuid.uuid4().hex))
    said, _ = run.communicate()
    assert run.returncode == 0, said
    assert not living(mark)
    report: dict[str, Any] = json.loads((state / "report" / "report.json").read_text(encoding="utf-8"))
    return report


def killed(state: Path, *data: Path, when: Callable[[str], bool]) -> None:
    """Run the loop and kill its process group once `when` is true of what it has said; nothing that it started may survive."""
    run = start(state, *data, mark=(mark := uuid.uuid4().hex))
    assert run.stdout is not None
    said = b""
    while not when(said.decode(errors="replace")):
        if select.select([run.stdout], [], [], 0.005)[0]:
            said += (more := os.read(run.stdout.fileno(), 65536))
            assert more, said.decode()
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    run.stdout.close()
    assert all(gone(pid, 20) for pid in living(mark)), "a child survived the command"


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

    killed(state, table(tmp_path / "tickets.csv"), when=lambda said: "vision · label" in said)

    report = finished(state, tmp_path / "tickets.csv")
    assert report["outcome"] == "passed"
    assert len(report["data"]["nlp"]["classes"]) == 36
    assert report["models"]["nlp"]["accuracy"] > report["models"]["nlp"]["evaluation"]["majority_accuracy"]

    again = finished(state, tmp_path / "tickets.csv")
    assert [again["models"][task]["registration"]["version"] for task in ("vision", "nlp")] == [
        report["models"][task]["registration"]["version"] for task in ("vision", "nlp")
    ]
    trained = {step["name"]: step["status"] for step in again["steps"] if step["name"].endswith("· train")}
    assert (trained["vision · train"], trained["nlp · train"]) == ("cached", "cached")


def test_a_loop_that_is_killed_at_every_step_ends_like_one_that_was_not(tmp_path: Path) -> None:
    data = pictures(tmp_path / "pictures", 20), table(tmp_path / "tickets.csv", 4)
    state = tmp_path / "state"
    undisturbed = finished(tmp_path / "undisturbed", *data)

    # What is said is what has ended, so each kill hits what comes next; each run but the first goes on from the kill before.
    killed(state, *data, when=lambda said: any((state / "loop" / "local").glob("*/*")))  # ingesting
    killed(state, *data, when=lambda said: " images " in said)  # uploading
    killed(state, *data, when=lambda said: "· preprocess" in said)  # training
    killed(state, *data, when=lambda said: "· gate" in said)  # deploying
    killed(state, *data, when=lambda said: said.count("· predict") == 2)  # writing the report

    report = finished(state, *data)
    assert report["outcome"] == undisturbed["outcome"] == "passed"
    assert report.keys() == undisturbed.keys()
    for task, model in undisturbed["models"].items():
        again = report["models"][task]
        assert again["accuracy"] == model["accuracy"]
        assert again["evaluation"]["confusion"] == model["evaluation"]["confusion"]
        assert again["registration"]["version"] == again["predictions"]["model_version"] == "1", "a kill left a second version"
        assert again["predictions"]["accuracy"] == model["predictions"]["accuracy"]
    assert {step["name"] for step in report["steps"]} == {step["name"] for step in undisturbed["steps"]}
    assert (state / "report" / "report.html").stat().st_size > 10_000
