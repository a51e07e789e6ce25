"""How much memory `segkit predict` takes for a large image: the most that its process held, and seconds.

python tests/benchmarks/large_images.py MODEL --size 20000x20000 --tile 512
python tests/benchmarks/large_images.py MODEL --size 2816x2112
python tests/benchmarks/large_images.py MODEL --file PHOTOGRAPH

MODEL is a run or an exported file. An image of WIDTHxHEIGHT pixels is drawn, or a photograph taken; it goes
through in tiles, or resized as for training, then with its overlay and its probabilities too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing import Process
from pathlib import Path

import numpy as np
from PIL import Image

Image.MAX_IMAGE_PIXELS = None


def main() -> None:
    """Predict one image in a process of its own, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--size", default="20000x20000", metavar="WIDTHxHEIGHT")
    parser.add_argument("--tile", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = chosen.file or Path(folder, f"drawn.{'png' if chosen.tile else 'jpg'}")
        if (
            not chosen.file
        ):  # in a process of its own: a child begins with the memory of the one that starts it
            drawing = Process(target=draw, args=(file, *map(int, chosen.size.split("x"))))
            drawing.start()
            drawing.join()
        words = [f"--tile={chosen.tile}"] if chosen.tile else ["--overlay", "--probabilities"]
        predict(chosen.model, file, Path(folder, "masks"), words)


def predict(model: str, file: Path, out: Path, words: list[str]) -> None:
    """Print seconds and bytes; the mask has the image's size."""
    print("segkit predict", model, file.name, *words, flush=True)
    command = [sys.executable, "-m", "segkit", "predict", model, str(file), f"--out={out}", "--quiet", *words]
    started = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    assert status == 0, status
    with Image.open(file) as image, Image.open(out / f"{file.stem}.png") as mask:
        assert mask.size == image.size
        print(f"{image.width} x {image.height}: {seconds:.0f} s, at most {used.ru_maxrss / 2**20:.2f} GiB")


def draw(file: Path, width: int, height: int) -> None:
    """Spots on smooth noise."""
    dice = np.random.default_rng(0)
    coarse = Image.fromarray(dice.integers(120, 220, (height // 100 + 1, width // 100 + 1, 3), np.uint8))
    image = coarse.resize((width, height), Image.Resampling.BILINEAR)
    spot = Image.effect_noise((800, 800), 60).convert("RGB")
    shape = Image.new("L", (800, 800))
    shape.paste(255, (100, 100, 700, 700))
    for x, y in zip(dice.integers(0, width, 60), dice.integers(0, height, 60), strict=True):
        image.paste(spot, (int(x), int(y)), shape)
    image.save(file, **({"compress_level": 1} if file.suffix == ".png" else {"quality": 90}))


if __name__ == "__main__":
    main()
