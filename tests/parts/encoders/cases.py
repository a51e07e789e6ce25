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


def test_data() -> Path:
    """The folder with real data and weights; skips where there is none."""
    folder = os.environ.get("SEGKIT_TEST_DATA")
    if not folder:
        pytest.skip("SEGKIT_TEST_DATA is not set")
    return Path(folder).absolute()


test_data.__test__ = False
