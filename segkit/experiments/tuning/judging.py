"""Whether the trials of a search can be compared, and its result be tested. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.analysis.comparison.compatibility import RESOLUTION, TASK, metric_name
from segkit.core.errors import DataError, Problem, worded
from segkit.recipe import plain_recipe
from segkit.recipe.dataset import find_samples
from segkit.recipe.search_space import search_position
from segkit.utils.hashing import FileDigests

if TYPE_CHECKING:
    from segkit.core.types import Sample
    from segkit.recipe import Recipe
    from segkit.recipe.search_space import Axis

_FRACTION = "'data.split={by: fraction, val: 0.2}'"
_FIXED_BY_FOLDS = {
    "data.split": (
        "the folds are the split",
        "--group and data.split.seed, set once, say how they are drawn",
    ),
    "training.select": (
        "every fold keeps the weights of its last epoch",
        "search training.epochs for how long to train",
    ),
    "postprocess": (
        "the runs of folds have no post-processing",
        "segkit cv best.yaml --set postprocess=auto chooses it for the best recipe",
    ),
}


def fixed_by_folds(axes: Sequence[Axis]) -> Iterator[Problem]:
    """Problems of axes that say what cross-validation says itself."""
    for axis in axes:
        for path, (reason, hint) in _FIXED_BY_FOLDS.items():
            if f"{axis.path}.".startswith(f"{path}."):
                problem = f"{axis.path} cannot be searched with folds: {reason}"
                yield Problem(problem, search_position(str(axis)), path=axis.path, hint=hint)


def check_not_tested(
    source: str, judged: Sequence[Sample], tested: Sequence[Sample], cache: Path | None, folds: int
) -> None:
    """Check that a search leaves test images to test its winner on.

    Args:
        source: recipe as messages name it.
        judged: validation images, or those of all folds.
        tested: test images.
        cache: folder of digests of files.
        folds: number of folds; 0 without.

    Raises:
        DataError: if there is nothing to judge by, or a test image is among it.
    """
    option = worded("--set", "overrides")
    if not judged:
        raise DataError(
            "there are no validation images: the search would choose by the test images, on which its result "
            "is to be tested",
            where=source,
            hint=f"{option} {_FRACTION} sets a fifth of the training images aside; "
            f"{worded('--folds 5', 'folds=5')} cross-validates the trials",
        )
    digests = FileDigests(cache).of(sample.files[0] for sample in (*judged, *tested) if sample.files)

    def content(sample: Sample) -> Any:
        digest = digests.get(sample.files[0]) if sample.files else None
        return (digest, sample.variant) if digest else None  # generated images have no file

    of_test = {content(sample) for sample in tested} - {None}
    if same := [sample.name for sample in judged if content(sample) in of_test]:
        kind, hint = "validation images", f"{option} {_FRACTION}, or validation images of their own"
        if folds:
            kind, hint = "images of the folds", "remove them from the training images or from the test images"
        raise DataError(
            f"{len(same):,} of {len(judged):,} {kind} are test images, such as {same[0]}: "
            "the search would choose by the images on which its result is to be tested",
            where=source, hint=hint,
        )  # fmt: skip


def scored_differently(
    tried: Sequence[tuple[Axis | None, Recipe]], samples: Mapping[str, Sequence[Sample]]
) -> Iterator[Problem]:
    """Problems of axes whose values change the images or the resolution of the score, or the score itself."""
    (_, first), *others = tried
    names, before = [sample.name for sample in samples["val"]], _scoring(first)
    reported: set[Axis] = set()
    for axis, recipe in others:
        assert axis
        if axis in reported:
            continue
        changed = [key for key, value in _scoring(recipe).items() if value != before[key]]
        if not changed and recipe.data != first.data:
            found = find_samples(recipe).get("val", [])
            changed = ["the validation images"] if [sample.name for sample in found] != names else []
        if changed:
            reported.add(axis)
            yield Problem(
                f"its values change {', '.join(changed)}: their scores cannot be compared",
                search_position(str(axis)), path=axis.path,
                hint="search values that leave this as it is; or segkit compare --vary ... --native",
            )  # fmt: skip


def _scoring(recipe: Recipe) -> dict[str, Any]:
    plain = plain_recipe(recipe)
    data, part = plain["data"], plain["metrics"][0]
    resolution = ("native",) if data["fit"] == "crop" else tuple(str(data[key]) for key in RESOLUTION)
    return {
        **{f"data.{key}": data[key] for key in (*TASK, "validate_windows")},
        "the resolution of the scores": resolution,
        f"the metric {metric_name(part)}": part,
    }
