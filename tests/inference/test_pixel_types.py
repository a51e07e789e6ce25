"""Models of images with any type of numbers and number of channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

import segkit
from segkit.core.types import Pixels
from segkit.inference.export.export_graph import ExportGraph, export_program
from segkit.inference.export.onnx_file import write_onnx
from segkit.inference.export.pt2 import reopen_pt2, write_pt2
from segkit.inference.export_metadata import ExportMetadata
from segkit.inference.model_info import ModelInfo
from segkit.inference.torch_network import TorchNetwork
from segkit.models.segmenter import Segmenter
from tests.inference.export.conftest import ThreeLayers
from tests.inference.networks import LESION

CHANNELS = 12
RANGE = ((-1000.0, 3000.0), *(((0.0, 4000.0),) * (CHANNELS - 1)))
BANDS = replace(
    LESION, format=2, kind="multiclass", classes=("a", "b", "c"), channels=CHANNELS, range=RANGE,
    mean=(0.5,) * CHANNELS, std=(0.25,) * CHANNELS, multiple=8,
)  # fmt: skip


class Last(torch.nn.Conv2d):
    """A map of the last one."""

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        return super().forward(features[-1])


def network_of(info: ModelInfo) -> TorchNetwork:
    torch.manual_seed(0)
    encoder, decoder = ThreeLayers(info.in_channels), Last(16, 8, 1)
    head = torch.nn.Conv2d(8, info.task.channels, 1)
    torch.nn.init.normal_(head.weight, std=8)  # so that probabilities differ
    model = Segmenter(
        encoder, decoder, head, stages=[0, 1, 2], mean=info.mean, std=info.std, frozen=False
    ).eval()
    return TorchNetwork(info, None, model, Fabric(accelerator="cpu", devices=1))  # type: ignore[arg-type]


def images(dtype: type, info: ModelInfo = BANDS) -> Pixels:
    """Two images with numbers inside and outside of the range."""
    rng, size = np.random.default_rng(0), (2, *info.size, info.in_channels)
    numbers = rng.uniform(-1500 if dtype != np.uint16 else 0, 4500, (2, 8, 8, info.in_channels))
    return numbers.repeat(8, 1).repeat(8, 2).reshape(size).astype(dtype)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TorchNetwork, Path, Path]]:
    """A model of twelve channels, exported."""
    network, folder = network_of(BANDS), tmp_path_factory.mktemp("bands")
    metadata = ExportMetadata(BANDS)
    program = export_program(ExportGraph(network.model, metadata).eval(), metadata)
    write_pt2(program, metadata, folder / "bands.pt2")
    write_onnx(program, metadata, folder / "bands.onnx")
    return network, folder / "bands.onnx", folder / "bands.pt2"


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_twelve_channels_give_the_same_in_torch_onnx_and_pt2(
    dtype: type, files: tuple[TorchNetwork, Path, Path]
) -> None:
    network, onnx, pt2 = files
    pixels = images(dtype)
    expected = network(pixels)
    assert expected.std() > 0.1
    # As in training: 255 times the share of the range, to the model's own normalisation.
    low, high = np.array(RANGE, np.float32).T
    unit = ((pixels.astype(np.float32) - low) / (high - low)).clip(0, 1)
    logits = network.model(torch.from_numpy(255 * unit).permute(0, 3, 1, 2))
    assert expected == pytest.approx(logits.softmax(1).detach().numpy(), abs=1e-6)
    (opened,) = segkit.load(onnx).networks
    assert opened.info == BANDS
    for other in (opened, reopen_pt2(pt2)):
        found = other(pixels)
        assert found == pytest.approx(expected, abs=1e-5)
        assert (found.argmax(1) == expected.argmax(1)).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_normalised_input_is_after_the_range(dtype: type) -> None:
    network, metadata = network_of(BANDS), ExportMetadata(BANDS, input="normalized")
    given = metadata.preprocess(images(dtype))
    assert (given.dtype, given.shape) == (np.float32, (2, CHANNELS, 64, 64))
    assert (given.min(), given.max()) == (-2, 2)  # (0 - mean) / std and (1 - mean) / std
    graph = ExportGraph(network.model, metadata).eval()
    found = graph(torch.from_numpy(given)).detach().numpy()
    assert found == pytest.approx(network(images(dtype)), abs=1e-5)


def test_a_model_of_eight_bits_takes_uint8() -> None:
    metadata = ExportMetadata(LESION)
    assert metadata.takes_uint8
    assert not ExportMetadata(LESION, input="normalized").takes_uint8
    numbers = np.array([-5, 0.4, 254.6, 70_000], np.float32).reshape(1, 2, 2, 1).repeat(3, -1)
    assert metadata.preprocess(numbers)[0, 0].tolist() == [[0, 0], [255, 255]]
    assert not ExportMetadata(replace(LESION, format=2, range=((0.0, 255.0),) * 3)).takes_uint8
