"""The processes of one run: started where nobody has. No torch."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from segkit.core.errors import SegkitError
from segkit.core.events import Event
from segkit.core.types import Progress
from segkit.training.distributed.rank import STARTED_BY_SEGKIT, LostProcess
from segkit.utils.subprocesses import run_in_subprocesses, send


def launch(target: str, text: str, folder: Path, processes: int, on_progress: Progress) -> Iterator[Event]:
    """Train with so many processes on this machine, and pass on what the first one says.

    Args:
        target: ``module:function`` that `take_part` calls in each of them.
        text: the complete recipe, as `dump_recipe` writes it.
        folder: handed to it.
        processes: how many.
        on_progress: callback of (label, done, total).

    Raises:
        SegkitError: as soon as one of them fails; the others are ended.
    """
    port = _free_port()
    calls = [(target, text, folder, processes, rank, port) for rank in range(processes)]
    lost: SegkitError | None = None
    for number, said in run_in_subprocesses("segkit.experiments.launch:take_part", calls, at_once=processes):
        if isinstance(said, _Told):
            on_progress(said.label, said.done, said.total)
        elif not isinstance(said, SegkitError):
            yield said
        elif not isinstance(said, LostProcess):
            raise _named(said, number, processes)
        else:  # the one that was lost says why, or its end does
            lost = said
    if lost:
        raise lost


@dataclass(frozen=True)
class _Told:
    """How much of something is done, on its way to the process that shows it."""

    label: str
    done: int
    total: int


def take_part(target: str, text: str, folder: Path, processes: int, rank: int, port: int) -> Iterator[Event]:
    """In a child: be one of the processes of a run. The first one says what happens, the others nothing."""
    import importlib

    from segkit.recipe import load_dumped
    from segkit.utils.signals import handle_signals

    os.environ.update(
        {
            STARTED_BY_SEGKIT: "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0",
            "WORLD_SIZE": str(processes), "RANK": str(rank),
            "LOCAL_WORLD_SIZE": str(processes), "LOCAL_RANK": str(rank),
        }
    )  # fmt: skip
    if rank > 0:
        sys.stderr = sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    module, _, function = target.partition(":")

    def tell(label: str, done: int, total: int) -> None:
        if rank == 0:
            send(_Told(label, done, total))

    with handle_signals() as stop:
        call = getattr(importlib.import_module(module), function)
        for event in call(load_dumped(text), folder, tell, stop):
            if rank == 0:
                yield event


def _named(error: SegkitError, number: int, processes: int) -> SegkitError:
    """The error, and of which process it is where it tells of its end."""
    name = f"process {number + 1} of {processes}"
    problems = [replace(one, problem=re.sub("^its process", name, one.problem)) for one in error.problems]
    return type(error).of(problems)


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])
