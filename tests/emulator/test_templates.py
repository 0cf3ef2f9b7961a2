"""Pipeline templates in Artifact Registry, through KFP's own client."""

from pathlib import Path
from typing import Any

import pytest
from kfp import compiler, dsl
from kfp.registry import RegistryClient
from requests import HTTPError, put

from tests.conftest import PROJECT

HOST = f"https://europe-west4-kfp.pkg.dev/{PROJECT}/templates"


@pytest.fixture(scope="module")
def registry(google_cloud: dict[str, Any]) -> RegistryClient:
    from googleapiclient.discovery import build

    repositories = build("artifactregistry", "v1", static_discovery=True).projects().locations().repositories()
    parent = f"projects/{PROJECT}/locations/europe-west4"
    repositories.create(parent=parent, repositoryId="templates", body={"format": "KFP"}).execute()
    return RegistryClient(host=HOST)


def compiled(folder: Path, text: str) -> str:
    @dsl.component(base_image="acme/pipelines", install_kfp_package=False)
    def say(text: str) -> str:
        return text

    @dsl.pipeline(name="said-aloud")
    def pipeline() -> None:
        say(text=text)

    path = str(folder / f"{text}.yaml")
    compiler.Compiler().compile(pipeline, path)
    return path


def test_a_template_comes_back_by_version_and_by_tag(registry: RegistryClient, tmp_path: Path) -> None:
    first, second = compiled(tmp_path, "one"), compiled(tmp_path, "two")
    package, old = registry.upload_pipeline(first, tags=["v1", "latest"])
    _, new = registry.upload_pipeline(second, tags="latest")
    assert package == "said-aloud"
    assert old != new
    for reference, source in (({"tag": "v1"}, first), ({"tag": "latest"}, second), ({"version": old}, first)):
        copy = registry.download_pipeline(package, **reference, file_name=str(tmp_path / "copy.yaml"))
        assert Path(copy).read_bytes() == Path(source).read_bytes()
    assert {one["name"].rpartition("/")[2] for one in registry.list_versions(package)} >= {old, new}
    assert registry.get_tag(package, "latest")["version"].endswith(new)
    registry.update_tag(package, old, "latest")
    assert registry.get_tag(package, "latest")["version"].endswith(old)
    with pytest.raises(HTTPError, match="400"):
        registry.delete_version(package, old)
    assert registry.delete_tag(package, "latest") == {}
    assert registry.delete_tag(package, "v1") == {}
    assert registry.delete_version(package, old)
    with pytest.raises(HTTPError, match="404"):
        registry.download_pipeline(package, version=old, file_name=str(tmp_path / "copy.yaml"))


def test_what_is_no_template_is_refused(registry: RegistryClient, tmp_path: Path) -> None:
    (tmp_path / "no.yaml").write_text("pipelineInfo: [")
    with pytest.raises(HTTPError, match="400"):
        registry.upload_pipeline(str(tmp_path / "no.yaml"))
    with pytest.raises(HTTPError, match="400"):
        registry.upload_pipeline(compiled(tmp_path, "three"), tags="../latest")
    with pytest.raises(HTTPError, match="404"):
        RegistryClient(host=f"{HOST}-missing").upload_pipeline(compiled(tmp_path, "three"))
    assert put(HOST, timeout=10).status_code == 404
