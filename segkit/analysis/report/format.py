"""Number and name formatting for reports."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

NOTHING = "\N{EN DASH}"
OWN_SIZE = "their own size"  # of the images
_NAMES = {"iou": "IoU", "miou": "mIoU", "dice": "Dice", "hd95": "HD95"}
# Of built-in metrics. Not in their file: its digest decides whether runs of two versions can be compared.
UNITS = {"hd95": "px"}
_FEW_IMAGES = 10  # below which an interval is called uncertain


def metric_name(name: str) -> str:
    """Display name of a metric: ``iou_dataset`` -> ``IoU dataset``."""
    text = " ".join(_NAMES.get(word, word) for word in name.split("_"))
    return text if name.split("_")[0] in _NAMES else text[:1].upper() + text[1:]


def score_label(name: str, details: Mapping[str, str]) -> str:
    """Display name of a metric with its details: ``IoU (threshold 0.9)``, ``HD95 (px)``."""
    return with_details(metric_name(name), name, details)


def with_details(label: str, name: str, details: Mapping[str, str]) -> str:
    """The label of a metric with its options and unit, if these are known by its name."""
    detail = details.get(name, UNITS.get(name, ""))
    return f"{label} ({detail})" if detail else label


def is_mean(scores: Sequence[float], score: float | None) -> bool:
    """Whether a score is the mean of the defined scores of single images; infinite ones count as equal."""
    defined = [value for value in scores if not math.isnan(value)]
    mean = statistics.fmean(defined) if defined else math.nan
    if score is None or not math.isfinite(score):
        return not math.isfinite(mean)
    return math.isclose(mean, score, rel_tol=1e-6, abs_tol=1e-6)


def image_label(label: str, *, is_mean: bool) -> str:
    """Name of a metric's score of one image: another one if the score of all images is not their mean."""
    return label if is_mean else f"{label} of each image alone"


def worst_caption(shown: int, scores: Sequence[float], label: str = "score") -> str:
    """Caption of the images with the worst scores, of which some or all are shown."""
    count = len(scores)
    if count == 1:
        return "The scored image"
    if len({*scores}) == 1:
        which = f"{shown} of {count:,}" if shown < count else f"All {count}"
        return f"{which} scored images, which all have the same {label}"
    by = "" if label == "score" else f" by {label}"
    return (
        f"The {shown} worst images{by}"
        if shown < count
        else f"All {count} scored images{by}, the worst first"
    )


def pixel_size(size: Any) -> str:
    """``128 x 192 pixels (height x width)``, ``128 x 128 pixels``; empty if unknown."""
    if not isinstance(size, list | tuple) or len(size) != 2:
        return ""
    height, width = size
    return f"{height} x {width} pixels" + (" (height x width)" if height != width else "")


def scored_size(data: Mapping[str, Any]) -> str:
    """Size of the scored images of a recipe's data section in words; empty if unknown."""
    if data.get("fit") == "crop":
        return OWN_SIZE
    size = pixel_size(data.get("size"))
    return f"at most {size}" if size and data.get("fit") == "letterbox" else size


def number(value: float | None) -> str:
    """A score or loss with four decimals, fewer from 10 on; a dash if undefined."""
    if value is None or not math.isfinite(value):
        return NOTHING
    decimals = 4 if abs(value) < 10 else 2 if abs(value) < 1000 else 0
    return f"{value:z,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def interval_text(low: float, high: float, text: Callable[[float], str] = number) -> str:
    """``0.8203 to 0.8361``; empty if undefined."""
    return f"{text(low)} to {text(high)}" if math.isfinite(high - low) else ""


def few_images_note(images: int, groups: int | None = None) -> str:
    """A sentence about the intervals of few images, or groups of them; empty for others."""
    count, what = (images, "images") if groups is None else (groups, "groups")
    return f"An interval over {count} {what} is uncertain." if 1 < count < _FEW_IMAGES else ""


def difference(value: float | None, published: float | None) -> str:
    """Difference of two scores to four decimals: ``0.0021 above``; empty if one is undefined."""
    if value is None or published is None or not math.isfinite(value - published):
        return ""
    delta = round(value - published, 4)
    return f"{number(abs(delta))} {'above' if delta > 0 else 'below'}" if delta else "equal"


def whole(value: float | None) -> str:
    """Integer with thousands separators: ``2,223,872``."""
    return NOTHING if value is None else f"{value:z,.0f}"


def decimal(value: float | None) -> str:
    """Three significant digits: ``0.123``, ``21.4``, ``1,234``."""
    if value is None or not math.isfinite(value):
        return NOTHING
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:z,.{decimals}f}"


def duration(seconds: float | None) -> str:
    """Time: ``0.4 s``, ``13 min 32 s``, ``2 h 5 min``."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def memory(size: float | None) -> str:
    """Bytes with a decimal unit: ``1.20 GB``."""
    if size is None:
        return NOTHING
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{decimal(size)} {unit}" if unit != "B" else f"{size:.0f} B"
        size /= 1000
    return f"{decimal(size)} TB"


def share(part: float | None, total: float | None) -> str:
    """Percentage: ``76 %``."""
    return NOTHING if part is None or not total else f"{100 * part / total:.0f} %"
