"""Registries: names for parts, and the signature of a part as the one place where its options are declared.

    @DECODERS.register("transposed_conv", features="last")
    def transposed_conv(pyramid: Pyramid, *, dropout: float = 0.2) -> nn.Module: ...

Positional parameters are *given* by segkit to every part of a kind; keyword-only parameters are *chosen*
by the recipe. Validation, defaults, `segkit show` and the JSON Schema all come from that signature.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, create_model, field_validator

from segkit.errors import PartError

Factory = TypeVar("Factory", bound=Callable[..., Any])
REQUIRED: Any = inspect.Parameter.empty


class Settings(BaseModel):
    """Base of everything a recipe may hold: unknown keys are refused, values cannot change afterwards."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, protected_namespaces=()
    )

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Python would take true for 1; no user means that."""
        field = cls.model_fields.get(info.field_name or "")
        if isinstance(value, bool) and field and field.annotation in (int, float, int | None, float | None):
            raise ValueError("true and false are not numbers")
        return value


@dataclass(frozen=True)
class Option:
    """One thing a recipe may choose about a part."""

    name: str
    annotation: Any
    default: Any = REQUIRED
    meaning: str = ""

    @property
    def required(self) -> bool:
        """Whether a recipe must give it."""
        return self.default is REQUIRED


@dataclass(frozen=True)
class Entry:
    """A registered part: how to build it, what may be chosen, and where it is written.

    Args:
        kind: the registry's kind, such as "decoder".
        name: the name recipes use.
        factory: called with what is given, then with the options by keyword.
        options: by name, in the order of the signature.
        summary: the first paragraph of the docstring.
        where: file:line of the definition.
        traits: facts segkit reads about the part, such as a decoder's wanted `features`.
    """

    kind: str
    name: str
    factory: Callable[..., Any]
    options: Mapping[str, Option]
    summary: str = ""
    where: str = ""
    traits: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def schema(self) -> type[Settings]:
        """The options as a pydantic model: unknown keys refused, defaults filled in."""
        fields: dict[str, Any] = {
            option.name: (option.annotation, ... if option.required else option.default)
            for option in self.options.values()
        }
        return create_model(f"{self.kind}:{self.name}", __base__=Settings, **fields)


class Family(Protocol):
    """Parts of another library, found by that library's names (all encoders of timm, say)."""

    title: str

    def names(self) -> Iterable[str]:
        """Every name, without importing anything slow."""
        ...

    def entry(self, name: str) -> Entry | None:
        """The part of that name, or None; without importing anything slow."""
        ...


class Registry:
    """The parts of one kind, by name.

    Args:
        kind: singular, as in "decoder".
        given: the names of the positional parameters that segkit passes to each part.
        traits: facts a part may state when it registers, with their defaults.
    """

    def __init__(self, kind: str, given: tuple[str, ...] = (), **traits: Any) -> None:
        self.kind = kind
        self.given = given
        self.traits = traits
        self.families: list[Family] = []
        self._entries: dict[str, Entry] = {}

    def register(self, name: str, **traits: Any) -> Callable[[Factory], Factory]:
        """Make a function or class a part under `name`; returns it unchanged.

        Raises:
            PartError: if the name is taken, a trait is unknown, or the signature breaks the contract.
        """

        def decorate(factory: Factory) -> Factory:
            where = _where(factory)
            if taken := self._entries.get(name):
                raise PartError(
                    f"{self.kind} {name!r} is already registered at {taken.where}",
                    where=where,
                    hint="give yours another name",
                )
            if unknown := set(traits) - set(self.traits):
                raise PartError(
                    f"{self.kind} {name!r} states {', '.join(sorted(unknown))}, which means nothing here",
                    where=where,
                    hint=f"allowed: {', '.join(self.traits) or 'nothing'}",
                )
            self._entries[name] = entry_of(self, name, factory, where=where, traits=traits)
            return factory

        return decorate

    def get(self, name: str) -> Entry | None:
        """The part of that name, or None."""
        if entry := self._entries.get(name):
            return entry
        return next((entry for family in self.families if (entry := family.entry(name))), None)

    def own(self) -> list[Entry]:
        """The parts registered one by one (not those of families), by name."""
        return [self._entries[name] for name in sorted(self._entries)]

    def names(self) -> list[str]:
        """Every name, those of families included."""
        return sorted({*self._entries, *(name for family in self.families for name in family.names())})

    def near(self, name: str) -> list[str]:
        """Up to three names that the user may have meant, best first."""
        return near(name, self.names())


