"""Patterns of file names: which part of a path is the name, and which the split."""

import pytest

from segkit.data.guess_patterns import guess_patterns
from segkit.data.name_pattern import match_pattern


@pytest.mark.parametrize(
    ("pattern", "path", "split", "name"),
    [
        ("{name}", "a/b.1", "", "a/b.1"),
        ("{name}_mask", "a/b_mask_mask", "", "a/b_mask"),
        ("labels/{name}", "a/labels/b", "", "a/b"),
        ("{name}/images/{name}", "a/7/images/7", "", "a/7"),
        ("{name}/images/{name}", "7/images/8", None, None),
        ("{name}/masks/*", "7/masks/any thing", "", "7"),
        ("{name}/masks/*", "7/masks/deep/1", None, None),
        ("{name}_*", "case_1_a", "", "case_1"),  # as long as possible
        ("*_{name}", "mask_of_12", "", "of_12"),
        ("{split}/images/{name}", "train/images/a/b", "train", "a/b"),
        ("{split}/images/{name}", "Validation/images/b", "val", "b"),
        ("{split}/images/{name}", "extra/images/b", None, None),
        ("{split}/images/{name}", "x/train/images/b", None, None),
        ("{split}annot/{name}", "testannot/b", "test", "b"),
        ("{split}/{name}_{split}", "training/21_training", "train", "21"),
        ("{split}/{name}_{split}", "training/21_test", None, None),
        ("{name}_{split}", "a/b_val", "val", "a/b"),
        ("a(1).{name}", "a(1).b", "", "b"),
        ("Fla\u0308che {name}", "Fl\u00e4che 1", "", "1"),
        ("{name}", "a\nb", "", "a\nb"),
    ],
)
def test_pattern(pattern, path, split, name):
    assert match_pattern(pattern, path) == (None if name is None else (split, name))


@pytest.mark.parametrize(
    ("images", "masks", "patterns"),
    [
        (["21_training", "22_training"], ["21_manual1", "22_manual1"], ("{name}_training", "{name}_manual1")),
        (["img_1", "img_2"], ["mask_1", "mask_2"], ("img_{name}", "mask_{name}")),
        (["IMG 1", "IMG 12"], ["1", "12"], ("IMG {name}", "{name}")),
        (["a/x1_rgb", "b/x2_rgb"], ["a/x1_gt", "b/x2_gt"], ("{name}_rgb", "{name}_gt")),
        (["a/x1_rgb", "b/x2_rgb"], ["b/x1_gt", "a/x2_gt"], ("{name}", "{name}")),
        (["p1", "p2"], ["p1", "p2", "p3"], ("{name}", "{name}")),
        (["s_20", "s_21"], ["m_2", "m_1"], ("{name}", "{name}")),  # numbers are not divided
        ([], ["a"], ("{name}", "{name}")),
        (["a"], [], ("{name}", "{name}")),
    ],
)  # fmt: skip
def test_patterns_of_both_sides_are_guessed(images, masks, patterns):
    assert guess_patterns(images, masks)[0] == patterns


def test_patterns_in_one_folder_are_told_apart_by_words():
    names = [f"{number}_{kind}" for number in range(5) for kind in ("photo", "mask")]
    assert guess_patterns(names, names, shared=True) == (("{name}_photo", "{name}_mask"), 1)
    assert guess_patterns(["1_a", "2_a"], ["1_a", "2_a"], shared=True)[1] == 0
