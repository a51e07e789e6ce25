"""Decode once: what one run has decoded, no other decodes again, and nothing else changes."""

import contextlib
import errno
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.core.errors import DataError
from segkit.core.types import Sample
from segkit.data.cache import store
from segkit.data.cache.array_view import IndexedArrays
from segkit.data.cache.cache import Cache
from segkit.data.pairing import pairs_in
from segkit.data.preprocess import Prepared, layout_of, prepare
from segkit.data.splits import Split, split_samples
from segkit.parts.sources.manifest import Manifest
from tests.data.cases import BINARY, HALF, MULTILABEL, generated, picture, save, save_pair

SIZE = (6, 8)
COUNT = 5


@pytest.fixture
def photographs(tmp_path):
    """Five images and masks, none of them like another, and older than a clock's tick."""
    for number in range(COUNT):
        save(tmp_path / "images" / f"{number}.png", picture() + np.uint8(number))
        save(tmp_path / "masks" / f"{number}.png", np.roll(HALF, number, axis=0) * 255)
    return tmp_path


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that were decoded."""
    opened: list[str] = []
    original = Image.open

    def counted(path, *given, **options):
        opened.append(f"{Path(path).parent.name}/{Path(path).name}")
        return original(path, *given, **options)

    monkeypatch.setattr(Image, "open", counted)
    return opened


def found(folder: Path) -> list[Sample]:
    return pairs_in(folder / "images", folder / "masks", "{name}", BINARY, 3)[0]


def cache_in(folder: Path, **about) -> Cache:
    return Cache(folder / "cache", layout_of(SIZE, BINARY, 3), {"size": SIZE, **about})


def cached(folder: Path, samples: list[Sample] | None = None, **about) -> Prepared:
    return prepare(
        found(folder) if samples is None else samples, SIZE, BINARY, 3, cache=cache_in(folder, **about)
    )


def assert_same(one: Prepared, other: Prepared) -> None:
    assert one.names == other.names
    np.testing.assert_array_equal(np.asarray(one.images), np.asarray(other.images))
    np.testing.assert_array_equal(np.asarray(one.masks), np.asarray(other.masks))
    assert one.digest() == other.digest()


def pack_files(folder: Path) -> list[Path]:
    return sorted((folder / "cache").glob("*/*.safetensors"))


def leftovers(folder: Path) -> list[Path]:
    return [file for file in (folder / "cache").glob("*/.*") if file.is_file()]


def test_cold_is_warm_is_without(photographs, reads):
    cold = cached(photographs)
    assert len(reads) == 2 * COUNT
    warm = cached(photographs)
    assert len(reads) == 2 * COUNT  # the second one decodes nothing
    without = prepare(found(photographs), SIZE, BINARY, 3)
    assert isinstance(cold.images, IndexedArrays)
    assert isinstance(without.images, np.ndarray)
    assert_same(cold, without)
    assert_same(warm, without)
    assert cold.warnings == warm.warnings == ()


def test_changed_file_alone_is_decoded_again(photographs, reads):
    before = cached(photographs)
    reads.clear()
    save(photographs / "images" / "3.png", 255 - picture())
    after = cached(photographs)
    assert sorted(reads) == ["images/3.png", "masks/3.png"]
    assert_same(after, prepare(found(photographs), SIZE, BINARY, 3))
    differs = [index for index in range(COUNT) if (before.images[index] != after.images[index]).any()]
    assert differs == [3]


def test_file_of_the_same_size_and_times_is_seen_to_have_changed(photographs):
    """As where it is written twice within one tick of the file system's clock."""
    file = save(photographs / "images" / "3.bmp", picture())
    (photographs / "images" / "3.png").unlink()
    cached(photographs)
    then = file.stat()
    with file.open("r+b") as opened:
        opened.seek(-9, os.SEEK_END)
        opened.write(b"\x99" * 9)
    os.utime(file, ns=(then.st_atime_ns, then.st_mtime_ns))
    assert file.stat().st_size == then.st_size
    assert_same(cached(photographs), prepare(found(photographs), SIZE, BINARY, 3))


