"""Image files of a folder: links are followed, and what cannot be read is named, never passed over."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segkit.core.errors import DataError
from segkit.data.image_files import find_images, why_unread
from tests.data.cases import HALF, save

ANNEX = "this is a placeholder of git-annex, not the data itself"
LFS = "this is a placeholder of Git LFS, not the data itself"
DVC = "this is a placeholder of DVC, not the data itself"
FETCH = {ANNEX: "git annex get", LFS: "git lfs pull", DVC: "dvc pull"}


def drawn(folder: Path, *names: str) -> Path:
    for name in names:
        save(folder / name, HALF)
    return folder


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_images(folder).images]


@pytest.mark.posix("links need a privilege there")
def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    store = drawn(tmp_path / "store", "b.png", "deep/c.png")
    root = drawn(tmp_path / "images", "a.png")
    (root / "site").symlink_to(store)
    (root / "d.png").symlink_to(store / "b.png")
    (tmp_path / "link").symlink_to(root)
    assert names(root) == ["a.png", "d.png", "site/b.png", "site/deep/c.png"]
    assert names(tmp_path / "link") == names(root)


@pytest.mark.posix("links need a privilege there")
def test_a_folder_that_is_linked_twice_is_read_once_under_its_own_name(tmp_path: Path) -> None:
    store = drawn(tmp_path / "store", "b.png")
    root = drawn(tmp_path / "images", "z/a.png")
    (root / "alias").symlink_to(root / "z")
    for name in ("site", "site_again"):
        (root / name).symlink_to(store)
    assert names(root) == ["site/b.png", "z/a.png"]


@pytest.mark.posix("links need a privilege there")
@pytest.mark.parametrize("target", ["images", "images/deep"])
def test_a_loop_of_links_ends_and_nothing_is_lost(tmp_path: Path, target: str) -> None:
    root = drawn(tmp_path / "images", "a.png", "deep/b.png")
    (root / "deep/loop").symlink_to(tmp_path / target)
    found = find_images(root)
    assert names(root) == ["a.png", "deep/b.png"]
    assert (found.problems, found.unread) == ([], {})


@pytest.mark.posix("links need a privilege there")
def test_folders_that_link_to_each_other_are_read_once(tmp_path: Path) -> None:
    folders = [drawn(tmp_path / f"store/{number}", "a.png") for number in range(8)]
    root = drawn(tmp_path / "images", "a.png")
    for place in (root, *folders):
        for folder in folders:
            (place / f"to_{folder.name}").symlink_to(folder)
    assert len(names(root)) == 9


@pytest.mark.posix("links need a privilege there")
def test_a_link_to_a_folder_that_contains_it_is_named(tmp_path: Path) -> None:
    drawn(tmp_path, "masks/a.png")
    root = drawn(tmp_path / "images", "a.png")
    (root / "up").symlink_to(tmp_path)
    found = find_images(root)
    (problem,) = found.problems
    assert names(root) == ["a.png"]
    assert (problem.problem, problem.file) == (
        "this link leads to a folder that contains it, and is not followed",
        str(root / "up"),
    )


def annexed(image: Path) -> None:
    image.symlink_to("../.git/annex/objects/Xk/9w/SHA256E-s9--1.png/SHA256E-s9--1.png")


def dvc_linked(image: Path) -> None:
    image.symlink_to("/store/.dvc/cache/files/md5/a3/04afb96060aad90176268345e10355")


LINKS = pytest.mark.posix("links need a privilege there")
PLACEHOLDERS: list[Any] = [
    pytest.param(annexed, ANNEX, marks=LINKS),
    (lambda image: image.write_text("/annex/objects/SHA256E-s9--1.png\n"), ANNEX),
    (lambda image: image.write_text("../.git/annex/objects/Xk/9w/SHA256E-s9--1.png"), ANNEX),
    (lambda image: image.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d\n"), LFS),
    pytest.param(dvc_linked, DVC, marks=LINKS),
    (lambda image: image.with_name("b.png.dvc").write_text("outs:\n- path: b.png\n"), DVC),
    pytest.param(
        lambda image: image.symlink_to("/no/b.png"),
        "this is a link to /no/b.png, which does not exist",
        marks=LINKS,
    ),
    pytest.param(
        lambda image: image.symlink_to(image),
        "the file cannot be read: Too many levels of symbolic links",
        marks=LINKS,
    ),
    pytest.param(
        lambda image: os.mkfifo(image),
        "this is not a file",
        marks=pytest.mark.posix("there are no named pipes"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), PLACEHOLDERS)
def test_an_image_that_is_not_there_is_named(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    root = drawn(tmp_path / "images", "a.png")
    make(root / "b.png")
    found = find_images(root)
    assert (names(root), found.problems, found.others) == (["a.png"], [], [])
    ((path, problem),) = found.unread.items()
    assert (path, problem.problem) == (root / "b.png", message)
    assert FETCH.get(message, "") in problem.hint
    assert problem.kind in ("missing", "unreadable")


def test_a_dvc_file_beside_its_image_is_nothing(tmp_path: Path) -> None:
    root = drawn(tmp_path / "images", "a.png")
    (root / "a.png.dvc").write_text("outs:\n- path: a.png\n")
    found = find_images(root)
    assert (names(root), found.unread, found.problems) == (["a.png"], {}, [])


@pytest.mark.parametrize("place", ["images", "images/deep"])
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    folder.parent.mkdir(exist_ok=True)
    folder.with_name(f"{folder.name}.dvc").write_text("outs:\n- path: images\n")
    problems = [why_unread(folder)] if place == "images" else find_images(tmp_path / "images").problems
    assert [(problem.problem, problem.file) for problem in problems if problem] == [(DVC, f"{folder}.dvc")]


@LINKS
def test_a_folder_that_links_to_nowhere_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.symlink_to("/nowhere")
    with pytest.raises(DataError, match="this is a link to /nowhere, which does not exist"):
        find_images(folder)


def test_folders_that_only_the_system_may_read_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = drawn(tmp_path / "images", "a.png", "lost+found/b.png")
    (root / "System Volume Information").mkdir()
    found = find_images(root)
    assert (names(root), found.problems) == (["a.png"], [])


@pytest.mark.parametrize("length", [252, 255, 256])
def test_a_long_name_that_is_missing_is_no_crash(tmp_path: Path, length: int) -> None:
    """Its .dvc file would have a name that is too long."""
    problem = why_unread(tmp_path / f"{'a' * (length - 4)}.png")
    expected = "the file cannot be read: File name too long" if length > 255 else None
    assert (problem and problem.problem) == expected


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = drawn(tmp_path / "images", "a.png", "deep/b.png")
    scandir = os.scandir

    def refused(path: Path) -> object:
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    (problem,) = find_images(root).problems
    assert str(problem) == f"{root}/deep: the folder cannot be read: Permission denied"
    assert names(root) == ["a.png"]


@pytest.mark.parametrize(
    ("name", "form"), [("b.JXL", "JXL"), ("b.dcm", "DCM"), ("b.nii.gz", "NII.GZ"), ("b.v2.jp2", "JP2")]
)
def test_an_image_of_a_format_that_is_not_read_is_named(tmp_path: Path, name: str, form: str) -> None:
    root = drawn(tmp_path / "images", "a.png")
    (root / name).write_bytes(b"0")
    ((path, problem),) = find_images(root).unread.items()
    assert (path.name, problem.problem) == (name, f"{form} files are not read")
    assert problem.hint == "convert it; PNG, JPEG, BMP, TIFF, GIF, WebP, PPM, HEIC, AVIF and NPY are read"


def test_a_raw_file_beside_its_jpeg_is_no_problem(tmp_path: Path) -> None:
    root = drawn(tmp_path / "images", "a.jpg", "b.v2.jpg")
    for name in ("a.CR2", "b.v2.jxl", "notes.txt", ".hidden.jxl"):
        (root / name).write_bytes(b"0")
    found = find_images(root)
    assert (names(root), found.unread) == (["a.jpg", "b.v2.jpg"], {})
    assert [path.name for path in found.others] == ["a.CR2", "b.v2.jxl", "notes.txt"]


def test_arrays_are_images_only_where_there_are_no_others(tmp_path):
    for name in (
        "a/1.png",
        "a/features.npy",
        "a/2.heic",
        "a/1.heic",
        "b/1.npy",
        "b/2.mat",
        "c/1.pgm",
        "c/1.jpg",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_images(tmp_path)
    assert [name.relative_to(tmp_path).as_posix() for name in found.images] == [
        "a/1.png", "a/2.heic", "b/1.npy", "b/2.mat", "c/1.jpg",
    ]  # fmt: skip
    assert [name.name for name in found.others] == ["1.heic", "features.npy", "1.pgm"]
