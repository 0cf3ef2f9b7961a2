"""The JSON Schemas of this room's YAML files, for editors."""

import json
from pathlib import Path

import pytest

from environments import ConfigurationError, schemas
from environments.loading import read
from infra.policies import waivers
from infra.review import accepted
from infra.review import types as review_types
from infra.review.rules import ways
from infra.schemas import FOLDER, MODELS
from infra.terraform.standin import types


def test_the_json_schemas_are_those_of_the_models(tmp_path: Path) -> None:
    assert schemas.stale(FOLDER, MODELS) == [], "run make schemas"
    written = [f"{name}.schema.json" for name in ("waivers", "book", "table", "review", "types", "ways")]
    assert schemas.stale(tmp_path, MODELS) == written


@pytest.mark.parametrize("path", [waivers.FILE, types.TABLE, accepted.FILE, review_types.FILE, ways.FILE])
def test_every_yaml_file_names_its_schema_for_editors(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    schema = json.loads((path.parent / first.removeprefix("# yaml-language-server: $schema=")).read_text())
    assert schema["additionalProperties"] is False


def test_a_table_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "types.yaml"
    wrong.write_text(types.TABLE.read_text().replace("immutable: [project_id]", "immutible: [project_id]", 1))
    with pytest.raises(ConfigurationError, match=r"immutible"):
        read(wrong, types.Table)
