"""Whole runs in several processes: what they compute, who writes and speaks, and how they fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time

import psutil
import pytest
import torch
from safetensors.torch import load_file

from segkit.analysis.report import write_report
from segkit.core.errors import SegkitError, TrainingError
from segkit.core.events import EpochEnded, RunEnded, RunStarted, StepEnded
from segkit.experiments.assembly_checks import check_batch_size
from segkit.experiments.check import check
from segkit.experiments.restore_run import load_best, open_trained
from segkit.experiments.resume import resume
from segkit.experiments.run import run
from segkit.experiments.samples import display_of, predicted_masks, thumbnails
from segkit.runs.thumbnails import read_thumbnails
from segkit.training.evaluate import predict_logits
from tests import several
from tests.commands import as_before
from tests.small_runs import RECIPE, finished, recipe

# Ten images in batches of 4, 3 and 3; five in batches of 2, 2 and 1. The last stage learns nothing.
HARD = [
    "training.epochs=1", "training.precision=64-true", "training.ema_decay=0.9",
    "training.clip_grad_norm=0.5", "training.checkpoint_seconds=0",
    "data.eval_batch_size=2", "loss=[{name: dice, over: batch}, bce]",
    "optimizer={name: adamw, lr: 0.0001, weight_decay: 0.1}",
    "model.encoder={name: mobilenetv2_050, weights: none, drop_path: 0.3, features: [3]}",
    "model.decoder={name: transposed_conv, channels: [16, 8], dropout: 0.2, feature_dropout: 0.5}",
]  # fmt: skip


COUNTED = """
import torch.distributed as dist

all_reduce = dist.all_reduce

def counted(value, op=dist.ReduceOp.SUM):
    with open({file!r}, "a") as told:
        print("flags" if op == dist.ReduceOp.MAX else "sum", file=told)
    all_reduce(value, op)

if RANK == "1":
    dist.all_reduce = counted
"""


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("one"), *HARD)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the second process reduces."""
    return tmp_path_factory.mktemp("told") / "told"


@pytest.fixture(scope="module")
def two(tmp_path_factory, told):
    folder = tmp_path_factory.mktemp("two")
    (folder / "counted.py").write_text(several.PLUGIN + COUNTED.format(file=str(told)), encoding="utf-8")
    with as_before():
        return finished(folder, *HARD, f"plugins={folder / 'counted.py'}", "training.devices=2")


@pytest.mark.slow
def test_weights_have_the_names_and_shapes_of_one_process(one, two):
    for file in ("best.safetensors", "last.safetensors"):
        expected, found = (load_file(directory.checkpoints / file) for directory, _ in (one, two))
        assert {k: v.shape for k, v in found.items()} == {k: v.shape for k, v in expected.items()}
        assert all(tensor.isfinite().all() for tensor in found.values())
        assert any(not torch.equal(found[name], expected[name]) for name in found)


@pytest.mark.slow
def test_a_loss_of_the_whole_batch_is_warned_of(one, two, tmp_path):
    def told(warnings):
        return [warning for warning in warnings if warning.startswith("The loss")]

    warning = (
        "The loss dice of a batch is not the mean over its images: each of the 2 processes computes it over "
        "its own images, which gives other gradients than one process."
    )
    assert told(two[1][0].warnings) == told(two[0].read_summary().warnings) == [warning]
    assert told(one[1][0].warnings) == []
    for processes, expected in ((2, [warning]), (1, [])):
        assert told(check(recipe(tmp_path, *HARD, f"training.devices={processes}")).warnings) == expected


@pytest.mark.slow
def test_gradients_of_unequal_shares_are_those_of_the_whole_batch(tmp_path):
    (tmp_path / "faulty.py").write_text(several.PLUGIN, encoding="utf-8")
    settings = (
        f"plugins={tmp_path / 'faulty.py'}", "training.epochs=2", "training.precision=64-true",
        "training.clip_grad_norm=0.1", "training.ema_decay=0.9", "optimizer={name: sgd, lr: 0.1}",
        "model.encoder.frozen=true", "model.decoder={name: plain}", "loss=[dice, {name: bce, weight: 0.5}]",
    )  # fmt: skip
    found = {}
    for processes in (1, 2):  # batches of 4, 3 and 3 images: 2 and 2, 2 and 1
        folder = tmp_path / str(processes)
        folder.mkdir()
        directory, _ = finished(folder, *settings, f"training.devices={processes}")
        assert directory.read_summary().frozen_encoder.unchanged
        found[processes] = load_file(directory.checkpoints / "last.safetensors"), directory.read_epochs()
    (expected, epochs), (weights, others) = found[1], found[2]
    for name, tensor in expected.items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-7, atol=1e-9, msg=name)
    for epoch, other in zip(epochs, others, strict=True):
        for name in ("train_loss", "val_loss", "iou"):
            assert other[name] == pytest.approx(epoch[name], rel=1e-6), name  # float32


