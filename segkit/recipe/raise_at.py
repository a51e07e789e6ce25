"""Errors of a key of a mapping, raised by its validator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError


def raise_at(
    problems: Iterable[tuple[str | None, str]],
    value: Any,
    info: ValidationInfo,
    hints: Mapping[str | None, str] | None = None,
) -> None:
    """Raise the problems of a mapping, each with the line and the hint of its key, if there are any."""
    errors = [
        InitErrorDetails(
            type=PydanticCustomError(
                "value_error", "{error}", {"error": problem, "hint": (hints or {}).get(key, "")}
            ),
            loc=(key,) if key else (),
            input=value,
        )
        for key, problem in problems
    ]
    if errors:
        raise ValidationError.from_exception_data(str(info.field_name), errors)
