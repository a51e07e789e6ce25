"""Data sets of outlined objects, small, in the formats that people have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.data.cases import HALF, SHAPE, picture, save

HEIGHT, WIDTH = SHAPE
Objects = Sequence[tuple[str, Sequence[tuple[float, float]]]]  # name and corners
WHOLE = [(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)]
CORNER = [(2, 2), (8, 2), (8, 10)]


def write_images(root: Path, count: int, split: str = "") -> list[Path]:
    return [save(root / split / f"{n}.png", picture() + 3 * n) for n in range(count)]


def write_coco(root: Path, objects: Objects, count: int = 3) -> dict[str, Path]:
    """The same objects on every image; returns the options of the source."""
    files = write_images(root / "images", count)
    names = [*dict.fromkeys(name for name, _ in objects)]
    content = {
        "images": [
            {"id": n, "file_name": file.name, "width": WIDTH, "height": HEIGHT}
            for n, file in enumerate(files)
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
        "annotations": [
            {
                "id": n * len(objects) + number,
                "image_id": n,
                "category_id": names.index(name),
                "segmentation": [[value for point in points for value in point]],
                "iscrowd": 0,
            }
            for n in range(count)
            for number, (name, points) in enumerate(objects)
        ],
    }
    (root / "annotations.json").write_text(json.dumps(content), encoding="utf-8")
    return {"images": root / "images", "annotations": root / "annotations.json"}


def write_yolo(root: Path, objects: Objects, count: int = 3) -> dict[str, Path]:
    """As `write_coco`."""
    names = [*dict.fromkeys(name for name, _ in objects)]
    (root / "labels").mkdir(parents=True)
    lines = [
        f"{names.index(name)} {' '.join(f'{x / WIDTH:.6f} {y / HEIGHT:.6f}' for x, y in points)}\n"
        for name, points in objects
    ]
    for file in write_images(root / "images", count):
        (root / "labels" / f"{file.stem}.txt").write_text("".join(lines), encoding="utf-8")
    (root / "data.yaml").write_text(f"train: images\nnames: {json.dumps(names)}\n", encoding="utf-8")
    return {"file": root / "data.yaml"}


def write_labelme(root: Path, objects: Objects, count: int = 3) -> dict[str, Path]:
    """As `write_coco`."""
    shapes = [{"label": name, "points": points, "shape_type": "polygon"} for name, points in objects]
    for file in write_images(root, count):
        content = {"shapes": shapes, "imagePath": file.name, "imageHeight": HEIGHT, "imageWidth": WIDTH}
        file.with_suffix(".json").write_text(json.dumps(content), encoding="utf-8")
    return {"folder": root}


def write_cvat(root: Path, objects: Objects, count: int = 3) -> dict[str, Path]:
    """As `write_coco`."""
    shapes = "".join(
        f'<polygon label="{name}" points="{";".join(f"{x},{y}" for x, y in points)}" z_order="0"/>'
        for name, points in objects
    )
    images = "".join(
        f'<image id="{n}" name="{file.name}" width="{WIDTH}" height="{HEIGHT}">{shapes}</image>\n'
        for n, file in enumerate(write_images(root / "images", count))
    )
    (root / "annotations.xml").write_text(f"<annotations>{images}</annotations>", encoding="utf-8")
    return {"file": root / "annotations.xml", "images": root / "images"}


def write_voc(root: Path, names: Sequence[str], count: int = 3) -> dict[str, Path]:
    """Masks of the values 0 and 1."""
    for file in write_images(root / "JPEGImages", count):
        save(root / "SegmentationClass" / file.name, HALF)
    (root / "class_names.txt").write_text("\n".join(names), encoding="utf-8")
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    lines = "".join(f"{n}\n" for n in range(count))
    (root / "ImageSets/Segmentation/train.txt").write_text(lines, encoding="utf-8")
    return {"root": root}


WRITERS = {"coco": write_coco, "yolo": write_yolo, "labelme": write_labelme, "cvat": write_cvat}
