"""Points that fail in one test are all named."""

import pytest

from tests.points import check_points


def test_every_failure_is_raised_with_its_point_and_case():
    def even(number):
        assert number % 2 == 0

    def refused(number):
        with pytest.raises(ValueError, match="0"):
            int("0" if number else "none, 0")

    with pytest.raises(BaseExceptionGroup) as caught:
        check_points([even, refused], [(0,), (3,)])
    assert caught.value.message == "even(3,); refused(3,)"
    assert len(caught.value.exceptions) == 2


def test_points_that_hold_raise_nothing():
    check_points([bool], [(0,), (1,)])
