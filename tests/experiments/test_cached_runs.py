"""Runs on images that are decoded once: the same run, whatever the cache does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from segkit.core.events import RunStarted
from segkit.data.cache.array_view import IndexedArrays
from segkit.experiments.check import check
from segkit.experiments.restore_run import open_trained
from segkit.experiments.run import run
from segkit.recipe import Recipe, load_recipe
from segkit.recipe.dataset import find_samples, prepare_splits, scan_recipe_source
from segkit.runs.run_dir import RunDir
from tests.small_runs import RECIPE

COUNT = 12


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe on twelve files, a cache of its own, and a test split of five."""
    monkeypatch.setenv("SEGKIT_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        split = "train" if number < 7 else "test"
        mask = np.zeros((80, 90), np.uint8)
        mask[10 + number : 50, 20:60] = 255
        image = rng.integers(0, 60, (80, 90, 3), dtype=np.uint8) + mask[..., None] // 2
        for kind, pixels in (("images", image), ("masks", mask)):
            (tmp_path / kind / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / kind / split / f"{number:02d}.png")
    text = RECIPE.replace(
        "{name: synthetic_lesions, train: 10, test: 5, size: 64}",
        "{name: folder, images: images, masks: masks}",
    )
    (tmp_path / "small.yaml").write_text(text.replace("epochs: 2", "epochs: 1"), encoding="utf-8")
    return tmp_path


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were decoded."""
    loaded: list[str] = []
    original = ImageFile.ImageFile.load

    def counted(image: ImageFile.ImageFile) -> Any:
        kind, _, name = Path("a/b", image.filename or "c").parts[-3:]
        if image.tile and kind in ("images", "masks"):  # no tile: loaded before
            loaded.append(f"{kind}/{name}")
        return original(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", counted)
    return loaded


def small(folder: Path, *overrides: str) -> Recipe:
    return load_recipe(folder / "small.yaml", overrides)


def weights(folder: Path, *overrides: str) -> tuple[bytes, dict[str, str], RunStarted]:
    """What a run ends with, what it says of its images, and how it began."""
    started, *_ = run(small(folder, *overrides), folder / "runs")
    assert isinstance(started, RunStarted)
    directory = RunDir(started.directory)
    content = (directory.checkpoints / "last.safetensors").read_bytes()
    return content, directory.read_environment().data_digests, started


@pytest.mark.slow
def test_cold_warm_and_off_are_the_same_run(photographs: Path, decoded: list[str]) -> None:
    cold = weights(photographs)
    assert len(decoded) == 2 * COUNT
    warm = weights(photographs, "data.workers=2")
    assert len(decoded) == 2 * COUNT
    off = weights(photographs, "data.cache=false")
    assert len(decoded) == 4 * COUNT
    assert cold[:2] == warm[:2] == off[:2]


@pytest.mark.slow
def test_cache_that_is_off_writes_nothing(photographs: Path) -> None:
    weights(photographs, "data.cache=false")
    assert not (photographs / "cache").exists()


@pytest.mark.slow
def test_folder_that_cannot_be_written_to_is_told_by_every_verb(photographs: Path) -> None:
    good = weights(photographs)
    for path in (photographs / "cache").rglob("*.safetensors"):
        path.unlink()
    (photographs / "cache").rename(photographs / "gone")
    (photographs / "cache").write_text("")
    told = (
        f"Decoded images are held in memory, and the next run decodes them again: {photographs / 'cache'} "
        "cannot be written to (Not a directory). Set SEGKIT_CACHE to another folder, "
        "or data.cache: false."
    )
    content, digests, started = weights(photographs)
    assert (content, digests) == good[:2]
    assert started.warnings[-1] == told
    assert started.warnings.count(told) == 1
    assert told in check(small(photographs)).warnings
    assert open_trained(RunDir(started.directory)).warnings == [told]


def test_other_sizes_and_tasks_are_other_images(photographs: Path, decoded: list[str]) -> None:
    for overrides in ([], ["data.size=[64, 96]"], ["data.channels=1"], ["data.ignore_index=254"], []):
        recipe = small(photographs, *overrides)
        prepare_splits(recipe, find_samples(recipe), lambda label, done, total: None)
    assert len(decoded) == 2 * COUNT * 4
    for change in ("seed=9", "name=other", "data.batch_size=2", "data.split={by: fraction, val: 0.4}"):
        recipe = small(photographs, change)
        splits = prepare_splits(recipe, find_samples(recipe), lambda label, done, total: None)
        assert isinstance(splits["train"].images, IndexedArrays)
    assert len(decoded) == 2 * COUNT * 4


@pytest.mark.slow
def test_evaluation_reads_only_what_it_scores(photographs: Path, decoded: list[str]) -> None:
    directory = weights(photographs)[2].directory
    (photographs / "images" / "train" / "03.png").write_bytes(b"damaged")
    decoded.clear()
    trained = open_trained(RunDir(directory))
    assert decoded == []
    assert trained.warnings == []
    assert len(trained.assembly.splits[trained.assembly.test_split]) == COUNT - 7
    (photographs / "cache").rename(photographs / "gone")
    assert open_trained(RunDir(directory)).warnings == []
    scored = [f"{number:02d}.png" for number in range(7, COUNT)]
    assert sorted(decoded) == [f"{kind}/{name}" for kind in ("images", "masks") for name in scored]


def test_files_are_hashed_once_in_a_start(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from segkit.runs import fingerprint as identity
    from segkit.utils import hashing as digests

    hashed: list[Path] = []
    original, real = digests.file_digest, digests.time.time_ns

    def counted(file: Path) -> bytes:
        hashed.append(file)
        return original(file)

    monkeypatch.setattr(digests, "file_digest", counted)
    monkeypatch.setattr(digests.time, "time_ns", lambda: real() + 3600 * 10**9)  # files are older than a tick
    recipe = small(photographs)
    recipe, found = scan_recipe_source(recipe)
    prepare_splits(recipe, find_samples(recipe, found), lambda label, done, total: None)
    identity.fingerprint(recipe, found.splits)
    assert len(hashed) == len(set(hashed)) == 2 * COUNT
