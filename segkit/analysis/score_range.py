"""Range of a metric's scores, to which intervals are clipped. No torch."""

from __future__ import annotations

import math

from segkit.core.registry import METRICS

Range = tuple[float, float]

FRACTION: Range = (0.0, 1.0)
# Of built-in metrics. Not in their files: their digest decides whether runs of two versions can be compared.
BUILTIN: dict[str, Range] = {
    **dict.fromkeys(
        ("miou", "iou", "dice", "thresholded_iou", "iou_dataset", "iou_soft", "dice_soft"), FRACTION
    ),
    **dict.fromkeys(("pixel_accuracy", "sensitivity", "specificity", "boundary_iou"), FRACTION),
    "hd95": (0.0, math.inf),
}


def score_range(metric: str) -> Range:
    """Lowest and highest possible score of a metric by its registered name; infinite if it states none."""
    entry = METRICS.get(metric)
    low, high = BUILTIN.get(metric) or (entry.traits["range"] if entry else (-math.inf, math.inf))
    return float(low), float(high)


def range_of_differences(scores: Range) -> Range:
    """Range of the difference of two scores."""
    low, high = scores
    return low - high, high - low
