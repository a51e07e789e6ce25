"""Files of an evaluation: HTML page, CSV, JSON, worst images."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from segkit.analysis.comparison.format import format_interval
from segkit.analysis.report.class_scores import class_scores
from segkit.analysis.report.format import image_label, number, score_label, whole
from segkit.analysis.report.overlay import contour_swatches, downscale, overlay
from segkit.analysis.report.tables import Table
from segkit.analysis.report.templates import templates
from segkit.inference.evaluation.evaluation import WORST as MAX_WORST
from segkit.inference.evaluation.evaluation import Evaluation, run_name
from segkit.inference.evaluation.output_folder import DOCUMENT, PAGE, WORST, worst_image_files
from segkit.runs.run_dir import RunDir, write_json
from segkit.utils.atomic import atomic_folder
from segkit.utils.os_errors import cannot_write
from segkit.utils.public_text import public_data, public_folder

MAX_SIDE = 1024  # pixels of the longer side of a worst image


@dataclass(frozen=True)
class WorstImage:
    """One of the worst images."""

    name: str
    score: str  # of the first metric
    file: str
    jpeg: bytes  # with the contours of both masks


def write_evaluation(evaluation: Evaluation, folder: Path) -> Path:
    """Write page, `scores.csv`, `scores.json` and the worst images.

    Args:
        evaluation: result of `evaluate_runs`.
        folder: folder that `check_out_folder` accepts.

    Returns:
        Path of the page.

    Raises:
        TrainingError: if a file cannot be written; the folder is unchanged.
    """
    worst = [
        _draw(evaluation, rank, index) for rank, index in enumerate(evaluation.worst(MAX_WORST), start=1)
    ]
    files = {f"{WORST}/{image.file}": image.jpeg for image in worst}
    files[PAGE] = _render(evaluation, worst).encode()
    try:
        with atomic_folder(folder) as new:
            (new / WORST).mkdir()
            for name, content in files.items():
                (new / name).write_bytes(content)
            RunDir(new).write_scores(evaluation.names, evaluation.scores.per_image)
            if (classes := evaluation.scores.classes) and evaluation.recipe.data.task != "binary":
                RunDir(new).write_class_scores(evaluation.names, classes)
            write_json(new / DOCUMENT, _document(evaluation))
        for image_file in worst_image_files(folder):
            if f"{WORST}/{image_file.name}" not in files:
                image_file.unlink()
    except OSError as error:
        raise cannot_write(error, folder, "the same command again, or another folder for --out") from error
    return folder / PAGE


def _document(evaluation: Evaluation) -> dict[str, Any]:
    """Content of `scores.json`: that of `--json`, without the folders of this machine."""
    document, folders = evaluation.as_json(), [public_folder(run.path) for run in evaluation.runs]
    for member, folder in zip(document["members"], folders, strict=False):
        member["run"] = folder
    cv = evaluation.cross_validation
    return {
        **public_data(document),
        "run": folders[0],
        "runs": folders,
        "cross_validation": cv and public_folder(cv),
    }


def _draw(evaluation: Evaluation, rank: int, index: int) -> WorstImage:
    name = evaluation.names[index]
    safe_name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)[:60]
    pixels = overlay(*downscale(*evaluation.scorer.image_and_masks(index), MAX_SIDE))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=88)
    score = evaluation.scores.per_image[evaluation.first_metric][index]
    return WorstImage(name, number(score), f"{rank:02}_{safe_name}.jpg", file.getvalue())


def _render(evaluation: Evaluation, worst: list[WorstImage]) -> str:
    classes = evaluation.scores.classes
    template = templates("inference/evaluation", "analysis/report").get_template("evaluation.html.j2")
    return template.render(
        name=evaluation.recipe.name,
        is_ensemble=evaluation.is_ensemble,
        folders=[public_folder(folder) for folder in evaluation.folders],
        images=str(evaluation.images),
        options=evaluation.describe_options(),
        metric=_image_label(evaluation),
        scores=_score_table(evaluation),
        few_images=evaluation.few_images_note,
        over=f"{whole(evaluation.groups)} groups of images" if evaluation.groups else "images",
        classes=classes and class_scores(classes.per_class, classes.confusion.tolist()),
        warnings=evaluation.warnings,
        worst=worst,
        worst_caption=evaluation.worst_caption(MAX_WORST, _image_label(evaluation)),
        legend=contour_swatches(),
    )


def _label(evaluation: Evaluation, metric: str) -> str:
    return score_label(metric, evaluation.details)


def _image_label(evaluation: Evaluation) -> str:
    metric = evaluation.first_metric
    return image_label(_label(evaluation, metric), is_mean=evaluation.is_mean(metric))


def _score_table(evaluation: Evaluation) -> Table:
    members = zip(evaluation.runs, evaluation.members, strict=False)
    member_scores = {run_name(run): scores.metrics for run, scores in members}
    rows = [
        [
            _label(evaluation, name),
            format_interval(interval),
            *(number(s[name]) for s in member_scores.values()),
        ]
        for name, interval in evaluation.intervals.items()
    ]
    score = "Ensemble [95% interval]" if member_scores else "Score [95% interval]"
    columns = ["Metric", score, *member_scores]
    return Table("Scores over the images", columns, rows, [False, *(True for _ in columns[1:])])
