"""Image segmentation from recipes: the public API, imported lazily."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from segkit.version import __version__ as __version__

if TYPE_CHECKING:  # type checkers do not run `__getattr__`
    from segkit.api import compare as compare
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
    from segkit.inference.prediction import Prediction as Prediction
    from segkit.inference.predictor import Predictor as Predictor
    from segkit.recipe import Recipe as Recipe
    from segkit.recipe import load_recipe as load_recipe

_NAMES = {
    "segkit.api": "compare load run",
    "segkit.core.errors": "SegkitError",
    "segkit.core.registry": "DECODERS ENCODERS LOSSES METRICS OPTIMIZERS SCHEDULES SOURCES TRANSFORMS",
    "segkit.core.types": "Metric Pyramid Sample Task",
    "segkit.inference.prediction": "Prediction",
    "segkit.inference.predictor": "Predictor",
    "segkit.recipe": "Recipe load_recipe",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = [*sorted(_MODULES), "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that importing segkit is fast."""
    if module := _MODULES.get(name):
        return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'segkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
