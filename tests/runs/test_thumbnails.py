"""Every scored image, small."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from segkit.core.errors import SegkitError
from segkit.data.palette import palette
from segkit.runs.thumbnails import MAX_BYTES, MAX_SIDE, make_thumbnail, read_thumbnails, write_thumbnails


def made(height=20, width=30, channels=3, ignored=False):
    rng = np.random.default_rng(0)
    truth = np.zeros((height, width), np.uint8)
    truth[: height // 2] = 1
    if ignored:
        truth[-height // 4 :] = 255
    image = rng.integers(256, size=(height, width, channels), dtype=np.uint8)
    return make_thumbnail(image, truth, 1 - truth % 2, palette(2)), truth


def opened(content):
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_keep_their_pixels(channels):
    thumbnail, truth = made(channels=channels)
    assert opened(thumbnail.image).size == (30, 20)
    assert opened(thumbnail.image).format == "WEBP"
    assert np.array_equal(np.asarray(opened(thumbnail.truth)), truth)
    assert np.array_equal(np.asarray(opened(thumbnail.prediction)), 1 - truth)
    assert opened(thumbnail.truth).convert("RGB").getpixel((0, 0)) == (240, 240, 236)


def test_large_images_get_small_and_masks_no_new_values():
    thumbnail, _ = made(height=300, width=1000, ignored=True)
    assert opened(thumbnail.image).size == opened(thumbnail.truth).size == (MAX_SIDE, 300 * MAX_SIDE // 1000)
    assert set(np.unique(np.asarray(opened(thumbnail.truth)))) == {0, 1, 255}


def test_masks_of_two_classes_are_a_few_hundred_bytes():
    assert len(made(128, 128)[0].truth) < 300


def test_what_is_written_is_read_in_order(tmp_path):
    first, second = made()[0], made(8, 8)[0]
    write_thumbnails(tmp_path / "a.zip", [first, second])
    write_thumbnails(tmp_path / "b.zip", [first, second])
    assert read_thumbnails(tmp_path / "a.zip") == [first, second]
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_run_without_thumbnails_has_none(tmp_path):
    assert read_thumbnails(tmp_path / "none.zip") == []


def test_a_damaged_file_is_refused_by_name(tmp_path):
    path = tmp_path / "thumbnails.zip"
    path.write_bytes(b"no zip")
    with pytest.raises(SegkitError) as raised:
        read_thumbnails(path)
    assert str(raised.value) == (
        f"{path}: the thumbnails cannot be read: File is not a zip file\n"
        "  try: delete it: a comparison works without it"
    )


@pytest.mark.parametrize(
    ("packing", "reason"),
    [
        (zipfile.ZIP_STORED, "000001/image.webp is larger than any thumbnail"),
        (zipfile.ZIP_DEFLATED, "it unpacks to more than its size"),
    ],
)
def test_what_no_run_wrote_is_refused(tmp_path, packing, reason):
    path = tmp_path / "thumbnails.zip"
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name in ("image.webp", "truth.png", "prediction.png"):
            archive.writestr(f"000001/{name}", bytes(MAX_BYTES + 1))
    with pytest.raises(SegkitError, match=reason):
        read_thumbnails(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../a", "b", "c"):
            archive.writestr(name, b"")
    with pytest.raises(SegkitError, match="the thumbnails cannot be read"):
        read_thumbnails(path)
