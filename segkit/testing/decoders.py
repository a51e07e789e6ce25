"""Contract checks of decoders."""

from __future__ import annotations

from functools import lru_cache, partial

import torch
from torch import Tensor

from segkit.core.types import Pyramid
from segkit.models.segmenter import select_stages
from segkit.testing.check import Subject, accepted_cases, require
from segkit.testing.modules import MODULE_CHECKS, SIZES, ModuleCase, Size, backward, differ

# As of residual networks, of four-stage networks and of plain vision transformers.
_PYRAMIDS = (
    Pyramid(channels=(16, 24, 32, 48, 64), reductions=(2, 4, 8, 16, 32)),
    Pyramid(channels=(24, 32, 48, 64), reductions=(4, 8, 16, 32)),
    Pyramid(channels=(64, 64, 64, 64), reductions=(16, 16, 16, 16)),
)


@lru_cache(maxsize=1)  # all checks of a part run in a row
def cases(subject: Subject, device: str = "cpu") -> list[ModuleCase]:
    """A case for each pyramid that the decoder accepts."""
    return accepted_cases("pyramid", partial(_case, subject, device), zip(_PYRAMIDS, strict=True))


def _case(subject: Subject, device: str, pyramid: Pyramid) -> ModuleCase:
    stages = select_stages(subject.entry.traits["features"], len(pyramid))
    channels, reductions = ([values[i] for i in stages] for values in (pyramid.channels, pyramid.reductions))

    def maps(batch_size: int, size: Size) -> list[Tensor]:
        noise = torch.Generator().manual_seed(0)
        shapes = [(c, -(-size[0] // r), -(-size[1] // r)) for c, r in zip(channels, reductions, strict=True)]
        return [torch.randn(batch_size, *shape, generator=noise) for shape in shapes]

    label = f"maps of reductions {', '.join(map(str, reductions))}"
    selected = Pyramid(tuple(channels), tuple(reductions))
    return ModuleCase(subject, selected, label, maps, (*SIZES, (128, 256)), device)


def output_shape_fits_the_image(case: ModuleCase) -> None:
    """The head is built for a fixed number of channels, and logits are resized to the image."""
    channels = {size: shape[1] for size, [shape] in case.shapes.items()}
    counts = ", ".join(f"{count} at {height}x{width}" for (height, width), count in channels.items())
    hint = "compute the number of channels from the options and the pyramid only"
    require(len(set(channels.values())) == 1, f"its output channels are {counts}", hint)
    for (height, width), [(_, _, rows, columns)] in case.shapes.items():
        down, across = height / rows, width / columns
        valid = 2 / 3 <= down / across <= 3 / 2 and min(down, across) >= 1 / 4
        hint = "return a map with the aspect ratio of the image that is not larger than the image"
        require(valid, f"for an image of {height}x{width} its output is {rows}x{columns}", hint)


def gradients_reach_every_map_that_it_uses(case: ModuleCase) -> None:
    """The encoder learns through these maps."""
    module, maps = case.build().eval(), [feature.requires_grad_() for feature in case.batch()]
    output = case.run(module, [feature.clone() for feature in maps])
    backward(output)
    missing = [stage for stage, feature in enumerate(maps) if feature.grad is None or not feature.grad.any()]
    for stage in missing:
        changed = [feature.detach() for feature in maps]
        changed[stage] = changed[stage] + torch.randn(changed[stage].shape)
        unused = not differ([feature.detach() for feature in output], case.evaluate(module, changed))
        problem = f"map {stage} (from 0) changes the output but gets no gradient"
        require(unused, problem, "remove detach() and torch.no_grad()")
    require(len(missing) < len(maps), "its output is the same for all inputs", "use the maps")


CHECKS = (output_shape_fits_the_image, gradients_reach_every_map_that_it_uses, *MODULE_CHECKS)
