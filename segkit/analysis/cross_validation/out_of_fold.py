"""Out-of-fold scores of a cross-validation, as the data of one run over all images. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from segkit.analysis.report.run_data import RunData, read_run_data
from segkit.runs.schema import SplitScores

if TYPE_CHECKING:
    from segkit.runs.cv_dir import CvDir
    from segkit.runs.cv_schema import CvRecord, Seed
    from segkit.runs.run_dir import RunDir

SPLIT = "out-of-fold"


def out_of_fold_data(
    record: CvRecord,
    seed: Seed,
    run: RunDir,
    names: Sequence[str],
    scores: Mapping[str, Any],
    groups: Mapping[str, str],
) -> RunData:
    """The data of the run of a seed's first fold, with the scores of all images by the models of the seed.

    Args:
        record: record of the cross-validation.
        seed: scores over all images.
        run: run of its first fold.
        names: names of all images.
        scores: their scores by metric.
        groups: their groups by name.

    Raises:
        SegkitError: if a file of the run is missing or damaged.
    """
    data = read_run_data(run)
    pooled = SplitScores(
        split=SPLIT,
        metrics=seed.metrics,
        intervals=seed.intervals,
        groups=record.groups,
        per_class=seed.per_class,
        confusion=seed.confusion,
    )
    summary = data.summary.model_copy(
        update={
            "recipe": record.recipe,
            "reported_on": SPLIT,
            "scores": pooled,
            "images": {SPLIT: record.images},
            "warnings": record.warnings,
            "postprocess": record.postprocess,
            "postprocessed": seed.postprocessed,
        }
    )
    return replace(
        data,
        summary=summary,
        environment=data.environment.model_copy(update={"data_digests": {SPLIT: record.pixels}}),
        names=[*names],
        scores={name: [*map(float, values)] for name, values in scores.items()},
        samples=[],
        postprocess=record.postprocess_choice,
        groups=groups,
    )


def read_out_of_fold(cv: CvDir) -> list[RunData]:
    """The data of a cross-validation, one for each seed.

    Raises:
        SegkitError: if a run has gone or has other weights, or a file is damaged.
    """
    record, runs = cv.read(), cv.runs
    found = []
    for seed in record.seeds:
        own = [run for run, fold in zip(runs, record.folds, strict=True) if fold.seed == seed.seed]
        names, groups, scores = cv.read_scores(seed.seed)
        data = out_of_fold_data(record, seed, own[0], names, scores, groups)
        iou = cv.read_class_iou(seed.seed, names, record.classes) if cv.class_scores.is_file() else None
        found.append(replace(data, class_iou=iou, cross_validation=cv.path, fold_runs=own))
    return found
