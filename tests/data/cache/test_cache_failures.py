"""Damaged packs, disks that are full or read-only, two builders at once, kills: no run gets other pixels."""

import errno
import os
import pickle
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from segkit.core.errors import DataError
from segkit.data.cache import store
from segkit.data.cache.array_view import IndexedArrays
from segkit.data.preprocess import layout_of, prepare
from tests.data.cache.conftest import COUNT, SIZE, assert_same, cache_in, cached, found, pack_files
from tests.data.cases import BINARY, picture, save
from tests.reliability_pieces import largest_file


def leftovers(folder: Path) -> list[Path]:
    return [file for file in (folder / "cache").glob("*/.*") if file.is_file()]


def damage(pack: Path, how: str) -> None:
    content = bytearray(pack.read_bytes())
    if how == "truncated":
        content = content[:-200]
    elif how == "empty":
        content.clear()
    elif how == "half a row too much":
        content = content[:50] + content
    else:
        digests = 8 + int.from_bytes(content[:8], "little")  # first after the header; masks are last
        content[{"pixels": -1, "digests": digests, "header": content.find(b"shape")}[how]] ^= 1
    pack.write_bytes(content)


@pytest.mark.parametrize("how", ["truncated", "empty", "half a row too much", "pixels", "digests", "header"])
def test_damaged_pack_is_dropped_and_made_again(photographs, reads, how):
    good = prepare(found(photographs), SIZE, BINARY, 3)
    cached(photographs)
    (pack,) = pack_files(photographs)
    os.utime(pack, (1, 1))  # the time of its change alone is no damage
    reads.clear()
    assert_same(cached(photographs), good)
    assert reads == []
    damage(pack, how)
    assert_same(cached(photographs), good)
    assert len(reads) == 2 * COUNT
    assert pack not in pack_files(photographs)
    assert len(pack_files(photographs)) == 1


def warning(folder: Path, reason: str) -> str:
    return (
        f"Decoded images are held in memory, and the next run decodes them again: {folder / 'cache'} "
        f"cannot be written to ({reason}). Set SEGKIT_CACHE to another folder, or data.cache: false."
    )


def test_read_only_folder_is_told_and_used(photographs, reads, monkeypatch):
    cached(photographs)
    reads.clear()
    save(photographs / "images" / "3.png", 255 - picture())

    def read_only(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("segkit.utils.locks.os.open", read_only)
    prepared = cached(photographs)
    monkeypatch.undo()
    assert prepared.warnings == (warning(photographs, "Read-only file system"),)
    assert sorted(reads) == ["images/3.png", "masks/3.png"]
    assert_same(prepared, prepare(found(photographs), SIZE, BINARY, 3))


def test_file_in_the_place_of_the_folder_is_told(photographs):
    (photographs / "cache").write_text("")
    prepared = cached(photographs)
    assert prepared.warnings == (warning(photographs, "Not a directory"),)
    assert_same(prepared, prepare(found(photographs), SIZE, BINARY, 3))


@pytest.mark.posix("the size of files is not limited there")
def test_full_disk_is_told_and_leaves_nothing_half(photographs, reads):
    with largest_file(600):
        prepared = cached(photographs)
    assert prepared.warnings == (warning(photographs, "File too large"),)
    assert isinstance(prepared.images, np.ndarray)
    assert_same(prepared, prepare(found(photographs), SIZE, BINARY, 3))
    assert pack_files(photographs) == []
    assert leftovers(photographs) == []


def test_packs_that_were_full_before_the_disk_was_are_used(photographs, reads, monkeypatch):
    monkeypatch.setattr(
        "segkit.data.cache.writer.PACK_BYTES", 2 * sum(map(np.prod, (layout_of(SIZE, BINARY, 3).image, SIZE)))
    )
    written: list[object] = []
    save_file = store.save_file

    def full(*given):
        written.append(given)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save_file(*given)

    monkeypatch.setattr(store, "save_file", full)
    prepared = cached(photographs)
    assert prepared.warnings == (warning(photographs, "No space left on device"),)
    assert len(pack_files(photographs)) == 2
    assert leftovers(photographs) == []
    assert isinstance(prepared.images, IndexedArrays)
    assert_same(prepared, prepare(found(photographs), SIZE, BINARY, 3))


def test_more_packs_than_a_process_may_open_are_told(photographs, monkeypatch):
    cached(photographs)

    def too_many(_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("segkit.data.cache.cache.read_pack", too_many)
    with pytest.raises(DataError) as caught:
        cached(photographs)
    (problem,) = caught.value.problems
    assert (problem.problem, problem.hint) == (
        "the cache of decoded images has more files than the 0 that this process may open",
        "ulimit -n 65536, or segkit data cache --clear",
    )


CHILD = """
    import errno, sys, time
    from pathlib import Path
    from segkit.utils import locks
    from tests.data.cache.conftest import cached, found
    from dataclasses import replace

    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])

    def refuse(self):  # as on some network file systems
        raise OSError(errno.ENOLCK, "No locks available")

    if sys.argv[3] == "False":
        locks.FileLock.acquire = refuse

    def slow(sample):
        def read(size):
            with (folder / "decoded").open("a") as told:
                told.write(sample.name + "\\n")
            time.sleep(seconds)
            return sample.read_at(size)
        return replace(sample, read_at=read)

    print(cached(folder, [slow(sample) for sample in found(folder)]).digest(), flush=True)
"""


def child(folder: Path, seconds: float, locks: bool = True) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(folder), str(seconds), str(locks)],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def decoded(folder: Path) -> list[str]:
    told = folder / "decoded"
    return told.read_text().split() if told.exists() else []


def wait_for(condition) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("locks", [True, False])
def test_two_builders_at_once_are_both_right_and_decode_once_where_files_can_be_locked(photographs, locks):
    good = prepare(found(photographs), SIZE, BINARY, 3).digest()
    children = [child(photographs, 0.1, locks) for _ in range(2)]
    for one in children:
        out, errors = one.communicate(timeout=120)
        assert (out.strip(), errors) == (good, "")
    if locks:
        assert sorted(decoded(photographs)) == [str(number) for number in range(COUNT)]


def test_killed_builder_leaves_nothing_that_stays(photographs):
    good = prepare(found(photographs), SIZE, BINARY, 3)
    killed = child(photographs, 0.5)
    wait_for(lambda: len(decoded(photographs)) > 2)
    killed.kill()
    killed.communicate(timeout=60)
    assert pack_files(photographs) == []
    prepared = cached(photographs)
    assert_same(prepared, good)
    assert prepared.warnings == ()
    assert len(pack_files(photographs)) == 1
    assert leftovers(photographs) == []


def test_interrupted_builder_keeps_what_it_has(photographs, reads, monkeypatch):
    samples = found(photographs)
    monkeypatch.setattr("segkit.data.decoding.MAX_THREADS", 1)

    def interrupted(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(samples, SIZE, BINARY, 3, interrupted, cache_in(photographs))
    kept = store.rows_in(*pack_files(photographs))
    assert kept >= 2
    reads.clear()
    assert_same(cached(photographs), prepare(samples, SIZE, BINARY, 3))
    assert len(pack_files(photographs)) == 1 + (kept < COUNT)


def test_pack_that_is_cut_off_after_it_was_looked_at_is_told(photographs):
    sent = pickle.dumps(cached(photographs).images)
    (path,) = pack_files(photographs)
    content = path.read_bytes()
    for damaged in (b"", content[:-1], content[:100]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="the cached images can no longer be read: "):
            pickle.loads(sent)[0]
