"""JSON Schema of a recipe, for completion and validation in editors."""

from __future__ import annotations

from pydantic_core import PydanticSerializationError, to_jsonable_python

from segkit.core.registry import REGISTRIES, Entry, Option, Registry
from segkit.recipe.part_schema import PARTS, Part
from segkit.recipe.schema import Recipe
from segkit.recipe.type_names import Schema, schema_of


def recipe_schema() -> Schema:
    """JSON Schema (draft 2020-12) of a recipe, with the options of all registered parts.

    Keys are required only in recipes without `extends`, as a base recipe may provide them.
    """
    schema = Recipe.model_json_schema()
    definitions: Schema = schema["$defs"]
    for definition in definitions.values():
        definition.pop("required", None)
    for part in dict.fromkeys(PARTS.values()):
        definitions[part.__name__] = _part_schema(part, definitions)
    properties: Schema = schema["properties"]
    properties["extends"] = {"type": "string", "description": "Base recipe: a file, or a shipped one's name."}
    for key in ("loss", "metrics"):
        several = properties[key]
        properties[key] = {
            "anyOf": [several["items"], several],
            "description": several.pop("description", ""),
        }
    _allow_bare_split(definitions)
    schema["anyOf"] = [{"required": ["extends"]}, {"required": schema.pop("required")}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _allow_bare_split(definitions: Schema) -> None:
    """Allow ``split: official`` for ``split: {by: official}``."""
    split: Schema = definitions["DataSettings"]["properties"]["split"]
    bare = {"enum": definitions["Split"]["properties"]["by"]["enum"]}
    reference = split.pop("$ref", None)
    split["anyOf"] = [bare, *split.pop("allOf", [{"$ref": reference or "#/$defs/Split"}])]


def _part_schema(part: type[Part], definitions: Schema) -> Schema:
    common = definitions[part.__name__]
    shared = {key: value for key, value in common["properties"].items() if key != "name"}
    groups = _groups(REGISTRIES[part.kind])
    names = [name for group in groups for name in group[0]]
    mappings = [_mapping(group, entry, shared, definitions) for group, entry in groups]
    unnamed = {"type": "object", "not": {"required": ["name"]}}  # changes the part of the base recipe
    return {
        "anyOf": [{"enum": names}, *mappings, unnamed],
        "description": common.get("description", ""),
    }


def _groups(registry: Registry) -> list[tuple[list[str], Entry]]:
    """Names with equal options, which share a schema; only families have such names."""
    groups = [([entry.name], entry) for entry in registry.own()]
    for family in registry.families:
        by_options: dict[str, tuple[list[str], Entry]] = {}
        for name in family.names():
            if entry := family.entry(name):
                by_options.setdefault(repr(entry.options), ([], entry))[0].append(name)
        groups += list(by_options.values())
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
        except PydanticSerializationError:  # defaults are optional in a JSON Schema
            schema.pop("default", None)
    return schema
