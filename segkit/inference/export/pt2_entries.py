"""What is in a .pt2 file that somebody else may have made: looked at before torch reads it.

`torch.export.load` trusts what it reads: tensors may be pickles, sizes are evaluated as Python, guards are
executed, names of values become the source of a function, what goes in and out may name modules to import,
and a node may call any function of torch by name. What passes here has plain weights, names that are names,
sizes and guards of a few known words, one tensor in and one out, and operators of ATen that leave files
alone. That keeps out all that is known to run code; it is no sandbox.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from segkit.core.errors import first_line
from segkit.inference.export.export_graph import silenced

_MODEL = "models/model.json"
_INPUTS = "data/sample_inputs/model.pt"
_ATEN = re.compile(r"torch\.ops\.aten\.(?!from_file|save)(\w+)\.(\w+)")
_ARITHMETIC = re.compile(
    r"_operator\.(add|sub|mul|floordiv|mod|pow|neg|truediv|eq|ne|lt|le|gt|ge|getitem)"
    r"|torch\.sym_(max|min|int|float|not)|math\.(floor|ceil|trunc)"
)
_SIZES = re.compile(
    r"(Symbol\('[su]\d+', (positive|nonnegative)=True, integer=True\)|Symbol\('[su]\d+', integer=True\)"
    r"|(Add|Mul|Pow|Mod|PythonMod|FloorDiv|CeilDiv|Max|Min|Integer|Rational"
    r"|Equality|Unequality|StrictLessThan|LessThan|StrictGreaterThan|GreaterThan|And|Or|Not)\("
    r"|-?\d+|, |\)|true|false)+"
)
_GUARDS = re.compile(
    r"(L\['image'\]\.size\(\)\[\d\]|(max|min|Mod|PythonMod|Eq|Ne)\(|, |\d+|//|[-+*%()<>=! ]|and|or)+"
)
_SPECS = re.compile(
    r"(\[1, |\{\"type\": (null|\"builtins\.(tuple|dict)\"), \"context\": (null|\"null\"|\"\[\]\")"
    r"|, \"children_spec\": \[|\]|\}|, )+"
)
_NAMES = re.compile(r"[\w.-]*")
_WORDS = {"expr_str": ("a size", _SIZES), "guards_code": ("a guard", _GUARDS),
          "in_spec": ("its input", _SPECS), "out_spec": ("its output", _SPECS)}  # fmt: skip
_CALLED = {"target", "as_operator"}
# torch keeps them as text, and writes those that are arguments into source as `repr` has them.
_NEVER_EVALUATED = {"as_string", "nn_module_stack", "torch_fn", "torch_version"}


def check_entries(entries: Mapping[str, bytes]) -> None:
    """Nothing in it runs code when torch reads it, or runs it.

    Args:
        entries: of the archive, by name without the folder that is in front of all of them.

    Raises:
        KeyError: if an entry is missing.
        ValueError: naming what would, or might.
    """
    try:
        with silenced():
            torch.load(io.BytesIO(entries[_INPUTS]), weights_only=True)  # torch tries that, then without
    except Exception as error:
        raise ValueError(f"its example is no plain tensor: {first_line(error)}") from None
    for kind in ("weights", "constants"):
        config = json.loads(entries[f"data/{kind}/model_{kind}_config.json"])
        _check_words(config)
        for name, payload in config["config"].items():
            if payload["use_pickle"] is not False or f"data/{kind}/{payload['path_name']}" not in entries:
                raise ValueError(f"{name[:80]!r} is not a plain tensor")
    model = json.loads(entries[_MODEL])
    _check_words(model)
    if model["graph_module"].get("treespec_namedtuple_fields"):
        raise ValueError("it takes or gives more than a tensor")


def _check_words(plain: Any) -> None:
    """Whatever torch might evaluate, call or write into source is of a kind that is known.

    Raises:
        ValueError: naming what is not.
    """
    for key, word in _words(plain):
        if key in _NEVER_EVALUATED:
            continue
        if key in _CALLED:
            if not _is_operator(word):
                raise ValueError(f"it calls {word[:80]!r}, which is no operator of ATen")
            continue
        what, known = _WORDS.get(key, ("a name", _NAMES))
        if not known.fullmatch(word):
            raise ValueError(f"{what} is {word[:80]!r}")


def _words(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text inside, with the key that it stands under; the keys themselves too, under none."""
    if isinstance(value, dict):
        for inner, item in value.items():
            yield "", inner
            yield from _words(item, inner)
    elif isinstance(value, list):
        for item in value:
            yield from _words(item, key)
    elif isinstance(value, str):
        yield key, value


def _is_operator(name: str) -> bool:
    found = _ATEN.fullmatch(name)
    if not found:
        return bool(_ARITHMETIC.fullmatch(name))
    operator = getattr(getattr(torch.ops.aten, found[1], None), found[2], None)
    return isinstance(operator, torch._ops.OpOverload)
