"""Feature Store: two groups a task, and the online store where it is switched on."""

from collections.abc import Sequence

from constructs import Construct

from environments import Names
from environments.tasks import Task, Tasks
from infra.components import warehouse
from infra.components.feature_group import FeatureGroup, FeatureGroupProps
from infra.components.online_store import OnlineStore, OnlineStoreProps, View
from infra.components.table import Column
from infra.stacks.base import Stack


class FeaturesStack(Stack):
    """Registers every task's features over the tables of the data stack; serves them online where that is paid for.

    A task has one group for what its own model and rules compute (embedding, label, sentiment) and one for what Gemini says
    (captions of pictures, entities of texts). Deliberately uses feature groups and views only: the older Featurestore ends on
    2027-02-17.
    """

    def __init__(self, scope: Construct, id: str, *, names: Names, tasks: Tasks) -> None:
        super().__init__(scope, id, names=names, tasks=tasks)
        views = {
            task.name: View(
                name=names.feature_view(task.name),
                groups=(
                    self._group(
                        task.name, task, names.feature_group(task.name), names.feature_table(task.name), warehouse.features(task.kind)
                    ),
                    self._group(
                        f"{task.name}-annotations",
                        task,
                        names.annotation_group(task.name),
                        names.annotation_table(task.name),
                        warehouse.annotations(task.kind),
                    ),
                ),
            )
            for task in self.tasks
        }
        kind = self.environment.features.online_store
        if kind is None:
            return
        OnlineStore(
            self,
            "online",
            OnlineStoreProps(
                name=names.online_store,
                region=self.environment.region,
                kind=kind,
                views=views,
                deletion_protection=self.environment.data.deletion_protection,
            ),
        )

    def _group(self, id: str, task: Task, name: str, table: str, features: Sequence[Column]) -> FeatureGroup:
        """A group over a table, with a feature a column."""
        return FeatureGroup(
            self,
            id,
            FeatureGroupProps(
                name=name,
                region=self.environment.region,
                table=table,
                entity=warehouse.ENTITY,
                features={column.name: column.description for column in features},
                task=task.name,
            ),
        )
