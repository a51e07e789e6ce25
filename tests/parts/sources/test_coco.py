"""COCO annotation files: what is painted, and what is said of faults."""

from __future__ import annotations

import copy
import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as tools

from segkit.core.errors import DataError, PartError
from segkit.core.registry import SOURCES
from segkit.core.types import Task
from segkit.data.cache.cache import Cache
from segkit.data.images import read_image_at
from segkit.data.preprocess import layout_of, prepare
from segkit.data.source_scan import scan_source
from tests.data.cases import picture, save

HEIGHT, WIDTH = 20, 30
LEFT, RIGHT, WHOLE = ([x, 2, x + 10, 2, x + 10, 12, x, 12] for x in (2, 6, 0))
BINARY = Task("binary", ("foreground",))


def annotation(
    number: int, segmentation: Any, image: int = 1, category: int = 1, **more: Any
) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "segmentation": segmentation, **more}


def content(*annotations: dict[str, Any]) -> dict[str, Any]:
    """Two images and the categories car (1) and dog (2)."""
    return {
        "info": {"year": 2024},
        "images": [
            {"id": n, "file_name": f"{name}.png", "width": WIDTH, "height": HEIGHT, "license": 1}
            for n, name in ((1, "a"), (2, "sub/b"))
        ],
        "annotations": [*annotations],
        "categories": [{"id": 1, "name": "car", "supercategory": "x"}, {"id": 2, "name": "dog"}],
    }


def write(root: Path, data: Any, name: str = "all.json") -> Path:
    for number, image in enumerate(("a", "sub/b")):
        save(root / f"images/{image}.png", picture(HEIGHT, WIDTH) + np.uint8(number))
    file = root / name
    file.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return file


def source(root: Path, data: Any, task: Task = BINARY, **options: Any) -> Any:
    options = {"images": root / "images", "annotations": write(root, data), **options}
    return SOURCES.get("coco").factory(task, 3, **options)


def masks(root: Path, data: Any, task: Task = BINARY, **options: Any) -> list[np.ndarray]:
    return [sample.read()[1] for sample in source(root, data, task, **options).splits()["train"]]


def problems(root: Path, data: Any, task: Task = BINARY, **options: Any) -> list[str]:
    with pytest.raises(DataError) as error:
        masks(root, data, task, **options)
    return str(error.value).replace(f"{root}/", "").splitlines()


def box(left: int, right: int, value: int = 1) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[2:12, left:right] = value
    return mask


def equal(mask: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(mask, expected)


def test_parts_and_codes_are_one_mask_and_images_without_annotations_are_background(tmp_path: Path) -> None:
    spot = np.zeros((HEIGHT, WIDTH), np.uint8)
    spot[15:18, 20:25] = 1
    packed = tools.encode(np.asfortranarray(spot))["counts"].decode()
    runs = np.flatnonzero(np.diff(spot.T.ravel(), prepend=0, append=1 - spot[-1, -1]))
    plain = np.diff(runs, prepend=0).tolist()
    size = [HEIGHT, WIDTH]
    for code in (packed, plain):
        first, second = masks(
            tmp_path,
            content(annotation(1, [LEFT, RIGHT]), annotation(2, {"size": size, "counts": code}, iscrowd=1)),
        )
        equal(first, box(2, 16) | spot)
        assert not second.any()


def test_samples_have_names_of_their_folders_and_can_be_read_at_a_size(tmp_path: Path) -> None:
    first, second = source(tmp_path, content(annotation(1, [LEFT]))).splits()["train"]
    assert (first.name, second.name) == ("a", "sub/b")
    assert first.files == (tmp_path / "images/a.png",)
    assert first.read_at is not None
    image, mask = first.read_at((10, 15))
    assert image.shape == (10, 15, 3)
    equal(mask, box(2, 12)[1::2, 1::2])


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (BINARY, box(2, 16)),
        (Task("multiclass", ("ground", "car", "dog")), np.maximum(box(2, 12), box(6, 16, 2))),
        (Task("multiclass", ("background", "dog", "car")), np.where(box(6, 16), box(6, 16), box(2, 12, 2))),
        (Task("multilabel", ("dog", "car")), np.stack([box(6, 16), box(2, 12)], axis=-1)),
        (Task("binary", ("any",), None, (("any", ("car", "dog")),)), box(2, 16)),
        (
            Task("multiclass", ("ground", "pet"), 255, (("pet", ("dog",)), ("ignore", ("car",)))),
            np.where(box(6, 16), 1, box(2, 12, 255)),
        ),
        (
            Task("binary", ("car",), None, (("car", ("car",)), ("background", ("dog",)))),
            box(2, 12) * (1 - box(6, 16)),
        ),
    ],
)
def test_categories_are_classes_and_later_objects_lie_above(
    tmp_path: Path, task: Task, expected: np.ndarray
) -> None:
    mask, _ = masks(tmp_path, content(annotation(1, [LEFT]), annotation(2, [RIGHT], category=2)), task)
    equal(mask, expected)