@pytest.mark.slow
def test_events_are_those_of_one_process(one, two):
    def told(events):
        return [(type(event), getattr(event, "step", None)) for event in events]

    assert told(two[1]) == told(one[1])
    assert [type(event) for event in two[1]] == [RunStarted, *[StepEnded] * 3, EpochEnded, RunEnded]
    assert two[1][0].device.startswith("2 processes, the first on cpu, ")


@pytest.mark.slow
def test_a_step_has_one_reduction_of_the_loss_and_one_of_the_decisions_to_stop_and_save(two, told):
    scores = "sum"  # of the confusion counts, once for each evaluation
    expected = [*["sum", "flags"] * 3, scores, "flags", scores]
    assert told.read_text(encoding="utf-8").split() == expected


def opened(directory):
    """A run, its weights read again in 64 bits: `open_trained` reads them before the model has these."""
    trained = open_trained(directory, plugins=[directory.path.parents[2] / "counted.py"])
    load_best(trained.assembly.model, directory, [])
    return trained


@pytest.mark.slow
def test_the_same_weights_have_the_same_scores_to_the_byte(two):
    directory, _ = two
    trained = opened(directory)
    assert (trained.assembly.fabric.world_size, trained.assembly.recipe.training.devices) == (1, 2)
    scores = trained.scores()
    names, recorded = directory.read_scores()
    assert names == trained.assembly.splits["test"].names
    assert recorded == scores.per_image
    summary = directory.read_summary()
    assert summary.scores is not None
    assert (summary.scores.metrics, summary.scores.loss) == (scores.metrics, scores.loss)


@pytest.mark.slow
def test_masks_of_all_processes_are_kept_in_order(two):
    directory, _ = two
    trained = opened(directory)
    assembly, predicted = trained.assembly, []
    for batch in assembly.eval_batches("test"):
        predicted += predicted_masks(
            predict_logits(assembly.model, batch.image, trained.assembly.fabric), assembly.task
        )
    expected = list(
        thumbnails(assembly.splits["test"], predicted, assembly.task, display_of(assembly.recipe))
    )
    assert read_thumbnails(directory.thumbnails) == expected


@pytest.mark.slow
def test_there_is_one_directory_and_it_is_complete(one, two):
    assert [path.name for path in two[0].path.parent.iterdir()] == ["001"]
    files = [{str(path.relative_to(directory.path)) for path in directory.path.rglob("*")}
             for directory, _ in (one, two)]  # fmt: skip
    assert files[0] == files[1]
    assert write_report(two[0]).is_file()


def launched(tmp_path, *words, environment=None):
    """What a command says in a fresh process."""
    file = tmp_path / "small.yaml"
    file.write_text(RECIPE, encoding="utf-8")
    (tmp_path / "faulty.py").write_text(several.PLUGIN, encoding="utf-8")
    environment = {**(environment or os.environ), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [sys.executable, *words], cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


SEGKIT = ["-m", "segkit", "run", "small.yaml", "--set", "training.devices=2", "--set", "training.epochs=1"]
TORCHRUN = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]
FAULTY = ["--plugins", "faulty.py", "--set"]


def lines(said):
    """Lines of a run's telling, but for the numbers in them."""
    return [re.sub(r"[\d.]+(e-\d+)?", "#", line) for line in said.splitlines()]


@pytest.mark.slow
def test_processes_that_srun_has_started_are_taken(tmp_path):
    port = several.free_port()
    both = [
        launched(
            tmp_path, *SEGKIT, environment={**several.under_srun(rank, 2), "MASTER_PORT": str(port)}
        )
        for rank in range(2)
    ]  # fmt: skip
    first, second = (process.communicate(timeout=300) for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert second == ("", "")
    assert lines(first[1]).count("run directory: runs/small/#") == 1
    assert [path.name for path in (tmp_path / "runs" / "small").iterdir()] == ["001"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ("raise", SegkitError, "loss 'faulty' fails: RuntimeError: broken on purpose"),
        ("kill, at: 2", TrainingError, "process 2 of 2 was ended by signal 9"),
        ("nan, at: 2", TrainingError, "the loss is nan in epoch 1, step 2, on the images"),
    ],
)
def test_one_process_that_fails_ends_all(tmp_path, how, error, said):
    (tmp_path / "faulty.py").write_text(several.PLUGIN, encoding="utf-8")
    broken = recipe(
        tmp_path, f"plugins={tmp_path / 'faulty.py'}", f"loss={{name: faulty, how: {how}}}",
        "training.devices=2",
    )  # fmt: skip
    with pytest.raises(error) as caught:
        list(run(broken, tmp_path / "runs"))
    assert [problem.problem.partition(" lesion_train")[0] for problem in caught.value.problems] == [said]


@pytest.mark.slow
def test_processes_end_with_a_parent_that_is_killed_before_they_have_met(tmp_path):
    process = launched(tmp_path, *SEGKIT)
    while process.poll() is None and len(ranks := psutil.Process(process.pid).children()) < 2:
        time.sleep(0.05)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(ranks, timeout=20)
    for rank in alive:
        rank.kill()
    process.communicate()
    assert not alive


