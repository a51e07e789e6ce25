"""`segkit data example`: the folder that the guide is followed with."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.analysis.dataset import check_dataset, dataset_of_folder, dataset_of_recipe
from segkit.core.errors import SegkitError
from segkit.data.example import folder as example_folder
from segkit.data.example import write_example
from segkit.data.example.photographs import outlined, unseen
from segkit.recipe import load_recipe

pytestmark = pytest.mark.slow


def silent(label: str, done: int, total: int) -> None:
    pass


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two photographs with outlines and one without."""
    monkeypatch.setattr(example_folder, "outlined", lambda: outlined()[:2])
    monkeypatch.setattr(example_folder, "unseen", lambda: unseen()[:1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it, drawn once."""
    place = tmp_path_factory.mktemp("example") / "lesions"
    write_example(place, silent)
    return place


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_files_are_these_and_nothing_else(folder: Path) -> None:
    photos = [f"photos/lesion_{number:02d}.jpg" for number in range(1, 41)]
    masks = [f"masks/lesion_{number:02d}.png" for number in range(1, 41)]
    new = [f"new/lesion_{number:02d}.jpg" for number in range(41, 47)]
    assert names_in(folder) == sorted([*photos, *masks, *new, "recipe.yaml"])
    assert sorted(path.name for path in folder.iterdir()) == ["masks", "new", "photos", "recipe.yaml"]


def test_photographs_are_of_many_sizes_and_one_is_large(folder: Path) -> None:
    sizes = []
    for path in sorted(folder.glob("*/*.jpg")):
        with Image.open(path) as photo:
            assert (photo.format, photo.mode) == ("JPEG", "RGB")
            sizes.append(photo.size)
    assert sizes.count((2048, 1536)) == 1
    assert len(set(sizes)) > 6
    assert any(width < height for width, height in sizes)


def test_a_mask_is_white_where_its_lesion_is(folder: Path) -> None:
    for path in sorted((folder / "masks").iterdir()):
        with Image.open(path) as mask, Image.open(folder / "photos" / f"{path.stem}.jpg") as photo:
            assert (mask.mode, mask.size) == ("L", photo.size)
            inside, pixels = np.asarray(mask), np.asarray(photo.convert("L"), dtype=float)
        assert set(np.unique(inside)) == {0, 255}
        seen = pixels > 25  # not the dark around a round view
        assert pixels[inside == 255].mean() < pixels[(inside == 0) & seen].mean()


def test_nothing_is_wrong_with_it(folder: Path) -> None:
    for subject in (dataset_of_folder(folder), dataset_of_recipe(load_recipe(folder / "recipe.yaml"))):
        assert list(check_dataset(subject, silent).findings) == []


def test_a_photograph_is_drawn_again_with_the_same_bytes(folder: Path) -> None:
    photo, mask = outlined()[2].drawn()
    for image, file, options in (
        (photo, "photos/lesion_03.jpg", {"quality": 92}),
        (mask, "masks/lesion_03.png", {}),
    ):
        written = io.BytesIO()
        image.save(written, "JPEG" if options else "PNG", **options)
        assert written.getvalue() == (folder / file).read_bytes()


def test_its_recipe_learns_without_a_network_and_says_how_to_use_one(folder: Path) -> None:
    recipe = load_recipe(folder / "recipe.yaml")
    assert recipe.model.encoder.options["weights"] == "none"
    text = (folder / "recipe.yaml").read_text(encoding="utf-8")
    with_network = text.replace("  encoder: {name: regnetx", "  # encoder: {name: regnetx")
    with_network = with_network.replace("  # encoder: {name: mobilenetv2", "  encoder: {name: mobilenetv2")
    (folder / "other.yaml").write_text(with_network, encoding="utf-8")
    other = load_recipe(folder / "other.yaml")
    (folder / "other.yaml").unlink()
    assert other.model.encoder.name == "mobilenetv2_100"
    assert other.model.encoder.options["weights"] == "imagenet1k_v1"


@pytest.mark.usefixtures("few")
def test_it_goes_into_a_folder_with_other_things(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    written = write_example(tmp_path, silent)
    assert written == [tmp_path / name for name in ("photos", "masks", "new", "recipe.yaml")]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "masks", "new", "notes.txt", "photos", "recipe.yaml",
    ]  # fmt: skip


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    "make",
    [
        Path.mkdir,
        Path.touch,
        pytest.param(
            lambda path: path.symlink_to("nowhere"), marks=pytest.mark.posix("links need a privilege there")
        ),
    ],
)
@pytest.mark.parametrize("name", ["photos", "masks", "new", "recipe.yaml"])
def test_what_is_there_is_kept(tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    make(tmp_path / name)
    with pytest.raises(SegkitError) as caught:
        write_example(tmp_path, silent)
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        f"{tmp_path}: {name}: already exists, and segkit does not overwrite files\n"
        "  try: choose another folder; it is created if missing"
    )
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.usefixtures("few")
def test_all_that_is_in_the_way_is_named(tmp_path: Path) -> None:
    write_example(tmp_path, silent)
    before = names_in(tmp_path)
    with pytest.raises(SegkitError, match=r": photos, masks, new, recipe\.yaml: already exists"):
        write_example(tmp_path, silent)
    assert names_in(tmp_path) == before


@pytest.mark.usefixtures("few")
def test_nothing_is_left_of_an_example_that_was_not_finished(tmp_path: Path) -> None:
    def interrupt(label: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_example(tmp_path, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_text("mine")
    with pytest.raises(SegkitError) as caught:
        write_example(file, silent)
    assert str(caught.value) == (
        f"{file}: the example cannot be written: File exists\n"
        "  try: choose a folder with write permission, on a disk with 20 MB to spare"
    )
    assert file.read_text() == "mine"
