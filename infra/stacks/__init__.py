"""One file a stack: one state, one blast radius, the same class in every environment.

`STACKS` says in which order they are applied, `NEEDS` which may go together; destroying goes the other way. A stack refers
to what another one declares by its derived name (`environments.names`), never by an output, a remote state or a data source.
Start reading: `foundation.py`, then `serving.py`; `base.py` holds what every stack has.
"""

from infra import synthesis

with synthesis.prepared():
    from infra.stacks.base import Stack
    from infra.stacks.data import DataStack
    from infra.stacks.delivery import DeliveryStack
    from infra.stacks.features import FeaturesStack
    from infra.stacks.foundation import FoundationStack
    from infra.stacks.monitoring import MonitoringStack
    from infra.stacks.network import NetworkStack
    from infra.stacks.serving import ServingStack
    from infra.stacks.training import TrainingStack
    from infra.stacks.workbench import WorkbenchStack

STACKS: dict[str, type[Stack]] = {
    "foundation": FoundationStack,
    "network": NetworkStack,
    "data": DataStack,
    "workbench": WorkbenchStack,
    "features": FeaturesStack,
    "training": TrainingStack,
    "serving": ServingStack,
    "monitoring": MonitoringStack,
    "delivery": DeliveryStack,
}
"""Stack name → class, in the order of application."""

NEEDS: dict[str, tuple[str, ...]] = {
    "network": ("foundation",),
    "data": ("foundation",),
    "workbench": ("foundation", "network", "data"),
    "features": ("foundation", "data"),
    "training": ("foundation", "network"),
    "serving": ("foundation", "data"),
    "monitoring": ("foundation",),
    "delivery": ("foundation", "network", "data"),
}
"""Stack name → stacks whose resources must be there before its own are made; the others can be applied at the same time."""

ORDER: tuple[str, ...] = tuple(STACKS)
"""Stack names in the order of application."""

__all__ = ["NEEDS", "ORDER", "STACKS", "Stack"]
