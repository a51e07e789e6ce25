"""Choice of the post-processing on images that no model of these predictions was trained on.

Each image is scored with every candidate. The gain is cross-fitted: the images are divided into parts, groups
of them as a whole, the best candidate is chosen on all parts but one, and the images of that part are scored
with it. So it is not the gain that was maximised. Its variance is that of a jackknife over groups (Efron,
Tibshirani, An Introduction to the Bootstrap, 1993, chapter 11), about doubled, because the parts' candidates
are chosen on nearly the same images (Nadeau, Bengio, Machine Learning 52, 2003).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from scipy import stats

from segkit.data.postprocess import Holes, Objects, scoring_factor
from segkit.experiments.objectives import class_metrics
from segkit.recipe import entry_for
from segkit.recipe.postprocess_record import PostprocessChoice, PostprocessRecord
from segkit.recipe.postprocess_settings import PostprocessSettings
from segkit.training.probabilities import mask_to_logits

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

    from segkit.core.types import Metric, Pixels, Task
    from segkit.data.postprocess import Plane
    from segkit.data.windows import Maps
    from segkit.recipe import Recipe

    Numbers = npt.NDArray[np.intp]

THRESHOLDS = (0.5, 0.45, 0.55, 0.4, 0.6, 0.35, 0.65, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9)
_AREAS = (2048, 512, 128)  # smallest sizes of objects: that fraction of what the model sees at once
_HOLE = 512  # largest size of small holes, likewise
_PARTS = 10
_MIN_UNITS = 10  # images, or groups of them: fewer say nothing about others
_ROUNDING = 1e-9
_MAX_BLOCKS = 500  # of groups that are left out together: each costs a score of all images
_MAX_PIXELS = 2**22  # of masks that are scored at once


class PredictedImage(NamedTuple):
    """Probabilities of one image and its ground truth.

    Args:
        probabilities: (K, H, W) float32.
        mask: (H, W), or (H, W, K) for multilabel.
        group: what keeps images together, such as their patient; None if there is nothing.
    """

    probabilities: Maps
    mask: Pixels
    group: str | None = None


def choose(recipe: Recipe, images: Iterable[PredictedImage], split: str) -> PostprocessRecord:
    """Choose post-processing by the recipe's first metric; each image is read once, and not kept.

    Args:
        recipe: recipe of the model or models.
        images: predictions at the size at which the recipe is scored.
        split: what they are called, such as "val".

    Raises:
        PartError: if the metric cannot be built for the single classes of a multilabel task.
    """
    trials, rows, groups = Trials(recipe), [], []
    for image in images:
        rows.append(trials.rows(image))
        groups.append(image.group)
    return trials.decide(rows, groups, split)


class Trials:
    """Scores of images with every candidate.

    Args:
        recipe: as for `choose`.

    Raises:
        PartError: as `choose`.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._task = recipe.data.padded_goal
        height, width = recipe.data.size
        self._problems = [_Problem(task, metric, height * width) for task, metric in class_metrics(recipe)]
        self._sign = 1 if entry_for(recipe.metrics[0]).traits["higher_is_better"] else -1

    def rows(self, image: PredictedImage) -> list[Tensor]:
        """Rows (candidates, S) of the first metric for an image: of all classes, for multilabel of each."""
        probabilities, mask, _ = image
        factor = scoring_factor(self._recipe.data.geometry, (mask.shape[0], mask.shape[1]))
        if self._task.kind != "multilabel":
            return [self._problems[0].rows(probabilities, mask, factor)]
        return [
            problem.rows(probabilities[index : index + 1], mask[..., index], factor)
            for index, problem in enumerate(self._problems)
        ]

    def decide(
        self, rows: Sequence[list[Tensor]], groups: Sequence[str | None], split: str
    ) -> PostprocessRecord:
        """Choose from the rows of all images, in any order that is always the same."""
        level = 1 - 0.05 / len(self._problems)  # Bonferroni: 95% for all classes together
        units = _as_units(groups)
        choices = []
        for problem, of_images in zip(self._problems, zip(*rows, strict=True), strict=True):
            table = torch.stack(of_images, dim=1)  # candidates, images, S
            choices.append(problem.choice(table, units, self._sign, level))
        known = {group for group in groups if group is not None}
        return PostprocessRecord(
            settings=_together(choices, self._task),
            split=split,
            images=len(rows),
            groups=len(known) or None,
            metric=self._recipe.metrics[0].key,
            level=level,
            candidates=len(self._problems[0].candidates),
            choices=choices,
        )


