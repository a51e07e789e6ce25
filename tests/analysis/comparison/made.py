"""Made-up comparisons, as the statistics might have found them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segkit.analysis.comparison.result import Candidate, Comparison, Interval, PairwiseTest, Ranking, Verdict
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import Costs, Published, Summary

IMAGES = [f"ISIC_{number:07}" for number in range(1, 330)]
EPOCHS = 20
A, B, NONE = "a is better", "b is better", "no difference shown"
FIRST_COSTS = Costs(
    parameters=5_142_801,
    trainable_parameters=5_142_801,
    macs=618_000_000,
    train_seconds=2820.0,
    train_images_per_second=6.4,
    latency_ms=21.4,
    predict_images_per_second=60.0,
    peak_memory_bytes=1_200_000_000,
    weights_bytes=20_600_000,
)
SMALL_COSTS = Costs(parameters=1_224_000, macs=290_000_000, latency_ms=27.8, train_seconds=1440.0)
LARGE_COSTS = Costs(parameters=16_328_609, macs=906_000_000, latency_ms=21.0, train_seconds=3120.0)


def candidate(
    name: str,
    curve: Callable[[int], float | None],
    *,
    metric: str = "iou",
    seeds: int = 1,
    epochs: int = EPOCHS,
    scored_on: str = "test",
    costs: Costs | None = None,
    published: Published | None = None,
) -> Candidate:
    """A candidate whose score in an epoch is the curve's value; seeds lie evenly around it."""
    runs = tuple(
        [
            _line(epoch, curve(epoch), metric, 0.01 * (seed - (seeds - 1) / 2))
            for epoch in range(1, epochs + 1)
        ]
        for seed in range(seeds)
    )
    summary = Summary.model_construct(metrics=[metric], scored_on=scored_on, reported_on="test")
    return Candidate(
        name=name,
        runs=tuple(RunDir(Path("runs", name, f"{seed + 1:03}")) for seed in range(seeds)),
        seeds=tuple(range(seeds)),
        recipe={"name": name},
        summaries=(summary,) * seeds,
        epochs=runs,
        scores={metric: np.zeros((seeds, len(IMAGES)))},
        costs=costs or Costs(),
        published=published,
    )


def rising(best: float, *, pace: float = 3.0, start: float = 0.3) -> Callable[[int], float]:
    """A curve that settles at its best value."""
    return lambda epoch: best - start * math.exp(-epoch / pace)


def place(
    candidate: Candidate, rank: int, mean: float, *, half: float = 0.007, metric: str = "iou"
) -> Ranking:
    """A place with an interval of the given half width; IoU comes with its Dice."""
    metrics = {metric: Interval(mean, mean - half, mean + half)}
    if metric == "iou":
        metrics["dice"] = Interval(*(2 * end / (1 + end) for end in (mean, mean - half, mean + half)))
    return Ranking(candidate, rank, metrics)


def pair(
    a: str,
    b: str,
    difference: float,
    verdict: Verdict,
    *,
    p: float = 0.0001,
    half: float = 0.006,
    metric: str = "iou",
    wins: int = 250,
    ties: int = 4,
    losses: int = 75,
    p_seeds: float | None = None,
) -> PairwiseTest:
    """A pair whose interval has the given half width."""
    return PairwiseTest(
        difference, difference - half, difference + half, p, p, p_seeds, p, wins, ties, losses, verdict,
        a=a, b=b, metric=metric,
    )  # fmt: skip


def comparison(ranking: Sequence[Ranking], pairs: Sequence[PairwiseTest], **changes: Any) -> Comparison:
    """A comparison by IoU on 329 images."""
    usual: Mapping[str, Any] = {
        "metric": "iou",
        "higher_is_better": True,
        "alpha": 0.05,
        "images": IMAGES,
        "command": f"segkit compare {' '.join(f'runs/{place.candidate.name}/001' for place in ranking)}",
    }
    return Comparison(ranking=list(ranking), pairs=list(pairs), **{**usual, **changes})


