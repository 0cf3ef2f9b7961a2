"""A user's data replaces the data of the task of its kind, and what is no data is refused before anything starts."""

from pathlib import Path

import pytest

from environments import tasks
from playbook.loop.sources import DataError, choose

TASKS = tasks().tasks


def test_without_data_every_task_learns_from_its_declared_data_set() -> None:
    assert [(source.task.name, source.place, source.own) for source in choose(TASKS, [])] == [
        ("vision", "fashion-mnist", False),
        ("nlp", "movie-snippets", False),
    ]


def test_a_folder_of_class_folders_replaces_the_pictures_only(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    vision, nlp = choose(TASKS, [tmp_path])
    assert (vision.place, vision.own) == (str(tmp_path), True)
    assert (nlp.place, nlp.own) == ("movie-snippets", False)


def test_a_csv_file_replaces_the_texts_only(tmp_path: Path) -> None:
    table = tmp_path / "Tickets.CSV"
    table.write_text("text,label\n")
    vision, nlp = choose(TASKS, [table])
    assert (vision.own, nlp.own) == (False, True)


def test_a_path_below_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "pictures" / "cats").mkdir(parents=True)
    assert choose(TASKS, [Path("~/pictures")])[0].place == str(tmp_path / "pictures")


@pytest.mark.parametrize(
    ("name", "message"), [("missing", "does not exist"), ("file.txt", "neither a folder nor a .csv"), ("empty", "no folder")]
)
def test_what_is_no_data_is_refused_with_the_mend(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file.txt").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=f"{message}.*DATA is a folder"):
        choose(TASKS, [tmp_path / name])


def test_data_of_a_kind_that_no_task_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    with pytest.raises(DataError, match="no such task"):
        choose([task for task in TASKS if task.kind == "text_classification"], [tmp_path])


def test_the_key_changes_with_the_data_and_only_then(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "a.png").write_bytes(b"one")
    [source, _] = choose(TASKS, [tmp_path])
    before = source.key
    assert source.key == before
    (tmp_path / "cats" / "b.png").write_bytes(b"two")
    assert source.key != before


def test_a_link_to_nowhere_does_not_stop_the_rest(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "gone.png").symlink_to(tmp_path / "nothing")
    assert choose(TASKS, [tmp_path])[0].key


def test_pictures_and_texts_can_both_be_replaced_but_no_task_twice(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    table = tmp_path / "reviews.csv"
    table.write_text("text,label\n")
    assert [source.place for source in choose(TASKS, [table, tmp_path])] == [str(tmp_path), str(table)]
    with pytest.raises(DataError, match="both for nlp"):
        choose(TASKS, [table, table])
