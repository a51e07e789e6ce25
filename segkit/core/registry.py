"""Registries of parts by name; a part's signature declares its options.

    @DECODERS.register("transposed_conv", features="last")
    def transposed_conv(pyramid: Pyramid, *, dropout: float = 0.2) -> nn.Module: ...

Positional parameters are given by segkit to every part of a kind; keyword-only parameters are chosen by the
recipe. Validation, defaults, `segkit show` and the JSON Schema are derived from the signature.
"""

from __future__ import annotations

import difflib
import importlib
import math
import re
import sys
import threading
from collections.abc import Callable, Iterable
from pkgutil import iter_modules
from typing import Any, Protocol, TypeVar

from segkit.core.entry import entry_of
from segkit.core.errors import NameTakenError, PartError, SegkitError
from segkit.core.signature import (
    REQUIRED,
    Entry,
    Option,
    Settings,
    first_paragraph,
    meanings_of,
    where_of,
)

__all__ = [
    "DECODERS", "ENCODERS", "LOSSES", "METRICS", "OPTIMIZERS", "REGISTRIES", "REQUIRED", "SCHEDULES",
    "SOURCES", "TRANSFORMS", "Entry", "Family", "Option", "Registry", "Settings", "entry_of",
    "first_paragraph", "meanings_of", "near", "registry_of",
]  # fmt: skip

Factory = TypeVar("Factory", bound=Callable[..., Any])


class Family(Protocol):
    """Parts of another library under its own names, such as all timm encoders."""

    title: str

    def names(self) -> Iterable[str]:
        """All names; must not import anything slow."""
        ...

    def entry(self, name: str) -> Entry | None:
        """The part of that name, or None; must not import anything slow."""
        ...


class Registry:
    """The parts of one kind, by name.

    Args:
        kind: singular name, as in "decoder".
        given: names of the positional parameters that segkit passes to each part.
        builtins: package of the built-in parts, which is imported when a part is first asked for.
        reserved: recipe keys of every part of the kind; not allowed as option names.
        traits: properties a part may declare when it registers, with their defaults.
    """

    def __init__(
        self,
        kind: str,
        given: tuple[str, ...] = (),
        *,
        builtins: str = "",
        reserved: tuple[str, ...] = (),
        **traits: Any,
    ) -> None:
        self.kind = kind
        self.given = given
        self.builtins = builtins
        self.reserved = ("name", *reserved)
        self.traits = traits
        self._families: list[Family] = []
        self._entries: dict[str, Entry] = {}
        self._lock = threading.RLock()
        self._has_builtins = not builtins

    @property
    def plural(self) -> str:
        """Plural of the kind: "losses", "decoders"."""
        return f"{self.kind}es" if self.kind.endswith("s") else f"{self.kind}s"

    @property
    def families(self) -> list[Family]:
        """Families of parts."""
        self._import_builtins()
        return self._families

    def __call__(self, *_: Any) -> Any:
        """Not a decorator: raises an error that shows the right call."""
        raise self._misused(_caller())

    def register(self, name: str = "", /, **traits: Any) -> Callable[[Factory], Factory]:
        """Register a function or class as a part; returns it unchanged.

        Raises:
            PartError: if the name is invalid or taken, a trait is unknown, or the signature violates the
                contract.
        """
        if not isinstance(name, str):  # @DECODERS.register without parentheses hands over the factory
            raise self._misused(where_of(name), getattr(name, "__name__", ""))
        if not name:
            raise self._misused(_caller())

        def decorate(factory: Factory) -> Factory:
            where = where_of(factory)
            self._check_name(name, factory, where)
            if unknown := set(traits) - set(self.traits):
                raise PartError(
                    f"{self.kind} {name!r} declares unknown traits: {', '.join(sorted(unknown))}",
                    where=where,
                    hint=f"allowed: {', '.join(self.traits) or 'nothing'}",
                )
            self._entries[name] = entry_of(self, name, factory, where=where, traits=traits)
            return factory

        return decorate

    def remove(self, name: str) -> None:
        """Remove a registered part, as when the rest of its plugin fails."""
        del self._entries[name]

    def _misused(self, where: str, name: str = "") -> PartError:
        return PartError(
            f"a {self.kind} is registered without a name",
            where=where,
            hint=f'write @{self.plural.upper()}.register("{name or "its_name"}")',
        )

    def _check_name(self, name: str, factory: Callable[..., Any], where: str) -> None:
        if not re.fullmatch(r"[^\W\d_]\w*", name):
            raise PartError(
                f"{name!r} is not a valid name for a {self.kind}",
                where=where,
                hint="use letters, digits and _, starting with a letter",
            )
        # Built-in parts are imported one after the other; all others must not take the name of one of them.
        is_builtin = bool(self.builtins) and factory.__module__.startswith(f"{self.builtins}.")
        taken = self._find(name) if is_builtin else self.get(name)
        # The same line may run twice: a plugin is imported directly, or by pytest, and then loaded.
        if taken and taken.where != where and not _is_redefined_in_notebook(taken.factory, factory):
            error = NameTakenError(
                f"{self.kind} {name!r} is already registered at {taken.where}",
                where=where,
                hint="choose another name",
            )
            error.part = f"{self.kind} {name}"
            raise error

    def get(self, name: str) -> Entry | None:
        """The part of that name, or None; a part of a plugin is there once the plugin is imported."""
        self._import_builtins()
        return self._find(name)

    def _find(self, name: str) -> Entry | None:
        if entry := self._entries.get(name):
            return entry
        return next((entry for family in self._families if (entry := family.entry(name))), None)

    def _import_builtins(self) -> None:
        with self._lock:
            if not self._has_builtins:
                self._has_builtins = True  # before, as built-in parts use their registry
                try:
                    for _, name, _ in iter_modules(importlib.import_module(self.builtins).__path__):
                        if not name.startswith("_"):  # those import torch
                            importlib.import_module(f"{self.builtins}.{name}")
                except BaseException:
                    self._has_builtins = False
                    raise

    def own(self) -> list[Entry]:
        """Parts registered individually (not those of families), sorted by name."""
        self._import_builtins()
        return [self._entries[name] for name in sorted(self._entries)]

    def names(self) -> list[str]:
        """All names, including those of families."""
        return sorted({name for family in self.families for name in family.names()} | {*self._entries})

    def near(self, name: str) -> list[str]:
        """Up to three similar names, best first."""
        return near(name, self.names())


