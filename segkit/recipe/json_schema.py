"""The JSON Schema of a recipe, for editors: completion and checking while one types."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

from segkit.recipe.schema import PARTS, Part, Recipe
from segkit.registry import REGISTRIES, Entry, Registry

Schema = dict[str, Any]


def recipe_schema() -> Schema:
    """The whole recipe as JSON Schema (draft 2020-12), options of every registered part included."""
    schema = Recipe.model_json_schema()
    definitions: Schema = schema["$defs"]
    for part in dict.fromkeys(PARTS.values()):
        definitions[part.__name__] = _part_schema(part, definitions[part.__name__])
    schema["properties"]["extends"] = {"type": "string", "description": "A recipe that this one changes."}
    for listed in ("loss", "metrics"):
        several = schema["properties"][listed]
        schema["properties"][listed] = {"anyOf": [several["items"], several]}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema.pop("required", None)  # what is missing may come from `extends`
    return schema


def _part_schema(part: type[Part], common: Schema) -> Schema:
    """A bare name, or a mapping whose options are those of the part it names."""
    registry = REGISTRIES[part.kind]
    shared = {key: value for key, value in common["properties"].items() if key != "name"}
    groups = _groups(registry)
    names = [name for group in groups for name in group[0]]
    mappings = [_mapping(names_, entry, shared) for names_, entry in groups]
    return {"anyOf": [{"enum": names, "description": common.get("description", "")}, *mappings]}


def _groups(registry: Registry) -> list[tuple[list[str], Entry]]:
    """Names that share one signature: each own part alone, a family's names together where they are alike."""
    groups = [([entry.name], entry) for entry in registry.own()]
    for family in registry.families:
        alike: dict[tuple[str, ...], tuple[list[str], Entry]] = {}
        for name in family.names():
            if entry := family.entry(name):
                alike.setdefault(tuple(entry.options), ([], entry))[0].append(name)
        groups += list(alike.values())
    return groups


def _mapping(names: list[str], entry: Entry, shared: Schema) -> Schema:
    options = {
        option.name: _option_schema(option.annotation, option.meaning) for option in entry.options.values()
    }
    required = [option.name for option in entry.options.values() if option.required]
    return {
        "type": "object",
        "properties": {"name": {"enum": names}, **shared, **options},
        "required": ["name", *required],
        "additionalProperties": False,
    }


def _option_schema(annotation: Any, meaning: str) -> Schema:
    try:
        schema = TypeAdapter(annotation).json_schema()
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema):
        schema = {}
    return {**schema, "description": meaning} if meaning else schema
