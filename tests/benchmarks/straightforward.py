"""The program that most people write for a recipe's model and images, to compare segkit with.

    python tests/benchmarks/straightforward.py recipes/isic_frozen.yaml --epochs 3

A DataLoader whose workers decode, resize, augment and normalise every image in every epoch; one plain
training loop; IoU and Dice of the test images after every epoch. Architecture, first weights, loss and
schedule are segkit's, so that both learn the same; nothing else is. It prints one JSON line per epoch.

It is for binary tasks, for images in files with one mask each, whose background is 0, and for AdamW.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for its newest version

import albumentations as A
import cv2
import numpy as np
import torch
from albumentations.pytorch import ToTensorV2
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from segkit import Recipe, load_recipe
from segkit.core.types import Sample
from segkit.experiments.assembly import build_losses, build_optimizer
from segkit.models.build import build_model
from segkit.models.dry_run import dry_run
from segkit.models.segmenter import Segmenter
from segkit.parts.schedules.warmup import build_schedule
from segkit.recipe import entry_for
from segkit.recipe.dataset import find_samples

WORKERS = (2, 1, 0)  # that are tried
TRIED, SKIPPED = 16, 4  # batches with each, and those of them that do not count

cv2.setNumThreads(0)  # as is usual with workers


class Images(Dataset):
    """Pairs of files, decoded whenever they are asked for."""

    def __init__(self, samples: Sequence[Sample], size: tuple[int, int], transforms: list[Any]) -> None:
        self.samples = samples
        self.height, self.width = size
        self.transform = A.Compose(transforms)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image_file, mask_file = self.samples[index].files
        size = (self.width, self.height)
        image = Image.open(image_file).convert("RGB").resize(size, Image.Resampling.BILINEAR)
        mask = Image.open(mask_file).convert("L").resize(size, Image.Resampling.NEAREST)
        changed = self.transform(image=np.array(image), mask=(np.array(mask) > 0).astype(np.uint8))
        return changed["image"], changed["mask"]


class Network(nn.Module):
    """Encoder, decoder and head; the encoder is in training mode with the rest, even where it is frozen."""

    def __init__(self, model: Segmenter) -> None:
        super().__init__()
        self.encoder, self.decoder, self.head = map(plain, (model.encoder, model.decoder, model.head))
        self.stages = model.stages

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W), normalised -> logits (B, 1, H, W)."""
        maps = self.encoder(image)
        logits = self.head(self.decoder([maps[stage] for stage in self.stages]))
        return F.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=False)


def plain(module: nn.Module) -> nn.Module:
    """Where segkit has a faster form of one of torch's layers, torch's own again; the weights stay."""
    for layer in module.modules():
        bases = [base for base in type(layer).__mro__ if base.__module__.startswith("torch.nn.modules.")]
        if type(layer).__module__.startswith("segkit.") and bases[0] is not nn.Module:
            layer.__class__ = bases[0]
    return module


