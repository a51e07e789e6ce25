"""Tensors and plain data in one safetensors file with a SHA-256 checksum. Reading executes no code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def _checksum(tensors: Mapping[str, Tensor], text: str) -> str:
    total = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        content: Any = tensor.reshape(-1).view(torch.uint8).numpy()
        total.update(content)
    return total.hexdigest()
