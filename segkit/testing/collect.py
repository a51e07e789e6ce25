"""Which checks there are for a plugin or a part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from segkit.core.errors import PartError, SegkitError
from segkit.core.plugins import Plugin, load_plugin, loaded_plugins
from segkit.core.registry import REGISTRIES, Entry, near
from segkit.recipe import Recipe, load_recipe
from segkit.testing import (
    decoders,
    encoders,
    every_part,
    losses,
    metrics,
    optimizers,
    schedules,
    sources,
    transforms,
)
from segkit.testing.check import Check, Point, Subject

CONTRACTS: Mapping[str, tuple[Point, ...]] = {
    "encoder": encoders.CHECKS,
    "decoder": decoders.CHECKS,
    "loss": losses.CHECKS,
    "metric": metrics.CHECKS,
    "source": sources.CHECKS,
    "transform": transforms.CHECKS,
    "optimizer": optimizers.CHECKS,
    "schedule": schedules.CHECKS,
}


def part_checks(entry: Entry, options: Mapping[str, Any] | None = None) -> list[Check]:
    """The contract of one part.

    Args:
        entry: the part.
        options: what a recipe would choose; defaults for all others.

    Raises:
        PartError: if an option that the part requires is missing.
    """
    subject = Subject(entry, _complete(entry, options or {}))
    return [Check(subject, point) for point in (*every_part.CHECKS, *CONTRACTS[entry.kind])]


def plugin_checks(path: Path) -> list[Check]:
    """The contract of every part of a plugin, or of all plugins in a folder.

    Required options of its parts are taken from the `recipe.yaml` beside it.

    Args:
        path: the plugin's file or folder.

    Raises:
        PartError: if the plugin cannot be loaded, or a required option is not in its recipe.
        RecipeError: for what is wrong with its recipe.
    """
    load_plugin(path, "--plugins")
    inside = path.resolve()
    found = [plugin for plugin in loaded_plugins() if plugin.path.is_relative_to(inside)]
    return [check for plugin in found for check in _checks_of(plugin)]


def checks_for(target: str) -> list[Check]:
    """The contract of what a user names.

    Args:
        target: a plugin's file or folder, the name of a loaded plugin or of its package, or that of a part.

    Raises:
        SegkitError: if there is nothing of that name.
    """
    if Path(target).exists():
        return plugin_checks(Path(target))
    plugins = loaded_plugins()
    names = {plugin.name: plugin for plugin in plugins}
    names |= {plugin.package.partition(" ")[0]: plugin for plugin in plugins if plugin.package}
    if target in names:
        return _checks_of(names[target])
    entries = [entry for registry in REGISTRIES.values() if (entry := registry.get(target))]
    if not entries:
        known = [*names, *(name for registry in REGISTRIES.values() for name in registry.names())]
        guesses = " or ".join(map(repr, near(target, known)))
        hint = f"did you mean {guesses}? " if guesses else ""
        raise SegkitError(
            f"there is no plugin and no part {target!r}",
            hint=f"{hint}a folder, a file, or a name that 'segkit list' shows",
        )
    return [check for entry in entries for check in part_checks(entry)]


def _checks_of(plugin: Plugin) -> list[Check]:
    """All parts of a loaded plugin, with the options of its recipe where it has one."""
    recipe = _recipe_of(plugin)
    checks: list[Check] = []
    for kind, name in (part.split(" ") for part in plugin.parts):
        entry = REGISTRIES[kind].get(name)
        assert entry is not None, f"{kind} {name} was registered by {plugin.name}"
        parts = recipe.parts() if recipe else []
        chosen = next((part.options for part in parts if (part.kind, part.name) == (kind, name)), {})
        checks += part_checks(entry, chosen)
    return checks


def _recipe_of(plugin: Plugin) -> Recipe | None:
    file = (plugin.path if plugin.path.is_dir() else plugin.path.parent) / "recipe.yaml"
    return load_recipe(file) if file.is_file() else None


def _complete(entry: Entry, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a part, checked.

    Raises:
        PartError: if a required one is missing.
    """
    required = [name for name, option in entry.options.items() if option.required]
    if missing := [name for name in required if name not in chosen]:
        raise PartError(
            f"{entry.kind} {entry.name!r} cannot be tried without its option {missing[0]!r}",
            where=entry.where,
            hint="put a recipe.yaml beside the plugin that uses the part",
        )
    try:
        return dict(entry.schema.model_validate(dict(chosen)))
    except ValidationError:
        # A default that its type does not allow has a check of its own; here it is taken as it stands.
        defaults = {name: option.default for name, option in entry.options.items() if not option.required}
        return {**defaults, **chosen}
