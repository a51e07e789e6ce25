"""Assembly of the page from template, scripts and data."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from segkit.analysis.comparison.epochs import epoch_table
from segkit.analysis.comparison.page.charts import curves, learning_curve_plot, pairs, rounded, scores
from segkit.analysis.comparison.page.colors import color_schemes, dashes
from segkit.analysis.comparison.page.costs import cost_plots
from segkit.analysis.comparison.page.ranking import interval_scale, pair_rows, ranking_columns, ranking_rows
from segkit.analysis.comparison.page.samples import (
    gallery_data,
    has_ignored,
    read_samples,
    sample_notes,
    select_samples,
)
from segkit.analysis.comparison.result import Comparison
from segkit.analysis.comparison.tables import common_context
from segkit.analysis.report.format import number
from segkit.analysis.report.overlay import PREDICTION, TRUTH, class_swatches, contour_swatches, hex_color
from segkit.analysis.report.templates import templates
from segkit.data.palette import BACKGROUND, VOID
from segkit.utils.public_text import public_data, public_names

SCRIPTS = ("comparison", "ranking", "charts", "differences", "costs", "learning_curve", "curves", "samples")
CHART_JS = "vendor/chart.umd.min.js"


def write_page(comparison: Comparison, path: Path) -> Path:
    """Write the page of a comparison, reproducible byte for byte; returns the path.

    Raises:
        SegkitError: if a run's thumbnails are damaged.
    """
    environment = templates("analysis/comparison/page", "analysis/report")
    scripts = [
        _source(environment, CHART_JS),
        "\n".join(_source(environment, f"{name}.js") for name in SCRIPTS),
    ]
    samples = read_samples(comparison)
    shown = select_samples(samples)
    plots = _plots(comparison)
    data = public_data(plots) | {"samples": gallery_data(comparison, shown)}
    page = _context(comparison) | {
        "plots": plots,
        "samples": shown,
        "ignored": has_ignored(shown),
        "sample_notes": sample_notes(comparison, samples, shown),
        "data": htmlsafe_json_dumps(data, separators=(",", ":"), allow_nan=False),
        "scripts": [Markup(script) for script in scripts],
        "hashes": [_hash(script) for script in scripts],
    }
    path.write_bytes(environment.get_template("comparison.html.j2").render(page).encode())
    return path


def _context(comparison: Comparison) -> dict[str, Any]:
    candidates = comparison.candidates
    low, high = interval_scale(comparison)
    return {
        **common_context(comparison),
        "metric_key": comparison.metric,
        "candidates": candidates,
        "dashes": dashes(len(candidates)),
        "color_schemes": color_schemes(len(candidates)),
        "columns": ranking_columns(comparison),
        "rows": ranking_rows(comparison),
        "scale": (number(low), number(high)),
        "pairs": pair_rows(comparison),
        "contours": contour_swatches(),
        "classes": class_swatches(candidates[0].recipe),
        "void": hex_color(VOID),
        "epochs": epoch_table(comparison),
    }


def _plots(comparison: Comparison) -> dict[str, Any]:
    intervals = [ranking.metrics[comparison.metric] for ranking in comparison.ranking]
    return {
        "metric": comparison.label(comparison.metric),
        "higherIsBetter": comparison.higher_is_better,
        "names": [candidate.name for candidate in comparison.candidates],
        "dashes": dashes(len(comparison.candidates)),
        "images": public_names(comparison.images),
        "scores": scores(comparison),
        "intervals": [[rounded(value) for value in (i.low, i.mean, i.high)] for i in intervals],
        "pairs": pairs(comparison),
        "costs": cost_plots(comparison),
        "learningCurve": learning_curve_plot(comparison),
        "curves": curves(comparison),
        "background": hex_color(BACKGROUND),
        "ignored": hex_color(VOID),
        "truth": hex_color(TRUTH),
        "prediction": hex_color(PREDICTION),
    }


def _source(environment: Environment, name: str) -> str:
    # Not rendered: braces of a script would be read as template syntax.
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _hash(script: str) -> str:
    """Hash for the Content-Security-Policy, which allows no other script."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
