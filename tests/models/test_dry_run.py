"""The dry run: shapes, counts and sizes, without weights and without memory."""

import pytest
import torch
from torch import nn

from segkit.core.errors import PartError, ShapeError
from segkit.core.registry import DECODERS, ENCODERS
from segkit.core.types import Pyramid
from segkit.models.dry_run import dry_run
from tests.models.cases import checked
from tests.parts.decoders.cases import settings

TABLE = {"name": "transposed_conv", "residual": False}


def test_dry_run_tells_the_published_table():
    spec = dry_run(*settings({"name": "mobilenetv2_100", "frozen": True}, TABLE))
    assert spec.stage_indices == [4]
    assert spec.pyramid == Pyramid((1280,), (32,))
    assert spec.channels == 32
    rows = [(row.part, row.name, row.shape, row.parameters, row.trainable) for row in spec.stages]
    assert rows == [
        ("encoder", "stage 5 of 5", (1280, 4, 4), 2_223_872, 0),
        ("decoder", "transposed_conv", (32, 128, 128), 3_319_744, 3_319_744),
        ("head", "conv 3x3", (1, 128, 128), 289, 289),
    ]


def test_dry_run_counts_what_the_built_model_has():
    model, data = settings(
        "test_resnet", "unet", (64, 96), task="multiclass", classes=("a", "b", "c"), channels=4
    )
    image, *rows = dry_run(model, data).stages
    assert (image.part, image.parameters) == ("image", 0)
    encoder = ENCODERS.get("test_resnet").factory(4, weights="none")
    decoder = DECODERS.get("unet").factory(encoder.pyramid)
    counts = [sum(p.numel() for p in module.parameters()) for module in (encoder, decoder)]
    assert [row.part for row in rows] == ["encoder"] * 5 + ["decoder", "head"]
    assert [
        sum(row.parameters for row in rows if row.part == part) for part in ("encoder", "decoder")
    ] == counts
    assert sum(row.trainable for row in rows) == sum(row.parameters for row in rows)
    with torch.inference_mode():
        maps = encoder.eval()(torch.zeros(1, 4, 64, 96))
    assert [row.shape for row in rows[:5]] == [tuple(feature.shape[1:]) for feature in maps]
    assert rows[-1].shape == (3, 64, 96)


@pytest.mark.parametrize(
    ("features", "decoder", "indices"),
    [("auto", "transposed_conv", [4]), ("auto", "fpn", [0, 1, 2, 3, 4]), ([-1, 2], "pspnet", [2, 4])],
)
def test_dry_run_takes_the_stages_that_are_asked_for(features, decoder, indices):
    assert dry_run(*settings({"name": "test_resnet", "features": features}, decoder)).stage_indices == indices


def test_dry_run_names_a_size_that_works():
    with pytest.raises(ShapeError) as caught:
        dry_run(*settings("test_resnet", "fpn", (100, 150)))
    assert str(caught.value) == (
        "fpn on test_resnet does not work on images of 100x150\n  try: data.size: [96, 160] works"
    )
    dry_run(*settings("test_resnet", "fpn", (96, 160)))


def test_dry_run_of_patches_names_a_size_that_works():
    with pytest.raises(ShapeError, match=r"on images of 50x50\n  try: data\.size: \[48, 48\] works"):
        dry_run(*settings("vit_tiny_patch16_224", "transposed_conv", (50, 50)))


def test_batches_that_cannot_be_learnt_from_are_refused():
    for batch_size in (1, 2):  # an odd number of images leaves one over
        with pytest.raises(ShapeError) as caught:
            checked(*settings("test_resnet", "unet", (32, 32), batch_size=batch_size))
        assert str(caught.value) == (
            "unet on test_resnet cannot be trained with a batch of one image of 32x32: "
            "Expected more than 1 value per channel when training\n"
            "  try: a larger data.size, or data.batch_size: 3 or more"
        )
    with pytest.raises(ShapeError, match=r"  try: a larger data\.size, or more training images"):
        checked(*settings("test_resnet", "unet", (32, 32), batch_size=8), images=1)
    checked(*settings("test_resnet", "unet", (32, 32), batch_size=3))
    checked(*settings("test_resnet", "unet", (32, 32), batch_size=2), images=10)
    spec = checked(*settings({"name": "test_convnext", "frozen": True}, "segformer", (32, 32), batch_size=1))
    assert not any(
        module.training for part in (spec.meta.encoder, spec.meta.decoder) for module in part.modules()
    )


