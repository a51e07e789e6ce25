"""Numbers and verdicts as a comparison writes them."""

import math

import pytest

from segkit.analysis.comparison.format import (
    better,
    coverage,
    difference,
    leading_places,
    listed,
    probability,
    probability_in,
    signed,
    verdict,
    with_ends,
)
from segkit.analysis.comparison.result import Interval
from tests.analysis.comparison.made import NONE, A, B, clear, comparison, groups, pair

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (signed(0.01234), "+0.0123"),
        (signed(-0.01234), f"{MINUS}0.0123"),
        (signed(0.0), "0.0000"),
        (signed(math.nan), DASH),
        (probability(0.00099), "< 0.001"),
        (probability(0.001), "0.001"),
        (probability(1.0), "1.000"),
        (probability(math.nan), DASH),
        (with_ends(Interval(0.5, 0.4, 0.6)), "0.5000 [0.4000, 0.6000]"),
        (with_ends(Interval(0.5, math.nan, math.nan)), "0.5000"),
        (with_ends(Interval(math.nan, math.nan, math.nan)), DASH),
        (difference(pair("a", "b", 0.001, NONE, half=0.002)), f"+0.0010 [{MINUS}0.0010, +0.0030]"),
        (coverage(clear()), "95%"),
        (coverage(comparison([], [], alpha=0.001)), "99.9%"),
        (verdict(pair("a", "b", 0.1, A)), "a is better"),
        (verdict(pair("a", "b", 0.1, B)), "b is better"),
        (verdict(pair("a", "b", 0.1, NONE)), "no difference shown"),
        (better(pair("a", "b", 0.1, B)), "b"),
        (better(pair("a", "b", 0.1, NONE)), None),
        (listed(["a"]), "a"),
        (listed(["a", "b"]), "a and b"),
        (listed(list("abcdef")), "a, b, c, d, e and f"),
        (listed(list("abcdefg")), "a, b, c, d, e and 2 more"),
        ([place.candidate.name for place in leading_places(groups())], ["r0", "r1", "r2"]),
    ],
)
def test_words(written, expected):
    assert written == expected


@pytest.mark.parametrize(
    ("p", "pairs", "expected"),
    [
        (0.003, 1, "p = 0.003"),
        (0.0003, 1, "p < 0.001"),
        (0.0003, 3, "adjusted p < 0.001"),
        (0.3, 3, "adjusted p = 0.300"),
        (math.nan, 1, "p is not defined"),
    ],
)
def test_probability_in_says_whether_it_is_adjusted(p, pairs, expected):
    one = pair("a", "b", 0.1, NONE, p=p)
    assert probability_in(comparison([], [one] * pairs), one) == expected
