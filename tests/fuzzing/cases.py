"""Many cases in a child process with a time limit for each: what was accepted, refused, raised, or hung."""

from __future__ import annotations

import argparse
import faulthandler
import multiprocessing
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

FAULTS = ("traceback", "hang", "crash", "nameless", "leak")
Judge = Callable[[int, Path], tuple[str, str]]
"""(seed, a folder of its own) -> what happened, and its words."""
_FORK = multiprocessing.get_context("fork")


@dataclass
class Tally:
    """What happened, by word, and the seeds of what must not happen."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, seed: int, verdict: str, words: str) -> None:
        """One more case."""
        self.counts[verdict] += 1
        if verdict in FAULTS:
            self.faults.append((seed, verdict, words))

    def table(self) -> str:
        """A line of figures for each word."""
        first = [
            ("cases", self.counts.total()),
            ("refused", self.counts["refused"]),
            ("accepted", self.counts["accepted"]),
        ]
        faults = {
            "traceback": "tracebacks",
            "hang": "hangs",
            "crash": "crashes",
            "nameless": "refusals that name no file",
        }
        rest = [(words, self.counts[verdict]) for verdict, words in faults.items()]
        rest += [("leaked warnings", self.counts["leak"])]
        return "\n".join(f"{words:30}{count:>8,}" for words, count in [*first, *rest])


def arguments(about: str | None, endings: Sequence[str] = ()) -> argparse.Namespace:
    """What both scripts are asked; `endings` are those of the files of which some may be chosen."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--count", type=int, default=10_000, help="cases (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first case; the others count on from it")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="a case that takes longer hangs (default: 20)"
    )
    parser.add_argument("--keep", type=Path, default=Path("faults"), help="folder for what went wrong")
    if endings:
        parser.add_argument("--ending", nargs="+", choices=endings, help="formats (default: all)")
    return parser.parse_args()


def run_cases(judge: Judge, seeds: range, folder: Path, *, seconds: float) -> Tally:
    """Judge every seed.

    Args:
        judge: of one case; an exception that it lets out is a traceback.
        seeds: of the cases.
        folder: to work in.
        seconds: that a case may take before it counts as a hang.
    """
    tally, left = Tally(), list(reversed(seeds))
    stack = folder.with_name("stack.txt")
    while left:
        ours, theirs = _FORK.Pipe()
        child = _FORK.Process(
            target=_judge_all, args=(judge, left[::-1], folder, theirs, stack, 0.8 * seconds), daemon=True
        )
        child.start()
        theirs.close()
        while left:
            try:
                found = ours.recv() if ours.poll(seconds) else ("hang", _where(stack))
            except EOFError:
                child.join()
                found = ("crash", f"the process ended with code {child.exitcode}")
            seed = left.pop()
            tally.add(seed, *found)
            _say(tally, len(seeds))
            if found[0] in ("hang", "crash"):
                break
        child.kill()
        child.join()
    print(file=sys.stderr)
    return tally


def _judge_all(
    judge: Judge, seeds: list[int], folder: Path, answers: Connection, stack: Path, seconds: float
) -> None:
    with stack.open("w", encoding="utf-8") as file:
        for seed in seeds:
            faulthandler.dump_traceback_later(seconds, file=file)
            try:
                answers.send(judge(seed, folder))
            except BaseException:
                answers.send(("traceback", traceback.format_exc()))


def _where(stack: Path) -> str:
    """Where a process that hangs is; one that something has stopped says nothing, as it does not run."""
    return stack.read_text(encoding="utf-8") or "the process did not run: something has stopped it"


def _say(tally: Tally, total: int, last: list[float] = [0.0]) -> None:  # noqa: B006 - when it last spoke
    if time.monotonic() - last[0] > 1:
        last[0] = time.monotonic()
        print(
            f"\r{tally.counts.total()} of {total}, {len(tally.faults)} faults",
            end="",
            file=sys.stderr,
            flush=True,
        )
