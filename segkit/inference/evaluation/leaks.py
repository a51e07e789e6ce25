"""Whether images that are scored were trained on: a score on those says little of others. No torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.errors import SegkitError
from segkit.core.paths import cache_folder
from segkit.recipe import plain_recipe
from segkit.recipe.dataset import scan_splits
from segkit.utils.hashing import FileDigests

if TYPE_CHECKING:
    from segkit.core.types import Sample
    from segkit.recipe import Recipe

_TOLD = 3  # names in a warning


def warn_of_leaks(name: str, own: Recipe, scored: Sequence[Sample], recipe: Recipe) -> list[str]:
    """What is to be said of images that a run was trained on, in whole sentences.

    Images are the same if their files are, byte for byte; generated ones, if their pixels are. Those of
    another source that only have the name of a training image are told of apart: they may be the same at
    another size.

    Args:
        name: of the run.
        own: its recipe, unchanged: it says what the run was trained on.
        scored: the images that are scored.
        recipe: where they come from.
    """
    try:
        trained = scan_splits(own).whole().get("train", ())
    except SegkitError as error:
        return [f"Whether {name} was trained on some of these images is not known: {error.problems[0]}."]
    same = _in_both(scored, trained)
    sentences = [_sentence(same, scored, f"were among the training images of {name}")] if same else []
    if _source(own) != _source(recipe):
        taken = {sample.name for sample in trained}
        seen = {id(sample) for sample in same}
        alike = [sample for sample in scored if sample.name in taken and id(sample) not in seen]
        if alike:
            sentences.append(_sentence(alike, scored, f"have the names of training images of {name}"))
    return sentences


def _sentence(some: Sequence[Sample], scored: Sequence[Sample], what: str) -> str:
    names = ", ".join(sample.name for sample in some[:_TOLD])
    more = f" and {len(some) - _TOLD:,} more" if len(some) > _TOLD else ""
    return (
        f"{len(some):,} of the {len(scored):,} scored images {what} ({names}{more}): "
        f"this is no score on images that the model has not seen."
    )


def _source(recipe: Recipe) -> object:
    return plain_recipe(recipe)["data"]["source"]


def _in_both(scored: Sequence[Sample], trained: Sequence[Sample]) -> list[Sample]:
    """The scored samples that are training samples too. Only what might be the same is read."""
    sizes = _sizes(trained)
    candidates = [sample for sample in scored if _size(sample) in sizes]
    wanted = {_size(sample) for sample in candidates}
    contents = _contents([*candidates, *(sample for sample in trained if _size(sample) in wanted)])
    known = {contents(sample) for sample in trained if _size(sample) in wanted}
    return [sample for sample in candidates if contents(sample) in known]


def _sizes(samples: Sequence[Sample]) -> set[int]:
    return {_size(sample) for sample in samples}


def _size(sample: Sample) -> int:
    """Of the image's file; files of other sizes have other contents. 0 where there is none, or it is gone."""
    try:
        return sample.files[0].stat().st_size if sample.files else 0
    except OSError:
        return 0


def _contents(samples: Sequence[Sample]) -> Callable[[Sample], object]:
    """What a sample's pixels come from: a file's digest with what is taken of it, or the pixels' own."""
    files = FileDigests(cache_folder()).of(Path(sample.files[0]) for sample in samples if sample.files)
    generated = [sample for sample in samples if not sample.files]
    with ThreadPoolExecutor() as pool:
        pixels = dict(zip(map(id, generated), pool.map(_pixels, generated), strict=True))

    def content(sample: Sample) -> object:
        if sample.files:
            return files.get(sample.files[0], sample.files[0]), sample.variant
        return pixels[id(sample)]

    return content


def _pixels(sample: Sample) -> bytes:
    return hashlib.sha256(sample.read()[0].tobytes()).digest()
