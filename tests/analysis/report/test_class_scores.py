"""Scores of the classes and the confusion matrix in a report."""

import re
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from segkit.analysis.report.class_scores import _short_count, class_scores
from segkit.cli.console.class_scores import print_class_scores
from segkit.cli.console.stream import Screen
from segkit.core.class_scores import PixelCounts
from segkit.core.types import Task
from segkit.runs.schema import SplitScores


def counts(kind, names, confusion):
    confusion = np.array(confusion)
    if kind == "multiclass":
        pixels = np.stack([confusion.diagonal(), confusion.sum(0), confusion.sum(1)], 1)
    else:
        pixels = np.stack([confusion[:, 1, 1], confusion[:, :, 1].sum(1), confusion[:, 1].sum(1)], 1)
    return PixelCounts(Task(kind, tuple(names)), pixels[None], confusion)


def test_multiclass_scores_are_a_table_and_a_picture():
    found = counts("multiclass", ["road", "car", "pole"], [[90000, 400, 0], [20, 80, 0], [7, 0, 0]])
    classes = class_scores(found.per_class, found.confusion.tolist(), {"road": 990, "car": 10})
    assert classes.table.columns[-1] == "Share of training pixels"
    assert [row[0] for row in classes.table.rows] == ["road", "car", "pole"]
    assert [row[-1] for row in classes.table.rows] == ["99 %", "1 %", "0 %"]
    assert classes.table.marked == 2
    assert classes.table.rows[2][1:5] == ["0.0000", "0.0000", "\N{EN DASH}", "0.0000"]
    assert classes.counts is None
    by_row, in_pixels = (re.findall(r">([^<>\s]+)</text>", p.light.decode()) for p in classes.pictures)
    assert {"100", "<1", "20", "80", "road", "car", "pole"} <= {
        *by_row,
        *(t.replace("&lt;", "<") for t in by_row),
    }
    assert {"90k", "400", "20", "7"} <= {*in_pixels}
    assert classes.pictures[0].alt.endswith("Most often, road is taken for car: 400 pixels.")
    assert classes.png.startswith(b"\x89PNG")


def test_multilabel_scores_are_a_table_of_counts():
    found = counts("multilabel", ["hair", "ink"], [[[5, 1], [2, 3]], [[11, 0], [0, 0]]])
    classes = class_scores(found.per_class, found.confusion.tolist())
    assert classes.counts.rows == [["hair", "3", "1", "2", "5"], ["ink", "0", "0", "0", "11"]]
    assert (classes.pictures, classes.png, classes.table.marked) == ([], b"", 0)
    trained = class_scores(found.per_class, found.confusion.tolist(), {"hair": 9000, "ink": 0})
    assert [(row[0], row[-1]) for row in trained.table.rows] == [("hair", "9,000"), ("ink", "0")]


def test_one_class_and_runs_of_earlier_versions_have_no_such_table():
    found = counts("binary", ["lesion"], [[[5, 1], [2, 3]]])
    assert class_scores(found.per_class, found.confusion.tolist()) is None
    assert class_scores({}, None) is None


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (9950, "10k"), (99_499, "99k"), (999_499, "999k"),
     (999_500, "1.0M"), (123_456_789, "123M"), (10**15, "1.0P")],
)  # fmt: skip
def test_counts_have_at_most_four_characters(count, text):
    assert _short_count(count) == text


def test_many_classes_are_cut_on_a_terminal(capsys):
    names = [f"class {i}" for i in range(32)]
    found = counts("multiclass", names, np.diag(np.arange(1000, 1032)) + (np.arange(32) == 5)[:, None] * 50)
    print_class_scores(Screen(sys.stdout), found.per_class, "summary.json")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "the 20 of 32 classes with the lowest IoU; summary.json has all"
    assert len(lines) == 22
    assert lines[2].startswith("class 5 ")


@pytest.mark.slow
def test_many_classes_are_all_in_table_and_picture():
    names = [f"class {i}" for i in range(32)]
    found = counts("multiclass", names, np.diag(np.arange(1000, 1032)) + (np.arange(32) == 5)[:, None] * 50)
    classes = class_scores(found.per_class, found.confusion.tolist())
    assert len(classes.table.rows) == 32
    assert len(re.findall(">class_? ?\\d+</text>", classes.pictures[1].light.decode())) == 64


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"confusion": [[1, 2], [3, 4]]}, "confusion: its shape does not fit the classes"),
        ({"confusion": [[1, 2, 3], [1, 2], [1, 2, 3]]}, "confusion: its shape does not fit the classes"),
        ({"confusion": [[[1, 2], [1]]] * 3}, "confusion: its shape does not fit the classes"),
        ({"confusion": [[-1] * 3] * 3}, "greater than or equal to 0"),
        (
            {"per_class": {"iou": {"a": 0.5}, "dice": {"b": 0.5}}},
            "per_class: the measures have different classes",
        ),
    ],
)
def test_damaged_scores_of_classes_are_refused(change, reason):
    found = counts("multiclass", ["skin", "lesion", "hair"], np.ones((3, 3), int)).as_json()
    assert SplitScores(metrics={}, **found).confusion == [[1] * 3] * 3
    with pytest.raises(ValidationError, match=reason):
        SplitScores(metrics={}, **(found | change))
