"""Detection of scored images that a model was trained on. No torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from segkit.core.errors import SegkitError
from segkit.data.same_images import same_files
from segkit.recipe import plain_recipe
from segkit.recipe.dataset import scan_splits
from segkit.utils.listing import agree, listed
from segkit.utils.public_text import public_names

if TYPE_CHECKING:
    from segkit.core.types import Sample
    from segkit.recipe import Recipe


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
        problem = replace(error.problems[0], hint="")
        return [f"Cannot check whether {run} was trained on some of these images: {problem}."]
    same = _in_both(scored, trained)
    were = agree(len(same), "was", "were")
    warnings = [_warning(same, scored, f"{were} among the training images of {run}")] if same else []
    if _source(trained_with) != _source(recipe):
        names = {sample.name for sample in trained}
        reported = {id(sample) for sample in same}
        same_name = [sample for sample in scored if sample.name in names and id(sample) not in reported]
        if same_name:
            have = agree(
                len(same_name), "has the name of a training image", "have the names of training images"
            )
            warnings.append(_warning(same_name, scored, f"{have} of {run}"))
    return warnings


def _warning(leaked: Sequence[Sample], scored: Sequence[Sample], problem: str) -> str:
    names = listed(public_names([sample.name for sample in leaked]), 3)
    return (
        f"{len(leaked):,} of the {len(scored):,} scored images {problem} ({names}): "
        f"this is not a score on unseen images."
    )


def _source(recipe: Recipe) -> object:
    return plain_recipe(recipe)["data"]["source"]


def _in_both(scored: Sequence[Sample], trained: Sequence[Sample]) -> list[Sample]:
    same = {*same_files(scored, trained)}
    generated = [index for index, sample in enumerate(scored) if not sample.files]
    if generated:
        with ThreadPoolExecutor() as pool:
            known = {*pool.map(_pixel_digest, (sample for sample in trained if not sample.files))}
            digests = pool.map(_pixel_digest, (scored[index] for index in generated))
            same.update(index for index, digest in zip(generated, digests, strict=True) if digest in known)
    return [scored[index] for index in sorted(same)]


def _pixel_digest(sample: Sample) -> bytes:
    return hashlib.sha256(sample.read()[0].tobytes()).digest()