class _Problem:
    """Classes that are scored together, with the candidates for them.

    Args:
        task: task of these classes.
        metric: the score.
        area: pixels that the model sees at once.
    """

    def __init__(self, task: Task, metric: Metric, area: int) -> None:
        self._task, self._metric = task, metric
        self._thresholds = THRESHOLDS if task.kind != "multiclass" else (0.5,)
        self._holes = (0, area // _HOLE, math.inf)
        self._objects = ((0, False), (0, True), *((area // part, False) for part in _AREAS))  # size, largest
        self.candidates = [
            PostprocessSettings(
                threshold=threshold,
                fill_holes="all" if limit == math.inf else int(limit),
                min_size=size,
                keep_largest=largest,
            )
            for threshold in self._thresholds
            for limit in self._holes
            for size, largest in self._objects
        ]
        changes = [len(_changed(candidate)) for candidate in self.candidates]
        # Of equal scores the candidate that changes least, with the threshold nearest to 0.5.
        self._order = np.argsort(changes, kind="stable")

    def rows(self, probabilities: Maps, mask: Pixels, factor: float) -> Tensor:
        """Rows (candidates, S) of the metric; areas are `factor` times as large in this image."""
        if self._task.kind == "multiclass":
            steps = [candidate.steps(self._task).scaled(factor) for candidate in self.candidates]
            decided = steps[0].decide(probabilities)
            return self._scores([step.finish(decided) for step in steps], mask)
        rows, by_area = [], {}  # the pixels above a threshold are also above a lower one
        for threshold in self._thresholds:
            plane = probabilities[0] > np.float32(threshold)
            area = int(plane.sum())
            if area not in by_area:
                by_area[area] = self._scores([*self._cleaned(plane, factor)], mask)
            rows.append(by_area[area])
        return torch.cat(rows)

    def choice(self, rows: Tensor, units: Numbers, sign: int, level: float) -> PostprocessChoice:
        """Choose from rows (candidates, images, S), where images of one unit belong together."""
        best = self._best(rows, sign)
        crossed, parts = rows[0].clone(), units % _PARTS
        for part in range(_PARTS):
            inside = torch.from_numpy(parts == part)
            if inside.any() and not inside.all():
                crossed[inside] = rows[self._best(rows[:, ~inside], sign), inside]
        gain, low, high = _interval(self._metric, crossed, rows[0], units, sign, level)
        return PostprocessChoice(
            classes=[*self._task.classes],
            settings=self.candidates[best],
            chosen=bool(_changed(self.candidates[best])) and low > _ROUNDING,
            score=self._metric.reduce(rows[0]),
            gain=gain,
            low=low,
            high=high,
        )

    def _best(self, rows: Tensor, sign: int) -> int:
        if self._metric.score is None:  # a mean, as `Metric.reduce` has it
            scores = sign * rows.flatten(1).nanmean(1).numpy()
        else:
            scores = np.array([sign * self._metric.reduce(row) for row in rows])
        # A mean is over images whose score is defined: it must not rise by leaving some of them out.
        lost = (rows.isnan() & ~rows[:1].isnan()).flatten(1).any(1).numpy()
        scores[lost | np.isnan(scores)] = -math.inf
        return int(self._order[scores[self._order].argmax()])

    def _cleaned(self, plane: Plane, factor: float) -> Iterator[Pixels]:
        """The plane with every cleaning."""
        holes = Holes(plane)
        for limit in self._holes:
            objects = Objects(holes.filled(factor * limit if limit else 0))
            for size, largest in self._objects:
                yield objects.kept(factor * size, largest=largest).view(np.uint8)

    def _scores(self, masks: Sequence[Pixels], truth: Pixels) -> Tensor:
        """Rows (masks, S); equal masks, which most are, are scored once."""
        step = max(1, _MAX_PIXELS // (self._task.channels * truth.size))
        target = torch.from_numpy(np.array(truth))[None]
        unique = {mask.tobytes(): mask for mask in masks}
        rows = []
        for first in range(0, len(unique), step):
            part = [*unique.values()][first : first + step]
            logits = torch.cat([mask_to_logits(mask, self._task) for mask in part])
            rows.append(self._metric.per_image(logits, target.expand(len(part), -1, -1)).double().cpu())
        numbers = {key: number for number, key in enumerate(unique)}
        return torch.cat(rows)[[numbers[mask.tobytes()] for mask in masks]]


def _changed(settings: PostprocessSettings) -> dict[str, Any]:
    """Settings that are not the defaults."""
    return settings.model_dump(exclude_defaults=True)


def _together(choices: Sequence[PostprocessChoice], task: Task) -> PostprocessSettings | None:
    chosen = [choice for choice in choices if choice.chosen]
    if not chosen or task.kind != "multilabel":
        return chosen[0].settings if chosen else None
    values: dict[str, dict[str, Any]] = {}
    for choice in chosen:
        for key, value in _changed(choice.settings).items():
            values.setdefault(key, {})[choice.classes[0]] = value
    return PostprocessSettings(**values)


def _as_units(groups: Sequence[str | None]) -> Numbers:
    """Number of the group of each image, or one of its own; drawn once, so that parts are at random."""
    names = [f"image {number}" if group is None else f"group {group}" for number, group in enumerate(groups)]
    found, units = np.unique(names, return_inverse=True)
    drawn: Numbers = np.random.default_rng(0).permutation(len(found))[units]
    return drawn


def _interval(
    metric: Metric, new: Tensor, old: Tensor, units: Numbers, sign: int, level: float
) -> tuple[float, float, float]:
    """Gain of rows (N, S) over others, and the limits of its interval; NaN with too few units."""
    undefined = (new.isnan() | old.isnan()).all(1)
    new, old, units = new[~undefined], old[~undefined], units[~undefined.numpy()]

    def gain(images: Tensor) -> float:
        return sign * (metric.reduce(new[images]) - metric.reduce(old[images]))

    known, numbers = np.unique(units, return_inverse=True)
    value = gain(torch.arange(len(new)))
    if len(known) < _MIN_UNITS:
        return value, math.nan, math.nan
    blocks = torch.from_numpy(numbers % _MAX_BLOCKS)
    count = int(blocks.max()) + 1
    without = np.array([gain(blocks != block) for block in range(count)])
    variance = (count - 1) / count * ((without - without.mean()) ** 2).sum()
    error = math.sqrt(variance * (1 + _PARTS / (_PARTS - 1)))
    half = float(stats.t.isf((1 - level) / 2, count - 1)) * error
    return value, value - half, value + half
