"""Faults planted in a copy of ISIC 2016: how many does `segkit data check` find, and what else does it say?

python tests/benchmarks/planted_faults.py ROOT [EACH] [SEED]

ROOT holds the challenge's four folders, EACH (8 by default) is how many faults of every sort are planted,
each in another image, drawn by SEED. The clean set is examined first; what is said of it is no false alarm.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from segkit.analysis.dataset import CheckResult, Dataset, check_dataset
from segkit.core.types import Sample, Task
from segkit.data.fit import Fit
from segkit.data.source_scan import scan_source
from segkit.parts.sources.isic2016 import FOLDERS, isic2016

SIZE = (128, 128)  # of the recipe
Told = tuple[str, frozenset[str]]  # kind, names of files
Plant = Callable[[Path, Path], tuple[Path, ...]]


def main(root: Path, each: int, seed: int) -> None:
    """Print what is found of what was planted, and what else is said."""
    clean, seconds = timed(root)
    print(f"clean: {sum(clean.images.values())} images, {seconds:.1f} s")
    for kind, files in sorted(said(clean)):
        print(f"  {kind}: {', '.join(sorted(files))}")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        copy_of(root, copy)
        planted = plant(copy, each, seed)
        found, seconds = timed(copy)
    print(f"planted: {sum(map(len, planted.values()))} faults, {seconds:.1f} s")
    hits, others = judged(planted, said(found))
    for sort, count in hits.items():
        print(f"  {sort}: {count} of {each} as {SORTS[sort][0]}")
    for kind, files in sorted(others - said(clean)):
        print(f"  false alarm: {kind}: {', '.join(sorted(files))}")


def timed(root: Path) -> tuple[CheckResult, float]:
    """An examination, and the seconds that it took."""
    started = time.perf_counter()
    found = examined(root)
    return found, time.perf_counter() - started


def judged(planted: dict[str, list[frozenset[str]]], found: set[Told]) -> tuple[dict[str, int], set[Told]]:
    """How many of each sort are found, and what is told beside them."""
    hits: dict[str, int] = {}
    others = found
    for sort, each in planted.items():
        alike = [told for told in found if told[0] in SORTS[sort][0].split(" or ")]
        seen = [{told for told in alike if files & told[1]} for files in each]
        hits[sort] = sum(map(bool, seen))
        others = others.difference(*seen)
    return hits, others


def examined(root: Path) -> CheckResult:
    """The data set of a folder, as a recipe of binary masks would have it examined."""
    task = Task("binary", ("lesion",))
    return check_dataset(
        Dataset.of(scan_source(isic2016(task, 3, root=root)), "ISIC 2016", task, Fit("stretch", SIZE))
    )


def said(found: CheckResult) -> set[Told]:
    """Kinds and names of files."""
    return {(fault.kind, frozenset(Path(file).name for file in fault.files)) for fault in found.findings}


def copy_of(root: Path, copy: Path, most: int | None = None) -> None:
    """Copy so many pairs of each split, all by default."""
    for images, masks in FOLDERS.values():
        (copy / masks).mkdir(parents=True)
        (copy / images).mkdir()
        for image in sorted((root / images).iterdir())[:most]:
            shutil.copy(image, copy / images)
            shutil.copy(root / masks / f"{image.stem}_Segmentation.png", copy / masks)


def plant(root: Path, each: int, seed: int) -> dict[str, list[frozenset[str]]]:
    """Spoil some pairs of every sort; the names of the files that are at fault, by sort."""
    splits = scan_source(isic2016(Task("binary", ("lesion",)), 3, root=root)).splits
    samples = [sample for split in splits.values() for sample in split]
    random.Random(seed).shuffle(samples)
    planted: dict[str, list[frozenset[str]]] = {}
    for sort, (kind, spoil) in SORTS.items():
        planted[sort] = []
        for _ in range(each):
            sample = next_of(samples, kind)
            files = spoil(*sample.files[:2])
            planted[sort].append(frozenset(file.name for file in files))
    return planted


def next_of(samples: list[Sample], kind: str) -> Sample:
    """The next sample that is fit for a sort of fault; a copy is planted in the other split than its own."""
    for sample in samples:
        if "duplicate" in kind and sample.files[0].parent.name != FOLDERS["train"][0]:
            continue
        samples.remove(sample)
        return sample
    raise ValueError("too few images for so many faults")


def _opened(file: Path) -> Image.Image:
    with Image.open(file) as image:
        image.load()
    return image


def _image_without_mask(image: Path, mask: Path) -> tuple[Path, ...]:
    mask.unlink()
    return (image,)


def _mask_without_image(image: Path, mask: Path) -> tuple[Path, ...]:
    image.unlink()
    return (mask,)


def _cut_off(image: Path, mask: Path) -> tuple[Path, ...]:
    content = image.read_bytes()
    image.write_bytes(content[: len(content) // 2])
    return (image,)


def _no_image(image: Path, mask: Path) -> tuple[Path, ...]:
    mask.write_text("<html>404</html>", encoding="utf-8")
    return (mask,)


def _empty_file(image: Path, mask: Path) -> tuple[Path, ...]:
    image.write_bytes(b"")
    return (image,)


def _other_size(image: Path, mask: Path) -> tuple[Path, ...]:
    opened = _opened(mask)
    opened.resize((opened.width // 2, opened.height // 2), Image.Resampling.NEAREST).save(mask)
    return (mask,)


def _quarter_turn(image: Path, mask: Path) -> tuple[Path, ...]:
    return _tagged(image, 6)


def _half_turn(image: Path, mask: Path) -> tuple[Path, ...]:
    return _tagged(image, 3)


def _tagged(image: Path, orientation: int) -> tuple[Path, ...]:
    opened = _opened(image)
    exif = opened.getexif()
    exif[0x0112] = orientation
    opened.save(image, exif=exif, quality=95)
    return (image,)


def _another_label(image: Path, mask: Path) -> tuple[Path, ...]:
    values = np.array(_opened(mask))
    values[: len(values) // 4, :20] = 7
    Image.fromarray(values).save(mask)
    return (mask,)


def _smooth_edges(image: Path, mask: Path) -> tuple[Path, ...]:
    opened = _opened(mask)
    small = opened.resize((opened.width // 2, opened.height // 2), Image.Resampling.BILINEAR)
    small.resize(opened.size, Image.Resampling.BILINEAR).save(mask)
    return (mask,)


def _as_jpeg(image: Path, mask: Path) -> tuple[Path, ...]:
    other = mask.with_suffix(".jpg")
    _opened(mask).save(other, quality=90)
    mask.unlink()
    return (other,)


def _inverted(image: Path, mask: Path) -> tuple[Path, ...]:
    return _of_values(mask, lambda values: 255 - values)


def _emptied(image: Path, mask: Path) -> tuple[Path, ...]:
    return _of_values(mask, np.zeros_like)


def _filled(image: Path, mask: Path) -> tuple[Path, ...]:
    return _of_values(mask, lambda values: np.full_like(values, 255))


def _a_speck(image: Path, mask: Path) -> tuple[Path, ...]:
    """Beside the pixels that half the size takes."""

    def speck(values: np.ndarray) -> np.ndarray:
        values = np.zeros_like(values)
        values[10, 10] = 255
        return values

    return _of_values(mask, speck)


def _of_values(mask: Path, change: Callable[[np.ndarray], np.ndarray]) -> tuple[Path, ...]:
    values = np.array(_opened(mask).convert("L"))
    Image.fromarray(change(values)).save(mask)
    return (mask,)


def _copied(image: Path, mask: Path) -> tuple[Path, ...]:
    other, other_mask = _in_the_other_split(image)
    shutil.copy(image, other)
    shutil.copy(mask, other_mask)
    return image, other


def _as_png(image: Path, mask: Path) -> tuple[Path, ...]:
    other, other_mask = _in_the_other_split(image, ".png")
    _opened(image).save(other)
    shutil.copy(mask, other_mask)
    return image, other


def _compressed_again(image: Path, mask: Path) -> tuple[Path, ...]:
    return _changed(image, mask, lambda opened: opened, quality=40)


def _at_half_the_size(image: Path, mask: Path) -> tuple[Path, ...]:
    return _changed(image, mask, lambda opened: opened.resize((opened.width // 2, opened.height // 2)))


def _brightened(image: Path, mask: Path) -> tuple[Path, ...]:
    return _changed(image, mask, lambda opened: ImageEnhance.Brightness(opened).enhance(1.25))


def _cropped(image: Path, mask: Path) -> tuple[Path, ...]:
    """By three in a hundred at each side."""

    def crop(opened: Image.Image) -> Image.Image:
        width, height = opened.size
        box = round(0.03 * width), round(0.03 * height), round(0.97 * width), round(0.97 * height)
        return opened.crop(box)

    return _changed(image, mask, crop)


def _changed(
    image: Path, mask: Path, change: Callable[[Image.Image], Image.Image], quality: int = 90
) -> tuple[Path, ...]:
    other, other_mask = _in_the_other_split(image)
    version = change(_opened(image))
    version.save(other, quality=quality)
    _opened(mask).resize(version.size, Image.Resampling.NEAREST).save(other_mask)
    return image, other


def _in_the_other_split(image: Path, ending: str = ".jpg") -> tuple[Path, Path]:
    images, masks = (image.parents[1] / folder for folder in FOLDERS["test"])
    return images / f"{image.stem}_copy{ending}", masks / f"{image.stem}_copy_Segmentation.png"


def _other_image_s_mask(image: Path, mask: Path) -> tuple[Path, ...]:
    """The next mask that is whole, as its image is; the image is made as large as that. The last sort."""
    masks = sorted(mask.parent.glob("*_Segmentation.png"))
    place = masks.index(mask)
    for other in masks[place + 1 :] + masks[:place]:
        other_image = image.with_name(other.name.replace("_Segmentation.png", ".jpg"))
        if _is_whole(other_image, other):
            shutil.copy(other, mask)
            _opened(image).resize(_opened(mask).size).save(image)
            return mask, other
    raise ValueError("no other mask is whole")


def _is_whole(image: Path, mask: Path) -> bool:
    """Nothing was planted in the pair that would hide another fault."""
    try:
        values = np.asarray(_opened(mask))
        pixels = np.asarray(_opened(image))
    except OSError:
        return False
    speck = (values > 0).sum() < 100
    return (
        set(np.unique(values)) == {0, 255}
        and values[0, 0] == 0
        and not speck
        and pixels.shape[:2] == values.shape
    )


def _grey(image: Path, mask: Path) -> tuple[Path, ...]:
    _opened(image).convert("L").save(image, quality=95)
    return (image,)


def _for_print(image: Path, mask: Path) -> tuple[Path, ...]:
    _opened(image).convert("CMYK").save(image, quality=95)
    return (image,)


def _black(image: Path, mask: Path) -> tuple[Path, ...]:
    Image.new("RGB", _opened(image).size, (3, 3, 4)).save(image)
    return (image,)


SORTS: dict[str, tuple[str, Plant]] = {
    "image without mask": ("unpaired", _image_without_mask),
    "mask without image": ("unpaired", _mask_without_image),
    "image cut off": ("unreadable", _cut_off),
    "HTML for a mask": ("unreadable", _no_image),
    "empty file": ("unreadable", _empty_file),
    "mask of half the size": ("size", _other_size),
    "EXIF tag, quarter turn": ("size or rotated", _quarter_turn),
    "EXIF tag, half turn": ("rotated", _half_turn),
    "another label": ("labels", _another_label),
    "mask resized smoothly": ("interpolated", _smooth_edges),
    "mask as JPEG": ("jpeg_mask", _as_jpeg),
    "mask inverted": ("inverted", _inverted),
    "mask emptied": ("empty", _emptied),
    "mask filled": ("full", _filled),
    "mask of one pixel": ("vanishes", _a_speck),
    "copied to the other split": ("duplicate", _copied),
    "copied as PNG": ("duplicate", _as_png),
    "copied, compressed again": ("near_duplicate", _compressed_again),
    "copied at half the size": ("near_duplicate", _at_half_the_size),
    "copied, brightened": ("near_duplicate", _brightened),
    "copied, cropped by 3%": ("near_duplicate", _cropped),
    "saved in grey": ("mode", _grey),
    "saved in CMYK": ("mode", _for_print),
    "black image": ("blank", _black),
    "another image's mask": ("same_mask", _other_image_s_mask),
}

if __name__ == "__main__":
    place, *numbers = sys.argv[1:]
    main(Path(place), *[*map(int, numbers), *(8, 0)[len(numbers) :]])
