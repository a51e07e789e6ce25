"""Fractions of the training images: nested, seeded, in whole groups."""

import random
from itertools import pairwise

import pytest

from segkit.core.errors import DataError
from segkit.data.fraction import part_of
from tests.data.cases import generated, names

NAMES = [f"p{n:02}_{image}" for n in range(20) for image in range(1 + n % 5)]  # 60 images of 20 patients
SAMPLES = [generated(name) for name in NAMES]
GROUPS = {name: name[:3] for name in NAMES}
FRACTIONS = (0.02, 0.05, 0.1, 0.25, 0.26, 0.5, 0.9, 1.0)


@pytest.mark.parametrize("groups", [None, GROUPS])
@pytest.mark.parametrize("seed", [0, 7])
def test_fractions_are_nested_and_close_to_their_size_in_whole_groups(groups, seed):
    parts = [names(part_of(SAMPLES, fraction, seed, groups)) for fraction in FRACTIONS[2 if groups else 0 :]]
    for smaller, larger in pairwise(parts):
        assert {*smaller} <= {*larger}
    assert parts[-1] == NAMES
    for fraction, part in zip(reversed(FRACTIONS), reversed(parts), strict=False):
        assert abs(len(part) - 60 * fraction) <= (2.5 if groups else 0.5)
        assert part == [name for name in NAMES if name in part]  # in the order of the samples
        if groups:
            assert len(part) == sum(GROUPS[name] in {GROUPS[other] for other in part} for name in NAMES)


def test_fraction_depends_on_names_and_seed_not_on_order_or_other_images():
    part = {*names(part_of(SAMPLES, 0.25, 0))}
    assert {*names(part_of(random.Random(1).sample(SAMPLES, 60), 0.25, 0))} == part
    assert {*names(part_of(SAMPLES, 0.25, 1))} != part
    fewer = {*names(part_of(SAMPLES[:40], 0.25, 0))}  # of those that remain, the same come first
    kept = part & {*NAMES[:40]}
    assert kept <= fewer or fewer <= kept


@pytest.mark.parametrize(
    ("fraction", "groups", "message"),
    [
        (
            0.001,
            None,
            r"data\.fraction: 0\.001 of 60 training images leaves no image\n  try: use 0\.01667 or",
        ),
        (
            0.001,
            GROUPS,
            r"data\.fraction: 0\.001 of 60 training images leaves no group\n  try: use 0\.\d+ or",
        ),
    ],
)
def test_fraction_that_leaves_nothing_is_an_error_whose_hint_helps(fraction, groups, message):
    with pytest.raises(DataError, match=message) as caught:
        part_of(SAMPLES, fraction, 0, groups)
    hinted = float(caught.value.problems[0].hint.split()[1])
    assert part_of(SAMPLES, hinted, 0, groups)
