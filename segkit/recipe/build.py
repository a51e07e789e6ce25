"""Construction of the parts of a checked recipe. No torch here, but parts may import it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segkit.core.errors import PartError, SegkitError, line_at_fault, worded
from segkit.recipe import entry_for
from segkit.utils.os_errors import is_out_of_memory

if TYPE_CHECKING:
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
    try:
        return entry.factory(*given, **options)
    except Exception as error:  # a bug of the part, not of the recipe
        if isinstance(error, SegkitError) or is_out_of_memory(error):
            raise
        message = next(iter(str(error).splitlines()), "")  # torch appends its C++ stack
        raise PartError(
            f"{part.kind} {part.name!r} cannot be built: {type(error).__name__}: {message}",
            where=line_at_fault(error, entry.where),
            hint=try_alone(),
        ) from error
