"""Exportable module: pixels to probabilities in float32, with fused BatchNorms."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.nn import functional as F

from segkit.models.fuse_batchnorm import fuse_batchnorm
from segkit.training.probabilities import probabilities_of

if TYPE_CHECKING:
    from segkit.inference.export_metadata import ExportMetadata
    from segkit.models.segmenter import Segmenter

_EXAMPLES = 2  # torch.export would take a batch of 1 for a constant


class ExportGraph(nn.Module):
    """Module to export.

    Args:
        model: model whose weights are copied.
        metadata: input and output format.

    Shape:
        image: (B, C, H, W), as `ExportMetadata.input`.
        output: (B, K, H, W) float32, probabilities or logits.
    """

    mean: Tensor
    std: Tensor
    low: Tensor
    width: Tensor

    def __init__(self, model: Segmenter, metadata: ExportMetadata) -> None:
        super().__init__()
        self.metadata = metadata
        self.register_buffer("mean", model.mean.detach().float().cpu().clone())
        self.register_buffer("std", model.std.detach().float().cpu().clone())
        if metadata.info.range is not None:
            low, high = torch.tensor(metadata.info.range, dtype=torch.float32).T.reshape(2, 1, -1, 1, 1)
            self.register_buffer("low", low.contiguous())
            self.register_buffer("width", high - low)
        # Only the parts: neither cached features nor fused copies.
        parts = copy.deepcopy((model.encoder, model.decoder, model.head))
        self.net = _prepare(_Net(*parts, model.stages), metadata)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K, H, W)."""
        metadata, size = self.metadata, image.shape[-2:]
        if metadata.input == "pixels":
            image = image.float()
            if metadata.info.range is not None:
                image = 255 * ((image - self.low) / self.width).clamp(0, 1)
            image = (image - self.mean) / self.std
        logits: Tensor = self.net(image)[0]
        # With dynamic sizes, the exporter cannot compare them.
        if metadata.info.multiple or logits.shape[-2:] != size:
            logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        return logits if metadata.output == "logits" else probabilities_of(logits, metadata.info.task)


class EnsembleGraph(nn.Module):
    """Module to export: the mean of the probabilities of several models.

    Args:
        models: models whose weights are copied.
        metadata: input and output format; the output is probabilities.

    Shape:
        image: (B, C, H, W), as `ExportMetadata.input`.
        output: (B, K, H, W) float32.
    """

    def __init__(self, models: Sequence[Segmenter], metadata: ExportMetadata) -> None:
        super().__init__()
        self.members = nn.ModuleList([ExportGraph(model, metadata) for model in models])

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K, H, W)."""
        return torch.stack([member(image) for member in self.members]).mean(dim=0)


@torch.no_grad()
def export_program(graph: nn.Module, metadata: ExportMetadata) -> ExportedProgram:
    """Run torch.export with a dynamic batch size, and dynamic image sizes if the model supports them.

    The graph is in evaluation mode, on the CPU.

    Raises:
        Exception: of many classes, if the model's code depends on sizes in a way that torch cannot trace.
    """
    info = metadata.info
    dtype = torch.uint8 if metadata.takes_uint8 else torch.float32
    example = torch.zeros(_EXAMPLES, info.in_channels, *info.size, dtype=dtype)
    sides = {2: Dim.DYNAMIC, 3: Dim.DYNAMIC} if info.multiple else {}
    with suppress_output():
        program = torch.export.export(graph, (example,), dynamic_shapes=({0: Dim.DYNAMIC, **sides},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # contains folders of this machine
    return program


@contextmanager
def suppress_output() -> Iterator[None]:
    """Suppress the output, logs and warnings of exporters, which are for their developers."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class _Net(nn.Module):
    """Normalised image -> [logits at the decoder's resolution]; `fuse_batchnorm` expects a list of maps."""

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, head: nn.Module, stages: Sequence[int]
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.head, self.stages = encoder, decoder, head, tuple(stages)

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = self.encoder(image)
        return [self.head(self.decoder([maps[stage] for stage in self.stages]))]


def _prepare(net: nn.Module, metadata: ExportMetadata) -> nn.Module:
    net.requires_grad_(False)
    for module in net.modules():
        if getattr(module, "inplace", None) is True:  # the exporter needs minutes to remove these
            setattr(module, "inplace", False)  # noqa: B010  (modules declare no such attribute)
    net.to(device="cpu", dtype=torch.float32, memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    info = metadata.info
    noise = torch.rand(_EXAMPLES, info.in_channels, *info.size, generator=torch.Generator().manual_seed(0))
    return fuse_batchnorm(net, 4 * noise - 2) or net
