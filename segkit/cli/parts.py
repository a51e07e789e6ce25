"""What is done with parts: list, show, schema, new, test-plugin."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segkit.cli.app import app, example
from segkit.cli.options import (
    JsonOption,
    NoPluginsOption,
    PluginsOption,
    QuietOption,
    load_default_plugins,
    load_parts,
)
from segkit.core.errors import SegkitError

if TYPE_CHECKING:
    from segkit.core.registry import Entry
    from segkit.testing import Outcome


@app.command(name="list", epilog=example("list decoders"))
def list_parts(
    kind: Annotated[
        str, typer.Argument(help="encoders, decoders, losses, metrics, sources, ... (default: all)")
    ] = "",
    plugins: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json: JsonOption = False,
) -> None:
    """List the parts that recipes can name."""
    from segkit.cli import console
    from segkit.core.registry import REGISTRIES, registry_of

    chosen = [registry_of(kind)] if kind else list(REGISTRIES.values())
    load_parts(plugins, no_plugins, quiet=json)
    if json:
        console.print_json({registry.plural: registry.names() for registry in chosen})
        return
    for registry in chosen:
        console.print_parts(registry, all_names=bool(kind))


@app.command(epilog=example("show decoder transposed_conv"))
def show(
    kind: Annotated[str, typer.Argument(help="encoder, decoder, loss, metric, source, ...")],
    name: Annotated[str, typer.Argument(help="The part's name.")],
    plugins: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json: JsonOption = False,
) -> None:
    """Explain a part: its options with type, default and meaning, and where it is defined."""
    from segkit.cli import console
    from segkit.core.registry import registry_of

    registry = registry_of(kind)
    load_parts(plugins, no_plugins, quiet=json)
    entry = registry.get(name)
    if entry is None:
        guesses = [repr(guess) for guess in registry.near(name)]
        hint = f"did you mean {' or '.join(guesses)}? " if guesses else ""
        raise SegkitError(
            f"no {registry.kind} is called {name!r}", hint=f"{hint}'segkit list {registry.plural}' shows all"
        )
    if json:
        console.print_json(_entry_as_json(entry))
    else:
        console.print_part(entry)


@app.command(epilog=example("schema > recipe.schema.json"))
def schema(plugins: PluginsOption = None, no_plugins: NoPluginsOption = False) -> None:
    """Print the JSON Schema of a recipe, for editors."""
    from segkit.cli import console
    from segkit.recipe.json_schema import recipe_schema

    load_parts(plugins, no_plugins)
    console.print_json(recipe_schema())


@app.command(epilog=example("new decoder mydec"))
def new(
    kind: Annotated[str, typer.Argument(help="encoder, decoder, loss or metric.")],
    name: Annotated[str, typer.Argument(help="The new part's name, in snake_case.")],
    into: Annotated[Path, typer.Option(metavar="DIR", help="The folder of plugins.")] = Path("plugins"),
    quiet: QuietOption = False,
) -> None:
    """Write a plugin that runs as it is, to edit: the part, a recipe, a test, a README."""
    from segkit.cli import console
    from segkit.cli.scaffold import new_plugin

    load_default_plugins(no_plugins=False)
    written = new_plugin(kind, name, into)
    if not quiet:
        console.say_new_plugin(written)


@app.command(name="test-plugin", epilog=example("test-plugin plugins/mydec"))
def check_plugin(
    target: Annotated[str, typer.Argument(metavar="DIR|NAME", help="A plugin, or the name of a part.")],
    plugins: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Check each part of a plugin against the contract that built-in parts keep too."""
    from segkit.cli import console

    load_parts(plugins, no_plugins, quiet=quiet or json)
    with console.RunView(quiet=quiet or json) as view:
        view.note("Loading torch and friends")
        from segkit.testing import checks_for

        checks = checks_for(target)
        outcomes: list[Outcome] = []
        for check in checks:
            view.progress("checks", len(outcomes), len(checks))
            with redirect_stdout(sys.stderr):  # what a part prints must not get into --json
                outcomes.append(check.outcome())
    if json:
        kept = all(outcome.passed for outcome in outcomes)
        console.print_json({"ok": kept, "checks": [outcome.as_json() for outcome in outcomes]})
    elif not quiet:
        console.print_outcomes(outcomes)
    if not all(outcome.passed for outcome in outcomes):
        raise typer.Exit(1)


def _entry_as_json(entry: Entry) -> dict[str, Any]:
    from segkit.recipe.type_names import in_words

    return {
        "kind": entry.kind,
        "name": entry.name,
        "summary": entry.summary,
        "where": entry.where,
        "options": [
            {
                "name": option.name,
                "type": in_words(option.annotation),
                "required": option.required,
                "default": None if option.required else option.default,
                "meaning": option.meaning,
            }
            for option in entry.options.values()
        ],
    }
