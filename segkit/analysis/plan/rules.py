"""The rules of `segkit plan`: from what was measured to the lines of a recipe. docs/plan.md tells them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from segkit.analysis.dataset.image_size import MAX_SIDE, MULTIPLE, size_of_shape
from segkit.analysis.plan.measure import Measurements
from segkit.core.types import Task
from segkit.data.fit import Fit
from segkit.data.readers.raster import Extent

MIN_CEILING = 0.99  # so that the size alone costs no more than a hundredth
MIN_SIDE = 256  # pixels of whole images, unless they are smaller; pretrained encoders have seen 224
SIDE_STEP = 64  # pixels between the candidates
SCALES = (0.125, 0.25, 0.5, 1.0)  # of crop
MAX_DISTORTION = 1.25  # of the aspect ratio by stretch
DISTORTED = 0.1  # share of the images that may be distorted more
FITTING = 90  # percent of the objects fit into a window
OVERLAP = 0.25  # of windows in scoring
STEP_PIXELS = 2**20  # of a training step
MAX_BATCH = 16
BYTES_PER_PIXEL = 3000  # of memory in training: mobilenetv2_100 with unet took 2,700 to 3,100
MEMORY_SHARE = 0.5
STEPS = 2000  # of training
EPOCHS = (10, 50)
RARE = 0.01  # share of the pixels
RARE_FOREGROUND = 0.5  # share of the windows, where a class is rare
UPRIGHT = 0.65  # share of a class's pixels in one half of the images
MIN_UPRIGHT = 0.001  # share of all pixels of a class that can tell which way is up
VALIDATION_COST = 3  # windows scored for each that is trained on


@dataclass(frozen=True)
class Plan:
    """Values of a recipe's `data`, its loss and its epochs, each with its reason, by key.

    Args:
        data: fit, scale, size, crop, validate_windows, sample, batch_size and augment, as far as they are used.
        loss: names of losses, or their names and options.
        epochs: epochs of training.
        reasons: why, by key: those of `data`, "loss" and "training".
    """

    data: Mapping[str, Any]
    loss: Sequence[Any]
    epochs: int
    reasons: Mapping[str, str]


def candidates(extents: Sequence[Extent]) -> list[Fit]:
    """Fits whose ceilings are measured, the cheapest first: whole images, then windows.

    Args:
        extents: (height, width) of the images.
    """
    ratio, longest = _usual_ratio(extents), median(map(max, extents))
    top = min(MAX_SIDE, MULTIPLE * math.ceil(longest / MULTIPLE))
    sides = [*range(min(MIN_SIDE, top), top, SIDE_STEP), top]
    if _distortion(extents) > MAX_DISTORTION:
        whole = [Fit("letterbox", (side, side)) for side in sides]
    else:
        whole = [Fit("stretch", size_of_shape(ratio, side)) for side in sides]
    # Windows of images that are no larger than a whole image may be would show no more of them.
    scales = [scale for scale in SCALES if scale == 1 or longest * scale > MAX_SIDE]
    return [*whole, *(Fit("crop", (MIN_SIDE, MIN_SIDE), scale, OVERLAP) for scale in scales)]


def make_plan(found: Measurements, ceilings: Mapping[Fit, float], memory: int, has_gpu: bool) -> Plan:
    """Choose the lines of a recipe.

    Args:
        found: what was measured.
        ceilings: best possible Dice of each of `candidates`, in their order.
        memory: bytes of the GPU, or of the machine without one.
        has_gpu: whether it is that of a GPU.
    """
    fit = next(fit for fit, score in ceilings.items() if score >= MIN_CEILING or fit == [*ceilings][-1])
    data: dict[str, Any] = {"fit": fit.kind}
    reasons = {"fit": _why_fit(fit, found, ceilings)}
    if fit.kind == "crop":
        data["scale"], reasons["scale"] = fit.scale, _why_scale(fit, ceilings)
        fit, reasons["size"] = _window(fit, found)
        data["size"] = [*fit.size]
        data["crop"], reasons["crop"] = _crop(found)
    else:
        data["size"], reasons["size"] = [*fit.size], _why_size(fit, ceilings)
    data["batch_size"], reasons["batch_size"] = _batch_size(fit, found, memory, has_gpu)
    epochs, drawn, reasons["training"] = _epochs(data["batch_size"], found.images["train"])
    if drawn:
        things = "windows" if fit.kind == "crop" else "images"
        data["sample"] = {"epoch": drawn}
        reasons["sample"] = (
            f"{things} per epoch: {drawn // data['batch_size']} steps, as there are few training images"
        )
    if fit.kind == "crop" and (why := _why_fewer_windows(fit, found, drawn or found.images["train"])):
        data["validate_windows"], reasons["validate_windows"] = drawn or found.images["train"], why
    data["augment"], reasons["augment"] = _augment(found)
    loss, reasons["loss"] = _loss(found)
    return Plan(data, loss, epochs, reasons)


def metrics_of(task: Task) -> list[str]:
    """Metrics for a recipe; the first one chooses the best epoch."""
    return ["miou", "dice", "pixel_accuracy"] if task.kind == "multiclass" else ["dice", "iou"]


def _usual_ratio(extents: Sequence[Extent]) -> float:
    return float(median(height / width for height, width in extents))


def _distortion(extents: Sequence[Extent]) -> float:
    """How many times as wide as before for their height, or as high, stretched images are."""
    usual = _usual_ratio(extents)
    ratios = [height / width / usual for height, width in extents]
    return float(np.percentile([max(ratio, 1 / ratio) for ratio in ratios], 100 * (1 - DISTORTED)))


def _why_fit(fit: Fit, found: Measurements, ceilings: Mapping[Fit, float]) -> str:
    if fit.kind == "crop":
        last = [candidate for candidate in ceilings if candidate.kind != "crop"][-1]
        return (
            f"windows, as whole images of {_by(last.size)} pixels lose too much: a perfect model would reach "
            f"Dice {ceilings[last]:.3f}, less than {MIN_CEILING}"
        )
    distortion = _distortion(found.extents)
    if fit.kind == "letterbox":
        return f"aspect ratios differ: stretching would distort {DISTORTED:.0%} of the images {distortion:.2f} times or more"
    if distortion < 1.005:
        return "all images have the same aspect ratio, or nearly all"
    return f"aspect ratios are similar: {1 - DISTORTED:.0%} of the images are distorted at most {distortion:.2f} times"


def _why_scale(fit: Fit, ceilings: Mapping[Fit, float]) -> str:
    smaller = [other for other in ceilings if other.kind == "crop" and other.scale < fit.scale]
    if not smaller:
        reached = "" if fit.scale == 1 else f": a perfect model would reach Dice {ceilings[fit]:.3f}"
        return f"the images' own resolution{reached}" if fit.scale == 1 else f"smaller images suffice{reached}"
    last = smaller[-1]
    return (
        f"a perfect model would reach Dice {ceilings[fit]:.3f}, at scale {last.scale:g} only {ceilings[last]:.3f}"
    )


def _why_size(fit: Fit, ceilings: Mapping[Fit, float]) -> str:
    smaller = [*ceilings][: [*ceilings].index(fit)]
    beside = f", at {_by(smaller[-1].size)} only {ceilings[smaller[-1]]:.3f}" if smaller else ""
    return f"height, width; a perfect model would reach Dice {ceilings[fit]:.3f} at this size{beside}"


def _window(fit: Fit, found: Measurements) -> tuple[Fit, str]:
    """The fit with a window into which most objects fit, no larger than the usual image."""
    contents = [fit.content(extent) for extent in found.extents]
    usual = [median(sides) for sides in zip(*contents, strict=True)]
    object_side = float(np.percentile(found.objects, FITTING)) * fit.scale if found.objects else 0.0
    side = int(np.clip(MULTIPLE * math.ceil(object_side / MULTIPLE), MIN_SIDE, MAX_SIDE))
    height, width = (max(MULTIPLE, min(side, int(length) // MULTIPLE * MULTIPLE)) for length in usual)
    scaled = f" at scale {fit.scale:g}" if fit.scale != 1 else ""
    why = (
        f"height, width of windows; {FITTING}% of the objects are at most {object_side:.0f} pixels long{scaled}, "
        f"and windows are {MIN_SIDE} to {MAX_SIDE}"
    )
    return Fit("crop", (height, width), fit.scale, fit.overlap), why


def _crop(found: Measurements) -> tuple[dict[str, Any], str]:
    name, share = _rarest(found)
    crop: dict[str, Any] = {"foreground": 0.33 if share >= RARE else RARE_FOREGROUND, "overlap": OVERLAP}
    why = f"the rarest class, {name}, has {_percent(share)} of the pixels"
    if share < RARE and len(found.foreground) > 1:
        crop["classes"] = "balanced"
        return crop, f"{why}: classes take turns in the windows that hold foreground"
    return crop, f"{why}: half of the windows hold it" if share < RARE else why


def _batch_size(fit: Fit, found: Measurements, memory: int, has_gpu: bool) -> tuple[int, str]:
    pixels = fit.size[0] * fit.size[1]
    fitting = MEMORY_SHARE * memory / (BYTES_PER_PIXEL * pixels)
    images = found.images["train"] if fit.kind != "crop" else math.inf
    batch = 2 ** int(math.log2(max(1, min(MAX_BATCH, STEP_PIXELS / pixels, fitting, images))))
    needed = f"about {BYTES_PER_PIXEL * pixels * batch / 1e9:.1f} GB in training"
    return batch, f"{needed}; {'the GPU' if has_gpu else 'this machine'} has {memory / 1e9:.0f} GB"


def _epochs(batch: int, images: int) -> tuple[int, int | None, str]:
    """Epochs, images or windows of an epoch unless each image is drawn once, and why."""
    per_epoch = math.ceil(images / batch)
    wanted = math.ceil(STEPS / per_epoch)
    epochs, drawn = min(max(wanted, EPOCHS[0]), EPOCHS[1]), None
    if wanted > EPOCHS[1]:
        drawn = math.ceil(STEPS / EPOCHS[1]) * batch
        per_epoch = drawn // batch
    return epochs, drawn, f"{epochs} epochs of {per_epoch:,} steps: {epochs * per_epoch:,} steps"


def _why_fewer_windows(fit: Fit, found: Measurements, trained: int) -> str:
    """Why not all windows are scored after each epoch, or ""."""
    split = "val" if "val" in found.images else "test"
    usual = int(median(h for h, _ in found.extents)), int(median(w for _, w in found.extents))
    scored = found.images.get(split, 0) * fit.windows_of(usual)
    if scored <= VALIDATION_COST * trained:
        return ""
    return f"whole images have about {scored:,} windows to score, and an epoch trains on {trained:,}"


def _augment(found: Measurements) -> tuple[list[dict[str, Any]], str]:
    augment: list[dict[str, Any]] = []
    reasons = []
    halves = {"HorizontalFlip": ("left", found.left), "VerticalFlip": ("upper", found.upper)}
    for flip, (half, shares) in halves.items():
        common = [
            (share, name)
            for share, (name, fraction) in zip(shares, found.foreground.items(), strict=True)
            if fraction >= MIN_UPRIGHT
        ]
        share, name = max(common, key=lambda pair: abs(pair[0] - 0.5), default=(0.5, ""))
        if max(share, 1 - share) > UPRIGHT:
            reasons.append(f"no {flip}, as {share:.0%} of {name} is in the {half} half")
        else:
            augment.append({"name": flip, "p": 0.5})
    if reasons == [] and len(augment) == 2:
        reasons.append("classes are in all halves of the images alike, so that they may be flipped")
    if set(found.types) == {"uint8"} and found.channels == 3:
        contrast = {"brightness_limit": 0.2, "contrast_limit": 0.2, "p": 0.5}
        augment.append({"name": "RandomBrightnessContrast", **contrast})
    return augment, "; ".join(reasons)


def _loss(found: Measurements) -> tuple[list[Any], str]:
    name, share = _rarest(found)
    pixelwise, option = ("cross_entropy", "class_weights") if found.task.kind == "multiclass" else ("bce", "pos_weight")
    why = f"the rarest class, {name}, has {_percent(share)} of the pixels"
    if share >= RARE:
        return ["dice", pixelwise], why
    return ["dice", {"name": pixelwise, option: "balanced"}], f"{why}: it weighs as much as the others"


def _rarest(found: Measurements) -> tuple[str, float]:
    """Name and share of the rarest class that there is; of the background too, if it is a class."""
    shares = {name: share for name, share in found.foreground.items() if share}
    name = min(shares, key=shares.__getitem__)
    return name, shares[name]


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.01 else f"{100 * share:.2g}%"


def _by(size: Extent) -> str:
    return f"{size[1]}x{size[0]}"
