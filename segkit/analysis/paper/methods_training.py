"""Sentences of the methods section about the model, its training, and what was chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from segkit.analysis.paper.latex import code, escape, join
from segkit.analysis.paper.part_text import name_text, options_text
from segkit.analysis.paper.references import SOURCES, Citations
from segkit.analysis.paper.subject import Subject
from segkit.analysis.report.contents import postprocess_note
from segkit.analysis.report.format import metric_name, whole
from segkit.analysis.report.tables import SPLITS, given_to_decoder
from segkit.runs.provisional import STOPPED
from segkit.runs.schema import Environment
from segkit.utils.listing import counted
from segkit.utils.public_text import last_name

_SMP = SOURCES["decoder"]  # all decoders with a publication are those of segmentation-models-pytorch

_CITED_BEFORE = (
    ("timm", "timm", "wightman2019timm"),
    ("segmentation-models-pytorch", "segmentation-models-pytorch", "iakubovskii2019smp"),
    ("Albumentations", "albumentations", "buslaev2020albumentations"),
)  # libraries whose version is stated if a part of them was used


def model_sentences(subject: Subject, citations: Citations) -> Iterator[str]:
    """Encoder with its weights, decoder, number of parameters."""
    model = subject.recipe.get("model") or {}
    encoder, decoder = model.get("encoder") or {}, model.get("decoder") or {}
    if not encoder.get("name") or not decoder.get("name"):
        return
    yield _encoder(subject, encoder, citations)
    yield _decoder(subject, decoder, citations)
    if stages := given_to_decoder(subject.summary.stages)[0]:
        stages = stages.replace("stage", "stages", 1) if "," in stages else stages
        yield f"The decoder was given {escape(stages)} of the encoder."
    if total := subject.summary.parameters.get("total"):
        trainable = subject.summary.parameters.get("trainable", total)
        trained = "" if trainable == total else f", of which {trainable / 1e6:.2f} million were trained"
        yield f"The model has {total / 1e6:.2f} million parameters{trained}."


def _encoder(subject: Subject, encoder: Mapping[str, Any], citations: Citations) -> str:
    name = str(encoder["name"])
    text = f"The encoder was {name_text(subject, 'encoder', name, citations)}"
    if f"encoder {name}" not in subject.plugin_parts and "timm" in subject.environment.packages:
        text += f" of timm{citations.cite('wightman2019timm')}"
    text += options_text("encoder", encoder, {"weights": ""})
    weights = encoder.get("weights")
    if weights == "none":
        text += ", with random initial weights"
    elif weights:
        weights = last_name(str(weights))
        known = ["deng2009imagenet"] if weights.startswith("imagenet") or "in1k" in weights else []
        known += ["oquab2024dinov2"] if "dinov2" in name else []
        text += f", with the pretrained weights {code(weights)}{citations.cite(*known)}"
    factor, frozen = encoder.get("lr_factor"), encoder.get("frozen")
    if frozen is True:
        return f"{text}; it was not trained."
    if isinstance(factor, int | float) and factor != 1:
        return f"{text}; its learning rate was {factor:g} times that of the other parts."
    return f"{text}."


def _decoder(subject: Subject, decoder: Mapping[str, Any], citations: Citations) -> str:
    name = str(decoder["name"])
    text = f"The decoder was {name_text(subject, 'decoder', name, citations)}"
    if name in _SMP and f"decoder {name}" not in subject.plugin_parts:
        text += f" of segmentation-models-pytorch{citations.cite('iakubovskii2019smp')}"
    if decoder.get("attention") == "scse":
        text += f", with channel and spatial attention{citations.cite('roy2018scse')}"
    return f"{text}{options_text('decoder', decoder, {'attention': ''})}."


def training_sentences(subject: Subject, citations: Citations) -> Iterator[str]:
    """Loss, optimizer, schedule, epochs, seeds, precision."""
    losses = [_loss(subject, part, citations) for part in subject.recipe.get("loss") or ()]
    if losses:
        yield f"The loss was {'the sum of ' if len(losses) > 1 else ''}{join(losses)}."
    optimizer = subject.recipe.get("optimizer") or {}
    if optimizer.get("name"):
        words = {"lr": "learning rate", "weight_decay": "weight decay"}
        rates = [
            f"a {word} of {optimizer[key]:g}"
            for key, word in words.items()
            if isinstance(optimizer.get(key), int | float)
        ]
        with_rates = f" with {join(rates)}" if rates else ""
        name = name_text(subject, "optimizer", str(optimizer["name"]), citations)
        options = options_text("optimizer", optimizer, dict.fromkeys(words, ""))
        yield f"The optimizer was {name}{with_rates}{options}."
    if text := _schedule(subject, citations):
        yield text
    yield _epochs(subject)
    if clip := subject.training.get("clip_grad_norm"):
        yield f"The norm of the gradients was clipped at {clip:g}."
    if decay := subject.summary.ema_decay:
        yield f"An exponential moving average of the weights (decay {decay:g}) was scored and kept."
    seeds = [str(seed) for seed in subject.seeds]
    yield f"Training used the random {'seed' if len(seeds) == 1 else 'seeds'} {join(seeds)}."
    if precision := subject.summary.precision:
        yield f"The numeric precision was {code(precision)}."


def _loss(subject: Subject, part: Mapping[str, Any] | str, citations: Citations) -> str:
    options = part if isinstance(part, Mapping) else {"name": part}
    name, weight = str(options["name"]), options.get("weight", 1)
    text = name_text(subject, "loss", name, citations)
    if name == "tversky" and options.get("gamma", 1) != 1:
        text += citations.cite("abraham2019focaltversky")
    text += options_text("loss", options)
    return text if weight == 1 else f"{weight:g} times {text}"


def _schedule(subject: Subject, citations: Citations) -> str:
    schedule = subject.recipe.get("schedule") or {}
    name = str(schedule.get("name") or "")
    if not name:
        return ""
    warmup = schedule.get("warmup_epochs")
    after = f" after a warm-up of {warmup:g} epochs" if warmup else ""
    if name == "constant":
        return f"The learning rate was constant{after}."
    chosen = name_text(subject, "schedule", name, citations) + options_text("schedule", schedule)
    return f"The learning rate followed the schedule {chosen}{after}."


def _epochs(subject: Subject) -> str:
    batch = subject.data.get("batch_size")
    what = "windows" if subject.data.get("fit") == "crop" else "images"
    batches = f" with batches of {whole(batch)} {what}" if batch else ""
    done = sorted({summary.epochs for summary in subject.summaries})
    noun = "epoch" if done == [1] else "epochs"
    text = f"Training took {join([whole(epochs) for epochs in done])} {noun}{batches}"
    asked = subject.summary.epochs_asked
    patience = subject.training.get("early_stopping_epochs")
    if subject.summary.status == STOPPED:
        return f"{text}; it was stopped before the {whole(asked)} epochs of the recipe were done."
    if patience and asked:
        text += (
            f"; it ended early after {whole(patience)} epochs without a better score, and at the latest "
            f"after {whole(asked)} epochs"
        )
    return f"{text}."


def selection_sentences(subject: Subject) -> Iterator[str]:
    """What was chosen on which images: the epoch, the post-processing."""
    summary = subject.summary
    if summary.select == "last":
        yield "The weights of the last epoch are the result: no epoch was chosen by a score."
    else:
        yield from _chosen_epoch(subject)
    yield from _postprocess(subject)


def _chosen_epoch(subject: Subject) -> Iterator[str]:
    summary = subject.summary
    metric = metric_name(summary.first_metric or summary.metrics[0])
    scored = SPLITS.get(summary.scored_on, summary.scored_on)
    windows = f"{counted(summary.validate_windows, 'window')} of " if summary.validate_windows else ""
    side = {True: "highest ", False: "lowest "}.get(summary.higher_is_better, "best ")  # type: ignore[arg-type]
    yield (
        f"The weights of the epoch with the {side}{escape(metric)} on {windows}the {scored} images are the "
        "result."
    )
    epochs = [whole(each.best.epoch) for each in subject.summaries]
    if len(epochs) == 1:
        yield f"These are the weights of epoch {epochs[0]} of {whole(summary.epochs)}."
    else:
        yield f"These are, in the order of the seeds, the weights of epochs {join(epochs)}."
    if summary.scored_on == summary.reported_on:
        yield (
            f"The final scores are those of the same {scored} images on which the epoch was chosen, so they "
            "are optimistic."
        )


def _postprocess(subject: Subject) -> Iterator[str]:
    settings, record = subject.summary.postprocess, subject.postprocess
    if record and not settings:
        images = f"{whole(record.images)} {SPLITS.get(record.split, record.split)} images"
        yield (
            f"Masks were not post-processed: of {whole(record.candidates)} candidates, none was shown to "
            f"raise the score on {images}."
        )
    if settings:
        yield escape(postprocess_note(settings, record))
        yield "Scores are those of masks without post-processing, unless they are called post-processed."


def environment_sentences(subjects: Sequence[Subject], citations: Citations) -> Iterator[str]:
    """Versions and hardware, as the first runs recorded them."""
    environments = [subject.environment for subject in subjects]
    used = [
        ("segkit", "segkit", ""),
        ("PyTorch", "torch", "paszke2019pytorch"),
        *((label, package, "") for label, package, key in _CITED_BEFORE if citations.has(key)),
    ]
    versions = [
        f"{label} {escape(version)}{citations.cite(*filter(None, [key]))}"
        for label, package, key in used
        if (version := _each(environment.packages.get(package) for environment in environments))
    ]
    if python := _each(environment.python for environment in environments):
        versions.append(f"Python {escape(python)}")
    if versions:
        yield f"The software was {join(versions)}."
    machines = dict.fromkeys(filter(None, map(_machine, environments)))
    if machines:
        yield f"Training ran on {join([escape(machine) for machine in machines])}."


def _each(values: Iterable[str | None]) -> str:
    return " and ".join(dict.fromkeys(filter(None, values)))


def _machine(environment: Environment) -> str:
    cores = f" with {counted(environment.cores, 'core')}" if environment.cores else ""
    device = f" (device: {environment.device})" if environment.device else ""
    return f"{environment.processor}{cores}{device}" if environment.processor else environment.device
