"""Coverage-guided fuzzing of the image and mask reader: anything but pixels or a named refusal ends it.

python tests/fuzzing/fuzz_images.py --corpus corpus/images --seconds 600
"""

from __future__ import annotations

import random
import tempfile
import warnings
import zlib
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["segkit", "PIL"], enable_loader_override=False):
    from coverage_guided import fuzz
    from damage_images import read_in_every_way
    from image_damage import DAMAGES, MODES, encoded, with_right_sums
    from PIL import Image

    from segkit.data import images as files

    Image.init()  # imports the plugins of all formats


def mutate(data: bytes, seed: int) -> bytes:
    """As `damage_images.py` does."""
    chance = random.Random(seed)
    damaged = chance.choice(DAMAGES)(data, chance)
    return with_right_sums(damaged) if damaged.startswith(b"\x89PNG") else damaged


def main() -> None:
    """Fuzz."""
    warnings.simplefilter("ignore")  # as `segkit.data.preprocess` has it
    files.MAX_PIXELS = files.MAX_LARGE = (
        2**18
    )  # few bytes may say that they are very large: nothing else would be found
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "case.png")

        def one(data: bytes) -> None:
            path.write_bytes(data)
            for error in read_in_every_way(path, random.Random(zlib.crc32(data))):
                assert error is None or str(path) in str(error), str(error)

        seeds = [encoded(ending, random.Random(seed)) for ending in MODES for seed in range(20)]
        fuzz(one, mutate, seeds, about=__doc__, most_bytes=16384)


if __name__ == "__main__":
    main()
