"""How much memory `segkit predict` takes for large images: the most that its process held, and seconds.

python docs/benchmarks/large_images.py MODEL [--side N] [--tile N] [--overlap N] [--photograph FILE]

Draws an image of N x N pixels (20,000 by default), predicts it in tiles, and looks whether the mask is of its
size; or takes a photograph as it is, resized as for training. MODEL is a run or an exported file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

Image.MAX_IMAGE_PIXELS = None


def main() -> None:
    """Print seconds and bytes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--overlap", type=int, default=128)
    parser.add_argument("--photograph", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file, words = chosen.photograph, ["--overlay", "--probabilities"]
        if file is None:
            file = Path(folder, "drawn.png")
            subprocess.run([sys.executable, __file__, "draw", str(file), str(chosen.side)], check=True)
            words = [f"--tile={chosen.tile}", f"--overlap={chosen.overlap}"]
        predict(chosen.model, file, Path(folder, "masks"), words)


def predict(model: str, file: Path, out: Path, words: list[str]) -> None:
    """Predict one file in a process of its own, and print what it took."""
    command = [sys.executable, "-m", "segkit", "predict", model, str(file), f"--out={out}", "--quiet", *words]
    print("+", "segkit", *command[3:4], "MODEL", file.name, *words)
    started = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    assert status == 0, status
    with Image.open(file) as image, Image.open(out / f"{file.stem}.png") as mask:
        assert mask.size == image.size
        print(f"{image.width} x {image.height}: {seconds:.0f} s, at most {used.ru_maxrss / 2**20:.2f} GiB")


def draw(file: Path, side: int) -> None:
    """Round spots on smooth noise."""
    dice = np.random.default_rng(0)
    small = Image.fromarray(dice.integers(120, 220, (side // 100 + 1, side // 100 + 1, 3), np.uint8))
    image = small.resize((side, side), Image.Resampling.BILINEAR)
    spot = Image.effect_noise((800, 800), 60).convert("RGB")
    shape = Image.new("L", (800, 800))
    shape.paste(255, (50, 50, 750, 750))
    for x, y in dice.integers(0, side, (60, 2)):
        image.paste(spot, (int(x), int(y)), shape)
    image.save(file, compress_level=1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["draw"]:
        draw(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
