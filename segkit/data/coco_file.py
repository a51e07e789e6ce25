"""Annotation files in COCO's format."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from unicodedata import normalize

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from segkit.core.errors import DataError, Problem
from segkit.data.image_files import without_ending
from segkit.data.image_folder import ImageFolder
from segkit.data.outlines import Faults, Outline, OutlinedImage, as_data_error
from segkit.data.polygons import Extent, Points
from segkit.utils.json_arrays import read_json_arrays

_Id = int | str
_SHAPES = "polygons [[x, y, x, y, ...]] or a run-length code {size: [height, width], counts: ...}"


@dataclass(frozen=True)
class CocoFile:
    """Images, category names and annotations of a file; `faults` are entries that are left out."""

    file: Path
    images: dict[_Id, CocoImage] = field(default_factory=dict)
    categories: dict[_Id, str] = field(default_factory=dict)
    annotations: dict[_Id, CocoAnnotation] = field(default_factory=dict)
    faults: Faults = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "faults", Faults(self.file))


class CocoShape(NamedTuple):
    """Polygons or a run-length code."""

    polygons: tuple[Points, ...] = ()
    runs: tuple[str | Sequence[int], Extent] | None = None
    flat: bool = False  # whether parts of one or two corners were left out


class CocoImage(NamedTuple):
    """An image."""

    file_name: str
    extent: Extent | None


class CocoAnnotation(NamedTuple):
    """An object of an image."""

    image: _Id
    category: _Id
    shape: CocoShape
    crowd: bool


def read_coco(file: Path) -> CocoFile:
    """Read an annotation file, item by item.

    Raises:
        DataError: if it is missing, too large, or of another format.
    """
    content = CocoFile(file)
    with as_data_error():
        for key, item in read_json_arrays(file, _ITEMS):
            known: dict[_Id, Any] = getattr(content, key)
            if item.id in known:
                content.faults.add(f"{_ONE[key]} {item.id}", "the id is there twice", "give each its own id")
            known[item.id] = item.content()
    if not content.images or not content.categories:
        problem = f"no {'categories' if content.images else 'images'} are listed"
        hint = "an annotation file of COCO's format has images, annotations and categories"
        raise DataError(problem, where=str(file), hint=hint, kind="labels")
    return content


def outlined_images(
    content: CocoFile, folder: ImageFolder
) -> tuple[list[OutlinedImage], list[Problem], list[Problem]]:
    """Images with their objects, problems, and warnings."""
    faults, missing, flat = content.faults, Faults(content.file), Faults(content.file)
    outlines: dict[_Id, list[Outline]] = defaultdict(list)
    for number, (image, category, shape, crowd) in content.annotations.items():
        place = f"annotation {number}"
        if image not in content.images:
            faults.add(place, f"there is no image {image}", "add it to images, or remove the annotation")
        elif category not in content.categories:
            faults.add(place, f"there is no category {category}", "add it to categories")
        elif shape.polygons or shape.runs:
            name = content.categories[category]
            outlines[image].append(Outline(name, place, shape.polygons, shape.runs, crowd))
        elif not shape.flat:
            hint = (
                "outline it, or remove the annotation; a box does not say which pixels belong to the object"
            )
            faults.add(place, "it has no segmentation", hint)
        if shape.flat:
            flat.add(place, "a polygon of fewer than three corners covers no pixel")
    images = []
    names: dict[str, _Id] = {}
    for number, (file_name, extent) in content.images.items():
        name = normalize("NFC", without_ending(file_name.replace("\\", "/")))
        path, problem, hint = folder.find(file_name)
        if name in names:
            faults.add(f"images {names[name]} and {number}", "they have the same name", file_name)
        elif problem:
            missing.add(file_name, problem, hint)
        else:
            place = f"image {number}"
            images.append(
                OutlinedImage(name, path, content.file, outlines[number], extent=extent, place=place)
            )
        names[name] = number
    return images, [*faults.problems(), *missing.problems("missing")], flat.problems()


class _Item(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)
    id: _Id


class _Image(_Item):
    file_name: str
    width: Annotated[int, Field(gt=0)] | None = None
    height: Annotated[int, Field(gt=0)] | None = None

    def content(self) -> CocoImage:
        return CocoImage(self.file_name, (self.height, self.width) if self.height and self.width else None)


class _Category(_Item):
    name: str

    def content(self) -> str:
        return self.name


class _Rle(BaseModel):
    size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    counts: str | list[Annotated[int, Field(ge=0, lt=2**31)]]


_POLYGONS = TypeAdapter(list[list[float]], config=ConfigDict(allow_inf_nan=False))


def _shape(value: Any) -> CocoShape:
    try:
        if isinstance(value, dict):
            code = _Rle.model_validate(value)
            return CocoShape(runs=(code.counts, code.size))
        polygons = [np.array(part) for part in _POLYGONS.validate_python(value or [])]
    except ValidationError:
        raise ValueError(f"it must be {_SHAPES}") from None
    if any(len(part) % 2 for part in polygons):
        raise ValueError("a polygon has an odd number of coordinates")
    parts = tuple(part.reshape(-1, 2) for part in polygons if len(part) >= 6)
    return CocoShape(parts, flat=len(parts) < len(polygons))


class _Annotation(_Item):
    image_id: _Id
    category_id: _Id
    segmentation: Annotated[Any, AfterValidator(_shape)] = CocoShape()
    iscrowd: bool | int | None = False

    def content(self) -> CocoAnnotation:
        return CocoAnnotation(self.image_id, self.category_id, self.segmentation, bool(self.iscrowd))


_ONE = {"images": "image", "annotations": "annotation", "categories": "category"}
_ITEMS: dict[str, type[_Image | _Category | _Annotation]] = {
    "images": _Image, "annotations": _Annotation, "categories": _Category,
}  # fmt: skip
