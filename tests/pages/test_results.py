"""docs/results.md and the READMEs of plugins say what was measured, and of recipes that are there."""

import importlib.util
import json
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = json.loads((DOCS / "results.json").read_text(encoding="utf-8"))
DECODERS = json.loads((DOCS / "examples/decoders/comparison.json").read_text(encoding="utf-8"))


def module():
    spec = importlib.util.spec_from_file_location("results", Path(__file__).with_name("results.py"))
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_tables_are_those_of_the_measurements():
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    assert module().rendered(page, RESULTS, DECODERS) == page


@pytest.mark.parametrize(
    "page", sorted(DOCS.parent.glob("plugins/*/README.md")), ids=lambda page: page.parent.name
)
def test_table_of_a_plugin_is_that_of_the_measurements(page):
    text = page.read_text(encoding="utf-8")
    assert module().rendered_plugin(text, RESULTS) == text
    assert ("<!-- measured: " in text) == (page.parent / "isic.yaml").is_file()


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result["recipe"])
def test_measured_recipe_is_there_and_its_metrics_agree(result):
    assert (DOCS.parent / result["command"].split()[2]).is_file()
    iou, dice = result["scores"]["iou"], result["scores"]["dice"]
    assert iou <= dice <= 2 * iou / (1 + iou)  # the mean of a concave function of IoU lies below it
