"""Published numbers are read once, and kept; a file that cannot be read costs a note."""

import pytest

from segkit.core.errors import SegkitError
from segkit.recipe.schema import Reference
from segkit.runs.reference import read_published, read_reference
from segkit.runs.schema import Published


def test_rows_come_with_what_they_give(tmp_path):
    file = tmp_path / "published.csv"
    file.write_text("\ufeffepoch,iou,dice\n1,0.5,\n\n2,0.6,nan\n", encoding="utf-8")
    assert read_published(file) == [
        {"epoch": 1.0, "iou": 0.5, "dice": None},
        {"epoch": 2.0, "iou": 0.6, "dice": None},
    ]
    kept = read_reference(Reference(source="me", epochs=file, metrics={"iou": 0.6}))
    assert kept == Published(source="me", metrics={"iou": 0.6}, epochs=read_published(file))


def test_reference_without_a_file_has_no_epochs():
    assert read_reference(Reference(source="me")) == Published(source="me", metrics={}, epochs=[])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "it does not exist"),
        ("round,iou\n1,0.5\n", "the file is damaged: it has no column epoch"),
        ("epoch,iou\n1,a secret\n", "the file is damaged: a cell is not a number"),
        ("epoch,iou\n1,1e200\n", "the file is damaged: a number is larger than any score"),
        ("epoch,iou\n1\n", "the file is damaged: row 1 has 1 cells, the header 2"),
        ("epoch,epoch\n", "the file is damaged: two columns have the same name"),
        ("", "the file is damaged: it is not a table (it is empty)"),
        ("\0\udcff", "the file is damaged: it is not UTF-8 text"),
    ],
)
def test_unreadable_file_costs_a_note(tmp_path, content, reason):
    file = tmp_path / "published.csv"
    if content is not None:
        file.write_bytes(content.encode("utf-8", "surrogateescape"))
    kept = read_reference(Reference(source="me", epochs=file))
    assert kept.epochs == []
    assert kept.note == f"The published epochs in {file} are not shown: {reason}."
    with pytest.raises(SegkitError, match=r"published\.csv"):
        read_published(file)
