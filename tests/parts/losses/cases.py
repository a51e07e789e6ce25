"""Tasks and batches for the tests of losses."""

from torch import Tensor

from segkit.testing import tasks
from segkit.testing.tasks import IGNORED as VOID
from segkit.testing.tasks import TASKS

__all__ = ["TASKS", "VOID", "batch", "certain"]


def batch(kind: str, *, size: int = 3, seed: int = 0, side: int = 12) -> tuple[Tensor, Tensor]:
    """Logits and a target that have to do with each other; every class is in every image."""
    return tasks.batch(TASKS[kind], images=size, size=(side, side), seed=seed)


def certain(kind: str, target: Tensor) -> Tensor:
    """Logits that are sure of the target."""
    return tasks.logits_of(TASKS[kind], target, strength=20)