@pytest.mark.parametrize(("unlisted", "value"), [("background", 0), ("ignore", 255)])
def test_other_categories_may_be_left_out(tmp_path: Path, unlisted: str, value: int) -> None:
    data = content(annotation(1, [LEFT]), annotation(2, [RIGHT], category=2))
    assert problems(tmp_path, data, Task("binary", ("car",))) == [
        "all.json: data.classes and data.labels do not have the names of these objects: dog",
        "  try: data.labels adds them to classes or ignores them, as in ignore: [dog]; "
        "data.source.unlisted: background leaves them out",
    ]
    mask, _ = masks(tmp_path, data, Task("binary", ("car",), 255), unlisted=unlisted)
    equal(mask, np.where(box(6, 16), value, box(2, 12)))


@pytest.mark.parametrize("unlisted", ["error", "background"])
@pytest.mark.parametrize(
    "task",
    [
        Task("multiclass", ("ground", "car", "dgo")),
        Task("multiclass", ("ground", "car", "pet"), None, (("car", ("car",)), ("pet", ("dgo",)))),
    ],
)
def test_misspelt_names_are_told_also_where_others_are_left_out(
    tmp_path: Path, task: Task, unlisted: str
) -> None:
    data = content(annotation(1, [LEFT]), annotation(2, [RIGHT], category=2))
    told = problems(tmp_path, data, task, unlisted=unlisted)
    assert told[-2:] == ["no object is called 'dgo'", "  try: did you mean 'dog'?"]


def test_a_class_without_a_category_is_a_warning(tmp_path: Path) -> None:
    data = content(annotation(1, [LEFT]), annotation(2, [RIGHT], category=2))
    scan = scan_source(source(tmp_path, data, Task("multiclass", ("ground", "car", "dog", "ship"))))
    assert [(each.problem, each.hint) for each in scan.warnings] == [
        ("no object is called 'ship'", "names in the files: car, dog")
    ]


def test_crowds_are_ignored_below_the_objects_or_are_foreground(tmp_path: Path) -> None:
    data = content(annotation(1, [LEFT]), annotation(2, [RIGHT], iscrowd=1))
    equal(masks(tmp_path, data)[0], box(2, 16))
    equal(masks(tmp_path, data, Task("binary", ("car",), 255))[0], np.where(box(2, 12), 1, box(6, 16, 255)))
    both = Task("multilabel", ("car", "dog"), 255)
    expected = np.stack([np.where(box(2, 12), 1, box(6, 16, 255)), box(6, 16, 255)], axis=-1)
    equal(masks(tmp_path, data, both)[0], expected)


