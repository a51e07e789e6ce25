"""Run on disks of every size from hopelessly small to nearly enough, make room, go on, and compare.

    python tests/reliability/full_disk.py            # as root, on Linux: disks are mounted in memory

A run that finds no room has to end with exit code 1 and an error that names the problem, without a
traceback; once there is room, it has to end as the run that always had enough.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kills import HERE, begun, segkit
from same import differences

SAID = "cannot write: No space left on device"
ENOUGH = "200M"


@contextlib.contextmanager
def disk(place: Path, size: str) -> Iterator[None]:
    """A disk of this size, in memory."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def tried(recipe: Path, place: Path, kilobytes: int, reference: Path) -> tuple[str, list[str]]:
    """What a run on a disk of this size says, and what is wrong with that, or with how it ends.

    Args:
        recipe: what to run.
        place: where the disk is mounted.
        kilobytes: its size.
        reference: the run that always had room.
    """
    with disk(place, f"{kilobytes}k"):
        code, said = segkit(["run", str(recipe), f"--runs={place}"])
        where = f"no room for {said.split(f': {SAID}')[0].removeprefix(str(place)) or 'anything'}"
        wrong = []
        if code == 0:
            where = "there was room"
        elif code != 1 or SAID not in said or "Traceback" in said or "\n  try: free some space" not in said:
            wrong.append(f"exit code {code}: {said}")
        run = begun(place)
        if run and code:
            again, said = segkit(["resume", str(run)])  # there still is no room
            if again not in (0, 1) or "Traceback" in said or (again and SAID not in said):
                wrong.append(f"resume without room: exit code {again}: {said}")
        subprocess.run(["mount", "-o", f"remount,size={ENOUGH}", place], check=True)
        again, said = segkit(["resume", str(run)] if run else ["run", str(recipe), f"--runs={place}"])
        if again:
            wrong.append(f"with room: exit code {again}: {said}")
        else:
            wrong += differences(reference, begun(place) or place)
    return where, wrong


def main() -> None:
    """Try sizes; exit code 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=HERE / "kills.yaml")
    parser.add_argument("--sizes", type=int, default=16)
    chosen = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        code, said = segkit(["run", str(chosen.recipe), f"--runs={folder}/reference"])
        reference = begun(Path(folder, "reference"))
        assert reference, f"exit code {code}: {said}"
        needed = sum(path.stat().st_size for path in reference.rglob("*")) // 1024
        state = (reference / "checkpoints/last.state.pt").stat().st_size // 1024
        most = needed + 2 * state  # while a state is written, the two before it are there
        for number in range(chosen.sizes):
            kilobytes = 4 + 4 * (most * number // chosen.sizes // 4)
            where, wrong = tried(chosen.recipe, Path(folder, str(number)), kilobytes, reference)
            failed += bool(wrong)
            print(f"{kilobytes:6} kB: {where}: {'; '.join(wrong) or 'no difference'}", flush=True)
    print(f"{chosen.sizes} sizes, {failed} of them with something wrong")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
