"""Trackers: TensorBoard, MLflow, Weights & Biases.

Each tracker is one module, the only one that imports its library, loaded only when the tracker is used.
"""

from __future__ import annotations

from segkit.runs.trackers.follow import TRACKERS, tracking

__all__ = ["TRACKERS", "tracking"]
