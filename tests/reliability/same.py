"""Whether two runs ended alike: every file of their directories, without what depends on the clock."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from torch import Tensor

from segkit.analysis.report import write_report
from segkit.runs.run_dir import RunDir
from segkit.training.state_file import read_state

# How long it took, and how much memory; by what command, and how often it was gone on with. Nothing else.
LEFT_OUT = {"seconds", "train_seconds", "images_per_second", "peak_memory_bytes", "command", "resumed"}
REPORT = {"report.html", "report.md"}  # they tell times, so they are held against what is in the directory


def differences(reference: Path, run: Path) -> list[str]:
    """What is not the same in two finished run directories, file by file; nothing if all is."""
    there, here = _files(reference), _files(run)
    found = [f"{name} is missing" for name in sorted(there - here)]
    found += [f"{name} is left over" for name in sorted(here - there)]
    both = sorted((there & here) - REPORT)
    found += [f"{name} differs" for name in both if content(reference / name) != content(run / name)]
    reports = [(run / name).read_bytes() for name in sorted(REPORT & here)]
    write_report(RunDir(run))
    if reports != [(run / name).read_bytes() for name in sorted(REPORT & here)]:
        found.append("the report is not that of the run")
    return found


def content(file: Path) -> Any:
    """What has to be the same: the bytes, where a file tells no times."""
    if file.name.endswith(".state.pt"):
        return _plain(read_state(file))
    if file.suffix == ".jsonl":
        return [_plain(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
    if file.suffix == ".json":
        return _plain(json.loads(file.read_text(encoding="utf-8")))
    return file.read_bytes()


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def _plain(value: Any) -> Any:
    """Without what is left out, and with digests in the place of tensors."""
    if isinstance(value, Tensor):
        raw = value.contiguous().numpy().tobytes()
        return [str(value.dtype), list(value.shape), list(value.stride()), hashlib.sha256(raw).hexdigest()]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in LEFT_OUT}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return repr(value)  # NaN is no NaN
