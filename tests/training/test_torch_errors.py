"""Memory that runs out, in the recipe's words."""

import subprocess
import sys
import weakref

import pytest
import torch

from segkit.core.errors import TrainingError
from segkit.training.torch_errors import explain_training_errors

pytestmark = pytest.mark.slow

SMALLER = "a smaller data.size, or training.precision=bf16-mixed"
# A training in little address space; in a process of its own, which it is taken from.
LITTLE = """
import resource, sys
from pathlib import Path
import torch
from segkit.core.errors import SegkitError
from segkit.experiments.run import run
from tests.small_runs import recipe
options = ["data.size=[256, 256]", "data.source.train=64", "data.batch_size=64", "data.workers=0"]
options.append("model.decoder={name: transposed_conv, channels: [512, 256, 128]}")
running = run(recipe(Path(sys.argv[1]), *options), Path(sys.argv[1]) / "runs")
next(running)  # everything is built
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (600 << 20),) * 2)
try:
    list(running)
except SegkitError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("room", "tried", "hint"),
    [
        (9, [8], f"data.batch_size=8, which was tried and fits; or {SMALLER}"),
        (3, [8, 4, 2], f"data.batch_size=2, which was tried and fits; or {SMALLER}"),
        (0, [8, 4, 2, 1], f"even one image does not fit: {SMALLER}, or a smaller model"),
    ],
)
def test_what_would_fit_is_tried(room, tried, hint):
    attempts = []

    def step(images):
        attempts.append(images)
        if images > room:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(TrainingError) as caught, explain_training_errors(16, step):
        raise torch.OutOfMemoryError("CUDA out of memory.")
    problem = caught.value.problems[0]
    assert problem.problem == "the device has too little memory for a training step of 16 images"
    assert (problem.hint, attempts) == (hint, tried)


def test_tensors_of_the_failed_step_are_let_go_before_anything_is_tried():
    kept, found = [], []

    def step():
        held = torch.ones(3)
        kept.append(weakref.ref(held))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(TrainingError), explain_training_errors(2, lambda images: found.append(kept[0]())):
        step()
    assert found == [None]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space of a process")
def test_a_machine_with_too_little_memory(tmp_path):
    done = subprocess.run([sys.executable, "-c", LITTLE, str(tmp_path)], capture_output=True, text=True)
    said = done.stdout
    assert "the device has too little memory for a training step of 64 images" in said, done.stderr[-2000:]
    assert f"try: a smaller data.batch_size, {SMALLER}" in said
