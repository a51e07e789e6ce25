"""Devices and precisions: what is taken, and what is refused before anything is trained."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from segkit.core.errors import SegkitError
from segkit.recipe.training_settings import TrainingSettings
from segkit.training.devices import (
    async_item,
    choose_device,
    device_name,
    make_fabric,
    memory_format,
    move_to_device,
    precision_of,
)


@pytest.fixture(autouse=True)
def cpu_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(autouse=True)
def plain_machine(monkeypatch):
    """Whatever runs the tests has neither a GPU nor an Apple chip here."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_auto_is_what_is_there():
    assert choose_device(TrainingSettings()) == ("cpu", "32-true")


def test_auto_on_a_gpu_is_half_precision_where_the_gpu_has_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for has_it, precision in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, has_it=has_it: has_it
        )
        assert choose_device(TrainingSettings()) == ("cuda", precision)
        assert choose_device(TrainingSettings(accelerator="gpu")) == ("cuda", precision)


@pytest.mark.parametrize("accelerator", ["cuda", "gpu", "mps"])
def test_accelerator_that_is_not_there(accelerator):
    with pytest.raises(
        SegkitError, match=f"training.accelerator: this machine has no {accelerator} that"
    ) as caught:
        make_fabric(TrainingSettings(accelerator=accelerator))
    assert caught.value.exit_code == 2
    assert caught.value.problems[0].hint == "training.accelerator=auto selects cpu"


def test_precision_that_the_accelerator_does_not_have():
    with pytest.raises(SegkitError, match=r"training\.precision: cpu does not support 16-mixed"):
        make_fabric(TrainingSettings(precision="16-mixed"))


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        ("32-true", torch.float32),
        ("bf16-mixed", torch.float32),
        ("bf16-true", torch.bfloat16),
        ("64-true", torch.float64),
    ],
)
def test_model_is_placed_in_its_precision(precision, dtype):
    settings = TrainingSettings(precision=precision)
    fabric = make_fabric(settings)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    move_to_device(model, fabric, settings)
    assert (fabric.device.type, precision_of(fabric)) == ("cpu", precision)
    assert {tensor.dtype for tensor in model.state_dict().values()} == {dtype, torch.int64}
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fabric.setup_module(model)  # finds nothing left to convert, so that a digest holds
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_memory_order():
    assert memory_format(TrainingSettings()) == torch.channels_last
    assert memory_format(TrainingSettings(channels_last=False)) == torch.contiguous_format


def test_determinism_is_of_one_run_alone(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    make_fabric(TrainingSettings(deterministic=True))
    assert torch.are_deterministic_algorithms_enabled()
    make_fabric(TrainingSettings())
    assert not torch.are_deterministic_algorithms_enabled()


def test_device_has_a_name():
    threads = torch.get_num_threads()
    assert device_name(torch.device("cpu")) == f"cpu, {threads} thread{'' if threads == 1 else 's'}"


@pytest.mark.slow
def test_torchmetrics_is_not_imported_for_its_version():
    code = (
        "import sys, segkit.training.devices; assert 'torchmetrics' not in sys.modules; import torchmetrics"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_async_item_is_the_value():
    assert async_item(torch.tensor(0.1, dtype=torch.float64, requires_grad=True))() == 0.1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_async_item_waits_for_nothing_that_is_queued_after_it():
    read = async_item(torch.tensor(0.5, device="cuda"))
    torch.cuda._sleep(2_000_000_000)  # cycles: about a second
    assert read() == 0.5
    assert not torch.cuda.current_stream().query()
