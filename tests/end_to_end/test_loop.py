"""The whole loop on a user's own data, also when it is killed in the middle of its first half."""

from pathlib import Path

import pytest

from tests.end_to_end.loops import finished, killed, one_task, pictures, table

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


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
        assert "at least 50 of each are needed" in report["rollout"][task]["skipped"], "so few rows tell nothing about drift"
        assert report["rollout"][task]["serving"]["version"] == "1"
    assert {step["name"] for step in report["steps"]} == {step["name"] for step in undisturbed["steps"]}
    assert (state / "report" / "report.html").stat().st_size > 10_000


def test_data_that_teaches_nothing_is_refused_by_the_gate_and_closes_no_loop(tmp_path: Path) -> None:
    texts = [line.partition(",")[0] for line in table(tmp_path / "tickets.csv", 4).read_text().splitlines()[1:]]
    (tmp_path / "tickets.csv").write_text("text,label\n" + "".join(f"{text},{'ab'[at % 2]}\n" for at, text in enumerate(texts)))

    report = finished(tmp_path / "state", tmp_path / "tickets.csv", folder=one_task(tmp_path / "one", "nlp"), status=1)
    assert report["outcome"] == "failed"
    assert report["models"]["nlp"]["gate"]["passed"] is False
    assert not report["drift"]["nlp"]
    assert [step["status"] for step in report["steps"] if step["name"] == "nlp · deploy"] in ([], ["skipped"])
