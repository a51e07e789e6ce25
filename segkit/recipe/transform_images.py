"""Which images the transforms of a recipe take: types and numbers of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segkit.core.errors import Problem
from segkit.core.registry import TRANSFORMS
from segkit.core.signature import Entry
from segkit.recipe.image_settings import keeps_eight_bits
from segkit.recipe.type_names import either

if TYPE_CHECKING:
    from segkit.recipe.data_settings import DataSettings


_CROP = "data.fit: crop trains on random windows of data.size"
_SIZE = "data.size and data.fit say how images come to the model's size"
_INSTEAD = {
    "crop": _CROP, "centercrop": _CROP, "randomcrop": _CROP,
    "cropnonemptymaskifexists": f"{_CROP}, and crop.foreground says how many of them hold foreground",
    "randomscale": "Affine with scale, such as [0.8, 1.25], keeps the size",
    "mixup": "CutMix: masks hold classes, not shares of classes",
    "resize": _SIZE, "longestmaxsize": _SIZE, "smallestmaxsize": _SIZE, "pad": _SIZE, "padifneeded": _SIZE,
    "normalize": "leave it out: data.normalize and data.range say what the model gets",
    "totensorv2": "leave it out: images become tensors after all transforms",
}  # fmt: skip


def instead_of(name: str) -> str:
    """What to use instead of a transform of other libraries that segkit leaves out; empty if nothing."""
    return _INSTEAD.get(name.lower().replace("_", ""), "")


def order_warnings(data: DataSettings) -> list[str]:
    """Warnings about transforms of several images behind others, which change only one of the images."""
    warnings, first = [], ""
    for part in data.augment:
        entry = TRANSFORMS.get(part.name)
        assert entry is not None, f"transform {part.name} was checked before"
        if not entry.traits["others"]:
            first = first or part.name
        elif first:
            warnings.append(
                f"data.augment: {part.name} stands behind {first}, which does not change the other images "
                f"that {part.name} takes. List {part.name} first."
            )
    return warnings


def images_in_words(entry: Entry) -> str:
    """Images that a transform takes, such as "uint8 or float32, 1 or 3 channels; with 3 other samples"."""
    numbers = entry.traits["channels"]
    if isinstance(numbers, range):
        channels = f"{numbers.start} or more"
    else:
        channels = either([*map(str, numbers)]) if numbers else "any number of"
    others = entry.traits["others"]
    more = f"; with {others} other {'sample' if others == 1 else 'samples'}" if others else ""
    return f"{either([*entry.traits['types']])}, {channels} channels{more}"


def transform_problems(data: DataSettings, dtype: str = "") -> dict[int, Problem]:
    """Problems of transforms that do not take the images of a recipe, by index in `data.augment`.

    Args:
        data: settings of the data; channels that are not known yet are not compared.
        dtype: type of the images as transforms get them; by default float32 where the range makes it so.
    """
    is_known = data.channels != "auto" or data.bands
    dtype = dtype or ("" if keeps_eight_bits(data.range) else "float32")
    problems: dict[int, Problem] = {}
    for number, part in enumerate(data.augment):
        entry = TRANSFORMS.get(part.name)
        assert entry is not None, f"transform {part.name} was checked before"
        channels = entry.traits["channels"]
        found = []
        if is_known and channels and data.in_channels not in channels:
            found.append("1 channel" if data.in_channels == 1 else f"{data.in_channels} channels")
        if dtype and dtype not in entry.traits["types"]:
            found.append(dtype)
        if found:
            problems[number] = Problem(
                f"{part.name} takes images of {images_in_words(entry)}; found {', '.join(found)}",
                path=f"data.augment.{number}",
                hint="another transform; images are uint8 if they have 8 bits and the range 0 to 255, "
                "else float32",
            )
    return problems
