"""Construction of the parts of a checked recipe. No torch here, but parts may import it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    with errors_of(part, "cannot be built"):
        return entry.factory(*given, **options)


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
