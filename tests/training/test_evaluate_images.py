"""Whole images scored in windows: for a model that sees single pixels, the scores of the whole images."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from segkit.core.errors import TrainingError
from segkit.core.registry import METRICS
from segkit.core.types import Metric, Task
from segkit.data.cache.array_view import IndexedArrays
from segkit.data.eval_windows import EvalWindows
from segkit.data.fit import Fit
from segkit.parts.losses.pixelwise import bce, cross_entropy
from segkit.training import evaluate_images as module
from segkit.training.evaluate import evaluate
from segkit.training.evaluate_images import evaluate_images, predict_image
from tests.points import check_points

FABRIC = Fabric(accelerator="cpu", devices=1)
IGNORED = 255
TASKS = {
    "binary": Task("binary", ("lesion",), IGNORED),
    "multiclass": Task("multiclass", ("skin", "lesion", "hair"), IGNORED),
    "multilabel": Task("multilabel", ("lesion", "hair"), IGNORED),
}
# Smaller than the window, of a single row, no multiples of 32, in many windows.
EXTENTS = [(20, 30), (1, 70), (64, 64), (65, 33), (150, 201)]
SIZE = (64, 48)


class Pixel(nn.Module):
    """Logits of a pixel are sums of its channels: a 1x1 convolution."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, task.channels, 1)
        generator = torch.Generator().manual_seed(0)
        for parameter in self.head.parameters():  # no logit is as near to 0 as rounding is
            nn.init.normal_(parameter, std=0.03, generator=generator)

    def forward(self, image):
        return self.head(image.float() - 100)


def rows(arrays: list[np.ndarray]) -> IndexedArrays:
    return IndexedArrays([array[None] for array in arrays], np.arange(len(arrays)), np.zeros(len(arrays)))


def drawn(task: Task, scale: int = 1) -> tuple[IndexedArrays, IndexedArrays]:
    """Images, and masks of `scale` times their size, with ignored pixels."""
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (*extent, 3), np.uint8) for extent in EXTENTS]
    labels, values = task.classes if task.kind == "multilabel" else (), 3 if task.kind == "multiclass" else 2
    shapes = [
        (scale * height, scale * width, *map(len, [labels] if labels else [])) for height, width in EXTENTS
    ]
    masks = [random.integers(0, values, shape, np.uint8) for shape in shapes]
    for mask in masks:
        mask[:3, :7] = IGNORED
    masks[1][:] = IGNORED  # a score of it is undefined
    return rows(images), rows(masks)


def metrics_of(task: Task, names: list[str]) -> dict[str, Metric]:
    return {name: METRICS.get(name).factory(task) for name in names}


def loss_of(task: Task):
    return (cross_entropy if task.kind == "multiclass" else bce)(task)


