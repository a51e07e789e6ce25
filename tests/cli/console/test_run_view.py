"""A run as a person sees it, on a terminal and in a pipe."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from segkit.cli import console
from segkit.cli.console.epoch_table import EpochTable
from segkit.core.errors import SegkitError
from segkit.core.events import EpochEnded, RunEnded, RunStarted, StepEnded
from segkit.runs.schema import EpochScores, Frozen, Published, SplitScores, Summary
from tests.cli.console.conftest import ERROR, LONG_PATH, MODEL, STAGES, WARNING, visible

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
STARTED = RunStarted(
    recipe="isic_frozen",
    directory=Path("runs/isic_frozen/001"),
    images={"train": 1900, "test": 379},
    val_split="test",
    stages=STAGES,
    device="cpu, 2 threads",
    precision="32-true",
    epochs=20,
    metrics=["iou", "dice"],
    warnings=[WARNING],
    pixels="4 channels, 0 to 4095",
)
SUMMARY = Summary(
    recipe="isic_frozen",
    metrics=["iou", "dice"],
    scored_on="test",
    reported_on="test",
    epochs=20,
    best=EpochScores(epoch=18, metrics={"iou": 0.64, "dice": 0.75}),
    scores=SplitScores(split="test", metrics={"iou": 0.64, "dice": 0.75}),
    seconds=812.3,
    images_per_second=21.4,
    parameters={"total": 9, "trainable": 7},
    frozen_encoder=Frozen(digest_before="a", digest_after="a", unchanged=True),
    reference=Published(source="published experiment 1", metrics={"iou": 0.6431}),
    warnings=[WARNING],
)


def epoch(number, *, best=False, metrics=None):
    metrics = metrics or {"iou": 0.6 + number / 100, "dice": 0.7 + number / 100}
    return EpochEnded(number, 0.5 / number, 0.4 / number, metrics, 1e-3 / number, 12.34, 10.0, 21.4, best)


def whole_run(view):
    view.note("Loading torch")
    for done in (0, 100, 1900):
        view.progress("train images", done, 1900)
    view.show(STARTED)
    for number in (1, 2):
        view.show(StepEnded(number, 1, 2, 0.7))
        view.show(StepEnded(number, 2, 2, 0.6))
        view.progress("scoring test images", 200, 379)
        view.show(epoch(number, best=number == 1))
    view.show(RunEnded(STARTED.directory, SUMMARY, Path(LONG_PATH)))


def test_run_view_in_a_pipe_prints_a_line_per_phase_and_epoch(capsys):
    with console.RunView() as view:
        whole_run(view)
    out, err = capsys.readouterr()
    assert out == ""
    assert not CONTROL.search(err)
    assert err == (
        "Loading torch\n"
        "train images: 1,900\n"
        "recipe: isic_frozen\n"
        "run directory: runs/isic_frozen/001\n"
        "images: 1,900 train, 379 test\n"
        "pixels: 4 channels, 0 to 4095\n"
        "device: cpu, 2 threads; precision 32-true\n"
        "epochs: at most 20, each scored on test\n"
        "\n"
        f"{MODEL}"
        "\n"
        f"warning: {WARNING}\n"
        "\n"
        "scoring test images: 379\n"
        "epoch  1/20  train loss 0.5000  val loss 0.4000  iou 0.6100  dice 0.7100"
        "  learning rate 1.00e-03  12.3 s  best\n"
        "epoch  2/20  train loss 0.2500  val loss 0.2000  iou 0.6200  dice 0.7200"
        "  learning rate 5.00e-04  12.3 s\n"
        "\n"
        "best epoch: 18, with iou 0.6400, dice 0.7500 on test\n"
        "scores on test: iou 0.6400, dice 0.7500\n"
        "reference: iou 0.6431 (published experiment 1)\n"
        "time: 13 min 32 s, 21.4 images/s in training\n"
        "frozen encoder: unchanged\n"
        f"report: {LONG_PATH}\n"
        "\n"
        f"warning: {WARNING}\n"
    )


def test_run_view_tells_the_windows_on_which_epochs_are_scored(capsys):
    for windows, told in ((1, "1 window"), (1000, "1,000 windows")):
        summary = SUMMARY.model_copy(update={"validate_windows": windows, "scored_on": "val"})
        with console.RunView() as view:
            view.show(RunEnded(STARTED.directory, summary, Path(LONG_PATH)))
        err = capsys.readouterr().err
        assert f"best epoch: 18, with iou 0.6400, dice 0.7500 on {told} of val\n" in err
        assert "scores on test: iou 0.6400, dice 0.7500\n" in err


def test_run_view_stays_plain_in_a_pipe_whatever_the_environment_says(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with console.RunView() as view:
        whole_run(view)
    console.print_error(ERROR)
    assert not CONTROL.search(capsys.readouterr().err)


def test_run_view_quiet_is_silent_but_errors_are_not(capsys):
    with console.RunView(quiet=True) as view:
        whole_run(view)
    assert capsys.readouterr() == ("", "")
    console.print_error(SegkitError("it broke"))
    assert capsys.readouterr() == ("", "it broke\n")


@pytest.mark.parametrize("width", [60, 100, 200])
def test_run_view_on_a_terminal_shows_a_table_of_epochs_once_and_fits(terminal, width):
    stream = terminal(width)
    with console.RunView(clock=iter(range(1000)).__next__) as view:
        whole_run(view)
    lines = visible(stream.getvalue()).splitlines()
    header = (
        "epoch   train" if width == 60 else "epoch  train loss  val loss      iou     dice  learning rate"
    )
    assert len([line for line in lines if line.startswith(header)]) == 1
    rows = [line.split() for line in lines if re.match(r" +[12]  ", line)]
    assert rows == [
        ["1", "0.5000", "0.4000", "0.6100", "0.7100", "1.00e-03", "12.3", "*"],
        ["2", "0.2500", "0.2000", "0.6200", "0.7200", "5.00e-04", "12.3"],
    ]
    assert all(len(line) <= width for line in lines if LONG_PATH not in line)
    assert f"  report          {LONG_PATH}" in lines


def test_run_view_on_a_terminal_shows_a_bar_with_loss_and_time_left(terminal):
    stream = terminal(100)
    seconds = iter([0.0, 100.0, 105.0, 110.0]).__next__
    with console.RunView(clock=seconds) as view:
        view.show(STARTED)
        view.show(StepEnded(1, 5, 10, 0.1234))
        view.show(epoch(1))
        assert "epoch 1/20  ━" in visible(stream.getvalue())
        # Half an epoch took 5 s: half of this one is left, and 19 of 10 s.
        assert "5/10  loss 0.1234  3 min 15 s left" in visible(stream.getvalue())
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h") == 1


def test_run_view_gives_the_cursor_back_when_a_run_fails(terminal):
    stream = terminal(80)

    def fail():
        with console.RunView() as view:
            view.progress("[red]train[/] images", 3, 9)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert "[red]train[/] images" in stream.getvalue()
    assert stream.getvalue().index("\x1b[?25l") < stream.getvalue().index("\x1b[?25h")


def test_run_view_shows_long_labels_whole_and_progress_within_an_item(terminal):
    stream = terminal(40)
    with console.RunView() as view:
        view.progress("images", 1, 12, "window 120 of 1,764")
        assert "1/12  window 120 of 1,764" in visible(stream.getvalue())
        view.progress("word " * 30, 3, 9)
    assert visible(stream.getvalue()).split("3/9")[0].count("word") == 30


def test_run_view_cries_out_when_a_frozen_encoder_changed(capsys):
    changed = Frozen(digest_before="a", digest_after="b", unchanged=False)
    summary = SUMMARY.model_copy(update={"frozen_encoder": changed, "reference": None})
    console.RunView().show(RunEnded(Path(), summary, Path("report.html")))
    assert "frozen encoder: CHANGED, although it is frozen\n" in capsys.readouterr().err
    summary = SUMMARY.model_copy(update={"frozen_encoder": None})
    console.RunView().show(RunEnded(Path(), summary, Path("report.html")))
    assert "frozen encoder" not in capsys.readouterr().err


def test_run_view_says_that_averaged_weights_are_scored(capsys):
    console.RunView().show(replace(STARTED, ema_decay=0.985))
    said = capsys.readouterr().err
    assert "each scored on test; averaged weights (EMA, decay 0.985) are scored and saved\n" in said
    summary = SUMMARY.model_copy(update={"ema_decay": 0.985})
    console.RunView().show(RunEnded(Path(), summary, Path("report.html")))
    assert "scored weights: averaged weights (EMA, decay 0.985)\n" in capsys.readouterr().err


def test_run_view_prints_the_warnings_that_came_up_in_training(capsys):
    view = console.RunView()
    view.show(STARTED)
    capsys.readouterr()
    summary = SUMMARY.model_copy(update={"warnings": [WARNING, "The loss was NaN."]})
    view.show(RunEnded(Path(), summary, Path("report.html")))
    said = capsys.readouterr().err
    assert said.count("warning: The loss was NaN.\n") == 1


def test_no_color_leaves_no_colour_on_a_terminal(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    stream = terminal(80)
    with console.RunView() as view:
        whole_run(view)
    console.print_error(ERROR)
    codes = {
        code for found in re.findall(r"\x1b\[([0-9;]*)m", stream.getvalue()) for code in found.split(";")
    }
    assert codes <= {"", "0", "1", "2"}  # off, bold, dim


def test_a_dumb_terminal_gets_plain_lines(terminal, monkeypatch):
    stream = terminal(80)
    monkeypatch.setenv("TERM", "dumb")
    with console.RunView() as view:
        whole_run(view)
    assert not CONTROL.search(stream.getvalue())


def test_epoch_table_leaves_out_what_has_no_room_but_never_the_first_metric():
    metrics = ["iou", "dice", "boundary_iou", "mean_absolute_error"]
    assert EpochTable(metrics, 200).left_out == []
    narrow = EpochTable(metrics, 50)
    assert narrow.left_out == ["learning rate", "seconds", "mean_absolute_error", "boundary_iou"]
    assert narrow.header == "epoch   train     val     iou    dice best"
    row = narrow.row(epoch(3, best=True, metrics=dict.fromkeys(metrics, float("nan"))))
    assert row == "    3  0.1667  0.1333     nan     nan    *"


def interrupted():
    with console.RunView() as view:
        view.show(STARTED)
        raise KeyboardInterrupt


def test_interrupted_run_says_what_is_kept(capsys):
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"interrupted; to continue: segkit resume {STARTED.directory}"


def test_a_signal_is_answered_at_once(capsys):
    with console.RunView() as view:
        view.stopping()
    assert capsys.readouterr().err == "Saving, then stopping. Press Ctrl-C again to stop immediately.\n"
