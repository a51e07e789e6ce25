"""Tensors and plain data in one safetensors file with a SHA-256 checksum. Reading executes no code."""

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
from segkit.utils.os_errors import is_out_of_memory

_METADATA = "segkit"  # a single entry: safetensors writes several in varying order


class Unreadable(Exception):
    """The file is missing, damaged or of another format."""


class Unsavable(Exception):
    """The state holds a value that cannot be serialised."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], extra: Any = None) -> None:
    """Write tensors atomically and durably.

    Args:
        path: file in an existing folder.
        tensors: tensors by name, on any device and in any memory format.
        extra: JSON data to store with them.

    Raises:
        OSError: if the file cannot be written; an existing file is unchanged.
    """
    # Cloned: safetensors rejects tensors that share memory, as tied weights do.
    order = torch.contiguous_format
    plain = {name: tensor.detach().cpu().clone(memory_format=order) for name, tensor in tensors.items()}
    text = json.dumps(extra)
    content = save(plain, {_METADATA: f"{_checksum(plain, text)} {text}"})
    with atomic_write(path, durable=True) as temporary:
        temporary.write_bytes(content)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Any]:
    """Tensors and JSON data of `write_tensors`; None as data for safetensors files of other programs.

    Raises:
        Unreadable: if the file is missing, damaged or of another format.
    """
    if path.exists() and not path.is_file():  # a pipe could be waited for without end
        raise Unreadable("it is not a file")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        missing = isinstance(error, FileNotFoundError)
        raise Unreadable("there is no such file" if missing else first_line(error)) from error
    if _METADATA not in metadata:
        return tensors, None
    checksum, _, text = metadata[_METADATA].partition(" ")
    if checksum != _checksum(tensors, text):
        raise Unreadable("it is damaged: its SHA-256 differs")
    try:
        return tensors, json.loads(text)
    except (ValueError, RecursionError) as error:  # anyone can write a valid checksum
        raise Unreadable("its metadata is not JSON") from error


def write_state(path: Path, state: Any) -> None:
    """Write nested plain data that contains tensors, such as optimiser states.

    Raises:
        OSError: if the file cannot be written; an existing file is unchanged.
        Unsavable: if a value is not a number, string, tensor, list, tuple or dict.
    """
    tensors: dict[str, Tensor] = {}
    extra = _encode(state, tensors, "state")
    write_tensors(path, tensors, extra)


def read_state(path: Path) -> Any:
    """Data of `write_state`: tensors on the CPU, with their original strides.

    Raises:
        Unreadable: if the file is missing, damaged or of another format.
    """
    tensors, extra = read_tensors(path)
    if extra is None:
        raise Unreadable("it is not a saved state")
    try:
        return _decode(extra, tensors)
    except (LookupError, TypeError, ValueError, RuntimeError, RecursionError) as error:
        raise Unreadable("it is not a saved state") from error


def _encode(value: Any, tensors: dict[str, Tensor], path: str) -> Any:
    """JSON data: containers and tensors become lists that begin with their type."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value
        return ["tensor", name, list(value.stride())]
    if isinstance(value, list | tuple):
        items = [_encode(item, tensors, f"{path}[{i}]") for i, item in enumerate(value)]
        return ["list" if isinstance(value, list) else "tuple", items]
    if isinstance(value, dict) and all(isinstance(key, int | str) for key in value):
        pairs = [[key, _encode(item, tensors, f"{path}[{key!r}]")] for key, item in value.items()]
        return ["counter" if isinstance(value, Counter) else "dict", pairs]
    raise Unsavable(f"{path} is {type(value).__module__}.{type(value).__qualname__}")


def _decode(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, list):
        return value
    kind, content, *strides = value
    if kind == "tensor":
        tensor = tensors[content]
        return torch.empty_strided(tensor.shape, strides[0], dtype=tensor.dtype).copy_(tensor)
    if kind in ("dict", "counter"):
        pairs = {key: _decode(item, tensors) for key, item in content}
        return pairs if kind == "dict" else Counter(pairs)
    if kind not in ("list", "tuple"):
        raise ValueError(f"unknown type {kind}")
    items = [_decode(item, tensors) for item in content]
    return items if kind == "list" else tuple(items)


def _checksum(tensors: Mapping[str, Tensor], text: str) -> str:
    total = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        content: Any = tensor.reshape(-1).view(torch.uint8).numpy()
        total.update(content)
    return total.hexdigest()
