"""Where the steps of every pipeline run, and which of them may be answered from the cache."""

from collections.abc import Mapping
from dataclasses import dataclass

from kfp import dsl

from environments.schema import Training


@dataclass(frozen=True)
class Steps:
    """The containers and machines of one environment."""

    images: Mapping[str, str]
    """Image name → address in the environment's repository. It holds the digest of what is in the image, so the cache key does."""
    machine: Training
    """What the steps that compute run on."""

    def pure(self, step: dsl.PipelineTask) -> dsl.PipelineTask:
        """A step whose outputs follow from its inputs and its image: cached."""
        name = step.container_spec.image
        step.set_container_image(self.images[name])
        if name == "training":
            step.set_cpu_limit(self.machine.machine_type.rsplit("-", 1)[-1])
        return step

    def learning(self, step: dsl.PipelineTask) -> dsl.PipelineTask:
        """A pure step that trains: on the accelerator, where the environment has one."""
        self.pure(step)
        if self.machine.accelerator is not None:
            step.set_accelerator_type(self.machine.accelerator.type).set_accelerator_limit(self.machine.accelerator.count)
        return step

    def effect(self, step: dsl.PipelineTask) -> dsl.PipelineTask:
        """A step that changes the registry or an endpoint: it looks at what is there instead of trusting a cache."""
        return step.set_container_image(self.images[step.container_spec.image]).set_caching_options(False)
