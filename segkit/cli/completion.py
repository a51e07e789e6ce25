"""Values that the shell completes; paths are completed by the shell itself."""

from __future__ import annotations

from typer import Context


def plural_kinds(incomplete: str) -> list[str]:
    """Kinds of parts, as `list` takes them."""
    from segkit.core.registry import REGISTRIES

    return [registry.plural for registry in REGISTRIES.values() if registry.plural.startswith(incomplete)]


def kinds(incomplete: str) -> list[str]:
    """Kinds of parts, as `show` takes them."""
    from segkit.core.registry import REGISTRIES

    return [kind for kind in REGISTRIES if kind.startswith(incomplete)]


def template_kinds(incomplete: str) -> list[str]:
    """Kinds of parts that `new` has a template for."""
    from segkit.cli.scaffold import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete)]


def part_names(context: Context, incomplete: str) -> list[str]:
    """Names of the parts of the kind that is typed before; plugins in the working directory are not run."""
    from segkit.core.plugins import load_installed
    from segkit.core.registry import REGISTRIES

    if (registry := REGISTRIES.get(context.params.get("kind", ""))) is None:
        return []
    load_installed()
    return [name for name in registry.names() if name.startswith(incomplete)]
