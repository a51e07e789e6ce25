"""Comparisons with made-up but plausible findings, and run directories to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from segkit.analysis.comparison.result import Candidate, Comparison, Interval, PairwiseTest, Ranking
from segkit.data.palette import palette
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import Costs, Published, Summary
from segkit.runs.thumbnails import Thumbnail, make_thumbnail, read_thumbnails, write_thumbnails

NAMES = ("unet_wide", "isic_finetuned", "tiny", "isic_frozen")
EPOCHS = 12
HOSTILE = '</script><img src=x onerror="hacked=1"><script>hacked=1</script>&amp; {{ 7 * 7 }}'
HOSTILE_IMAGE = HOSTILE.replace("{", "{{").replace("}", "}}") + "{:02}"
LEFT_OUT = 2  # images of the runs that the comparison does not have


@dataclass(frozen=True)
class Made:
    """How to make a comparison.

    Args:
        names: names of the candidates, best first.
        images: how many.
        side: of the thumbnails.
        seeds: of the second candidate; the others have one.
        kept: positions of the candidates whose runs kept thumbnails; all by default.
        classes: of the masks, beside the background.
        image_name: of every image, with a place for its number.
        costs: whether anybody measured.
    """

    names: Sequence[str] = NAMES
    images: int = 30
    side: int = 64
    seeds: int = 3
    kept: Sequence[int] | None = None
    classes: int = 1
    image_name: str = "ISIC_{:07}"
    costs: bool = True


def made_up(folder: Path, made: Made = Made(), **changes: Any) -> Comparison:
    """A comparison whose run directories hold what the page reads; `changes` replace its fields."""
    names = [made.image_name.format(number) for number in range(made.images + LEFT_OUT)]
    truths = [_mask(made, number, 0.0) for number in range(len(names))]
    pictures = [_picture(truth, number) for number, truth in enumerate(truths)]
    places = []
    for position, name in enumerate(made.names):
        masks = [_mask(made, number, position + 1.0) for number in range(len(names))]
        ious = np.array([_iou(truth, mask) for truth, mask in zip(truths, masks, strict=True)])
        run = RunDir.create(folder, f"candidate {position}")
        run.write_scores(names, {"iou": ious.tolist()})
        if made.kept is None or position in made.kept:
            colors = palette(made.classes + 1)
            thumbnails = zip(pictures, truths, masks, strict=True)
            write_thumbnails(run.thumbnails, (make_thumbnail(*maps, colors) for maps in thumbnails))
        places.append(_place(made, position, name, run, ious[LEFT_OUT:][::-1]))
    places = [replace(p, rank=i + (i == 0)) for i, p in enumerate(sorted(places, key=_mean, reverse=True))]
    pairs = [_pair(a, b) for i, a in enumerate(places) for b in places[i + 1 :]]
    fields: dict[str, Any] = {
        "metric": "iou",
        "higher_is_better": True,
        "alpha": 0.05,
        "images": names[LEFT_OUT:][::-1],
        "ranking": places,
        "pairs": pairs,
        "warnings": ["The best epoch is chosen on the test images themselves: every score is optimistic."],
        "costs_measured": "Costs were measured one recipe after the other on one machine: cpu, 2 threads.",
        "command": "segkit compare runs/unet_wide/001 runs/isic_frozen/001",
    }
    return Comparison(**{**fields, **changes})


def thumbnail_of(comparison: Comparison, position: int, image: str) -> Thumbnail:
    """What a candidate's first run kept of an image."""
    run = comparison.candidates[position].runs[0]
    return read_thumbnails(run.thumbnails)[run.read_scores()[0].index(image)]


def _place(made: Made, position: int, name: str, run: RunDir, ious: np.ndarray) -> Ranking:
    seeds = made.seeds if position == 1 else 1
    rng = np.random.default_rng(position)
    noise = np.vstack([np.zeros(len(ious)), rng.normal(0, 0.01, (seeds - 1, len(ious)))])
    scores = {"iou": (ious + noise).clip(0, 1)}
    scores["dice"] = 2 * scores["iou"] / (1 + scores["iou"])
    scores["boundary_iou"] = scores["iou"] ** 2
    candidate = Candidate(
        name=name,
        runs=(run,) * seeds,
        seeds=tuple(range(seeds)),
        recipe=_recipe(made),
        summaries=(Summary.model_construct(metrics=["iou", "dice"], scored_on="test", reported_on="test"),)
        * seeds,
        epochs=tuple(_epochs(ious.mean(), seed) for seed in range(seeds)),
        scores=scores,
        costs=_costs(position) if made.costs else Costs(parameters=1e6 * (position + 1)),
        published=_published() if name == "isic_frozen" else None,
    )
    metrics = {key: _interval(values.mean(axis=0)) for key, values in scores.items()}
    return Ranking(candidate, 1, metrics)


