"""Weights files are safetensors, with a checksum."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from segkit.training.tensor_file import Unreadable, read_tensors, write_tensors


@pytest.fixture
def file(tmp_path):
    return tmp_path / "weights.safetensors"


def test_a_power_failure_leaves_no_empty_file(file, monkeypatch):
    """The content is on the disk before the file takes its name, and then its name is, too."""
    steps, replace = [], Path.replace
    monkeypatch.setattr("segkit.utils.atomic._fsync", lambda path: steps.append(("sync", path)))
    monkeypatch.setattr(
        Path, "replace", lambda path, to: steps.append(("replace", path)) or replace(path, to)
    )
    write_tensors(file, {})
    (first, written), (second, renamed), third = steps
    assert (first, second, third) == ("sync", "replace", ("sync", file.parent))
    assert written == renamed != file


@pytest.mark.parametrize("place", [8, 40, -1])
def test_every_changed_byte_is_noticed(file, place):
    write_tensors(file, {"tensor": torch.ones(50)}, {"number": 1})
    content = bytearray(file.read_bytes())
    content[place] ^= 4
    file.write_bytes(content)
    with pytest.raises(Unreadable):
        read_tensors(file)


def test_a_file_of_others_has_tensors(file):
    save_file({"a": torch.ones(2)}, file)
    tensors, about = read_tensors(file)
    assert (list(tensors), about) == (["a"], None)


def test_others_can_read_the_tensors(file):
    write_tensors(file, {"weight": torch.arange(4.0)})
    assert load_file(file)["weight"].tolist() == [0, 1, 2, 3]


def test_what_is_missing_or_no_such_file(file):
    with pytest.raises(Unreadable, match="there is no such file"):
        read_tensors(file)
    file.write_bytes(b"\x80\x04K\x01.")  # a pickle
    with pytest.raises(Unreadable, match="Error while deserializing header"):
        read_tensors(file)


def test_a_sealed_file_of_words_that_never_end_is_unreadable(file):
    words = "[" * 100_000
    save_file({}, file, {"segkit": f"{hashlib.sha256(words.encode()).hexdigest()} {words}"})
    with pytest.raises(Unreadable, match="its metadata is not JSON"):
        read_tensors(file)
