"""Decode once: what one run has decoded, no other decodes again, and nothing else changes."""

import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from segkit.core.errors import DataError
from segkit.core.types import Sample
from segkit.data.cache.array_view import IndexedArrays
from segkit.data.cache.cache import Cache
from segkit.data.preprocess import layout_of, prepare
from segkit.data.splits import Split, split_samples
from segkit.parts.sources.manifest import Manifest
from tests.data.cache.conftest import COUNT, SIZE, assert_same, cache_in, cached, found, pack_files
from tests.data.cases import BINARY, HALF, MULTILABEL, generated, picture, save, save_pair


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
        samples = Manifest(table, MULTILABEL, 3).splits()["train"]
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
