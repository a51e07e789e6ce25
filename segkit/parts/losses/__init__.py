"""Losses: what training makes small. Importing this package registers them; no torch is imported.

Every loss is `(logits (B, K, H, W), target) -> scalar`, computed in float32 whatever the precision of the
run, and blind to ignored pixels. They are our own rather than segmentation-models-pytorch's, which serves as
a judge in the tests: where that library gives no useful answer is said beside each family.
"""

from segkit.parts.losses import lovasz, overlap, pixelwise
from segkit.parts.losses.weighted_sum import weighted_sum

__all__ = ["lovasz", "overlap", "pixelwise", "weighted_sum"]
