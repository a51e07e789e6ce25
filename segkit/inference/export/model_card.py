"""Model card of an exported model: scores, training data, limitations, verification, usage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from segkit.analysis.report.class_scores import NOTE as CLASS_NOTE
from segkit.analysis.report.class_scores import class_score_table
from segkit.analysis.report.contents import interval_notes
from segkit.analysis.report.format import NOTHING, interval_text, number, whole
from segkit.analysis.report.run_data import RunData
from segkit.analysis.report.tables import SPLITS, Table, given_to_decoder, worst_table
from segkit.analysis.report.templates import markdown_templates
from segkit.inference.export.usage_examples import usage_examples
from segkit.inference.outputs import mask_classes
from segkit.utils.public_text import public_data

if TYPE_CHECKING:
    from segkit.inference.export.verify import Verification
    from segkit.inference.export_metadata import ExportMetadata
    from segkit.inference.model_info import ModelInfo


def model_card(
    data: RunData,
    metadata: ExportMetadata,
    verification: Verification,
    warnings: Sequence[str],
    *,
    file: str,
    front_matter: str = "",
) -> str:
    """The model card in Markdown.

    Args:
        data: data of the exported run, of the first one of an ensemble, or of a cross-validation.
        metadata: metadata of the exported model.
        verification: comparison with the run.
        warnings: further limitations, in whole sentences.
        file: name of the exported file or folder.
        front_matter: YAML front matter of the hub.
    """
    scores = data.summary.scores
    template = markdown_templates("inference/export", "analysis/report").get_template("card.md.j2")
    return template.render(
        front_matter=Markup(front_matter),
        name=data.summary.recipe,
        description=data.summary.description,
        model=[*_model_rows(data, metadata, file), *_ensemble_rows(verification)],
        has_background=metadata.info.kind != "multiclass",
        mask_classes=_mask_class_table(metadata.info),
        scores=score_table(data),
        class_scores=class_score_table(scores.per_class, scores.confusion, data.environment.class_pixels),
        class_note=CLASS_NOTE,
        intervals=interval_notes(data),
        scored_images=_scored_images(data),
        training_data=_data_rows(data),
        verification=_verification(verification, data),
        worst=worst_table(data),
        limitations=[*_limitations(data, verification.models), *warnings],
        examples=usage_examples(metadata, file),
        fence=Markup("```"),
    )


def score_table(data: RunData) -> Table:
    """Scores of all metrics with their intervals."""
    found = [(name, data.interval(name)) for name in data.metrics]
    rows = [[data.label(name), number(i.mean), interval_text(i.low, i.high) or NOTHING] for name, i in found]
    return Table("Scores", ["Metric", "Score", "95% interval"], rows, [False, True, True])


def _mask_class_table(info: ModelInfo) -> Table:
    """Where each class is in the model's output and in written masks."""
    labels = ["Values in the training masks"] if info.labels else []
    files = ["File of the mask"] if info.task.kind == "multilabel" else []
    rows = [
        [
            row["name"],
            str(channel),
            str(row["value"]),
            row["color"],
            *([row["file"]] if files else []),
            *([", ".join(map(str, row["labels"] or [NOTHING]))] if labels else []),
        ]
        for channel, row in enumerate(mask_classes(info))
    ]
    columns = ["Class", "Channel of the output", "Value in masks", "Colour", *files, *labels]
    return Table("Classes", columns, rows, [False, True, True, *(False for _ in columns[3:])])


def _model_rows(data: RunData, metadata: ExportMetadata, file: str) -> list[tuple[str, str]]:
    info, model = metadata.info, data.recipe.get("model") or {}
    height, width = info.size
    seen = {"stretch": "", "letterbox": " of letterboxed images", "crop": " of windows"}[info.fit]
    sizes = f"{height} x {width}, the training size{seen}"
    if info.multiple > 1:
        sizes += f"; other sizes must be multiples of {info.multiple}"
    elif info.multiple:
        sizes += "; other sizes are possible"
    parts = [(model.get(kind) or {}) for kind in ("encoder", "decoder")]
    encoder, decoder = (part.get("name", NOTHING) if isinstance(part, dict) else str(part) for part in parts)
    return [
        ("File", file),
        ("Task", f"{info.task.kind} segmentation"),
        ("Encoder", f"{encoder}{', frozen' if data.summary.frozen_encoder else ''}"),
        ("Decoder", decoder),
        ("Input of the decoder", given_to_decoder(data.summary.stages)[0] or NOTHING),
        ("Parameters", whole(data.summary.parameters.get("total"))),
        ("Image (height x width)", sizes),
        *_fit_rows(info),
        *_channel_rows(info),
        ("Written by", f"segkit {metadata.version}"),
    ]


