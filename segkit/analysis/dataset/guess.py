"""A recognised data set: the lines of a recipe that read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from segkit.analysis.dataset.dataset import Dataset
from segkit.analysis.dataset.image_size import suggest_size
from segkit.core.errors import DataError
from segkit.core.registry import SOURCES
from segkit.core.types import Source, Task
from segkit.data.images import read_header
from segkit.data.masks import read_colors, read_values
from segkit.data.source_scan import SourceScan, scan_source
from segkit.recipe.resolve import channels_of_files
from segkit.recipe.yaml_comments import with_comments
from segkit.recipe.yaml_tree import write_yaml
from segkit.utils.listing import listed

CHANNELS = 3
_TASK_MASKS = 60  # read to guess the task
_MIN_BINARY = 0.9  # fraction of masks
_MIN_USED = 0.5  # fraction of the values up to the largest; else each has a label
_MIN_OBJECTS, _MIN_COUNTS = 4, 3  # in the mask with most objects; different numbers of objects
_MAX_COLORS = 64  # in all masks; more are photographs, blended edges or JPEG
_SHOWN_COLORS = 8
_BLACK = "#000000"
_MASK_FILES = ("folder", "list", "manifest", "isic2016", "voc")  # sources
_VAL = 0.2
_MIN_DRAWN = 3  # images of which a fifth is at least one


@dataclass(frozen=True)
class Guess:
    """A recognised data set.

    Args:
        about: what was recognised, as in "images in photos, masks in outlines".
        source: name and options of the source, as in a recipe; paths are absolute.
        task: kind of masks, classes and ignored value.
        more: what else there is, as in "without masks: new".
        keys: further keys of a recipe's `data`, such as colors.
        comments: comments of the lines, by key.
    """

    about: str
    source: Mapping[str, Any]
    task: Task
    more: str = ""
    keys: Mapping[str, Any] = field(default_factory=dict)
    comments: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_masks(cls, about: str, source: Mapping[str, Any], more: str = "") -> Guess:
        """The guess of a source of mask files, whose values tell the task.

        Raises:
            DataError: if the masks have too many colours.
        """
        scan = scan_source(build_source(source, Task("binary", ("foreground",))))
        samples = [sample for samples in scan.splits.values() for sample in samples]
        masks = _some([sample.files[1] for sample in samples])
        values = [_values_of(file) for file in masks]
        if "instances" not in source and _number_objects([found for found in values if found]):
            numbered = "each mask numbers its objects, which become one foreground"
            more = "; ".join(filter(None, (more, numbered)))
            return cls(about, {**source, "instances": "union"}, Task("binary", ("foreground",)), more)
        task, comments = _task_of_masks(masks, values)
        return cls(about, source, task, more, comments=comments)

    def scan(self) -> SourceScan:
        """Samples and problems of the source that the recipe lines name."""
        scan = scan_source(build_source(self.source, self.task))
        channels = next(iter(channels_of_files(scan)), CHANNELS)
        return scan if channels == CHANNELS else scan_source(build_source(self.source, self.task, channels))

    def dataset(self) -> Dataset:
        """The data set, read by the source that the recipe lines name."""
        scan = self.scan()
        data, comments = self.recipe_data(scan)
        recipe = with_comments(write_yaml({"data": data}, compact=True), comments)
        more = f"; {self.more}" if self.more else ""
        about = f"detected {self.about}; {self.task.kind} masks{more}"
        reads_masks = self.source["name"] in _MASK_FILES and "instances" not in self.source
        found = Dataset.of(scan, about, self.task, recipe=recipe)
        return replace(found, has_mask_files=reads_masks)

    def recipe_data(self, scan: SourceScan) -> tuple[dict[str, Any], dict[str, str]]:
        """`data` of a recipe that reads the data set, and comments by key."""
        data: dict[str, Any] = {
            "source": _plain(self.source), "task": self.task.kind, "classes": [*self.task.classes],
        }  # fmt: skip
        if self.task.ignore_index is not None:
            data["ignore_index"] = self.task.ignore_index
        if self.task.labels is not None:
            data["labels"] = {
                name: values[0] if len(values) == 1 else [*values] for name, values in self.task.labels
            }
        data |= self.keys
        comments = {"source": self.more, **self.comments}
        samples = [sample for samples in scan.splits.values() for sample in samples]
        if size := suggest_size([sample.files[0] for sample in samples if sample.files]):
            data["size"], comments["size"] = [*size[0]], size[1]
        if not scan.splits.get("val") and len(scan.splits.get("train", ())) >= _MIN_DRAWN:
            data["split"] = {"by": "fraction", "val": _VAL}
        return data, comments


def build_source(source: Mapping[str, Any], task: Task, channels: int = CHANNELS) -> Source:
    """The source of these recipe lines, for a task and image files of that many channels."""
    options = dict(source)
    entry = SOURCES.get(options.pop("name"))
    assert entry is not None
    checked = entry.schema.model_validate(_plain(options))
    built: Source = entry.factory(task, channels, **{name: getattr(checked, name) for name in options})
    return built


def guess_task(masks: Sequence[Path]) -> tuple[Task, dict[str, str]]:
    """Guess the task from evenly spaced masks; with comments for the lines of a recipe, by key.

    Raises:
        DataError: if they have too many colours.
    """
    selected = _some(masks)
    return _task_of_masks(selected, [_values_of(file) for file in selected])


def _some(masks: Sequence[Path]) -> list[Path]:
    return [masks[i] for i in np.linspace(0, len(masks) - 1, min(_TASK_MASKS, len(masks))).astype(int)]


def _task_of_masks(masks: Sequence[Path], values: Sequence[set[int] | None]) -> tuple[Task, dict[str, str]]:
    if 2 * sum(found is None for found in values) > len(masks):
        return _task_of_colors(masks)
    return _task_of([found for found in values if found]), {}


def _task_of_colors(masks: Sequence[Path]) -> tuple[Task, dict[str, str]]:
    counts: Counter[str] = Counter()
    for file in masks:
        with suppress(DataError):  # reported later
            counts.update(read_colors(file))
        if len(counts) > _MAX_COLORS:
            break
    total = counts.total()
    colors = [color for color, _ in counts.most_common()]
    shares = [f"{color} {counts[color] / total:.2%}" for color in colors]
    if len(colors) > _MAX_COLORS:
        raise DataError(
            f"the masks are in colour, of at least {len(colors):,} colours: {listed(shares, _SHOWN_COLORS)}",
            where=str(masks[0]),
            hint="save masks as PNG with a colour for each class, or name all in data.labels of a recipe",
        )
    comment = f"share of the pixels: {', '.join(shares)}"
    if len(colors) == 2 and _BLACK in colors:
        (color,) = {*colors} - {_BLACK}
        labels = (("foreground", (color,)),)
        return Task("binary", ("foreground",), labels=labels), {"labels": comment}
    names = {f"color {color[1:]}": (color,) for color in colors}
    return Task("multiclass", (*names,), labels=tuple(names.items())), {"labels": comment}


def _number_objects(masks: Sequence[set[int]]) -> bool:
    """Whether masks number their objects, from 1 without gaps: classes would be missing here and there."""
    highest = [max(values) for values in masks]
    whole = all(value >= 0 and float(value).is_integer() for values in masks for value in values)
    gapless = all(len(values | {0}) == top + 1 for values, top in zip(masks, highest, strict=True))
    return whole and gapless and max(highest, default=0) >= _MIN_OBJECTS and len({*highest}) >= _MIN_COUNTS


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return str(value.absolute()) if isinstance(value, Path) else value


def _values_of(mask: Path) -> set[int] | None:
    """Values of a mask; empty if it is lossy or unreadable (reported later), None if it is in colour."""
    try:
        values = read_values(mask)
        if values is None:
            return None
        return set() if read_header(mask).lossy else set(np.unique(values).tolist())
    except DataError:
        return set()


def _task_of(masks: Sequence[set[int]]) -> Task:
    counts = Counter(value for values in masks for value in values if value)
    binary = {0, *(value for value, _ in counts.most_common(1))}
    if sum(values <= binary for values in masks) >= _MIN_BINARY * len(masks):
        return Task("binary", ("foreground",))  # the other masks are reported as errors
    labels = {int(value) for value in counts if 0 < value < 255 and float(value).is_integer()}
    if len(labels) > 1 or (labels and 255 not in counts) or 1 in labels:
        ignored = 255 if 255 in counts else None
        labels.add(0)
        if len(labels) >= _MIN_USED * (max(labels) + 1):
            return Task("multiclass", tuple(f"class {value}" for value in range(max(labels) + 1)), ignored)
        classes = {f"class {value}": (value,) for value in sorted(labels)}
        return Task("multiclass", (*classes,), ignored, tuple(classes.items()))
    return Task("binary", ("foreground",))
