"""What a search is about, checked before anything is trained. No torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.errors import Problem, SegkitError, worded
from segkit.core.paths import cache_folder
from segkit.core.registry import METRICS
from segkit.experiments.cv_plan import check_folds, fold_changes, make_cv_plan
from segkit.experiments.existing_runs import ExistingRuns
from segkit.experiments.study_plan import plan_run
from segkit.experiments.tuning.judging import check_not_tested, fixed_by_folds, scored_differently
from segkit.recipe import Recipe
from segkit.recipe.dataset import find_samples, scan_recipe_source
from segkit.recipe.search_space import Axis, Value, parse_search, probes, recipe_with, setting
from segkit.runs.fingerprint import fingerprint

if TYPE_CHECKING:
    from segkit.experiments.study_plan import PlannedRun


@dataclass(frozen=True)
class TuningPlan:
    """A search.

    Args:
        source: recipe file, or name of a shipped recipe.
        axes: what is searched.
        overrides: changes of the recipe in the form of `--set`.
        demo: whether to use synthetic lesions.
        recipe: the recipe with the first value of every axis; its first fold, if there are folds.
        probes: recipes with every choice and end of the axes, by that value, to be checked before training.
        identity: what a study belongs to: recipe, seed, search space, metric, images, how trials are judged.
        images: number of validation images, or of those in all folds.
        test_images: number of test images.
        folds: number of folds by which trials are cross-validated; 0 if validation images judge them.
        group: what keeps images in one fold, as `data.split.group`; "" for that of the recipe.
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
    folds: int = 0
    group: str = ""

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
    def grouped_by(self) -> str:
        """What keeps images in one fold, as given, or by the name in the recipe; "" without."""
        of_recipe = self.recipe.data.split.group if self.folds else None
        return self.group or (of_recipe if isinstance(of_recipe, str) else "")

    @property
    def study(self) -> str:
        """Name of the study in the storage, and of its own storage: another search has another one."""
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()
        return f"{self.recipe.name}-{digest[:12]}"

    def runs_of(self, values: Mapping[str, Value], runs: Path) -> tuple[Recipe, list[PlannedRun]]:
        """The recipe of a trial, and its run or those of its folds, where finished ones are found.

        Args:
            values: searched values by path.
            runs: folder of all runs.

        Raises:
            SegkitError: if the recipe does not allow these values together.
        """
        if self.folds:
            chosen = [setting(axis.path, values[axis.path]) for axis in self.axes]
            cv = make_cv_plan(
                Path(self.source), folds=self.folds, runs=runs, group=self.group,
                overrides=[*self.overrides, *chosen], demo=self.demo,
            )  # fmt: skip
            return cv.recipe, cv.runs
        given = recipe_with(self.source, self.overrides, self.axes, values, demo=self.demo)
        recipe, scan = scan_recipe_source(given)
        samples, identity = find_samples(recipe, scan), fingerprint(recipe, scan.splits)
        return recipe, [plan_run(recipe, samples, identity, ExistingRuns(runs), [])]


def plan_tuning(
    source: Path | str,
    search: Sequence[str],
    overrides: Sequence[str] = (),
    *,
    folds: int = 0,
    group: str = "",
    demo: bool = False,
) -> TuningPlan:
    """Check a search space and the images by which trials are judged.

    Args:
        source: recipe file, or name of a shipped recipe; its plugins are loaded.
        search: what is searched, as ``PATH=SPACE``.
        overrides: changes of the recipe in the form of `--set`.
        folds: number of folds by which trials are cross-validated; by default validation images judge them.
        group: what keeps images in one fold, as `data.split.group`; by default that of the recipe.
        demo: whether to use synthetic lesions.

    Raises:
        SegkitError: listing the problems of the space; or if trials would be judged by test images, or by
            different ones, or the images cannot make so many folds.
    """
    if group and not folds:
        option, set_group = worded("--group", "group"), worded("--set", "overrides")
        raise SegkitError(
            f"{option} keeps images in one fold, but there are no folds",
            hint=f"{worded('--folds 5', 'folds=5')}; or {set_group} data.split.group={group}, with a split",
        )
    axes = parse_search(search, overrides)
    if folds and (problems := [*fixed_by_folds(axes)]):
        raise SegkitError.of(problems)

    def load(values: Mapping[str, Value]) -> Recipe:
        given = recipe_with(str(source), overrides, axes, values, demo=demo)
        if not folds:
            return given
        check_folds(given, folds, Path(source))
        changes = [*overrides, *fold_changes(given, folds, group)]
        return recipe_with(str(source), changes, axes, values, demo=demo)

    tried, labels = _load_probes(axes, load)
    first, scan = scan_recipe_source(tried[0][1])
    samples = find_samples(first, scan)
    judged, tested = samples.get("val", []), samples.get("test", [])
    if folds:
        judged = [sample for split in ("train", "val") for sample in scan.splits.get(split, ())]
    check_not_tested(str(source), judged, tested, cache_folder() if first.data.cache else None, folds)
    if problems := [*scored_differently(tried, samples)]:
        raise SegkitError.of(problems)
    mark = fingerprint(first, scan.splits)
    identity = {
        "recipe": first.name,
        "settings": mark.recipe,
        "seed": str(mark.seed),
        "search space": " ".join(sorted(map(str, axes))),
        "metric": first.metrics[0].key,
        "images": mark.data,
        "score": _score_in_words(first) if folds else "that of the validation images",
    }
    recipes = dict(zip(labels, (recipe for _, recipe in tried), strict=True))
    return TuningPlan(
        str(source), axes, overrides, demo, first, recipes, identity, len(judged), len(tested), folds, group
    )


def _load_probes(
    axes: Sequence[Axis], load: Callable[[Mapping[str, Value]], Recipe]
) -> tuple[list[tuple[Axis | None, Recipe]], list[str]]:
    """Recipes with every choice and end of the axes, with the axis that each is of, and their labels."""
    tried: list[tuple[Axis | None, Recipe]] = []
    labels: list[str] = []
    problems: list[Problem] = []
    for axis, values in probes(axes):
        try:
            tried.append((axis, load(values)))
            labels.append(setting(axis.path, values[axis.path]) if axis else tried[0][1].name)
        except SegkitError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise SegkitError.of(problems)
    return tried, labels


def _score_in_words(first: Recipe) -> str:
    group = first.data.split.group
    by = group.name if isinstance(group, Path) else group  # machines have it in different folders
    return f"that of {first.data.split.folds} folds" + (f" in groups by {by!r}" if by else "")
