"""Augmentation: the transforms of albumentations.

Names and options are read from albumentations' source files, as importing it takes seconds. OpenCV's
constants are written as words: ``border_mode: BORDER_REFLECT``. Pixels from outside the image are 0 in the
mask, the background of most tasks; a reflecting `border_mode` gives labelled pixels instead.
"""

from __future__ import annotations

import ast
import importlib.util
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BeforeValidator, Field

from segkit.core.registry import REQUIRED, TRANSFORMS, Entry, Option, first_paragraph, meanings_of
from segkit.core.signature import arguments_of

# Excluded: transforms of boxes, several images, volumes or code, which a recipe cannot give; of size or value
# range, which segkit sets; those that grow labels (Morphological); base classes.
_EXCLUDED = re.compile(
    r"^_|^Base|Base[A-Z]|BBox|3D$|Cubic|Mosaic|Overlay|FDA|HistogramMatching|PixelDistribution|TextImage"
    r"|MaskDropout|MaskIfExists|Masking$|^Time|Lambda|Normalize|FromFloat|ToFloat|^ToRGB$|HEStain|Morphological"
    r"|^(Dual|ImageOnly|MaxSize|NoOp|Pad|Transform)|^(Center|Random)?Crop$|^RandomScale$|MaxSize$|^Resize$"
    r"|^RandomCropFrom"
)
_CLASS = re.compile(r"^class (\w+)\((\w+)[^)]*\):\n(?:(?!^\S).*\n)*", re.MULTILINE)
_ROOTS = ("DualTransform", "ImageOnlyTransform")
_HIDDEN_OPTIONS = (
    "self",
    # they would blend masks, or fill them with a class
    *("mask_interpolation", "fill_mask", "mask_drop_value", "area_for_downscale"),
    # options for boxes and keypoints
    *("rotate_method", "keypoint_remapping_method", "bbox_labels"),
    # an array or a function for Equalize
    *("mask", "mask_params"),
    "plasma_size",  # unused by albumentations
)
_REQUIRED = {("ConstrainedCoarseDropout", "mask_indices")}  # without it, the transform does nothing
# Where the documentation is silent or wrong; the tests try all.
_CHANNELS: dict[str, Sequence[int]] = {
    "ChannelDropout": range(2, 1025), "HueSaturationValue": (1, 3), "RGBShift": (1, 3), "RandomSnow": (3,),
    "Spatter": (3,), "ToGray": (1, 3),
}  # fmt: skip
_TYPES = {"GridElasticDeform": ("uint8",)}  # float32 becomes NaN
_Probability = Annotated[float, Field(ge=0, le=1)]
_COMMON = {
    "p": "probability of applying the transform",
    "border_mode": "extrapolation outside the image",
    "fill": "value outside the image",
}


@dataclass(frozen=True)
class _Class:  # a class of albumentations, as source text
    name: str
    base: str
    text: str
    where: str


class AlbumentationsFamily:
    """The transforms of the installed albumentations; see `segkit.core.registry.Family`."""

    title = "albumentations transforms"

    def names(self) -> Iterable[str]:
        """All transforms of one image and its mask."""
        return [name for name in _classes() if not _EXCLUDED.search(name) and _is_transform(name)]

    def entry(self, name: str) -> Entry | None:
        """The transform with that name, or None."""
        if name not in self.names():
            return None
        source = _classes()[name]
        documentation = ast.get_docstring(_parse(source)) or ""
        return Entry(
            kind=TRANSFORMS.kind,
            name=name,
            factory=partial(_build, name),
            options={option.name: option for option in _options(name, meanings_of(documentation))},
            summary=_first_sentence(first_paragraph(documentation)),
            where=source.where,
            traits={
                **TRANSFORMS.traits,
                "channels": _channels(name, documentation),
                "types": _types(name, documentation),
            },
        )


TRANSFORMS.families.append(AlbumentationsFamily())


def _build(name: str, **options: Any) -> Any:
    from segkit.parts.transforms._albumentations_transforms import AlbumentationsTransform

    return AlbumentationsTransform(name, options)


@cache
def _classes() -> dict[str, _Class]:
    spec = importlib.util.find_spec("albumentations")
    if spec is None or spec.origin is None:
        return {}
    classes = {}
    for file in sorted(Path(spec.origin).parent.glob("augmentations/**/*.py")):
        text = file.read_text(encoding="utf-8")
        for match in _CLASS.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            classes[match[1]] = _Class(match[1], match[2], match[0], f"{file}:{line}")
    return classes


def _is_transform(name: str) -> bool:
    while (source := _classes().get(name)) is not None:
        name = source.base
    return name in _ROOTS


def _channels(name: str, documentation: str) -> Sequence[int]:
    """Numbers of channels that a transform takes; empty for any."""
    stated = re.search(r"Number of channels:\s*([\d, ]+)", documentation)
    return _CHANNELS.get(name) or (tuple(map(int, re.findall(r"\d+", stated[1]))) if stated else ())


def _types(name: str, documentation: str) -> tuple[str, ...]:
    stated = re.search(r"Image types:\s*([\w, ]+)", documentation)
    return _TYPES.get(name) or (tuple(re.findall(r"\w+", stated[1])) if stated else ("uint8", "float32"))


def _parse(source: _Class) -> ast.ClassDef:
    tree = ast.parse(source.text).body[0]
    assert isinstance(tree, ast.ClassDef)
    return tree


def _options(name: str, meanings: dict[str, str]) -> Iterator[Option]:
    source = _classes().get(name)
    if source is None:
        yield Option("p", _Probability, 0.5, _COMMON["p"])
        return
    init = next((node for node in _parse(source).body if getattr(node, "name", "") == "__init__"), None)
    if not isinstance(init, ast.FunctionDef):
        yield from _options(source.base, meanings)
        return
    for argument, default in arguments_of(init):
        if argument.arg not in _HIDDEN_OPTIONS:
            required = default is None or (name, argument.arg) in _REQUIRED
            value = REQUIRED if required else _evaluate(default, None)
            meaning = meanings.get(argument.arg) or _COMMON.get(argument.arg, "")
            annotation = _annotation(argument.annotation, value) if argument.arg != "p" else _Probability
            yield Option(argument.arg, annotation, value, _first_sentence(meaning))


def _annotation(expression: ast.expr | None, default: Any) -> Any:
    annotation = _evaluate(expression, Any)
    if annotation is Any:
        return Any
    if isinstance(default, str) and annotation is int:  # name of an OpenCV constant
        annotation = int | str
    if default is None:
        annotation = annotation | None
    if sum(get_origin(choice) is tuple for choice in get_args(annotation)) > 1:
        # (10, 20) are pixels, (0.1, 0.2) fractions: pydantic distinguishes tuples by items, not lists.
        return Annotated[annotation, BeforeValidator(_as_tuple)]
    return annotation


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _first_sentence(text: str) -> str:
    first = re.split(r"(?<!e\.g\.)(?<!i\.e\.)(?<=\.)\s|\s[-*]\s|\s\(?Default:", text, maxsplit=1)[0]
    return first.rstrip(".: ").replace("``", "").replace("**", "").replace("cv2.", "")


class _ConstantNames:  # replaces cv2: each constant is its own name
    def __getattr__(self, name: str) -> str:
        return name


def _evaluate(expression: ast.expr | None, fallback: Any) -> Any:
    names = {"Literal": Literal, "Sequence": Sequence, "Any": Any, "cv2": _ConstantNames(), "np": math}
    if expression is None:
        return fallback
    try:
        return eval(ast.unparse(expression), names)
    except Exception:  # types of numpy or albumentations; albumentations checks such values
        return fallback
