"""The machine-learning tasks (`tasks.yaml`): a new task is one entry there and one module in `ml/tasks/`."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from environments.schema import Strict, Word

Kind = Literal["image_classification", "text_classification"]


class Gates(Strict):
    """What a model must show on the frozen rows before it may be registered for serving."""

    minimum_accuracy: Annotated[float, Field(gt=0, lt=1)]
    """Holds for the declared dataset; other data must beat its majority class."""
    minimum_rows: Annotated[int, Field(ge=1)]
    """Below this many frozen rows the gate refuses: a check that ran on too little proves nothing."""
    maximum_loss: Annotated[float, Field(gt=0, lt=1)]
    """Accuracy that a challenger may lose to the champion, on the frozen rows and on all, and still take its place."""


class Labelling(Strict):
    """How Gemini labels a slice of the rows from a few examples."""

    model: Word
    """Alias in `models.yaml`."""
    rows: Annotated[int, Field(ge=0)]
    """How many rows are labelled; 0 switches labelling off."""
    examples_per_class: Annotated[int, Field(ge=1)]
    minimum_confidence: Annotated[float, Field(ge=0, le=1)]
    """Below this self-reported confidence the row counts as an abstention and its label is not used."""


class Task(Strict):
    """One machine-learning task."""

    name: Word
    kind: Kind
    owner: Annotated[str, StringConstraints(min_length=1)]
    """The team that answers for the model."""
    dataset: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]
    """The public data set it learns from by default, by its name in `ml.data`."""
    image: Word
    """The serving container, by its name in `cloudbuild/images.yaml`."""
    gates: Gates
    labelling: Labelling


class Tasks(Strict):
    """The content of `tasks.yaml`."""

    tasks: Annotated[list[Task], Field(min_length=1)]

    def named(self, name: str) -> Task:
        """The task `name`; raises `KeyError` naming the known ones."""
        known = {task.name: task for task in self.tasks}
        if name not in known:
            raise KeyError(f"no task is called {name!r}; environments/tasks.yaml knows {sorted(known)}; add it there")
        return known[name]