def test_dry_run_passes_on_what_parts_say():
    with pytest.raises(PartError, match=r"unet\.channels names 1 widths, but the encoder halves 5 times"):
        dry_run(*settings("test_resnet", {"name": "unet", "channels": (8,)}))
    with pytest.raises(ShapeError, match="are not different stages of this encoder"):
        dry_run(*settings({"name": "test_resnet", "features": [7]}, "unet"))


def test_dry_run_gives_up_where_no_size_works(part):
    class Stubborn(nn.Module):
        def forward(self, features):
            raise ShapeError("not today", hint="another decoder")

    def stubborn(pyramid) -> nn.Module:
        return Stubborn()

    part(DECODERS, stubborn)
    with pytest.raises(ShapeError) as caught:
        dry_run(*settings("test_resnet", "stubborn"))
    assert str(caught.value) == (
        "stubborn on test_resnet does not work on images of 128x128 or similar sizes: not today\n"
        "  try: another decoder"
    )


def test_dry_run_of_an_error_without_words_names_its_kind(part):
    class Silent(nn.Module):
        def forward(self, features):
            raise AssertionError

    def silent(pyramid) -> nn.Module:
        return Silent()

    part(DECODERS, silent)
    with pytest.raises(PartError, match="does not work on images of 128x128: AssertionError"):
        dry_run(*settings("test_resnet", "silent"))


def test_dry_run_names_the_line_of_the_part_that_failed(part):
    class Misspelt(nn.Module):
        def forward(self, features):
            return mapz  # noqa: F821

    def misspelt(pyramid) -> nn.Module:
        return Misspelt()

    part(DECODERS, misspelt)
    with pytest.raises(PartError) as caught:
        dry_run(*settings("test_resnet", "misspelt"))
    problem = caught.value.problems[0]
    assert problem.problem == (
        "misspelt on test_resnet does not work on images of 128x128: name 'mapz' is not defined"
    )
    assert problem.file == f"{__file__}:{Misspelt.forward.__code__.co_firstlineno + 1}"
    assert problem.hint.startswith("test the part alone with segkit test-plugin")


def test_dry_run_names_the_line_where_only_other_sizes_work(part):
    class Halving(nn.Module):
        def forward(self, features):
            finer, coarser = features[-2:]
            return finer + nn.functional.interpolate(coarser, scale_factor=2).mean(1, keepdim=True)

    def halving(pyramid) -> nn.Module:
        return Halving()

    part(DECODERS, halving)
    with pytest.raises(
        ShapeError, match=r"images of 72x64: .*broadcast.*\n  try: data\.size: \[\d+, 64\]"
    ) as caught:
        dry_run(*settings("test_resnet", "halving", (72, 64)))
    assert caught.value.problems[0].file == f"{__file__}:{Halving.forward.__code__.co_firstlineno + 2}"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda features: None, "returns a NoneType for a batch of 1"),
        (lambda features: features[3:], r"returns a list of a tensor of shape \(1, 192, 8, 8\), a"),
        (lambda features: features[-1].mean(1), r"returns a tensor of shape \(1, 4, 4\) for a batch of 1"),
        (lambda features: features[-1][:, :0], r"returns a tensor of shape \(1, 0, 4, 4\) for a batch of 1"),
        (lambda features: features[-1].long(), r"\(1, 96, 4, 4\) and type torch.int64 for a batch of 1"),
        (
            lambda features: features[-1].sum(0, True),
            r"returns a tensor of shape \(1, 96, 4, 4\) for a batch of 3",
        ),
    ],
)
def test_dry_run_refuses_what_is_no_map(part, answer, told):
    class Wrong(nn.Module):
        def forward(self, features):
            return answer(features)

    def wrong(pyramid) -> nn.Module:
        return Wrong()

    part(DECODERS, wrong)
    with pytest.raises(
        PartError, match=rf"Wrong\.forward .*{told}.*\n  try: return one map \(B, C, h, w\) of torch.float32"
    ) as caught:
        dry_run(*settings("test_resnet", "wrong"))
    assert caught.value.problems[0].file.startswith(__file__)


