"""Text files that list images: what a line may say, and the line of what it may not."""

import numpy as np
import pytest

from segkit.core.errors import DataError, PartError
from segkit.core.registry import SOURCES
from tests.data.cases import BINARY, HALF, MULTILABEL, names, save_pair


@pytest.fixture
def root(tmp_path):
    for name in ("a", "b", "sub/c d", "M\u00fcller"):
        save_pair(tmp_path / f"images/{name}.png", tmp_path / f"masks/{name}.png")
    return tmp_path


def splits(root, train: str | bytes, task=BINARY, **options):
    (root / "train.txt").write_bytes(train if isinstance(train, bytes) else train.encode())
    return SOURCES.get("list").factory(task, 3, train=root / "train.txt", **options).splits()


def problems(root, train: str | bytes, **options) -> list[str]:
    with pytest.raises(DataError) as error:
        splits(root, train, **options)
    return str(error.value).replace(f"{root}/", "").replace(str(root), "ROOT").splitlines()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_are_pairs_of_paths(root, end, encoding):
    save_pair(root / "images/e f.png", root / "masks/e f.png")
    lines = [
        '"images/e f.png" "masks/e f.png"',
        "# image mask", "images/a.png masks/a.png", "", "images\\b.png\tmasks\\b.png  ",
        "/data/set/images/sub/c d.png /data/set/masks/sub/c d.png",
        "images/Mu\u0308ller.png, masks/M\u00fcller.png",
    ]  # fmt: skip
    (root / "val.txt").write_text("images/a.png;masks/a.png", encoding="utf-8")
    found = splits(root, end.join(lines).encode(encoding), val=root / "val.txt")
    assert {split: names(samples) for split, samples in found.items()} == {
        "train": ["images/e f", "images/a", "images/b", "images/sub/c d", "images/M\u00fcller"],
        "val": ["images/a"],
    }  # fmt: skip
    for sample in found["train"]:
        np.testing.assert_array_equal(sample.read()[1], HALF)


def test_paths_of_another_computer_are_found_below_the_root(root):
    (root / "lists").mkdir()
    text = "/SegNet/CamVid/images/a.png /SegNet/CamVid/masks/a.png\n"
    (root / "lists/train.txt").write_text(text)
    source = SOURCES.get("list").factory(BINARY, 3, train=root / "lists/train.txt", root=root)
    assert names(source.splits()["train"]) == ["images/a"]
    with pytest.raises(
        DataError, match=r"there is no image /SegNet/CamVid/images/a\.png\n.*data\.source\.root"
    ):
        SOURCES.get("list").factory(BINARY, 3, train=root / "lists/train.txt").splits()


def test_lines_are_names_in_two_folders(root):
    for name in ("a", "b", "sub/c d"):
        (root / f"masks/{name}.png").rename(root / f"masks/{name}_labels.png")
    folders = {"images": root / "images", "masks": root / "masks", "mask_pattern": "{name}_labels"}
    found = splits(root, "b\nJPEGImages/sub/c d.png\n# a\n", **folders)
    assert names(found["train"]) == ["b", "sub/c d"]
    assert found["train"][0].files == (root / "images/b.png", root / "masks/b_labels.png")
    assert problems(root, "A\n\nb\nb.png\nzebra\n", **folders) == [
        "train.txt:1: there is no image of the name 'A'",
        "  try: did you mean 'a'?",
        "train.txt:1: there is no mask of the name 'A'",
        "  try: did you mean 'a'?",
        "train.txt:4: 'b' is listed twice (first on line 3)",
        "  try: keep one of them",
        "train.txt:5: there is no image of the name 'zebra'",
        "  try: names are looked for in images",
        "train.txt:5: there is no mask of the name 'zebra'",
        "  try: names are looked for in masks",
    ]
    (root / "images/b.png").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert problems(root, "a\nb\n", **folders)[0] == (
        "train.txt:2: this is a placeholder of Git LFS, not the data itself: images/b.png"
    )
    save_pair(root / "images/a.jpg", root / "masks/x.png")
    assert problems(root, "a\n", **folders)[0].startswith("images/a.png: two files are called 'a'")


def test_every_line_at_fault_is_named(root):
    assert problems(root, "images/a.png masks/z.png\nimages/a.png\na b c\nimages/b.png,masks/b.png,1\n") == [
        "train.txt:1: there is no mask masks/z.png",
        "  try: paths are looked for in ROOT; data.source.root names another folder",
        "train.txt:2: this line names one file, not an image and its mask",
        "  try: for a list of names, set data.source.images and data.source.masks to their folders",
        "train.txt:3: this line names 3 files",
        "  try: separate image and mask by a tab, if their names have spaces",
        "train.txt:4: this line names 3 files",
        "  try: separate image and mask by a tab, if their names have spaces",
    ]
    assert problems(root, f'"{"a" * 200_000}" b\n') == [
        "train.txt:1: the line cannot be read: field larger than field limit (131072)",
        "  try: quote paths with spaces",
    ]
    assert problems(root, "images/\u00e4".encode("latin-1"))[0] == "train.txt:1: this is not UTF-8 text"
    with pytest.raises(DataError, match=r"none\.txt: there is no such file"):
        SOURCES.get("list").factory(BINARY, 3, train=root / "none.txt").splits()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": None}, r"no list of images is named\n  try: data\.source\.train: train\.txt"),
        ({"masks": "m"}, r"a list of names needs images and masks\n  try: set both, or none"),
        ({"image_pattern": "{split}/{name}"}, r"each list is a split; {split} means nothing here"),
        ({"task": MULTILABEL}, "list reads one mask per image"),
    ],
)
def test_options_that_contradict_are_refused(options, message):
    given = {"task": BINARY, "train": "train.txt"} | options
    with pytest.raises(PartError, match=message):
        SOURCES.get("list").factory(given.pop("task"), 3, **given)


@pytest.mark.posix("links need a privilege there")
def test_links_are_followed_and_those_that_lead_nowhere_are_named(root):
    (root / "linked").symlink_to(root / "images")
    (root / "link.png").symlink_to(root / "images/b.png")
    (root / "gone.png").symlink_to(root / "removed.png")
    (root / "loop.png").symlink_to(root / "loop.png")
    found = splits(root, "linked/a.png masks/a.png\nlink.png masks/b.png\n")
    assert names(found["train"]) == ["linked/a", "link"]
    assert problems(root, "gone.png masks/a.png\nloop.png masks/b.png\n") == [
        "train.txt:1: this is a link to removed.png, which does not exist: gone.png",
        "  try: restore it, or connect the drive that it is on",
        "train.txt:2: the file cannot be read: Too many levels of symbolic links: loop.png",
    ]
