"""The other optimisers of timm's list, read from its source files, as importing timm is slow."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from segkit.core.errors import PartError
from segkit.core.registry import OPTIMIZERS, REQUIRED, Entry, Option, meanings_of
from segkit.core.signature import arguments_of
from segkit.parts.optimizers._groups import Beta, Decay, Rate, scaled_groups

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from segkit.core.types import ParameterGroups

# Excluded: those registered here under the same name, and their former versions; of second order, which need
# the graph of the gradients; kron, which compiles code. Those of other libraries than torch and timm are
# named by strings.
_EXCLUDED = re.compile(
    r"^(adamw?|nadam|radam|rmsprop|sgd|lamb|lion|adopt|momentum|nesterov|adahessian)$|legacy$|^kron"
)
_LISTED = re.compile(r"OptimInfo\(\s*name='(\w+)',\s*opt_class=[a-zA-Z](?:[^()]|\([^()]*\))*\)")
# Of devices and speed; maximize; a learning rate beside lr, which lr_factor does not reach.
_HIDDEN = re.compile(r"^(foreach|fused|capturable|differentiable|maximize|verbose|adamw_lr|\w+_dtype)$")
_TYPES = {"lr": Rate, "weight_decay": Decay, "momentum": Beta}
_MEANINGS = {
    "lr": "learning rate",
    "weight_decay": "weight decay",
    "momentum": "momentum factor",
    "betas": "decay rates of the moving averages",
    "eps": "value added to denominators",
    "caution": "skip steps against the sign of the gradient (Liang et al., 2024)",
    "nesterov": "use Nesterov momentum; needs a momentum above 0",
    "corrected_weight_decay": "scale the decay by lr / highest lr (Defazio, 2025)",
    "decoupled_weight_decay": "apply weight decay to the weights instead of the gradient",
    "decoupled_decay": "apply weight decay to the weights instead of the gradient",
    "decoupled": "apply weight decay to the weights instead of the gradient",
}
_MOMENTUM = 0.9  # timm's own default is that of its factory, not of its classes
_NAMES = {"Optional": Optional, "Union": Union, "Tuple": tuple, "Tensor": float}


class TimmOptimizers:
    """The optimisers of the installed timm; see `segkit.core.registry.Family`."""

    title = "timm optimizers"

    def names(self) -> Iterable[str]:
        """Optimisers of timm's list that run without further libraries."""
        return _listed()

    def entry(self, name: str) -> Entry | None:
        """The optimiser with that timm name, or None."""
        if name not in _listed():
            return None
        module, kind, listed = _described(name)
        definition, where = _class(module, kind)
        options = {option.name: option for option in _options(definition, listed)}
        fixed = {key: value for key, value in listed["defaults"].items() if key not in options}
        return Entry(
            kind=OPTIMIZERS.kind,
            name=name,
            factory=partial(_build, name, fixed),
            options=options,
            summary=f"{listed['description']} (timm).",
            where=where,
        )


OPTIMIZERS.families.append(TimmOptimizers())


def _build(
    name: str,
    fixed: dict[str, Any],
    groups: ParameterGroups,
    *,
    lr: float,
    weight_decay: float,
    **options: Any,
) -> Optimizer:
    module, kind, _ = _described(name)
    build = getattr(importlib.import_module(module), kind)
    try:
        optimizer: Optimizer = build(scaled_groups(groups, lr, weight_decay), lr=lr, **fixed, **options)
    except ValueError as error:  # options that exclude each other
        raise PartError(f"{name}: {error}", hint=f"segkit show optimizer {name} lists the options") from error
    return optimizer


@cache
def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent / "optim" if spec and spec.origin else Path()


@cache
def _factory() -> str:
    return _text(_folder("timm") / "_optim_factory.py")


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


@cache
def _listed() -> dict[str, str]:  # call of OptimInfo by name
    found = {match[1]: match[0] for match in _LISTED.finditer(_factory())}
    return {name: call for name, call in found.items() if not _EXCLUDED.search(name)}


def _described(name: str) -> tuple[str, str, dict[str, Any]]:
    """Module and name of the class, and what timm's list says of it."""
    call = ast.parse(_listed()[name], mode="eval").body
    assert isinstance(call, ast.Call)
    listed: dict[str, Any] = {"defaults": {}}
    for keyword in call.keywords:
        if keyword.arg == "opt_class":
            *package, kind = ast.unparse(keyword.value).split(".")
        else:
            listed[keyword.arg or ""] = ast.literal_eval(keyword.value)
    if package:  # torch.optim.Adagrad lies in torch.optim.adagrad
        return f"torch.optim.{kind.lower()}", kind, listed
    imported = re.search(rf"^from \.(\w+) import {kind}$", _factory(), re.MULTILINE)
    return f"timm.optim.{imported[1] if imported else ''}", kind, listed


@cache
def _class(module: str, kind: str) -> tuple[ast.ClassDef, str]:
    package, _, name = module.split(".")
    file = _folder(package) / f"{name}.py"
    tree = ast.parse(_text(file))
    definition = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind)
    return definition, f"{file}:{definition.lineno}"


def _options(definition: ast.ClassDef, listed: dict[str, Any]) -> Iterator[Option]:
    init = next(node for node in definition.body if getattr(node, "name", "") == "__init__")
    assert isinstance(init, ast.FunctionDef)
    meanings = meanings_of((ast.get_docstring(definition) or "").replace("Arguments:\n", "Args:\n"))
    for argument, expression in arguments_of(init):
        name = argument.arg
        if name in ("self", "params") or _HIDDEN.search(name):
            continue
        try:
            default = ast.literal_eval(expression) if expression else REQUIRED
        except ValueError:  # a constant of the module
            if name != "lr":
                continue
            default = REQUIRED
        default = listed["defaults"].get(name, default)
        if name == "momentum":
            default = default or _MOMENTUM
        elif name == "lr" and default is None:
            default = REQUIRED
        annotation = _TYPES.get(name) or _annotation(argument.annotation, default)
        if annotation:
            meaning = _MEANINGS.get(name) or meanings.get(name) or f"{name} of {definition.name}"
            yield Option(name, annotation, default, meaning)


def _annotation(expression: ast.expr | None, default: Any) -> Any:
    """The type in the signature, or that of the default; None if neither says it."""
    if isinstance(default, tuple):  # of betas only
        return tuple[(Beta,) * len(default)]  # type: ignore[misc]
    if expression:
        try:
            return eval(ast.unparse(expression), _NAMES)
        except NameError:  # a type of timm
            return None
    return float if type(default) is int else type(default)
