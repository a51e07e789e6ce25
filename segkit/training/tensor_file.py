"""Tensors and plain data in one safetensors file, sealed by a digest. No code of a file is ever run."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from segkit.core.errors import first_line
from segkit.utils.atomic import atomic_write

_SEAL = "segkit"  # one entry: of several, safetensors would write now one and now the other first


class Unreadable(Exception):
    """A file that is not there, damaged, or not what it should be; says why in a few words."""


class Unsavable(Exception):
    """A state that holds what no plain file can hold; says what."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Any = None) -> None:
    """Write tensors; the file appears whole or not at all, and outlives a power failure.

    Args:
        path: in a folder that is there.
        tensors: by name, on any device and in any memory order.
        about: plain data that goes with them.

    Raises:
        OSError: if it cannot be written; what was there before is left alone.
    """
    # Cloned, as safetensors refuses tensors that share memory, and tied weights do.
    order = torch.contiguous_format
    plain = {name: tensor.detach().cpu().clone(memory_format=order) for name, tensor in tensors.items()}
    words = json.dumps(about)
    content = save(plain, {_SEAL: f"{_seal(plain, words)} {words}"})
    with atomic_write(path, durable=True) as temporary:
        temporary.write_bytes(content)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Read what `write_tensors` wrote; a file of others, which has no seal, has tensors alone.

    Raises:
        Unreadable: if it is missing, or not what was written.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise Unreadable("there is no such file" if missing else first_line(error)) from error
    if _SEAL not in metadata:
        return tensors, None
    seal, _, words = metadata[_SEAL].partition(" ")
    if seal != _seal(tensors, words):
        raise Unreadable("its content is not what was written: its SHA-256 differs")
    try:
        return tensors, json.loads(words)
    except (ValueError, RecursionError) as error:  # anyone can seal anything
        raise Unreadable("its words are no JSON") from error


def write_state(path: Path, state: Any) -> None:
    """Write nested plain data with tensors in it, such as states of optimisers.

    Raises:
        OSError: if it cannot be written; what was there before is left alone.
        Unsavable: if it holds anything but numbers, words, tensors, lists, tuples and mappings of them.
    """
    tensors: dict[str, Tensor] = {}
    about = _plain(state, tensors, "state")
    write_tensors(path, tensors, about)


def read_state(path: Path) -> Any:
    """What `write_state` wrote: tensors on the CPU, with the strides that they had.

    Raises:
        Unreadable: if it is missing, or not what was written.
    """
    tensors, about = read_tensors(path)
    if about is None:
        raise Unreadable("it is no saved state")
    try:
        return _whole(about, tensors)
    except (LookupError, TypeError, ValueError, RuntimeError, RecursionError) as error:
        raise Unreadable("it is no saved state") from error


def _plain(value: Any, tensors: dict[str, Tensor], place: str) -> Any:
    """As JSON has it: a list with its kind in front for what JSON does not have, tensors by their numbers."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value
        return ["tensor", name, list(value.stride())]
    if isinstance(value, list | tuple):
        items = [_plain(item, tensors, f"{place}[{i}]") for i, item in enumerate(value)]
        return ["list" if isinstance(value, list) else "tuple", items]
    if isinstance(value, dict) and all(isinstance(key, int | str) for key in value):
        pairs = [[key, _plain(item, tensors, f"{place}[{key!r}]")] for key, item in value.items()]
        return ["counter" if isinstance(value, Counter) else "dict", pairs]
    raise Unsavable(f"{place} is {type(value).__module__}.{type(value).__qualname__}")


def _whole(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, list):
        return value
    kind, content, *more = value
    if kind == "tensor":
        tensor = tensors[content]
        return torch.empty_strided(tensor.shape, more[0], dtype=tensor.dtype).copy_(tensor)
    if kind in ("dict", "counter"):
        pairs = {key: _whole(item, tensors) for key, item in content}
        return pairs if kind == "dict" else Counter(pairs)
    if kind not in ("list", "tuple"):
        raise ValueError(f"a {kind} is no kind of value")
    items = [_whole(item, tensors) for item in content]
    return items if kind == "list" else tuple(items)


def _seal(tensors: Mapping[str, Tensor], words: str) -> str:
    """SHA-256 over the words, and over the names, types, shapes and bytes of all tensors."""
    total = hashlib.sha256(words.encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        content: Any = tensor.reshape(-1).view(torch.uint8).numpy()
        total.update(content)
    return total.hexdigest()
