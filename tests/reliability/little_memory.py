"""Run with less and less memory: the error is in words, and with enough the run ends as ever.

    python tests/reliability/little_memory.py        # on Linux

Every run is a fork, whose address space is limited when all is imported: to what it has, and a little more.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

from every import in_fork
from kills import HERE, begun
from same import differences

from segkit.core.errors import SegkitError
from segkit.utils.os_errors import in_words

SAID = "too little memory"
PATIENCE_SECONDS = 60


def limited(megabytes: int) -> None:
    """From now on, this process may have so much more than it has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    most = pages * resource.getpagesize() + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def said_in_fork(body: object, megabytes: int, told: Path) -> str:
    """What a run with so little memory says: its error, or nothing if it came to its end."""
    child = os.fork()
    if not child:
        try:
            limited(megabytes)
            signal.alarm(PATIENCE_SECONDS)  # a thread of Python that cannot begin is waited for in vain
            list(body())  # type: ignore[operator]
        except Exception as error:
            words = error if isinstance(error, SegkitError) else in_words(error)
            told.write_text(str(words or f"no words: {type(error).__name__}: {error}"), encoding="utf-8")
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return f"no words: {signal.Signals(os.WTERMSIG(status)).name}"
    return told.read_text(encoding="utf-8").splitlines()[0] if status else ""


def main() -> None:
    """Try limits; exit code 1 if anything was wrong."""
    import torch

    from segkit.experiments.resume import resume
    from segkit.experiments.run import run
    from segkit.recipe import load_recipe

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=HERE / "kills.yaml")
    parser.add_argument("--set", action="append", default=["data.size=[256, 256]", "data.cache=false"])
    parser.add_argument("--megabytes", type=int, nargs="+", default=[16, 24, 32, 48, 64])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    recipe = load_recipe(chosen.recipe, chosen.set)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        warm = load_recipe(chosen.recipe)  # imports all, and takes less memory than what is tried
        list(run(warm, Path(folder, "warm")))
        in_fork(lambda: list(run(recipe, Path(folder, "reference"))), Path(folder))
        reference = begun(Path(folder, "reference"))
        assert reference
        for megabytes in chosen.megabytes:
            runs = Path(folder, str(megabytes))
            said = said_in_fork(lambda: run(recipe, runs), megabytes, Path(folder, "told"))  # noqa: B023
            directory = begun(runs)
            in_fork(lambda: list(resume(directory) if directory else run(recipe, runs)), runs)  # noqa: B023
            wrong = differences(reference, begun(runs) or runs)
            wrong += [] if not said or SAID in said else ["not said in words"]
            failed += bool(wrong)
            print(
                f"{megabytes:5} MB: {said or 'it was enough'}: {'; '.join(wrong) or 'no difference'}",
                flush=True,
            )
    print(f"{len(chosen.megabytes)} limits, {failed} of them with something wrong")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
