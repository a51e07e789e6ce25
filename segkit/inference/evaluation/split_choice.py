"""Values of `segkit evaluate --split`. Imports nothing, so that the command line starts fast."""

from enum import StrEnum


class SplitChoice(StrEnum):
    """Split to score."""

    train = "train"
    val = "val"
    test = "test"
    all = "all"