@pytest.mark.slow
@pytest.mark.parametrize("how", ["raise", "kill"])
def test_one_process_that_fails_is_told_of_once_under_torchrun(tmp_path, how):
    process = launched(
        tmp_path, *TORCHRUN, *SEGKIT, *FAULTY, f"loss={{name: faulty, how: {how}}}", "--set", "metrics=iou"
    )
    _, warned = process.communicate(timeout=300)
    assert process.returncode == 1
    fails = warned.count("loss 'faulty' fails: RuntimeError: broken on purpose")
    lost = warned.count("another process of this run has ended")
    # One that was killed tells nothing; torchrun may end the other before it has noticed.
    assert (fails, lost) in ({(0, 0), (0, 1)} if how == "kill" else {(1, 0)}), warned


STOPPED = [
    "--plugins", "faulty.py", "--set", "training.ema_decay=0.9", "--set", "training.checkpoint_seconds=0",
    "--set", "model.decoder.dropout=0.5", "--set", "training.epochs=2", "--set",
]  # fmt: skip


def speaks_once(out, said, epochs):
    assert out == ""
    told = lines(said)
    for beginning in ("train images: ", "run directory: ", "scoring test images: #"):
        assert sum(line.startswith(beginning) for line in told) == 1, said
    assert sum(line.startswith("epoch #/#") for line in told) == epochs, said
    assert not [line for line in told if "rank" in line or "WARNING" in line or "Warning" in line], said


def outcome(run):
    """Files of a finished run that do not depend on the time."""
    files = ["checkpoints/best.safetensors", "checkpoints/last.safetensors", "scores.csv"]
    return {name: (run / name).read_bytes() for name in files}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    process = launched(folder, *SEGKIT, *STOPPED, "loss={name: faulty, how: never}")
    out, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    speaks_once(out, said, epochs=2)
    assert [path.name for path in (folder / "runs" / "small").iterdir()] == ["001"]
    return outcome(folder / "runs" / "small" / "001")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "how", "code"),
    [pytest.param([], "stop", 130, id="segkit-stop"), pytest.param(TORCHRUN, "kill", 1, id="torchrun-kill")],
)
def test_a_run_that_was_ended_goes_on_to_the_same_bytes(tmp_path, uninterrupted, launcher, how, code):
    loss = f"loss={{name: faulty, how: {how}, at: 5, once: {tmp_path / 'ended'}}}"
    process = launched(tmp_path, *launcher, *SEGKIT, *STOPPED, loss)
    _, said = process.communicate(timeout=300)
    assert process.returncode == (1 if launcher else code), said
    assert (tmp_path / "ended").exists()
    run = tmp_path / "runs" / "small" / "001"
    assert not (run / "summary.json").exists()
    position = "stopped in epoch 2, after step 2 of 3; the state is saved"
    assert said.count(position) == (how == "stop"), said
    fewer = tmp_path / "fewer"
    shutil.copytree(run, fewer)

    process = launched(tmp_path, *launcher, "-m", "segkit", "resume", str(run), "--plugins", "faulty.py")
    out, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    speaks_once(out, said, epochs=1)
    assert outcome(run) == uninterrupted
    if (launcher, how) == ([], "stop"):
        *_, ended = resume(fewer, ["training.devices=1"], [tmp_path / "faulty.py"])
        assert isinstance(ended, RunEnded)
        assert ["training.devices is 1 instead of 2" in warning for warning in ended.summary.warnings].count(
            True
        ) == 1
        assert outcome(fewer) != uninterrupted


@pytest.mark.slow
def test_a_mistake_is_told_once_under_torchrun(tmp_path, monkeypatch):
    # torchrun ends all processes when one has ended: the first, which reports, is the slower one.
    (tmp_path / "sitecustomize.py").write_text(
        'import os, time\nif os.environ.get("LOCAL_RANK") == "0": time.sleep(3)\n', encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    process = launched(tmp_path, *TORCHRUN, *SEGKIT, "--set", "training.epochs=none")
    _, warned = process.communicate(timeout=300)
    assert process.returncode == 1
    assert warned.count("training.epochs: found") == 1, warned


@pytest.mark.slow
def test_batches_smaller_than_the_processes_are_refused(tmp_path):
    with pytest.raises(SegkitError) as caught:
        check_batch_size(recipe(tmp_path), images=10, processes=4)
    (problem,) = caught.value.problems
    assert problem.problem == (
        "data.batch_size: 4 processes share every batch, and the smallest batch has 3 of 10 training images"
    )
    assert problem.hint == "use at most 3 processes (training.devices, training.num_nodes) or larger batches"
    check_batch_size(recipe(tmp_path), images=10, processes=3)
    single = recipe(tmp_path, "data.batch_size=1", "training.devices=2")
    with pytest.raises(SegkitError, match="the smallest batch has 1") as caught:
        check(single)
    assert caught.value.exit_code == 2
