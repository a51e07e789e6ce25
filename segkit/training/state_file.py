"""Training states as files of `torch.save`. Reading executes no code."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from pickle import PicklingError
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint

from segkit.core.errors import first_line
from segkit.training.tensor_file import Unreadable
from segkit.utils.atomic import atomic_write
from segkit.utils.os_errors import is_out_of_memory


class Unsavable(Exception):
    """The state holds a value that could not be read back."""


def write_state(path: Path, state: Any) -> None:
    """Write nested plain data that contains tensors, such as optimiser states, atomically and durably.

    Raises:
        OSError: if the file cannot be written; an existing file is unchanged.
        Unsavable: if a value is not a number, string, tensor, list, tuple or dict.
    """
    content = BytesIO()  # torch's own writer hides that a disk is full
    try:
        torch.save(state, content)
    except (AttributeError, TypeError, PicklingError) as error:
        raise Unsavable(first_line(error)) from error
    content.seek(0)
    if others := get_unsafe_globals_in_checkpoint(content):
        raise Unsavable(f"it holds {', '.join(sorted(others))}")
    with atomic_write(path, durable=True) as temporary:
        temporary.write_bytes(content.getbuffer())


def read_state(path: Path) -> Any:
    """Data of `write_state`, with tensors on the CPU.

    Raises:
        Unreadable: if the file is missing, damaged or of another format, or holds other than plain data.
    """
    if not path.is_file():  # a pipe could be waited for without end
        raise Unreadable("it is not a file" if path.exists() else "there is no such file")
    try:
        with zipfile.ZipFile(path) as archive:  # torch does not compare checksums
            if any(member.compress_type for member in archive.infolist()):
                raise Unreadable("it is compressed")
            if archive.testzip():
                raise Unreadable("it is damaged: a checksum differs")
        return torch.load(path, map_location="cpu", weights_only=True)
    except Unreadable:
        raise
    except Exception as error:  # damaged or hostile files raise many types
        if is_out_of_memory(error):
            raise
        raise Unreadable(f"it is not a saved state ({type(error).__name__})") from error
