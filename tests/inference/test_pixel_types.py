"""Models of images with any type of numbers and number of channels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from lightning_fabric import Fabric
from PIL import Image

import segkit
from segkit.core.errors import DataError, SegkitError
from segkit.core.types import Pixels, Sample
from segkit.data.images import read_image
from segkit.data.preprocess import decode, layout_of
from segkit.inference.export.export_graph import ExportGraph, export_program
from segkit.inference.export.onnx_file import write_onnx
from segkit.inference.export.pt2 import reopen_pt2, write_pt2
from segkit.inference.export.usage_examples import usage_examples
from segkit.inference.export_metadata import ExportMetadata
from segkit.inference.image_source import open_image
from segkit.inference.inputs import find_inputs
from segkit.inference.model_info import ModelInfo
from segkit.inference.options import PredictOptions
from segkit.inference.outputs import Outputs
from segkit.inference.predict_files import Predicted, predict_files
from segkit.inference.predictor import Predictor
from segkit.inference.torch_network import TorchNetwork
from segkit.models.segmenter import Segmenter
from tests.inference.export.conftest import ThreeLayers
from tests.inference.networks import LESION, noise

CHANNELS = 12
RANGE = ((-1000.0, 3000.0), *(((0.0, 4000.0),) * (CHANNELS - 1)))
BANDS = replace(
    LESION, format=2, kind="multiclass", classes=("a", "b", "c"), channels=CHANNELS, range=RANGE,
    mean=(0.5,) * CHANNELS, std=(0.25,) * CHANNELS, multiple=8,
)  # fmt: skip


class Last(torch.nn.Conv2d):
    """A map of the last one."""

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        return super().forward(features[-1])


def network_of(info: ModelInfo) -> TorchNetwork:
    torch.manual_seed(0)
    encoder, decoder = ThreeLayers(info.in_channels), Last(16, 8, 1)
    head = torch.nn.Conv2d(8, info.task.channels, 1)
    torch.nn.init.normal_(head.weight, std=8)  # so that probabilities differ
    model = Segmenter(
        encoder, decoder, head, stages=[0, 1, 2], mean=info.mean, std=info.std, frozen=False
    ).eval()
    return TorchNetwork(info, None, model, Fabric(accelerator="cpu", devices=1))  # type: ignore[arg-type]


def images(dtype: type, info: ModelInfo = BANDS) -> Pixels:
    """Two images with numbers inside and outside of the range."""
    rng, size = np.random.default_rng(0), (2, *info.size, info.in_channels)
    numbers = rng.uniform(-1500 if dtype != np.uint16 else 0, 4500, (2, 8, 8, info.in_channels))
    return numbers.repeat(8, 1).repeat(8, 2).reshape(size).astype(dtype)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[TorchNetwork, Path, Path]:
    """A model of twelve channels, exported."""
    network, folder = network_of(BANDS), tmp_path_factory.mktemp("bands")
    metadata = ExportMetadata(BANDS)
    program = export_program(ExportGraph(network.model, metadata).eval(), metadata)
    write_pt2(program, metadata, folder / "bands.pt2")
    write_onnx(program, metadata, folder / "bands.onnx")
    return network, folder / "bands.onnx", folder / "bands.pt2"


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_twelve_channels_give_the_same_in_torch_onnx_and_pt2(
    dtype: type, files: tuple[TorchNetwork, Path, Path]
) -> None:
    network, onnx, pt2 = files
    pixels = images(dtype)
    expected = network(pixels)
    assert expected.std() > 0.1
    # As in training: 255 times the share of the range, to the model's own normalisation.
    low, high = np.array(RANGE, np.float32).T
    unit = ((pixels.astype(np.float32) - low) / (high - low)).clip(0, 1)
    logits = network.model(torch.from_numpy(255 * unit).permute(0, 3, 1, 2))
    assert expected == pytest.approx(logits.softmax(1).detach().numpy(), abs=1e-6)
    (opened,) = segkit.load(onnx).networks
    assert opened.info == BANDS
    for other in (opened, reopen_pt2(pt2)):
        found = other(pixels)
        assert found == pytest.approx(expected, abs=1e-5)
        assert (found.argmax(1) == expected.argmax(1)).all()


@pytest.mark.parametrize("format", ["onnx", "pt2"])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_the_code_of_the_card_gives_the_mask(
    format: str,
    dtype: type,
    files: tuple[TorchNetwork, Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiff("image.tif", bands(dtype))
    file, found = str(files[1 if format == "onnx" else 2]), dict[str, Any]()
    exec(usage_examples(ExportMetadata(BANDS), file)[-1].code, found)
    expected = Predictor([files[0]]).predict("image.tif").mask
    assert (found["mask"] == expected).mean() > 0.998  # integers are not rounded after resizing


@pytest.mark.parametrize(
    ("channels", "info"),
    [
        (12, replace(BANDS, bands=(7, 0, 3), range=RANGE[:3], mean=(0.5,) * 3, std=(0.25, 0.5, 0.5))),
        (1, replace(LESION, range=((0.0, 4000.0),) * 3)),  # grey, read as three channels
    ],
)
def test_the_code_of_the_card_normalises_as_segkit_does(
    channels: int, info: ModelInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = bands(np.float32)[..., :channels]
    write_tiff("image.tif", pixels)
    metadata = ExportMetadata(info, input="normalized")
    code = usage_examples(metadata, "bands.pt2")[0].code
    found = {"np": np, "tifffile": tifffile, "Image": Image}
    exec(code[code.index("photo = ") : code.index("probabilities = ")], found)
    expected = metadata.preprocess(open_image("image.tif", info).resized(info.size)[None])
    assert found["image"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_normalised_input_is_after_the_range(dtype: type) -> None:
    network, metadata = network_of(BANDS), ExportMetadata(BANDS, input="normalized")
    given = metadata.preprocess(images(dtype))
    assert (given.dtype, given.shape) == (np.float32, (2, CHANNELS, 64, 64))
    assert (given.min(), given.max()) == (-2, 2)  # (0 - mean) / std and (1 - mean) / std
    graph = ExportGraph(network.model, metadata).eval()
    found = graph(torch.from_numpy(given)).detach().numpy()
    assert found == pytest.approx(network(images(dtype)), abs=1e-5)


def test_a_model_of_eight_bits_takes_uint8() -> None:
    metadata = ExportMetadata(LESION)
    assert metadata.takes_uint8
    assert not ExportMetadata(LESION, input="normalized").takes_uint8
    numbers = np.array([-5, 0.4, 254.6, 70_000], np.float32).reshape(1, 2, 2, 1).repeat(3, -1)
    assert metadata.preprocess(numbers)[0, 0].tolist() == [[0, 0], [255, 255]]
    assert not ExportMetadata(replace(LESION, format=2, range=((0.0, 255.0),) * 3)).takes_uint8


def write_tiff(path: Path | str, pixels: Pixels) -> None:
    planar = None if pixels.shape[-1] == 1 else "contig"
    tifffile.imwrite(path, pixels, photometric="minisblack", planarconfig=planar)


def bands(dtype: type, height: int = 70, width: int = 90, seed: int = 0) -> Pixels:
    """Smooth noise in the range of the model."""
    coarse = np.random.default_rng(seed).uniform(0, 4000, (height // 8 + 2, width // 8 + 2, CHANNELS))
    return coarse.repeat(8, 0).repeat(8, 1)[:height, :width].astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_files_and_arrays_are_read_as_in_training_and_keep_their_numbers(dtype: type, tmp_path: Path) -> None:
    pixels, path = bands(dtype), tmp_path / "a.tif"
    write_tiff(path, pixels)
    info = replace(BANDS, bands=(7, 0, 3), range=RANGE[:3], mean=(0.5,) * 3, std=(0.25,) * 3)
    sample = Sample("a", lambda: (read_image(path, CHANNELS), np.zeros(pixels.shape[:2], np.uint8)), (path,))
    trained_on, _ = decode(sample, layout_of((64, 64), info.task, 3), info.bands)
    for given in (path, pixels, pixels.astype(np.float64 if dtype == np.float32 else dtype)):
        image = open_image(given, info)
        assert image.size == (70, 90)
        small, part = image.resized((64, 64)), image.crop(3, 5, 40, 30)
        assert small.dtype == part.dtype == dtype
        np.testing.assert_array_equal(small, trained_on)
        np.testing.assert_array_equal(part, pixels[3:43, 5:35][..., [7, 0, 3]])


def test_tiles_of_twelve_channels_are_the_whole_image(tmp_path: Path) -> None:
    """Tiles are padded, blended and scaled as those of 8-bit images are."""
    predictor = Predictor([network_of(replace(BANDS, size=(128, 128)))])
    pixels = bands(np.uint16, 128, 128)
    whole = predictor.predict(pixels).probabilities
    tiled = predictor.predict(pixels, tile=96, overlap=64).probabilities
    assert tiled == pytest.approx(whole, abs=1e-5)
    assert predictor.predict(pixels, tile=64, scales=(0.5, 1)).probabilities.shape == (3, 128, 128)
    assert predictor.predict(pixels[:50, :60], tile=64).probabilities.shape == (3, 50, 60)


def test_pictures_show_the_chosen_channels_by_the_range() -> None:
    info = replace(BANDS, rgb=(0, 5, 2), classes=("a", "b"))
    pixels = np.zeros((64, 64, CHANNELS), np.int16)
    pixels[..., 0], pixels[..., 5], pixels[..., 2] = 1000, 4000, -5
    image = open_image(pixels, info)
    assert info.display(image.crop(0, 0, 1, 1)).tolist() == [[[128, 255, 0]]]


def test_images_of_another_number_of_channels_are_refused_with_the_model_s(tmp_path: Path) -> None:
    predictor = Predictor([network_of(BANDS)])
    write_tiff(tmp_path / "a.tif", bands(np.uint16)[..., :5])
    Image.fromarray(noise(70, 90)).save(tmp_path / "b.png")
    for given, found in (
        (tmp_path / "a.tif", 5),
        (tmp_path / "b.png", 3),
        (Image.open(tmp_path / "b.png"), 3),
    ):
        for tile in (0, 64):
            with pytest.raises(DataError) as caught:
                predictor.predict(given, tile=tile)
            problem = f"the image has {found} channels, not 12"
            file = f"{given}: " if isinstance(given, Path) else ""
            assert str(caught.value) == f"{file}{problem}\n  try: the model takes images with 12 channels"


@pytest.mark.parametrize("tile", [0, 64])
def test_images_with_numbers_of_another_kind_are_told_of_once(tile: int, tmp_path: Path) -> None:
    folder, network = tmp_path / "images", network_of(BANDS)
    folder.mkdir()
    usual, dark = bands(np.uint16), bands(np.uint16) // 20
    unlike = dark.astype(np.uint8), bands(np.float32) / 4000, usual + 10_000
    for name, pixels in zip("abcde", (usual, dark, *unlike), strict=True):
        write_tiff(folder / f"{name}.tif", pixels)
    found = predicted([folder], network, tmp_path, tile)
    assert found.problems == []
    assert found.warnings == [
        "3 of 5 images have numbers that are unlike those of the model's training images, -1000 to 4000: "
        f"{folder / 'c.tif'} has 0 to 199 (uint8). Masks may be wrong: use images of the same kind."
    ]


def predicted(given: list[Path], network: TorchNetwork, out: Path, tile: int) -> Predicted:
    outputs = Outputs(out / "masks", network.info.task, overlays=True)
    inputs = find_inputs([*map(str, given)]).images
    return predict_files(Predictor([network]), inputs, outputs, PredictOptions(tile=tile))


@pytest.mark.parametrize(
    ("pixels", "numbers"),
    [
        (noise(64, 64).astype(np.uint16) * 256, r"2560 to 63488 \(uint16\)"),
        (noise(64, 64) / 256, r"0.0390625 to 0.96875 \(float32\)"),
    ],
)
def test_numbers_of_another_kind_than_8_bits_are_a_warning_in_python(pixels: Pixels, numbers: str) -> None:
    with pytest.warns(UserWarning, match=rf"training images, 0 to 255: image 1 has {numbers}"):
        Predictor([network_of(LESION)]).predict(pixels)


def test_each_model_of_an_ensemble_scales_an_image_by_its_own_range_and_warns_of_its_own() -> None:
    wide = network_of(replace(BANDS, range=((0.0, 60000.0),) * CHANNELS))
    eight = network_of(replace(BANDS, range=None))
    usual = network_of(BANDS)
    image = images(np.uint16)[0]
    with pytest.warns(UserWarning, match="unlike") as told:
        together = Predictor([usual, wide, eight]).predict(image).probabilities
    limits = [str(warning.message).split("training images, ")[1].split(":")[0] for warning in told]
    assert limits == ["0 to 255"]  # 0 to 4500 is 7% of 0 to 60000
    alone = [network(image[None])[0] for network in (usual, wide, eight)]
    assert not np.allclose(alone[0], alone[1], atol=0.01)
    np.testing.assert_allclose(together, np.mean(alone, axis=0), atol=1e-5)
    same = replace(BANDS, name="other")
    with pytest.warns(UserWarning, match="unlike") as told:
        Predictor([eight, usual, eight, network_of(same)]).predict(image + np.uint16(20000))
    assert len(told) == 2


@pytest.mark.parametrize("tile", [0, 64])
def test_pages_are_told_without_what_only_a_recipe_can_say(tile: int, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 64, 64), np.uint8), photometric="minisblack")
    with pytest.raises(DataError) as caught:
        Predictor([network_of(LESION)]).predict(tmp_path / "a.tif", tile=tile)
    assert str(caught.value) == (
        f"{tmp_path / 'a.tif'}: the file holds 5 images of 64x64 pixels\n"
        "  try: save each image as a separate file; the model takes grey or RGB images"
    )


def test_models_of_other_bands_have_no_mean() -> None:
    other = replace(BANDS, bands=tuple(reversed(range(CHANNELS))))
    with pytest.raises(
        SegkitError, match=r"take different bands of their images, all and \[11, 10, .*, 0\], so they cannot"
    ):
        Predictor([network_of(BANDS), network_of(other)])