def test_pixels_of_no_object_need_a_class_unless_they_are_ignored(tmp_path: Path) -> None:
    data = content(annotation(1, [LEFT]), annotation(2, [RIGHT], category=2))
    assert problems(tmp_path, data, Task("multiclass", ("car", "dog"))) == [
        "all.json: 460 pixels of a.png are covered by no object, and no class stands for them",
        "  try: data.ignore_index: 255 leaves them out; or put a class before car, such as background",
    ]
    mask, _ = masks(tmp_path, data, Task("multiclass", ("car", "dog"), 254))
    equal(mask, np.where(box(6, 16), 1, np.where(box(2, 12), 0, 254)))


def test_splits_have_files_and_may_have_folders_of_their_own(tmp_path: Path) -> None:
    data = content(annotation(1, [LEFT]))
    one = {**data, "images": data["images"][:1]}
    two = {**data, "images": data["images"][1:], "annotations": []}
    write(tmp_path, one, "train.json"), write(tmp_path, two, "val.json")
    files = {"train": tmp_path / "train.json", "val": tmp_path / "val.json"}
    scan = scan_source(source(tmp_path, data, annotations=files))
    assert {split: [sample.name for sample in part] for split, part in scan.splits.items()} == {
        "train": ["a"],
        "val": ["sub/b"],
    }
    assert not scan.warnings
    for folder in ("one", "two"):
        save(tmp_path / folder / "a.png", picture(HEIGHT, WIDTH))
    write(tmp_path, {**one, "annotations": []}, "val.json")
    folders = {"train": tmp_path / "one", "val": tmp_path / "two"}
    found = source(tmp_path, data, annotations=files, images=folders).splits()
    assert [part[0].files[0].parent.name for part in found.values()] == ["one", "two"]
    with pytest.raises(
        PartError, match="images has the splits train, annotations train, val\n  try: name the"
    ):
        source(tmp_path, data, annotations=files, images={"train": tmp_path})
    with pytest.raises(PartError, match="unlisted: ignore needs a value to ignore"):
        source(tmp_path, data, unlisted="ignore")


def test_every_fault_is_named_with_the_entries_that_have_it(tmp_path: Path) -> None:
    data = content(
        annotation(1, [LEFT], image=9),
        annotation(2, [LEFT], category=9),
        annotation(3, []),
        *(annotation(number, [LEFT], category=9) for number in range(10, 20)),
        annotation(19, [LEFT]),
    )
    data["images"] += [
        {"id": 3, "file_name": "c.png"},
        {"id": 4, "file_name": "a.jpg"},
        {"id": 1, "file_name": "d.png"},
    ]
    assert problems(tmp_path, data) == [
        "all.json: image 1, annotation 19: the id is there twice",
        "  try: give each its own id",
        "all.json: annotation 1: there is no image 9",
        "  try: add it to images, or remove the annotation",
        "all.json: annotation 2, annotation 10, annotation 11, annotation 12, annotation 13 and 5 more: "
        "there is no category 9",
        "  try: add it to categories",
        "all.json: annotation 3: it has no segmentation",
        "  try: outline it, or remove the annotation; a box does not say which pixels belong to the object",
        "all.json: d.png, c.png, a.jpg: not in the folder images",
        "  try: data.source.images is the folder that the names in the file are relative to",
    ]


def test_images_that_the_file_does_not_list_are_a_warning(tmp_path: Path) -> None:
    save(tmp_path / "images/c.png", picture(HEIGHT, WIDTH))
    data = content(annotation(1, [LEFT, [1, 1, 5, 5]]))
    data["images"][1]["file_name"] = "sub\\b.png"  # as Windows writes it
    scan = scan_source(source(tmp_path, data))
    assert [sample.name for sample in scan.splits["train"]] == ["a", "sub/b"]
    assert [problem.problem for problem in scan.warnings] == [
        "annotation 1: a polygon of fewer than three corners covers no pixel",
        "1 images of this folder are not in the annotation files and not used (c.png)",
    ]


