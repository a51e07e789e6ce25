"""What a search is about, checked before anything is trained. No torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit.analysis.comparison.compatibility import RESOLUTION, TASK, metric_name
from segkit.core.errors import DataError, Problem, SegkitError, worded
from segkit.core.paths import cache_folder
from segkit.core.registry import METRICS
from segkit.core.types import Sample
from segkit.recipe import Recipe, plain_recipe
from segkit.recipe.dataset import find_samples, scan_recipe_source
from segkit.recipe.search_space import (
    Axis,
    Value,
    parse_search,
    probes,
    recipe_with,
    search_position,
    setting,
)
from segkit.runs.fingerprint import fingerprint
from segkit.runs.schema import Fingerprint
from segkit.utils.hashing import FileDigests

_FRACTION = "'data.split={by: fraction, val: 0.2}'"


@dataclass(frozen=True)
class TuningPlan:
    """A search.

    Args:
        source: recipe file, or name of a shipped recipe.
        axes: what is searched.
        overrides: changes of the recipe in the form of `--set`.
        demo: whether to use synthetic lesions.
        recipe: the recipe with the first value of every axis.
        probes: recipes with every choice and end of the axes, by that value, to be checked before training.
        identity: what a study belongs to: recipe, seed, search space, metric, images.
        images: number of validation images.
        test_images: number of test images.
    """

    source: str
    axes: Sequence[Axis]
    overrides: Sequence[str]
    demo: bool
    recipe: Recipe
    probes: Mapping[str, Recipe]
    identity: Mapping[str, str]
    images: int
    test_images: int

    @property
    def metric(self) -> str:
        """Name of the score that is searched for: the recipe's first metric."""
        return self.recipe.metrics[0].key

    @property
    def higher_is_better(self) -> bool:
        """Whether more of it is better."""
        entry = METRICS.get(self.recipe.metrics[0].name)
        return bool(entry and entry.traits["higher_is_better"])

    @property
    def study(self) -> str:
        """Name of the study in the storage."""
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()
        return f"{self.recipe.name} {digest[:12]}"

    def recipe_for(self, values: Mapping[str, Value]) -> tuple[Recipe, Fingerprint]:
        """Recipe and fingerprint of a trial.

        Raises:
            SegkitError: if the recipe does not allow these values together.
        """
        recipe = recipe_with(self.source, self.overrides, self.axes, values, demo=self.demo)
        recipe, scan = scan_recipe_source(recipe)
        return recipe, fingerprint(recipe, scan.splits)


def plan_tuning(
    source: Path | str, search: Sequence[str], overrides: Sequence[str] = (), *, demo: bool = False
) -> TuningPlan:
    """Check a search space and the images by which trials are judged.

    Args:
        source: recipe file, or name of a shipped recipe; its plugins are loaded.
        search: what is searched, as ``PATH=SPACE``.
        overrides: changes of the recipe in the form of `--set`.
        demo: whether to use synthetic lesions.

    Raises:
        SegkitError: listing the problems of the space; or if trials would be judged by test images, or by
            different ones.
    """
    axes = parse_search(search, overrides)
    tried: list[tuple[Axis | None, Recipe]] = []
    labels: list[str] = []
    problems: list[Problem] = []
    for axis, values in probes(axes):
        try:
            tried.append((axis, recipe_with(str(source), overrides, axes, values, demo=demo)))
            labels.append(setting(axis.path, values[axis.path]) if axis else tried[0][1].name)
        except SegkitError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise SegkitError.of(problems)
    first, scan = scan_recipe_source(tried[0][1])
    samples = find_samples(first, scan)
    _check_judged_by_val(str(source), samples, cache_folder() if first.data.cache else None)
    if problems := [*_scored_differently(tried, samples)]:
        raise SegkitError.of(problems)
    mark = fingerprint(first, scan.splits)
    identity = {
        "recipe": first.name,
        "settings": mark.recipe,
        "seed": str(mark.seed),
        "search space": " ".join(sorted(map(str, axes))),
        "metric": first.metrics[0].key,
        "images": mark.data,
    }
    recipes = dict(zip(labels, (recipe for _, recipe in tried), strict=True))
    counts = (len(samples.get(split, ())) for split in ("val", "test"))
    return TuningPlan(str(source), axes, overrides, demo, first, recipes, identity, *counts)


def _check_judged_by_val(source: str, samples: Mapping[str, Sequence[Sample]], cache: Path | None) -> None:
    """A search that looks at the test images has none left to test its winner on."""
    option = worded("--set", "overrides")
    if not samples.get("val"):
        raise DataError(
            "there are no validation images: the search would choose by the test images, on which its result "
            "is to be tested",
            where=source, hint=f"{option} {_FRACTION} sets a fifth of the training images aside",
        )  # fmt: skip
    digests = FileDigests(cache).of(
        sample.files[0] for split in ("val", "test") for sample in samples.get(split, ()) if sample.files
    )

    def content(sample: Sample) -> Any:
        digest = digests.get(sample.files[0]) if sample.files else None
        return (digest, sample.variant) if digest else None  # generated images have no file

    tested = {content(sample) for sample in samples.get("test", ())} - {None}
    if same := [sample.name for sample in samples["val"] if content(sample) in tested]:
        raise DataError(
            f"{len(same):,} of {len(samples['val']):,} validation images are test images, such as {same[0]}: "
            "the search would choose by the images on which its result is to be tested",
            where=source, hint=f"{option} {_FRACTION}, or validation images of their own",
        )  # fmt: skip


def _scored_differently(
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
