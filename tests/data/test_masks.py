"""Whatever a mask is encoded as, its values count; what cannot be understood names its file."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.io import savemat

from segkit.core.types import Task
from segkit.data.masks import read_mask, read_mask_at
from segkit.data.resize import resize_mask
from tests.data.cases import (
    BINARY,
    BLACK,
    HALF,
    IGNORING,
    INDICES,
    LOSSLESS,
    MULTICLASS,
    RED,
    SHAPE,
    WHITE,
    fails,
    palette,
    picture,
    save,
    stack,
)  # fmt: skip


@pytest.mark.parametrize("ending", LOSSLESS)
@pytest.mark.parametrize("foreground", [1, 255])
def test_binary_mask_of_any_lossless_file(tmp_path, ending, foreground):
    options = {"lossless": True} if ending == "webp" else {}
    file = save(tmp_path / f"m.{ending}", HALF * np.uint8(foreground), **options)
    np.testing.assert_array_equal(read_mask(file, BINARY), HALF)


@pytest.mark.parametrize(
    "pixels",
    [
        HALF * np.uint8(7),
        HALF.astype(bool),
        HALF.astype(np.uint16) * 65535,
        HALF.astype(np.uint16) * 255,
        HALF.astype(np.int32),
        stack(HALF * np.uint8(255)),
        stack(HALF) * np.array(RED, np.uint8),
        np.dstack([stack(HALF * np.uint8(255)), np.full(SHAPE, 255, np.uint8)]),
    ],
    ids=["grey 7", "1-bit", "16-bit", "16-bit 255", "32-bit", "RGB", "red", "RGBA"],
)
def test_binary_mask_of_any_encoding(tmp_path, pixels):
    file = save(tmp_path / "m.tif", pixels)
    np.testing.assert_array_equal(read_mask(file, BINARY), HALF)


@pytest.mark.parametrize("other", [WHITE, (1, 1, 1), RED])
def test_binary_mask_with_an_inverted_palette_is_read_by_its_colours(tmp_path, other):
    palette(1 - HALF, [other, BLACK]).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", BINARY), HALF)


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (1, 1), (255, 1)])
def test_binary_mask_may_hold_one_value_only(tmp_path, value, expected):
    mask = read_mask(save(tmp_path / "m.png", np.full(SHAPE, value, np.uint8)), BINARY)
    assert (mask == expected).all()


@pytest.mark.parametrize(
    ("pixels", "listed"),
    [
        (HALF * np.uint8(127) + picture()[..., 0] % 2, "0, 1, 127, 128"),
        (picture()[..., 0], "0, 3, 6, 9, 12 and .* more"),
        (np.full(SHAPE, 76, np.uint8), "76"),
        (HALF * np.uint8(50) + 5, "5, 55"),
    ],
)
def test_binary_mask_of_other_values_is_refused(tmp_path, pixels, listed):
    file = save(tmp_path / "m.png", pixels)
    with fails(
        rf"m\.png: a binary mask must hold 0 and one other value; this one holds {listed}\n  try: 0 is back"
    ):
        read_mask(file, BINARY)


def test_binary_mask_of_three_colours_is_refused_though_two_are_equally_bright(tmp_path):
    image = palette(INDICES, [BLACK, RED, (0, 130, 0)])
    image.save(tmp_path / "m.png")
    with fails(
        r"m\.png: a binary mask must hold black and one other colour; this one holds #000000, #008200"
    ):
        read_mask(tmp_path / "m.png", BINARY)


@pytest.mark.parametrize("labels", [None, (("lesion", ("#ffffff",)),)])
def test_mask_whose_meaning_may_lie_in_its_transparency_is_refused(tmp_path, labels):
    file = save(tmp_path / "m.png", np.dstack([np.zeros((*SHAPE, 3), np.uint8), HALF * 255]))
    with fails(r"m\.png: the mask is partly transparent\n  try: save it without transparency"):
        read_mask(file, replace(BINARY, labels=labels))


def test_binary_mask_keeps_what_is_ignored(tmp_path):
    pixels = HALF.copy()
    pixels[0] = 255
    mask = read_mask(save(tmp_path / "m.png", pixels), IGNORING)
    np.testing.assert_array_equal(mask, pixels)
    with fails("hold 0 and one other value; this one holds 0, 1, 255"):
        read_mask(tmp_path / "m.png", BINARY)


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_binary_jpeg_is_black_and_white(tmp_path, quality):
    large = np.zeros((96, 96), np.uint8)
    large[20:70, 30:80] = 1
    for pixels in (large * 255, stack(large * 255)):
        file = save(tmp_path / "m.jpg", pixels, quality=quality)
        np.testing.assert_array_equal(read_mask(file, BINARY), large)
    empty = save(tmp_path / "e.jpg", large * 0)
    assert not read_mask(empty, BINARY).any()


@pytest.mark.parametrize(
    "pixels", [HALF, HALF * np.uint8(128), stack(HALF) * np.array(RED, np.uint8), picture()]
)
def test_binary_jpeg_of_more_than_black_and_white_is_refused(tmp_path, pixels):
    file = save(tmp_path / "m.jpg", np.kron(pixels, np.ones((8, 8, 1)[: pixels.ndim], np.uint8)))
    with fails(
        r"m\.jpg: the mask is a JPEG, which keeps no exact values, and holds more than black and white"
    ):
        read_mask(file, BINARY)


def test_jpeg_cannot_keep_what_is_ignored_or_indexed(tmp_path):
    file = save(tmp_path / "m.jpg", np.zeros((16, 16), np.uint8))
    with fails(r"m\.jpg: the mask is a JPEG, which keeps no exact values(.|\n)*save masks as PNG"):
        read_mask(file, IGNORING)
    with fails(r"m\.jpg: the mask is a JPEG, which keeps no exact values\n  try: save masks as PNG"):
        read_mask(file, MULTICLASS)


@pytest.mark.parametrize("pixels", [INDICES, stack(INDICES), INDICES.astype(np.uint16)])
def test_multiclass_mask_holds_indices(tmp_path, pixels):
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m.png", pixels), MULTICLASS), INDICES)


def test_multiclass_palette_mask_holds_indices_whatever_their_colours(tmp_path):
    image = palette(INDICES, [WHITE, RED, BLACK])
    image.save(tmp_path / "m.png", transparency=0)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", MULTICLASS), INDICES)


def test_multiclass_mask_of_unknown_values_is_refused(tmp_path):
    pixels = INDICES.copy()
    pixels[0, :2] = 9, 255
    file = save(tmp_path / "m.png", pixels)
    hint = "classes are 0 to 2; data.labels names other values, and those to ignore"
    with fails(rf"m\.png: the mask holds 9, 255, which is not a class\n  try: {hint}"):
        read_mask(file, MULTICLASS)
    with fails(r"the mask holds 9, which is not a class"):
        read_mask(file, replace(MULTICLASS, ignore_index=255))


def test_multiclass_mask_keeps_what_is_ignored(tmp_path):
    pixels = np.where(INDICES == 2, 255, INDICES).astype(np.uint8)
    mask = read_mask(save(tmp_path / "m.png", pixels), replace(MULTICLASS, ignore_index=255))
    np.testing.assert_array_equal(mask, pixels)


def test_multiclass_mask_in_colours_needs_their_names(tmp_path):
    file = save(tmp_path / "m.png", stack(INDICES) * np.array(RED, np.uint8))
    with fails(r"m\.png: the mask is a colour image, not an image of class numbers\n  try: name the colour"):
        read_mask(file, MULTICLASS)


def test_coloured_mask_is_read_by_the_named_colours(tmp_path):
    labels = (("skin", ("#000000",)), ("lesion", ("#FF0000",)), ("hair", ("#008200",)))
    image = palette(INDICES, [BLACK, RED, (0, 130, 0)])
    for name, saved in {"palette": image, "rgb": image.convert("RGB")}.items():
        saved.save(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(
            read_mask(tmp_path / f"{name}.png", replace(MULTICLASS, labels=labels)), INDICES
        )
    two = Task("multiclass", ("skin", "lesion"), labels=labels[:2])
    with fails(
        r"rgb\.png: the mask holds #008200, which is not a class\n"
        "  try: add it to a class in data.labels, or to 'ignore'; save masks as PNG, not as JPEG"
    ):
        read_mask(tmp_path / "rgb.png", two)


@pytest.mark.parametrize("task", [BINARY, IGNORING, MULTICLASS])
@pytest.mark.parametrize("size", [(6, 9), SHAPE, (1, 1), (30, 20)])
def test_mask_at_a_size_is_the_mask_thinned_out(tmp_path, task, size):
    pixels = {BINARY: HALF * 255, IGNORING: HALF, MULTICLASS: INDICES}[task]
    file = save(tmp_path / "m.png", pixels)
    small, extent = read_mask_at(file, task, size)
    assert extent == SHAPE
    assert small.dtype == np.uint8
    np.testing.assert_array_equal(small, resize_mask(read_mask(file, task), size))


def test_pixel_that_is_left_out_is_checked_all_the_same(tmp_path):
    pixels = HALF * 255
    pixels[1, 1] = 77
    assert 77 not in resize_mask(pixels, (2, 2))
    with fails("a binary mask must hold 0 and one other value; this one holds 0, 77, 255"):
        read_mask_at(save(tmp_path / "m.png", pixels), BINARY, (2, 2))


STREET = Task(
    "multiclass", ("road", "building", "car"), 255,
    (("road", (7,)), ("building", (11, 12)), ("car", ("#ff0000", 26)), ("ignore", (0, 1, 300))),
)  # fmt: skip
NUMBERS = Task("multiclass", STREET.classes, 255, (*STREET.labels[:2], ("car", (26,)), STREET.labels[3]))
FILE = np.array([[7, 11, 12], [26, 0, 1]])
MEANING = [[0, 1, 1], [2, 255, 255]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_numbers_mean_what_labels_say(tmp_path, dtype):
    file = save(tmp_path / "m.tif", FILE.astype(dtype))
    assert read_mask(file, NUMBERS).tolist() == MEANING
    np.testing.assert_array_equal(
        read_mask_at(file, NUMBERS, (7, 5))[0], resize_mask(np.array(MEANING), (7, 5))
    )
    colourless = replace(NUMBERS, labels=(*NUMBERS.labels[:2], ("car", (99,)), NUMBERS.labels[3]))
    hint = "add it to a class in data.labels, or to 'ignore'"
    with fails(rf"m\.tif: the mask holds 26, which is not a class\n  try: {hint}$"):
        read_mask(file, colourless)


def test_numbers_beyond_8_bits_and_below_0_are_classes_too(tmp_path):
    file = save(tmp_path / "m.tif", np.array([[300, 65535], [70000, -1]], np.int32))
    labels = (("a", (300, 65535)), ("b", (70000,)), ("ignore", (-1,)))
    task = Task("multiclass", ("a", "b"), 255, labels)
    assert read_mask(file, task).tolist() == [[0, 0], [1, 255]]
    with fails(r"the mask holds -1, 70000, which is not a class"):
        read_mask(file, Task("multiclass", ("a", "b"), 255, (labels[0], ("b", (9,)))))


def test_numbers_are_greys_beside_colours(tmp_path):
    rgb = np.repeat(FILE[..., None], 3, axis=-1).astype(np.uint8)
    rgb[1, 0] = RED
    assert read_mask(save(tmp_path / "rgb.png", rgb), STREET).tolist() == MEANING
    assert read_mask(save(tmp_path / "grey.png", FILE.astype(np.uint8)), STREET).tolist() == MEANING
    indexed = palette(np.array([[0, 1, 2], [3, 4, 5]], np.uint8), rgb.reshape(-1, 3).tolist())
    indexed.save(tmp_path / "palette.png")
    assert read_mask(tmp_path / "palette.png", STREET).tolist() == MEANING
    with fails("the mask is a colour image, not an image of class numbers"):
        read_mask(tmp_path / "rgb.png", NUMBERS)
    with fails("the mask holds #ff0000, which is not a class"):
        read_mask(
            tmp_path / "rgb.png",
            replace(STREET, labels=(*NUMBERS.labels[:2], ("car", ("#00ff00",)), STREET.labels[3])),
        )


def test_binary_labels_have_a_background_of_0_unless_it_is_named(tmp_path):
    file = save(tmp_path / "m.png", np.array([[0, 5], [7, 9]], np.uint8))
    task = Task("binary", ("disc",), 255, (("disc", (5, 7)), ("ignore", (9,))))
    assert read_mask(file, task).tolist() == [[0, 1], [1, 255]]
    inverted = replace(task, labels=(("disc", (0,)), ("background", (5, 7, 9))))
    assert read_mask(file, inverted).tolist() == [[1, 0], [0, 0]]
    with fails(
        r"the mask holds 0, which is not a class\n  try: add it to a class in data\.labels, or to 'ignore'"
    ):
        read_mask(file, replace(task, labels=(("disc", (5, 7, 9)), ("background", (1,)))))


def test_number_to_ignore_is_still_ignored_where_labels_do_not_say_what_is(tmp_path):
    file = save(tmp_path / "m.png", np.array([[7, 9, 255]], np.uint8))
    task = Task("multiclass", ("a", "b"), 255, (("a", (7,)), ("b", (9,))))
    assert read_mask(file, task).tolist() == [[0, 1, 255]]
    with fails("the mask holds 255, which is not a class"):
        read_mask(file, replace(task, labels=(*task.labels, ("ignore", (0,)))))


@pytest.mark.parametrize(
    ("greys", "meant"), [((0, 1, 3), [0, 1, 3]), ((0, 0, 0), [0, 1, 2]), ((0, 1, 2), [0, 1, 2])]
)
def test_greys_of_a_palette_count_if_it_is_all_grey(tmp_path, greys, meant):
    task = Task("multiclass", ("ground", "a", "b", "c"))
    palette(np.array([[0, 1, 2]], np.uint8), [(grey,) * 3 for grey in greys]).save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png", task).tolist() == [meant]


def test_grey_palette_of_other_greys_is_refused_by_its_greys(tmp_path):
    palette(np.array([[0, 1, 2]], np.uint8), [BLACK, (128,) * 3, WHITE]).save(tmp_path / "m.png")
    with fails(
        r"the mask holds 128, 255, which is not a class\n  try: classes are 0 to 2; data\.labels names"
    ):
        read_mask(tmp_path / "m.png", MULTICLASS)
    labels = (("skin", (0,)), ("lesion", (128,)), ("hair", (255,)))
    assert read_mask(tmp_path / "m.png", replace(MULTICLASS, labels=labels)).tolist() == [[0, 1, 2]]


def test_deep_grey_mask_has_no_colours(tmp_path):
    task = Task("multiclass", ("a", "b"), labels=(("a", ("#ff0000",)), ("b", ("#00ff00",))))
    with fails("the mask holds 0, 1, which is not a class"):
        read_mask(save(tmp_path / "m.tif", HALF.astype(np.uint16)), task)


def test_arrays_and_floating_point_masks_are_read_by_their_values(tmp_path):
    task = Task("multiclass", ("a", "b"), 255, (("a", (7,)), ("b", (300,)), ("ignore", (-1,))))
    for kind in (np.int16, np.int64, np.float32, np.float64):
        np.save(tmp_path / "m.npy", np.array([[7, 300], [-1, 7]], kind))
        assert read_mask(tmp_path / "m.npy", task).tolist() == [[0, 1], [255, 0]]
    savemat(tmp_path / "m.mat", {"mask": np.array([[7, 300], [-1, 7]], np.int16)})
    assert read_mask(tmp_path / "m.mat", task).tolist() == [[0, 1], [255, 0]]
    np.save(tmp_path / "m.npy", HALF * np.float32(0.98))
    np.testing.assert_array_equal(read_mask(tmp_path / "m.npy", BINARY), HALF)
    with fails(r"m\.npy: the mask holds 0, 0\.98, which is not a class"):
        read_mask(tmp_path / "m.npy", task)
    np.save(tmp_path / "m.npy", np.where(HALF, np.nan, 0))
    with fails(r"m\.npy: a binary mask must hold 0 and one other value; this one holds 0, nan"):
        read_mask(tmp_path / "m.npy", BINARY)
    np.save(tmp_path / "m.npy", np.zeros((4, 4, 5), np.uint8) + np.arange(5, dtype=np.uint8))
    with fails(
        r"m\.npy: the mask has 5 channels of uint8\n  try: save it with one channel, or RGB of 8 bits"
    ):
        read_mask(tmp_path / "m.npy", task)
