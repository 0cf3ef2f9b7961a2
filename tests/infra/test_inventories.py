from infra.policies.subject import SynthesisedStack
from tests.infra.inventories import FOLDER, REGENERATE, render


def test_every_stack_equals_its_inventory(stacks: dict[str, SynthesisedStack]) -> None:
    written = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yaml")}
    expected = render(stacks)
    differing = sorted(name for name in written.keys() | expected.keys() if written.get(name) != expected.get(name))
    assert not differing, f"{', '.join(differing)}: what is declared has changed. If that is meant, run: {REGENERATE}"


def test_what_is_switched_off_is_counted_as_absent(stacks: dict[str, SynthesisedStack]) -> None:
    found = render(stacks)
    assert "google_workbench_instance: 0" in found["prod-workbench.yaml"]
    assert "google_vertex_ai_feature_online_store: 0" in found["dev-features.yaml"]
