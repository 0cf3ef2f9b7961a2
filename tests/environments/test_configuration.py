"""Environment files are strict: a wrong one is refused with the mend, and no two environments can damage each other."""

import importlib.util
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import environments
from environments import ConfigurationError
from environments.fields import REGIONS
from environments.loading import HERE, environment_names
from environments.schemas import FOLDER, render
from infra import app

Edit = Callable[[str, str, str], Path]


@pytest.fixture
def edited(tmp_path: Path) -> Edit:
    """A copy of the folder in which one piece of text of one file is replaced."""

    def edit(file: str, old: str, new: str) -> Path:
        for path in HERE.glob("*.yaml"):
            shutil.copy(path, tmp_path)
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert old in text
        (tmp_path / file).write_text(text.replace(old, new, 1), encoding="utf-8")
        return tmp_path

    return edit


def test_every_environment_loads() -> None:
    assert [e.name for e in environments.load_all()] == ["dev", "local", "prod", "staging"]


def test_environments_differ_only_where_parity_says_why() -> None:
    assert environments.parity().violations(environments.load_all()) == []


def test_a_difference_that_parity_does_not_list_is_found(edited: Edit) -> None:
    root = edited("prod.yaml", "gemini_location: europe-west4", "gemini_location: global")
    assert environments.parity(root).violations(environments.load_all(root)) == ["gemini_location"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("protected: false", "protected: 'no'", "protected"),
        ("region: europe-west4", "region: Europe", "region"),
        ("region: europe-west4", "region: europe-west99", "did you mean europe-west9"),
        ("data_location: europe-west4", "data_location: europe-west5", "data_location: Vertex AI is not in"),
        ("gemini_location: europe-west4", "gemini_location: world", "gemini_location: Vertex AI is not in"),
        ("region: europe-west4\n", "", "region: this key is missing"),
        ("error_ratio: 0.05", "error_ratio: 1.5", "monitoring.error_ratio"),
        ("min_replicas: 1", "min_replicas: 3", "below min_replicas"),
        ("name: dev", "name: dev\nzone: a", "zone: there is no such key"),
        ("name: dev", "name: developers", "name: too long: at most 7 characters"),
        ("id: acme-gemini-dev", "id: acme-gemini-development-environment", "project.id: too long: at most 30 characters"),
        ("name: dev", "name: dev\nname: dev", "given twice"),
        ("name: dev", "name: other", "names itself"),
        ("name: dev", "name: [", "not valid YAML"),
        ("folder: ", "folder: !!python/object/apply:os.system ['true'] #", "not valid YAML"),
        ('folder: "100000000001"', "folder: null", "needs folder"),
        ("  billing_account: 000000-000000-000000\n", "", "needs folder and billing_account"),
        ("billing_account: 000000-000000-000000", "billing_account: ours", "project.billing_account"),
        ("count: 1", "count: 99", "accelerator.count"),
        ("type: NVIDIA_TESLA_T4", "type: NVIDIA_TESLA_K80", "ended on 2024-05-01.*use NVIDIA_L4"),
        ("type: NVIDIA_TESLA_T4", "type: NVIDIA_L4", "use a machine_type that begins with g2-"),
        ("ip_range: 10.10.0.0/20", "ip_range: 10.10.0.1/20", "Google would refuse the subnetwork"),
        ("ip_range: 10.10.0.0/20", "ip_range: 8.8.0.0/20", "belongs to somebody on the internet"),
        ("dataflow: null", "dataflow: {ip_range: 10.10.8.0/22}", "overlaps network.ip_range"),
        ("soft_delete_days: 7", "soft_delete_days: 3", "refused by Cloud Storage"),
        ("soak_hours: 0", "soak_hours: 24", "soak_hours 24 without a source"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_the_mend(edited: Edit, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        environments.load("dev", edited("dev.yaml", old, new))
    message = str(error.value)
    assert re.search(said, message)
    assert "dev.yaml" in message
    assert "pydantic" not in message


def test_regions_are_those_of_the_sdk_of_vertex_ai() -> None:
    package = importlib.util.find_spec("google.cloud.aiplatform")  # read and not imported, which takes seconds
    assert package is not None
    assert package.origin is not None
    text = (Path(package.origin).parent / "constants" / "base.py").read_text(encoding="utf-8")
    known = text.partition("SUPPORTED_REGIONS = ")[2].partition("}")[0]
    assert {*re.findall(r'"([a-z0-9-]+)"', known)} - {"global"} == {*REGIONS}


def test_an_unknown_environment_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="dev, local, prod, staging"):
        environments.load("production")


def test_a_missing_file_is_refused_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="git checkout"):
        environments.organisation(tmp_path)


def test_two_environments_never_share_a_project(edited: Edit) -> None:
    root = edited("staging.yaml", "id: acme-gemini-staging", "id: acme-gemini-prod")
    with pytest.raises(ConfigurationError, match="would share the project acme-gemini-prod"):
        environments.load_all(root)


def test_two_environments_never_share_a_key(edited: Edit) -> None:
    purposes = ("data", "ml", "workbench", "secrets", "releases")
    names = "".join(f"\n    {purpose}: projects/kms/locations/europe-west4/keyRings/ml/cryptoKeys/{purpose}" for purpose in purposes)
    used = f"keys:\n  mode: use\n  names:{names.replace('projects/kms/', 'projects/kms-host/')}\n"
    created = "keys:\n  mode: create\n  rotation_days: 90\n"
    root = edited("staging.yaml", created, used)
    assert environments.load_all(root)
    prod = root / "prod.yaml"
    prod.write_text(prod.read_text().replace(created, used))
    with pytest.raises(ConfigurationError, match=r"would share the key projects/kms-host/.*Give each its own keys"):
        environments.load_all(root)


def test_two_environments_never_have_one_project_number(edited: Edit) -> None:
    number = environments.load("prod").project.number
    root = edited("staging.yaml", str(environments.load("staging").project.number), str(number))
    with pytest.raises(ConfigurationError, match=f"would share the project number {number}"):
        environments.load_all(root)


def test_two_environments_never_share_the_address_of_their_page(edited: Edit) -> None:
    with pytest.raises(ConfigurationError, match=r"would share the domain web.example.com.*Give each its own web.domain"):
        environments.load_all(edited("staging.yaml", "domain: web.staging.example.com", "domain: web.example.com"))


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("prod", "source: staging", "source: preprod", "takes its releases from 'preprod', but there is no such environment"),
        ("dev", "source: null", "source: prod", "No release could ever arrive"),
        ("dev", "target: null", "target: prod", "lets 'prod' read its releases, which takes none from it"),
    ],
)
def test_a_way_of_releases_that_leads_nowhere_is_refused(edited: Edit, name: str, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        environments.load_all(edited(f"{name}.yaml", old, new))


def test_what_is_shared_is_refused_also_where_one_environment_is_synthesised_alone(
    edited: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = edited("staging.yaml", "id: acme-gemini-staging", "id: acme-gemini-prod")
    monkeypatch.setattr(app, "load_all", lambda: environments.load_all(root))
    with pytest.raises(ConfigurationError, match="would share the project acme-gemini-prod"):
        app.synthesise(["staging"], tmp_path / "out")


def test_a_protected_environment_protects_its_data(edited: Edit) -> None:
    with pytest.raises(ConfigurationError, match="could lose its data"):
        environments.load("prod", edited("prod.yaml", "deletion_protection: true", "deletion_protection: false"))


def test_a_task_named_twice_is_refused(edited: Edit) -> None:
    with pytest.raises(ConfigurationError, match="names a task twice"):
        environments.tasks(edited("tasks.yaml", "name: nlp", "name: vision"))


def test_a_task_that_labels_with_an_unknown_model_is_refused_with_the_known_ones(edited: Edit) -> None:
    with pytest.raises(ConfigurationError, match=r"labels with ultra.*embedding, flash, lite"):
        environments.tasks(edited("tasks.yaml", "model: flash", "model: ultra"))


def test_an_unknown_model_alias_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="flash"):
        environments.catalogue().id("ultra")


def test_the_json_schemas_are_those_of_the_models() -> None:
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")} == render(), "run make schemas"


def test_every_yaml_file_names_its_schema_for_editors() -> None:
    for path in HERE.glob("*.yaml"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        schema = HERE / first.removeprefix("# yaml-language-server: $schema=")
        assert schema.is_file(), path.name
    assert len(environment_names()) == 4
