"""Commands `list`, `show`, `schema`, `new` and `test-plugin`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Exit, Option

from segkit.cli import completion, options, recipes
from segkit.cli.app import app, example
from segkit.core.errors import SegkitError

if TYPE_CHECKING:
    from segkit.core.registry import Entry
    from segkit.testing import Outcome


@app.command(name="list", epilog=example("list decoders"))
def list_parts(
    kind: Annotated[
        str,
        Argument(
            help="encoders, decoders, losses, ..., recipes (default: all)",
            autocompletion=completion.plural_kinds,
        ),
    ] = "",
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    json: options.JsonOption = False,
) -> None:
    """List the parts that a recipe can use, and the recipes that ship with segkit."""
    from segkit.cli import console
    from segkit.core.registry import REGISTRIES, registry_of

    kinds = [] if kind in recipes.KINDS else [kind] if kind else [*REGISTRIES]
    chosen = [registry_of(one, "recipes") for one in kinds]
    options.load_parts(plugins, no_plugins)
    shipped = {"recipes": recipes.descriptions()} if kind in ("", *recipes.KINDS) else {}
    if json:
        console.print_json({**{registry.plural: registry.names() for registry in chosen}, **shipped})
        return
    for registry in chosen:
        console.print_parts(registry, all_names=bool(kind))
    for described in shipped.values():
        console.print_recipes(described)


@app.command(epilog=example("show decoder transposed_conv"))
def show(
    kind: Annotated[
        str, Argument(help="encoder, decoder, loss, metric, ..., recipe.", autocompletion=completion.kinds)
    ],
    name: Annotated[str, Argument(help="Name of the part or recipe.", autocompletion=completion.names)],
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    json: options.JsonOption = False,
) -> None:
    """Show the options, defaults and location of a part, or a recipe that ships with segkit."""
    from segkit.cli import console
    from segkit.core.registry import registry_of
    from segkit.recipe.transform_images import instead_of

    if kind in recipes.KINDS:
        recipes.show(name, json=json)
        return
    registry = registry_of(kind, "recipes")
    options.load_parts(plugins, no_plugins)
    entry = registry.get(name)
    if entry is None:
        guesses = [repr(guess) for guess in registry.near(name)]
        guess = f"did you mean {' or '.join(guesses)}? " if guesses else ""
        hint = f"{guess}'segkit list {registry.plural}' lists all; those of a plugin need --plugins"
        instead = instead_of(name) if registry.kind == "transform" else ""
        raise SegkitError(f"no {registry.kind} is called {name!r}", hint=instead or hint)
    if json:
        console.print_json(_entry_as_json(entry))
    else:
        console.print_part(entry)


@app.command(epilog=example("schema > recipe.schema.json"))
def schema(plugins: options.PluginsOption = None, no_plugins: options.NoPluginsOption = False) -> None:
    """Print the JSON Schema of recipes, for editors."""
    from segkit.cli import console
    from segkit.recipe.json_schema import recipe_schema

    options.load_parts(plugins, no_plugins)
    console.print_json(recipe_schema())


@app.command(epilog=example("new decoder mydec"))
def new(
    kind: Annotated[
        str,
        Argument(help="encoder, decoder, loss, metric or recipe.", autocompletion=completion.template_kinds),
    ],
    name: Annotated[
        str, Argument(help="Name of the new part, in snake_case, or recipe.", show_default=False)
    ] = "",
    into: Annotated[
        Path | None, Option(metavar="DIR", help="Folder (default: plugins; for a recipe, the current one).")
    ] = None,
    source: Annotated[
        str,
        Option(
            "--from",
            metavar="RECIPE",
            help="Recipe to copy, of segkit list recipes.",
            autocompletion=completion.shipped_recipes,
        ),
    ] = "",
    quiet: options.QuietOption = False,
) -> None:
    """Create a plugin from a template, or copy a recipe that ships with segkit."""
    from segkit.cli import console
    from segkit.cli.scaffold import new_plugin

    if kind in recipes.KINDS:
        recipes.copy(source, name, into or Path(), quiet=quiet)
        return
    if source:
        hint = f"segkit new recipe --from {source}"
        raise SegkitError("only recipes are copied", where="--from", hint=hint)
    if not name:
        raise SegkitError(f"the new {kind} has no name", hint=f"segkit new {kind} my_{kind}")
    options.load_plugins(no_plugins=False)
    written = new_plugin(kind, name, into or Path("plugins"))
    if not quiet:
        console.print_new_plugin(written)


@app.command(name="test-plugin", epilog=example("test-plugin plugins/mydec"))
def check_plugin(
    target: Annotated[str, Argument(metavar="DIR|NAME", help="Plugin folder or file, or name of a part.")],
    plugins: options.PluginsOption = None,
    no_plugins: options.NoPluginsOption = False,
    quiet: options.QuietOption = False,
    json: options.JsonOption = False,
) -> None:
    """Test a plugin against the contract of its parts."""
    from segkit.cli import console

    options.load_parts(plugins, no_plugins)
    with console.RunView(quiet=quiet or json) as view:
        view.note("Loading torch")
        from segkit.testing import checks_for, run_checks

        checks = checks_for(target)
        outcomes: list[Outcome] = []
        with redirect_stdout(sys.stderr):  # keep prints of parts out of --json
            for outcome in run_checks(checks):
                outcomes.append(outcome)
                view.progress("checks", len(outcomes), len(checks))
    ok = all(outcome.passed for outcome in outcomes)
    not_run = len(checks) - len(outcomes)
    if json:
        results = [outcome.as_json() for outcome in outcomes]
        console.print_json({"ok": ok, "checks": results, "not_run": not_run})
    elif not quiet:
        console.print_outcomes(outcomes, not_run)
    if not ok:
        raise Exit(1)


def _entry_as_json(entry: Entry) -> dict[str, Any]:
    from segkit.recipe.transform_images import images_in_words
    from segkit.recipe.type_names import in_words

    described = [
        {
            "name": option.name,
            "type": in_words(option.annotation),
            "required": option.required,
            "default": None if option.required else option.default,
            "meaning": option.meaning,
        }
        for option in entry.options.values()
    ]
    keys = ("kind", "name", "summary", "where")
    images = {"images": images_in_words(entry)} if entry.kind == "transform" else {}
    return {**{key: getattr(entry, key) for key in keys}, **images, "options": described}
