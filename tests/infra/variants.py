"""One stack of an environment that differs from its file in some sections."""

import json
from pathlib import Path
from typing import Any

from environments import Environment, Names, load, organisation, tasks
from infra.app import CONTEXT
from infra.policies.subject import Resource, SynthesisedStack
from infra.stacks import STACKS


def changed(environment: str, **sections: Any) -> Environment:
    """The environment with these sections, validated anew; a section that is a mapping is merged into what the file says."""
    content = load(environment).model_dump()
    for name, section in sections.items():
        merged = isinstance(section, dict) and isinstance(content[name], dict) and "mode" not in section
        content[name] = {**content[name], **section} if merged else section
    return Environment.model_validate(content)


def declared(stack: str, environment: Environment, out: Path) -> SynthesisedStack:
    """The synthesised stack."""
    from cdktf import App

    names = Names(organisation(), environment)
    app = App(outdir=str(out), context=CONTEXT)
    STACKS[stack](app, names.stack(stack), names=names, tasks=tasks())
    app.synth()
    [path] = out.glob("stacks/*/cdk.tf.json")
    return SynthesisedStack(id=path.parent.name, names=names, document=json.loads(path.read_text()))


def of_type(stack: SynthesisedStack, type_: str) -> list[Resource]:
    """Its resources of one type."""
    return [resource for resource in stack.resources if resource.type == type_]
