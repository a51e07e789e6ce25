"""Images of the page with the true mask and every candidate's prediction."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segkit.analysis.comparison.page.charts import rounded
from segkit.analysis.comparison.result import Comparison
from segkit.analysis.report.format import whole
from segkit.core.errors import SegkitError
from segkit.data.palette import IGNORED
from segkit.runs.run_dir import RunDir
from segkit.runs.thumbnails import MAX_SIDE, Thumbnail, read_thumbnails
from segkit.utils.os_errors import is_out_of_memory

MAX_IMAGES = 2_000
MAX_BYTES = 20_000_000  # of all images and masks; base64 makes the page a third larger
HINT = "delete the file: a comparison works without it"


@dataclass(frozen=True)
class Sample:
    """An image with its masks: WebP, and PNG of class numbers with a palette."""

    position: int  # in the comparison's images
    picture: bytes
    truth: bytes
    predictions: tuple[bytes | None, ...]  # of every candidate; None if its run saved none
    disagreement: float  # share of pixels on which the predictions differ
    source: Path  # file of picture and truth

    @property
    def size(self) -> int:
        """Bytes of image and masks."""
        return sum(len(file) for file in (self.picture, self.truth, *self.predictions) if file)


def read_samples(comparison: Comparison) -> list[Sample]:
    """Images saved by the candidates' first runs; image and truth from the first candidate that has them.

    Raises:
        SegkitError: if a run's thumbnails are damaged or do not match its scores.
    """
    first: dict[str, tuple[Thumbnail, Path]] = {}
    files = [candidate.runs[0].thumbnails for candidate in comparison.candidates]
    predictions: list[dict[str, bytes]] = []
    for candidate in comparison.candidates:
        predictions.append({})
        for run in candidate.shown or candidate.runs[:1]:
            for name, thumbnail in thumbnails_by_name(run).items():
                predictions[-1][name] = thumbnail.prediction
                first.setdefault(name, (thumbnail, run.thumbnails))
    samples = []
    for position, name in enumerate(comparison.images):
        if name in first:
            (thumbnail, source), masks = first[name], tuple(by_name.get(name) for by_name in predictions)
            disagreement = _disagreement(files, masks)
            samples.append(Sample(position, thumbnail.image, thumbnail.truth, masks, disagreement, source))
    return samples


def select_samples(samples: Sequence[Sample]) -> list[Sample]:
    """The samples with most disagreement, up to the page's limits, in their original order."""
    remaining, selected = MAX_BYTES, set()
    for sample in sorted(samples, key=lambda sample: -sample.disagreement)[:MAX_IMAGES]:
        remaining -= sample.size
        if remaining < 0:
            break
        selected.add(sample.position)
    return [sample for sample in samples if sample.position in selected]


def gallery_data(comparison: Comparison, shown: Sequence[Sample]) -> dict[str, Any]:
    """Data of the samples for the page's script."""
    candidates, positions = comparison.candidates, [sample.position for sample in shown]
    scores = [candidate.scores[comparison.metric][0, positions] for candidate in candidates]
    return {
        "images": positions,
        "pictures": [_base64(sample.picture) for sample in shown],
        "truths": [_base64(sample.truth) for sample in shown],
        "predictions": [[_base64(sample.predictions[i]) for sample in shown] for i in range(len(candidates))],
        "disagreement": [rounded(sample.disagreement) for sample in shown],
        "scores": [[rounded(score) for score in row] for row in scores],
    }


def has_ignored(samples: Sequence[Sample]) -> bool:
    """Whether any true mask has ignored pixels."""
    return any((np.asarray(read_mask(sample.source, sample.truth)) == IGNORED).any() for sample in samples)


def sample_notes(comparison: Comparison, samples: Sequence[Sample], shown: Sequence[Sample]) -> list[str]:
    """Notes on images and masks that are missing from the page."""
    notes = []
    if len(shown) < len(samples):
        notes.append(
            f"Only {whole(len(shown))} of {whole(len(samples))} images are shown, to limit the size of the "
            "page: those on which the models disagree most."
        )
    if samples:
        notes += [
            f"{candidate.name} has no masks: its run did not save them. Run its recipe again to see them."
            for position, candidate in enumerate(comparison.candidates)
            if not any(sample.predictions[position] for sample in samples)
        ]
    if any(len(candidate.runs) > 1 for candidate in comparison.candidates):
        notes.append("For a recipe with several seeds, masks and scores are those of its first run.")
    return notes


def thumbnails_by_name(run: RunDir) -> Mapping[str, Thumbnail]:
    """Thumbnails of the scored images of a run; empty if it saved none.

    Raises:
        SegkitError: if they are damaged or do not match the scores.
    """
    thumbnails = read_thumbnails(run.thumbnails)
    if not thumbnails:
        return {}
    names, _ = run.read_scores()
    if len(names) != len(thumbnails):
        problem = f"there are {len(thumbnails)} thumbnails, but {len(names)} images have scores"
        raise SegkitError(problem, where=str(run.thumbnails), hint=HINT)
    return dict(zip(names, thumbnails, strict=True))


def read_mask(source: Path, file: bytes) -> Image.Image:
    """Decode a mask of a thumbnail.

    Args:
        source: file of the thumbnails.
        file: content of the PNG file.

    Raises:
        SegkitError: if it is damaged.
    """
    try:
        mask = Image.open(io.BytesIO(file), formats=["PNG"])
        if max(mask.size) > MAX_SIDE or mask.mode not in ("P", "L"):
            raise ValueError(f"{mask.mode} of {mask.size}")
        mask.load()
    except Exception as error:  # decoders raise many types
        if is_out_of_memory(error):
            raise
        problem = f"cannot read the mask of a thumbnail: {error}"
        raise SegkitError(problem, where=str(source), hint=HINT) from error
    return mask


def _disagreement(sources: Sequence[Path], predictions: Sequence[bytes | None]) -> float:
    masks = [read_mask(source, file) for source, file in zip(sources, predictions, strict=True) if file]
    if len(masks) < 2:
        return 0.0
    first = np.asarray(masks[0])
    resized = (mask.resize(masks[0].size, Image.Resampling.NEAREST) for mask in masks[1:])
    return float(np.any([np.asarray(mask) != first for mask in resized], axis=0).mean())


def _base64(file: bytes | None) -> str:
    return base64.b64encode(file or b"").decode()
