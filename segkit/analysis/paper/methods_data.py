"""Sentences of the methods section about data, preprocessing and augmentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from segkit.analysis.paper.latex import code, escape, join
from segkit.analysis.paper.part_text import name_text, options_text
from segkit.analysis.paper.references import SOURCES, Citations
from segkit.analysis.paper.subject import Subject
from segkit.analysis.report.format import whole
from segkit.utils.public_text import last_name

_OF_SETS = {"train": "for training", "val": "for validation", "test": "for testing"}


def data_sentences(subject: Subject, citations: Citations) -> Iterator[str]:
    """Source, task, number of images, and how they were divided."""
    source = (subject.data.get("source") or {}).get("name", "")
    if source:
        cited = "" if f"source {source}" in subject.plugin_parts else citations.part("source", source)
        if source == "synthetic_lesions":
            yield "Images and masks were drawn by a program."
        elif cited:  # the others say how files are arranged
            yield f"Images and masks came from {code(source)}{cited}."
    yield _task(subject.data)
    yield from _cross_validated(subject) if subject.is_cross_validated else _divided(subject)
    if group := subject.split.get("group"):
        yield f"Images of the same group ({code(last_name(str(group)))}) were kept together."
    if subject.split.get("balance"):
        yield "Every part got its share of every class."
    if subject.summary.left_out:
        seed = subject.data.get("fraction_seed", 0)
        yield (
            f"Training used {whole(subject.summary.images.get('train'))} of "
            f"{whole(subject.summary.images.get('train', 0) + subject.summary.left_out)} training images, "
            f"drawn at random (seed {seed})."
        )


def _task(data: Mapping[str, Any]) -> str:
    classes = [escape(str(name)) for name in data.get("classes") or ()]
    if not classes:
        return ""
    ignored = data.get("ignore_index")
    more = "" if ignored is None else "; pixels that are marked as ignored were left out of losses and scores"
    kinds = {
        "multiclass": f"Each pixel was assigned to one of {len(classes)} classes ({join(classes)}){more}.",
        "multilabel": f"Each pixel could belong to each of {len(classes)} classes ({join(classes)}){more}.",
    }
    foreground = "the foreground" if classes == ["foreground"] else f"the foreground ({join(classes)})"
    binary = f"Each pixel was assigned to {foreground} or the background{more}."
    return kinds.get(str(data.get("task")), binary)


def _divided(subject: Subject) -> Iterator[str]:
    counts = {name: count for name, count in subject.summary.images.items() if name in _OF_SETS}
    if counts:
        sets = [f"{whole(count)} images were used {_OF_SETS[name]}" for name, count in counts.items()]
        yield f"{join([sets[0], *(text.replace(' images were used', '') for text in sets[1:])])}."
    split = subject.split
    seed, by = split.get("seed", 0), split.get("by")
    if by == "official":
        yield "This division is that of the source."
    elif by == "fraction":
        shares = [f"{split[name]:g} {_OF_SETS[name]}" for name in ("val", "test") if split.get(name)]
        of = "Of the training images of the source, a share of"
        yield f"{of} {join(shares)} was drawn at random (seed {seed})."
    elif by == "kfold":
        yield (
            f"The training images were divided at random (seed {seed}) into {split.get('folds')} parts, of "
            f"which part {(split.get('fold') or 0) + 1} was used for validation."
        )
    elif by == "file":
        yield "This division was given by a list."


def _cross_validated(subject: Subject) -> Iterator[str]:
    images, folds = next(iter(subject.summary.images.values()), 0), subject.split.get("folds")
    yield (
        f"In a {folds}-fold cross-validation, {whole(images)} images were divided at random (seed "
        f"{subject.split.get('seed', 0)}) into {folds} folds; the images of each fold were scored by models "
        "that were trained on the other folds."
    )


def preprocessing_sentences(subject: Subject, citations: Citations) -> Iterator[str]:
    """Size, channels, range and normalisation."""
    data = subject.data
    if size := data.get("size"):
        yield _fitted(data, rf"{size[0]} $\times$ {size[1]} pixels (height $\times$ width)")
    if bands := data.get("bands"):
        yield f"The model was given the channels {join([str(band) for band in bands])}, counted from 0."
    if isinstance(pixel_range := data.get("range"), list | tuple):
        pairs = pixel_range if isinstance(pixel_range[0], list | tuple) else [pixel_range]
        texts = [f"{low:g} to {high:g}" for low, high in pairs]
        of = ", channel by channel," if len(pairs) > 1 else ""
        yield f"Pixel values from {join(texts)}{of} were scaled to 0 to 1."
    if normalize := data.get("normalize"):
        mean, sd = (join([f"{value:g}" for value in _listed(normalize.get(key))]) for key in ("mean", "std"))
        yield f"Channels were normalised with a mean of {mean} and a standard deviation of {sd}."
    elif "normalize" in data:
        yield "Channels were normalised with the mean and the standard deviation that belong to the encoder."


def _listed(value: Any) -> Sequence[float]:
    return value if isinstance(value, list | tuple) else [value]


def _fitted(data: Mapping[str, Any], size: str) -> str:
    if data.get("fit") == "letterbox":
        return f"Images were resized to at most {size} with their aspect ratio, and padded to this size."
    if data.get("fit") == "crop":
        scale = data.get("scale") or 1
        kept = "kept their resolution" if scale == 1 else f"were scaled by {scale:g}"
        overlap = (data.get("crop") or {}).get("overlap")
        blended = f" that overlap by {overlap:g} of their side" if overlap else ""
        share = (data.get("crop") or {}).get("foreground") or 0
        shown = f", of which a share of {share:g} at least show foreground," if share else ""
        return (
            f"Images {kept}; the model was trained on windows of {size}{shown or ','} and whole images were "
            f"predicted in windows{blended}."
        )
    return f"Images were resized to {size}, whatever their aspect ratio."


def augmentation_sentences(subject: Subject, citations: Citations) -> Iterator[str]:
    """Transforms by name, with their options."""
    transforms = [part for part in subject.data.get("augment") or () if isinstance(part, Mapping)]
    if not transforms:
        yield "Training images were not augmented."
        return
    names = [str(part["name"]) for part in transforms]
    of_plugins = {name for name in names if f"transform {name}" in subject.plugin_parts}
    own = SOURCES["transform"]
    texts = [
        name_text(subject, "transform", name, citations)
        + options_text("transform", part, {"p": _probability(part.get("p"))})
        for name, part in zip(names, transforms, strict=True)
    ]
    library = any(name not in own and name not in of_plugins for name in names)
    cited = f", with Albumentations{citations.cite('buslaev2020albumentations')}" if library else ""
    yield f"Training images were augmented by {join(texts)}{cited}."


def _probability(value: Any) -> str:
    return f"probability {value:g}" if isinstance(value, int | float) else ""


def sampling_sentences(subject: Subject) -> Iterator[str]:
    """How the images of an epoch were drawn, if not each once."""
    sample = subject.data.get("sample") or {}
    if balance := sample.get("balance"):
        yield f"Training images were drawn so that each {escape(str(balance))} was equally frequent."
    if epoch := sample.get("epoch"):
        yield f"An epoch had {whole(epoch)} samples."
