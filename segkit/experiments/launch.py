"""Run in one process or in several: start them where no launcher has."""

from __future__ import annotations

import importlib
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.core.errors import SegkitError
from segkit.core.events import Event
from segkit.core.types import Progress
from segkit.recipe import Recipe, dump_recipe, load_dumped
from segkit.training.distributed.rank import LAUNCHED_BY, LostProcess, current_rank_info
from segkit.utils.machine import is_running
from segkit.utils.signals import StopSignal, handle_signals
from segkit.utils.subprocesses import run_in_subprocesses, send

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def run_distributed(
    target: str,
    body: Callable[[Recipe, Path, Fabric, Progress, StopSignal], Iterator[Event]],
    recipe: Recipe,
    folder: Path,
    on_progress: Progress,
    stop: StopSignal,
) -> Iterator[Event]:
    """Call `body` in as many processes as the recipe asks for.

    Args:
        target: ``module:function`` that the started processes call with (recipe, folder, on_progress, stop)
            and that calls this function again.
        body: function to run in each process.
        recipe: checked recipe; `training.devices` and `training.num_nodes` set the number of processes.
        folder: argument of the body.
        on_progress: callback of (label, done, total).
        stop: stop signal of this process; started processes receive their own.

    Raises:
        SegkitError: as soon as one process fails; the others are ended.
    """
    # These import torch, slowly: a child first redirects its output and handles signals.
    from segkit.training.devices import count_processes, make_fabric
    from segkit.training.distributed.errors import raise_once

    rank_info = current_rank_info()
    processes = count_processes(recipe.training, rank_info)
    if processes and not rank_info:
        yield from _launch(target, dump_recipe(recipe), folder, processes, on_progress)
        return
    fabric = make_fabric(recipe.training, rank_info)
    with raise_once(fabric, rank_info):
        yield from body(recipe, folder, fabric, on_progress, stop)


def _launch(target: str, text: str, folder: Path, processes: int, on_progress: Progress) -> Iterator[Event]:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    # Here the processes meet; torch has no libuv on Windows.
    libuv = sys.platform != "win32"
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, use_libuv=libuv)
    calls = [(target, text, folder, processes, rank, store.port, os.getpid()) for rank in range(processes)]
    lost: SegkitError | None = None
    for rank, value in run_in_subprocesses("segkit.experiments.launch:run_rank", calls, at_once=processes):
        if isinstance(value, _ProgressMessage):
            on_progress(value.label, value.done, value.total)
        elif not isinstance(value, SegkitError):
            yield value
        elif not isinstance(value, LostProcess):
            raise _with_rank(value, rank, processes)
        else:  # the process that was lost reports the cause itself
            lost = value
    if lost:
        raise lost


@dataclass(frozen=True)
class _ProgressMessage:
    label: str
    done: int
    total: int


def run_rank(
    target: str, text: str, folder: Path, processes: int, rank: int, port: int, parent: int
) -> Iterator[Event]:
    """In a child: call the target as torchrun would as one process of a run; only rank 0 yields events."""
    os.environ.update(
        {
            LAUNCHED_BY["torchrun"]: "segkit", "TORCHELASTIC_RESTART_COUNT": "0",
            "TORCHELASTIC_USE_AGENT_STORE": "True", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            "WORLD_SIZE": str(processes), "RANK": str(rank), "GROUP_RANK": "0",
            "LOCAL_WORLD_SIZE": str(processes), "LOCAL_RANK": str(rank),
        }
    )  # fmt: skip
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if rank > 0:
        sys.stderr = sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    module, _, function = target.partition(":")

    def on_progress(label: str, done: int, total: int) -> None:
        if rank == 0:
            send(_ProgressMessage(label, done, total))

    with handle_signals() as stop:
        call = getattr(importlib.import_module(module), function)
        for event in call(load_dumped(text), folder, on_progress, stop):
            if rank == 0:
                yield event


def _end_with(parent: int) -> None:
    # torch would try for half an hour to connect to the store of a parent that was killed.
    # On Windows a process of a virtual environment has another between itself and its parent.
    while is_running(parent) if sys.platform == "win32" else os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _with_rank(error: SegkitError, rank: int, processes: int) -> SegkitError:
    """Name the process in the message of one that ended without an error of its own."""
    name = f"process {rank + 1} of {processes}"
    return type(error).of(
        [
            replace(problem, problem=re.sub("^its process", name, problem.problem))
            for problem in error.problems
        ]
    )
