"""What the page's browser of images shows: every image with its true mask and every entrant's."""

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
from segkit.analysis.comparison.result import Candidate, Comparison
from segkit.analysis.report.format import whole
from segkit.core.errors import SegkitError
from segkit.data.palette import IGNORED
from segkit.runs.run_dir import RunDir
from segkit.runs.thumbnails import MAX_SIDE, Thumbnail, read_thumbnails

MAX_IMAGES = 2_000
MAX_BYTES = 20_000_000  # of all pictures and masks; the page is a third larger


@dataclass(frozen=True)
class Sample:
    """An image of the comparison.

    Args:
        position: among the comparison's images.
        picture: WebP.
        truth: PNG of class numbers with their colours.
        predictions: likewise, of every entrant; None where its run kept none.
        disagreement: share of the pixels on which not all predictions are equal.
        source: the file that picture and truth come from.
    """

    position: int
    picture: bytes
    truth: bytes
    predictions: tuple[bytes | None, ...]
    disagreement: float
    source: Path

    @property
    def size(self) -> int:
        """Bytes of all pictures."""
        return sum(len(one) for one in (self.picture, self.truth, *self.predictions) if one)


def read_samples(comparison: Comparison) -> list[Sample]:
    """Every image that an entrant's first run kept; image and truth of the first entrant that did.

    Raises:
        SegkitError: if a run's thumbnails are damaged, or do not fit its scores.
    """
    pictures: dict[str, tuple[bytes, bytes]] = {}
    sources: dict[str, Path] = {}
    files = [entrant.runs[0].thumbnails for entrant in comparison.entrants]
    predictions: list[dict[str, bytes]] = []
    for entrant in comparison.entrants:
        kept = _thumbnails(entrant.runs[0])
        predictions.append({name: thumbnail.prediction for name, thumbnail in kept.items()})
        for name, thumbnail in kept.items():
            pictures.setdefault(name, (thumbnail.image, thumbnail.truth))
            sources.setdefault(name, entrant.runs[0].thumbnails)
    samples = []
    for position, name in enumerate(comparison.images):
        if name in pictures:
            masks = tuple(entrant.get(name) for entrant in predictions)
            away = _disagreement(files, masks)
            samples.append(Sample(position, *pictures[name], masks, away, sources[name]))
    return samples


def fitting(samples: Sequence[Sample]) -> list[Sample]:
    """As many as a page can carry, in their order: those on which the models disagree most."""
    room, chosen = MAX_BYTES, set()
    for sample in sorted(samples, key=lambda sample: -sample.disagreement)[:MAX_IMAGES]:
        room -= sample.size
        if room < 0:
            break
        chosen.add(sample.position)
    return [sample for sample in samples if sample.position in chosen]


def gallery(comparison: Comparison, shown: Sequence[Sample]) -> dict[str, Any]:
    """The samples as the page's script reads them."""
    entrants = range(len(comparison.entrants))
    return {
        "images": [sample.position for sample in shown],
        "pictures": [_text(sample.picture) for sample in shown],
        "truths": [_text(sample.truth) for sample in shown],
        "predictions": [[_text(sample.predictions[i]) for sample in shown] for i in entrants],
        "disagreement": [rounded(sample.disagreement) for sample in shown],
        "scores": [_first_scores(entrant, comparison.metric, shown) for entrant in comparison.entrants],
    }


def has_ignored(samples: Sequence[Sample]) -> bool:
    """Whether any true mask leaves pixels out."""
    return any((np.asarray(_mask(sample.source, sample.truth)) == IGNORED).any() for sample in samples)


def notes(comparison: Comparison, samples: Sequence[Sample], shown: Sequence[Sample]) -> list[str]:
    """What the reader should know about the images that are, and are not, there."""
    said = []
    if len(shown) < len(samples):
        count = f"{whole(len(shown))} of {whole(len(samples))} images"
        said.append(
            f"{count} are here, those on which the models disagree most: "
            "with all of them the page would be too large."
        )
    if samples:
        without = [
            entrant.name
            for position, entrant in enumerate(comparison.entrants)
            if not any(sample.predictions[position] for sample in samples)
        ]
        said += [
            f"{name} has no masks here: its run kept none. Run its recipe again to see them."
            for name in without
        ]
    if any(len(entrant.runs) > 1 for entrant in comparison.entrants):
        said.append("Of a recipe with several seeds, the masks and scores here are those of its first.")
    return said


def _thumbnails(run: RunDir) -> Mapping[str, Thumbnail]:
    thumbnails = read_thumbnails(run.thumbnails)
    if not thumbnails:
        return {}
    names, _ = run.read_scores()
    if len(names) != len(thumbnails):
        raise SegkitError(
            f"there are {len(thumbnails)} thumbnails, but {len(names)} images have scores",
            where=str(run.thumbnails),
            hint="delete it: a comparison can do without",
        )
    return dict(zip(names, thumbnails, strict=True))


def _disagreement(sources: Sequence[Path], predictions: Sequence[bytes | None]) -> float:
    masks = [_mask(source, file) for source, file in zip(sources, predictions, strict=True) if file]
    if len(masks) < 2:
        return 0.0
    first = np.asarray(masks[0])
    others = (mask.resize(masks[0].size, Image.Resampling.NEAREST) for mask in masks[1:])
    return float(np.any([np.asarray(mask) != first for mask in others], axis=0).mean())


def _mask(source: Path, file: bytes) -> Image.Image:
    """The class numbers of a mask file."""
    try:
        mask = Image.open(io.BytesIO(file), formats=["PNG"])
        if max(mask.size) > MAX_SIDE or mask.mode not in ("P", "L"):
            raise ValueError(f"{mask.mode} of {mask.size}")
        mask.load()
    except Exception as error:  # decoders meet damage in many ways
        hint = "delete it: a comparison can do without"
        raise SegkitError(
            f"a thumbnail's mask cannot be read: {error}", where=str(source), hint=hint
        ) from error
    return mask


def _first_scores(entrant: Candidate, metric: str, shown: Sequence[Sample]) -> list[float | None]:
    return [rounded(entrant.scores[metric][0, sample.position]) for sample in shown]


def _text(file: bytes | None) -> str:
    return base64.b64encode(file or b"").decode()
