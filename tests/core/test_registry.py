from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from segkit.core.errors import PartError
from segkit.core.registry import REQUIRED, Entry, Registry, entry_of, first_paragraph, meanings_of, near


@pytest.fixture
def decoders() -> Registry:
    return Registry("decoder", ("pyramid",), reserved=("weight",), features="all")


def plain(pyramid: Any, *, width: Annotated[int, Field(ge=1)], rate: float = 0.5) -> None:
    """One decoder,
    in two lines.

    More about it.

    Args:
        pyramid: what comes in.
        width: of everything;
            over two lines.
        rate (float): of nothing.

    Raises:
        ValueError: never.
    """


class Big:
    """A class is a part too."""

    def __init__(self, pyramid: Any, *, width: int = 3) -> None:
        self.width = width


def test_an_entry_is_read_off_the_signature(decoders: Registry) -> None:
    assert decoders.register("plain", features="last")(plain) is plain
    entry = decoders.get("plain")
    assert entry is not None
    assert (entry.kind, entry.name, entry.factory) == ("decoder", "plain", plain)
    assert entry.summary == "One decoder, in two lines."
    assert entry.traits == {"features": "last"}
    assert re.search(r"test_registry\.py:\d+$", entry.where)
    assert [(o.name, o.default, o.meaning) for o in entry.options.values()] == [
        ("width", REQUIRED, "of everything; over two lines."),
        ("rate", 0.5, "of nothing."),
    ]
    assert entry.options["width"].required
    assert not entry.options["rate"].required


def test_the_schema_fills_in_defaults_and_refuses_the_rest(decoders: Registry) -> None:
    schema = entry_of(decoders, "plain", plain).schema
    assert schema.model_validate({"width": 2}).model_dump() == {"width": 2, "rate": 0.5}
    for wrong in (
        {},
        {"width": 0},
        {"width": 2, "rat": 1},
        {"width": True},
        {"width": 1, "rate": float("nan")},
    ):
        with pytest.raises(ValidationError):
            schema.model_validate(wrong)


def test_classes_are_parts_and_say_where_they_are(decoders: Registry) -> None:
    decoders.register("big")(Big)
    entry = decoders.get("big")
    assert entry is not None
    assert list(entry.options) == ["width"]
    assert re.search(r"test_registry\.py:\d+$", entry.where)


def test_a_name_is_taken_once_and_the_first_place_is_told(decoders: Registry) -> None:
    decoders.register("plain")(plain)
    with pytest.raises(
        PartError,
        match=r"decoder 'plain' is already registered at .*test_registry\.py:\d+\n  try: choose another",
    ):
        decoders.register("plain")(Big)


def test_a_registry_or_an_empty_call_is_no_decorator(decoders: Registry) -> None:
    for misused in (decoders.register, lambda: decoders("plain")):
        with pytest.raises(
            PartError,
            match=r'a decoder is registered without a name\n  try: write @DECODERS.register\("its_name"\)',
        ) as caught:
            misused()
        assert re.search(r"test_registry\.py:\d+$", caught.value.problems[0].file)


def test_an_unknown_trait_is_refused(decoders: Registry) -> None:
    with pytest.raises(
        PartError, match="decoder 'plain' declares unknown traits: feature\n  try: allowed: features"
    ):
        decoders.register("plain", feature="last")(plain)


def no_type(pyramid, *, width=3): ...  # type: ignore[no-untyped-def]


def swallows(pyramid: Any, **options: Any) -> None: ...


def swallows_more(pyramid: Any, *sizes: int) -> None: ...


def given_too_little(*, width: int = 3) -> None: ...


def given_too_much(pyramid: Any, width: int = 3) -> None: ...


def unresolvable(pyramid: Any, *, width: Wdith = 3) -> None: ...  # type: ignore[name-defined]  # noqa: F821


def reserved(pyramid: Any, *, weight: float = 1.0) -> None: ...


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (no_type, "option 'width' has no type\n  try: write width: int = ..."),
        (swallows, "takes **options, which would accept misspelt options\n  try: name every option"),
        (swallows_more, "takes *sizes, which would accept misspelt options"),
        (
            given_too_little,
            "has the positional parameters ()\n  try: segkit gives every decoder (pyramid); put * before",
        ),
        (
            given_too_much,
            "has the positional parameters (pyramid, width)\n  try: segkit gives every decoder (pyramid)",
        ),
        (unresolvable, "the type of option 'width', Wdith, cannot be resolved (name 'Wdith' is not defined)"),
        (
            reserved,
            "has an option 'weight', a reserved key of every decoder\n  try: rename it",
        ),
    ],
)
def test_a_signature_that_breaks_the_contract_is_refused_where_it_stands(
    decoders: Registry, factory: Callable[..., Any], message: str
) -> None:
    with pytest.raises(PartError, match=re.escape(message)) as caught:
        decoders.register("wrong")(factory)
    assert re.search(r"test_registry\.py:\d+$", caught.value.problems[0].file)
    assert decoders.own() == []


class Family:
    title = "things of elsewhere"

    def names(self) -> list[str]:
        return ["elsewhere_b", "elsewhere_a"]

    def entry(self, name: str) -> Entry | None:
        return Entry("decoder", name, plain, {}) if name in self.names() else None


def test_families_are_asked_for_what_is_not_registered(decoders: Registry) -> None:
    decoders.families.append(Family())
    decoders.register("plain")(plain)
    assert decoders.names() == ["elsewhere_a", "elsewhere_b", "plain"]
    assert [entry.name for entry in decoders.own()] == ["plain"]
    found = decoders.get("elsewhere_a")
    assert found is not None
    assert found.name == "elsewhere_a"
    assert decoders.get("nothing") is None
    assert decoders.near("elsewere_a") == ["elsewhere_a", "elsewhere_b"]


def test_near_looks_past_case_and_separators() -> None:
    assert near("Unet++", ["unet", "unetplusplus", "fpn"])[0] == "unet"
    assert near("DEEP-LAB-V3", ["deeplabv3", "fpn"]) == ["deeplabv3"]
    assert near("xyz", ["unet"]) == []
    assert near("", ["unet"]) == []


def test_plurals() -> None:
    assert [Registry(kind).plural for kind in ("loss", "decoder")] == ["losses", "decoders"]


def test_docstrings_without_the_usual_parts() -> None:
    assert meanings_of("Only a line.") == {}
    assert first_paragraph("") == ""
    assert first_paragraph("Args:\n    width: of it.") == ""
