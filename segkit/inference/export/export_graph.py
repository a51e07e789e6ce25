"""A trained model as one plain module that can be exported: from pixels to probabilities, in float32."""

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

from segkit.inference.torch_network import probabilities_of
from segkit.models.fuse_batchnorm import fuse_batchnorm

if TYPE_CHECKING:
    from segkit.inference.export_metadata import Exported
    from segkit.models.segmenter import Segmenter

_IMAGES = 2  # of the example: what is seen with one image might be taken for a rule


class ExportGraph(nn.Module):
    """What is exported.

    Args:
        model: whose weights are copied.
        exported: what goes in and comes out.

    Shape:
        image: (B, C, H, W), uint8 pixels or normalised float32, as `exported` says.
        output: (B, K, H, W) float32, probabilities or logits, as `exported` says.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: Segmenter, exported: Exported) -> None:
        super().__init__()
        self.exported = exported
        self.register_buffer("mean", model.mean.detach().float().cpu().clone())
        self.register_buffer("std", model.std.detach().float().cpu().clone())
        # None of what the model keeps beside its parts comes along: no features, no folded copies.
        parts = copy.deepcopy((model.encoder, model.decoder, model.head))
        self.net = _lean(_Net(*parts, model.stages), exported)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K, H, W)."""
        told, size = self.exported, image.shape[-2:]
        if told.input == "pixels":
            image = (image.float() - self.mean) / self.std
        logits: Tensor = self.net(image)[0]
        # Of a size that is not known yet, nobody can tell whether the logits have it already.
        if told.facts.multiple or logits.shape[-2:] != size:
            logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        return logits if told.output == "logits" else probabilities_of(logits, told.facts.task)


@torch.no_grad()
def program_of(graph: nn.Module, exported: Exported) -> ExportedProgram:
    """The graph as torch exports it; of any number of images, and any size if the model takes more than one.

    Args:
        graph: in evaluation mode, on the CPU.
        exported: what goes in.

    Raises:
        Exception: of many classes, if the model's code looks at sizes in a way that torch cannot follow.
    """
    facts = exported.facts
    dtype = torch.uint8 if exported.input == "pixels" else torch.float32
    example = torch.zeros(_IMAGES, facts.channels, *facts.size, dtype=dtype)
    sides = {2: Dim.DYNAMIC, 3: Dim.DYNAMIC} if facts.multiple else {}
    with silenced():
        program = torch.export.export(graph, (example,), dynamic_shapes=({0: Dim.DYNAMIC, **sides},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it names the folders of this machine
    return program


@contextmanager
def silenced() -> Iterator[None]:
    """What exporters print, log and warn of is for those who write them."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class _Net(nn.Module):
    """Normalised image -> logits at the decoder's scale, in a list, as `fuse_batchnorm` wants maps."""

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, head: nn.Module, stages: Sequence[int]
    ) -> None:
        super().__init__()
        self.encoder, self.decoder, self.head, self.stages = encoder, decoder, head, tuple(stages)

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = self.encoder(image)
        return [self.head(self.decoder([maps[stage] for stage in self.stages]))]


def _lean(net: nn.Module, exported: Exported) -> nn.Module:
    """In evaluation mode, on the CPU, in float32, with BatchNorms folded where that changes nothing."""
    net.requires_grad_(False)
    for module in net.modules():
        if getattr(module, "inplace", None) is True:  # to undo that takes the exporter minutes
            setattr(module, "inplace", False)  # noqa: B010  (modules declare no such attribute)
    net.to(device="cpu", dtype=torch.float32, memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    facts = exported.facts
    noise = torch.rand(_IMAGES, facts.channels, *facts.size, generator=torch.Generator().manual_seed(0))
    return fuse_batchnorm(net, 4 * noise - 2) or net
