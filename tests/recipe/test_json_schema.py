"""The JSON Schema is checked by a small validator here, which knows the words that the schema uses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from segkit.recipe.json_schema import recipe_schema
from segkit.recipe.overrides import read_tree
from tests.recipe.cases import RECIPES

NOTES = {"$schema", "$defs", "title", "description", "default"}
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


@cache
def schema() -> dict[str, Any]:
    return recipe_schema()


def fits(value: Any, rule: Any) -> bool:
    if isinstance(rule, bool):
        return rule
    return all(_holds(word, value, rule) for word in rule if word not in NOTES)


def _holds(word: str, value: Any, rule: dict[str, Any]) -> bool:
    wanted = rule[word]
    match word:
        case "$ref":
            return fits(value, schema()["$defs"][wanted.removeprefix("#/$defs/")])
        case "anyOf":
            return any(fits(value, choice) for choice in wanted)
        case "not":
            return not fits(value, wanted)
        case "enum":
            return value in wanted
        case "const":
            return bool(value == wanted)
        case "type":
            number = "integer" in wanted or "number" in wanted
            return isinstance(value, TYPES[wanted]) and not (isinstance(value, bool) and number)
        case "required":
            return not isinstance(value, dict) or set(wanted) <= set(value)
        case "properties":
            held = value if isinstance(value, dict) else {}
            return all(fits(held[key], inner) for key, inner in wanted.items() if key in held)
        case "additionalProperties":
            held = value if isinstance(value, dict) else {}
            return all(fits(held[key], wanted) for key in set(held) - set(rule.get("properties", {})))
        case "items":
            return not isinstance(value, list) or all(fits(item, wanted) for item in value)
        case "prefixItems":
            return not isinstance(value, list) or all(map(fits, value, wanted))
        case "minItems" | "minLength":
            return not isinstance(value, (list, str)) or len(value) >= wanted
        case "maxItems" | "maxLength":
            return not isinstance(value, (list, str)) or len(value) <= wanted
        case "minimum":
            return not isinstance(value, (int, float)) or value >= wanted
        case "exclusiveMinimum":
            return not isinstance(value, (int, float)) or value > wanted
        case "maximum":
            return not isinstance(value, (int, float)) or value <= wanted
        case "exclusiveMaximum":
            return not isinstance(value, (int, float)) or value < wanted
        case "pattern" | "format" | "propertyNames":
            return True
    raise AssertionError(f"{word} is no word of JSON Schema that this test knows")


def everything_in(rule: Any) -> Iterator[dict[str, Any]]:
    if isinstance(rule, dict):
        yield rule
        for word, inner in rule.items():
            if word in ("properties", "$defs"):
                for each in inner.values():
                    yield from everything_in(each)
            elif word not in ("default", "enum", "const", "required"):
                yield from everything_in(inner)
    elif isinstance(rule, list):
        for each in rule:
            yield from everything_in(each)


def test_the_schema_is_well_formed() -> None:
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for rule in everything_in(schema()):
        assert rule.get("type", "null") in TYPES
        assert rule.get("$ref", "#/$defs/Part").startswith("#/$defs/")
        assert rule.get("$ref", "#/$defs/Split").removeprefix("#/$defs/") in schema()["$defs"]
        assert all(isinstance(choice, dict) for choice in rule.get("anyOf", ()))
        assert len(rule.get("enum", ["one"])) == len(set(rule.get("enum", ["one"]))) > 0
        if "properties" in rule and "extends" not in rule["properties"]:
            assert set(rule.get("required", ())) <= set(rule["properties"])


def test_every_key_is_explained() -> None:
    for name in ("DataSettings", "TrainingSettings", "Reference", "Split", "CropSettings", "SampleSettings"):
        definition = schema()["$defs"][name]
        assert definition["additionalProperties"] is False
        assert [key for key, rule in definition["properties"].items() if not rule.get("description")] == []
    assert [key for key, rule in schema()["properties"].items() if not rule.get("description")] == []


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_fit(path: Path) -> None:
    assert fits(yaml.safe_load(path.read_text()), schema())
    assert fits(read_tree(path).plain(), schema())


SMALL: dict[str, Any] = {
    "name": "a",
    "data": {"source": "synthetic_lesions", "size": [64, 64]},
    "model": {"encoder": "mobilenetv2_100", "decoder": {"name": "unet"}},
    "loss": "dice",
    "optimizer": "adamw",
    "metrics": ["iou", {"name": "dice"}],
}


@pytest.mark.parametrize(
    ("changed", "valid"),
    [
        ({}, True),
        ({"loss": ["dice", {"name": "bce", "weight": 0.5}]}, True),
        ({"loss": {"name": "dice", "smoth": 1}}, False),
        ({"loss": {"name": "dice", "smooth": -1}}, False),
        ({"loss": "dise"}, False),
        ({"seed": True}, False),
        ({"epochs": 3}, False),
        ({"training": {"epochs": 0}}, False),
        ({"model": {"encoder": {"name": "mobilenetv2_100", "drop_path": 2}}}, False),
        ({"data": {"source": "synthetic_lesions", "size": [64]}}, False),
        ({"data": {"source": "synthetic_lesions", "size": [64, 64], "split": "official"}}, True),
        (
            {
                "data": {
                    "source": "synthetic_lesions",
                    "size": [64, 64],
                    "split": {"by": "fraction", "val": 0.2},
                }
            },
            True,
        ),
        ({"data": {"source": "synthetic_lesions", "size": [64, 64], "split": "oficial"}}, False),
        ({"data": {"source": "synthetic_lesions", "size": [64, 64], "augment": ["HorizontalFlip"]}}, True),
        (
            {
                "data": {
                    "source": "synthetic_lesions",
                    "size": [64, 64],
                    "augment": [{"name": "Rotate", "limmit": 1}],
                }
            },
            False,
        ),
        ({"metrics": None}, False),
    ],
)
def test_mistakes_do_not_fit(changed: dict[str, Any], valid: bool) -> None:
    assert fits({**SMALL, **changed}, schema()) is valid


def test_keys_may_be_missing_only_where_a_recipe_extends_another() -> None:
    assert not fits({"name": "a"}, schema())
    assert fits({"extends": "a.yaml", "model": {"encoder": {"frozen": False}}}, schema())


def test_transforms_with_options_of_one_name_keep_their_own_types() -> None:
    transforms = schema()["$defs"]["TransformPart"]["anyOf"]
    named = {
        name: rule
        for rule in transforms
        if "properties" in rule
        for name in rule["properties"]["name"]["enum"]
    }
    assert named["Rotate"]["properties"]["limit"] != named["RandomGamma"]["properties"].get("limit")
    assert len(named) == len(transforms[0]["enum"])
