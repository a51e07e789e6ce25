"""What every built-in metric keeps beyond the contract (segkit.testing.metrics), for every task."""

import time
from pathlib import Path

import pytest
import torch

from segkit.core.errors import PartError, ShapeError
from segkit.core.registry import METRICS
from tests.parts.metrics.cases import TASKS, VOID, batch, build, certain
from tests.points import check_points

NAMES = [entry.name for entry in METRICS.own()]
WITH_CLASSES = [entry.name for entry in METRICS.own() if "classes" in entry.options]
WITH_THRESHOLD = [entry.name for entry in METRICS.own() if "threshold" in entry.options]
every_metric = pytest.mark.parametrize("name", NAMES)
POINTS = []


def point(function):
    POINTS.append(function)
    return function


@every_metric
def test_metric_keeps_every_point_for_every_task(name):
    check_points(POINTS, [(name, kind) for kind in TASKS])


def best(name: str) -> float:
    return 1.0 if METRICS.get(name).traits["higher_is_better"] else 0.0


@every_metric
def test_metric_is_written_down(name):
    page = Path(__file__).parents[3] / "docs" / "metrics.md"
    assert f"\n### `{name}`\n" in page.read_text(encoding="utf-8")


@point
def of_the_truth_is_the_end_of_its_range(name, kind):
    metric = build(name, kind)
    _, target = batch(kind)
    perfect = metric.reduce(metric.per_image(certain(kind, target[1:]), target[1:]))
    assert perfect == pytest.approx(best(name), abs=1e-9)


@point
def stays_in_its_range(name, kind):
    for seed in range(5):
        scores_are_in_range(name, kind, seed)


def scores_are_in_range(name, kind, seed):
    metric = build(name, kind)
    logits, target = batch(kind, seed=seed)
    per_image = metric.per_image(logits, target)
    scores = torch.tensor([metric.reduce(row[None]) for row in per_image])
    top = 1.0 if best(name) else 16 * 2**0.5
    scores = scores[~scores.isnan()]
    assert len(scores) > 0, seed
    assert ((scores >= 0) & (scores <= top)).all(), seed


@point
def does_not_see_the_order_of_memory(name, kind):
    metric = build(name, kind)
    logits, target = batch(kind, size=33)
    target[3, ..., 2:7] = VOID
    expected = metric.per_image(logits, target)
    strided = metric.per_image(logits.contiguous(memory_format=torch.channels_last), target)
    assert expected.dtype == torch.float64
    assert torch.equal(strided.nan_to_num(-1), expected.nan_to_num(-1))


@point
def of_an_image_that_is_ignored_altogether_is_undefined(name, kind):
    metric = build(name, kind)
    logits, target = batch(kind)
    assert torch.tensor(metric.reduce(metric.per_image(logits, torch.full_like(target, VOID)))).isnan()


@point
def of_bf16_logits_is_exactly_that_of_the_same_in_float32(name, kind):
    metric = build(name, kind)
    logits, target = batch(kind)
    logits = logits.bfloat16()
    expected = metric.per_image(logits.float(), target)
    assert torch.equal(metric.per_image(logits, target).nan_to_num(-1), expected.nan_to_num(-1))


@point
def refuses_shapes_that_would_broadcast(name, kind):
    logits, target = batch(kind)
    with pytest.raises(ShapeError, match=f"do not fit a {kind} task"):
        build(name, kind).per_image(logits, target[..., None, :, :])


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_metric_of_one_chosen_class_is_its_binary_score(name):
    _, target = batch("multiclass")
    predicted = target.roll(2, dims=-1)
    target[0] = predicted[0] = 0  # without a trace of the class
    chosen = build(name, "multiclass", classes=("hair",)).per_image(certain("multiclass", predicted), target)
    binary = build(name).per_image(certain("binary", (predicted == 2).long()), (target == 2).long())
    assert torch.equal(chosen.nan_to_num(-1), binary.nan_to_num(-1))


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_metric_refuses_classes_that_are_not_there(name):
    with pytest.raises(PartError, match=r"the task has no 'lesions'\n  try: did you mean lesion\?"):
        build(name, "multiclass", classes=("lesions",))
    with pytest.raises(PartError, match="the list is empty\n  try: choose among skin, lesion, hair"):
        build(name, "multiclass", classes=())
    with pytest.raises(PartError, match="a binary task has one class only"):
        build(name, "binary", classes=("lesion",))


@pytest.mark.parametrize("name", WITH_THRESHOLD)
def test_metric_refuses_a_threshold_for_multiclass(name):
    with pytest.raises(PartError, match="threshold does not apply to a multiclass task"):
        build(name, "multiclass", threshold=0.4)


@pytest.mark.parametrize("name", WITH_THRESHOLD)
def test_metric_thresholds_the_probability(name):
    logits, target = batch("binary")
    shifted = logits + torch.logit(torch.tensor(0.3))
    expected = build(name).per_image(logits, target)
    assert torch.equal(
        build(name, threshold=0.3).per_image(shifted, target).nan_to_num(-1), expected.nan_to_num(-1)
    )


@pytest.fixture
def one_thread():
    """The clock of a process counts threads that wait for each other, as they do on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@every_metric
def test_metric_of_329_images_takes_little_time(name, one_thread):
    metric = build(name)
    per_image, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    distance = torch.hypot(per_image - 60, columns - 70).expand(16, 1, 128, 128)
    logits, target = 40 + torch.randn(16, 1, 128, 128) - distance, (distance[:, 0] < 42).long()
    metric.per_image(logits, target)
    start = time.process_time()
    for _ in range(21):
        metric.per_image(logits, target)
    assert time.process_time() - start < (5 if name in ("hd95", "boundary_iou") else 1)
