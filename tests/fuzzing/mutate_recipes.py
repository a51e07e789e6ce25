"""Mutated recipes: each one is read, or refused with its file and line; never a traceback, never a hang.

python tests/fuzzing/mutate_recipes.py --count 10000 --seed 0
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

from cases import Tally, arguments, run_cases
from recipe_mutations import Case, draw_case

from segkit import cli
from segkit.core.errors import Problem, SegkitError
from segkit.core.plugins import loading as load
from segkit.recipe import dump_recipe, load_dumped, load_recipe
from segkit.recipe.dataset import find_samples


def judge(seed: int, folder: Path) -> tuple[str, str]:
    """One case; for one of fifty that are accepted, the model is built too, which takes a second."""
    return judge_case(draw_case(random.Random(seed)), folder, build=seed % 50 == 0)


@patch.object(load, "_import", lambda file, name: None)  # a mutated path may lead to anybody's code
def judge_case(case: Case, folder: Path, *, build: bool = False) -> tuple[str, str]:
    """Load it; what is refused is refused by the command line too, what is accepted round-trips."""
    path = case.write(folder)
    try:
        recipe = load_recipe(path, case.overrides)
    except SegkitError as error:
        if nameless := [problem for problem in error.problems if not is_placed(problem)]:
            return "nameless", str(nameless[0])
        return _by_command(path, case.overrides) or ("refused", str(error))
    dumped = dump_recipe(recipe)
    assert dump_recipe(load_dumped(dumped)) == dumped, "it is another recipe after dumping and loading"
    with contextlib.suppress(SegkitError):  # its images are not there
        find_samples(recipe)
    told = _by_command(path, case.overrides, may_succeed=True) if build else None
    return told or ("accepted", "")


def is_placed(problem: Problem) -> bool:
    """Whether a problem names a file, or what was set, and a line inside it where it names one."""
    if not problem.file:
        return False
    if not problem.line:
        return True
    lines = (
        Path(problem.file)
        .read_bytes()
        .decode("utf-8-sig", "replace")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
    )
    return problem.line <= lines.count("\n") + 1


def _by_command(
    path: Path, overrides: tuple[str, ...], *, may_succeed: bool = False
) -> tuple[str, str] | None:
    """`segkit check` in this process; what is wrong with its answer, or None."""
    words = [word for override in overrides for word in ("--set", override)]
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    arguments = ["segkit", "check", str(path), "--no-plugins", *words]
    with (
        patch.object(sys, "argv", arguments),
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(said),
    ):
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
    said.seek(0)
    told = said.read()
    if code != 2 and not (may_succeed and code == 0):
        return "traceback", f"segkit check ends with {code}:\n{told}"
    return ("traceback", told) if "Traceback" in told else None


def main() -> None:
    """Run the cases and print the figures; the files of what went wrong are kept."""
    given = arguments(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SEGKIT_CACHE"] = os.environ["SEGKIT_HOME"] = f"{folder}/home"
        os.environ["COLUMNS"] = "120"
        seeds = range(given.seed, given.seed + given.count)
        tally = run_cases(judge, seeds, Path(folder, "case"), seconds=given.seconds)
    _keep(tally, given.keep)
    print(tally.table())
    raise SystemExit(bool(tally.faults))


def _keep(tally: Tally, folder: Path) -> None:
    for seed, verdict, words in tally.faults:
        case = draw_case(random.Random(seed))
        case.write(folder / str(seed))
        (folder / str(seed) / "what.txt").write_text(
            f"{verdict}\n{words}\n{case.overrides}\n", encoding="utf-8", errors="backslashreplace"
        )


if __name__ == "__main__":
    main()