def _mean(place: Ranking) -> float:
    return place.metrics["iou"].mean


def _pair(first: Ranking, second: Ranking) -> PairwiseTest:
    a, b = (place.candidate.scores["iou"].mean(axis=0) for place in (first, second))
    interval = _interval(a - b)
    verdict = "a is better" if interval.low > 0 and first.rank != second.rank else "no difference shown"
    return PairwiseTest(
        a=first.candidate.name,
        b=second.candidate.name,
        metric="iou",
        difference=interval.mean,
        low=interval.low,
        high=interval.high,
        p=0.0004 if verdict == "a is better" else 0.21,
        p_wilcoxon=0.2,
        p_seeds=None,
        p_adjusted=0.0012 if verdict == "a is better" else 0.42,
        wins=int((a > b).sum()),
        ties=int((a == b).sum()),
        losses=int((a < b).sum()),
        verdict=verdict,  # type: ignore[arg-type]
    )


def _interval(values: np.ndarray) -> Interval:
    mean, away = float(values.mean()), 1.96 * float(values.std()) / math.sqrt(len(values))
    return Interval(mean, mean - away, mean + away)


def _costs(position: int) -> Costs:
    size = 31e6 / 2.3**position
    return Costs(
        parameters=size,
        trainable_parameters=size / 2,
        macs=size * 320,
        train_seconds=size / 2e4,
        train_images_per_second=21.4 + position,
        latency_ms=size / 4e5,
        predict_images_per_second=60.0 + position,
        peak_memory_bytes=None if position == 2 else 9e8 + size * 12,
        weights_bytes=size * 4,
    )


def _recipe(made: Made) -> dict[str, Any]:
    if made.classes == 1:
        return {"data": {"task": "binary", "classes": ["lesion"]}}
    return {
        "data": {
            "task": "multiclass",
            "classes": ["skin", *(f"class {i}" for i in range(1, made.classes + 1))],
        }
    }


def _epochs(best: float, seed: int) -> list[dict[str, Any]]:
    lines = []
    for epoch in range(1, EPOCHS + 1):
        iou = best - 0.3 * math.exp(-epoch / 3) + 0.008 * math.sin(epoch * (3 + seed) + 9 * best)
        lines.append({"epoch": epoch, "iou": iou, "dice": 2 * iou / (1 + iou), "train_loss": 0.9 - iou})
        lines[-1] |= {"val_loss": 1 - iou, "seconds": 40.0, "best": False}
    return lines


def _published() -> Published:
    epochs = [{"epoch": epoch, "iou": 0.6 - 0.2 / epoch, "val_loss": None} for epoch in range(1, EPOCHS + 1)]
    return Published(source="published experiment 1", metrics={"iou": 0.58}, epochs=epochs)


def _mask(made: Made, number: int, away: float) -> np.ndarray:
    """An ellipse, further from the true one the larger `away`; its shape differs from image to image."""
    rng = np.random.default_rng(number)
    center, radii = rng.uniform(0.4, 0.6, 2), rng.uniform(0.15, 0.3, 2)
    chance = np.random.default_rng((number, round(away)))
    angle, length = chance.uniform(0, 2 * math.pi), 0.025 * away * chance.uniform(0.3, 1.7)
    shift = length * np.array([math.sin(angle), math.cos(angle)])
    y, x = (np.mgrid[: made.side, : made.side] + 0.5) / made.side
    inside = ((x - center[0] - shift[0]) / radii[0]) ** 2 + ((y - center[1] - shift[1]) / radii[1]) ** 2
    mask = (inside < 1).astype(np.uint8)
    for label in range(2, made.classes + 1):
        mask[inside < 1 - label / (made.classes + 1)] = label
    return mask


def _picture(truth: np.ndarray, number: int) -> np.ndarray:
    rng = np.random.default_rng(number)
    skin = Image.new("RGB", truth.shape[::-1], (228, 184, 166))
    dark = tuple(map(int, rng.integers((90, 55, 45), (150, 100, 85))))
    skin.paste(dark, mask=Image.fromarray(np.uint8(truth > 0) * 255))
    blurred = np.asarray(skin.filter(ImageFilter.GaussianBlur(truth.shape[0] / 40)))
    return (blurred + rng.normal(0, 5, blurred.shape)).clip(0, 255).astype(np.uint8)


def _iou(truth: np.ndarray, mask: np.ndarray) -> float:
    return float(((truth > 0) & (mask > 0)).sum() / ((truth > 0) | (mask > 0)).sum())
