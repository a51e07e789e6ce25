"""A comparison as a person sees it, on a terminal and in a pipe."""

import io
import re
import sys
from pathlib import Path

import pytest

from segkit.cli.console import print_comparison
from tests.analysis.comparison.made import (
    NONE,
    candidate,
    clear,
    comparison,
    distances,
    groups,
    level,
    pair,
    place,
    rising,
)
from tests.cli.console.conftest import Terminal

LONG_PATH = Path("/data/a long way/" + "sub/" * 20 + "comparison.html")
FILES = [LONG_PATH, Path("out/comparison.json")]
ONE_SEED = "Each was trained once; repeat with --seeds 0,1,2 before claiming that one method is better."
WIDE_HEADER = (
    "rank  recipe                              iou    dice  parameters     macs  latency  training time"
)


@pytest.fixture
def on_terminal(monkeypatch):
    """What stands on a terminal of some width, without colours."""

    def show(found, width, files=()):
        monkeypatch.setenv("COLUMNS", str(width))
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        print_comparison(found, files)
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())

    return show


def test_folder_of_a_paper_is_called_paper(capsys):
    print_comparison(clear(), FILES, Path("submitted.v2"))
    assert capsys.readouterr().out.endswith("\npaper: submitted.v2\n")


def test_comparison_in_a_pipe_is_lines_that_nothing_wraps(capsys):
    print_comparison(clear(), FILES)
    out, err = capsys.readouterr()
    assert err == ""
    assert out == (
        "rank  recipe                      iou    dice  parameters     macs  latency  training time\n"
        "   1  skips   0.8643 [0.8573, 0.8713]  0.9272      5.14 M  0.618 G  21.4 ms     47 min 0 s\n"
        "   2  frozen  0.6788 [0.6638, 0.6938]  0.8087      16.3 M  0.906 G  21.0 ms     52 min 0 s\n"
        "\n"
        "skips is better than frozen: IoU 0.8643 [0.8573, 0.8713] against 0.6788 [0.6638, 0.6938] "
        "(95% intervals).\n"
        "skips against frozen, image by image: 321 wins, 0 ties, 8 losses; mean difference "
        "+0.1855 [+0.1735, +0.1975], adjusted p < 0.001.\n"
        f"{ONE_SEED}\n"
        "\n"
        "warning: The best epoch is chosen on the test images themselves: its score is optimistic.\n"
        "\n"
        f"comparison.html: {LONG_PATH}\n"
        "comparison.json: out/comparison.json\n"
    )


def test_comparison_of_several_in_a_pipe_has_a_line_per_pair(capsys):
    print_comparison(groups(3, leading=2), [])
    assert capsys.readouterr().out.endswith(
        "\n"
        f"{ONE_SEED}\n"
        "\n"
        "r0 - r1: no significant difference, +0.0100 [+0.0040, +0.0160], adjusted p = 0.300, "
        "250 wins, 4 ties, 75 losses\n"
        "r0 - r2: r0 is better, +0.0200 [+0.0140, +0.0260], adjusted p < 0.001, "
        "250 wins, 4 ties, 75 losses\n"
        "r1 - r2: r1 is better, +0.0100 [+0.0040, +0.0160], adjusted p < 0.001, "
        "250 wins, 4 ties, 75 losses\n"
    )


@pytest.mark.parametrize(("count", "lines"), [(2, 0), (6, 15), (7, 0)])
def test_comparison_lists_the_pairs_of_three_to_six(capsys, count, lines):
    print_comparison(groups(count), [])
    assert capsys.readouterr().out.count(" 75 losses\n") == lines


def test_comparison_writes_numbers_that_a_pipe_of_any_encoding_knows(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    print_comparison(level(), [])
    print_comparison(distances(), [])
    out = stream.buffer.getvalue().decode("ascii")
    assert "+0.0006 [-0.0014, +0.0026], adjusted p = 0.421" in out
    assert "-2.5000 [-2.9000, -2.1000], adjusted p < 0.001" in out
    assert "\\u" not in out


@pytest.mark.parametrize(
    ("width", "header"),
    [
        (60, "rank recipe                             iou parameters"),
        (80, "rank recipe                             iou   dice parameters    macs latency"),
        (100, WIDE_HEADER),
        (200, WIDE_HEADER),
    ],
)
def test_comparison_on_a_terminal_shows_what_there_is_room_for(on_terminal, width, header):
    lines = on_terminal(level(), width, FILES).splitlines()
    assert header in lines[:3]
    assert all(len(line) <= width for line in lines if str(LONG_PATH) not in line)
    assert f"  comparison.html  {LONG_PATH}" in lines


def test_comparison_on_a_terminal_says_what_it_leaves_out(on_terminal):
    assert on_terminal(level(), 80).startswith("terminal too narrow for training time: see the files\n")
    assert on_terminal(level(), 100).startswith("rank")


def test_comparison_folds_long_names_and_cuts_none(on_terminal):
    name = "a_recipe_with_a_name_of_forty_six_characters_x"
    ranking = [place(candidate(one, rising(0.8)), 1, 0.86) for one in (name, "b")]
    text = on_terminal(comparison(ranking, [pair(name, "b", 0.0, NONE, p=1.0)]), 60)
    rows = text.split("\n\n")[0].splitlines()
    assert max(map(len, rows)) <= 60
    assert "".join(row[6:27].strip() for row in rows[1:]) == f"{name}b"


def test_comparison_reads_no_name_as_markup_or_control(capsys):
    name = "[red]x[/]\x1b[2J\ny"
    ranking = [place(candidate(one, rising(0.8)), 1, 0.86) for one in (name, "b")]
    print_comparison(comparison(ranking, [pair(name, "b", 0.0, NONE, p=1.0)]), [])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "[red]x[/]\\x1b[2J" in out


def test_comparison_shows_no_column_of_what_nobody_knows(capsys):
    print_comparison(distances(), [])
    assert capsys.readouterr().out.startswith("rank  recipe                hd95 (px)  parameters     macs")
    ranking = [place(candidate("a", lambda epoch: None, metric="hd95"), 1, 7.0, metric="hd95")]
    print_comparison(comparison(ranking, [], metric="hd95"), [])
    assert capsys.readouterr().out.startswith("rank  recipe                hd95 (px)\n")
