"""Too little memory is said to be that: no file is called damaged, no part broken."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest
from pydantic import BaseModel

from segkit.data.download.unzip import wanted_members
from segkit.inference.onnx import open_onnx
from segkit.parts.encoders._pretrained import read_weights
from segkit.recipe.build import build
from segkit.recipe.part_schema import LossPart
from segkit.runs.thumbnails import read_thumbnails
from segkit.training.tensor_file import read_tensors
from segkit.utils.safe_read import read_png, read_yaml

NO_MEMORY = [MemoryError("std::bad_alloc"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]


@pytest.mark.parametrize("error", NO_MEMORY, ids=["python", "torch"])
@pytest.mark.parametrize(
    ("read", "library"),
    [
        (lambda path: read_yaml(path, BaseModel), "yaml.load"),
        (lambda path: read_png(path, ("L",)), "PIL.Image.open"),
        (read_thumbnails, "zipfile.ZipFile"),
        (lambda path: wanted_members(path, ".jpg"), "zipfile.ZipFile"),
        (open_onnx, "onnxruntime.InferenceSession"),
        (read_weights, "timm.models.load_state_dict"),
        (lambda path: build(LossPart(name="dice"), None), "segkit.parts.losses._overlap.overlap_loss"),
    ],
    ids=["yaml", "png", "thumbnails", "zip", "onnx", "weights", "part"],
)
def test_too_little_memory_is_neither_damage_nor_a_bug(tmp_path: Path, monkeypatch, read, library, error):
    (tmp_path / "file").write_bytes(b"content")
    monkeypatch.setattr(library, Mock(side_effect=error))
    with pytest.raises(type(error)) as caught:
        read(tmp_path / "file")
    assert caught.value is error


def test_a_tensor_file_is_not_damaged_either(tmp_path: Path, monkeypatch):
    error = OSError("Cannot allocate memory (os error 12)")
    monkeypatch.setattr("segkit.training.tensor_file.safe_open", Mock(side_effect=error))
    with pytest.raises(OSError, match="Cannot allocate"):
        read_tensors(tmp_path / "file")
