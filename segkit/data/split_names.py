"""Names of splits, and other words for them."""

from __future__ import annotations

NAMES = ("train", "val", "test")
WORDS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "testing": "test",
}  # fmt: skip


def split_named(word: str) -> str | None:
    """The split that a word means, in upper or lower case; None if it means none."""
    return WORDS.get(word.strip().lower())
