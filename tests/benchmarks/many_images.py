"""Memory as a data set grows: N small images are made, cached, and run through for two epochs.

python tests/benchmarks/many_images.py [N] [SIDE] [mixed]

By default 100,000 images of 32x32 pixels, and a tenth of them, each number in a fresh process. With `mixed`,
every second image is grey with 16 bits, and the range of all is measured ("open" has it). Anonymous
memory (RssAnon) is what a process needs for itself; it is sampled every 20 ms, before the cache is opened
and after. Pages of packs that are mapped count in the high-water mark (VmHWM) only: the system takes them
back when it wants to. Images are PNG files of noise. Linux only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

EPOCHS = 2
BATCH = 64
AT_A_FOLDER = 10_000  # files; more are slow to list on some systems


def main(count: int, side: int, mixed: bool) -> None:
    """Make the images, and print a table in Markdown."""
    print(f"{side}x{side} pixels, {EPOCHS} epochs in batches of {BATCH}\n")
    print(
        "| images | pixels | before | cold: peak RssAnon | VmHWM | build | epochs "
        "| warm: peak RssAnon | VmHWM | open | epochs |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for number in (count // 10, count):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make(folder, number, side, mixed)
            cold, warm = (in_a_process(folder, side) for _ in range(2))
            cells = [f"{number:,}", mebibytes(number * side * side * 4), mebibytes(cold["before"])]
            for seen in (cold, warm):
                cells += [mebibytes(seen["anonymous"]), mebibytes(seen["high_water"])]
                cells += [f"{seen['open']:.1f} s", f"{seen['epochs']:.1f} s"]
            print(f"| {' | '.join(cells)} |", flush=True)


def make(folder: Path, count: int, side: int, mixed: bool) -> None:
    """Images of noise, and masks of a square each."""
    rng = np.random.default_rng(0)
    mask = np.zeros((side, side), np.uint8)
    mask[side // 4 : side // 2, side // 4 : side // 2] = 255
    for number in range(count):
        for kind in ("images", "masks"):
            place = folder / kind / str(number // AT_A_FOLDER)
            if number % AT_A_FOLDER == 0:
                place.mkdir(parents=True)
            deep = mixed and number % 2
            noise = rng.integers(4096 if deep else 256, size=(side, side, *([] if deep else [3])))
            pixels = noise.astype(np.uint16 if deep else np.uint8) if kind == "images" else mask
            Image.fromarray(pixels).save(place / f"{number}.png", compress_level=1)


def in_a_process(folder: Path, side: int) -> dict[str, float]:
    """What `child` says, in a process of its own."""
    words = [sys.executable, __file__, "child", str(folder), str(side)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def child(folder: Path, side: int) -> None:
    """Open the cache, run the epochs, and print what it took."""
    from segkit.core.types import Task
    from segkit.data.batches import TrainBatches
    from segkit.data.cache.array_view import types_of
    from segkit.data.cache.cache import Cache
    from segkit.data.measure_range import measure_range
    from segkit.data.pairing import pairs_in
    from segkit.data.preprocess import layout_of, prepare

    task, size = Task("binary", ("square",)), (side, side)
    before = status("RssAnon")
    peak = Peak()
    started = time.perf_counter()
    samples = pairs_in(folder / "images", folder / "masks", "{name}", task, 3)[0][""]
    cache = Cache(folder / "cache", layout_of(size, task, 3), {})
    prepared = prepare(samples, size, task, 3, cache=cache)
    prepared.digest()
    eight_bits = types_of(prepared.images) == {np.dtype(np.uint8)}
    pixel_range = None if eight_bits else measure_range(prepared.images)
    del samples, cache
    opened = time.perf_counter()
    batches = TrainBatches(prepared.images, prepared.masks, [], BATCH, seed=0, pixel_range=pixel_range)
    seen = sum(len(batch.indices) for epoch in range(EPOCHS) for batch in batches.epoch(epoch))
    assert seen == EPOCHS * len(prepared)
    print(
        json.dumps(
            {
                "before": before,
                "anonymous": peak.ended(),
                "high_water": status("VmHWM"),
                "open": opened - started,
                "epochs": time.perf_counter() - opened,
            }
        )
    )


class Peak(threading.Thread):
    """The largest anonymous memory from now on."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.largest = 0
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        """Look again and again."""
        while not self.over.wait(0.02):
            self.largest = max(self.largest, status("RssAnon"))

    def ended(self) -> int:
        """Bytes."""
        self.over.set()
        self.join()
        return max(self.largest, status("RssAnon"))


def status(key: str) -> int:
    """A line of this process's state, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def mebibytes(count: float) -> str:
    """In words."""
    return f"{count / 2**20:.0f} MiB"


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
        main(*(numbers + [100_000, 32][len(numbers) :]), mixed="mixed" in sys.argv)
