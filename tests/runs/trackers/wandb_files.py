"""What W&B has written offline: records of protobuf in the log format of LevelDB."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK, _FILE_HEADER, _RECORD_HEADER = 32768, 7, 7
_FULL, _LAST = 1, 4


class Offline:
    """A folder that `wandb sync` takes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.identifier = self.name = self.project = ""
        self.resume = False
        self.config: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}
        self.files: set[str] = set()
        self.exit_code: int | None = None
        (file,) = folder.glob("*.wandb")
        for record in _records(file.read_bytes()):
            self._take(record)

    def _take(self, record: Any) -> None:
        kind = record.WhichOneof("record_type")
        content = getattr(record, kind)
        if kind == "run":
            self.identifier, self.name, self.project = content.run_id, content.display_name, content.project
            self.config |= {item.key: json.loads(item.value_json) for item in content.config.update}
        elif kind == "history":
            self.history.append(_items(content.item))
        elif kind == "summary":
            self.summary |= _items(content.update)
        elif kind == "files":
            self.files |= {file.path for file in content.files}
        elif kind == "exit":
            self.exit_code = content.exit_code


def _items(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def _records(content: bytes) -> Iterator[Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    assert content.startswith(b":W&B")
    place, parts = _FILE_HEADER, b""
    while place + _RECORD_HEADER <= len(content):
        if _BLOCK - place % _BLOCK < _RECORD_HEADER:  # what is left of a block is filled up
            place += _BLOCK - place % _BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        place += _RECORD_HEADER
        parts += content[place : place + length]
        place += length
        if kind in (_FULL, _LAST):
            yield Record.FromString(parts)
            parts = b""
