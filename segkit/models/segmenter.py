"""Segmentation model: normalisation, encoder, decoder and head."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.core.errors import ShapeError
from segkit.core.types import ParameterGroups
from segkit.models.feature_cache import ENCODE_BATCH_SIZE, FeatureCache
from segkit.models.fuse_batchnorm import fuse_batchnorm


class Segmenter(nn.Module):
    """Normalisation, encoder, decoder and head.

    A frozen encoder is always in evaluation mode and runs without autograd, as a copy with fused BatchNorms.

    Args:
        encoder: see `segkit.core.types.Encoder`.
        decoder: see `segkit.core.types.Decoder`.
        head: decoder output -> logits at the decoder's scale.
        stages: indices of the encoder's maps that are passed to the decoder.
        mean: mean per channel, for pixels in 0..1.
        std: standard deviation per channel, for pixels in 0..1.
        frozen: whether the encoder is frozen.

    Shape:
        image: (B, C, H, W), pixels in 0..255, uint8 or floating.
        output: logits (B, K, H, W).
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        head: nn.Module,
        *,
        stages: Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        frozen: bool,
    ) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False) if frozen else encoder
        self.decoder = decoder
        self.head = head
        self.stages = tuple(stages)
        self.frozen = frozen
        self.register_buffer("mean", 255 * torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1))
        self._fused: list[nn.Module] = []  # a list, as an attribute would be part of the state dict
        self._fused_version = 0
        self._tensors: list[Tensor] = []  # of the encoder; collecting them takes longer than some layers
        self.feature_cache: FeatureCache | None = None
        self.caches_training = False
        self.train(self.training)

    def train(self, mode: bool = True) -> Segmenter:
        """Set training or evaluation mode; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) pixels -> logits (B, K, H, W)."""
        logits: Tensor = self.head(self.decoder(self.features(image)))
        if logits.shape[-2:] != image.shape[-2:]:
            logits = F.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=False)
        return logits

    def features(self, image: Tensor) -> list[Tensor]:
        """Input maps of the decoder, finest first."""
        if not self.frozen:
            return self._encode(self.encoder, image)
        if torch.compiler.is_compiling() or image.is_meta:
            with torch.no_grad():
                return self._encode(self.encoder, image)
        # Cached maps are used in training too, where inference tensors are not allowed.
        with torch.inference_mode(mode=False), torch.no_grad():
            encode = partial(self._encode, self._fused_encoder(image))
            if self.feature_cache is None or not self._is_cacheable(image):
                return encode(image)
            return self.feature_cache.features(image, encode)

    def enable_feature_cache(self, *, training: bool = False, at_once: int = ENCODE_BATCH_SIZE) -> None:
        """Cache the features of a frozen encoder on a CPU, where encoding is much slower than a lookup.

        Args:
            training: whether training images are cached too; useless with augmentation.
            at_once: number of images that are encoded together.
        """
        if self.frozen and self.feature_cache is None:
            self.feature_cache = FeatureCache(at_once=at_once)
        self.caches_training |= training

    def stop_caching(self) -> None:
        """Free cached features and cache no more; features stay the same to the last digit."""
        if self.feature_cache is not None:
            self.feature_cache = FeatureCache(0, self.feature_cache.at_once)

    def _is_cacheable(self, image: Tensor) -> bool:
        repeats = self.caches_training or not self.training
        return repeats and image.device.type == "cpu" and image.dtype in (torch.uint8, torch.float32)

    def _encode(self, encoder: nn.Module, image: Tensor) -> list[Tensor]:
        maps = encoder((image - self.mean) / self.std)
        return [maps[stage] for stage in self.stages]

    def _fused_encoder(self, image: Tensor) -> nn.Module:
        self._tensors = self._tensors or [*self.encoder.parameters(), *self.encoder.buffers()]
        version = sum(tensor._version for tensor in self._tensors)  # changes with every in-place update
        if not self._fused or self._fused_version != version:
            with torch.autocast(image.device.type, enabled=False):
                pixels = (image[:2] - self.mean) / self.std
                self._fused = [fuse_batchnorm(self.encoder, pixels) or self.encoder]
            self._fused_version = version
            if self.feature_cache is not None:
                self.feature_cache.clear()
        return self._fused[0]

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        self._tensors, self._fused = [], []  # moving or converting a module may replace its tensors
        return super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load a state dict like any module."""
        self._tensors, self._fused = [], []  # assign=True replaces the tensors
        return super().load_state_dict(*args, **kwargs)

    def parameter_groups(self, encoder_lr_factor: float) -> ParameterGroups:
        """Trainable parameters for the optimiser, by learning-rate factor and weight decay.

        Biases and normalisation weights (one-dimensional parameters) have no weight decay, as is usual.
        """
        groups: ParameterGroups = []
        parts = {1.0: [self.decoder, self.head]}
        parts.setdefault(encoder_lr_factor, []).append(self.encoder)
        for factor, modules in parts.items():
            trainable = [p for module in modules for p in module.parameters() if p.requires_grad]
            for decay in (True, False):
                if params := [parameter for parameter in trainable if (parameter.ndim > 1) is decay]:
                    groups.append({"params": params, "lr_factor": factor, "decay": decay})
        return groups


def make_head(channels: int, outputs: int) -> nn.Module:
    """A 3x3 convolution to the logits."""
    return nn.Conv2d(channels, outputs, kernel_size=3, padding=1)


def digest(module: nn.Module) -> str:
    """SHA-256 of names and bytes of a module's state dict."""
    total = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        total.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def select_stages(features: str | list[int], count: int) -> list[int]:
    """Stage indices of the option `features`, finest first.

    Args:
        features: "last", "all", or a list of indices; negative ones count from the end.
        count: number of stages of the encoder.

    Raises:
        ShapeError: if an index is out of range or repeated.
    """
    if features == "last":
        return [count - 1]
    if features == "all":
        return list(range(count))
    assert isinstance(features, list)
    indices = [stage + count if stage < 0 else stage for stage in features]
    if any(not 0 <= stage < count for stage in indices) or len(set(indices)) < len(indices):
        raise ShapeError(
            f"model.encoder.features: {features} are not different stages of this encoder",
            hint=f"it has the stages 0 (finest) to {count - 1}",
        )
    return sorted(indices)
