"""Kill a run again and again, go on, and hold what it ends with against a run that was never stopped.

    python tests/reliability/kills.py --kills 40     # at random instants, through the command line
    python tests/reliability/kills.py --every        # before every single change of a file
    python tests/reliability/kills.py --every --torn # in the middle of every single write

`--recipe` takes another recipe than the one here, `--set` changes a value of it.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from same import differences

HERE = Path(__file__).parent
# What a kill is aimed at: files that are there for a few milliseconds, while another is written anew.
TEMPORARY = (".new.state", "new.state", ".best", ".last", ".samples", ".summary", ".report.html", ".curves")
PATIENCE_SECONDS = 60.0  # until the processes that a killed one had started have ended, too


@dataclass
class Tally:
    """What came of it.

    Args:
        kills: by SIGKILL.
        unborn: of these, those before there was a run: it was started anew.
        runs: brought to their end after one or more kills.
        different: of these, those that did not end as the run that was never stopped.
    """

    kills: int = 0
    unborn: int = 0
    runs: int = 0
    different: int = 0

    def judge(self, what: str, found: Sequence[str]) -> None:
        """Count a run that has ended."""
        self.runs += 1
        self.different += bool(found)
        print(f"{what}: {'; '.join(found) or 'no difference'}", flush=True)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills ({self.unborn} of them before there was a run), {self.runs} runs brought to "
            f"their end, {self.different} with differences"
        )


def at_random(recipe: Path, overrides: Sequence[str], kills: int, rng: random.Random) -> Tally:
    """Kill `segkit run` and `segkit resume`: at random instants, and while files are half-written."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as place:
        begin = ["run", str(recipe), *(f"--set={one}" for one in overrides)]
        before = time.perf_counter()
        reference = _to_the_end(begin, Path(place) / "reference")
        seconds = time.perf_counter() - before
        print(f"the run that is never stopped takes {seconds:.1f} s", flush=True)
        while tally.kills < kills:
            runs = Path(place) / str(tally.kills)
            instants = []
            for _ in range(rng.randint(1, 3)):
                run = begun(runs)
                aim = rng.choice(TEMPORARY) if rng.random() < 0.4 else ""
                words = ["resume", str(run)] if run else [*begin, f"--runs={runs}"]
                instant = _killed(words, runs, aim, rng.uniform(0, seconds))
                if instant:
                    instants.append(f"{words[0]} {instant}")
                    tally.kills += 1
                    tally.unborn += begun(runs) is None
            run = _to_the_end(begin, runs)
            if instants:
                tally.judge(", ".join(instants), differences(reference, run))
    return tally


def begun(runs: Path) -> Path | None:
    """The run in this folder, if it has a recipe."""
    return next((path.parent for path in runs.glob("*/*/recipe.yaml")), None)


def segkit(words: Sequence[str]) -> tuple[int, str]:
    """The exit code of a command, and what it says on standard error."""
    with started(words) as process:
        said = process.communicate()[1].decode()
    return process.returncode, said


@contextlib.contextmanager
def started(words: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs."""
    command = [sys.executable, "-P", "-m", "segkit", *words, "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        yield process


def _killed(words: Sequence[str], runs: Path, aim: str, seconds: float) -> str:
    """Kill a command after so many seconds, or when a file is there; when it was, nothing if it had ended."""
    before = time.perf_counter()
    with started(words) as process:
        while process.poll() is None:
            passed = time.perf_counter() - before
            if aim and (file := _there(runs, aim)):
                process.kill()
                return f"while there was {file}"
            if not aim and passed >= seconds:
                process.kill()
                return f"after {passed:.2f} s"
            time.sleep(0 if aim else 0.001)
    return ""


def _there(runs: Path, start: str) -> str:
    """The name of a file in a run directory that begins so."""
    with contextlib.suppress(FileNotFoundError):  # gone between two looks
        for file in runs.glob(f"*/*/{start}*"):
            return file.name
        for file in runs.glob(f"*/*/*/{start}*"):
            return file.name
    return ""


def _to_the_end(begin: Sequence[str], runs: Path) -> Path:
    """The run, which has ended: gone on with where it has begun, else begun."""
    patience = time.perf_counter() + PATIENCE_SECONDS
    while True:
        run = begun(runs)
        code, said = segkit(["resume", str(run)] if run else [*begin, f"--runs={runs}"])
        if code == 0:
            return begun(runs) or runs
        if "another process is working on this run" not in said or time.perf_counter() > patience:
            raise SystemExit(f"{' '.join(begin)} failed:\n{said}")
        time.sleep(0.5)


def main() -> None:
    """Kill, and say what came of it; exit code 1 if anything was different."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=HERE / "kills.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", action="store_true", help="before every change of a file, one by one")
    parser.add_argument("--torn", action="store_true", help="with --every: in the middle of every write")
    chosen = parser.parse_args()
    rng = random.Random(chosen.seed)
    if chosen.every:
        from every import at_every_change

        tally = at_every_change(chosen.recipe, chosen.set, torn=chosen.torn, rng=rng)
    else:
        tally = at_random(chosen.recipe, chosen.set, chosen.kills, rng)
    print(tally)
    sys.exit(bool(tally.different))


if __name__ == "__main__":
    main()
