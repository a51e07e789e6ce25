"""The report of a run: everything is read from the run directory, and written beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segkit.analysis.report.contents import contents
from segkit.analysis.report.figures import curve_panels, curves_png, panel_picture, score_picture, scores_png
from segkit.analysis.report.overlay import legend, show_samples
from segkit.analysis.report.run_data import read_run_data
from segkit.analysis.report.templates import markdown_templates, templates
from segkit.runs.run_dir import RunDir
from segkit.utils.atomic import atomic_write


def write_report(run: RunDir) -> Path:
    """Write `report.html` (one self-contained file), `report.md` and its pictures into a run directory.

    The same run directory gives the same bytes every time.

    Args:
        run: a complete run.

    Returns:
        The HTML file.

    Raises:
        SegkitError: if the run directory misses a file.
    """
    material = read_run_data(run)
    panels = curve_panels(material)
    shown = show_samples(material)
    page: dict[str, Any] = contents(material) | {
        "curves": [panel_picture(panel) for panel in panels],
        "distribution": score_picture(material),
        "samples": shown,
        "legend": legend(material),
    }
    html, markdown = templates("analysis/report"), markdown_templates("analysis/report")
    files = {
        run.path / "curves.png": curves_png(panels),
        run.path / "scores.png": scores_png(material),
        **{run.samples / pane.file: pane.png for sample in shown for pane in sample.panes if pane.drawn},
        run.path / "report.md": markdown.get_template("report.md.j2").render(page).encode(),
        run.report: html.get_template("report.html.j2").render(page).encode(),
    }
    for path, content in files.items():
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
    return run.report
