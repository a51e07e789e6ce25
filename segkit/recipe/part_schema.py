"""Schema of the parts in a recipe, and their positions.

Options of parts are declared by their signatures (see `segkit.core.registry`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from segkit.core.registry import Settings
from segkit.recipe.tree import Loc, Node


class Part(Settings):
    """A registered part: its name, and its options in `model_extra`."""

    model_config = ConfigDict(extra="allow")
    kind: ClassVar[str]
    name: str

    @classmethod
    def common_keys(cls) -> list[str]:
        """Keys of all parts of the kind, beside the options of each."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @property
    def options(self) -> dict[str, Any]:
        """Options that the recipe sets."""
        return dict(self.model_extra or {})


class SourcePart(Part):
    """Source of images and masks."""

    kind = "source"


class TransformPart(Part):
    """An augmentation transform."""

    kind = "transform"


class EncoderPart(Part):
    """The encoder.

    Args:
        frozen: whether all parameters and running statistics stay fixed.
        features: stages passed to the decoder: auto (the decoder's choice), last, all, or a list of stage
            numbers from 0, finest first (-1 is the last).
        lr_factor: learning rate of the encoder relative to the optimizer's.
    """

    kind = "encoder"
    frozen: bool = False
    features: Literal["auto", "last", "all"] | Annotated[list[int], Field(min_length=1)] = "auto"
    lr_factor: float = Field(1.0, gt=0)


class DecoderPart(Part):
    """The decoder."""

    kind = "decoder"


class LossPart(Part):
    """A loss with its weight in the sum."""

    kind = "loss"
    weight: float = Field(1.0, gt=0)


class OptimizerPart(Part):
    """The optimizer."""

    kind = "optimizer"


class SchedulePart(Part):
    """The learning-rate schedule.

    Args:
        warmup_epochs: epochs of linear warm-up before the schedule.
    """

    kind = "schedule"
    warmup_epochs: float = Field(0.0, ge=0)


class MetricPart(Part):
    """A metric.

    Args:
        as: name of its scores, to list a metric several times with other options.
    """

    kind = "metric"
    as_: Annotated[str, Field(pattern=r"^[^\W\d_]\w*$", max_length=60)] | None = Field(None, alias="as")

    @property
    def key(self) -> str:
        """Name of its scores."""
        return self.as_ or self.name

    def __iter__(self) -> Iterator[tuple[str, Any]]:  # type: ignore[override]
        """Keys and values as in a recipe; without `as` unless it is set, so that digests stay the same."""
        for key, value in super().__iter__():
            if key != "as_":
                yield key, value
            elif value is not None:
                yield "as", value


# Positions of parts in a recipe; "*" is any list index.
PARTS: dict[tuple[str, ...], type[Part]] = {
    ("data", "source"): SourcePart,
    ("data", "augment", "*"): TransformPart,
    ("model", "encoder"): EncoderPart,
    ("model", "decoder"): DecoderPart,
    ("loss",): LossPart,
    ("loss", "*"): LossPart,
    ("optimizer",): OptimizerPart,
    ("schedule",): SchedulePart,
    ("metrics",): MetricPart,
    ("metrics", "*"): MetricPart,
}


def part_at(path: Loc) -> type[Part] | None:
    """The class of the part at a path of a recipe, or None."""
    return PARTS.get(tuple("*" if isinstance(key, int) else key for key in path))


def parts_in(node: Node, loc: Loc = ()) -> Iterator[tuple[Loc, Node]]:
    """Positions and mappings of the parts in a recipe, or in what lies at `loc` in one."""
    children: Any = node.value
    if part_at(loc) and isinstance(children, dict):
        yield loc, node
    elif isinstance(children, dict | list):
        for key, child in children.items() if isinstance(children, dict) else enumerate(children):
            yield from parts_in(child, (*loc, key))
