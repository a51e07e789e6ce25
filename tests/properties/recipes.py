"""Recipes that must load, built from what the schema and the parts' own signatures say they may hold."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from segkit.core.registry import (  # fmt: skip
    DECODERS,
    ENCODERS,
    LOSSES,
    METRICS,
    OPTIMIZERS,
    REGISTRIES,
    SCHEDULES,
    SOURCES,
    TRANSFORMS,
    Registry,
    Settings,
)
from segkit.recipe.part_schema import DecoderPart, EncoderPart, LossPart, SchedulePart
from segkit.recipe.training_settings import TrainingSettings
from segkit.recipe.type_names import schema_of

Plain = Any
ENCODER_NAMES = ["mobilenetv2_100", "resnet18", "convnext_atto", "vit_tiny_patch16_224"]
WORDS = st.text("abcdefgh_", min_size=1, max_size=8)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
PATHS = st.lists(WORDS, min_size=1, max_size=3).map("/".join)
# What a validator asks for beyond what a JSON Schema can say.
BEYOND_THE_SCHEMA: dict[tuple[str, str], SearchStrategy[Plain]] = {
    (source, pattern): WORDS.map(lambda word: f"{word}{{name}}")
    for source, patterns in (
        ("folder", ("pattern", "image_pattern", "mask_pattern")),
        ("list", ("image_pattern", "mask_pattern")),
    )
    for pattern in patterns
}


def values(schema: Any, definitions: Any = None) -> SearchStrategy[Plain]:
    """Plain values that a JSON Schema allows."""
    if isinstance(schema, bool):  # "additionalProperties": true
        schema = {}
    definitions = schema.get("$defs", definitions)
    if reference := schema.get("$ref"):
        return values(definitions[reference.rsplit("/", 1)[-1]], definitions)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return st.one_of([values(choice, definitions) for choice in choices])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = {
        "integer": _integers, "number": _numbers, "string": _texts, "boolean": lambda _: st.booleans(),
        "null": lambda _: st.none(), "array": lambda s: _lists(s, definitions),
        "object": lambda s: _mappings(s, definitions),
    }  # fmt: skip
    return kinds[schema["type"]](schema) if "type" in schema else st.one_of(st.integers(0, 5), WORDS)


def _integers(schema: Any) -> SearchStrategy[int]:
    least = schema.get("minimum", schema.get("exclusiveMinimum", -1001) + 1)
    most = schema.get("maximum", schema.get("exclusiveMaximum", max(least, 0) + 1001) - 1)
    step = schema.get("multipleOf", 1)
    return st.integers(-(-least // step), most // step).map(lambda count: count * step)


def _numbers(schema: Any) -> SearchStrategy[float]:
    above, below = "exclusiveMinimum" in schema, "exclusiveMaximum" in schema
    least = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf))
    most = schema.get("maximum", schema.get("exclusiveMaximum", math.inf))
    return st.floats(
        max(least, -1e300), min(most, 1e300), exclude_min=above, exclude_max=below, allow_subnormal=False
    )


def _texts(schema: Any) -> SearchStrategy[str]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True).filter(lambda text: "\n" not in text)
    if schema.get("format") == "path":
        return PATHS
    return st.text(
        "abcxyz0123 -_é", min_size=schema.get("minLength", 0), max_size=schema.get("maxLength", 12)
    )


def _lists(schema: Any, definitions: Any) -> SearchStrategy[list[Plain]]:
    if "prefixItems" in schema:
        return st.tuples(*(values(item, definitions) for item in schema["prefixItems"])).map(list)
    least = schema.get("minItems", 0)
    items = values(schema.get("items", {}), definitions)
    return st.lists(items, min_size=least, max_size=schema.get("maxItems", least + 3))


def _mappings(schema: Any, definitions: Any) -> SearchStrategy[dict[str, Plain]]:
    if properties := schema.get("properties"):
        return _some(
            {key: values(value, definitions) for key, value in properties.items()}, schema.get("required", ())
        )
    keys = values(schema["propertyNames"]) if "propertyNames" in schema else WORDS
    return st.dictionaries(keys, values(schema.get("additionalProperties", {}), definitions), max_size=3)


def _some(fields: dict[str, SearchStrategy[Plain]], required: Any = ()) -> SearchStrategy[dict[str, Plain]]:
    """Mappings with the required keys and any of the others."""
    return st.fixed_dictionaries(
        {key: fields[key] for key in fields if key in required},
        optional={key: fields[key] for key in fields if key not in required},
    )


@cache
def settings_of(model: type[Settings], *leave_out: str) -> dict[str, SearchStrategy[Plain]]:
    """What each key of a part of the schema may hold."""
    properties = schema_of(model)
    return {
        key: values(schema, properties.get("$defs"))
        for key, schema in properties["properties"].items()
        if key not in leave_out
    }


@cache
def options(kind: str, name: str) -> dict[str, SearchStrategy[Plain]]:
    """What each option of a part may hold, by its signature."""
    entry = REGISTRIES[kind].get(name)
    assert entry is not None
    beyond = {key: values for (part, key), values in BEYOND_THE_SCHEMA.items() if part == name}
    by_schema = {key: option for key, option in entry.options.items() if key not in beyond}
    return beyond | {key: values(schema_of(option.annotation)) for key, option in by_schema.items()}


@st.composite
def part(draw: Any, registry: Registry, model: type[Settings] | None = None, names: Any = None) -> Plain:
    """A part of a kind, by name or with some of its options."""
    entry = registry.get(draw(st.sampled_from(names or registry.names())))
    assert entry is not None
    required = [name for name, option in entry.options.items() if option.required]
    if not required and draw(st.booleans()):
        return entry.name
    of_all = settings_of(model, "name") if model else {}
    return {"name": entry.name, **draw(_some({**options(registry.kind, entry.name), **of_all}, required))}


@st.composite
def recipes(draw: Any) -> dict[str, Plain]:
    """A recipe as plain data."""
    metrics = draw(st.lists(part(METRICS), min_size=1, max_size=3, unique_by=lambda found: str(_name(found))))
    recipe = {
        "name": draw(st.from_regex(r"[a-z][a-z .+-]{0,20}", fullmatch=True)),
        "data": draw(_data()),
        "model": {
            "encoder": draw(part(ENCODERS, EncoderPart, ENCODER_NAMES)),
            "decoder": draw(part(DECODERS, DecoderPart)),
        },
        "loss": draw(
            st.one_of(part(LOSSES, LossPart), st.lists(part(LOSSES, LossPart), min_size=1, max_size=3))
        ),
        "optimizer": draw(part(OPTIMIZERS)),
        "metrics": metrics,
    }
    more = {
        "description": TEXTS,
        "seed": st.integers(0, 2**32 - 1),
        "schedule": part(SCHEDULES, SchedulePart),
        "training": _some(settings_of(TrainingSettings)).filter(_ends_by_itself),
        "reference": _some(
            {
                "source": TEXTS,
                "epochs": PATHS,
                "metrics": st.dictionaries(WORDS, st.floats(-1, 1), max_size=2),
            },
            ["source"],
        ),
    }
    return {**recipe, **draw(_some(more))}


def _ends_by_itself(training: dict[str, Plain]) -> bool:
    """Whether the end of training is not chosen by scores, where nothing may be (`select: last`)."""
    return training.get("select") != "last" or training.get("early_stopping_epochs") is None


@cache
def _transforms_of(channels: int) -> list[str]:
    entries = {name: TRANSFORMS.get(name) for name in TRANSFORMS.names()}
    return [
        name
        for name, entry in entries.items()
        if entry and (not entry.traits["channels"] or channels in entry.traits["channels"])
    ]


@st.composite
def _data(draw: Any) -> dict[str, Plain]:
    task = draw(st.sampled_from(["binary", "multiclass", "multilabel"]))
    count = {"binary": st.just(1), "multiclass": st.integers(2, 4), "multilabel": st.integers(1, 4)}[task]
    channels = draw(st.sampled_from([1, 3, 4]))
    per_channel = st.lists(st.floats(0.01, 1), min_size=channels, max_size=channels)
    sides = st.integers(8, 8192)
    splits = st.one_of(
        st.just("official"),
        st.fixed_dictionaries(
            {"by": st.just("fraction"), "val": st.floats(0.1, 0.4), "test": st.floats(0, 0.4)}
        ),
        st.integers(2, 9).flatmap(
            lambda folds: st.fixed_dictionaries(
                {"by": st.just("kfold"), "folds": st.just(folds), "fold": st.integers(0, folds - 1)}
            )
        ),
        st.fixed_dictionaries({"by": st.just("file"), "file": PATHS}),
    )
    more = {
        "ignore_index": st.one_of(st.none(), st.integers(4, 255)),
        "split": splits,
        "augment": st.lists(part(TRANSFORMS, names=_transforms_of(channels)), max_size=3),
        "batch_size": st.integers(1, 65536),
        "eval_batch_size": st.one_of(st.none(), st.integers(1, 65536)),
        "workers": st.one_of(st.just("auto"), st.integers(0, 256)),
        "cache": st.booleans(),
        "normalize": st.fixed_dictionaries({"mean": per_channel, "std": per_channel}),
    }
    amount = draw(count)
    return {
        "source": draw(part(SOURCES)),
        "task": task,
        "classes": draw(st.lists(TEXTS, min_size=amount, max_size=amount, unique=True)),
        "channels": channels,
        "size": [draw(sides), draw(sides)],
        **draw(_some(more)),
    }


def _name(found: Plain) -> Plain:
    return found["name"] if isinstance(found, dict) else found
