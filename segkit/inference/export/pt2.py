"""pt2 files: torch's format of exported programs."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from segkit.inference.export.export_graph import suppress_output
from segkit.inference.export_metadata import ExportMetadata, parse_metadata

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from segkit.core.types import Pixels
    from segkit.inference.model_info import ModelInfo
    from segkit.inference.network import Probabilities


@dataclass(frozen=True)
class Pt2Network:
    """An opened .pt2 file; see `segkit.inference.network.Network`.

    Args:
        metadata: metadata of the file.
        module: its program, on the CPU.
    """

    metadata: ExportMetadata
    module: nn.Module

    @property
    def info(self) -> ModelInfo:
        """Model information."""
        return self.metadata.info

    @torch.no_grad()
    def __call__(self, pixels: Pixels) -> Probabilities:
        """(B, H, W, C) -> probabilities (B, K, H, W)."""
        image = torch.from_numpy(self.metadata.preprocess(pixels))
        return self.metadata.postprocess(self.module(image).numpy())


def write_pt2(program: ExportedProgram, metadata: ExportMetadata, path: Path) -> None:
    """Write a .pt2 file.

    Raises:
        OSError: if it cannot be written.
    """
    content = io.BytesIO()
    with suppress_output():
        torch.export.save(program, content, extra_files=metadata.entries())
    path.write_bytes(content.getvalue())


def reopen_pt2(path: Path) -> Pt2Network:
    """Open a file that `write_pt2` has just written; never other files, as torch may run their code."""
    entries: dict[str, Any] = {"": ""}  # torch fills only a dictionary that is not empty
    with suppress_output():
        program = torch.export.load(io.BytesIO(path.read_bytes()), extra_files=entries)
    return Pt2Network(parse_metadata(entries), program.module())
