"""The verbs: parse, call, print. What is slow to import is imported by the verb that needs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segkit.errors import Problem, SegkitError

if TYPE_CHECKING:
    from segkit.recipe import Recipe
    from segkit.registry import Entry, Registry

app = typer.Typer(
    name="segkit",
    help="Train, score and explain image segmentation models from recipes.",
    epilog="With --traceback, any verb shows where in the code an error was raised.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data_app = typer.Typer(help="Data sets: fetch them.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")

RecipeArgument = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe YAML file.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a value of the recipe; repeatable."),
]
PluginsOption = Annotated[
    list[Path] | None,
    typer.Option("--plugins", metavar="DIR", help="Load parts from a folder or file; repeatable."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
DemoOption = Annotated[
    bool, typer.Option("--demo", help="Run on synthetic lesions instead of the recipe's data.")
]


def example(verb: str) -> str:
    """The last line of a verb's help."""
    return f"Example: segkit {verb}"


@app.command(epilog=example("run recipes/quickstart.yaml --set training.epochs=2"))
def run(
    recipe: RecipeArgument,
    overrides: SetOption = None,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="Where run directories go.")] = Path("runs"),
    plugins: PluginsOption = None,
    demo: DemoOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train what a recipe describes, score it, and write a report."""
    from segkit.console import RunView

    loaded = _load(recipe, overrides, plugins, demo)
    with RunView(quiet=quiet) as view:
        view.note("Loading torch and friends")
        from segkit.run import run as run_recipe

        for event in run_recipe(loaded, runs, progress=view.progress):
            view.show(event)


@app.command(epilog=example("check recipes/isic_frozen.yaml"))
def check(
    recipe: RecipeArgument,
    overrides: SetOption = None,
    plugins: PluginsOption = None,
    demo: DemoOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Tell everything that can be known without training: schema, parts, files, weights, shapes, sizes."""
    from segkit import console

    try:
        loaded = _load(recipe, overrides, plugins, demo)
        with console.RunView(quiet=quiet or json) as view:
            view.note("Loading torch and friends")
            from segkit.check import check as check_recipe

            report = check_recipe(loaded, view.progress)
    except SegkitError as error:
        if not json:
            raise
        console.print_json({"ok": False, "errors": [_as_json(problem) for problem in error.problems]})
        raise typer.Exit(error.exit_code) from None
    if json:
        console.print_json({"ok": True, "errors": [], **report.as_json()})
    elif not quiet:
        console.print_check(report)


@app.command(name="list", epilog=example("list decoders"))
def list_parts(
    kind: Annotated[
        str, typer.Argument(help="encoders, decoders, losses, metrics, sources, ... (default: all)")
    ] = "",
    plugins: PluginsOption = None,
    json: JsonOption = False,
) -> None:
    """List the parts that recipes can name."""
    from segkit import console

    registries = _registries(kind, plugins)
    if json:
        console.print_json({registry.plural: registry.names() for registry in registries})
        return
    for registry in registries:
        console.print_parts(registry, all_names=bool(kind))


@app.command(epilog=example("show decoder transposed_conv"))
def show(
    kind: Annotated[str, typer.Argument(help="encoder, decoder, loss, metric, source, ...")],
    name: Annotated[str, typer.Argument(help="The part's name.")],
    plugins: PluginsOption = None,
    json: JsonOption = False,
) -> None:
    """Explain a part: its options with type, default and meaning, and where it is defined."""
    from segkit import console

    registry = _registries(kind, plugins)[0]
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
def schema(plugins: PluginsOption = None) -> None:
    """Print the JSON Schema of a recipe, for editors."""
    from segkit import console
    from segkit.recipe.json_schema import recipe_schema

    _registries("", plugins)
    console.print_json(recipe_schema())


@app.command(epilog=example("report runs/quickstart/001"))
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")], quiet: QuietOption = False
) -> None:
    """Write the report of a run again."""
    from segkit import console
    from segkit.report import write_report
    from segkit.run_dir import RunDir

    page = write_report(RunDir.open(run))
    if not quiet:
        console.say(f"Report: {page}")


@data_app.command(epilog=example("data fetch isic2016"))
def fetch(
    name: Annotated[str, typer.Argument(help="The data set: isic2016.")],
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to unpack into.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Download, verify and unpack a data set; goes on where it was interrupted."""
    from segkit import console
    from segkit.data.fetch import fetch_isic2016
    from segkit.home import home

    if name != "isic2016":
        raise SegkitError(f"no data set is called {name!r}", hint="segkit data fetch isic2016")
    folder = to or home() / "data" / "isic2016"
    with console.RunView(quiet=quiet) as view:
        fetch_isic2016(folder, progress=view.progress)
    if not quiet:
        console.say(f"ISIC 2016 is in {folder}")


def main() -> None:
    """Run the command line; exit codes as documented: 0 done, 1 failed, 2 the user's, 130 interrupted."""
    with_traceback = "--traceback" in sys.argv
    arguments = [word for word in sys.argv[1:] if word != "--traceback"]
    try:
        app(arguments)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        if with_traceback:
            import traceback

            traceback.print_exception(error)
        else:
            from segkit.console import error_panel

            error_panel(error if isinstance(error, SegkitError) else _unforeseen(error))
        raise SystemExit(error.exit_code if isinstance(error, SegkitError) else 1) from None


def _unforeseen(error: Exception) -> SegkitError:
    """What nobody has found words for yet."""
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    return SegkitError(f"segkit failed: {what}", hint="the same command with --traceback shows where")


def _load(recipe: Path, overrides: list[str] | None, plugins: list[Path] | None, demo: bool) -> Recipe:
    from segkit.recipe import load_recipe

    return load_recipe(recipe, overrides or (), plugins or (), demo=demo)


def _registries(kind: str, plugins: list[Path] | None) -> list[Registry]:
    """The registry of a kind, given in singular or plural, or all of them; parts loaded."""
    from segkit.plugins import load_builtins, load_plugin
    from segkit.registry import REGISTRIES, near

    load_builtins()
    for plugin in plugins or ():
        load_plugin(plugin)
    if not kind:
        return list(REGISTRIES.values())
    known = {name: registry for registry in REGISTRIES.values() for name in (registry.kind, registry.plural)}
    if kind not in known:
        guesses = near(kind, known)
        hint = f"did you mean {guesses[0]!r}? " if guesses else ""
        kinds = ", ".join(registry.plural for registry in REGISTRIES.values())
        raise SegkitError(f"no kind of parts is called {kind!r}", hint=f"{hint}there are {kinds}")
    return [known[kind]]


def _as_json(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file, "line": problem.line, "path": problem.path,
        "problem": problem.problem, "hint": problem.hint,
    }  # fmt: skip


def _entry_as_json(entry: Entry) -> dict[str, Any]:
    from segkit.recipe.words import in_words

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
