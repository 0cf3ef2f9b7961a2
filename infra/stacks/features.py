"""Feature Store: a group a task, and the online store where it is switched on."""

from constructs import Construct

from environments import Names
from environments.tasks import Tasks
from infra.components import feature_table
from infra.components.feature_group import FeatureGroup, FeatureGroupProps
from infra.components.online_store import OnlineStore, OnlineStoreProps
from infra.stacks.base import Stack


class FeaturesStack(Stack):
    """Registers every task's features over the tables of the data stack; serves them online where that is paid for.

    Deliberately uses feature groups and views only: the older Featurestore ends on 2027-02-17.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        groups = {
            task.name: FeatureGroup(
                self,
                task.name,
                FeatureGroupProps(
                    name=names.feature_group(task.name),
                    region=self.environment.region,
                    table=names.feature_table(task.name),
                    entity=feature_table.ENTITY,
                    features=list(feature_table.features(task.kind)),
                    task=task.name,
                ),
            )
            for task in self.tasks
        }
        if not self.environment.features.online_store:
            return
        OnlineStore(
            self,
            "online",
            OnlineStoreProps(
                name=names.online_store,
                region=self.environment.region,
                views={task: (names.feature_view(task), group) for task, group in groups.items()},
                deletion_protection=self.environment.data.deletion_protection,
            ),
        )
