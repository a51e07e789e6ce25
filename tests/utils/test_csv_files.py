"""Tables that a spreadsheet opens: no text runs, and all of it is read back."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.runs.run_dir import RunDir
from segkit.utils.csv_files import original_text, write_csv

FORMULAS = ["=1+1", "+1", "-2", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''@a", "\uff1d1"]


def written(path, text):
    write_csv(path / "a.csv", [[text, 1.5]])
    with (path / "a.csv").open(newline="", encoding="utf-8") as file:
        ((cell, number),) = csv.reader(file, strict=True)
    assert number == "1.5"
    return cell


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_run_has_an_apostrophe(tmp_path, text):
    assert written(tmp_path, text) == f"'{text}"
    assert original_text(f"'{text}") == text


@pytest.mark.parametrize("text", ["ISIC_0000001", "a=b", "a-1", "'quoted'", "it's", " =1", ""])
def test_other_texts_are_written_as_they_are(tmp_path, text):
    assert written(tmp_path, text) == text
    assert (tmp_path / "a.csv").read_text() == f"{text},1.5\n"


@pytest.mark.parametrize("text", ["a;=1+1", "a\t=1", 'a";=1', "a,=1", "a\n=1"])
def test_a_separator_of_another_spreadsheet_begins_no_cell(tmp_path, text):
    assert written(tmp_path, text) == text
    assert (tmp_path / "a.csv").read_text().startswith('"')


@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_every_text_is_read_back(tmp_path_factory, text):
    assert original_text(written(tmp_path_factory.getbasetemp(), text)) == text


def test_numbers_are_exact_and_unknown_ones_empty(tmp_path):
    write_csv(tmp_path / "a.csv", [["a", -0.1, float("nan"), None, 3, float("inf")]])
    assert (tmp_path / "a.csv").read_text() == "a,-0.1,,,3,inf\n"


def test_names_of_images_are_read_back_from_the_scores(tmp_path):
    run = RunDir(tmp_path)
    run.write_scores(FORMULAS, {"iou": [0.5] * len(FORMULAS)})
    assert run.read_scores() == (FORMULAS, {"iou": [0.5] * len(FORMULAS)})
    with run.scores.open(newline="", encoding="utf-8") as file:
        assert all(row[0][0] not in "=+-@\t\r" for row in csv.reader(file))
