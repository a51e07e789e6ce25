"""Checks of an installation: packages, their versions and imports, GPU, folders. No torch in this process."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import Requirement

_PROBE = Path(__file__).with_name("import_probe.py")
_SECONDS = 300  # the first import of torch from a network drive
_NVIDIA = Path("/proc/driver/nvidia/version")
_PYTORCH = "https://pytorch.org/get-started/locally has the command for this machine"


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    Attributes:
        name: what was checked.
        status: ``ok``, ``missing`` (an optional package) or ``fault``.
        text: state or problem.
        hint: what to try.
    """

    name: str
    status: Literal["ok", "missing", "fault"]
    text: str
    hint: str = ""

    def as_json(self) -> dict[str, str]:
        """The fields as JSON data."""
        return asdict(self)


def check_distribution(package: str, extras: Sequence[str]) -> Iterator[Finding]:
    """Whether one distribution provides `package`, and has the packages that it and its extras require."""
    names = _distributions_of(package)
    version = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    if not names:
        yield Finding(package, "ok", f"{version}; not installed, used from a folder")
        return
    if len(names) > 1:
        yield from check_one_distribution(package)
        return
    yield Finding(package, "ok", f"{names[0]} {metadata.version(names[0])}, {version}")
    for extra in ("", *extras):
        yield from _requirement_findings(names[0], extra)


def _requirement_findings(distribution: str, extra: str) -> Iterator[Finding]:
    absent = []
    for requirement in map(Requirement, metadata.requires(distribution) or ()):
        if not _applies(requirement, extra):
            continue
        version = installed_version(requirement.name)
        if version and not requirement.specifier.contains(version, prereleases=True):
            text = f"{version} is installed, {distribution} needs {requirement.specifier}"
            hint = f"pip install '{requirement.name}{requirement.specifier}'"
            yield Finding(requirement.name, "fault", text, hint)
        if not version:
            absent.append(requirement.name)
    if extra:
        hint = f"pip install '{distribution}[{extra}]'" if absent else ""
        text = f"not installed: {', '.join(absent)}" if absent else "installed"
        yield Finding(extra, "missing" if absent else "ok", text, hint)
    elif absent:
        hint = f"install {distribution} again: pip brings what it needs"
        yield Finding(
            distribution, "fault", f"needs packages that are not installed: {', '.join(absent)}", hint
        )


def check_one_distribution(module: str) -> Iterator[Finding]:
    """Whether several distributions have installed the same module, as those of OpenCV do."""
    names = _distributions_of(module)
    if len(names) > 1:
        text = f"{' and '.join(names)} replace each other's files"
        hint = f"pip uninstall -y {' '.join(names)}, then install one of them"
        yield Finding(module, "fault", text, hint)


def check_imports(modules: Iterable[str]) -> Iterator[Finding]:
    """Whether modules can be imported, and torch can use the GPU; tried in another process."""
    modules = list(modules)
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(_PROBE), *modules],
            capture_output=True, encoding="utf-8", errors="replace", timeout=_SECONDS, check=False,
        )  # fmt: skip
        output, ended = done.stdout, f"ended with code {done.returncode}"
    except subprocess.TimeoutExpired as error:
        output = (error.stdout or b"").decode("utf-8", "replace")  # bytes, whatever the encoding
        ended = f"took more than {_SECONDS} s"
    probed = {probe["module"]: probe for probe in map(json.loads, output.splitlines())}
    for module in modules:
        if module not in probed:
            hint = f"python -c 'import {module}' shows more; install it again"
            yield Finding(module, "fault", f"importing it {ended}", hint)
            return
        yield from _import_findings(module, probed[module])


def _import_findings(module: str, probe: Mapping[str, Any]) -> Iterator[Finding]:
    if error := probe.get("error"):
        hint = f"pip install --force-reinstall --no-deps {module.replace('_', '-')}"
        if module == "torchvision":
            hint = f"torch and torchvision must be of one release and one build: {_PYTORCH}"
        yield Finding(module, "fault", f"cannot be used: {error}", hint)
    elif module == "torch":
        yield Finding("torch", "ok", str(probe["version"]))
        yield gpu_finding(probe)
    else:
        yield Finding(module, "ok", str(probe["version"]))


def gpu_finding(torch: Mapping[str, Any], *, has_nvidia: bool | None = None) -> Finding:
    """What torch says of the GPU.

    Args:
        torch: the probe of torch.
        has_nvidia: whether the machine has an NVIDIA driver; by default it is looked for.
    """
    has_nvidia = _has_nvidia_driver() if has_nvidia is None else has_nvidia
    if devices := torch["devices"]:
        if untaught := [one["name"] for one in devices if not one["supported"]]:
            text = f"this torch was not built for {', '.join(untaught)}"
            return Finding("GPU", "fault", text, f"install a torch of another CUDA version: {_PYTORCH}")
        return Finding("GPU", "ok", ", ".join(one["name"] for one in devices))
    if torch["mps"]:
        return Finding("GPU", "ok", "Apple GPU (mps)")
    if has_nvidia and not (torch["cuda"] or torch["hip"]):
        text = f"an NVIDIA driver is installed, but torch {torch['version']} is built without CUDA"
        return Finding("GPU", "fault", text, f"install torch with CUDA: {_PYTORCH}")
    if has_nvidia:
        text = f"torch for CUDA {torch['cuda']} cannot use it: {torch['cuda_error']}"
        return Finding("GPU", "fault", text, "update the NVIDIA driver, or install torch for an older CUDA")
    return Finding("GPU", "ok", "none found: training uses the processor")


def check_folder(name: str, folder: Path, variable: str) -> Finding:
    """Whether a folder, or the next one above it that exists, can be written to; its free space."""
    present = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    try:
        descriptor, file = tempfile.mkstemp(dir=present)
        os.close(descriptor)
        os.remove(file)
        free = shutil.disk_usage(present).free
    except OSError as error:
        text = f"{folder} cannot be written to: {error.strerror or error}"
        return Finding(name, "fault", text, f"set {variable} to another folder")
    return Finding(name, "ok", f"{folder}, {free / 2**30:.1f} GiB free")


def _distributions_of(module: str) -> list[str]:
    """Distributions with a module's files, or, if installed as editable, with its command."""
    commands = metadata.entry_points(group="console_scripts", name=module)
    editable = {command.dist.name for command in commands if command.dist}
    return sorted({*metadata.packages_distributions().get(module, ()), *editable})


def _applies(requirement: Requirement, extra: str) -> bool:
    """Whether a requirement is one of the extra, or for '' one that is always there, on this system."""
    marker = requirement.marker
    if marker is None or marker.evaluate({"extra": ""}):
        return not extra
    return bool(extra) and marker.evaluate({"extra": extra})


def installed_version(package: str) -> str | None:
    """Version of an installed package, which is not imported; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _has_nvidia_driver() -> bool:
    return _NVIDIA.exists() or (os.name == "nt" and shutil.which("nvidia-smi") is not None)
