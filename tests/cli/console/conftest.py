"""A terminal of some width, and what several tests print."""

import io
import re
import sys

import pytest

from segkit.core.errors import Problem, SegkitError
from segkit.core.model_table import Stage

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


def visible(text):
    """A terminal's text without colours; what was drawn over is there too, on lines of its own."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "\n")
