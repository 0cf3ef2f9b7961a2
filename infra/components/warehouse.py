"""The columns of every table in the dataset: those that all tasks share, and those of a task's features.

Code writes them by these names (`ml/features/`, `pipelines/monitoring/`); a test compares.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from environments.names import Table
from environments.tasks import Kind
from infra.components.table import Column

ENTITY = "entity_id"
TIMESTAMP = "feature_timestamp"
WRITTEN = "written_at"
"""When a row of a shared table was written, by BigQuery's clock."""

KEYS = (
    Column(ENTITY, "STRING", "Content digest of the example", "REQUIRED"),
    Column(TIMESTAMP, "TIMESTAMP", "From when on the features could be read", "REQUIRED"),
)
"""The columns of a feature table that are no features."""
FEATURES = (
    Column("embedding", "FLOAT", "Embedding of the example", "REPEATED"),
    Column("label", "STRING", "Class of the example, where one is known"),
    # Null in rows that are older than the column: BigQuery adds no required column to a table that has rows.
    Column("embedding_model", "STRING", "Digest of the model that embedded the example"),
)
"""For every task: the embedding of a picture or of a text, by the task's own model."""
FEATURES_OF_KIND: dict[Kind, tuple[Column, ...]] = {
    "text_classification": (Column("sentiment", "FLOAT", "From -1 (negative) to 1 (positive), by the VADER lexicon"),),
}
ANNOTATED_BY = Column("annotation_model", "STRING", "The Gemini model and version that answered")
ANNOTATIONS: dict[Kind, tuple[Column, ...]] = {
    "image_classification": (Column("caption", "STRING", "What the picture shows, in a sentence of Gemini's"), ANNOTATED_BY),
    "text_classification": (
        Column("entities", "STRING", "Names of the people, places, works and things that the text speaks of", "REPEATED"),
        ANNOTATED_BY,
    ),
}
"""What Gemini says about an example: a group of its own, since it is paid for by the row and made at another pace."""


def features(kind: Kind) -> tuple[Column, ...]:
    """The features of a task of that kind, as Feature Store registers them."""
    return (*FEATURES, *FEATURES_OF_KIND.get(kind, ()))


def annotations(kind: Kind) -> tuple[Column, ...]:
    """What Gemini says about the examples of a task of that kind."""
    return ANNOTATIONS[kind]


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A table that every task shares."""

    description: str
    columns: Sequence[Column]
    clustered_by: Sequence[str]
    personal: bool = False
    """Whether its rows are about people who used a model, and so end after `data.prediction_days`."""


_TASK = Column("task", "STRING", "Name of the task", "REQUIRED")
_WRITTEN = Column(WRITTEN, "TIMESTAMP", "When the row was written", "REQUIRED")

TABLES: dict[Table, Shared] = {
    "examples": Shared(
        description="Every example of every task: its label and which side of the split it is on",
        columns=(
            _TASK,
            Column(ENTITY, "STRING", "Content digest of the example", "REQUIRED"),
            Column("label", "STRING", "Class of the example"),
            Column("split", "STRING", "train, validation or test"),
            _WRITTEN,
        ),
        clustered_by=("task", ENTITY),
    ),
    "predictions": Shared(
        description="What champions answered, a row each, as far as the monitors have read the request log",
        columns=(
            _TASK,
            Column("version", "STRING", "Version of the model that answered", "REQUIRED"),
            Column(ENTITY, "STRING", "Content digest of what was asked; equal to that of an example with the same content", "REQUIRED"),
            Column("label", "STRING", "The class that was answered"),
            Column("confidence", "FLOAT", "Its probability, from 0 to 1"),
            Column("window_start", "TIMESTAMP", "First moment of the window that the answer lies in"),
            Column("window_end", "TIMESTAMP", "The moment before which the window ends"),
            _WRITTEN,
        ),
        clustered_by=("task", "version", ENTITY),
        personal=True,
    ),
    "verdicts": Shared(
        description="What the drift monitors decided, a row a window",
        columns=(
            _TASK,
            Column("event_id", "STRING", "Digest of the window and of what it was held against", "REQUIRED"),
            Column("version", "STRING", "Version of the model whose traffic was judged"),
            Column("status", "STRING", "shifted, silent or not enough data", "REQUIRED"),
            Column("reason", "STRING", "Why, in a sentence"),
            Column("p", "FLOAT", "Smallest corrected p-value of the tests"),
            Column("answers", "INTEGER", "Distinct answers that were compared"),
            Column("window_start", "TIMESTAMP", "First moment of the window"),
            Column("window_end", "TIMESTAMP", "The moment before which the window ends"),
            _WRITTEN,
        ),
        clustered_by=("task", "status"),
    ),
}
"""Table → what it holds."""