def whole(task: Task, image: np.ndarray, mask: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
    target = torch.from_numpy(np.moveaxis(mask, -1, 0) if task.kind == "multilabel" else mask)[None]
    with torch.inference_mode():
        return Pixel(task)(pixels), target


ALL = [entry.name for entry in METRICS.own()]
SUMS = [name for name in ALL if name not in ("boundary_iou", "hd95")]


def test_scores_in_windows_are_those_of_whole_images():
    def are_the_same(kind, overlap, names):
        task = TASKS[kind]
        images, masks = drawn(task)
        metrics = metrics_of(task, names)
        windows = EvalWindows(images, masks, Fit("crop", SIZE, 1.0, overlap), 3, padding=IGNORED)
        done = []
        scores = evaluate_images(Pixel(task), windows, task, metrics, loss_of(task), FABRIC, done.append)
        assert done[-1] == len(windows)
        pairs = [whole(task, *pair) for pair in zip(images, masks, strict=True)]
        for name, metric in metrics.items():
            expected = torch.cat([metric.per_image(*pair).double() for pair in pairs])
            torch.testing.assert_close(scores.rows[name], expected, rtol=0, atol=1e-4, equal_nan=True)
            assert scores.metrics[name] == pytest.approx(metric.reduce(expected), abs=1e-4)
        assert scores.classes.pixels.shape == (len(EXTENTS), len(task.classes), 3)
        known = sum(int((target != IGNORED).sum()) for _, target in pairs)
        assert scores.classes.confusion.sum() == known

    overlaps = [0.0, 0.25, 0.8]
    check_points([are_the_same], [*product(TASKS, overlaps, [SUMS]), *((kind, 0.25, ALL) for kind in TASKS)])


def test_scores_do_not_depend_on_the_batch_or_on_how_many_rows_are_held(monkeypatch):
    task = TASKS["multiclass"]
    images, masks = drawn(task, scale=2)
    metrics = metrics_of(task, SUMS)

    def scores(batch_size, part):
        monkeypatch.setattr(module, "_MAX_PART", part)
        windows = EvalWindows(images, masks, Fit("crop", SIZE, 0.5, 0.25), batch_size, padding=IGNORED)
        return evaluate_images(Pixel(task), windows, task, metrics, loss_of(task), FABRIC)

    expected = scores(64, 2**30)
    for found in (scores(1, 2**30), scores(5, 2**30), scores(5, 20_000)):
        assert found.loss == pytest.approx(expected.loss, rel=1e-6)
        assert np.array_equal(found.classes.pixels, expected.classes.pixels)
        assert np.array_equal(found.classes.confusion, expected.classes.confusion)
        for name, per_image in expected.per_image.items():
            exact = not name.endswith("_soft")
            assert found.per_image[name] == pytest.approx(per_image, rel=0 if exact else 1e-6, nan_ok=True)


def test_the_loss_is_the_mean_over_the_windows_of_each_image_without_their_padding():
    task = TASKS["binary"]
    images, masks = drawn(task)
    loss = loss_of(task)
    fit = Fit("crop", SIZE, 1.0, 0.5)
    windows = EvalWindows(images, masks, fit, 4, padding=IGNORED)
    expected = []
    for (height, width), image, mask in zip(EXTENTS, images, masks, strict=True):
        logits, target = whole(task, image, mask)
        boxes = [
            (..., slice(top, top + SIZE[0]), slice(left, left + SIZE[1]))
            for top, left in fit.grid((height, width)).starts
        ]
        expected.append(np.mean([float(loss(logits[box], target[box])) for box in boxes]))
    scores = evaluate_images(Pixel(task), windows, task, {}, loss, FABRIC)
    assert scores.loss == pytest.approx(np.mean(expected), rel=1e-6)


def test_letterboxed_images_are_scored_without_their_padding():
    def are_scored_as_they_are(kind):
        task = TASKS[kind]
        extents = [(64, 20), (10, 48), (64, 48)]
        images, masks = (
            rows([array[: e[0], : e[1]] for array, e in zip(list(part)[-1:] * 3, extents, strict=True)])
            for part in drawn(task)
        )
        metrics, loss = metrics_of(task, ALL), loss_of(task)
        pairs = [whole(task, *pair) for pair in zip(images, masks, strict=True)]
        seen: dict[int, tuple] = {}

        def see(image, rows, logits):
            seen[image] = rows, tuple(logits.shape[2:])

        for batch_size in (1, 3):
            batches = EvalWindows(images, masks, Fit("letterbox", SIZE), batch_size, padding=IGNORED)
            seen.clear()
            scores = evaluate(Pixel(task), batches, task, metrics, loss, FABRIC, on_logits=see)
            for name, metric in metrics.items():
                expected = torch.cat([metric.per_image(*pair).double() for pair in pairs])
                torch.testing.assert_close(scores.rows[name], expected, rtol=0, atol=1e-7, equal_nan=True)
            assert scores.loss == pytest.approx(np.mean([float(loss(*pair)) for pair in pairs]), rel=1e-6)
            assert seen == {i: (slice(0, extent[0]), extent) for i, extent in enumerate(extents)}

    check_points([are_scored_as_they_are], [(kind,) for kind in TASKS])


def test_several_processes_take_whole_images_in_turn(monkeypatch):
    task = TASKS["binary"]
    images, masks = drawn(task)
    metrics = metrics_of(task, ["iou", "hd95"])
    windows = EvalWindows(images, masks, Fit("crop", SIZE, 1.0, 0.25), 4, padding=IGNORED)

    def score(fabric):
        return evaluate_images(Pixel(task), windows, task, metrics, loss_of(task), fabric)

    expected, parts = score(FABRIC), []
    monkeypatch.setattr(
        module, "gather_scores", lambda scored, confusion, *_: parts.append((scored, confusion))
    )
    for rank in range(2):
        same = {name: getattr(FABRIC, name) for name in ("device", "to_device", "autocast")}
        score(SimpleNamespace(global_rank=rank, world_size=2, **same))
    assert [len(scored) for scored, _ in parts] == [3, 2]
    assert np.array_equal(sum(confusion for _, confusion in parts), expected.classes.confusion)
    for image in range(len(EXTENTS)):
        _, pixels, found = parts[image % 2][0][image // 2]
        assert np.array_equal(pixels[0], expected.classes.pixels[image])
        per_image = {name: values[image] for name, values in expected.per_image.items()}
        assert {name: float(row) for name, row in found.items()} == pytest.approx(per_image, nan_ok=True)
    assert float(torch.cat([loss for scored, _ in parts for loss, _, _ in scored]).mean()) == pytest.approx(
        expected.loss, rel=1e-9
    )


PROCESS = """
import json, sys
from types import SimpleNamespace
import torch.distributed as dist
from tests.training.test_evaluate_images import FABRIC, in_windows

rank, file = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
same = {name: getattr(FABRIC, name) for name in ("device", "to_device", "autocast")}
scores = in_windows(SimpleNamespace(global_rank=rank, world_size=2, **same))
found = scores.loss, scores.per_image, scores.metrics, scores.classes.pixels, scores.classes.confusion
print(json.dumps(found, default=lambda array: array.tolist()))
dist.destroy_process_group()
"""


def in_windows(fabric):
    task = TASKS["binary"]
    windows = EvalWindows(*drawn(task), Fit("crop", SIZE, 1.0, 0.25), 4, padding=IGNORED)
    metrics = metrics_of(task, ["iou", "dice_soft", "hd95"])
    return evaluate_images(Pixel(task), windows, task, metrics, loss_of(task), fabric)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a file of another drive letter has no file:// address")
def test_two_processes_have_the_scores_of_one(tmp_path):
    command = [sys.executable, "-c", PROCESS]
    processes = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "meeting")], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    first, second = (json.loads(process.communicate()[0].splitlines()[-1]) for process in processes)
    expected = in_windows(FABRIC)
    assert first == second
    loss, per_image, metrics, pixels, confusion = first
    assert metrics == expected.metrics
    for name, values in expected.per_image.items():
        assert per_image[name] == pytest.approx(values, rel=0, abs=0, nan_ok=True)
    assert loss == pytest.approx(expected.loss, rel=1e-12)
    assert np.array_equal(pixels, expected.classes.pixels)
    assert np.array_equal(confusion, expected.classes.confusion)