def test_an_image_elsewhere_in_the_folder_is_found_if_no_other_has_its_name(tmp_path: Path) -> None:
    data = content(annotation(1, [LEFT]))
    data["images"][1]["file_name"] = "/home/me/b.png"
    assert source(tmp_path, data).splits()["train"][1].files == (tmp_path / "images/sub/b.png",)
    save(tmp_path / "images/new/b.png", picture(HEIGHT, WIDTH))
    assert problems(tmp_path, data)[0] == "all.json: /home/me/b.png: not in the folder images"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"segmentation": {"size": [9, 9], "counts": [81]}}, "its mask is 9x9 pixels, its image 30x20"),
        ({"segmentation": {"size": [HEIGHT, WIDTH], "counts": [1]}}, "its run-length code has 1 pixels, an"),
        (
            {"segmentation": {"size": [HEIGHT, WIDTH], "counts": "o"}},
            "its run-length code is damaged: it holds",
        ),
        ({"segmentation": [[0, 0, 1e9, 0, 5, 5]]}, "a corner of its polygon is more than 16,777,216 pixels"),
    ],
)
def test_damaged_outlines_are_named_by_their_annotation(tmp_path: Path, change: Any, problem: str) -> None:
    (found,) = problems(tmp_path, content({**annotation(7, []), **change}))
    assert found.startswith(f"all.json: annotation 7: {problem}")


