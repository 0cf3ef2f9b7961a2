"""Gemini model ids live in one file, and none in use is about to retire."""

import datetime
import re
from pathlib import Path

import environments
from environments.gemini import NOTICE, GeminiModel

ROOT = Path(__file__).parents[2]
MODEL_ID = re.compile(r"[\"'/](gemini-\d[\w.-]*|gemini-embedding-\d+)")
ROOMS = ("environments", "releases", "infra", "ml", "serving", "pipelines", "playbook", "cloudbuild")


def in_use() -> list[GeminiModel]:
    """The models that a task's labelling names."""
    aliases = {task.labelling.model for task in environments.tasks().tasks}
    return [model for model in environments.catalogue().models if model.alias in aliases]


def test_no_model_id_stands_outside_the_catalogue() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[1]}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.suffix in {".py", ".yaml", ".ts", ".js"} and path.name != "models.yaml"
        for match in MODEL_ID.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_no_model_in_use_retires_within_the_notice() -> None:
    assert in_use(), "no task uses a Gemini model: the check would have run on nothing"
    retiring = [f"{model.id} retires {model.retires}" for model in in_use() if model.expires_within_notice(datetime.date.today())]
    assert retiring == [], "choose a successor in environments/models.yaml and change the alias's id there"


def test_a_model_that_retires_within_the_notice_is_found() -> None:
    model = environments.catalogue().models[0]
    assert model.retires is not None
    assert model.expires_within_notice(model.retires - NOTICE)
    assert not model.expires_within_notice(model.retires - NOTICE - datetime.timedelta(days=1))
