"""Checkpoints appear whole, are read whole, and say what is wrong with them."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from segkit.core.errors import SegkitError, TrainingError
from segkit.parts.schedules.cosine import cosine
from segkit.parts.schedules.warmup import build_schedule
from segkit.training.checkpoint import StateFiles, load_weights, save_weights
from segkit.training.ema import moving_average
from segkit.training.train_state import TrainState


def model(width=4):
    torch.manual_seed(width)
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))


def learner_for(net):
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    schedule = build_schedule(cosine, optimizer, 4, 5, warmup_epochs=1.0, options={})
    return TrainState(net, optimizer, schedule, moving_average(net, 0.9))


def step(learner):
    learner.optimizer.zero_grad()
    learner.model(torch.ones(2, 3, 5, 5)).square().sum().backward()
    learner.optimizer.step()
    learner.schedule.step()
    learner.average.update_parameters(learner.model)


def test_a_schedule_of_another_length_goes_on_after_as_many_steps():
    def learner(epochs):
        net = model()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        # Its state has its own length, and it changes the momentum too.
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, epochs=epochs, steps_per_epoch=5)
        return TrainState(net, optimizer, schedule, moving_average(net, 0.9), epochs=epochs)

    short, whole = learner(2), learner(4)
    for state in (short, whole):
        for _ in range(5):
            step(state)
            state.steps += 1
        state.epoch = 1
    longer = learner(4)
    longer.load_state_dict(short.state_dict())
    group, expected = (state.optimizer.param_groups[0] for state in (longer, whole))
    assert (group["lr"], group["momentum"]) == (expected["lr"], expected["momentum"])
    assert group["lr"] != short.optimizer.param_groups[0]["lr"]
    assert longer.optimizer.state_dict()["state"].keys() == whole.optimizer.state_dict()["state"].keys()
    for _ in range(14):
        step(longer)
    done = learner(1)  # nothing is left to train
    done.load_state_dict(short.state_dict())
    assert done.epoch == 1


def test_weights_come_back(tmp_path):
    saved, loaded = model().to(memory_format=torch.channels_last), model()
    saved[1].running_mean += 1
    save_weights(saved, tmp_path / "best.safetensors")
    load_weights(loaded, tmp_path / "best.safetensors")
    for name, tensor in saved.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])
    assert [path.name for path in tmp_path.iterdir()] == ["best.safetensors"]


def test_tied_weights_can_be_saved(tmp_path):
    tied = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    tied[1].weight = tied[0].weight
    save_weights(tied, tmp_path / "tied.safetensors")
    load_weights(tied, tmp_path / "tied.safetensors")


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(
        SegkitError, match=r"best\.safetensors: the checkpoint cannot be read: there is no such file"
    ):
        load_weights(model(), tmp_path / "best.safetensors")


def test_damaged_file(tmp_path):
    path = tmp_path / "best.safetensors"
    save_weights(model(), path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(SegkitError, match=r"best\.safetensors: the checkpoint cannot be read: Error while"):
        load_weights(model(), path)


def test_weights_of_another_model(tmp_path):
    path = tmp_path / "best.safetensors"
    save_weights(model(width=8), path)
    with pytest.raises(
        SegkitError, match=r"the checkpoint belongs to another model: size mismatch for 0\.weight"
    ):
        load_weights(model(), path)
    save_weights(nn.Linear(1, 1), path)
    with pytest.raises(SegkitError, match=r"another model: Missing key\(s\) in state_dict") as caught:
        load_weights(model(), path)
    assert caught.value.problems[0].hint == "use the recipe in the checkpoint's run directory"


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "best.safetensors"
    save_weights(model(), path)
    before = path.read_bytes()

    def full(file, content):
        with file.open("wb") as opened:
            opened.write(content[:7])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        save_weights(model(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_state_is_all_that_training_needs_to_go_on(tmp_path):
    learner, other = learner_for(model()), learner_for(model(width=4))
    for _ in range(7):
        step(learner)
    learner.epoch, learner.best_epoch, learner.best_score = 2, 1, math.nan
    states = StateFiles(tmp_path)
    states.save(learner.state_dict())
    state, warnings = states.load()
    assert warnings == []
    other.load_state_dict(state)
    assert (other.epoch, other.best_epoch) == (2, 1)
    assert math.isnan(other.best_score)
    for one in (learner, other):
        step(one)
    for mine, theirs in ((learner.model, other.model), (learner.average.module, other.average.module)):
        for name, tensor in mine.state_dict().items():
            assert torch.equal(tensor, theirs.state_dict()[name]), name
    assert learner.learning_rate == other.learning_rate


def test_a_damaged_state_is_named_and_the_one_before_is_used(tmp_path):
    states = StateFiles(tmp_path / "checkpoints")
    states.last.parent.mkdir()
    assert states.load() == (None, [])
    for number in (1, 2):
        states.save({"number": number, "tensor": torch.full((100,), float(number))})
    assert states.load()[0]["number"] == 2
    _flip_a_bit(states.last, inside=100 * b"\0\0\0\x40")  # the tensor
    state, warnings = states.load()
    assert state["number"] == 1
    assert warnings == [
        "last.state.pt cannot be read (it is damaged: a checksum differs): "
        "the run resumed from the state before it."
    ]
    states.previous.write_bytes(b"")
    with pytest.raises(SegkitError, match="the saved states of this run cannot be read") as caught:
        states.load()
    problem = caught.value.problems[0]
    assert problem.file == f"{states.last}, {states.previous}"
    assert problem.hint == f"start again: segkit run {tmp_path / 'recipe.yaml'}"


def test_killed_between_two_names_the_state_before_is_the_last(tmp_path):
    states = StateFiles(tmp_path)
    for number in (1, 2):
        states.save({"number": number})
    states.last.unlink()
    assert states.load() == ({"number": 1}, [])


def test_what_no_file_can_hold_is_an_error_of_the_training(tmp_path):
    with pytest.raises(TrainingError, match=r"cannot be saved: it holds builtins\.object"):
        StateFiles(tmp_path).save({"schedule": object()})


def test_damaged_weights_are_not_loaded(tmp_path):
    path = tmp_path / "best.safetensors"
    save_weights(model(), path)
    _flip_a_bit(path)
    with pytest.raises(SegkitError, match=r"best\.safetensors: the checkpoint cannot be read: it is damaged"):
        load_weights(model(), path)


def _flip_a_bit(path, inside=b""):
    content = bytearray(path.read_bytes())
    content[content.index(inside) if inside else -1] ^= 1
    path.write_bytes(content)


def test_a_state_of_an_earlier_version_is_refused(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "last.state.safetensors").touch()
    with pytest.raises(SegkitError, match="saved by an earlier version of segkit") as caught:
        StateFiles(folder).load()
    assert caught.value.problems[0].hint == f"start again: segkit run {tmp_path / 'recipe.yaml'}"
