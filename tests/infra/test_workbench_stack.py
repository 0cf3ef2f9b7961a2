"""The workbench stack: people's machines are closed, pinned and told apart by a key; what starts them is written by Terraform alone."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from environments import Environment, Names, load, organisation
from environments.schema import Instance
from infra.policies.subject import SynthesisedStack
from infra.stacks.workbench import START
from tests.infra.test_stacks import declared

INSTANCE = "google_workbench_instance"


def synthesised_with(instances: dict[str, Instance], out: Path) -> SynthesisedStack:
    local = load("local")
    environment: Environment = local.model_copy(update={"workbench": local.workbench.model_copy(update={"instances": instances})})
    return next(stack for stack in declared(Names(organisation(), environment), out) if stack.id == "local-workbench")


def instances(stack: SynthesisedStack) -> dict[str, dict[str, Any]]:
    """Terraform address → instance."""
    return {resource.address: resource.body for resource in stack.resources if resource.type == INSTANCE}


def test_every_instance_is_closed_shielded_encrypted_and_stops_when_idle(stacks: dict[str, SynthesisedStack]) -> None:
    checked = 0
    for stack in stacks.values():
        for body in instances(stack).values():
            setup = body["gce_setup"]
            assert setup["disable_public_ip"] is True
            assert setup["shielded_instance_config"] == {
                "enable_integrity_monitoring": True,
                "enable_secure_boot": True,
                "enable_vtpm": True,
            }
            for disk in ("boot_disk", "data_disks"):
                assert setup[disk]["disk_encryption"] == "CMEK"
                assert setup[disk]["kms_key"] == stack.names.key("workbench")
            assert int(setup["metadata"]["idle-timeout-seconds"]) >= 600
            assert setup["metadata"]["notebook-disable-root"] == "true"
            assert setup["service_accounts"] == [{"email": stack.names.service_account("workbench")}]
            checked += 1
    assert checked >= 4


def test_software_is_pinned_a_machine_image_by_name_and_a_container_by_tag(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["local-workbench"]
    declared_instances = stack.environment.workbench.instances
    found = {body["name"]: body["gce_setup"] for body in instances(stack).values()}
    assert {instance.kind for instance in declared_instances.values()} == {"python", "javascript"}
    for key, instance in declared_instances.items():
        setup = found[stack.names.workbench_instance(key)]
        if instance.kind == "python":
            assert setup["vm_image"] == {"name": instance.image, "project": "cloud-notebooks-managed"}
            assert "container_image" not in setup
        else:
            assert setup["container_image"] == {"repository": stack.names.image("workbench-javascript"), "tag": instance.image}
            assert "vm_image" not in setup


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": "workbench-instances"}, "pinned"),
        ({"kind": "javascript", "image": "latest", "node": False}, "pinned"),
        ({"kind": "javascript", "image": "0" * 40, "node": True}, "node is for a python instance"),
        ({"owners": []}, "owners"),
        ({"idle_shutdown_minutes": 0}, "idle_shutdown_minutes"),
        ({"boot_disk_gb": 100}, "boot_disk_gb"),
        ({"accelerator": {"type": "NVIDIA_TESLA_K80", "count": 1}}, "accelerator"),
    ],
)
def test_an_instance_that_google_or_a_reviewer_would_refuse_is_refused_when_it_is_loaded(changes: dict[str, Any], said: str) -> None:
    given = load("local").workbench.instances["python"].model_dump()
    Instance.model_validate(given)
    with pytest.raises(ValidationError, match=said):
        Instance.model_validate({**given, **changes})


def test_one_more_instance_moves_no_other(tmp_path: Path) -> None:
    python = load("local").workbench.instances["python"]
    one = instances(synthesised_with({"python": python}, tmp_path / "one"))
    two = instances(synthesised_with({"analysis": python, "python": python}, tmp_path / "two"))
    assert one.items() <= two.items()
    assert len(two) == 2


@pytest.mark.parametrize(("owners", "expected"), [(["a@example.com"], ["a@example.com"]), (["a@example.com", "b@example.com"], None)])
def test_google_takes_one_owner_or_none(owners: list[str], expected: list[str] | None, tmp_path: Path) -> None:
    python = load("local").workbench.instances["python"].model_copy(update={"owners": owners})
    stack = synthesised_with({"python": python}, tmp_path)
    [instance] = instances(stack).values()
    assert instance.get("instance_owners") == expected
    assert {r.body["member"] for r in stack.resources if "member" in r.body} >= {f"user:{owner}" for owner in owners}


def test_what_runs_as_root_is_written_by_terraform_alone(stacks: dict[str, SynthesisedStack]) -> None:
    stack = stacks["local-workbench"]
    [script] = [r for r in stack.resources if r.type == "google_storage_bucket_object"]
    assert script.body["content"] == START.read_text()
    grants = {(r.body["role"], r.body["member"]) for r in stack.resources if r.type == "google_storage_bucket_iam_member"}
    readers = [f"serviceAccount:{stack.names.service_account(duty)}" for duty in ("workbench", "plan")]
    assert grants == {("roles/storage.objectViewer", reader) for reader in readers}
    for body in instances(stack).values():
        assert body["gce_setup"]["metadata"]["post-startup-script"].endswith(f"/${{{script.address}.name}}")


def test_without_instances_there_is_nothing(stacks: dict[str, SynthesisedStack]) -> None:
    assert list(stacks["prod-workbench"].resources) == []


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of programs in the place of a machine's: they take notes, and do what is needed of them."""
    programs = {
        "curl": 'case "${@: -1}" in *repository) echo https://example.com/p;; *revision) echo v1;; *kind) cat KIND;; *node) echo true;; '
        "*environment) echo dev;; *) exit 22;; esac",
        "runuser": 'shift 3; exec "$@"',
        "git": '[ "$1" != clone ] || { mkdir -p "$4/.git" "$4/cloudbuild"; echo a > "$4/cloudbuild/requirements-workbench.lock"; '
        'echo b > "$4/requirements-node.lock"; }',
        "lspci": "echo NVIDIA T4",
        "nvidia-smi": "exit 0",
        "npm": "exit 0",
        "python3.11": '[ "$1" != -m ] || { mkdir -p "${@: -1}/bin"; for name in pip python; do '
        'printf \'#!/bin/bash\\necho "%s $*" >> NOTES\\n\' $name > "${@: -1}/bin/$name"; chmod +x "${@: -1}/bin/$name"; done; }',
    }
    for name, program in programs.items():
        file = tmp_path / name
        text = program.replace("KIND", str(tmp_path / "kind")).replace("NOTES", str(tmp_path / "notes"))
        file.write_text(f'#!/bin/bash\necho "{name} $*" >> {tmp_path}/notes\n{text}\n')
        file.chmod(0o755)
    (tmp_path / "kind").write_text("python\n")
    return tmp_path


