"""Weights of losses that a recipe leaves to the training masks: `class_weights: balanced`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segkit.core.types import Task
    from segkit.data.class_counts import ClassCounts
    from segkit.data.preprocess import Prepared
    from segkit.recipe.part_schema import LossPart
    from segkit.recipe.schema import Recipe

BALANCED = "balanced"
_DIGITS = 6  # of a weight: as many as are easily read, and more than a loss depends on


def with_balanced_weights(recipe: Recipe, train: Prepared) -> Recipe:
    """The recipe with numbers for `balanced` weights of its losses: those of the training masks."""
    losses = [with_numbers(part, recipe.data.goal, train.counts) for part in recipe.loss]
    return recipe if losses == recipe.loss else recipe.model_copy(update={"loss": losses})


def with_numbers(part: LossPart, task: Task, counts: ClassCounts | None = None) -> LossPart:
    """A loss with numbers for its `balanced` options; without counts with equal weights, to try it."""
    if not (names := _balanced_options(part)):
        return part
    positive = counts.pixels[-task.channels :] if counts else (1,) * task.channels
    known = counts.known[-task.channels :] if counts else (2,) * task.channels
    chosen: dict[str, Any] = {name: _WEIGHTS[name](positive, known) for name in names}
    if task.kind == "binary":
        chosen |= {name: weights[0] for name, weights in chosen.items() if name != "class_weights"}
    return part.model_copy(update=chosen)


def weights_in_words(given: Recipe, recipe: Recipe) -> str:
    """``cross_entropy class_weights: road 0.02, car 1.98`` for each option that was `balanced`."""
    words = []
    for before, part in zip(given.loss, recipe.loss, strict=True):
        for name in _balanced_options(before):
            value = part.options[name]
            weights = value if isinstance(value, Sequence) else [value]
            pairs = zip(recipe.data.classes, weights, strict=True)
            words.append(f"{part.name} {name}: {', '.join(f'{key} {weight:.3g}' for key, weight in pairs)}")
    return "; ".join(words)


def _balanced_options(part: LossPart) -> list[str]:
    return [name for name, value in part.options.items() if value == BALANCED and name in _WEIGHTS]


def _class_weights(positive: Sequence[int], known: Sequence[int]) -> tuple[float, ...]:
    """Inverse frequencies, 1 on average over the classes that are there; 1 for the others."""
    inverse = [total / count if count else 0.0 for count, total in zip(positive, known, strict=True)]
    present = [value for value in inverse if value]
    mean = sum(present) / max(len(present), 1)
    return tuple(_rounded(value / mean) if value else 1.0 for value in inverse)


def _pos_weights(positive: Sequence[int], known: Sequence[int]) -> tuple[float, ...]:
    """Pixels of other classes for each pixel of the class; 1 if there are none of either."""
    pairs = zip(positive, known, strict=True)
    return tuple(_rounded((total - count) / count) if 0 < count < total else 1.0 for count, total in pairs)


def _alphas(positive: Sequence[int], known: Sequence[int]) -> tuple[float, ...]:
    """Share of the pixels of other classes; one half if all or none are of the class."""
    pairs = zip(positive, known, strict=True)
    return tuple(_rounded(1 - count / total) if 0 < count < total else 0.5 for count, total in pairs)


def _rounded(weight: float) -> float:
    return float(f"{weight:.{_DIGITS}g}")


_WEIGHTS = {"class_weights": _class_weights, "pos_weight": _pos_weights, "alpha": _alphas}
