"""An `Evaluation` becomes files."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from segkit.analysis.comparison.format import with_ends
from segkit.analysis.report.format import metric_name, number
from segkit.analysis.report.overlay import contour_swatches, downscale, overlay
from segkit.analysis.report.tables import Table
from segkit.analysis.report.templates import templates
from segkit.inference.evaluation.evaluation import WORST as MOST
from segkit.inference.evaluation.evaluation import Evaluation, name_of
from segkit.inference.evaluation.output_folder import DOCUMENT, PAGE, WORST, old_pictures
from segkit.runs.run_dir import RunDir, write_json
from segkit.utils.atomic import atomic_write
from segkit.utils.os_errors import cannot_write

MAX_SIDE = 1024  # pixels of a picture's longer side


@dataclass(frozen=True)
class Case:
    """One of the worst images.

    Args:
        image: its name.
        score: of the first metric.
        file: of its picture.
        picture: a JPEG of the image with both contours.
    """

    image: str
    score: str
    file: str
    picture: bytes


def write_evaluation(evaluation: Evaluation, folder: Path) -> Path:
    """Write `scores.csv`, `scores.json`, the worst images and a page with all that matters into a folder.

    Args:
        evaluation: what was found.
        folder: as `refuse_folder` lets pass.

    Returns:
        The page, one self-contained file.

    Raises:
        TrainingError: if they cannot be written; those that are there are whole.
    """
    cases = [_case(evaluation, place, index) for place, index in enumerate(evaluation.worst(MOST), start=1)]
    page = (
        templates("inference/evaluation", "analysis/report")
        .get_template("evaluation.html.j2")
        .render(_contents(evaluation, cases))
    )
    files = {f"{WORST}/{case.file}": case.picture for case in cases} | {PAGE: page.encode()}
    try:
        (folder / WORST).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            with atomic_write(folder / name) as temporary:
                temporary.write_bytes(content)
        RunDir(folder).write_scores(evaluation.names, evaluation.scores.per_image)
        write_json(folder / DOCUMENT, evaluation.as_json())
        for picture in old_pictures(folder):
            if f"{WORST}/{picture.name}" not in files:
                picture.unlink()
    except OSError as error:
        raise cannot_write(error, folder, "the same command again, or --out with another place") from error
    return folder / PAGE


def _case(evaluation: Evaluation, place: int, index: int) -> Case:
    name = evaluation.names[index]
    safe = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in name)[:80]
    pixels = overlay(*downscale(*evaluation.subject.seen(index), MAX_SIDE))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=88)
    score = evaluation.scores.per_image[evaluation.first_metric][index]
    return Case(name, number(score), f"{place:02}_{safe}.jpg", file.getvalue())


def _contents(evaluation: Evaluation, cases: list[Case]) -> dict[str, Any]:
    return {
        "name": evaluation.recipe.name,
        "together": len(evaluation.runs) > 1,
        "runs": [str(run.path) for run in evaluation.runs],
        "images": str(evaluation.images),
        "how": evaluation.how(),
        "metric": metric_name(evaluation.first_metric),
        "scores": _score_table(evaluation),
        "warnings": evaluation.warnings,
        "cases": cases,
        "legend": contour_swatches(),
    }


def _score_table(evaluation: Evaluation) -> Table:
    """A metric a row; of several runs, a column for each after that of all together."""
    members = zip(evaluation.runs, evaluation.members, strict=False)
    beside = {name_of(run): scores.metrics for run, scores in members}
    rows = [
        [metric_name(name), with_ends(interval), *(number(scores[name]) for scores in beside.values())]
        for name, interval in evaluation.intervals.items()
    ]
    first = "All together [95% interval]" if beside else "Score [95% interval]"
    columns = ["Metric", first, *beside]
    return Table("Scores over the images", columns, rows, [False, *(True for _ in columns[1:])])
