"""Construction of the parts of a checked recipe. No torch here, but parts may import it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.core.errors import PartError, SegkitError, line_at_fault, worded
from segkit.core.plugins import load_plugin
from segkit.recipe import entry_for, used_plugins
from segkit.utils.os_errors import is_out_of_memory

if TYPE_CHECKING:
    from segkit.recipe import Recipe
    from segkit.recipe.part_schema import Part


def try_alone() -> str:
    """The hint for a part that fails."""
    return "test the part alone with segkit test-plugin" + worded("; --traceback shows where it fails", "")


def build(part: Part, *given: Any, **forced: Any) -> Any:
    """Build a part of a checked recipe.

    Args:
        part: name and options.
        given: positional arguments of every part of the kind.
        forced: options to override, where the part has them.

    Raises:
        SegkitError: if the part cannot be built.
    """
    entry = entry_for(part)
    options = {**part.options, **{key: value for key, value in forced.items() if key in entry.options}}
    with errors_of(part, "cannot be built"):
        return entry.factory(*given, **options)


class Transforms(list[Any]):
    """Transforms, built; pickled as their parts, so that a worker process builds them again.

    Args:
        parts: transforms of a checked recipe, in order.
        plugins: files or folders of their plugins.
        modules: other modules that register them.
    """

    def __init__(self, parts: Sequence[Part], plugins: Sequence[Path], modules: Sequence[str]) -> None:
        self._given = parts, plugins, modules
        for plugin in plugins:
            load_plugin(plugin)
        for module in modules:
            import_module(module)
        super().__init__(build(part) for part in parts)

    @property
    def others(self) -> list[int]:
        """Number of other samples that each transform gets."""
        parts, *_ = self._given
        return [int(entry_for(part).traits["others"]) for part in parts]

    @classmethod
    def of(cls, recipe: Recipe) -> Transforms:
        """The transforms of a recipe's `data.augment`."""
        parts = recipe.data.augment
        plugins = [plugin for plugin in used_plugins(recipe) if not plugin.package]
        known = {name for plugin in plugins for name in plugin.parts}
        others = [entry_for(part).factory for part in parts if f"{part.kind} {part.name}" not in known]
        modules = {factory.__module__ for factory in others if hasattr(factory, "__module__")}
        return cls(parts, [plugin.path for plugin in plugins], sorted(modules - {"__main__"}))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._given


@contextmanager
def errors_of(part: Part, what: str = "fails") -> Iterator[None]:
    """Turn exceptions, which are bugs of the part, into a `PartError` that names the line."""
    try:
        yield
    except Exception as error:
        if isinstance(error, SegkitError) or is_out_of_memory(error):
            raise
        message = next(iter(str(error).splitlines()), "")  # torch appends its C++ stack
        raise PartError(
            f"{part.kind} {part.name!r} {what}: {type(error).__name__}: {message}".rstrip(": "),
            where=line_at_fault(error, entry_for(part).where),
            hint=try_alone(),
        ) from error