def near(word: str, words: Iterable[str]) -> list[str]:
    """Up to three of `words` that look like `word`, best first; case and separators do not count."""
    plain = {re.sub(r"[^a-z0-9]", "", known.lower()): known for known in words}
    matches = difflib.get_close_matches(re.sub(r"[^a-z0-9]", "", word.lower()), plain, n=3, cutoff=0.6)
    return [plain[match] for match in matches]


def entry_of(
    registry: Registry,
    name: str,
    factory: Callable[..., Any],
    *,
    given: tuple[str, ...] | None = None,
    where: str = "",
    traits: Mapping[str, Any] | None = None,
) -> Entry:
    """Read an `Entry` off a factory's signature.

    Args:
        registry: the registry it is for.
        name: the name recipes will use.
        factory: the function or class.
        given: its positional parameters, if not those of the registry.
        where: file:line to show; found from the factory by default.
        traits: facts that differ from the registry's defaults.

    Raises:
        PartError: if the signature breaks the contract.
    """
    where = where or _where(factory)
    given = registry.given if given is None else given
    label = f"{registry.kind} {name!r}"
    documentation = inspect.getdoc(factory) or ""
    meanings = meanings_of(documentation)
    options: dict[str, Option] = {}
    positional: list[str] = []
    for parameter in inspect.signature(factory).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            annotation = _resolve(parameter.annotation, factory, label, parameter.name, where)
            meaning = meanings.get(parameter.name, "")
            options[parameter.name] = Option(parameter.name, annotation, parameter.default, meaning)
        elif parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            raise PartError(
                f"{label} takes *{parameter.name}, which would swallow misspelt options",
                where=where,
                hint="name every option as a keyword-only parameter with a type",
            )
        else:
            positional.append(parameter.name)
    if tuple(positional) != given:
        raise PartError(
            f"{label} has the positional parameters ({', '.join(positional)})",
            where=where,
            hint=f"segkit gives every {registry.kind} ({', '.join(given)}); put * before the options",
        )
    return Entry(
        kind=registry.kind,
        name=name,
        factory=factory,
        options=options,
        summary=first_paragraph(documentation),
        where=where,
        traits={**registry.traits, **(traits or {})},
    )


def first_paragraph(documentation: str) -> str:
    """What a docstring says first, as one line."""
    return documentation.split("\n\n")[0].replace("\n", " ")


def meanings_of(documentation: str) -> dict[str, str]:
    """The `Args:` block of a Google-style docstring, by argument."""
    block = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", documentation, re.MULTILINE)
    if not block:
        return {}
    meanings: dict[str, str] = {}
    for found in re.finditer(r"^ {4}(\w+)(?: \(.*\))?:\s*((?:.*)(?:\n {5,}.*)*)", block[1], re.MULTILINE):
        meanings[found[1]] = " ".join(found[2].split())
    return meanings


def _resolve(annotation: Any, factory: Callable[..., Any], label: str, name: str, where: str) -> Any:
    """The type behind an annotation, which is text under `from __future__ import annotations`."""
    if annotation is inspect.Parameter.empty:
        raise PartError(
            f"{label}: option {name!r} has no type", where=where, hint=f"write {name}: float = ..."
        )
    if not isinstance(annotation, str):
        return annotation
    function = factory.__init__ if inspect.isclass(factory) else factory
    try:
        return eval(annotation, getattr(inspect.unwrap(function), "__globals__", {}))
    except Exception as error:
        raise PartError(
            f"{label}: the type of option {name!r}, {annotation}, cannot be resolved ({error})",
            where=where,
            hint="import the type at the top of the file, not under TYPE_CHECKING",
        ) from error


def _where(factory: Callable[..., Any]) -> str:
    try:
        return f"{inspect.getsourcefile(factory)}:{inspect.getsourcelines(factory)[1]}"
    except (OSError, TypeError):
        return getattr(factory, "__module__", "")


ENCODERS = Registry("encoder", ("in_channels",))
DECODERS = Registry("decoder", ("pyramid",), features="all")
LOSSES = Registry("loss", ("task",))
METRICS = Registry("metric", ("task",), higher_is_better=True)
SOURCES = Registry("source", ("task", "channels"))
TRANSFORMS = Registry("transform")
OPTIMIZERS = Registry("optimizer", ("groups",))
SCHEDULES = Registry("schedule", ("optimizer", "epochs", "steps_per_epoch"))

REGISTRIES: dict[str, Registry] = {
    registry.kind: registry
    for registry in (ENCODERS, DECODERS, LOSSES, METRICS, SOURCES, TRANSFORMS, OPTIMIZERS, SCHEDULES)
}
