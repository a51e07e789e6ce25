"""Values of `segkit evaluate --split`. Imports nothing, so that the command line starts fast."""

from enum import StrEnum


class SplitChoice(StrEnum):
    """Split to score; out-of-fold is every image of a cross-validation, by models that have not seen it."""

    train = "train"
    val = "val"
    test = "test"
    all = "all"
    out_of_fold = "out-of-fold"
