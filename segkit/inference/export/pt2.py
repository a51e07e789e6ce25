"""torch's own file of an exported program, .pt2: written, and opened again to be compared."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from segkit.inference.export.export_graph import silenced
from segkit.inference.export_metadata import Exported, exported_from

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from segkit.core.types import Pixels
    from segkit.inference.model_info import ModelInfo
    from segkit.inference.network import Probabilities


@dataclass(frozen=True)
class Pt2Network:
    """An opened .pt2 file; see `segkit.inference.Network`.

    Args:
        exported: what the file says of itself.
        module: its program, on the CPU.
    """

    exported: Exported
    module: nn.Module

    @property
    def facts(self) -> ModelInfo:
        """What it is."""
        return self.exported.facts

    @torch.no_grad()
    def __call__(self, pixels: Pixels) -> Probabilities:
        """(B, H, W, C) uint8 -> probabilities (B, K, H, W)."""
        image = torch.from_numpy(self.exported.asked(pixels))
        return self.exported.answered(self.module(image).numpy())


def write_pt2(program: ExportedProgram, exported: Exported, path: Path) -> None:
    """Write a .pt2 file.

    Args:
        program: as `program_of` gives it.
        exported: what the file says of itself.
        path: of the file.

    Raises:
        OSError: if it cannot be written.
    """
    content = io.BytesIO()
    with silenced():
        torch.export.save(program, content, extra_files=exported.words())
    path.write_bytes(content.getvalue())


def reopen_pt2(path: Path) -> Pt2Network:
    """Open a file that `write_pt2` has just written, and no other: torch runs code that a .pt2 file may hold.

    Args:
        path: of the file.
    """
    words: dict[str, Any] = {"": ""}  # torch adds nothing to a dictionary that is empty
    with silenced():
        program = torch.export.load(io.BytesIO(path.read_bytes()), extra_files=words)
    return Pt2Network(exported_from(words), program.module())
