"""An exported program in torch's own file, .pt2: written, and read with care.

What `open_pt2` hands to `torch.export.load` is an archive made anew, of entries that were looked at: see
`segkit.inference.export.pt2_entries`.
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from segkit.core.errors import SegkitError, first_line
from segkit.inference.export.export_graph import silenced
from segkit.inference.export.pt2_entries import check_entries
from segkit.inference.export_metadata import Exported, exported_from, model_fails

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from segkit.core.types import Pixels
    from segkit.inference.model_info import Facts
    from segkit.inference.network import Probabilities

_EXTRA = "extra/"
_ENTRIES = re.compile(
    r"byteorder|archive_format|archive_version|\.data/(version|serialization_id)|models/model\.json"
    r"|data/weights/(model_weights_config\.json|weight_\d+)"
    r"|data/constants/(model_constants_config\.json|tensor_\d+)|data/sample_inputs/model\.pt|extra/segkit\.\w+"
)
_MOST_BYTES = 4 << 30


@dataclass(frozen=True)
class Pt2Network:
    """An opened .pt2 file; see `segkit.inference.Network`.

    Args:
        exported: what the file says of itself.
        module: its program, on a device.
        device: of it.
        path: of the file.
    """

    exported: Exported
    module: nn.Module
    device: torch.device
    path: Path

    @property
    def facts(self) -> Facts:
        """What it is."""
        return self.exported.facts

    @torch.no_grad()
    def __call__(self, pixels: Pixels) -> Probabilities:
        """(B, H, W, C) uint8 -> probabilities (B, K, H, W)."""
        image = torch.from_numpy(self.exported.asked(pixels)).to(self.device)
        try:
            output = self.module(image).cpu().numpy()
        except (RuntimeError, AssertionError) as error:
            raise model_fails(self.path, pixels, error) from error
        wanted = (len(pixels), self.facts.task.channels, *pixels.shape[1:3])
        if output.shape != wanted:
            raise _damaged(self.path, f"it answers in the shape {output.shape}, and not {wanted}")
        return self.exported.answered(output)


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


def open_pt2(path: Path, accelerator: str = "cpu") -> Pt2Network:
    """Open a file that `segkit export --format pt2` wrote.

    Args:
        path: of the file.
        accelerator: auto takes a GPU where there is one; cpu, cuda or mps.

    Raises:
        SegkitError: if it is damaged, not one of segkit's, or holds what could run code; or if this machine
            has no such accelerator.
    """
    entries = _entries(path)
    words = {name[len(_EXTRA) :]: content for name, content in entries.items() if name.startswith(_EXTRA)}
    try:
        exported = exported_from({name: content.decode() for name, content in words.items()})
        check_entries(entries)
    except KeyError:
        raise SegkitError(
            "this .pt2 file says nothing of classes and pixels: segkit did not write it",
            where=str(path),
            hint="segkit export RUN --format pt2 writes one that segkit can load",
        ) from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, first_line(error)) from None
    device = _device(accelerator)
    try:
        with silenced():
            program = torch.export.load(_archive(entries))
            module = program.module().to(device)
    except Exception as error:  # torch raises what it likes, of damaged files and of other versions
        hint = "export it again with this version of torch, or copy it again"
        raise SegkitError(
            f"torch {torch.__version__} cannot read this .pt2 file: {first_line(error)}",
            where=str(path),
            hint=hint,
        ) from error
    return Pt2Network(exported, module, device, path)


def _entries(path: Path) -> dict[str, bytes]:
    """What is in the archive, by name without the folder that is in front of all of them."""
    if not path.is_file():
        raise SegkitError("there is no such file", where=str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            listed = archive.infolist()
            if sum(one.file_size for one in listed) > _MOST_BYTES:
                raise _damaged(path, f"it has more than {_MOST_BYTES:,} bytes")
            entries = {one.filename.partition("/")[2]: archive.read(one) for one in listed}
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _damaged(path, first_line(error)) from None
    unknown = [name for name in entries if not _ENTRIES.fullmatch(name)]
    if unknown or len(entries) < len(listed):
        what = f"{unknown[0][:80]!r}" if unknown else "two entries of one name"
        raise SegkitError(
            f"this .pt2 file holds {what}, which segkit export does not write: it is not opened",
            where=str(path),
            hint="torch would run code that such a file may hold",
        )
    return entries


def _archive(entries: dict[str, bytes]) -> io.BytesIO:
    """Of these entries and no others, so that torch finds in it what was looked at."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, entry in entries.items():
            archive.writestr(f"model/{name}", entry)
    content.seek(0)
    return content


def _device(accelerator: str) -> torch.device:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if accelerator == "auto":
        return torch.device(next(name for name, found in there.items() if found))
    if not there.get(accelerator):
        hint = "--accelerator auto takes what is there"
        raise SegkitError(f"this machine has no {accelerator} that torch can use", hint=hint)
    return torch.device(accelerator)


def _damaged(path: Path, reason: str) -> SegkitError:
    return SegkitError(
        f"the .pt2 file is damaged: {reason}", where=str(path), hint="export it again, or copy it again"
    )
