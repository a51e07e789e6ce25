"""Contract checks of a part, a plugin or a folder of plugins."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from segkit.core.errors import DataError, PartError, SegkitError, ShapeError
from segkit.core.plugins import Plugin, load_plugin, loaded_plugins
from segkit.core.registry import REGISTRIES, Entry, near
from segkit.recipe import load_recipe
from segkit.recipe.type_names import in_words
from segkit.testing import (
    decoders,
    encoders,
    losses,
    metrics,
    modules,
    optimization,
    sources,
    transforms,
)
from segkit.testing.check import AllRefusedError, Check, Subject, error_context, require
from segkit.testing.option_values import is_large, values_to_try


def every_option_has_a_description(subject: Subject) -> None:
    """`segkit list` and `segkit show` print the docstring."""
    hint = "a docstring that describes the part, and an Args: block with a line for each option"
    require(bool(subject.entry.summary), "it has no docstring", hint)
    missing = [name for name, option in subject.entry.options.items() if not option.meaning]
    require(not missing, f"the docstring does not describe {', '.join(missing)}", hint)


def every_default_is_valid(subject: Subject) -> None:
    """Defaults are written into the saved recipe and validated like values of the user."""
    options = subject.entry.options
    required = {name: subject.options[name] for name, option in options.items() if option.required}
    try:
        subject.entry.schema.model_validate(required)
    except ValidationError as error:
        option = options[str(error.errors()[0]["loc"][0])]
        problem = f"the default of option {option.name!r} is {option.default!r}"
        require(False, problem, f"its type allows {in_words(option.annotation)}")


def every_value_of_its_options_works(subject: Subject) -> None:
    """A recipe may choose any of them. Each choice, true and false, and the bounds of numbers are tried."""
    for name, option in subject.entry.options.items():
        current = subject.options[name]
        for value in values_to_try(option.annotation, current):
            try:
                options = dict(subject.entry.schema.model_validate({**subject.options, name: value}))
            except ValidationError:
                continue
            with error_context(f"with {name}: {json.dumps(value)}"):
                _use(Subject(subject.entry, options), large=is_large(value, current))


def _use(subject: Subject, *, large: bool) -> None:
    """Use a part once; it may refuse its options. Large ones are tried without memory, or not at all."""
    kind = subject.entry.kind
    cases, _ = CONTRACTS[kind]
    with suppress(PartError, ShapeError, DataError, AllRefusedError):
        if large and kind in ("encoder", "decoder"):
            cases(subject, device="meta")
        elif not (large and kind in ("source", "transform")):
            for case in cases(subject) if cases else [subject]:
                USES[kind](case)


GENERAL_CHECKS = (every_option_has_a_description, every_default_is_valid, every_value_of_its_options_works)
CONTRACTS: dict[str, tuple[Any, tuple[Any, ...]]] = {  # function that makes the cases, checks of a case
    "encoder": (encoders.cases, encoders.CHECKS),
    "decoder": (decoders.cases, decoders.CHECKS),
    "loss": (losses.cases, losses.CHECKS),
    "metric": (metrics.cases, metrics.CHECKS),
    "source": (sources.cases, sources.CHECKS),
    "transform": (transforms.cases, transforms.CHECKS),
    "optimizer": (None, optimization.OPTIMIZER_CHECKS),
    "schedule": (optimization.schedule_cases, optimization.SCHEDULE_CHECKS),
}
USES: dict[str, Callable[[Any], None]] = {  # function that uses a case once
    "encoder": modules.use,
    "decoder": modules.use,
    "loss": losses.use,
    "metric": metrics.use,
    "source": sources.use,
    "transform": transforms.use,
    "optimizer": optimization.use_optimizer,
    "schedule": optimization.use_schedule,
}


def part_checks(entry: Entry, options: Mapping[str, Any] | None = None) -> list[Check]:
    """Checks of one part with options that differ from their defaults.

    Raises:
        PartError: if a required option is missing.
    """
    subject = Subject(entry, _all_options(entry, options or {}))
    cases, functions = CONTRACTS[entry.kind]
    *first, last = (Check(subject, function) for function in GENERAL_CHECKS)
    return [*first, *(Check(subject, function, cases) for function in functions), last]


def plugin_checks(path: Path) -> list[Check]:
    """Checks of every part of a plugin or a folder of plugins, with the options in their `recipe.yaml`.

    Raises:
        PartError: if a plugin cannot be loaded, or a required option is missing in its recipe.
        RecipeError: if its recipe is invalid.
    """
    load_plugin(path, "--plugins")
    folder = os.path.realpath(path)
    plugins = [plugin for plugin in loaded_plugins() if plugin.path.is_relative_to(folder)]
    return [check for plugin in plugins for check in _loaded_plugin_checks(plugin)]


def checks_for(target: str) -> list[Check]:
    """Checks of a plugin or part.

    Args:
        target: file or folder of a plugin, name of a loaded plugin, of its package, or of a part.

    Raises:
        SegkitError: if the name is unknown.
    """
    if Path(target).exists():
        return plugin_checks(Path(target))
    plugins = {plugin.name: plugin for plugin in loaded_plugins()}
    plugins |= {plugin.package.partition(" ")[0]: plugin for plugin in loaded_plugins() if plugin.package}
    if target in plugins:
        return _loaded_plugin_checks(plugins[target])
    entries = [entry for registry in REGISTRIES.values() if (entry := registry.get(target))]
    if not entries:
        known = [*plugins, *(name for registry in REGISTRIES.values() for name in registry.names())]
        guesses = " or ".join(map(repr, near(target, known)))
        hint = f"did you mean {guesses}? " if guesses else ""
        raise SegkitError(
            f"there is no plugin or part named {target!r}",
            hint=f"{hint}a folder, a file, or a name that 'segkit list' shows",
        )
    return [check for entry in entries for check in part_checks(entry)]


def _loaded_plugin_checks(plugin: Plugin) -> list[Check]:
    recipe = (plugin.path if plugin.path.is_dir() else plugin.path.parent) / "recipe.yaml"
    parts = load_recipe(recipe).parts() if recipe.is_file() else []
    options = {(part.kind, part.name): part.options for part in reversed(parts)}  # the first use counts
    checks: list[Check] = []
    for kind, name in (part.split(" ") for part in plugin.parts):
        entry = REGISTRIES[kind].get(name)
        assert entry is not None, f"{kind} {name} was registered by {plugin.name}"
        checks += part_checks(entry, options.get((kind, name)))
    return checks


def _all_options(entry: Entry, options: Mapping[str, Any]) -> dict[str, Any]:
    missing = [name for name, option in entry.options.items() if option.required and name not in options]
    if missing:
        raise PartError(
            f"{entry.kind} {entry.name!r} cannot be tested without its option {missing[0]!r}",
            where=entry.where,
            hint="put a recipe.yaml beside the plugin that uses the part",
        )
    try:
        return dict(entry.schema.model_validate(dict(options)))
    except ValidationError:  # an invalid default has a check of its own
        defaults = {name: option.default for name, option in entry.options.items() if not option.required}
        return {**defaults, **options}
