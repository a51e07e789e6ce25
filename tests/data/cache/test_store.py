"""Images of any size and type are kept, and windows of them are read."""

import os
import pickle
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from segkit.data.cache import store
from segkit.data.cache.cache import clear_unfinished
from segkit.data.cache.writer import StoreWriter

KINDS = [
    ((6, 8, 3), np.uint8, (6, 8), np.uint8),
    ((5, 9, 1), np.uint16, (5, 9), np.uint16),
    ((7, 4, 13), np.float32, (7, 4, 2), bool),
    ((6, 8, 3), np.float32, (6, 8), np.int32),
    ((6, 8, 3), ">u2", (6, 8), ">i4"),
]


def some(shape, dtype, seed):
    return np.random.default_rng(seed).integers(0, 2**16, shape).astype(dtype)


def rows():
    """Three of every kind, in turns, with their keys."""
    for number in range(3 * len(KINDS)):
        image, image_type, mask, mask_type = KINDS[number % len(KINDS)]
        yield bytes([number]) * 32, some(image, image_type, number), some(mask, mask_type, -number - 1 & 0xFF)


def write(folder: Path) -> None:
    writer = StoreWriter(folder)
    for row in rows():
        writer.add(*row)
    writer.finish()


def read(folder: Path) -> dict[bytes, tuple[store.Group, int]]:
    groups = [group for path in folder.glob("*.safetensors") for group in store.read_pack(path)]
    return {key: (group, row) for group in groups for row, key in enumerate(group.keys.tolist())}


@pytest.mark.parametrize("pack_bytes", [1, 2000, 1 << 20])
def test_rows_of_all_shapes_and_types_are_kept(tmp_path, monkeypatch, pack_bytes):
    monkeypatch.setattr("segkit.data.cache.writer.PACK_BYTES", pack_bytes)
    write(tmp_path)
    kept = read(tmp_path)
    assert len(kept) == sum(map(store.rows_in, tmp_path.iterdir())) == 3 * len(KINDS)
    for key, image, mask in rows():
        group, row = kept[key]
        for arrays, expected in ((group.images, image), (group.masks, mask)):
            np.testing.assert_array_equal(arrays[row], expected)
            assert arrays[row].dtype == expected.dtype.newbyteorder("=")
            np.testing.assert_array_equal(arrays[row, 2:4, 1:], expected[2:4, 1:])
            with pytest.raises(ValueError, match="read-only"):
                arrays[row, 2:4][...] = 0
        assert group.digests[row].tobytes() == store.pixel_digest(group.images[row], group.masks[row])
        assert group.shapes == (image.shape, mask.shape)


def test_changed_pixels_of_any_type_are_found(tmp_path):
    write(tmp_path)
    (path,) = tmp_path.iterdir()
    os.utime(path, (1, 1))
    store.read_pack(path)
    assert path.stat().st_mtime > 1
    content = bytearray(path.read_bytes())
    content[content.find(some(*KINDS[2][:2], 2).tobytes())] ^= 1
    path.write_bytes(content)
    os.utime(path, (1, 1))
    with pytest.raises(store.CorruptPackError, match="its pixels have changed"):
        store.read_pack(path)


def test_array_that_is_used_again_after_it_was_added_is_kept_as_it_was(tmp_path):
    image, mask = np.zeros((2, 2, 1), np.uint8), np.zeros((2, 2), np.uint8)
    writer = StoreWriter(tmp_path)
    for number in range(3):
        image[...] = number
        writer.add(bytes([number]) * 32, image, mask)
    writer.finish()
    assert [group.images[row].max() for group, row in read(tmp_path).values()] == [0, 1, 2]


def test_packs_can_be_read_by_those_who_can_read_other_new_files(tmp_path):
    write(tmp_path)
    (path,) = tmp_path.iterdir()
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


LARGE = """
    import numpy as np, sys
    from pathlib import Path
    from segkit.data.cache.store import read_pack
    from segkit.data.cache.writer import StoreWriter

    def anonymous(key="RssAnon"):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024

    folder = Path(sys.argv[1])
    if sys.argv[2] == "write":
        image, mask = np.ones((6000, 6000, 3), np.uint8), np.ones((6000, 6000), np.uint8)
        before = anonymous()
        Path("/proc/self/clear_refs").write_text("5")
        StoreWriter(folder).add(bytes(32), image, mask)
        print(anonymous("VmHWM") - anonymous("VmRSS"), anonymous() - before)
    else:
        before = anonymous("VmRSS")
        (group,) = read_pack(next(folder.iterdir()))
        assert group.images[0, 3000:3512, 100:612].shape == (512, 512, 3)
        print(anonymous("VmRSS") - before, 0)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measures memory as Linux does")
@pytest.mark.parametrize("what", ["write", "window"])
def test_large_image_is_neither_copied_to_write_it_nor_read_for_a_window(tmp_path, what):
    if what == "window":
        image, mask = np.ones((6000, 6000, 3), np.uint8), np.ones((6000, 6000), np.uint8)
        StoreWriter(tmp_path).add(bytes(32), image, mask)
    words = [sys.executable, "-c", textwrap.dedent(LARGE), str(tmp_path), what]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert max(map(float, done.stdout.split())) < 30  # MiB; the image has 103


KILLED = """
    import numpy as np, sys
    from pathlib import Path
    from segkit.data.cache.writer import StoreWriter

    writer, rng = StoreWriter(Path(sys.argv[1])), np.random.default_rng(0)
    image, mask = rng.integers(256, size=(5000, 5000, 3), dtype=np.uint8), np.zeros((5000, 5000), np.uint8)
    for number in range(200):
        writer.add(bytes([number]) * 32, image, mask)
"""


def unfinished(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.name.startswith(".")]


def test_writer_killed_at_any_time_leaves_whole_packs(tmp_path):
    left = 0
    for seconds in (0, 0.02, 0.1):
        words = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
        with subprocess.Popen(words) as process:
            while not unfinished(tmp_path):
                assert process.poll() is None
                time.sleep(0.001)
            time.sleep(seconds)
            process.kill()
        left += len(unfinished(tmp_path))
        clear_unfinished(tmp_path)
        assert all(file.suffix == ".safetensors" for file in tmp_path.iterdir())
        for file in tmp_path.iterdir():
            (group,) = store.read_pack(file)
            digest = store.pixel_digest(group.images[0], group.masks[0])
            assert digest == group.digests[0].tobytes()
            del group  # Windows removes no file that is mapped
            file.unlink()
    assert left  # at least one was killed while it wrote


def test_arrays_travel_by_name(tmp_path):
    write(tmp_path)
    (group, row) = read(tmp_path)[bytes([2]) * 32]
    sent = pickle.dumps(group.images)
    assert len(sent) < 500
    np.testing.assert_array_equal(pickle.loads(sent)[row], group.images[row])
