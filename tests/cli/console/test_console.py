"""Errors, checks, parts and JSON, as they are printed."""

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from segkit.cli import console
from segkit.cli.console.format import format_number, format_value
from segkit.cli.console.stream import write
from segkit.core.errors import Interrupted, Problem, SegkitError
from segkit.core.registry import Entry, Registry
from segkit.data.class_counts import ClassCounts
from segkit.experiments.check import CheckReport
from tests.cli.console.conftest import ERROR, LONG_PATH, MODEL, STAGES, WARNING, visible


class LatinPipe(io.StringIO):
    encoding = "latin-1"


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


def many_problems() -> SegkitError:
    equal = [Problem("the mask is blue", f"m/{n}.png", hint="make it red") for n in range(244)]
    size = Problem("its size is 3x3", kind="size")
    sizes = [replace(size, file=f"m/{n}.png", hint=f"the image is i/{n}.png") for n in range(2)]
    others = [Problem(f"it holds {n}", f"n/{n}.png") for n in range(99)]
    return SegkitError.of([*equal[:5], *sizes, *equal[5:], *others])


def test_print_error_tells_equal_problems_once(capsys):
    console.print_error(many_problems())
    lines = capsys.readouterr().err.splitlines()
    assert lines[:9] == [
        "345 problems:",
        "m/0.png: the mask is blue",
        "m/1.png: the mask is blue",
        "m/2.png: the mask is blue",
        "  ... and 241 more files",
        "  try: make it red",
        "m/0.png: its size is 3x3",
        "  try: the image is i/0.png",
        "m/1.png: its size is 3x3",
    ]
    assert lines[9:] == [
        "  try: the image is i/1.png",
        *[f"n/{n}.png: it holds {n}" for n in range(18)],
        "... and 81 more problems",
    ]


def test_print_error_on_a_terminal_lists_the_files_of_equal_problems(terminal):
    stream = terminal(60)
    console.print_error(many_problems())
    assert (
        "the mask is blue\n  m/0.png\n  m/1.png\n  m/2.png\n  ... and 241 more files\n  try: make it red\n\n"
        "its size is 3x3\n  m/0.png\n  try: the image is i/0.png\n  m/1.png\n  try: the image is i/1.png\n\n"
    ) in visible(stream.getvalue())


def test_print_error_escapes_control_characters_and_indents_further_lines(capsys):
    console.print_error(SegkitError("bad\x1b[31m\tname\nsecond line", where="a\udcffb\r"))
    assert capsys.readouterr().err == "a\\udcffb\\r: bad\\x1b[31m\\tname\n    second line\n"


def test_print_check_shows_name_images_model_and_warnings(capsys):
    images = {"train": 900, "val": 20}
    classes = ClassCounts(("background", "lesion", "ruler"), (9987, 13, 0), (920, 7, 0), (10000,) * 3, 0)
    report = CheckReport(
        "isic_frozen", images, pixels="12 channels, 0 to 4095", weights="bce pos_weight: lesion 768",
        classes=classes, stages=STAGES, warnings=[WARNING],
    )  # fmt: skip
    console.print_check(report)
    out, err = capsys.readouterr()
    assert err == ""
    assert out == (
        "isic_frozen\nimages: 900 train, 20 val\npixels: 12 channels, 0 to 4095\n"
        "balanced: bce pos_weight: lesion 768\n\n"
        "class       share of pixels  images\n"
        "background            99.9%     920\n"
        "lesion                0.13%       7\n"
        "ruler                  none       0\n\n"
        f"{MODEL}\nwarning: {WARNING}\nok\n"
    )
    console.print_check(replace(report, pixels="", weights="", classes=None))
    out = capsys.readouterr().out
    assert out == f"isic_frozen\nimages: 900 train, 20 val\n\n{MODEL}\nwarning: {WARNING}\nok\n"
    console.print_check(replace(report, left_out=300))
    assert "images: 900 of 1,200 train, 20 val\n" in capsys.readouterr().out


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
    assert [format_number(value) for value in (0.5, -0.5, -1e-9, 99.9, 123.456, 1e7)] == [
        "0.5000", "-0.5000", "0.0000", "99.9000", "123.456", "1e+07",
    ]  # fmt: skip
    assert [format_value(value) for value in (None, True, (1, 2), "dice", "", Path("a"))] == [
        "null", "true", "[1, 2]", "dice", '""', "a",
    ]  # fmt: skip


def test_a_run_that_was_stopped_is_no_error_in_a_frame(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    console.print_error(Interrupted("stopped after epoch 1", hint="segkit resume runs/a/001"))
    said = capsys.readouterr().err
    assert "1 problem" not in said
    assert "stopped after epoch 1" in said


def test_what_would_reorder_or_break_a_line_is_escaped(capsys):
    console.print_error(SegkitError("a\u202egpj.exe", where="b\u2066c\u2028d\x9b2J"))
    assert capsys.readouterr().err == "b\\u2066c\\u2028d\\x9b2J: a\\u202egpj.exe\n"
