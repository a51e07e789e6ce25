"""segkit: segmentation models from recipes. Public names are loaded when they are first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from segkit.version import __version__ as __version__

if TYPE_CHECKING:  # for type checkers, which do not run `__getattr__`
    from segkit.api import load as load
    from segkit.api import run as run
    from segkit.core.errors import SegkitError as SegkitError
    from segkit.core.registry import DECODERS as DECODERS
    from segkit.core.registry import ENCODERS as ENCODERS
    from segkit.core.registry import LOSSES as LOSSES
    from segkit.core.registry import METRICS as METRICS
    from segkit.core.registry import OPTIMIZERS as OPTIMIZERS
    from segkit.core.registry import SCHEDULES as SCHEDULES
    from segkit.core.registry import SOURCES as SOURCES
    from segkit.core.registry import TRANSFORMS as TRANSFORMS
    from segkit.core.types import Metric as Metric
    from segkit.core.types import Pyramid as Pyramid
    from segkit.core.types import Sample as Sample
    from segkit.core.types import Task as Task
    from segkit.experiments.study import compare as compare
    from segkit.inference.prediction import Prediction as Prediction
    from segkit.inference.predictor import Predictor as Predictor
    from segkit.recipe import Recipe as Recipe
    from segkit.recipe import load_recipe as load_recipe

_HOMES = {
    "DECODERS": "segkit.core.registry",
    "ENCODERS": "segkit.core.registry",
    "LOSSES": "segkit.core.registry",
    "METRICS": "segkit.core.registry",
    "OPTIMIZERS": "segkit.core.registry",
    "SCHEDULES": "segkit.core.registry",
    "SOURCES": "segkit.core.registry",
    "TRANSFORMS": "segkit.core.registry",
    "Metric": "segkit.core.types",
    "Pyramid": "segkit.core.types",
    "Sample": "segkit.core.types",
    "Task": "segkit.core.types",
    "Recipe": "segkit.recipe",
    "load_recipe": "segkit.recipe",
    "SegkitError": "segkit.core.errors",
    "Prediction": "segkit.inference.prediction",
    "Predictor": "segkit.inference.predictor",
    "compare": "segkit.experiments.study",
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
