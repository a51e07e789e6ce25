"""Breakdown of the time of a training step, by timing the calls that `fit` makes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from segkit.experiments.benchmark.costs.timing import synchronize

if TYPE_CHECKING:
    import torch

    from segkit.experiments.benchmark.timed_loop import Loop

PARTS = (
    "data", "to_device", "encoder", "decoder", "loss", "backward", "optimizer", "average", "other",
)  # fmt: skip


def seconds_by_part(loop: Loop, steps: int) -> dict[str, float]:
    """Seconds per step of each of `PARTS`; their sum is the time of a step.

    The device is synchronised around each part, so a step takes longer than in a run. "encoder" includes
    normalisation, "decoder" the head and upsampling, "optimizer" gradient clipping and the schedule; "other"
    is the rest of the step.
    """
    watch = Stopwatch(loop.fabric.device)
    loop.feed.repeat = False
    loop.step(1)
    with _timed_parts(loop, watch):
        loop.step(min(steps, 2))
        watch.seconds.clear()
        started = time.perf_counter()
        loop.step(steps)
        synchronize(loop.fabric.device)
        whole = time.perf_counter() - started
    parts = {part: watch.seconds.get(part, 0.0) / steps for part in PARTS}
    parts["other"] = whole / steps - sum(parts.values())
    return parts


class Stopwatch:
    """Seconds by part, with the device synchronised; nested parts do not count for the outer one."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device
        self._inner = [0.0]  # seconds of nested parts, for each running part
        self._thread = threading.get_ident()

    def timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a call to be timed; calls from other threads, such as data loading, are not."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != self._thread:
                return call(*args, **kwargs)
            synchronize(self._device)
            started = time.perf_counter()
            self._inner.append(0.0)
            try:
                return call(*args, **kwargs)
            finally:
                synchronize(self._device)
                seconds = time.perf_counter() - started
                self.seconds[part] = self.seconds.get(part, 0.0) + seconds - self._inner.pop()
                self._inner[-1] += seconds

        return timed


@contextmanager
def _timed_parts(loop: Loop, watch: Stopwatch) -> Iterator[None]:
    state, fabric = loop.state, loop.fabric
    calls = [
        ("data", loop.feed, "next_batch"),
        ("to_device", fabric, "to_device"),
        ("decoder", state.model, "forward"),
        ("encoder", state.model, "features"),
        ("loss", loop, "loss"),
        ("backward", fabric, "backward"),
        ("optimizer", fabric, "clip_gradients"),
        ("optimizer", state.optimizer, "step"),
        ("optimizer", state.schedule, "step"),
        *([("average", state.average, "update_parameters")] if state.average else []),
    ]
    with ExitStack() as stack:
        # A compiled model has no separate parts: time the uncompiled one.
        stack.enter_context(_replaced_attribute(state.model, "_compiled_call_impl", None))
        for part, owner, name in calls:
            stack.enter_context(_replaced_attribute(owner, name, watch.timed(part, getattr(owner, name))))
        yield


@contextmanager
def _replaced_attribute(owner: Any, name: str, value: Any) -> Iterator[None]:
    former = vars(owner).get(name, owner)  # owner: the instance has no such attribute
    setattr(owner, name, value)
    try:
        yield
    finally:
        if former is owner:
            delattr(owner, name)
        else:
            setattr(owner, name, former)
