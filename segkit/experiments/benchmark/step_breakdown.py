"""Where the time of a training step goes, measured from outside: what `fit` calls is timed while it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from segkit.experiments.benchmark.costs.timing import wait

if TYPE_CHECKING:
    import torch

    from segkit.experiments.benchmark.timed_loop import Loop

PARTS = (
    "data", "to_device", "encoder", "decoder", "loss", "backward", "optimizer", "average", "other",
)  # fmt: skip


def seconds_by_part(loop: Loop, steps: int) -> dict[str, float]:
    """Seconds per step of each of `PARTS`; together they are the step.

    The device is waited for around each part, so that a step takes longer here than it does otherwise.
    "encoder" has normalisation in it, "decoder" the head and all up to the logits' full size, "optimizer" the
    clipping of gradients and the schedule; "other" is what no part has.

    Args:
        loop: which steps on with its own batches.
        steps: that count.
    """
    watch = Stopwatch(loop.fabric.device)
    loop.feed.alone = False
    loop.step(1)
    with _watched(loop, watch):
        loop.step(min(steps, 2))
        watch.seconds.clear()
        started = time.perf_counter()
        loop.step(steps)
        wait(loop.fabric.device)
        whole = time.perf_counter() - started
    parts = {part: watch.seconds.get(part, 0.0) / steps for part in PARTS}
    parts["other"] = whole / steps - sum(parts.values())
    return parts


class Stopwatch:
    """Seconds by part. A part that is timed inside of another counts for itself alone.

    Args:
        device: waited for whenever a part begins or ends.
    """

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device
        self._inner = [0.0]  # of what is timed inside of each part that is going on
        self._thread = threading.get_ident()

    def timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed; but not in other threads, for which nobody waits."""

        def timed(*given: Any, **named: Any) -> Any:
            if threading.get_ident() != self._thread:
                return call(*given, **named)
            wait(self._device)
            started = time.perf_counter()
            self._inner.append(0.0)
            try:
                return call(*given, **named)
            finally:
                wait(self._device)
                seconds = time.perf_counter() - started
                self.seconds[part] = self.seconds.get(part, 0.0) + seconds - self._inner.pop()
                self._inner[-1] += seconds

        return timed


@contextmanager
def _watched(loop: Loop, watch: Stopwatch) -> Iterator[None]:
    learner, fabric = loop.learner, loop.fabric
    calls = [
        ("data", loop.feed, "take"),
        ("to_device", fabric, "to_device"),
        ("decoder", learner.model, "forward"),
        ("encoder", learner.model, "features"),
        ("loss", loop, "loss"),
        ("backward", fabric, "backward"),
        ("optimizer", fabric, "clip_gradients"),
        ("optimizer", learner.optimizer, "step"),
        ("optimizer", learner.schedule, "step"),
        *([("average", learner.average, "update")] if learner.average else []),
    ]
    with ExitStack() as stack:
        # A compiled model is one piece; its parts are those of the same model, not compiled.
        stack.enter_context(_replaced(learner.model, "_compiled_call_impl", None))
        for part, owner, name in calls:
            stack.enter_context(_replaced(owner, name, watch.timed(part, getattr(owner, name))))
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """An attribute of one object, for a while."""
    former = vars(owner).get(name, owner)  # the object itself stands for none of its own
    setattr(owner, name, value)
    try:
        yield
    finally:
        if former is owner:
            delattr(owner, name)
        else:
            setattr(owner, name, former)
