"""Reads the YAML files: safe, duplicate keys refused, every error says what is wrong, what follows and what mends it."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from environments.gemini import Catalogue
from environments.names import Names
from environments.parity import Parity
from environments.schema import Environment, KeyPurpose, Organisation
from environments.tasks import Tasks

HERE = Path(__file__).parent
NOT_ENVIRONMENTS = {"organisation", "tasks", "models", "parity"}
PLAIN = {
    "extra_forbidden": "there is no such key, so that nothing would follow from it",
    "missing": "this key is missing",
    "string_too_long": "too long: at most {max_length} characters, or names that are made of it would not fit where Google takes few",
}
"""Kind of fault → the same for people who know our files and not our code; the others say it well enough themselves."""

Model = TypeVar("Model", bound=BaseModel)


class ConfigurationError(Exception):
    """A file of this folder is missing or wrong; the message is complete and meant for people."""


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, where YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read(path: Path, model: type[Model]) -> Model:
    """Parse and validate one YAML file.

    Raises:
        ConfigurationError: when the file cannot be read, is not YAML or does not fit the model.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path.name} cannot be read: {error}. Nothing was changed. Restore the file, e.g. git checkout -- {_in_checkout(path)}"
        ) from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path.name} is not valid YAML: {error}. Nothing was changed. Mend the line named above.") from None
    try:
        # Strict validation of parsed YAML: dates arrive as dates, so the Python mode is the right one.
        return model.model_validate(content)
    except ValidationError as error:
        faults = "\n".join(
            f"  {'.'.join(map(str, e['loc'])) or '(top level)'}: {_plain(e)} (found {e['input']!r:.80})" for e in error.errors()
        )
        schema = HERE / "schemas" / f"{model.__name__.lower()}.schema.json"
        allowed = _in_checkout(schema) if schema.exists() else f"{model.__module__}.{model.__name__}"
        raise ConfigurationError(
            f"{path.name} does not fit its schema:\n{faults}\nNothing was changed. Mend the lines above; {allowed} says what is allowed."
        ) from None


def _plain(fault: ErrorDetails) -> str:
    """What is wrong with a value."""
    if plain := PLAIN.get(fault["type"]):
        return plain.format(**fault.get("ctx", {}))
    return fault["msg"].removeprefix("Value error, ")


def _in_checkout(path: Path) -> str:
    """The path as a command at the root of the checkout takes it."""
    return str(path.relative_to(HERE.parent) if path.is_relative_to(HERE.parent) else path)


def environment_names(root: Path = HERE) -> list[str]:
    """Names of all environments that have a file, sorted."""
    return sorted(p.stem for p in root.glob("*.yaml") if p.stem not in NOT_ENVIRONMENTS)


def load(name: str, root: Path = HERE) -> Environment:
    """The environment `name`.

    Raises:
        ConfigurationError: when there is no such environment or its file is wrong.
    """
    known = environment_names(root)
    if name not in known:
        raise ConfigurationError(
            f"there is no environment {name!r}. Nothing was changed. Use one of {', '.join(known)}, or add environments/{name}.yaml."
        )
    environment = read(root / f"{name}.yaml", Environment)
    if environment.name != name:
        raise ConfigurationError(
            f"{name}.yaml names itself {environment.name!r}. Two environments could share names and state. Set name: {name}."
        )
    return environment


MENDS = {"key ": "keys", "project number ": "project number", "domain ": "web.domain"}
"""What two environments would share → what each needs of its own; a project id for anything else."""


def load_all(root: Path = HERE) -> list[Environment]:
    """Every environment, sorted by name, after checking that no two share what would let one damage the other.

    Raises:
        ConfigurationError: when a file is wrong or two environments share a project, a state bucket, a service account, a key or the
            address of their page.
    """
    environments = [load(name, root) for name in environment_names(root)]
    organisation_ = organisation(root)
    owners: dict[str, str] = {}
    for environment in environments:
        names = Names(organisation_, environment)
        for owned in (
            f"project {environment.project.id}",
            f"bucket {names.state_bucket}",
            *([f"project number {environment.project.number}"] if environment.project.number else []),
            *(f"account {names.service_account(d)}" for d in names.DUTIES),
            *([f"domain {environment.web.domain}"] if environment.web.domain else []),
            # Two purposes may have one key, two environments may not.
            *sorted({f"key {key}" for purpose in get_args(KeyPurpose) if (key := names.key(purpose))}),
        ):
            if owned in owners:
                mend = next((mend for kind, mend in MENDS.items() if owned.startswith(kind)), "project id")
                raise ConfigurationError(
                    f"{owners[owned]} and {environment.name} would share the {owned}. "
                    f"A change in one would reach the other. Give each its own {mend}."
                )
            owners[owned] = environment.name
    _refuse_broken_paths({environment.name: environment for environment in environments})
    return environments


def _refuse_broken_paths(environments: dict[str, Environment]) -> None:
    """Refuses a way of releases that leads nowhere, or round in circles."""
    for name, environment in environments.items():
        path, at = [name], environment.promotion.source
        while at is not None:
            if at not in environments or at in path:
                what = "there is no such environment" if at not in environments else f"its own releases come from {name}"
                raise ConfigurationError(
                    f"{path[-1]}.yaml takes its releases from {at!r}, but {what}. No release could ever arrive. "
                    f"Set promotion.source to the environment before it, or to null."
                )
            path.append(at)
            at = environments[at].promotion.source
        target = environment.promotion.target
        if target is not None and (target not in environments or environments[target].promotion.source != name):
            raise ConfigurationError(
                f"{name}.yaml lets {target!r} read its releases, which takes none from it: it could read for nothing. "
                f"Set promotion.source: {name} there, or promotion.target: null here."
            )


def organisation(root: Path = HERE) -> Organisation:
    """How this organisation names things."""
    return read(root / "organisation.yaml", Organisation)


def tasks(root: Path = HERE) -> Tasks:
    """The machine-learning tasks.

    Raises:
        ConfigurationError: when the file is wrong, names a task twice, or labels with a model that the catalogue does not know.
    """
    found = read(root / "tasks.yaml", Tasks)
    names = [task.name for task in found.tasks]
    if len(set(names)) != len(names):
        raise ConfigurationError(f"tasks.yaml names a task twice: {names}. Two tasks would share one endpoint. Rename one.")
    aliases = sorted(model.alias for model in catalogue(root).models)
    if unknown := sorted({task.labelling.model for task in found.tasks} - set(aliases)):
        raise ConfigurationError(
            f"tasks.yaml labels with {', '.join(unknown)}, which models.yaml does not know: the labelling step would fail. "
            f"Use one of {', '.join(aliases)}, or add it to models.yaml."
        )
    return found


def catalogue(root: Path = HERE) -> Catalogue:
    """The Gemini models that code may name."""
    return read(root / "models.yaml", Catalogue)


def parity(root: Path = HERE) -> Parity:
    """Where environments may differ."""
    return read(root / "parity.yaml", Parity)
