"""Trackers follow a run and show it elsewhere: TensorBoard, MLflow, Weights & Biases.

The run directory stays the truth. Each tracker has a file here, which alone imports its library, and is
imported when the tracker is asked for.
"""

from __future__ import annotations

from segkit.runs.trackers.follow import TRACKERS, tracking

__all__ = ["TRACKERS", "tracking"]
