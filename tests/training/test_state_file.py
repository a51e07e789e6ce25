"""States come back as they were: kinds, numbers, memory order; and nothing in a file is executed."""

import math
import pickle
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch

from segkit.training.state_file import Unsavable, read_state, write_state
from segkit.training.tensor_file import Unreadable


@pytest.fixture
def file(tmp_path):
    return tmp_path / "last.state.pt"


def test_plain_data_comes_back_in_kind(file):
    state = {
        "none": None, "true": True, "whole": 10**30, "exact": 0.1 + 0.2, "word": "\u00e4 [1]", 3: "a number",
        "list": [1, [], {}], "tuple": (1, (2.5,)), "counter": Counter({30: 2}), (1, 2): 3, "inf": -math.inf,
        "ordered": OrderedDict(a=1),
    }  # fmt: skip
    write_state(file, state)
    found = read_state(file)
    assert found == state
    for key in ("counter", "tuple", "true", "ordered"):
        assert type(found[key]) is type(state[key])


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
        ([{"f": print}], r"it holds builtins\.print"),
        ([np.zeros(2)], r"it holds numpy\.\S+"),
        ([np.float32(0.5)], r"it holds numpy\.\S+"),
        ([lambda: None], r"pickle"),
    ],
)
def test_anything_else_is_refused_when_it_is_written(file, state, said):
    file.write_text("the state before")
    with pytest.raises(Unsavable, match=said):
        write_state(file, state)
    assert file.read_text() == "the state before"


def test_a_changed_byte_of_a_tensor_is_noticed(file):
    write_state(file, {"tensor": torch.full((50,), 1.25), "number": 1})
    content = file.read_bytes()
    file.write_bytes(content.replace(b"\0\0\xa0\x3f", b"\0\0\xa0\x3e", 1))
    assert file.read_bytes() != content
    with pytest.raises(Unreadable, match="it is damaged: a checksum differs"):
        read_state(file)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_noticed(file, share):
    write_state(file, {"tensor": torch.ones(50), "number": 1})
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(Unreadable, match=r"it is not a saved state \(BadZipFile\)"):
        read_state(file)


def test_a_file_of_code_is_not_read(file, tmp_path):
    class Payload:
        def __reduce__(self):
            return (tmp_path / "run").touch, ()

    torch.save({"a": Payload()}, file)
    with pytest.raises(Unreadable, match=r"it is not a saved state \(UnpicklingError\)"):
        read_state(file)
    file.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(Unreadable, match="it is not a saved state"):
        read_state(file)
    assert not (tmp_path / "run").exists()


def test_a_file_that_unpacks_to_more_than_it_holds_is_not_read(file):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 20))
    with pytest.raises(Unreadable, match="it is compressed"):
        read_state(file)


def test_what_is_missing_or_no_file(file, tmp_path):
    with pytest.raises(Unreadable, match="there is no such file"):
        read_state(file)
    with pytest.raises(Unreadable, match="it is not a file"):
        read_state(tmp_path)