def started(machine: Path) -> list[str]:
    """What the script does on the machine; it runs as it is, with another home folder."""
    (machine / "notes").write_text("")
    script = START.read_text().replace("/home/jupyter", str(machine / "home"))
    subprocess.run(
        ["bash"], input=script, text=True, check=True, env={"PATH": f"{machine}:/usr/bin:/bin"}, cwd=machine, capture_output=True
    )
    return [line for line in (machine / "notes").read_text().splitlines() if not line.startswith(("curl", "runuser", "lspci"))]


def test_a_python_machine_gets_the_repository_and_a_kernel_from_the_hashed_locks(machine: Path) -> None:
    notes = started(machine)
    assert notes[0].startswith("git clone --quiet https://example.com/p ")
    assert notes[1].endswith("checkout --quiet v1")
    installed = [line for line in notes if line.startswith("pip install")]
    assert [line.rpartition("/")[2] for line in installed] == ["requirements-workbench.lock", "requirements-node.lock"]
    assert all("--no-deps --require-hashes" in line for line in installed)
    [kernel] = [line for line in notes if "ipykernel install" in line]
    assert "--env ENV dev" in kernel


def test_a_second_start_installs_nothing_and_leaves_the_checkout_alone(machine: Path) -> None:
    started(machine)
    again = started(machine)
    assert not [line for line in again if line.startswith(("git", "pip", "npm"))]
    (machine / "home/playbook/cloudbuild/requirements-workbench.lock").write_text("another\n")
    assert [line for line in started(machine) if line.startswith("pip install")]


def test_a_javascript_machine_brings_its_packages_along(machine: Path) -> None:
    (machine / "kind").write_text("javascript\n")
    assert [line.split()[0] for line in started(machine)] == ["git", "git"]


def test_a_machine_without_its_metadata_fails_loudly(machine: Path) -> None:
    (machine / "curl").write_text("#!/bin/bash\nexit 22\n")
    with pytest.raises(subprocess.CalledProcessError):
        started(machine)
