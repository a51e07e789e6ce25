"""Numbers and verdicts as a comparison writes them."""

import math

import pytest

from segkit.analysis.comparison.format import (
    adjusted_p,
    better,
    coverage,
    format_difference,
    format_interval,
    format_p,
    format_signed,
    join_names,
    leaders,
    verdict,
    wins_ties_losses,
)
from segkit.analysis.comparison.result import Interval
from tests.analysis.comparison.made import NONE, A, B, clear, comparison, groups, pair

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (format_signed(0.01234), "+0.0123"),
        (format_signed(-0.01234), f"{MINUS}0.0123"),
        (format_signed(0.0), "0.0000"),
        (format_signed(math.nan), DASH),
        (format_p(0.00099), "< 0.001"),
        (format_p(0.001), "0.001"),
        (format_p(1.0), "1.000"),
        (format_p(math.nan), DASH),
        (format_interval(Interval(0.5, 0.4, 0.6)), "0.5000 [0.4000, 0.6000]"),
        (format_interval(Interval(0.5, math.nan, math.nan)), "0.5000"),
        (format_interval(Interval(math.nan, math.nan, math.nan)), DASH),
        (format_difference(pair("a", "b", 0.001, NONE, half=0.002)), f"+0.0010 [{MINUS}0.0010, +0.0030]"),
        (coverage(clear()), "95%"),
        (coverage(comparison([], [], alpha=0.001)), "99.9%"),
        (verdict(pair("a", "b", 0.1, A)), "a is better"),
        (verdict(pair("a", "b", 0.1, B)), "b is better"),
        (verdict(pair("a", "b", 0.1, NONE)), "no significant difference"),
        (better(pair("a", "b", 0.1, B)), "b"),
        (better(pair("a", "b", 0.1, NONE)), None),
        (join_names(["a"]), "a"),
        (join_names(["a", "b"]), "a and b"),
        (join_names(list("abcdef")), "a, b, c, d, e and f"),
        (join_names(list("abcdefg")), "a, b, c, d, e and 2 more"),
        ([place.candidate.name for place in leaders(groups())], ["r0", "r1", "r2"]),
    ],
)
def test_words(written, expected):
    assert written == expected


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (0.0003, "adjusted p < 0.001"),
        (0.3, "adjusted p = 0.300"),
        (math.nan, "adjusted p is undefined"),
    ],
)
def test_adjusted_p(p, expected):
    assert adjusted_p(pair("a", "b", 0.1, NONE, p=p)) == expected


def test_wins_ties_losses():
    assert (
        wins_ties_losses(pair("a", "b", 0.1, A, wins=1200, ties=1, losses=1)) == "1,200 wins, 1 tie, 1 loss"
    )