class Training:
    """Everything that learns, and its images.

    Args:
        recipe: of a binary task, on pairs of files.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        samples = find_samples(recipe)
        model = build_model(recipe, dry_run(recipe.model, recipe.data))
        normalize = recipe.data.normalize or model.encoder
        last = [A.Normalize(tuple(normalize.mean), tuple(normalize.std)), ToTensorV2()]
        augment = [getattr(A, part.name)(**constants(part.options)) for part in recipe.data.augment]
        self.train_images = Images(samples["train"], recipe.data.size, [*augment, *last])
        self.test_images = Images(samples.get("val") or samples["test"], recipe.data.size, last)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = Network(model).to(self.device)
        groups = build_optimizer(recipe, model).param_groups
        self.optimizer = torch.optim.AdamW(
            [{key: group[key] for key in ("params", "lr", "weight_decay")} for group in groups]
        )
        self.loss = build_losses(recipe)
        decay = recipe.training.ema_decay
        self.average = decay and AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(decay))

    def loaders(self, workers: int) -> tuple[DataLoader, DataLoader]:
        """Of the training and of the test images."""
        size = self.recipe.data.batch_size
        usual = {
            "num_workers": workers,
            "persistent_workers": workers > 0,
            "pin_memory": self.device.type == "cuda",
        }
        return (
            DataLoader(self.train_images, size, shuffle=True, **usual),
            DataLoader(self.test_images, self.recipe.data.eval_batch_size or size, **usual),
        )

    def learn(self, batches: DataLoader, schedule: Any) -> Iterator[float]:
        """The loss of each step of an epoch."""
        self.network.train()
        for image, target in batches:
            image, target = image.to(self.device), target.to(self.device)
            loss = self.loss(self.network(image), target)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            schedule.step()
            if self.average:
                self.average.update_parameters(self.network)
            yield loss.item()

    @torch.no_grad()
    def scores(self, batches: DataLoader) -> dict[str, float]:
        """IoU and Dice, the means over the images."""
        network = self.average.module if self.average else self.network
        network.eval()
        ious, dices = [], []
        for image, target in batches:
            predicted, true = network(image.to(self.device))[:, 0] > 0, target.to(self.device) > 0
            both = (predicted & true).sum((1, 2)).double()
            total = (predicted.sum((1, 2)) + true.sum((1, 2))).double()
            ious += torch.where(total > 0, both / (total - both), 1.0).tolist()
            dices += torch.where(total > 0, 2 * both / total, 1.0).tolist()
        return {"iou": float(np.mean(ious)), "dice": float(np.mean(dices))}


def epochs(recipe: Recipe, workers: int) -> Iterator[dict[str, Any]]:
    """Train as long as the recipe says; after every epoch, its scores and what it took."""
    torch.manual_seed(recipe.seed)
    training = Training(recipe)
    train, test = training.loaders(workers)
    schedule = schedule_of(training, len(train))
    for epoch in range(1, recipe.training.epochs + 1):
        started = time.perf_counter()
        losses = list(training.learn(train, schedule))
        trained = time.perf_counter()
        scores = training.scores(test)
        yield {
            "epoch": epoch,
            "train_seconds": trained - started,
            "score_seconds": time.perf_counter() - trained,
            "train_loss": float(np.mean(losses)),
            **scores,
        }


def seconds_by_workers(recipe: Recipe) -> dict[int, float]:
    """Seconds of some training steps with each number of workers."""
    seconds = {}
    for workers in WORKERS:
        training = Training(recipe)
        train, _ = training.loaders(workers)
        losses = training.learn(train, schedule_of(training, len(train)))
        counted = min(TRIED, len(train))
        skipped = min(SKIPPED, counted - 1)
        list(islice(losses, skipped))
        started = time.perf_counter()
        list(islice(losses, counted - skipped))
        seconds[workers] = time.perf_counter() - started
    return seconds


def best_workers(recipe: Recipe) -> int:
    """The number of workers with which it trains fastest here."""
    seconds = seconds_by_workers(recipe)
    return min(seconds, key=lambda workers: seconds[workers])


def schedule_of(training: Training, steps: int) -> Any:
    """The recipe's schedule over the plain optimiser."""
    part = training.recipe.schedule
    return build_schedule(
        entry_for(part).factory, training.optimizer, training.recipe.training.epochs, steps,
        warmup_epochs=part.warmup_epochs, options=part.options,
    )  # fmt: skip


def constants(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a transform, with OpenCV's numbers for the names of its constants."""
    return {
        name: getattr(cv2, value) if isinstance(value, str) and value.isupper() else value
        for name, value in options.items()
    }


def say(value: dict[str, Any]) -> None:
    """One JSON line."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main() -> None:
    """See the top of this file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="PATH=VALUE")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", default="best", help="0, 1, 2, ..., or best: tried first (default)")
    chosen = parser.parse_args()
    recipe = load_recipe(chosen.recipe, [*chosen.overrides, f"training.epochs={chosen.epochs}"])
    workers = best_workers(recipe) if chosen.workers == "best" else int(chosen.workers)
    say({"recipe": recipe.name, "workers": workers})
    for epoch in epochs(recipe, workers):
        say(epoch)


if __name__ == "__main__":
    main()
