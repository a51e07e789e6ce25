"""segkit: segmentation models from recipes. Public names are loaded when they are first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers, which do not run `__getattr__`
    from segkit.api import load as load
    from segkit.api import run as run
    from segkit.contracts import Metric as Metric
    from segkit.contracts import Pyramid as Pyramid
    from segkit.contracts import Sample as Sample
    from segkit.contracts import Task as Task
    from segkit.errors import SegkitError as SegkitError
    from segkit.prediction.predictor import Predictor as Predictor
    from segkit.prediction.result import Prediction as Prediction
    from segkit.recipe import Recipe as Recipe
    from segkit.recipe import load_recipe as load_recipe
    from segkit.registry import DECODERS as DECODERS
    from segkit.registry import ENCODERS as ENCODERS
    from segkit.registry import LOSSES as LOSSES
    from segkit.registry import METRICS as METRICS
    from segkit.registry import OPTIMIZERS as OPTIMIZERS
    from segkit.registry import SCHEDULES as SCHEDULES
    from segkit.registry import SOURCES as SOURCES
    from segkit.registry import TRANSFORMS as TRANSFORMS
    from segkit.study import compare as compare

__version__ = "0.1.0"

_HOMES = {
    "DECODERS": "segkit.registry",
    "ENCODERS": "segkit.registry",
    "LOSSES": "segkit.registry",
    "METRICS": "segkit.registry",
    "OPTIMIZERS": "segkit.registry",
    "SCHEDULES": "segkit.registry",
    "SOURCES": "segkit.registry",
    "TRANSFORMS": "segkit.registry",
    "Metric": "segkit.contracts",
    "Pyramid": "segkit.contracts",
    "Sample": "segkit.contracts",
    "Task": "segkit.contracts",
    "Recipe": "segkit.recipe",
    "load_recipe": "segkit.recipe",
    "SegkitError": "segkit.errors",
    "Prediction": "segkit.prediction.result",
    "Predictor": "segkit.prediction.predictor",
    "compare": "segkit.study",
    "load": "segkit.api",
    "run": "segkit.api",
}
__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name's home when it is first asked for, so that importing segkit costs nothing."""
    if home := _HOMES.get(name):
        return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'segkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
