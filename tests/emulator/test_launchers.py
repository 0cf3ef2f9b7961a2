"""The launchers: forks are safe, independent of each other, limited, and gone when they should be."""

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from emulator.processes import supervisor as module
from emulator.processes.command import Command, Ended, Form
from emulator.processes.said import Said
from emulator.processes.supervisor import LauncherFailed, Supervisor

Run = Callable[..., Coroutine[Any, Any, tuple[Ended, list[str]]]]


def with_supervisor(tmp_path: Path, work: Callable[[Supervisor, Run], Coroutine[Any, Any, Any]], preload: tuple[str, ...] = ()) -> Any:
    async def main() -> Any:
        supervisor = Supervisor([preload], {"PYTHONPATH": str(tmp_path)})
        count = iter(range(1000))

        async def run(form: Form, *arguments: str, seconds: float | None = 30) -> tuple[Ended, list[str]]:
            lines: list[str] = []
            folder = tmp_path / "work" / str(next(count))
            command = Command(
                form=form, arguments=list(arguments), folder=str(folder), environment={"WORD": "hello"}, preload=preload, seconds=seconds
            )
            return await supervisor.run(command, lines.append), lines

        try:
            return await work(supervisor, run)
        finally:
            await supervisor.close()

    return asyncio.run(main())


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(*pids: int, within: float = 10) -> bool:
    deadline = time.monotonic() + within
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(alive(pid) for pid in pids)


def test_a_program_reports_its_end_its_lines_and_what_it_used(tmp_path: Path) -> None:
    async def work(_: Supervisor, run: Run) -> None:
        ended, lines = await run("program", "sh", "-c", 'echo "$WORD"; pwd; echo "$TMPDIR" >&2; exit 3')
        assert (ended.code, ended.reason) == (3, "")
        assert lines == ["hello", str(tmp_path / "work/0"), str(tmp_path / "work/0")]
        assert ended.peak_mb > 0
        ended, lines = await run("program", "no-such-program")
        assert ended.code == 127
        assert "cannot be started" in lines[0]

    with_supervisor(tmp_path, work)


def test_a_module_runs_as_python_m_would_run_it(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text(
        "import atexit, sys, threading, time\n"
        "atexit.register(print, 'exit handler')\n"
        "def late():\n    time.sleep(0.05)\n    print('thread', flush=True)\n"
        "if __name__ == '__main__':\n"
        "    threading.Thread(target=late).start()\n"
        "    print(sys.argv[1:])\n"
        "    sys.exit('it went wrong')\n"
    )

    async def work(_: Supervisor, run: Run) -> None:
        ended, lines = await run("module", "steps", "--n", "1")
        assert ended.code == 1
        assert lines == ["['--n', '1']", "it went wrong", "thread", "exit handler"]

    with_supervisor(tmp_path, work)


def test_forks_share_nothing_but_their_imports(tmp_path: Path) -> None:
    (tmp_path / "draw.py").write_text("import os, numpy, random\nprint(numpy.random.rand(), random.random())\nos.environ['WORD'] = 'bye'\n")

    async def work(_: Supervisor, run: Run) -> None:
        results = await asyncio.gather(*(run("module", "draw") for _ in range(6)))
        assert len({lines[0] for _, lines in results}) == 6
        assert all(ended.code == 0 for ended, _ in results)

    with_supervisor(tmp_path, work, ("numpy.random",))


def test_a_launcher_with_threads_refuses_to_serve_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "threaded.py").write_text("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n")

    async def work(_: Supervisor, run: Run) -> None:
        with pytest.raises(LauncherFailed, match=r"has 2 threads .*preload"):
            await run("module", "this")

    with_supervisor(tmp_path, work, ("threaded",))


def test_a_module_that_cannot_be_preloaded_is_named(tmp_path: Path) -> None:
    async def work(_: Supervisor, run: Run) -> None:
        with pytest.raises(LauncherFailed, match=r"no_such_module.*make setup"):
            await run("module", "this")

    with_supervisor(tmp_path, work, ("no_such_module",))


def test_a_process_past_its_time_is_ended_with_what_it_started(tmp_path: Path) -> None:
    async def work(_: Supervisor, run: Run) -> None:
        ended, lines = await run("program", "sh", "-c", "sleep 300 & echo $!; wait", seconds=0.3)
        assert (ended.code, ended.reason) == (-signal.SIGKILL, "time limit")
        assert gone(int(lines[0]))

    with_supervisor(tmp_path, work)


def test_a_cancelled_command_is_asked_to_end_before_the_caller_goes_on(tmp_path: Path) -> None:
    async def work(_: Supervisor, run: Run) -> None:
        said = tmp_path / "said"
        program = f"trap 'echo asked > {said}; exit 0' TERM; echo $$ > {said}; sleep 300 & wait"
        running = asyncio.create_task(run("program", "sh", "-c", program))
        while not (said.exists() and said.read_text()):
            await asyncio.sleep(0.01)
        pid = int(said.read_text())
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert said.read_text() == "asked\n"
        assert gone(pid, within=0)

    with_supervisor(tmp_path, work)


