"""What a user may ask to have scored. Imports nothing, as the command line asks for it at once."""

from enum import StrEnum


class SplitChoice(StrEnum):
    """Which images are to be scored."""

    train = "train"
    val = "val"
    test = "test"
    all = "all"
