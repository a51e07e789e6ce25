"""Rules for batches, epochs, windows, augmentation and losses of a plan. docs/plan.md explains them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from segkit.core.types import TaskKind
from segkit.data.fit import Fit
from segkit.data.readers.raster import Extent

STEP_PIXELS = 2**20  # of a training step; fewer where time is short
MAX_BATCH = 16
BYTES_PER_PIXEL = 3000  # of memory; mobilenetv2_100 with unet takes 2,700 to 3,100
MEMORY_SHARE = 0.5  # of the memory there is
STEPS = 2000  # of training
MIN_STEPS = 400  # where time is short
EPOCHS = (10, 50)
TRAINING_SHARE = 0.75  # of the time; the rest is for scoring after each epoch
RARE = 0.01  # share of the pixels
FOREGROUND, RARE_FOREGROUND = 0.33, 0.5  # share of the windows
ONE_SIDED = 0.9  # share of a class's pixels in one half of the images, above which they are not flipped
MIN_ONE_SIDED = 0.001  # share of all pixels of the classes that decide it
MAX_SCORED = 1  # windows scored for each that is trained on

Chosen = tuple[Any, str]  # a value and its reason


def pixels_of_images(pixels: float, images: int) -> tuple[float, float]:
    """Pixels of an image that leave time for 50 epochs, and for 10.

    Args:
        pixels: that the time for training and scoring is enough for.
        images: number of training images.
    """
    trained = TRAINING_SHARE * pixels
    return min(trained, STEPS * STEP_PIXELS) / (EPOCHS[1] * images), trained / (EPOCHS[0] * images)


def choose_batch_size(size: Extent, images: float, memory: int, pixels: float = math.inf) -> Chosen:
    """A power of two.

    Args:
        size: (height, width) of what the model sees.
        images: different images that there are.
        memory: bytes of the GPU, or of the machine without one.
        pixels: that the time for training and scoring is enough for.
    """
    of_image = size[0] * size[1]
    of_step = min(STEP_PIXELS, TRAINING_SHARE * pixels / MIN_STEPS)
    fitting = min(images, MEMORY_SHARE * memory / (BYTES_PER_PIXEL * of_image))
    wanted = min(MAX_BATCH, 2 ** round(math.log2(max(1, of_step / of_image))))
    batch = min(wanted, 2 ** int(math.log2(max(1, fitting))))
    needed = BYTES_PER_PIXEL * of_image * batch / 1e9
    small = "small, as time is short; " if of_step < STEP_PIXELS else ""
    return batch, f"{small}about {needed:.1f} of {memory / 1e9:.0f} GB of memory in training"


def choose_epochs(images: int, batch: int, steps: float = math.inf) -> tuple[int, int | None, str]:
    """Epochs; images or windows of an epoch, None for each image once; and why.

    Args:
        images: number of training images.
        batch: images or windows of a step.
        steps: that the time for training is enough for.
    """
    of_epoch, drawn = math.ceil(images / batch), None
    steps = min(steps, max(STEPS, EPOCHS[0] * of_epoch))
    epochs = min(EPOCHS[1], max(EPOCHS[0], round(steps / of_epoch)))
    if not EPOCHS[0] <= steps / of_epoch <= EPOCHS[1]:
        of_epoch = max(1, int(steps / epochs))
        drawn = of_epoch * batch
    return epochs, drawn, f"{epochs * of_epoch:,} steps, {of_epoch:,} in each epoch"


def choose_windows(shares: Mapping[str, float]) -> Chosen:
    """The lines `crop`, from the share of each class in the pixels."""
    name, share = _rarest(shares)
    crop: dict[str, Any] = {"foreground": FOREGROUND if share >= RARE else RARE_FOREGROUND}
    why = f"{_in_words(name, share)}; {crop['foreground']:.0%} of the windows are sure to hold foreground"
    if share < RARE and len(shares) > 1:
        crop["classes"] = "balanced"
        why += ", its classes in turn"
    return crop, why


def fewer_windows(fit: Fit, extents: Sequence[Extent], scored: int, trained: int) -> str:
    """Why not all windows are scored after every epoch, or "".

    Args:
        fit: how images are fitted to the model.
        extents: (height, width) of the images.
        scored: number of the images to score.
        trained: windows of an epoch.
    """
    usual = int(median(height for height, _ in extents)), int(median(width for _, width in extents))
    windows = scored * fit.windows_of(usual)
    if windows <= MAX_SCORED * trained:
        return ""
    return f"the images to score have about {windows:,} windows, and an epoch trains on {trained:,}"


def choose_augment(
    shares: Mapping[str, float], left: Sequence[float], upper: Sequence[float], *, is_rgb: bool
) -> Chosen:
    """Transforms.

    Args:
        shares: share of each class in the pixels.
        left: share of each class's pixels in the left half of the images.
        upper: share in the upper half.
        is_rgb: whether images are 8-bit RGB.
    """
    augment: list[dict[str, Any]] = []
    reasons = []
    for flip, half, found in (("HorizontalFlip", "left", left), ("VerticalFlip", "upper", upper)):
        pairs = zip(shares.items(), found, strict=True)
        common = [(share, name) for (name, pixels), share in pairs if pixels >= MIN_ONE_SIDED]
        share, name = max(common, key=lambda pair: abs(pair[0] - 0.5), default=(0.5, ""))
        if max(share, 1 - share) > ONE_SIDED:
            reasons.append(f"{flip} no: {share:.0%} of {name} is in the {half} half")
        else:
            augment.append({"name": flip, "p": 0.5})
            reasons.append(f"{flip} yes: {share:.0%} of {name} is in the {half} half" if name else flip)
    if is_rgb:
        contrast = {"brightness_limit": 0.2, "contrast_limit": 0.2, "p": 0.5}
        augment.append({"name": "RandomBrightnessContrast", **contrast})
    return augment, "; ".join(reasons)


def choose_loss(kind: TaskKind, shares: Mapping[str, float], fit: Fit) -> Chosen:
    """Losses: names, or names with options."""
    name, share = _rarest(shares)
    pixelwise, option = ("cross_entropy", "class_weights") if kind == "multiclass" else ("bce", "pos_weight")
    why = _in_words(name, share)
    if share >= RARE or fit.kind == "crop":
        more = "" if share >= RARE else "; windows with foreground make it more frequent"
        return ["dice", pixelwise], f"{why}{more}"
    return ["dice", {"name": pixelwise, option: "balanced"}], f"{why}: rare classes get larger weights"


def _rarest(shares: Mapping[str, float]) -> tuple[str, float]:
    return min(((name, share) for name, share in shares.items() if share), key=lambda pair: pair[1])


def _in_words(name: str, share: float) -> str:
    percent = f"{share:.1%}" if share >= 0.01 else f"{100 * share:.2g}%"
    return f"the rarest class, {name}, has {percent} of the pixels"
