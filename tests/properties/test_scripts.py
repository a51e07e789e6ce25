"""The scripts of tests/fuzzing count what they promise to, hangs and crashes too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tests" / "fuzzing"
FOUR_WAYS = """
import os, time
from pathlib import Path
from cases import run_cases

def judge(seed, folder):
    if seed == 1:
        os._exit(3)
    if seed == 2:
        time.sleep(600)
    if seed == 3:
        raise ZeroDivisionError
    return "refused", ""

tally = run_cases(judge, range(5), Path("case"), seconds=2)
print(dict(tally.counts), [(seed, verdict) for seed, verdict, _ in tally.faults])
print("line 10 in judge" in tally.faults[1][2])
"""


def python(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(map(str, (ROOT, SCRIPTS)))
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run([sys.executable, *words], env=environment, cwd=cwd, capture_output=True, text=True)


@pytest.mark.parametrize("script", ["mutate_recipes.py", "damage_images.py"])
def test_a_few_cases_are_counted(tmp_path: Path, script: str) -> None:
    done = python(str(SCRIPTS / script), "--count", "12", "--seed", "7", "--keep", str(tmp_path / "faults"))
    assert done.returncode == 0, done.stderr
    figures = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines())
    assert figures["cases"] == "12"
    assert int(figures["refused"]) + int(figures["accepted"]) == 12
    assert {figures[words] for words in ("tracebacks", "hangs", "crashes")} == {"0"}


def test_hangs_crashes_and_exceptions_are_told_apart_and_the_rest_goes_on(tmp_path: Path) -> None:
    done = python("-c", FOUR_WAYS, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "{'refused': 2, 'crash': 1, 'hang': 1, 'traceback': 1} [(1, 'crash'), (2, 'hang'), (3, 'traceback')]",
        "True",
    ], done.stderr
