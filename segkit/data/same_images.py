"""Images that are in two splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from segkit.core.paths import cache_folder
from segkit.core.types import Sample
from segkit.data.preprocess import Prepared
from segkit.utils.hashing import FileDigests
from segkit.utils.listing import agree, listed

_SPLITS = {"train": "training", "val": "validation", "test": "test"}
_SEEN = "their scores are not scores on unseen images"
_CHOSEN = "the best epoch is chosen on them, so their scores are optimistic"
_PAIRS = (("test", "train", _SEEN), ("val", "train", _SEEN), ("test", "val", _CHOSEN))


def shared_image_warnings(
    samples: Mapping[str, Sequence[Sample]], prepared: Mapping[str, Prepared], *, chosen: bool = True
) -> list[str]:
    """Warnings, in whole sentences, about scored images that are in another split as well.

    Images are the same if their files are identical, or their pixels and masks at the recipe's size.

    Args:
        samples: samples by split.
        prepared: their images and masks, in the same order.
        chosen: whether the best epoch is chosen on validation images.
    """
    warnings = []
    for scored, other, consequence in _PAIRS:
        if scored not in prepared or other not in prepared or (consequence == _CHOSEN and not chosen):
            continue
        same = _same_pixels(prepared[scored], prepared[other])
        for index, twin in same_files(samples[scored], samples[other]).items():
            if samples[scored][index].variant is not None:  # else they may be two tiles of the file
                same[index] = twin
        pairs = [
            (samples[scored][index].name, samples[other][twin].name)
            for index, twin in sorted(same.items())
            if np.ptp(prepared[scored].images[index], axis=(0, 1)).any()  # empty tiles are the same by chance
        ]
        if pairs:
            names = listed([name if name == twin else f"{name} is {twin}" for name, twin in pairs], 3)
            also = agree(len(pairs), f"is also a {_SPLITS[other]} image", f"are also {_SPLITS[other]} images")
            warnings.append(
                f"{len(pairs):,} of the {len(samples[scored]):,} {_SPLITS[scored]} images {also} ({names}): "
                f"{consequence}. Put each image into one split only; segkit data check lists them."
            )
    return warnings


def same_files(first: Sequence[Sample], second: Sequence[Sample]) -> dict[int, int]:
    """Index in `second` by index in `first` of samples with identical image files."""
    # Only files of equal size can be equal: others are not read.
    sizes = {_file_size(sample) for sample in first} & {_file_size(sample) for sample in second} - {0}
    keys, known = (_file_keys(samples, sizes) for samples in (first, second))
    indices = {key: index for index, key in known.items()}
    return {index: indices[key] for index, key in keys.items() if key in indices}


def _file_keys(samples: Sequence[Sample], sizes: set[int]) -> dict[int, tuple[bytes, str | None]]:
    """Digest of the image file, and variant, by index of those samples whose file has one of the sizes."""
    files = {index: sample.files[0] for index, sample in enumerate(samples) if _file_size(sample) in sizes}
    digests = FileDigests(cache_folder()).of(files.values())
    return {
        index: (digests[file], samples[index].variant) for index, file in files.items() if file in digests
    }


def _same_pixels(first: Prepared, second: Prepared) -> dict[int, int]:
    known = {digest: index for index, digest in enumerate(second.sample_digests)}
    return {index: known[digest] for index, digest in enumerate(first.sample_digests) if digest in known}


def _file_size(sample: Sample) -> int:
    try:
        return sample.files[0].stat().st_size if sample.files else 0
    except OSError:
        return 0