def test_dry_run_counts_no_parameter_as_trainable_that_the_encoder_froze(part):
    class Half(nn.Module):
        pyramid, mean, std = Pyramid((4,), (2,)), (0.5,), (0.5,)

        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 4, 2, 2)
            self.first.requires_grad_(False)

        def forward(self, image):
            return [self.second(self.first(image))]

    def half(in_channels) -> nn.Module:
        return Half()

    part(ENCODERS, half)
    row = dry_run(*settings("half", {"name": "transposed_conv", "channels": (4,)})).stages[0]
    assert (row.parameters, row.trainable) == (12 + 52, 52)


def test_dry_run_loads_no_weights_and_allocates_nothing(monkeypatch):
    """A model of 300 million parameters and images of 4096 pixels: were they real, this would take 100 GB."""

    def no_weights(*given):
        raise AssertionError("weights were asked for")

    monkeypatch.setattr("segkit.parts.encoders._timm_encoders.fetch_weights", no_weights)
    encoder = {"name": "convnext_xlarge", "weights": "imagenet"}
    rows = dry_run(*settings(encoder, "unet", (4096, 4096), batch_size=64)).stages
    assert sum(row.parameters for row in rows) > 300_000_000
    assert rows[-1].shape == (1, 4096, 4096)


def test_dry_run_refuses_parameters_that_no_memory_holds(monkeypatch):
    monkeypatch.setattr("segkit.models.dry_run.machine_memory", lambda: 8 * 10**9)
    with pytest.raises(ShapeError) as caught:
        dry_run(*settings("test_resnet", {"name": "transposed_conv", "channels": (60_000, 60_000)}))
    assert str(caught.value) == (
        "model.decoder: transposed_conv would have 18,029,280,000 parameters (72 GB); this "
        "machine has 8 GB of memory\n  try: use smaller numbers in the options of the decoder"
    )


def test_dry_run_of_numbers_that_overflow_says_so_in_one_line():
    with pytest.raises(PartError) as caught:
        dry_run(*settings("test_resnet", {"name": "transposed_conv", "channels": (10**30,)}))
    assert "Overflow when unpacking" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


# Transformers


@pytest.mark.slow
def test_transposed_conv_ends_at_the_image_s_size_by_default():
    sizes = {
        "vit_tiny_patch16_224": (64, 224, 224),
        "vit_small_patch14_dinov2": (128, 128, 128),
        "test_resnet": (32, 224, 224),
    }
    for encoder, shape in sizes.items():
        spec = dry_run(*settings(encoder, "transposed_conv", (224, 224)))
        assert (spec.stages[-2].shape, spec.warnings) == (shape, [])
    wide = {"name": "transposed_conv", "channels": (8, 8, 8, 8, 8)}
    assert dry_run(*settings("vit_tiny_patch16_224", wide, (224, 224))).warnings == [
        "transposed_conv gives maps of 448x448 for images of 224x224. They are scaled down: with options for "
        "smaller maps it would need less time and memory."
    ]


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["transposed_conv", "deeplabv3", "pspnet"])
def test_sizes_of_patches_of_14_are_found(decoder):
    model = settings("vit_small_patch14_dinov2", decoder)
    with pytest.raises(ShapeError, match=r"images of 128x128\n  try: data\.size: \[126, 126\] works"):
        dry_run(*model)
    assert dry_run(*settings("vit_small_patch14_dinov2", decoder, (126, 140))).size_multiple == 14


@pytest.mark.slow
@pytest.mark.parametrize("size", [(128, 128), (126, 126), (518, 518)])
def test_dpt_on_patches_of_14_says_that_no_size_works_and_what_does(size):
    with pytest.raises(ShapeError) as caught:
        dry_run(*settings("vit_small_patch14_dinov2", "dpt", size))
    assert str(caught.value) == (
        "dpt works at no image size on maps of reduction 14, as segmentation-models-pytorch's DPT enlarges "
        "them by powers of 2\n"
        "  try: the decoder transposed_conv, deeplabv3 or pspnet, or an encoder with patches of 8 or 16 "
        "pixels"
    )
    with pytest.raises(
        ShapeError, match="try: another encoder, or the decoder transposed_conv, deeplabv3 or psp"
    ):
        dry_run(*settings("vit_small_patch14_dinov2", "unet", size))