def test_the_prediction_of_one_image_is_the_one_that_is_scored():
    task = TASKS["multilabel"]
    images, masks = drawn(task, scale=2)
    windows = EvalWindows(images, masks, Fit("crop", SIZE, 0.5, 0.5), 3, padding=IGNORED)
    seen: dict[int, list] = {}
    evaluate_images(
        Pixel(task), windows, task, {}, loss_of(task), FABRIC,
        on_logits=lambda image, rows, logits: seen.setdefault(image, []).append((rows, logits)),
    )  # fmt: skip
    for image, mask in enumerate(masks):
        found = [*predict_image(Pixel(task), windows, image, task, FABRIC)]
        logits = torch.cat([logits for _, logits in found], dim=2)
        assert logits.shape == (1, 2, *mask.shape[:2])
        assert torch.equal(logits, torch.cat([logits for _, logits in seen[image]], dim=2))
        assert [rows for rows, _ in found] == [rows for rows, _ in seen[image]]
        assert found[-1][0].stop == len(mask)


def test_a_fixed_number_of_windows_is_drawn_for_validation():
    task = TASKS["binary"]
    images, masks = drawn(task)
    windows = EvalWindows(images, masks, Fit("crop", SIZE, 1.0, 0.25), 4, padding=IGNORED)
    every = torch.cat([batch.image for batch in windows])
    chosen, again, others = (windows.drawn(7, seed) for seed in (3, 3, 4))
    drawn_windows = [torch.cat([batch.image for batch in each]) for each in (chosen, again, others)]
    places = [(every == window).flatten(1).all(1).nonzero().item() for window in drawn_windows[0]]
    assert places == sorted(set(places))
    assert len(places) == len(chosen) == 7
    assert torch.equal(drawn_windows[0], drawn_windows[1])
    assert not torch.equal(drawn_windows[0], drawn_windows[2])
    assert len(windows.drawn(10**6, 3)) == len(windows)
    done = []
    scores = evaluate(Pixel(task), chosen, task, metrics_of(task, ALL), loss_of(task), FABRIC, done.append)
    assert len(scores.per_image["iou"]) == done[-1] == 7


def test_too_little_memory_for_an_image_is_told_with_the_metrics_that_need_all_of_it(monkeypatch):
    task = TASKS["binary"]
    images, masks = drawn(task)
    windows = EvalWindows(images, masks, Fit("crop", SIZE), 2, padding=IGNORED)

    def fails(*arguments, **options):
        raise MemoryError("Unable to allocate 3 GiB")

    monkeypatch.setattr(np, "concatenate", fails)
    hint = "leave hd95 out of the metrics: the whole image is needed at once"
    message = f"too little memory to score an image of 30x20 pixels\n  try: {hint}"
    with pytest.raises(TrainingError, match=message):
        evaluate_images(Pixel(task), windows, task, metrics_of(task, ["hd95"]), loss_of(task), FABRIC)
    monkeypatch.setattr(module, "predict_logits", fails)
    with pytest.raises(
        TrainingError, match=r"score 2 windows at once\n  try: a smaller data\.eval_batch_size"
    ):
        evaluate_images(Pixel(task), windows, task, {}, loss_of(task), FABRIC)
