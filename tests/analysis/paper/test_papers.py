"""What is written for a comparison and for a run, and where."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from segkit.analysis.comparison.candidates import RunResult
from segkit.analysis.comparison.compare import compare_runs
from segkit.analysis.comparison.result import Comparison
from segkit.analysis.paper.papers import Paper, paper_of_comparison, paper_of_run
from segkit.analysis.paper.write import prepare_paper_folder, write_paper
from segkit.analysis.report.run_data import read_run_data
from segkit.core.errors import SegkitError
from segkit.core.types import Task
from segkit.data.palette import mask_palette
from segkit.runs.run_dir import RunDir, write_json
from segkit.runs.thumbnails import make_thumbnail, write_thumbnails
from tests import commands
from tests.analysis.comparison.runs import DIRECTIONS, scored_run
from tests.analysis.paper.cases import cited_in
from tests.analysis.report.cases import write_run

IMAGES = [f"Läsion_{number} & #1.png" for number in range(40)]


def compared(folder: Path, gain: float = 0.05, seeds: int = 2) -> Comparison:
    """Two models, the second one better by the gain, in a folder whose path is that of this machine."""
    rng = np.random.default_rng(0)
    ious, results = rng.uniform(0.6, 0.9, len(IMAGES)), []
    for name, more in (("plain_50%", 0.0), ("plus", gain)):
        for seed in range(seeds):
            noise = rng.normal(0, 0.004, len(IMAGES))
            scores = {"iou": (ious + more + noise).tolist()}
            run = scored_run(folder / "runs", name, scores, seed=seed, images=IMAGES)
            results.append(RunResult(name, read_run_data(run)))
    command = f"segkit compare {folder}/runs --paper {folder}/paper"
    return compare_runs(results, DIRECTIONS, command=command)


def table(folder: Path, name: str) -> list[list[str]]:
    with (folder / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [*csv.reader(file)]


def written(paper: Paper, folder: Path, figures: int = 0) -> Path:
    """The folder of a paper with its first figures only, as they are slow to write."""
    write_paper(replace(paper, figures=paper.figures[:figures]), folder)
    return folder


def test_a_comparison_has_tables_texts_recipes_and_commands(tmp_path: Path) -> None:
    paper = paper_of_comparison(compared(tmp_path))
    folder = written(paper, tmp_path / "paper", figures=1)
    assert [figure.name for figure in paper.figures] == ["curves", "differences"]  # no run saved thumbnails
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    assert files == [
        "commands.sh", "figures/curves.pdf", "figures/curves.png", "figures/curves.tex", "methods.tex",
        "paper.json", "recipes/plain_50_.yaml", "recipes/plus.yaml", "references.bib",
        "tables/differences.csv", "tables/differences.tex", "tables/models.csv", "tables/models.tex",
        "tables/scores.csv", "tables/scores.tex",
    ]  # fmt: skip
    header, plus, plain = table(folder, "scores")
    assert header == ["Model", "Seeds", "IoU", "IoU low", "IoU high", "IoU SD"]
    assert (plus[0], plain[0]) == ("plus", "plain_50%")
    assert all(re.fullmatch(r"0\.\d{1,3}", cell) for cell in plus[2:])
    scores = (folder / "tables/scores.tex").read_text(encoding="utf-8")
    assert rf"{{}}plus & 2 & \textbf{{{float(plus[2]):.3f} $\pm$ " in scores
    assert r"Scores on 40 test images of 128 $\times$ 128 pixels." in scores
    assert r"Bold: no other model is significantly better by IoU (adjusted $p < 0.05$)." in scores
    assert r"plain\_50\%" in scores
    texts = [
        file.read_text(encoding="utf-8")
        for file in folder.rglob("*.*")
        if file.suffix not in (".pdf", ".png")
    ]
    assert not any(str(tmp_path) in text for text in texts)
    commands = (folder / "commands.sh").read_text(encoding="utf-8")
    assert "# segkit compare runs --paper paper\n" in commands
    again = "segkit compare recipes/plus.yaml recipes/plain_50_.yaml --seeds 0,1 --metric iou"
    assert commands.splitlines()[-1] == again
    methods = (folder / "methods.tex").read_text(encoding="utf-8")
    entries = re.findall(r"@\w+\{(\w+)", (folder / "references.bib").read_text(encoding="utf-8"))
    assert cited_in(methods) == {*entries}
    assert {"searle1992variance", "holm1979"} <= {*entries}
    assert "the same test images on which the epoch was chosen" in methods


def test_no_value_is_bold_where_no_difference_is_shown(tmp_path: Path) -> None:
    paper = paper_of_comparison(compared(tmp_path, gain=0.0, seeds=1))
    folder = written(paper, tmp_path / "paper")
    for name in ("scores", "differences"):
        assert r"\textbf" not in (folder / f"tables/{name}.tex").read_text(encoding="utf-8")
    assert cited_in(paper.methods) >= {"wilcoxon1945", "efron1993bootstrap"}


@pytest.mark.parametrize(
    ("task", "classes", "titles"),
    [
        ("binary", ["lesion"], ["Image", "a", "b"]),
        ("multiclass", ["ground", "road", "car"], ["Image", "Ground truth", "a", "b"]),  # in their colours
    ],
)
def test_samples_of_several_models_side_by_side(
    tmp_path: Path, task: str, classes: list[str], titles: list[str]
) -> None:
    data = {"task": task, "classes": classes}
    mask = np.eye(12, 16, dtype=np.uint8)
    saved = make_thumbnail(np.full((12, 16, 3), 90, np.uint8), mask, mask, mask_palette(Task(task, classes)))
    results = []
    for name in ("a", "b"):
        run = scored_run(tmp_path / "runs", name, {"iou": [0.5, 0.6, 0.7]}, data=data)
        write_thumbnails(run.thumbnails, [saved] * 3)
        results.append(RunResult(name, read_run_data(run)))
    comparison = compare_runs(results, DIRECTIONS)
    (samples,) = (each for each in paper_of_comparison(comparison).figures if each.name == "samples")
    axes = samples.figure.axes
    assert [each.get_title(loc="left") for each in axes[: len(titles)]] == titles
    assert len(axes) == 3 * len(titles)


def test_a_run_has_its_splits_and_classes(tmp_path: Path) -> None:
    per_class = {key: {"skin": 0.9, "lesion": 0.8, "hair": 0.1} for key in ("iou", "dice", "iou_per_image")}
    scores = {
        "split": "test",
        "metrics": {"iou": 0.6},
        "intervals": {"iou": [0.5, 0.7]},
        "per_class": per_class,
    }
    run = write_run(
        tmp_path, reference=False, task="multiclass", scored_on="val", metrics=["iou"], scores=scores,
        images={"train": 700, "val": 88, "test": 329},
    )  # fmt: skip
    paper = paper_of_run(run)
    assert [figure.name for figure in paper.figures] == ["curves", "scores", "samples"]
    rows = [label for axes in paper.figures[-1].figure.axes if (label := axes.get_ylabel())]
    lowest = min(sample.record.score or 0 for sample in read_run_data(run).samples)
    assert rows[-1] == f"Worst, {lowest:.3f}"
    folder = written(paper, tmp_path / "paper")
    assert [row[:5] for row in table(folder, "scores")] == [
        ["Images", "Number", "IoU", "IoU low", "IoU high"],
        ["test", "329", "0.6", "0.5", "0.7"],
        ["validation", "88", "0.655", "", ""],
    ]
    assert table(folder, "classes")[0] == ["Class", "IoU", "Dice", "IoU per image"]
    assert (
        (folder / "commands.sh")
        .read_text(encoding="utf-8")
        .endswith("\nsegkit run recipes/isic_frozen.yaml\n")
    )


def test_a_stopped_run_has_a_paper_that_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path, reference=False)
    run.remove_results()
    write_json(run.environment, {"data_digests": {"val": ""}, "images": {"train": 700, "val": 88}})
    recipe: dict[str, Any] = run.read_recipe() | {"training": {"epochs": 30}}
    run.write_recipe(yaml.safe_dump(recipe))
    paper = paper_of_run(RunDir(run.path))
    assert [figure.name for figure in paper.figures] == ["curves"]
    assert "it was stopped before the 30 epochs of the recipe were done" in paper.methods
    assert "optimistic" in paper.methods


def test_files_of_a_former_paper_are_replaced(tmp_path: Path) -> None:
    paper = paper_of_run(write_run(tmp_path, reference=False))
    folder = written(paper, tmp_path / "paper")
    (folder / "main.tex").write_text("mine", encoding="utf-8")
    (folder / "tables/mine.tex").write_text("mine", encoding="utf-8")
    renamed = replace(paper, tables=[replace(paper.tables[0], name="other")])
    written(renamed, folder)
    assert sorted(file.name for file in folder.glob("tables/*")) == ["mine.tex", "other.csv", "other.tex"]
    assert (folder / "main.tex").is_file()


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SegkitError) as error:
        prepare_paper_folder(tmp_path, "run")
    (problem,) = error.value.problems
    assert (problem.problem, problem.where, problem.hint) == (
        "this folder holds other files than those of a paper", str(tmp_path), "--paper with another folder",
    )  # fmt: skip


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "paper").touch()
    with pytest.raises(SegkitError, match="cannot create the folder for the paper") as error:
        prepare_paper_folder(tmp_path / "paper", "run")
    assert error.value.problems[0].hint == "--paper with another folder"


def test_a_list_that_names_files_elsewhere_removes_nothing(tmp_path: Path) -> None:
    paper = paper_of_run(write_run(tmp_path, reference=False))
    folder = written(paper, tmp_path / "paper")
    write_json(folder / "paper.json", {"of": "run", "files": ["tables/../../mine.tex"]})
    with pytest.raises(SegkitError, match=r"paper\.json"):
        written(paper, folder)


@pytest.mark.slow
def test_compare_and_report_write_it_and_say_where(tmp_path: Path) -> None:
    compared(tmp_path, seeds=1)
    runs = sorted(str(path.parent.relative_to(tmp_path)) for path in tmp_path.glob("runs/*/*/summary.json"))
    said = commands.segkit(["compare", *runs, "--paper", "paper", "--json"], tmp_path, str(tmp_path / "home"))
    assert said.code == 0, said.err
    assert json.loads(said.out)["paper"] == "paper"
    command = (tmp_path / "paper/commands.sh").read_text(encoding="utf-8")
    assert f"# segkit compare {' '.join(runs)} --paper paper --json\n" in command
    said = commands.segkit(["report", runs[0], "--paper", "paper"], tmp_path, str(tmp_path / "home"))
    assert "this folder holds the files of a comparison, which those of a run would replace" in said.err
    assert (tmp_path / "paper/tables/differences.tex").exists()
    said = commands.segkit(["report", runs[0], "--paper", "of_run"], tmp_path, str(tmp_path / "home"))
    assert said.out.endswith("Paper: of_run\n"), said.err
    said = commands.segkit(["report", runs[0], "--paper", "runs"], tmp_path, str(tmp_path / "home"))
    assert said.code == 2
    assert "this folder holds other files than those of a paper" in said.err


@pytest.mark.slow
def test_written_twice_it_has_the_same_bytes(tmp_path: Path) -> None:
    papers = [paper_of_comparison(compared(tmp_path)), paper_of_run(write_run(tmp_path, reference=False))]
    for number, paper in enumerate(papers):
        contents = []
        for time in ("first", "second"):
            folder = tmp_path / f"{time}_{number}"
            write_paper(paper, folder)
            contents.append({file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.*")})
        assert contents[0] == contents[1]
        assert json.loads((folder / "paper.json").read_text())["files"]
