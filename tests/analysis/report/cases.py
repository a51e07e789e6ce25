"""Run directories with made-up but plausible data."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image, ImageDraw, ImageFilter

from segkit.core.events import EpochEnded
from segkit.data.palette import palette
from segkit.runs.reference import read_published
from segkit.runs.run_dir import RunDir, ScoredSample, write_json
from segkit.runs.schema import Files, Rank, Sample

EPOCHS = 20
WARNING = "The best epoch is chosen on the test images themselves: its score is optimistic."


def write_run(folder: Path, *, reference: bool = True, task: str = "binary", **changes: Any) -> RunDir:
    """A complete run; `changes` replace keys of its summary."""
    run = RunDir.create(folder, "isic_frozen")
    recipe, summary = _recipe(task), _summary()
    if reference:
        recipe["reference"] = {
            "source": "published experiment 1",
            "epochs": str(_published(folder)),
            "metrics": {"iou": 0.6431, "dice": 0.7786},
        }
        summary["reference"] = {**recipe["reference"], "epochs": read_published(folder / "published.csv")}
    summary |= changes
    run.write_recipe(yaml.safe_dump(recipe, sort_keys=False))
    write_json(
        run.environment,
        {
            "python": "3.11.9",
            "packages": {"torch": "2.11.0", "timm": "1.0.20"},
            "git": None,
            "command": ["segkit", "run"],
        },
    )
    for event in _epochs():
        run.append_epoch(event)
    names = [f"ISIC_{number:07}" for number in range(1, 330)]
    rng = np.random.default_rng(0)
    ious = rng.beta(5, 2.6, len(names))
    reported, scores = _summary()["scores"]["metrics"], {"iou": ious, "dice": 2 * ious / (1 + ious)}
    means = {name: (values - values.mean() + reported[name]).tolist() for name, values in scores.items()}
    run.write_scores(names, means)
    run.write_samples(
        [sample(rank, seed, task=task) for seed, rank in enumerate(("best", "median", "worst"))],
        palette(2 if task == "binary" else 4),
    )
    write_json(run.summary, summary)
    return run


def sample(rank: Rank, seed: int, *, task: str = "binary", side: int = 128) -> ScoredSample:
    """An ellipse on speckled skin, and a mask that misses it more the worse the rank; grey if multiclass."""
    rng = np.random.default_rng(seed)
    away = {"best": 2, "median": 9, "worst": 24}[rank] * side // 128
    low, high = side // 4, side * 3 // 4
    truth, prediction = Image.new("L", (side, side)), Image.new("L", (side, side))
    ImageDraw.Draw(truth).ellipse((low, low + 6, high, high), fill=1)
    ImageDraw.Draw(prediction).ellipse((low + away, low, high + away // 2, high - away // 3), fill=1)
    skin = Image.new("RGB", (side, side), (224, 178, 160))
    skin.paste((116, 72, 60), mask=truth.point(lambda value: 255 * value))
    pixels = np.asarray(skin.filter(ImageFilter.GaussianBlur(3))) + rng.normal(0, 5, (side, side, 3))
    image, true, predicted = pixels.clip(0, 255).astype(np.uint8), np.array(truth), np.array(prediction)
    if task == "multiclass":
        image = image[..., :1]
        true[: side // 3, : side // 3] = 2
        predicted[: side // 4, : side // 3] = 2
        true[-side // 8 :] = 255
    name, files = f"ISIC_{seed + 1:07}", Files.numbered(seed + 1)
    record = Sample(rank=rank, image=name, metric="iou", score=0.95 - 0.4 * seed, files=files)
    return ScoredSample(record, image, true, predicted)


def _recipe(task: str) -> dict[str, Any]:
    classes = ["lesion"] if task == "binary" else ["skin", "lesion", "hair"]
    return {
        "name": "isic_frozen",
        "description": "Published experiment 1. Only the decoder learns.",
        "seed": 0,
        "data": {
            "source": {"name": "isic2016", "root": "data/isic2016"},
            "task": task,
            "classes": classes,
            "size": [128, 128],
            "augment": [{"name": "Rotate", "limit": 15, "p": 0.1}, {"name": "HorizontalFlip", "p": 0.5}],
        },
        "model": {
            "encoder": {"name": "mobilenetv2_100", "frozen": True, "features": "last"},
            "decoder": {"name": "transposed_conv", "channels": [512, 256, 128, 64, 32]},
        },
        "loss": [{"name": "dice"}],
        "metrics": [{"name": "iou"}, {"name": "dice"}],
    }


def _epochs() -> list[EpochEnded]:
    events = []
    for epoch in range(1, EPOCHS + 1):
        iou = 0.66 - 0.16 * math.exp(-epoch / 5) - 0.004 * abs(18 - epoch) + 0.002 * math.sin(3 * epoch)
        dice = 2 * iou / (1 + iou)
        events.append(
            EpochEnded(
                epoch=epoch,
                train_loss=0.8 - dice + 0.15 * math.exp(-epoch / 3),
                val_loss=1 - dice,
                metrics={"iou": iou, "dice": dice},
                learning_rate=0.001,
                seconds=40.1 + epoch % 3,
                train_seconds=35.2,
                images_per_second=21.4,
                best=epoch <= 18,
            )
        )
    return events


def _summary() -> dict[str, Any]:
    best = _epochs()[17]
    digest = "5c0f" * 16
    return {
        "status": "complete",
        "recipe": "isic_frozen",
        "description": "Published experiment 1. Only the decoder learns.",
        "metrics": ["iou", "dice"],
        "first_metric": "iou",
        "scored_on": "test",
        "reported_on": "test",
        "images": {"train": 788, "test": 329},
        "best": {"epoch": 18, "metrics": best.metrics, "val_loss": best.val_loss},
        "scores": {"split": "test", "metrics": best.metrics, "loss": best.val_loss},
        "epochs": EPOCHS,
        "epochs_asked": EPOCHS,
        "seconds": 812.3,
        "train_seconds": 700.1,
        "images_per_second": 21.4,
        "peak_memory_bytes": 1_200_000_000,
        "parameters": {"total": 15_487_777, "trainable": 13_263_905},
        "frozen_encoder": {"digest_before": digest, "digest_after": digest, "unchanged": True},
        "device": "cpu, 2 threads",
        "precision": "32-true",
        "warnings": [WARNING],
        "stages": [
            {
                "part": "encoder",
                "name": "stage 5 of 5",
                "shape": [1280, 4, 4],
                "parameters": 2_223_872,
                "trainable": 0,
            },
            {
                "part": "decoder",
                "name": "transposed_conv",
                "shape": [32, 128, 128],
                "parameters": 13_263_872,
                "trainable": 13_263_872,
            },
            {"part": "head", "name": "conv 1x1", "shape": [1, 128, 128], "parameters": 33, "trainable": 33},
        ],
        "reference": None,
    }


def _published(folder: Path) -> Path:
    lines = ["epoch,iou,dice,train_loss,val_loss"]
    for epoch in range(1, EPOCHS + 1):
        iou = 0.645 - 0.13 * math.exp(-epoch / 4)
        dice = 2 * iou / (1 + iou)
        lines.append(
            f"{epoch},{iou:.4f},{dice:.4f},{0.78 - dice + 0.2 * math.exp(-epoch / 3):.4f},{1 - dice:.4f}"
        )
    path = folder / "published.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
