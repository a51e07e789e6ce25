"""Page of a cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from segkit.analysis.cross_validation.out_of_fold import out_of_fold_data
from segkit.analysis.report.class_scores import class_scores
from segkit.analysis.report.contents import interval_notes, postprocess_note
from segkit.analysis.report.figures import score_picture
from segkit.analysis.report.format import NOTHING, interval_text, number, score_label, whole
from segkit.analysis.report.tables import Table, choice_table, worst_table
from segkit.analysis.report.templates import templates
from segkit.utils.public_text import public_command, public_folder

if TYPE_CHECKING:
    from pathlib import Path

    from segkit.runs.cv_schema import CvRecord, Pooled
    from segkit.runs.run_dir import RunDir

PLUS_MINUS = "\N{PLUS-MINUS SIGN}"


def write_page(
    record: CvRecord,
    runs: Sequence[RunDir],
    names: Sequence[str],
    scores: Mapping[str, Any],
    groups: Mapping[str, str],
    file: Path,
) -> None:
    """Write the page, self-contained and reproducible byte for byte.

    Args:
        record: record of the cross-validation.
        runs: runs of its folds.
        names: names of all images.
        scores: their scores by metric, of the first seed.
        groups: their groups by name.
        file: path of the page.

    Raises:
        SegkitError: if a file of a run is missing or damaged.
    """
    first = record.seeds[0]
    data = out_of_fold_data(record, first, runs[0], names, scores, groups)
    page = {
        "name": record.recipe,
        "description": record.description,
        "lead": lead(record),
        "scores": score_table(record),
        "intervals": interval_notes(data),
        "postprocess": _postprocess(record),
        "folds": fold_table(record, runs),
        "pooled_classes": class_table(record),
        "classes": class_scores(first.per_class, first.confusion),
        "notes": record.notes,
        "warnings": record.warnings,
        "distribution": score_picture(data),
        "worst": worst_table(data),
        "of_seed": f" of seed {first.seed}" if len(record.seeds) > 1 else "",
        "command": public_command(record.command),
    }
    html = templates("analysis/cross_validation", "analysis/report").get_template("index.html.j2")
    file.write_bytes(html.render(page).encode())


def lead(record: CvRecord) -> str:
    """What was done, in a sentence."""
    folds = len(record.folds) // len(record.seeds)
    groups = f" in {whole(record.groups)} groups" if record.groups else ""
    seeds = f", with {len(record.seeds)} seeds" if len(record.seeds) > 1 else ""
    size = f" at {record.size}" if record.size else ""
    return (
        f"{whole(record.images)} images{groups}{size}, {folds} folds{seeds}: each image is scored by models "
        "that were not trained on it."
    )


def score_table(record: CvRecord) -> Table:
    """Scores over all images with intervals, and how those of the folds lie about them."""
    rows = [
        [
            score_label(name, record.metric_details),
            number(pooled.mean),
            _limits(pooled),
            number(spread.sd),
            f"{number(spread.lowest)} to {number(spread.highest)}",
        ]
        for (name, pooled), spread in zip(record.pooled.metrics.items(), record.spread.values(), strict=True)
    ]
    columns = ["Metric", "All images", "95% interval", "SD of the folds", "Folds"]
    return Table("Out-of-fold scores", columns, rows, [False, True, True, True, True])


def _postprocess(record: CvRecord) -> dict[str, Any]:
    """Note and tables about post-processing; empty without any."""
    settings, choice, tables = record.postprocess, record.postprocess_choice, []
    if not settings and not choice:
        return {}
    if record.postprocessed:
        rows = [
            [
                score_label(name, record.metric_details),
                number(record.pooled.metrics[name].mean),
                number(pooled.mean),
                _limits(pooled),
            ]
            for name, pooled in record.postprocessed.metrics.items()
        ]
        columns = ["Metric", "Without post-processing", "With", "95% interval"]
        tables.append(Table("Scores of post-processed masks", columns, rows, [False, True, True, True]))
    if choice:
        tables.append(choice_table(choice, score_label(choice.metric, record.metric_details)))
    return {"note": postprocess_note(settings, choice), "tables": tables}


def fold_table(record: CvRecord, runs: Sequence[RunDir]) -> Table:
    """One row per fold and seed."""
    rows = [
        [
            str(fold.fold + 1),
            str(fold.seed),
            whole(fold.images),
            *(number(fold.metrics.get(name)) for name in record.metrics),
            public_folder(run.path),
        ]
        for fold, run in zip(record.folds, runs, strict=True)
    ]
    labels = [score_label(name, record.metric_details) for name in record.metrics]
    columns = ["Fold", "Seed", "Images", *labels, "Run"]
    return Table("Folds", columns, rows, [True, True, True, *(True for _ in labels), False])


def class_table(record: CvRecord) -> Table | None:
    """IoU per image of every class with its interval; None for a single class."""
    classes = record.pooled.per_class.get("iou")
    if not classes:
        return None
    rows = [
        [name, number(pooled.mean), _limits(pooled), whole(pooled.images)] for name, pooled in classes.items()
    ]
    columns = ["Class", "IoU per image", "95% interval", "Images with the class"]
    return Table("Classes", columns, rows, [False, True, True, True])


def _limits(pooled: Pooled) -> str:
    if pooled.low is None or pooled.high is None:
        return NOTHING
    return interval_text(pooled.low, pooled.high)