def clear() -> Comparison:
    """Two recipes with a clear difference; the curves cross in epoch 5."""
    published = Published(
        source="published experiment 1",
        metrics={"iou": 0.6431, "dice": 0.7786},
        epochs=[{"epoch": 1, "iou": 0.5185}],
    )
    skips = candidate("skips", rising(0.8643, pace=4.0, start=0.4), costs=FIRST_COSTS)
    frozen = candidate("frozen", rising(0.6788, pace=1.0), costs=LARGE_COSTS, published=published)
    ranking = [place(skips, 1, 0.8643), place(frozen, 2, 0.6788, half=0.015)]
    return comparison(
        ranking,
        [pair("skips", "frozen", 0.1855, A, half=0.012, wins=321, ties=0, losses=8)],
        warnings=["The best epoch is chosen on the test images themselves: its score is optimistic."],
        costs_measured="Measured on one machine, one after the other: AMD EPYC, 1 thread.",
    )


def level() -> Comparison:
    """Two recipes without a significant difference."""
    unet = candidate("unet", lambda epoch: 0.86 + 0.001 * (-1) ** epoch, costs=FIRST_COSTS)
    small = candidate("separable_unet", lambda epoch: 0.86, costs=SMALL_COSTS)
    return comparison(
        [place(unet, 1, 0.8620), place(small, 1, 0.8614)],
        [pair("unet", "separable_unet", 0.0006, NONE, p=0.4213, half=0.002, wins=170, ties=0, losses=159)],
    )


def groups(count: int = 6, leading: int = 3) -> Comparison:
    """Many recipes: some lead without significant differences; the others are significantly worse."""
    candidates = [
        candidate(f"r{i}", rising(0.87 - 0.01 * i), costs=Costs(parameters=6_000_000 / (i + 1)))
        for i in range(count)
    ]
    ranking = [
        place(one, 1 if i < leading else leading + 1, 0.8643 - 0.01 * i) for i, one in enumerate(candidates)
    ]
    pairs = []
    for i in range(count):
        for j in range(i + 1, count):
            shown = i < leading <= j
            pairs.append(
                pair(f"r{i}", f"r{j}", 0.01 * (j - i), A if shown else NONE, p=0.0001 if shown else 0.3)
            )
    return comparison(ranking, pairs)


def seeded() -> Comparison:
    """Two recipes with three seeds each, and a clear difference."""
    ranking = [
        place(candidate("warm", rising(0.86), seeds=3), 1, 0.86),
        place(candidate("cold", rising(0.84), seeds=3), 2, 0.84),
    ]
    return comparison(ranking, [pair("warm", "cold", 0.02, A, p=0.0123, p_seeds=0.0123)])


def distances() -> Comparison:
    """Two recipes by HD95, where lower is better: the first is."""
    near = candidate("near", lambda epoch: 6.0 + 20 / epoch, metric="hd95", costs=FIRST_COSTS)
    far = candidate("far", lambda epoch: 9.0 + 10 / epoch, metric="hd95", costs=FIRST_COSTS)
    ranking = [
        place(near, 1, 7.0, half=0.5, metric="hd95"),
        place(far, 2, 9.5, half=0.6, metric="hd95"),
    ]
    return comparison(
        ranking,
        [pair("near", "far", -2.5, A, half=0.4, metric="hd95")],
        metric="hd95",
        higher_is_better=False,
    )


def alone() -> Comparison:
    """One recipe, of which nobody has measured the costs."""
    return comparison([place(candidate("unet", rising(0.8, pace=1.0)), 1, 0.8)], [])


def _line(epoch: int, value: float | None, metric: str, away: float) -> dict[str, Any]:
    score = None if value is None else value + away
    losses = {"train_loss": 0.5 / epoch, "val_loss": 0.1 + 0.5 / epoch}
    return {"epoch": epoch, **losses, metric: score, "seconds": 40.0}