def test_touched_renamed_and_moved_files_are_found(photographs, reads):
    cached(photographs)
    reads.clear()
    for file in (photographs / "images").iterdir():
        os.utime(file)
    for folder in ("images", "masks"):
        (photographs / folder / "0.png").rename(photographs / folder / "zero.png")
    assert cached(photographs).names == ["1", "2", "3", "4", "zero"]
    assert reads == []


def test_folds_share_rows(photographs, reads):
    for fold in range(COUNT):
        split = Split(by="kfold", folds=COUNT, fold=fold)
        parts = split_samples({"train": found(photographs)}, split)
        for part in ("train", "val"):
            assert cached(photographs, parts[part]).names == [sample.name for sample in parts[part]]
    assert len(reads) == 2 * COUNT


def test_files_alike_are_decoded_once(photographs, reads):
    for folder in ("images", "masks"):
        shutil.copy(photographs / folder / "0.png", photographs / folder / "copy.png")
    prepared = cached(photographs)
    assert len(reads) == 2 * COUNT
    np.testing.assert_array_equal(prepared.images[0], prepared.images[-1])


def test_preprocessings_share_nothing(photographs, reads):
    cached(photographs, source="folder")
    cached(photographs, source="other")
    assert len(reads) == 4 * COUNT
    assert len({file.parent for file in pack_files(photographs)}) == 2


def test_column_of_a_mask_counts(tmp_path):
    """The same files, and other pixels."""
    save_pair(tmp_path / "a.png", tmp_path / "m.png")
    table = tmp_path / "table.csv"
    layout = layout_of(SIZE, MULTILABEL, 3)
    sums = []
    for cells in ("m.png,", ",m.png"):
        table.write_text(f"image,mask_lesion,mask_hair\na.png,{cells}\n")
        samples = Manifest(table, MULTILABEL, 3, None).splits()["train"]
        prepared = prepare(samples, SIZE, MULTILABEL, 3, cache=Cache(tmp_path / "cache", layout, {}))
        sums.append(prepared.masks[0].sum(axis=(0, 1)).tolist())
    assert sums[0] == sums[1][::-1] != sums[1]


def test_what_is_not_known_to_decide_pixels_stays_in_memory(photographs, reads):
    samples = [replace(sample, variant=None) for sample in found(photographs)]
    for _ in range(2):
        assert isinstance(cached(photographs, [generated("a"), *samples]).images, np.ndarray)
    assert len(reads) == 4 * COUNT
    assert pack_files(photographs) == []


def test_generated_images_stand_beside_cached_ones(photographs):
    samples = [generated("a"), *found(photographs), generated("z")]
    prepared = cached(photographs, samples)
    assert_same(prepared, prepare(samples, SIZE, BINARY, 3))
    assert_same(cached(photographs, samples), prepared)


def test_every_problem_is_told_and_what_is_right_is_kept(photographs, reads):
    (photographs / "images" / "1.png").write_bytes(b"no image")
    save(photographs / "masks" / "3.png", HALF[:5] * 255)
    samples = [Sample("generated", broken), *found(photographs)]
    for _ in range(2):
        reads.clear()
        with pytest.raises(DataError) as error:
            cached(photographs, samples)
        assert [problem.problem for problem in error.value.problems] == [
            "made to fail",
            "this is not a readable image file",
            "the mask is 10x5 pixels, its image 10x12",
        ]
    assert sorted(reads) == ["images/1.png", "images/3.png", "masks/1.png", "masks/3.png"]


def broken():
    raise DataError("made to fail")


