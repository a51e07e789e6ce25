"""What runs record, made up, and the paper that is made of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from segkit.analysis.paper.methods import methods_section
from segkit.analysis.paper.references import Citations
from segkit.analysis.paper.scores import Scoring
from segkit.analysis.paper.subject import Subject
from segkit.runs.schema import Environment, Summary

RECIPE: dict[str, Any] = {
    "name": "small",
    "data": {
        "source": {"name": "isic2016", "root": "/home/someone/isic"},
        "classes": ["lesion"],
        "size": [128, 160],
        "split": {"by": "official"},
        "batch_size": 16,
        "normalize": None,
    },
    "model": {
        "encoder": {"name": "resnet18", "weights": "imagenet", "lr_factor": 0.3},
        "decoder": {"name": "unet"},
    },
    "loss": [{"name": "dice", "weight": 1.0}, {"name": "bce", "weight": 0.5}],
    "optimizer": {"name": "adamw", "lr": 0.001, "weight_decay": 0.05},
    "schedule": {"name": "cosine", "warmup_epochs": 0.0},
    "metrics": [{"name": "iou"}],
}


def summary(**changes: Any) -> Summary:
    """Results of a run by IoU."""
    known = {
        "recipe": "small",
        "metrics": ["iou"],
        "first_metric": "iou",
        "higher_is_better": True,
        "scored_on": "val",
        "reported_on": "test",
        "images": {"train": 700, "val": 200, "test": 329},
        "best": {"epoch": 18, "metrics": {"iou": 0.85}},
        "scores": {"split": "test", "metrics": {"iou": 0.84}},
        "epochs": 20,
        "epochs_asked": 20,
        "parameters": {"total": 14_300_000, "trainable": 14_300_000},
    }
    return Summary.model_validate(known | changes)


def subject(
    name: str = "small", *, seeds: tuple[int, ...] = (0,), environment: dict[str, Any] | None = None,
    results: dict[str, Any] | None = None, **changes: Any,
) -> Subject:  # fmt: skip
    """A model; `changes` are of sections of its recipe."""
    recipe = RECIPE | {
        key: {**RECIPE.get(key, {}), **value} if isinstance(value, dict) else value
        for key, value in changes.items()
    }
    recorded = {
        "python": "3.11.7",
        "packages": {"segkit": "0.1.0", "torch": "2.11.0", "timm": "1.0.20"},
        "device": "cpu, 2 threads",
    }
    known = Environment.model_validate(recorded | (environment or {}))
    summaries = [summary(**(results or {})) for _ in seeds]
    return Subject(name, recipe, summaries, known, seeds, Path("runs/x/recipe.yaml"))


def methods(*subjects: Subject) -> tuple[str, set[str], set[str]]:
    """The methods section, keys that it cites, keys of its bibliography."""
    citations = Citations()
    scoring = Scoring(
        subjects[0],
        329,
        "128 x 160 pixels",
        {"iou": True},
        "Intervals are bootstrapped.",
        ["efron1993bootstrap"],
    )
    text = methods_section(subjects, scoring, citations)
    keys = re.findall(r"@\w+\{(\w+)", citations.bibliography)
    return text, cited_in(text), {*keys}


def cited_in(text: str) -> set[str]:
    """Keys that a text cites."""
    return {key for keys in re.findall(r"\\cite\{([^}]+)\}", text) for key in keys.split(",")}
