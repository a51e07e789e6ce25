import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from segkit.cli import console
from segkit.cli.console.epoch_table import EpochTable
from segkit.cli.console.format import format_number, format_value
from segkit.cli.console.stream import write
from segkit.core.errors import Interrupted, Problem, SegkitError
from segkit.core.events import EpochEnded, RunEnded, RunStarted, StepEnded
from segkit.core.model_table import Stage
from segkit.core.registry import Entry, Registry
from segkit.runs.schema import EpochScores, Frozen, Published, SplitScores, Summary

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
LONG_PATH = "/data/a long way/from/home/" + "sub/" * 12 + "recipe.yaml"
STAGES = [
    Stage(part="encoder", name="stage 4 of 5", shape=(96, 8, 8), parameters=0, trainable=0),
    Stage(part="encoder", name="stage 5 of 5", shape=(1280, 4, 4), parameters=2_223_872, trainable=0),
    Stage(
        part="decoder",
        name="transposed_conv",
        shape=(32, 128, 128),
        parameters=7_462_464,
        trainable=7_462_464,
    ),
    Stage(part="head", name="conv 3x3", shape=(1, 128, 128), parameters=289, trainable=289),
]
MODEL = """\
part     stage                    output  parameters  trainable
encoder  stage 4 of 5         96 x 8 x 8
encoder  stage 5 of 5       1280 x 4 x 4   2,223,872          0
decoder  transposed_conv  32 x 128 x 128   7,462,464  7,462,464
head     conv 3x3          1 x 128 x 128         289        289
total                                      9,686,625  7,462,753
"""
WARNING = "The test images choose. data.split: {by: fraction, val: 0.2} and [bold]0.2[/] keep others."
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
ERROR = SegkitError.of(
    [
        Problem("size must be a list, [128, 128], not [red]128[/]", "r.yaml", 12, "data.size", "[128, 128]"),
        Problem("no decoder is called 'unett'", LONG_PATH, 3, "model.decoder.name", "did you mean unet?"),
        Problem("there are no training images", hint="data.split: {by: fraction, val: 0.2}"),
    ]
)  # fmt: skip


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


class LatinPipe(io.StringIO):
    encoding = "latin-1"


