"""States come back as they were: kinds, numbers, memory order; and files are plain."""

import hashlib
import math
from collections import Counter

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from segkit.training.tensor_file import (
    Unreadable,
    Unsavable,
    read_state,
    read_tensors,
    write_state,
    write_tensors,
)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "state.safetensors"


def test_plain_data_comes_back_in_kind(file):
    state = {
        "none": None, "true": True, "whole": 10**30, "exact": 0.1 + 0.2, "word": "\u00e4 [1]", 3: "a number",
        "list": [1, [], {}], "tuple": (1, (2.5,)), "counter": Counter({30: 2}),
        "dict": {"a": ["tensor", "0"]}, "inf": -math.inf, "numpy": np.float32(0.5), "count": np.int64(7),
    }  # fmt: skip
    write_state(file, state)
    found = read_state(file)
    assert found == {**state, "numpy": 0.5, "count": 7}
    assert type(found["counter"]) is Counter
    assert type(found["tuple"]) is tuple
    assert type(found["true"]) is bool


def test_nan_comes_back(file):
    write_state(file, [math.nan])
    assert math.isnan(read_state(file)[0])


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last),
        torch.randn(4, 1, 3, 3).to(memory_format=torch.channels_last),
        torch.randn(5, 7).t(),
        torch.tensor(3.0),
        torch.empty(0, 4),
        torch.tensor([True, False]),
        torch.randn(3).bfloat16(),
        torch.randn(3).double(),
        torch.get_rng_state(),
    ],
)
def test_tensors_come_back_with_their_strides(file, tensor):
    write_state(file, {"a": [tensor], "again": tensor})
    for found in (read_state(file)["a"][0], read_state(file)["again"]):
        assert torch.equal(found, tensor)
        assert (found.dtype, found.stride()) == (tensor.dtype, tensor.stride())


def test_the_same_state_is_the_same_bytes(file):
    content = set()
    for _ in range(5):
        write_state(file, {"a": torch.arange(6), "b": [1.5]})
        content.add(file.read_bytes())
    assert len(content) == 1


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ([{"f": print}], r"state\[0\]\['f'\] is builtins\.builtin_function_or_method"),
        ({(1, 2): 3}, r"state is builtins\.dict"),
        ([np.zeros(2)], r"state\[0\] is numpy\.ndarray"),
    ],
)
def test_anything_else_is_refused_by_its_place(file, state, said):
    with pytest.raises(Unsavable, match=said):
        write_state(file, state)
    assert not file.exists()


@pytest.mark.parametrize("place", [8, 40, -1])
def test_every_changed_byte_is_noticed(file, place):
    write_state(file, {"tensor": torch.ones(50), "number": 1})
    content = bytearray(file.read_bytes())
    content[place] ^= 4
    file.write_bytes(content)
    with pytest.raises(Unreadable):
        read_state(file)


def test_a_file_of_others_has_tensors_and_is_no_state(file):
    save_file({"a": torch.ones(2)}, file)
    tensors, about = read_tensors(file)
    assert (list(tensors), about) == (["a"], None)
    with pytest.raises(Unreadable, match="it is not a saved state"):
        read_state(file)


def test_others_can_read_the_tensors(file):
    write_tensors(file, {"weight": torch.arange(4.0)})
    assert load_file(file)["weight"].tolist() == [0, 1, 2, 3]


def test_what_is_missing_or_no_such_file(file):
    with pytest.raises(Unreadable, match="there is no such file"):
        read_tensors(file)
    file.write_bytes(b"\x80\x04K\x01.")  # a pickle
    with pytest.raises(Unreadable, match="Error while deserializing header"):
        read_tensors(file)


@pytest.mark.parametrize(
    "about",
    [
        ["tensor", "nowhere", [1]],
        ["tensor", "a", [-1]],
        ["dict", 5],
        [],
        ["dict", [[[], 1]]],
        5 * ["x"],
        ["tuple", None],
    ],
)
def test_a_sealed_file_of_nonsense_is_no_state(file, about):
    """Anyone can compute a seal."""
    write_tensors(file, {"a": torch.ones(2)}, about)
    with pytest.raises(Unreadable, match="it is not a saved state"):
        read_state(file)


def test_a_sealed_file_of_words_that_never_end_is_unreadable(file):
    words = "[" * 100_000
    save_file({}, file, {"segkit": f"{hashlib.sha256(words.encode()).hexdigest()} {words}"})
    with pytest.raises(Unreadable, match="its metadata is not JSON"):
        read_state(file)
