"""How fast an exported ONNX file predicts beside torch: one process, the same threads, in turns.

python tests/benchmarks/onnx_speed.py RUN FILE.onnx --batches 1 8 32 --rounds 15

torch: the run's model as most people would call it: layer by layer, in torch's default memory order, in
evaluation mode, under inference_mode.
segkit: the same run as `segkit predict RUN` asks it: channels last, and BatchNorm folded in frozen encoders.
Each is given uint8 pixels and gives probabilities, so a file with --input normalized or --output logits is
timed with what segkit computes around it. A cell is the median of all rounds, for an image; every round asks
each of them once, in another order. The ratios are medians of the ratios within rounds.
"""

from __future__ import annotations

import argparse
import copy
import os
import random
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

import segkit
from segkit.inference.onnx import open_onnx
from segkit.inference.torch_network import TorchNetwork
from segkit.runs.environment import processor
from segkit.training.probabilities import probabilities_of

Predict = Callable[[Any], Any]


def main() -> None:
    """Print milliseconds per image of all, and how many times faster the ONNX file is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("file", type=Path)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    network: Any = segkit.load(chosen.run, accelerator="cpu").networks[0]
    ways: dict[str, Predict] = {"torch": plain(network), "segkit": network}
    ways[".onnx"] = open_onnx(chosen.file, threads=torch.get_num_threads())
    print(machine(), f"{torch.get_num_threads()} threads, {chosen.rounds} rounds\n", sep=", ")
    heads = ["images at once", *ways, *(f".onnx faster than {name}" for name in others(ways))]
    print(f"| {' | '.join(heads)} |\n|{'---:|' * len(heads)}")
    for images in chosen.batches:
        print(row(ways, network.info.size, network.info.channels, images, chosen.rounds), flush=True)


def machine() -> str:
    """Whose figures they are."""
    made = f"torch {torch.__version__}, ONNX Runtime {version('onnxruntime')}"
    return f"{processor()}, {os.cpu_count()} cores, {made}"


def others(ways: dict[str, Predict]) -> list[str]:
    """What the ONNX file is compared with."""
    return [name for name in ways if name != ".onnx"]


def row(ways: dict[str, Predict], size: tuple[int, int], channels: int, images: int, rounds: int) -> str:
    """One row of the table; first of all, all say the same."""
    pixels = np.random.default_rng(0).integers(0, 256, (images, *size, channels), np.uint8)
    answers = {name: predict(pixels) for name, predict in ways.items()}  # warm from here on
    for name, answer in answers.items():
        assert np.abs(answer - answers["torch"]).max() < 1e-3, name
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name in random.sample([*ways], len(ways)):
            started = time.perf_counter()
            ways[name](pixels)
            seconds[name].append((time.perf_counter() - started) / images)
    times = [f"{1000 * statistics.median(seconds[name]):.1f} ms" for name in ways]
    ratios = [
        f"{statistics.median(a / b for a, b in zip(seconds[other], seconds['.onnx'], strict=True)):.2f}x"
        for other in others(ways)
    ]
    return f"| {images} | {' | '.join([*times, *ratios])} |"


def plain(network: TorchNetwork) -> Predict:
    """The model's parts, called one after the other."""
    model, task = copy.deepcopy(network.model), network.info.task
    model = model.to(memory_format=torch.contiguous_format).eval()

    @torch.inference_mode()
    def predict(pixels: Any) -> Any:
        image = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().float()
        maps = model.encoder((image - model.mean) / model.std)
        logits = model.head(model.decoder([maps[stage] for stage in model.stages]))
        logits = F.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=False)
        return probabilities_of(logits, task).numpy()

    return predict


if __name__ == "__main__":
    main()
