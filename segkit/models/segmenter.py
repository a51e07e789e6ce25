"""The model: pixels in, logits out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.core.errors import ShapeError
from segkit.models.feature_cache import FeatureCache
from segkit.models.fuse_batchnorm import fuse_batchnorm


class Segmenter(nn.Module):
    """Normalisation, encoder, decoder and head.

    A frozen encoder stays in evaluation mode whatever mode the model is in, so that no BatchNorm statistic
    moves and no dropout or drop-path is active in it, and runs without autograd, by a copy of it whose
    BatchNorms are folded into its convolutions.

    Args:
        encoder: see `segkit.core.types.Encoder`.
        decoder: see `segkit.core.types.Decoder`.
        head: decoder's map -> logits at the decoder's scale.
        stages: which of the encoder's maps reach the decoder, by index.
        mean: per channel, for pixels in 0..1.
        std: per channel, for pixels in 0..1.
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
        self._lean: list[nn.Module] = []  # in a list, so that it is no part of the model's state
        self._folded_from = 0
        self._tensors: list[Tensor] = []  # of the encoder; to look for them takes longer than some layers
        self.memory: FeatureCache | None = None
        self.remembers_training = False
        self.train(self.training)

    def train(self, mode: bool = True) -> Segmenter:
        """Training or evaluation mode; a frozen encoder is always in evaluation mode."""
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
        """The encoder's maps that reach the decoder, finest first."""
        if not self.frozen:
            return self._encode(self.encoder, image)
        if torch.compiler.is_compiling() or image.is_meta:
            with torch.no_grad():
                return self._encode(self.encoder, image)
        # What is kept must serve in training too, whoever asked for it first.
        with torch.inference_mode(mode=False), torch.no_grad():
            encode = partial(self._encode, self._lean_encoder(image))
            if self.memory is None or not self._remembers(image):
                return encode(image)
            return self.memory.maps(image, encode)

    def enable_feature_cache(self, *, training: bool = False) -> None:
        """Keep what a frozen encoder says of an image that is scored, or trained on, for the next time.

        Only on a CPU, where looking an image up is so much cheaper than encoding it.

        Args:
            training: whether training images come again too; augmentation rarely makes the same twice.
        """
        if self.frozen and self.memory is None:
            self.memory = FeatureCache()
        self.remembers_training |= training

    def _remembers(self, image: Tensor) -> bool:
        comes_again = self.remembers_training or not self.training
        return comes_again and image.device.type == "cpu" and image.dtype == torch.uint8

    def _encode(self, encoder: nn.Module, image: Tensor) -> list[Tensor]:
        maps = encoder((image - self.mean) / self.std)
        return [maps[stage] for stage in self.stages]

    def _lean_encoder(self, image: Tensor) -> nn.Module:
        """The encoder with folded BatchNorms, made anew when its weights have been replaced or moved."""
        self._tensors = self._tensors or [*self.encoder.parameters(), *self.encoder.buffers()]
        now = sum(tensor._version for tensor in self._tensors)  # goes up with every change in place
        if not self._lean or self._folded_from != now:
            with torch.autocast(image.device.type, enabled=False):
                self._lean = [
                    fuse_batchnorm(self.encoder, (image[:2] - self.mean) / self.std) or self.encoder
                ]
            self._folded_from = now
            if self.memory is not None:
                self.memory.forget()
        return self._lean[0]

    def _apply(self, *given: Any, **named: Any) -> Any:
        """Whatever moves or converts the model, tensors are others then."""
        self._tensors, self._lean = [], []
        return super()._apply(*given, **named)  # type: ignore[no-untyped-call]

    def load_state_dict(self, *given: Any, **named: Any) -> Any:
        """As that of any module, which may put new tensors into the place of the former ones."""
        self._tensors, self._lean = [], []
        return super().load_state_dict(*given, **named)

    def parameter_groups(self, encoder_lr_factor: float) -> list[dict[str, object]]:
        """Trainable parameters for the optimiser: the encoder's with their learning-rate factor.

        Biases and normalisation weights (all that is one-dimensional) are not decayed, as is usual.
        """
        groups: list[dict[str, object]] = []
        parts = {1.0: [self.decoder, self.head]}
        parts.setdefault(encoder_lr_factor, []).append(self.encoder)
        for factor, modules in parts.items():
            learning = [p for module in modules for p in module.parameters() if p.requires_grad]
            for decay in (True, False):
                chosen = [parameter for parameter in learning if (parameter.ndim > 1) is decay]
                if chosen:
                    groups.append({"params": chosen, "lr_factor": factor, "decay": decay})
        return groups


def head_for(channels: int, outputs: int) -> nn.Module:
    """The head: one 3x3 convolution to the logits."""
    return nn.Conv2d(channels, outputs, kernel_size=3, padding=1)


def digest(module: nn.Module) -> str:
    """SHA-256 over names and bytes of all that `state_dict` keeps: equal exactly when nothing changed."""
    total = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        total.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def select_stages(features: str | list[int], count: int) -> list[int]:
    """Stage numbers from what a recipe says of `features`, finest first.

    Args:
        features: "last", "all", or numbers; negative ones count from the end.
        count: how many stages the encoder has.

    Raises:
        ShapeError: for a stage that is not there, or is listed twice.
    """
    if features == "last":
        return [count - 1]
    if features == "all":
        return list(range(count))
    assert isinstance(features, list)
    chosen = [stage + count if stage < 0 else stage for stage in features]
    if any(not 0 <= stage < count for stage in chosen) or len(set(chosen)) < len(chosen):
        raise ShapeError(
            f"model.encoder.features: {features} does not name stages of this encoder, each once",
            hint=f"it has the stages 0 (finest) to {count - 1}",
        )
    return sorted(chosen)