def _ensemble_rows(verification: Verification) -> list[tuple[str, str]]:
    models = verification.models
    return [("Ensemble", f"mean of the probabilities of {models} models")] if models > 1 else []


def _fit_rows(info: ModelInfo) -> list[tuple[str, str]]:
    if info.fit == "stretch":
        return []
    if info.fit == "letterbox":
        return [("Resizing", "to fit into it with the aspect ratio kept; padded by reflection")]
    down, across = info.geometry.step
    scale = f"{info.scale:g} of their size" if info.scale != 1 else "their own size"
    return [("Resizing", f"images at {scale}, in windows that start every {down} rows and {across} columns")]


def _channel_rows(info: ModelInfo) -> list[tuple[str, str]]:
    bands = f"; the model takes {', '.join(map(str, info.bands))}, counted from 0" if info.bands else ""
    rows = [("Channels", f"{info.channels}{bands}")]
    if info.range is not None:
        pairs = [*dict.fromkeys(info.range)]
        shown = info.range if len(pairs) > 1 else pairs
        limits = ", ".join(f"{low:g} to {high:g}" for low, high in shown)
        rows.append(("Numbers that become 0 and 1", limits + (", by channel" if len(pairs) > 1 else "")))
    return rows


def _scored_images(data: RunData) -> str:
    split = data.summary.reported_on
    count = data.summary.images.get(split)
    images = f"{whole(count)} {SPLITS.get(split, split)} images".replace(f"{NOTHING} ", "")
    return f"{images}{data.size and f' of {data.size}'}"


def _data_rows(data: RunData) -> list[tuple[str, str]]:
    section: dict[str, Any] = data.recipe.get("data") or {}
    source, split = section.get("source"), section.get("split")
    if not isinstance(source, dict):
        source = {"name": source}
    options = [
        f"{key}: {value}" for key, value in public_data(source).items() if key != "name" and value is not None
    ]
    by = split.get("by") if isinstance(split, dict) else split
    images, digests = data.summary.images, data.environment.data_digests
    return [
        ("Source", ", ".join([str(source.get("name") or NOTHING), *options])),
        *((f"{SPLITS.get(name, name)} images".capitalize(), whole(count)) for name, count in images.items()),
        ("Split", f"by {by}" if by and by != "official" else "that of the source"),
        *((f"SHA-256, {SPLITS.get(name, name)}", digest) for name, digest in digests.items()),
    ]


def _verification(result: Verification, data: RunData) -> list[str]:
    metric = data.label(result.metric)
    shapes = ", ".join(f"{images} of {height} x {width}" for images, height, width in result.shapes)
    share = result.pixels_that_differ / max(1, result.pixels)
    return [
        f"Compared with {result.model_words} on {result.images:,} "
        f"{SPLITS.get(result.split, result.split)} images"
        f"{data.size and f' of {data.size}'}"
        f"{'' if result.same_images else ', which are not those that the run reports its scores on'}.",
        f"{result.pixels_that_differ:,} of {result.pixels:,} pixels have another class ({share:.2g} of all); "
        f"the largest difference of a probability is {result.largest_difference:.2g}.",
        f"{metric} of this file: {result.scores[result.metric]:.6f}; "
        f"of {result.model_words}: {result.model_scores[result.metric]:.6f}.",
        f"Also compared on batches of other shapes: {shapes}.",
    ]


def _limitations(data: RunData, models: int) -> list[str]:
    summary, recipe = data.summary, data.recipe
    images = summary.images.get("train")
    at = f" at {data.size}, after resizing images and masks" if data.size else ""
    if (recipe.get("data") or {}).get("fit") == "crop":
        at = " at the images' own size"
    trained = f"It was trained on {whole(images)} images of one source. " if images else ""
    return [
        *summary.warnings,
        f"{trained}It was not evaluated on images of other cameras, places or people.",
        f"The scores are computed{at}. They are means: single images can be much worse, see below.",
        _variation(data, models),
        "It was not validated for any use in which a mistake can cause harm.",
    ]


def _variation(data: RunData, models: int) -> str:
    if data.cross_validation:
        scored = len(data.fold_runs)  # of the first seed
        which = f"its {models} models"
        if scored < models:
            which = f"{scored} of {which}, those of one seed"
        return (
            f"The scores are those of {which}, each on the images that it was not trained on. "
            "Between them they were trained on all of these images, so that their mean has no score here."
        )
    if models > 1:
        return f"The scores are those of the first of its {models} models, not those of their mean."
    return (
        f"It was trained with one seed, {data.recipe.get('seed')}: intervals are over images. Training again "
        "adds further variation."
    )
