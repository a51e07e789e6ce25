"""Registry entries, made from the signatures of factories."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from segkit.core.errors import PartError
from segkit.core.signature import Entry, first_paragraph, options_of, where_of

if TYPE_CHECKING:
    from segkit.core.registry import Registry


def entry_of(
    registry: Registry,
    name: str,
    factory: Callable[..., Any],
    *,
    given: tuple[str, ...] | None = None,
    where: str = "",
    traits: Mapping[str, Any] | None = None,
) -> Entry:
    """Make an `Entry` from a factory's signature; `given` are its positional parameters, if unusual.

    Raises:
        PartError: if the signature violates the contract.
    """
    where = where or where_of(factory)
    label = f"{registry.kind} {name!r}"
    given = registry.given if given is None else given
    options = options_of(factory, given, label=label, kind=registry.kind, where=where)
    if taken := [option for option in options if option in registry.reserved]:
        raise PartError(
            f"{label} has an option {taken[0]!r}, a reserved key of every {registry.kind}",
            where=where,
            hint=f"rename it; reserved: {', '.join(registry.reserved)}",
        )
    return Entry(
        kind=registry.kind,
        name=name,
        factory=factory,
        options=options,
        summary=first_paragraph(inspect.getdoc(factory) or ""),
        where=where,
        traits={**registry.traits, **(traits or {})},
    )