def test_file_that_is_written_to_meanwhile_is_refused(photographs):
    sample = found(photographs)[0]

    def read(size):
        pixels = sample.read_at(size)
        save(sample.files[0], picture() + np.uint8(9))
        return pixels

    with pytest.raises(DataError) as error:
        cached(photographs, [replace(sample, read_at=read)])
    assert str(error.value) == (
        f"{sample.files[0]}: the image or its mask changed while it was read\n"
        "  try: start again when no program writes to them"
    )


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
    with file_limit(600):
        prepared = cached(photographs)
    assert prepared.warnings == (warning(photographs, "File too large"),)
    assert isinstance(prepared.images, np.ndarray)
    assert_same(prepared, prepare(found(photographs), SIZE, BINARY, 3))
    assert pack_files(photographs) == []
    assert leftovers(photographs) == []


@contextlib.contextmanager
def file_limit(size: int):
    """A disk that has no space for larger files."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_packs_that_were_full_before_the_disk_was_are_used(photographs, reads, monkeypatch):
    monkeypatch.setattr(store, "PACK_BYTES", 2 * sum(map(np.prod, layout_of(SIZE, BINARY, 3))))
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


CHILD = """
    import errno, sys, time
    from pathlib import Path
    from segkit.utils import locks
    from tests.data.cache import test_cache as cases
    from tests.data.cache.test_cache import cached, found
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


def test_progress_counts_what_is_there_as_done(photographs):
    samples = found(photographs)
    cached(photographs, samples[:3])
    told: list[tuple[int, int]] = []
    prepare(samples, SIZE, BINARY, 3, lambda *seen: told.append(seen), cache_in(photographs))
    assert told == [(4, COUNT), (5, COUNT)]


def test_rows_are_read_only_and_travel_by_name(photographs):
    prepared = cached(photographs)
    for stack in (prepared.images, prepared.masks):
        with pytest.raises(ValueError, match="read-only"):
            stack[0][...] = 0
        copy = stack[1:3].copy()
        copy[...] = 0
    sent = pickle.dumps(prepared.images)
    assert np.asarray(prepared.images).tobytes()[:64] not in sent
    np.testing.assert_array_equal(np.asarray(pickle.loads(sent)), np.asarray(prepared.images))


@pytest.mark.posix("a file that is mapped is not removed there")
def test_rows_stay_when_their_file_is_removed_and_do_not_travel(photographs):
    prepared = cached(photographs)
    sent = pickle.dumps(prepared.images)
    shutil.rmtree(photographs / "cache")
    np.testing.assert_array_equal(prepared.images[0], prepared.images.copy()[0])  # it is mapped, and stays
    with pytest.raises(DataError) as error:
        pickle.loads(sent)[0]
    assert str(error.value).endswith(
        "the cached images can no longer be read: No such file or directory\n"
        "  try: was the cache cleared? start the run again"
    )


def test_spawned_process_reads_the_same(photographs):
    prepared = cached(photographs)
    code = "import pickle, sys; print(sum(map(int, pickle.load(sys.stdin.buffer).copy().ravel())))"
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(prepared.images), capture_output=True, check=True
    )
    assert int(done.stdout) == int(np.asarray(prepared.images).sum())


def test_rows_are_indexed_as_arrays_are(photographs):
    prepared = cached(photographs, [*found(photographs), generated("z")])
    array = prepared.images.copy()
    assert prepared.images.shape == array.shape
    assert prepared.images.dtype == array.dtype
    assert len(prepared.images[2:]) == COUNT - 1
    np.testing.assert_array_equal(prepared.images[-1], array[-1])
    np.testing.assert_array_equal(prepared.images[1:4][1:].copy(), array[2:4])
    np.testing.assert_array_equal(np.stack([*prepared.images]), array)
    with pytest.raises(IndexError):
        prepared.images[COUNT + 1]


def test_pack_that_is_cut_off_after_it_was_looked_at_is_told(photographs):
    sent = pickle.dumps(cached(photographs).images)
    (path,) = pack_files(photographs)
    content = path.read_bytes()
    for damaged in (b"", content[:-1], content[:100]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="the cached images can no longer be read: "):
            pickle.loads(sent)[0]
