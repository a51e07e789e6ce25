"""A comparison in the making, as it is told on a terminal's other side: a log."""

from pathlib import Path

import pytest

from segkit.cli.console import StudyView
from segkit.core.events import EpochEnded, RunEnded, RunStarted, StepEnded
from segkit.experiments.study_events import Measured, RunScored, StudyPlanned, StudyProgressed
from segkit.runs.schema import Summary

SUMMARY = Summary.model_construct()  # no view of a comparison reads it


def started(epochs=20):
    return RunStarted("a", Path("runs/a/001"), {"train": 3}, "test", [], "cpu", "32-true", epochs, ["iou"])


def ended(epoch, score, best):
    return EpochEnded(epoch, 0.5, 0.25, {"iou": score, "dice": 0.9}, 0.001, 83.0, 80.0, 9.0, best)


EVENTS = [
    StudyPlanned([Path("runs/b/001")], ["a, seed 0", "a, seed 1"], 2, ["b, seed 3: there is one like it."]),
    StudyProgressed("a, seed 0", 1, 2, started()),
    StudyProgressed("a, seed 0", 1, 2, StepEnded(1, 1, 9, 0.5)),
    StudyProgressed("a, seed 0", 1, 2, ended(1, 0.5, True)),
    StudyProgressed("a, seed 0", 1, 2, ended(12, 0.25, False)),
    StudyProgressed("a, seed 0", 1, 2, RunEnded(Path("runs/a/001"), SUMMARY, Path("report.html"))),
    Measured("a, seed 0", 1, 2),
    Measured("a, seed 1", 2, 2),
    RunScored("b, seed 3", 1, 1),
]


def test_a_log_tells_what_is_there_what_is_missing_and_how_it_goes(capsys):
    with StudyView() as view:
        for event in EVENTS:
            view.show(event)
    assert capsys.readouterr().err == (
        "finished runs: 1, not trained again: runs/b/001\n"
        "runs to train: 2, 2 in parallel\n"
        "note: b, seed 3: there is one like it.\n"
        "Checking the recipes\n"
        "1/2 a, seed 0: runs/a/001\n"
        "1/2 a, seed 0: epoch  1/20  iou 0.5000  val loss 0.2500  1 min 23 s  best\n"
        "1/2 a, seed 0: epoch 12/20  iou 0.2500  val loss 0.2500  1 min 23 s\n"
        "1/2 a, seed 0: done, 1 of 2\n"
        "costs measured: a, seed 0, 1 of 2\n"
        "costs measured: a, seed 1, 2 of 2\n"
        "scored: b, seed 3, 1 of 1\n"
    )


def test_quiet_says_nothing(capsys):
    with StudyView(quiet=True) as view:
        for event in EVENTS:
            view.show(event)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (1, "interrupted; repeat the command to continue\n"),
        (6, "interrupted: 1 of the missing runs are finished; repeat the command to continue\n"),
    ],
)
def test_interrupted_it_says_what_is_kept(capsys, shown, said):
    def interrupted():
        with StudyView() as view:
            for event in EVENTS[:shown]:
                view.show(event)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capsys.readouterr().err.endswith(said)