def test_another_size_is_named(tmp_path: Path) -> None:
    data = content(annotation(1, [LEFT]))
    data["images"][0] |= {"width": HEIGHT, "height": WIDTH}
    assert problems(tmp_path, data) == [
        "all.json: image 1: it was outlined on 20x30 pixels, and has 30x20",
        "  try: was it resized or rotated afterwards? The image is images/a.png",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is not JSON ({ expected at character 0)"),
        ("[]", "it is not JSON ({ expected at character 0)"),
        ('{"annotations": {}}', "it is not JSON ([ expected at character 16)"),
        (
            '{"annotations": [{"id": 1, "image_id": 1, "category_id": 1}',
            "it is not JSON (, or ] expected at character 59)",
        ),
        ('{"images": [] 5', "it is not JSON (, or } expected at character 14)"),
        ('{"images": []} 5', "it is not JSON (more text behind its end at character 15)"),
        ("{5: []}", "it is not JSON (a key must be text: 5)"),
        ('{"info": NaN}', "it is not JSON (NaN is not a JSON number)"),
        ('{"info": ' + "[" * 100_000, "it is not JSON (maximum recursion depth exceeded"),
        ('{"annotations": [5]}', "annotations[0]: it must be a mapping"),
        ('{"images": [{"id": 1}]}', "images[0]: file_name: field required"),
        ('{"images": [{"id": 1, "file_name": "\\ud800"}]}', "images[0]: it holds an unpaired surrogate"),
        (
            '{"images": [{"id": 1, "file_name": "a", "width": 0}]}',
            "images[0]: width: input should be greater",
        ),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    assert problems(tmp_path, text)[0].startswith(f"all.json: the file is damaged: {problem}")


@pytest.mark.parametrize(
    ("segmentation", "problem"),
    [
        (
            [1, 2, 3, 4, 5, 6],
            "it must be polygons [[x, y, x, y, ...]] or a run-length code {size: [height, wi",
        ),
        ([[1, 2, 3, 4, 5, "x"]], "it must be polygons"),
        ({"counts": "0"}, "it must be polygons"),
        ({"size": [1, 1], "counts": [-1]}, "it must be polygons"),
        ([[1, 2, 3, 4, 5, 6, 7]], "a polygon has an odd number of coordinates"),
        ([[1, 2, 3, 4, 5, 1e999]], "it must be polygons"),
    ],
)
def test_segmentations_of_another_form_are_refused(tmp_path: Path, segmentation: Any, problem: str) -> None:
    text = json.dumps(content(annotation(1, segmentation))).replace("Infinity", "1e999")
    (found, _) = problems(tmp_path, text)
    where = "all.json: the file is damaged: annotations[0]: segmentation: value error, "
    assert found.startswith(where + problem)


def test_a_file_without_images_or_categories_says_what_is_missing(tmp_path: Path) -> None:
    data = content()
    hint = "  try: an annotation file of COCO's format has images, annotations and categories"
    assert problems(tmp_path, {"shapes": []}) == ["all.json: no images are listed", hint]
    assert problems(tmp_path, {**data, "categories": []}) == ["all.json: no categories are listed", hint]
    with pytest.raises(DataError, match="there is no such folder"):
        source(tmp_path, data, images=tmp_path / "none").splits()
    with pytest.raises(DataError, match="the file cannot be read: No such file"):
        source(tmp_path, data, annotations=tmp_path / "none").splits()


def test_bytes_that_are_changed_give_a_mask_or_an_error(tmp_path: Path) -> None:
    size = {"size": [HEIGHT, WIDTH], "counts": "05" + "0" * 20}
    text = json.dumps(content(annotation(1, [LEFT]), annotation(2, size))).encode()
    write(tmp_path, "")
    rng = random.Random(0)
    refused = 0
    for _ in range(400):
        damaged = bytearray(text)
        for _ in range(rng.choice([1, 1, 2, 8])):
            at = rng.randrange(len(damaged))
            damaged[at : at + rng.choice([0, 1, 1, 30])] = rng.choice(
                [b"", b"0", b'"', b"[", b"}", b"-", b"1e9", b"\xff", b"\\u0000"]
            )
        (tmp_path / "all.json").write_bytes(damaged)
        made = SOURCES.get("coco").factory(
            BINARY, 3, images=tmp_path / "images", annotations=tmp_path / "all.json"
        )
        try:
            for sample in made.splits()["train"]:
                sample.read()
        except DataError:
            refused += 1
    assert refused > 200


def test_what_is_outlined_determines_the_digest_and_nothing_else_does(tmp_path: Path) -> None:
    data = content(annotation(1, [LEFT]), annotation(2, [RIGHT], image=2))

    def digests(data: dict[str, Any], task: Task = BINARY) -> list[str]:
        return [sample.outlines for sample in source(tmp_path, data, task).splits()["train"]]

    before = digests(data)
    assert before[0] != before[1]
    other = copy.deepcopy(data)
    other["annotations"][1]["segmentation"][0][0] += 1
    other["info"] = {}
    os.utime(write(tmp_path, data))
    assert digests(other)[0] == before[0]
    assert digests(other)[1] != before[1]
    swapped = [
        digests(data, Task("multiclass", ("ground", *names))) for names in (("car", "dog"), ("dog", "car"))
    ]
    assert swapped[0] != swapped[1]


def test_a_changed_annotation_decodes_its_image_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of all annotations is neither a file of each sample nor hashed for each."""
    opened: list[str] = []

    def counted(path: Path, channels: int, size: tuple[int, int]) -> Any:
        opened.append(path.name)
        return read_image_at(path, channels, size)

    monkeypatch.setattr("segkit.data.outlines.read_image_at", counted)

    def masks_at_size(*annotations: dict[str, Any]) -> np.ndarray:
        opened.clear()
        samples = source(tmp_path, content(*annotations)).splits()["train"]
        assert all(sample.files == (tmp_path / f"images/{sample.name}.png",) for sample in samples)
        cache = Cache(tmp_path / "cache", layout_of((10, 15), BINARY, 3), {})
        return np.array([*prepare(samples, (10, 15), BINARY, 3, cache=cache).masks])

    first = masks_at_size(annotation(1, [LEFT]), annotation(2, [RIGHT], image=2))
    assert sorted(opened) == ["a.png", "b.png"]
    second = masks_at_size(annotation(1, [LEFT]), annotation(2, [WHOLE], image=2))
    assert opened == ["b.png"]
    assert (first[0] == second[0]).all()
    assert (first[1] != second[1]).any()
    masks_at_size(annotation(7, [LEFT]), annotation(2, [WHOLE], image=2))
    assert opened == []
