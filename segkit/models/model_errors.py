"""Errors of models that do not fit together or violate the contracts of their parts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from segkit.core.errors import PartError, SegkitError, ShapeError, first_line, line_at_fault
from segkit.models.meta_model import MetaModel, WrongChannelsError
from segkit.recipe import entry_for
from segkit.recipe.build import try_alone

if TYPE_CHECKING:
    from segkit.recipe.data_settings import DataSettings
    from segkit.recipe.schema import ModelSettings

ONE_MAP = "return one map (B, C, h, w), with the same C, h and w for every batch, in training and evaluation"
_MULTIPLES = (8, 16, 32, 64, 128)  # common size multiples


def model_error(model: ModelSettings, data: DataSettings, meta: MetaModel, error: Exception) -> SegkitError:
    """Error for a model that does not run at the recipe's size; suggests a similar size that works."""
    problem = f"{model.decoder.name} on {model.encoder.name} does not work on images of {sides(data.size)}"
    where = "" if isinstance(error, SegkitError) else plugin_line(error, model)
    if where:  # for the author of the plugin
        problem += f": {message_of(error)}"
    for size in _similar_sizes(data.size, meta):
        try:
            meta(*size)
        except Exception as other:
            error = other  # of the encoder's own size at last: then its reason is not the size
            continue
        return ShapeError(problem, where=where, hint=f"data.size: [{size[0]}, {size[1]}] works")
    if isinstance(error, WrongChannelsError):
        return _channels_error(model, meta, error)
    hint = error.problems[0].hint if isinstance(error, SegkitError) else ""
    if where:
        return PartError(problem, where=where, hint=hint or try_alone())
    return ShapeError(f"{problem} or similar sizes: {message_of(error)}", hint=hint)


def _similar_sizes(size: tuple[int, int], meta: MetaModel) -> Iterator[tuple[int, int]]:
    for multiple in size_multiples(meta):
        for rounded in (round, math.ceil):
            height, width = (max(1, rounded(side / multiple)) * multiple for side in size)
            yield height, width
    if own := getattr(meta.encoder, "default_size", None):
        yield own


def size_multiples(meta: MetaModel) -> list[int]:
    """Numbers that image sizes may have to be multiples of."""
    return sorted({*_MULTIPLES, *meta.encoder.pyramid.reductions})


def _channels_error(model: ModelSettings, meta: MetaModel, error: WrongChannelsError) -> PartError:
    where = plugin_line(error, model)
    for part, module in ((model.decoder, meta.decoder), (model.encoder, meta.encoder)):
        for name, layer in module.named_modules():
            if layer is error.layer:
                problem = f"{part.kind} {part.name!r}: its layer {name or 'itself'}, {error}"
                given = "pyramid.channels" if part is model.decoder else "in_channels"
                hint = f"the layer gets the channels of the layer before it, or those of {given}"
                return PartError(problem, where=where, hint=hint)
    return PartError(f"a layer of the model, {error}", where=where, hint=try_alone())


def plugin_line(error: Exception, model: ModelSettings) -> str:
    """The failing line of a plugin; empty for built-in parts, whose files are not at fault."""
    for part in (model.decoder, model.encoder):
        defined = entry_for(part).where
        if (line := line_at_fault(error, defined)) != defined:
            return line
    return ""


def message_of(error: Exception) -> str:
    """An error's first problem, or first line."""
    return error.problems[0].problem if isinstance(error, SegkitError) else first_line(error)


def sides(shape: tuple[int, ...]) -> str:
    """A shape as text: ``128x96``."""
    return "x".join(map(str, shape))
