"""Values that the shell completes; other paths are completed by the shell itself."""

from __future__ import annotations

from collections.abc import Iterable
from glob import escape, glob

from typer import Context


def plural_kinds(incomplete: str) -> list[str]:
    """Kinds, as `list` takes them."""
    from segkit.core.registry import REGISTRIES

    return _beginning(incomplete, [*(registry.plural for registry in REGISTRIES.values()), "recipes"])


def kinds(incomplete: str) -> list[str]:
    """Kinds, as `show` takes them."""
    from segkit.core.registry import REGISTRIES

    return _beginning(incomplete, [*REGISTRIES, "recipe"])


def template_kinds(incomplete: str) -> list[str]:
    """Kinds that `new` has a template for."""
    from segkit.cli.scaffold import KINDS

    return _beginning(incomplete, [*KINDS, "recipe"])


def names(context: Context, incomplete: str) -> list[str]:
    """Names of the kind that is typed before; plugins in the working directory are not run."""
    from segkit.core.plugins import load_installed
    from segkit.core.registry import REGISTRIES

    kind = context.params.get("kind", "")
    if kind == "recipe":
        return shipped_recipes(incomplete)
    if kind not in REGISTRIES:
        return []
    load_installed()
    return _beginning(incomplete, REGISTRIES[kind].names())


def shipped_recipes(incomplete: str) -> list[str]:
    """Names of the recipes that ship with segkit."""
    from segkit.recipe import shipped

    return _beginning(incomplete, shipped.shipped_recipes())


def recipes(incomplete: str) -> list[str]:
    """Names of the recipes that ship with segkit, and paths."""
    return [*shipped_recipes(incomplete), *sorted(glob(f"{escape(incomplete)}*"))]


def samplers(incomplete: str) -> list[str]:
    """Samplers of Optuna, if it is installed."""
    return _of_optuna("sampler_names", incomplete)


def pruners(incomplete: str) -> list[str]:
    """Pruners of Optuna, if it is installed."""
    return _of_optuna("pruner_names", incomplete)


def _of_optuna(function: str, incomplete: str) -> list[str]:
    try:
        from segkit.experiments.tuning import samplers
    except ImportError:
        return []
    return _beginning(incomplete, getattr(samplers, function)())


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
