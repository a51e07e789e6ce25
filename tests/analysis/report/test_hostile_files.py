"""Files of a run that were damaged, or made to do harm: each is refused by its name, and none is executed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from segkit.analysis.report.run_data import read_run_data
from segkit.core.errors import SegkitError
from segkit.runs.run_dir import RunDir
from tests.analysis.report.cases import write_run
from tests.hostile import pickled

BOMB = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}]\n"
    for before, name in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
MANY = json.dumps([f"metric {i}" for i in range(101)])

# File, what it holds (of a mapping: what is changed in it), and why it is refused.
CASES: dict[str, tuple[str, bytes | str | dict[str, object], str]] = {
    "recipe: code": ("recipe.yaml", "name: !!python/object/apply:os.mkdir [{marker}]\n",
                     "it is not plain YAML (could not determine a constructor for the tag "
                     "'tag:yaml.org,2002:python/object/apply:os.mkdir')"),
    "recipe: bomb": ("recipe.yaml", BOMB, "it is not plain YAML (an alias)"),
    "recipe: circle": ("recipe.yaml", "a: &a [*a]\n", "it is not plain YAML (an alias)"),
    "recipe: deep": ("recipe.yaml", "a: " + "[" * 5000,
                     "it is not plain YAML (maximum recursion depth exceeded"),
    "recipe: deep enough": ("recipe.yaml", "a: " + "[" * 50 + "]" * 50, "it is nested deeper than 40 levels"),
    "recipe: large": ("recipe.yaml", "#" * 1_000_001, "it has more than 1,000,000 bytes"),
    "recipe: list": ("recipe.yaml", "- a\n", "it must be a mapping"),
    "recipe: number": ("recipe.yaml", f"seed: {'9' * 5000}\n",
                       "it is not plain YAML (Exceeds the limit (4300 digits)"),
    "recipe: date": ("recipe.yaml", "name: 2001-01-01\n", "it holds a date, which is not a plain value"),
    "recipe: classes": ("recipe.yaml", "data: {classes: 5}\n", "data.classes: input should be a valid list"),
    "recipe: bytes": ("recipe.yaml", b"\xff\xfe", "it is not UTF-8 text"),
    "recipe: pickle": ("recipe.yaml", b"pickle", "it is not UTF-8 text"),
    "environment: deep": ("environment.json", "[" * 100_000,
                          "it is not JSON (maximum recursion depth exceeded"),
    "environment: plugins": ("environment.json", {"plugins": [{"name": "x"}]},
                             "plugins.0.path: field required"),
    "environment: key": ("environment.json", '{"a": 1,}',
                         "it is not JSON (Expecting property name enclosed in double quotes: line 1 "),
    "environment: half": ("environment.json", r'{"a": "\ud800"}', "it holds an unpaired surrogate"),
    "summary: empty": ("summary.json", "", "it is not JSON (Expecting value: line 1 column 1 (char 0))"),
    "summary: nan": ("summary.json", '{"seconds": NaN}', "it is not JSON (NaN is not a JSON number)"),
    "summary: inf": ("summary.json", {"seconds": 1e300},
                     "seconds: the number is out of range"),
    "summary: digits": ("summary.json", '{"seconds": ' + "9" * 5000 + "}",
                        "it is not JSON (Exceeds the limit (4300 digits)"),
    "summary: best": ("summary.json", {"best": {"epoch": "1", "metrics": {}}},
                      "best.epoch: input should be a valid integer"),
    "summary: metrics": ("summary.json", {"metrics": []},
                         "metrics: list should have at least 1 item after validation, not 0"),
    "summary: many metrics": ("summary.json", {"metrics": json.loads(MANY)},
                              "metrics: list should have at most 100 items after validation, not 101"),
    "epochs: line": ("metrics.jsonl", '{"epoch": 1}\n{"epoch"\n',
                     "line 2: it is not JSON (Expecting ':' delimiter: line 1 column 9 (char 8))"),
    "epochs: number": ("metrics.jsonl", '{"epoch": 1, "iou": 1e101}\n',
                       "line 1: iou: the number is out of range"),
    "epochs: words": ("metrics.jsonl", '{"epoch": 1, "iou": "<b>"}\n',
                      "line 1: iou: input should be a valid number"),
    "scores: empty": ("scores.csv", "", "it is not a table (it is empty)"),
    "scores: short": ("scores.csv", "image,iou,dice\na,1\n", "row 1 has 2 cells, the header 3"),
    "scores: words": ("scores.csv", "image,iou,dice\na,1,<b>\n", "a cell is not a number"),
    "scores: vast": ("scores.csv", "image,iou,dice\na,1,1e200\n", "a number is larger than any score"),
    "scores: twice": ("scores.csv", "image,iou,iou\na,1,1\n", "two columns have the same name"),
    "scores: lacking": ("scores.csv", "image,iou\na,1\n", "it has no column dice"),
    "scores: field": ("scores.csv", "image,iou,dice\n" + "a" * 200_000 + ",1,1\n",
                      "it is not a table (field larger than field limit (131072))"),
    "samples: mapping": ("samples/samples.json", "{}", "input should be a valid list"),
    "samples: many": ("samples/samples.json", "[" + ",".join(["{}"] * 51) + "]",
                      "list should have at most 50 items after validation, not 51"),
    "training: many": ("samples/training.json", "[" + ",".join(["{}"] * 51) + "]",
                       "list should have at most 50 items after validation, not 51"),
    "training: paths": ("samples/training.json",
                        '[{"image": "a", "picture": "../secret.png", "mask": "training_1_mask.png"}]',
                        "0.picture: string should match pattern '^training_[0-9]{1,6}_image\\.png$'"),
}  # fmt: skip

FILES = {"image": "1_image.png", "truth": "1_truth.png", "prediction": "1_prediction.png"}
TRAVERSALS = (
    "../../secret.png",
    "/etc/passwd",
    "..\\1_image.png",
    "1_image.png/../../x",
    "1_image.png\n",
    "",
)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return write_run(tmp_path / "runs")


def refused(run: RunDir, marker: Path) -> str:
    with pytest.raises(SegkitError) as caught:
        read_run_data(RunDir.open(run.path))
    assert not marker.exists()
    return str(caught.value)


@pytest.mark.parametrize("case", CASES)
def test_damaged_file_is_named(run: RunDir, tmp_path: Path, case: str) -> None:
    name, content, reason = CASES[case]
    file, marker = run.path / name, tmp_path / "marker"
    if isinstance(content, dict):
        content = json.dumps(json.loads(file.read_text()) | content)
    if content == b"pickle":
        content = pickled(marker)
    file.write_bytes(
        content.replace("{marker}", str(marker)).encode() if isinstance(content, str) else content
    )
    assert refused(run, marker).startswith(f"{file}: the file is damaged: {reason}")
