"""The JSON Schema of a recipe, for editors: completion and checking while one types."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from segkit.core.registry import REGISTRIES, Entry, Option, Registry
from segkit.recipe.schema import PARTS, Part, Recipe
from segkit.recipe.type_names import schema_of

Schema = dict[str, Any]


def recipe_schema() -> Schema:
    """The whole recipe as JSON Schema (draft 2020-12), options of every registered part included.

    What is missing may come from the recipe that is extended, so that keys are required only where none is.
    """
    schema = Recipe.model_json_schema()
    definitions: Schema = schema["$defs"]
    for definition in definitions.values():
        definition.pop("required", None)
    for part in dict.fromkeys(PARTS.values()):
        definitions[part.__name__] = _part_schema(part, definitions)
    properties: Schema = schema["properties"]
    properties["extends"] = {"type": "string", "description": "A recipe that this one changes."}
    for listed in ("loss", "metrics"):
        several = properties[listed]
        properties[listed] = {
            "anyOf": [several["items"], several],
            "description": several.pop("description", ""),
        }
    _allow_bare_split(definitions)
    schema["anyOf"] = [{"required": ["extends"]}, {"required": schema.pop("required")}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _allow_bare_split(definitions: Schema) -> None:
    """``split: official`` means ``split: {by: official}``."""
    split: Schema = definitions["DataSettings"]["properties"]["split"]
    bare = {"enum": definitions["Split"]["properties"]["by"]["enum"]}
    reference = split.pop("$ref", None)
    split["anyOf"] = [bare, *split.pop("allOf", [{"$ref": reference or "#/$defs/Split"}])]


def _part_schema(part: type[Part], definitions: Schema) -> Schema:
    """A bare name, or a mapping whose options are those of the part it names."""
    common = definitions[part.__name__]
    shared = {key: value for key, value in common["properties"].items() if key != "name"}
    groups = _groups(REGISTRIES[part.kind])
    names = [name for group in groups for name in group[0]]
    mappings = [_mapping(named, entry, shared, definitions) for named, entry in groups]
    unnamed = {"type": "object", "not": {"required": ["name"]}}  # it changes the part of the extended recipe
    return {
        "anyOf": [{"enum": names}, *mappings, unnamed],
        "description": common.get("description", ""),
    }


def _groups(registry: Registry) -> list[tuple[list[str], Entry]]:
    """Names that share one signature: each own part alone, a family's names together where they are alike."""
    groups = [([entry.name], entry) for entry in registry.own()]
    for family in registry.families:
        alike: dict[str, tuple[list[str], Entry]] = {}
        for name in family.names():
            if entry := family.entry(name):
                alike.setdefault(repr(entry.options), ([], entry))[0].append(name)
        groups += list(alike.values())
    return groups


def _mapping(names: list[str], entry: Entry, shared: Schema, definitions: Schema) -> Schema:
    options = {name: _option_schema(option, definitions) for name, option in entry.options.items()}
    return {
        "type": "object",
        "description": entry.summary,
        "properties": {"name": {"enum": names}, **shared, **options},
        "required": ["name"],
        "additionalProperties": False,
    }


def _option_schema(option: Option, definitions: Schema) -> Schema:
    schema = schema_of(option.annotation) or {}
    definitions.update(schema.pop("$defs", {}))
    if option.meaning:
        schema["description"] = option.meaning
    if not option.required:
        try:
            schema["default"] = to_jsonable_python(option.default)
        except PydanticSerializationError:  # an editor can do without
            schema.pop("default", None)
    return schema
