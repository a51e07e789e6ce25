"""Check that pretrained weights fit an encoder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from segkit.core.errors import WeightsError
from segkit.utils.os_errors import is_out_of_memory


def check_fit(name: str, state: dict[str, Tensor], path: Path) -> None:
    """Check that the file holds every tensor of the encoder, and nothing else but a classifier.

    Args:
        name: timm name of the model.
        state: tensors of the file, by name.
        path: path of the file, for messages.

    Raises:
        WeightsError: naming the first few wrong tensors.
    """
    with torch.device("meta"):
        model: Any = timm.create_model(name)
    expected = model.state_dict()
    try:
        actual = _renamed_by_timm(model, state)
    except Exception as error:  # timm's renaming fails on files of other models
        if is_out_of_memory(error):
            raise
        raise _weights_error(
            name, path, f"timm cannot read its names ({type(error).__name__}: {error})"
        ) from error
    classifiers = model.pretrained_cfg.get("classifier") or ()
    heads = tuple(f"{head}." for head in ([classifiers] if isinstance(classifiers, str) else classifiers))
    needed = {
        key for key in expected if not key.startswith(heads) and not key.endswith("num_batches_tracked")
    }
    if missing := sorted(needed - set(actual)):
        raise _weights_error(
            name, path, f"{len(missing)} of {len(needed)} tensors are missing: {_few(missing)}"
        )
    if differ := [key for key in sorted(needed) if actual[key].shape != expected[key].shape]:
        key = differ[0]
        shapes = f"{key} is {tuple(actual[key].shape)}, not {tuple(expected[key].shape)}"
        raise _weights_error(
            name, path, f"{len(differ)} of {len(needed)} tensors have another shape: {shapes}"
        )
    if foreign := sorted(key for key in actual if key not in expected and not key.startswith(heads)):
        raise _weights_error(name, path, f"{len(foreign)} tensors are not part of the model: {_few(foreign)}")


def _renamed_by_timm(model: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
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


def _weights_error(name: str, path: Path, problem: str) -> WeightsError:
    return WeightsError(
        f"the weights do not fit {name}: {problem}",
        where=str(path),
        hint=f"use weights of {name}, with timm's or torchvision's names",
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
