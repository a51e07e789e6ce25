"""Names in figures: whoever chose them, they are drawn as they are, and never too long."""

import pytest

from segkit.analysis.report.figures import curve_panels, curves_png, panel_picture
from segkit.analysis.report.run_data import read_run_data
from segkit.analysis.report.style import figure_text
from tests.analysis.report.cases import write_run


@pytest.mark.parametrize(
    ("name", "shown"),
    [("IoU", "IoU"), ("a\x1b[2J\nb", "a [2J b"), ("m" * 50, "m" * 37 + "..."), ("$x$", "$x$")],
)
def test_names_are_fit_to_be_drawn(name, shown):
    assert figure_text(name) == shown


@pytest.mark.parametrize("name", [r"$\frac{$", "\u5206\u6570", "m" * 5000])
def test_any_name_of_a_metric_is_drawn(tmp_path, name):
    run = write_run(tmp_path, metrics=["iou", name])
    names, scores = run.read_scores()
    run.write_scores(names, {**scores, name: scores["iou"]})
    panel = curve_panels(read_run_data(run))[-1]
    assert curves_png([panel]).startswith(b"\x89PNG")
    assert b"<svg" in panel_picture(panel).light
