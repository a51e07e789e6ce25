"""A run that is killed before every single change in its directory, each time in a fork of its own."""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from changes import heard_before
from kills import Tally
from same import differences

_PATIENCE_SECONDS = 300


def at_every_change(recipe: Path, overrides: Sequence[str], *, torn: bool, rng: random.Random) -> Tally:
    """Kill a run before its first change, before its second, and so on; then `resume`, at random ones.

    Torch is imported once, and every run is a fork: it is killed by SIGKILL all the same.

    Args:
        recipe: what to run.
        overrides: as `--set` takes them.
        torn: kill it in the middle of writing instead, with half of a file there.
        rng: chooses where the process that goes on is killed as well.
    """
    import torch

    from segkit.experiments.resume import resume
    from segkit.experiments.run import run
    from segkit.recipe import load_recipe

    torch.set_num_threads(1)  # threads do not outlive a fork
    loaded = load_recipe(recipe, overrides)
    tally = Tally()
    with tempfile.TemporaryDirectory() as place:
        reference = Path(place, "reference", loaded.name, "001")
        list(run(loaded, reference.parents[1]))  # here, so that no fork has to import anything
        number, killed = 0, True
        while killed:
            number += 1
            runs = Path(place, str(number))
            runs.mkdir()
            directory = runs / loaded.name / "001"
            killed = in_fork(lambda: list(run(loaded, runs)), runs, number, torn)  # noqa: B023
            tally.kills += killed
            what = [f"run at {number}"]
            if not (directory / "recipe.yaml").is_file():
                tally.unborn += 1
                continue
            again = rng.randint(1, 40)
            if killed and in_fork(lambda: list(resume(directory)), runs, again, torn):  # noqa: B023
                tally.kills += 1
                what.append(f"resume at {again}")
            in_fork(lambda: list(resume(directory)), runs)  # noqa: B023
            if killed:
                tally.judge(", ".join(what), differences(reference, directory))
    return tally


def in_fork(body: Callable[[], Any], folder: Path, number: int = 0, torn: bool = False) -> bool:
    """Do something in a fork that is killed before the change of that number; whether it came so far.

    Args:
        body: what to do.
        folder: whose changes count.
        number: of the change, from 1; 0 for none.
        torn: only files that are opened to be written count, and half of what comes is there.

    Raises:
        RuntimeError: if it failed.
    """
    child = os.fork()
    if not child:
        faulthandler.dump_traceback_later(_PATIENCE_SECONDS, exit=True)  # a fork may wait for a lost thread
        try:
            with heard_before(folder, _killed_at(number, torn)):
                body()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    if status:
        raise RuntimeError(f"it failed, with status {status}")
    return False


def _killed_at(number: int, torn: bool) -> Callable[[str, str], None]:
    """What hears of every change, and ends the process before one of them."""
    left = number

    def hear(event: str, place: str) -> None:
        nonlocal left
        left -= event == "open" or not torn
        if left:
            return
        if torn:
            with open(place, "ab") as file:
                file.write(b'{"half')
        os.kill(os.getpid(), signal.SIGKILL)

    return hear