def _caller() -> str:
    """file:line of the code that called a method of the registry."""
    frame = sys._getframe(2)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_redefined_in_notebook(former: Callable[..., Any], factory: Callable[..., Any]) -> bool:
    names = [getattr(one, "__qualname__", "") for one in (former, factory)]
    modules = {getattr(one, "__module__", "") for one in (former, factory)}
    return modules == {"__main__"} and names[0] == names[1]


def near(word: str, words: Iterable[str]) -> list[str]:
    """Up to three of `words` similar to `word`, best first; case and separators are ignored."""
    plain = {re.sub(r"[^a-z0-9]", "", known.lower()): known for known in words}
    matches = difflib.get_close_matches(re.sub(r"[^a-z0-9]", "", word.lower()), plain, n=3, cutoff=0.6)
    return [plain[match] for match in matches]


# Built-in parts are named here, not imported, as core imports no other room.
ENCODERS = Registry(
    "encoder",
    ("in_channels",),
    builtins="segkit.parts.encoders",
    reserved=("frozen", "features", "lr_factor"),
    first_layer=None,  # function of (options, channels): how weights made for RGB fit; "" if there are none
)
DECODERS = Registry("decoder", ("pyramid",), builtins="segkit.parts.decoders", features="all")
LOSSES = Registry("loss", ("task",), builtins="segkit.parts.losses", reserved=("weight",))
METRICS = Registry(
    "metric",
    ("task",),
    builtins="segkit.parts.metrics",
    reserved=("as_",),
    higher_is_better=True,
    unit="",
    of_data_set=False,  # computed over all images together: not a mean over images
    range=(-math.inf, math.inf),  # lowest and highest possible score
)
SOURCES = Registry("source", ("task", "channels"), builtins="segkit.parts.sources")
# Images that a transform takes: numbers of channels (empty: any), and types; and how many other samples.
TRANSFORMS = Registry(
    "transform", builtins="segkit.parts.transforms", channels=(), types=("uint8", "float32"), others=0
)
OPTIMIZERS = Registry("optimizer", ("groups",), builtins="segkit.parts.optimizers")
SCHEDULES = Registry(
    "schedule", ("optimizer", "epochs", "steps_per_epoch"), builtins="segkit.parts.schedules",
    reserved=("warmup_epochs",),
)  # fmt: skip

REGISTRIES: dict[str, Registry] = {
    registry.kind: registry
    for registry in (ENCODERS, DECODERS, LOSSES, METRICS, SOURCES, TRANSFORMS, OPTIMIZERS, SCHEDULES)
}


def registry_of(kind: str, *others: str) -> Registry:
    """The registry of a kind, given in singular or plural.

    Args:
        kind: the kind.
        others: words that the caller knows besides the kinds, for the hint.

    Raises:
        SegkitError: if there is no such kind.
    """
    known = {name: registry for registry in REGISTRIES.values() for name in (registry.kind, registry.plural)}
    if kind not in known:
        guesses = near(kind, [*known, *others])
        hint = f"did you mean {guesses[0]!r}? " if guesses else ""
        kinds = ", ".join([*(registry.plural for registry in REGISTRIES.values()), *others])
        raise SegkitError(f"unknown kind of part {kind!r}", hint=f"{hint}kinds: {kinds}")
    return known[kind]
