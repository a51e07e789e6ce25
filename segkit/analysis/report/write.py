"""Writing of a run's report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segkit.analysis.report.class_scores import class_scores
from segkit.analysis.report.contents import contents
from segkit.analysis.report.figures import curve_panels, curves_png, panel_picture, score_picture, scores_png
from segkit.analysis.report.overlay import legend, sample_views, training_views
from segkit.analysis.report.run_data import read_run_data
from segkit.analysis.report.templates import markdown_templates, templates
from segkit.runs.run_dir import RunDir
from segkit.utils.atomic import atomic_write


def write_report(run: RunDir) -> Path:
    """Write `report.html` (self-contained), `report.md` and its figures into a run directory.

    The output is reproducible byte for byte.

    Returns:
        Path of the HTML file.

    Raises:
        SegkitError: if a file of the run is missing or damaged.
    """
    data = read_run_data(run)
    panels = curve_panels(data)
    samples = sample_views(data)
    reported = data.summary.scores
    classes = class_scores(reported.per_class, reported.confusion, data.environment.class_pixels)
    page: dict[str, Any] = contents(data) | {
        "curves": [panel_picture(panel) for panel in panels],
        "distribution": score_picture(data),
        "samples": samples,
        "legend": legend(data),
        "training": training_views(data),
        "classes": classes,
    }
    html, markdown = templates("analysis/report"), markdown_templates("analysis/report")
    files = {
        run.path / "curves.png": curves_png(panels),
        run.path / "scores.png": scores_png(data),
        **({run.path / "confusion.png": classes.png} if classes and classes.png else {}),
        **{run.samples / pane.file: pane.png for sample in samples for pane in sample.panes if pane.drawn},
        run.path / "report.md": markdown.get_template("report.md.j2").render(page).encode(),
        run.report: html.get_template("report.html.j2").render(page).encode(),
    }
    for path, content in files.items():
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
    return run.report
