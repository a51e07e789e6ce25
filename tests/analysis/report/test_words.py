"""Numbers and names as the report writes them."""

import math

import pytest

from segkit.analysis.report.format import (
    NOTHING,
    decimal,
    difference,
    duration,
    interval_text,
    is_mean,
    memory,
    metric_name,
    number,
    score_label,
    share,
    whole,
)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (number(0.64312), "0.6431"),
        (number(-0.5), "\N{MINUS SIGN}0.5000"),
        (number(12.345), "12.35"),
        (number(12345.6), "12,346"),
        (number(None), NOTHING),
        (number(math.nan), NOTHING),
        (difference(0.65, 0.6431), "0.0069 above"),
        (difference(0.64, 0.6431), "0.0031 below"),
        (difference(0.64311, 0.6431), "equal"),
        (difference(None, 0.6431), ""),
        (difference(math.nan, 0.6431), ""),
        (whole(2223872), "2,223,872"),
        (whole(None), NOTHING),
        (decimal(0.0423), "0.042"),
        (decimal(21.44), "21.4"),
        (decimal(1234.5), "1,234"),
        (duration(0.4231), "0.4 s"),
        (duration(8.44), "8.4 s"),
        (duration(59.96), "1 min 0 s"),
        (duration(812.3), "13 min 32 s"),
        (duration(3599.9), "1 h 0 min"),
        (duration(7500), "2 h 5 min"),
        (duration(None), NOTHING),
        (memory(512), "512 B"),
        (memory(1_200_000_000), "1.20 GB"),
        (memory(3e15), "3,000 TB"),
        (memory(None), NOTHING),
        (share(7, 9), "78 %"),
        (share(0, 0), NOTHING),
        (metric_name("iou_dataset"), "IoU dataset"),
        (metric_name("sensitivity"), "Sensitivity"),
        (metric_name("hd95"), "HD95"),
        (score_label("hd95", {}), "HD95 (px)"),
        (score_label("iou", {"iou": "threshold 0.9"}), "IoU (threshold 0.9)"),
        (interval_text(0.82031, 0.83611), "0.8203 to 0.8361"),
        (interval_text(math.nan, 0.83611), ""),
    ],
)
def test_words(written, expected):
    assert written == expected


@pytest.mark.parametrize(
    ("scores", "score", "expected"),
    [
        ([0.5, math.nan, 0.7], 0.6, True),
        ([0.5, 0.7], 0.61, False),
        ([math.nan], None, True),
        ([0.5, math.inf], None, True),  # infinite scores are recorded as None
        ([0.5, 0.7], None, False),
    ],
)
def test_whether_a_score_is_the_mean_over_images(scores, score, expected):
    assert is_mean(scores, score) is expected
