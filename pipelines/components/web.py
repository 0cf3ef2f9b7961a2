"""The exported model for Node and the browser: convert, attach. The page moves with the endpoint (`release.deploy`)."""

from kfp import dsl
from kfp.dsl import Input, Model, Output


@dsl.component(base_image="training", install_kfp_package=False)
def convert(model: Input[Model], converted: Output[Model]) -> None:
    """Convert the exported model to TensorFlow.js, in three sizes."""
    from pathlib import Path

    from ml.export.tfjs import convert as to_tfjs

    content = to_tfjs(Path(model.path), Path(converted.path))
    converted.metadata.update(framework="tensorflowjs", **{name: variant["bytes"] for name, variant in content["variants"].items()})


@dsl.component(base_image="pipelines", install_kfp_package=False)
def attach(environment: str, task: str, version: str, converted: Input[Model]) -> str:
    """Store the converted model with the registered version; returns its address."""
    from pathlib import Path

    from environments.clients import Clients
    from serving.rollout import web

    return web.attach(Clients.of(environment), task, version, Path(converted.path))
