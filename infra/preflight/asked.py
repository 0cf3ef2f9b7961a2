"""What the synthesised stacks of one environment ask of its project: read from them, so that a new resource is asked about by itself."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from environments import Environment
from infra.policies.subject import Resource, SynthesisedStack
from infra.terraform.standin.types import table

API = re.compile(r"https://(?:\{\w+\}-)?([a-z0-9]+)\.googleapis\.com")
AGENT = re.compile(r"serviceAccount:((?:service-|bq-)?\d+@(?!developer\.)[a-z0-9-]+(?:\.iam)?\.gserviceaccount\.com)")
PLACES = ("location", "region")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The stacks of one environment."""

    stacks: Sequence[SynthesisedStack]

    @property
    def environment(self) -> Environment:
        """The environment."""
        return self.stacks[0].environment

    @property
    def project(self) -> str:
        """Its project."""
        return self.environment.project.id

    @cached_property
    def resources(self) -> list[Resource]:
        """Every declared resource."""
        return [resource for stack in self.stacks for resource in stack.resources]

    def of(self, *types: str) -> list[Resource]:
        """Resources of some types."""
        return [resource for resource in self.resources if resource.type in types]

    @cached_property
    def types(self) -> list[str]:
        """Resource types, sorted."""
        return sorted({resource.type for resource in self.resources})

    @cached_property
    def enabled(self) -> set[str]:
        """APIs that the stacks enable, e.g. `storage.googleapis.com`."""
        return {str(resource.body["service"]) for resource in self.of("google_project_service")}

    @cached_property
    def apis(self) -> set[str]:
        """APIs that the declared types are applied through."""
        known = (table().get(type_) for type_ in self.types)
        return {f"{match[1]}.googleapis.com" for type_ in known if type_ and (match := API.match(type_.api))}

    @cached_property
    def locations(self) -> set[str]:
        """Regions and multi-regions that something is declared in, in lower case."""
        said = {str(resource.body[name]).lower() for resource in self.resources for name in PLACES if resource.body.get(name)}
        # A zone lies in its region; a reference to another resource repeats that one's place.
        return {re.sub(r"-[a-z]$", "", place) for place in said if "${" not in place and place != "global"} | {self.environment.region}

    @cached_property
    def key_projects(self) -> set[str]:
        """Projects whose keys encrypt something."""
        return set(re.findall(r"projects/([^/\"]+)/locations/[^/\"]+/keyRings/", self._text))

    @cached_property
    def agents(self) -> set[str]:
        """E-mails of Google's own service agents that something is granted to."""
        return set(AGENT.findall(self._text))

    @cached_property
    def _text(self) -> str:
        return "\n".join(json.dumps(resource.body) for resource in self.resources)


def values(resources: Iterable[Resource], name: str) -> Iterator[Any]:
    """Every value of an attribute, at whatever depth."""
    for resource in resources:
        yield from _values(resource.body, name)


def _values(tree: Any, name: str) -> Iterator[Any]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if key == name:
                yield value
            else:
                yield from _values(value, name)
    elif isinstance(tree, list):
        for item in tree:
            yield from _values(item, name)
