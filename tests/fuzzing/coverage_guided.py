"""What both coverage-guided scripts share: their arguments, their seeds, and atheris itself."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import atheris


def fuzz(
    one: Callable[[bytes], None],
    mutate: Callable[[bytes, int], bytes],
    seeds: Iterable[bytes],
    *,
    about: str | None,
    most_bytes: int,
) -> None:
    """Try what libFuzzer finds worth trying, until time is up or `one` lets an exception out.

    Args:
        one: tries some bytes.
        mutate: changes bytes as people and disks do, out of a seed; half of the changes are libFuzzer's own.
        seeds: to begin with, where the corpus folder is empty.
        about: for `--help`.
        most_bytes: in one input.
    """
    parser = argparse.ArgumentParser(description=about, epilog="Further arguments go to libFuzzer.")
    parser.add_argument(
        "--corpus", type=Path, default=Path("corpus"), help="folder of what was worth keeping"
    )
    parser.add_argument("--seconds", type=int, default=600, help="how long to try (default: 600)")
    given, further = parser.parse_known_args()
    given.corpus.mkdir(parents=True, exist_ok=True)
    if not any(given.corpus.iterdir()):
        for number, seed in enumerate(seeds):
            (given.corpus / f"seed{number:03d}").write_bytes(seed)

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        changed = mutate(data, seed) if seed % 2 else atheris.Mutate(data, most)
        return changed[:most]

    options = [
        f"-max_total_time={given.seconds}",
        f"-max_len={most_bytes}",
        "-timeout=20",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], str(given.corpus), *options, *further], one, custom_mutator=mutator)
    atheris.Fuzz()
