"""Pretrained weights: search, download and safe reading. No code of a file is executed."""

from __future__ import annotations

import hashlib
import re
import urllib.error
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.core.errors import WeightsError, first_line
from segkit.core.paths import home, is_weights_file
from segkit.data.download.http import open_url
from segkit.parts.encoders import _mobilenet_v2
from segkit.utils.os_errors import is_out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

_TORCHVISION_NAME, _TORCHVISION_TAG = "imagenet1k_v1", "tv_in1k"  # the same weights: torchvision's first


def find_weights(model: str, weights: str) -> Path | None:
    """Find the file of pretrained weights on this machine, without network access.

    Args:
        model: timm name of the model.
        weights: value in the recipe: a tag, "imagenet", "imagenet1k_v1", or a file.

    Returns:
        Its path; None if it must be downloaded, and for "none".

    Raises:
        WeightsError: if there are no such weights, or `weights` is a file that does not exist.
    """
    if weights == "none":
        return None
    if is_weights_file(weights):
        return _weights_file(weights)
    tag = tag_of(model, weights)
    local = next((path for path in _local_paths(model, tag) if path.is_file()), None)
    return local or _in_hub_cache(model, tag)


def fetch_weights(model: str, weights: str) -> Path:
    """The file of pretrained weights, downloaded if it is not on this machine.

    Downloads come from the Hugging Face hub, into its own cache, and are checked against the hub's SHA-256.
    torchvision's MobileNetV2 weights come from its own site or a package index, see `_mobilenet_v2`.

    Raises:
        WeightsError: if they cannot be downloaded; the hint names the file to add.
    """
    if path := find_weights(model, weights):
        return path
    tag = tag_of(model, weights)
    target = _local_paths(model, tag)[0]
    try:
        if (model, tag) == _mobilenet_v2.MODEL_AND_TAG:
            return _mobilenet_v2.fetch(target)
        return _from_hub(model, tag)
    except OSError as error:
        names = " or ".join(path.name for path in _local_paths(model, tag))
        raise WeightsError(
            f"the weights {weights!r} of {model} are not on this machine and cannot be downloaded: "
            f"{first_line(error)[:200]}",
            where=str(target),
            hint=f"put {names} into {target.parent}, or use weights: none for random initialisation",
        ) from error


def tag_of(model: str, weights: str) -> str:
    """Timm's tag of the weights in a recipe; empty if timm's only weights have no tag.

    Raises:
        WeightsError: if the model has no such weights; the hint lists those it has.
    """
    import timm

    if (model, weights) == _mobilenet_v2.MODEL_AND_TAG:
        return weights
    names = timm.list_pretrained(f"{model}.*") or timm.list_pretrained(model)
    tags = [name.partition(".")[2] for name in names]
    if weights == "imagenet" and tags:
        default: Any = timm.get_pretrained_cfg(model)
        return str(default.tag or "")
    tag = _TORCHVISION_TAG if weights == _TORCHVISION_NAME else weights
    if tag not in tags:
        known = ["imagenet", *filter(None, tags)] if tags else []
        if _TORCHVISION_TAG in tags or (model, _TORCHVISION_NAME) == _mobilenet_v2.MODEL_AND_TAG:
            known.insert(1, _TORCHVISION_NAME)
        raise WeightsError(
            f"{model} has no weights {weights!r}", hint=f"one of {', '.join(['none', *known])}, or a file"
        )
    return tag


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file by timm's names; torchvision's names of MobileNetV2 are translated.

    Raises:
        WeightsError: if it cannot be read as plain tensors, or holds other tensors than its name says.
    """
    from timm.models import load_state_dict

    _check_unpacked_size(path)
    try:
        state: dict[str, Tensor] = load_state_dict(str(path), weights_only=True)
        other = [name for name, value in state.items() if not hasattr(value, "shape")]
        size = path.stat().st_size
        oversized = [name for name, value in state.items() if name not in other and value.nbytes > size]
    except Exception as error:  # damaged or hostile files raise many types
        if is_out_of_memory(error):
            raise
        raise WeightsError(
            f"the weights cannot be read as plain tensors ({type(error).__name__})",
            where=str(path),
            hint="give a safetensors file, or a .pth that holds only tensors: other pickles can run code, "
            "and are not read",
        ) from error
    if other:
        raise WeightsError(
            f"the file holds more than tensors, such as {other[0]!r}",
            where=str(path),
            hint="save the model's state_dict() alone, or under the key state_dict",
        )
    if oversized:
        raise WeightsError(f"the tensor {oversized[0]!r} is larger than its file", where=str(path))
    state = _mobilenet_v2.to_timm(state)
    if path.name in _mobilenet_v2.FILES and content_digest(state) != _mobilenet_v2.CONTENT_SHA256:
        raise WeightsError(
            "these are not torchvision's ImageNet weights of MobileNetV2: the digest of the tensors differs",
            where=str(path),
            hint="remove the file to download it again, or rename it if it is intended",
        )
    return state


def _check_unpacked_size(path: Path) -> None:
    if path.suffix == ".safetensors" or not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except Exception:  # reported when the tensors are read
        return
    if unpacked > path.stat().st_size:  # torch does not compress: a zip bomb
        raise WeightsError(
            f"the file would unpack to {unpacked:,} bytes, more than its own size",
            where=str(path),
            hint="torch.save does not compress: save the state_dict() again",
        )


def content_digest(state: dict[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of the tensors."""
    import torch

    total = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        total.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        total.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _weights_file(weights: str) -> Path:
    path = Path(weights).absolute()
    if not path.is_file():
        hint = f"a path is relative to the recipe's folder, or to {home() / 'weights'}"
        raise WeightsError("there is no such weights file", where=str(path), hint=hint)
    return path


def _local_paths(model: str, tag: str) -> list[Path]:
    names = [f"{'.'.join(filter(None, (model, tag)))}{ending}" for ending in (".safetensors", ".pth")]
    if (model, tag) == _mobilenet_v2.MODEL_AND_TAG:
        names = list(_mobilenet_v2.FILES)
    return [home() / "weights" / name for name in names]


def _hub_id(model: str, tag: str) -> str | None:
    import timm

    cfg: Any = timm.get_pretrained_cfg(f"{model}.{tag}" if tag else model)
    return str(cfg.hf_hub_id) if cfg.hf_hub_id else None


def _in_hub_cache(model: str, tag: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    if (model, tag) == _mobilenet_v2.MODEL_AND_TAG or not (hub_id := _hub_id(model, tag)):
        return None
    cached = try_to_load_from_cache(hub_id, "model.safetensors")
    return Path(cached) if isinstance(cached, str) else None


def _from_hub(model: str, tag: str) -> Path:
    from huggingface_hub import constants, hf_hub_download

    if not (hub_id := _hub_id(model, tag)):
        raise FileNotFoundError("they are not on the Hugging Face hub")
    if not constants.HF_HUB_OFFLINE:
        _check_reachable(constants.ENDPOINT)  # the hub's client would retry for half a minute
    path = Path(hf_hub_download(hub_id, "model.safetensors", etag_timeout=5))
    expected = path.resolve().name  # the hub's cache names large files by their SHA-256
    if re.fullmatch(r"[0-9a-f]{64}", expected) and hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise WeightsError(
            "the downloaded weights are damaged", where=str(path), hint="remove the file, try again"
        )
    return path


def _check_reachable(url: str) -> None:
    try:
        open_url(url, 5, method="HEAD").close()
    except urllib.error.HTTPError:
        return
    except (urllib.error.URLError, ValueError) as error:
        raise OSError(f"{url} does not answer ({getattr(error, 'reason', error)})") from error
