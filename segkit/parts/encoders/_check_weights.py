"""Whether a file of weights is one of the model it is meant for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from segkit.core.errors import WeightsError


def check_fit(name: str, state: dict[str, Tensor], path: Path) -> None:
    """Every tensor of the encoder is in the file with its shape, and nothing else but a classifier is.

    Raises:
        WeightsError: naming the first few that are wrong.
    """
    with torch.device("meta"):
        model: Any = timm.create_model(name)
    expected = model.state_dict()
    try:
        given = _as_timm_renames(model, state)
    except Exception as error:  # timm's rules stumble over files of other models
        raise _misfit(name, path, f"timm cannot read its names ({type(error).__name__}: {error})") from error
    classifiers = model.pretrained_cfg.get("classifier") or ()
    heads = tuple(f"{head}." for head in ([classifiers] if isinstance(classifiers, str) else classifiers))
    needed = {
        key for key in expected if not key.startswith(heads) and not key.endswith("num_batches_tracked")
    }
    if missing := sorted(needed - set(given)):
        raise _misfit(name, path, f"{len(missing)} of {len(needed)} tensors are missing: {_few(missing)}")
    if differ := [key for key in sorted(needed) if given[key].shape != expected[key].shape]:
        key = differ[0]
        shapes = f"{key} is {tuple(given[key].shape)}, not {tuple(expected[key].shape)}"
        raise _misfit(name, path, f"{len(differ)} of {len(needed)} tensors have another shape: {shapes}")
    if foreign := sorted(key for key in given if key not in expected and not key.startswith(heads)):
        raise _misfit(name, path, f"{len(foreign)} tensors have no place in it: {_few(foreign)}")


def _as_timm_renames(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    module = sys.modules[type(model).__module__]
    names = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained", "pretrained_filter_fn")
    rename: Callable[..., Any] | None = next(
        (vars(module)[name] for name in names if name in vars(module)), None
    )
    if rename is None:
        return state
    try:
        renamed: dict[str, Tensor] = rename(dict(state), model)
    except TypeError:
        renamed = rename(dict(state))
    return renamed


def _misfit(name: str, path: Path, problem: str) -> WeightsError:
    return WeightsError(
        f"the weights do not fit {name}: {problem}",
        where=str(path),
        hint=f"give weights of {name} itself, in timm's or torchvision's naming",
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
