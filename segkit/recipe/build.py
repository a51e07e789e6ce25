"""A part of a checked recipe becomes an object. No torch here; what is built may need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segkit.core.errors import PartError, SegkitError, line_at_fault
from segkit.recipe import entry_for

if TYPE_CHECKING:
    from segkit.recipe.schema import Part

TRY_ALONE = "segkit test-plugin tries the part alone, and --traceback shows the way there"


def build(part: Part, *given: Any, **forced: Any) -> Any:
    """Build a part of a checked recipe.

    Args:
        part: name and options.
        given: what segkit gives to every part of the kind.
        forced: options to override, where the part has them.

    Raises:
        SegkitError: of the part.
    """
    entry = entry_for(part)
    options = {**part.options, **{key: value for key, value in forced.items() if key in entry.options}}
    try:
        return entry.factory(*given, **options)
    except (SegkitError, MemoryError):
        raise
    except Exception as error:  # a fault in the part, not in the recipe: say whose it is
        words = next(iter(str(error).splitlines()), "")  # torch may tell its whole stack
        raise PartError(
            f"{part.kind} {part.name!r} fails while it is built: {type(error).__name__}: {words}",
            where=line_at_fault(error, entry.where),
            hint=TRY_ALONE,
        ) from error