def test_a_launcher_that_was_killed_is_started_again(tmp_path: Path) -> None:
    async def work(supervisor: Supervisor, run: Run) -> None:
        await run("program", "true")
        process = supervisor.launchers[()].process
        assert process is not None
        process.kill()
        await process.wait()
        ended, _ = await run("program", "true")
        assert ended.code == 0

    with_supervisor(tmp_path, work)


def test_source_that_was_edited_is_imported_anew_while_what_runs_goes_on(tmp_path: Path) -> None:
    word, done = tmp_path / "word.py", tmp_path / "done"
    word.write_text("WORD = 'old'\n")
    (tmp_path / "says.py").write_text("import word\nprint(word.WORD, flush=True)\n")
    (tmp_path / "waits.py").write_text(f"import os, says, time\nwhile not os.path.exists({str(done)!r}): time.sleep(0.01)\n")

    async def work(supervisor: Supervisor, run: Run) -> None:
        launcher = supervisor.launchers["word",]
        command = Command(form="module", arguments=["waits"], folder=str(tmp_path / "waits"), environment={}, preload=("word",))
        lines: list[str] = []
        running = await supervisor.start(command, lines.append)
        older = launcher.process
        while not lines:
            await asyncio.sleep(0.01)
        assert (await run("module", "says"))[1] == ["old"]
        assert launcher.process is older
        word.write_text("WORD = 'newer'\n")
        assert (await run("module", "says"))[1] == ["newer"]
        assert older is not None
        assert older.returncode is None, "something runs in it"
        done.touch()
        assert (await running.wait()).code == 0
        assert await asyncio.wait_for(older.wait(), 10) == 0
        assert lines == ["old"]

    with_supervisor(tmp_path, work, ("word",))


def test_who_leaves_without_reading_an_answer_takes_no_other_process_along(tmp_path: Path) -> None:
    async def work(supervisor: Supervisor, run: Run) -> None:
        control = await supervisor.launchers[()].ready()
        for _ in range(20):
            ours, theirs = socket.socketpair()
            readable, writable = os.pipe()
            socket.send_fds(control, [b"\n"], [theirs.fileno(), writable])
            theirs.close()
            os.close(writable)
            ours.sendall(Command(form="program", arguments=["sleep", "60"], folder=str(tmp_path / "left"), environment={}).line())
            select.select([ours], [], [])
            ours.close()
            os.close(readable)
        assert (await run("program", "true"))[0].code == 0

    with_supervisor(tmp_path, work)


def test_a_flood_of_output_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINES", 100)

    async def work(_: Supervisor, run: Run) -> None:
        ended, lines = await run("program", "seq", "100000")
        assert ended.code == 0
        assert lines[:2] == ["1", "2"]
        assert len(lines) == 101
        assert "dropped" in lines[-1]

    with_supervisor(tmp_path, work)


def test_nothing_survives_a_killed_emulator(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from emulator.processes.command import Command\n"
        "from emulator.processes.supervisor import Supervisor\n"
        "async def main():\n"
        "    supervisor = Supervisor([], {})\n"
        "    shell = 'setsid sleep 300 & echo $!; echo $$; wait'\n"
        f"    command = Command(form='program', arguments=['sh', '-c', shell], folder={str(tmp_path)!r}, environment={{}})\n"
        "    process = await supervisor.start(command, lambda line: print(line, flush=True))\n"
        "    print(supervisor.launchers[()].process.pid, flush=True)\n"
        "    await process.wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(process.stdout.readline()) for _ in range(3)]
        assert all(alive(pid) for pid in pids)
        os.kill(process.pid, signal.SIGKILL)
    assert gone(*pids)


@pytest.mark.long
def test_tensorflow_steps_forked_side_by_side_do_not_hang(tmp_path: Path) -> None:
    (tmp_path / "fit.py").write_text(
        "import keras, numpy as np\n"
        "model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])\n"
        "model.compile('sgd', 'mse')\n"
        "model.fit(np.ones((64, 4)), np.ones((64, 1)), verbose=0)\n"
    )

    async def work(_: Supervisor, run: Run) -> None:
        results = await asyncio.gather(*(run("module", "fit", seconds=60) for _ in range(12)))
        assert [ended.code for ended, _ in results] == [0] * 12, [lines[-1:] for _, lines in results]

    with_supervisor(tmp_path, work, ("tensorflow", "keras", "pyarrow.parquet", "sklearn", "google.genai"))


RAISED = """Traceback (most recent call last):
  File "step.py", line 2, in <module>
    f()
ValueError: 400 no: [count: 1
errors {
  code: 3
}
]"""


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        ("", "it printed nothing"),
        ("one\ntwo\n\n", "two"),
        ("  { 1\n}", "it printed nothing"),
        (RAISED, "ValueError: 400 no: [count: 1"),
        (f"{RAISED}\nTrying again.\nfailed for good", "failed for good"),
        (
            f"{RAISED}\n\nDuring handling of the above exception, another exception occurred:\n\n{RAISED.replace('400', '500')}",
            "ValueError: 500 no: [count: 1",
        ),
    ],
)
def test_of_a_process_that_failed_the_line_that_tells_why_is_kept(printed: str, kept: str) -> None:
    said = Said()
    for line in printed.split("\n"):
        said.add(line)
    assert said.last == kept