@pytest.fixture(autouse=True)
def _plain_surroundings(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def terminal(monkeypatch):
    def make(width):
        monkeypatch.setenv("COLUMNS", str(width))
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(sys, "stdout", stream)
        return stream

    return make


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


def visible(text):
    """A terminal's text without colours; what was drawn over is there too, on lines of its own."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "\n")


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


def test_run_view_shows_long_labels_whole(terminal):
    stream = terminal(40)
    with console.RunView() as view:
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


def test_print_error_in_a_pipe_greps_well(capsys):
    console.print_error(ERROR)
    assert capsys.readouterr() == (
        "",
        "3 problems:\n"
        "r.yaml:12: data.size: size must be a list, [128, 128], not [red]128[/]\n"
        "  try: [128, 128]\n"
        f"{LONG_PATH}:3: model.decoder.name: no decoder is called 'unett'\n"
        "  try: did you mean unet?\n"
        "there are no training images\n"
        "  try: data.split: {by: fraction, val: 0.2}\n",
    )


@pytest.mark.parametrize("width", [40, 100])
def test_print_error_on_a_terminal_shows_all_problems_and_whole_paths(terminal, width):
    stream = terminal(width)
    console.print_error(ERROR)
    text = visible(stream.getvalue())
    assert text.startswith("3 problems ──")
    assert f"\n  {LONG_PATH}:3\n  model.decoder.name\n  try: did you mean unet?\n" in text
    words = " ".join(text.split())
    for problem in ERROR.problems:
        assert problem.problem in words
        assert f"try: {problem.hint}" in words
    assert all(len(line) <= width for line in text.splitlines() if LONG_PATH not in line)


def test_print_error_escapes_control_characters_and_indents_further_lines(capsys):
    console.print_error(SegkitError("bad\x1b[31m\tname\nsecond line", where="a\udcffb\r"))
    assert capsys.readouterr().err == "a\\udcffb\\r: bad\\x1b[31m\\tname\n    second line\n"


def test_print_check_shows_name_images_model_and_warnings(capsys):
    images = {"train": 900, "val": 20}
    console.print_check(
        SimpleNamespace(recipe="isic_frozen", images=images, stages=STAGES, warnings=[WARNING])
    )
    out, err = capsys.readouterr()
    assert err == ""
    assert out == f"isic_frozen\nimages: 900 train, 20 val\n\n{MODEL}\nwarning: {WARNING}\nok\n"


def test_print_json_is_one_document_without_nan(capsys):
    value = {"path": Path("a/b"), "scores": (1.0, float("nan"), float("inf")), "name": "läsion"}
    console.print_json(value)
    assert json.loads(capsys.readouterr().out) == {
        "path": "a/b",
        "scores": [1.0, None, None],
        "name": "läsion",
    }


def test_print_line_prints_one_line_however_long(terminal):
    stream = terminal(40)
    console.print_line(f"Report: {LONG_PATH} [/]")
    assert stream.getvalue() == f"Report: {LONG_PATH} [/]\n"


class Tiny:
    title = "tiny models"

    def names(self):
        return ["tiny_b", "tiny_a"]

    def entry(self, name):
        return None


@pytest.fixture
def losses():
    registry = Registry("loss")

    @registry.register("overlap")
    def overlap(*, smooth: float = 0.0, size: tuple[int, int] = (128, 128), mode: str, flag: bool = True):
        """One minus the overlap [0, 1].

        Args:
            smooth: added to both areas.
            size: as [height, width].
            flag: whether it is so.
        """

    registry.families.append(Tiny())
    return registry


def test_print_parts_counts_families_or_lists_their_names(capsys, losses):
    console.print_parts(losses, all_names=False)
    assert capsys.readouterr().out == (
        "losses\n  overlap  One minus the overlap [0, 1].\n"
        "  and 2 tiny models: segkit list losses lists them\n\n"
    )
    console.print_parts(losses, all_names=True)
    assert capsys.readouterr().out == (
        "losses\n  overlap  One minus the overlap [0, 1].\n2 tiny models\n  tiny_a\n  tiny_b\n\n"
    )


def test_print_parts_on_a_terminal_puts_names_side_by_side(terminal, losses):
    stream = terminal(40)
    console.print_parts(losses, all_names=True)
    assert re.search("tiny_a +tiny_b", visible(stream.getvalue()))


def test_print_part_explains_every_option(capsys, losses):
    entry = losses.get("overlap")
    console.print_part(entry)
    assert capsys.readouterr().out == (
        "loss overlap\n"
        "  One minus the overlap [0, 1].\n"
        f"defined in: {entry.where}\n"
        "\n"
        "option  type                       default     meaning\n"
        "smooth  a number                   0.0         added to both areas.\n"
        "size    a list of 2 whole numbers  [128, 128]  as [height, width].\n"
        "mode    text                       required\n"
        "flag    true or false              true        whether it is so.\n"
    )


def test_print_part_without_options_says_so(capsys):
    console.print_part(Entry("loss", "plain", lambda: None, {}, where="here.py:3"))
    assert capsys.readouterr().out == "loss plain\ndefined in: here.py:3\n\n  It has no options.\n"


def test_write_escapes_what_the_encoding_lacks():
    pipe = LatinPipe()
    write(pipe, "é ✓\n")
    assert pipe.getvalue() == "é \\u2713\n"


def test_a_reader_that_leaves_early_is_no_failure():
    script = "from segkit.cli import console\nfor _ in range(20000): console.print_json('x' * 50)"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_console_is_imported_without_torch():
    script = "import sys, segkit.cli.console; sys.exit('torch' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_values_are_in_words():
    assert [format_number(value) for value in (0.5, -0.5, 99.9, 123.456, 1e7)] == [
        "0.5000", "-0.5000", "99.9000", "123.456", "1e+07",
    ]  # fmt: skip
    assert [format_value(value) for value in (None, True, (1, 2), "dice", "", Path("a"))] == [
        "null", "true", "[1, 2]", "dice", '""', "a",
    ]  # fmt: skip


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


def test_a_run_that_was_stopped_is_no_error_in_a_frame(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    console.print_error(Interrupted("stopped after epoch 1", hint="segkit resume runs/a/001"))
    said = capsys.readouterr().err
    assert "1 problem" not in said
    assert "stopped after epoch 1" in said


def test_what_would_reorder_or_break_a_line_is_escaped(capsys):
    console.print_error(SegkitError("a\u202egpj.exe", where="b\u2066c\u2028d\x9b2J"))
    assert capsys.readouterr().err == "b\\u2066c\\u2028d\\x9b2J: a\\u202egpj.exe\n"
