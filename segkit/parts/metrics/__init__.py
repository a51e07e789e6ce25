"""Metrics: what a model is judged by. Importing this package registers them; no torch is imported.

The definitions are written once, in docs/metrics.md. Every number is computed for each image alone, from
integer counts where the definition allows, so that no score depends on the batch size.
"""

from segkit.parts.metrics import boundary, overlap, rates

__all__ = ["boundary", "overlap", "rates"]
