"""Schema of a recipe: keys, types and descriptions."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from segkit.core.paths import RecipePath
from segkit.core.registry import METRICS, Settings
from segkit.recipe.data_settings import DataSettings
from segkit.recipe.part_schema import (
    DecoderPart,
    EncoderPart,
    LossPart,
    MetricPart,
    OptimizerPart,
    Part,
    SchedulePart,
)
from segkit.recipe.postprocess_settings import Postprocess, PostprocessSettings
from segkit.recipe.raise_at import raise_at
from segkit.recipe.training_settings import TrainingSettings

# Columns of metrics.jsonl and scores.csv beside the metrics.
COLUMNS = frozenset(
    ("epoch", "train_loss", "val_loss", "learning_rate", "seconds", "train_seconds", "images_per_second",
     "best", "image")
)  # fmt: skip


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


def name_problem(name: str) -> str:
    """What is wrong with the name of a recipe, or an empty string."""
    if not re.fullmatch(r"\w[\w .+-]*", name):
        return f"{name!r} is not a folder name: use letters, digits, '_', '-', '+', '.' and spaces"
    return ""


class ModelSettings(Settings):
    """Encoder and decoder; the head is one convolution to the logits."""

    encoder: EncoderPart
    decoder: DecoderPart


class Reference(Settings):
    """Published results for comparison.

    Args:
        source: publication.
        epochs: CSV file with the column `epoch` and any of iou, dice, train_loss, val_loss.
        metrics: best published scores by metric.
    """

    source: str
    epochs: RecipePath | None = None
    metrics: dict[str, float] = Field({})


class Recipe(Settings):
    """A complete experiment.

    Args:
        name: name of the recipe and of the folder of its runs.
        description: purpose; shown in the report.
        seed: random seed.
        plugins: plugin files or folders.
        data: images, masks and task.
        model: encoder and decoder.
        loss: a loss, or a list of losses that are summed with their weights.
        optimizer: the optimizer.
        schedule: the learning-rate schedule.
        metrics: metrics; the first one selects the best epoch, unless training.select is last.
        training: epochs, device, precision and stopping.
        postprocess: steps from probabilities to masks; auto chooses them at the end of the run, on its
            validation images by the first metric, and none if no gain is shown.
        reference: published results for comparison.
    """

    name: str = Field(min_length=1, max_length=100)
    description: str = ""
    seed: int = Field(0, ge=0, le=2**32 - 1)
    plugins: Annotated[list[RecipePath], BeforeValidator(_as_list)] = Field([])
    data: DataSettings
    model: ModelSettings
    loss: Annotated[list[LossPart], BeforeValidator(_as_list), Field(min_length=1)]
    optimizer: OptimizerPart
    schedule: SchedulePart = SchedulePart(name="constant")
    metrics: Annotated[list[MetricPart], BeforeValidator(_as_list), Field(min_length=1)]
    training: TrainingSettings = TrainingSettings()
    postprocess: Postprocess | None = None
    reference: Reference | None = None

    def parts(self) -> list[Part]:
        """All parts of the recipe."""
        parts = [self.data.source, *self.data.augment, self.model.encoder, self.model.decoder]
        return [*parts, *self.loss, self.optimizer, self.schedule, *self.metrics]

    @field_validator("name")
    @classmethod
    def _name_is_a_folder(cls, name: str) -> str:
        if problem := name_problem(name):
            raise ValueError(problem)
        return name

    @field_validator("postprocess")
    @classmethod
    def _steps_fit_the_task(cls, value: Postprocess | None, info: ValidationInfo) -> Postprocess | None:
        if isinstance(value, PostprocessSettings) and "data" in info.data:
            found = value.problems(info.data["data"].goal)
            hints: dict[str | None, str] = {key: hint for key, _, hint in found}
            raise_at([(key, problem) for key, problem, _ in found], value, info, hints)
        return value

    @field_validator("metrics")
    @classmethod
    def _metrics_differ(cls, metrics: list[MetricPart]) -> list[MetricPart]:
        names = [metric.key for metric in metrics]
        if duplicates := sorted({name for name in names if names.count(name) > 1}):
            example = f"{{name: {duplicates[0]}, as: a_name_of_its_own}}"
            raise ValueError(f"duplicate metrics: {', '.join(duplicates)}; write {example}")
        if taken := [m.key for m in metrics if m.key != m.name and METRICS.get(m.key)]:
            raise ValueError(f"as: {taken[0]!r} is the name of another metric: choose another one")
        if taken := [name for name in names if name in COLUMNS]:
            raise ValueError(f"{taken[0]!r} cannot name a metric: it is another column of a run's files")
        return metrics
