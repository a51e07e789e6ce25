"""Detection of scored images that a model was trained on. No torch."""

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

_MAX_NAMES = 3  # in a warning


def leak_warnings(run: str, trained_with: Recipe, scored: Sequence[Sample], recipe: Recipe) -> list[str]:
    """Warnings, in whole sentences, about scored images that a run was trained on.

    Images are the same if their files are identical, or for generated images their pixels. Images of another
    source that only share the name of a training image are reported separately: they may be resized copies.

    Args:
        run: name of the run.
        trained_with: recipe of the run, without overrides.
        scored: scored images.
        recipe: recipe that the scored images come from.
    """
    try:
        trained = scan_splits(trained_with).whole().get("train", ())
    except SegkitError as error:
        return [f"Cannot check whether {run} was trained on some of these images: {error.problems[0]}."]
    same = _in_both(scored, trained)
    warnings = [_warning(same, scored, f"were among the training images of {run}")] if same else []
    if _source(trained_with) != _source(recipe):
        names = {sample.name for sample in trained}
        reported = {id(sample) for sample in same}
        same_name = [sample for sample in scored if sample.name in names and id(sample) not in reported]
        if same_name:
            warnings.append(_warning(same_name, scored, f"have the names of training images of {run}"))
    return warnings


def _warning(leaked: Sequence[Sample], scored: Sequence[Sample], problem: str) -> str:
    names = ", ".join(sample.name for sample in leaked[:_MAX_NAMES])
    more = f" and {len(leaked) - _MAX_NAMES:,} more" if len(leaked) > _MAX_NAMES else ""
    return (
        f"{len(leaked):,} of the {len(scored):,} scored images {problem} ({names}{more}): "
        f"this is not a score on unseen images."
    )


def _source(recipe: Recipe) -> object:
    return plain_recipe(recipe)["data"]["source"]


def _in_both(scored: Sequence[Sample], trained: Sequence[Sample]) -> list[Sample]:
    # Only files of equal size can be equal: others are not read.
    sizes = {_file_size(sample) for sample in trained}
    candidates = [sample for sample in scored if _file_size(sample) in sizes]
    sizes = {_file_size(sample) for sample in candidates}
    similar = [sample for sample in trained if _file_size(sample) in sizes]
    content = _content_keys([*candidates, *similar])
    trained_contents = {content(sample) for sample in similar}
    return [sample for sample in candidates if content(sample) in trained_contents]


def _file_size(sample: Sample) -> int:
    try:
        return sample.files[0].stat().st_size if sample.files else 0
    except OSError:
        return 0


def _content_keys(samples: Sequence[Sample]) -> Callable[[Sample], object]:
    """Function from a sample to a key of its pixels: file digest and variant, or digest of the pixels."""
    digests = FileDigests(cache_folder()).of(Path(sample.files[0]) for sample in samples if sample.files)
    generated = [sample for sample in samples if not sample.files]
    with ThreadPoolExecutor() as pool:
        pixels = dict(zip(map(id, generated), pool.map(_pixel_digest, generated), strict=True))

    def content(sample: Sample) -> object:
        if sample.files:
            return digests.get(sample.files[0], sample.files[0]), sample.variant
        return pixels[id(sample)]

    return content


def _pixel_digest(sample: Sample) -> bytes:
    return hashlib.sha256(sample.read()[0].tobytes()).digest()
