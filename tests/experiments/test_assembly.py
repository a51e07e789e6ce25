"""From names to objects."""

import math
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from segkit.core.errors import DataError, SegkitError, ShapeError
from segkit.experiments.assembly import assemble, encoded_at_once, recurring_fraction
from segkit.experiments.assembly_checks import check_batch_size, warnings_for
from segkit.models.segmenter import digest
from segkit.recipe.dataset import find_samples
from tests.small_runs import recipe


def test_same_seed_same_model_whatever_was_drawn_before(tmp_path):
    torch.manual_seed(1)
    first = digest(assemble(recipe(tmp_path)).model)
    torch.manual_seed(2)
    assert digest(assemble(recipe(tmp_path)).model) == first
    assert digest(assemble(recipe(tmp_path, "seed=4")).model) != first


def test_parts_are_those_of_the_recipe(tmp_path):
    assembly = assemble(recipe(tmp_path, "metrics=[dice, hd95]", "data.eval_batch_size=2"))
    assert list(assembly.metrics) == ["dice", "hd95"]
    assert (assembly.val_split, assembly.test_split) == ("test", "test")
    assert [len(batch.indices) for batch in assembly.eval_batches("test")] == [2, 2, 1]
    assert assembly.train_batches().steps == 3
    optimizer, _ = assembly.optimization(3)
    assert isinstance(optimizer, torch.optim.AdamW)


@pytest.mark.parametrize(
    ("overrides", "scored_on", "reported_on"),
    [
        (["data.split={by: fraction, val: 0.2}"], "val", "test"),
        (["data.source.test=0", "data.split={by: fraction, val: 0.2}"], "val", "val"),
        (["data.source.test=0", "data.split={by: fraction, val: 0.2, test: 0.2}"], "val", "test"),
    ],
)
def test_validation_images_are_scored_where_there_are_any(tmp_path, overrides, scored_on, reported_on):
    assembly = assemble(recipe(tmp_path, *overrides))
    assert (assembly.val_split, assembly.test_split) == (scored_on, reported_on)


def test_own_normalisation_replaces_that_of_the_weights(tmp_path):
    own = "data.normalize={mean: [0.1, 0.2, 0.3], std: [1, 2, 4]}"
    model = assemble(recipe(tmp_path, own)).model
    assert model.mean.flatten().tolist() == pytest.approx([25.5, 51, 76.5])
    assert model.std.flatten().tolist() == [255, 510, 1020]


def test_nothing_to_score(tmp_path):
    with pytest.raises(
        DataError,
        match=r"synthetic_lesions: there are no images to score: the data has no val and no test split\n"
        r"  try: data\.split: \{by: fraction, val: 0\.2\}",
    ):
        find_samples(recipe(tmp_path, "data.source.test=0"))


def test_nothing_to_train_on(tmp_path):
    file = tmp_path / "splits.csv"
    file.write_text("name,split\nlesion_test_0000,test\n")
    with pytest.raises(DataError, match="there are no training images"):
        find_samples(recipe(tmp_path, f"data.split={{by: file, file: {file}}}"))


@pytest.mark.parametrize(
    ("splits", "sentence"),
    [
        ({"train", "test"}, "There is no validation split: the best epoch is chosen on the test images"),
        ({"train", "val"}, "There are no test images: the final scores are those of the validation images"),
    ],
)
def test_optimistic_scores_are_warned_of(tmp_path, splits, sentence):
    (warning,) = warnings_for(recipe(tmp_path), splits)
    assert warning.startswith(sentence)
    assert warning.rstrip(".").split()[-1]


def test_honest_run_has_no_warnings(tmp_path):
    assert warnings_for(recipe(tmp_path), {"train", "val", "test"}) == []


def test_frozen_random_encoder_is_warned_of(tmp_path):
    frozen = recipe(tmp_path, "model.encoder.frozen=true")
    assert warnings_for(frozen, {"train", "val", "test"}) == [
        "The encoder has random weights (weights: none) and is frozen: it is never trained."
    ]


@pytest.mark.parametrize(
    ("augment", "share"),
    [
        ("[]", 1.0),
        pytest.param("[{name: HorizontalFlip}, {name: D4}]", 1.0, marks=pytest.mark.slow),
        ("[{name: Rotate, limit: 15, p: 0.1}, {name: HorizontalFlip, p: 0.5}]", 0.9),
        ("[{name: Affine, p: 0.8}, {name: RandomBrightnessContrast}]", 0.1),
        ("[{name: Affine, p: 1}]", 0.0),
    ],
)
def test_images_come_again_where_augmentation_makes_one_of_a_few(tmp_path, augment, share):
    chosen = recipe(tmp_path, f"data.augment={augment}", "model.encoder.frozen=true")
    assert recurring_fraction(chosen.data) == pytest.approx(share)
    model = assemble(chosen).model
    assert model.caches_training is (share > 0.5)
    assert model.feature_cache is not None


@pytest.mark.parametrize(
    ("size", "fit", "count"),
    [
        ("[512, 512]", "stretch", 8),
        ("[128, 64]", "crop", 8),
        ("[256, 512]", "crop", 4),
        ("[512, 1024]", "crop", 2),
    ],
)
def test_a_frozen_encoder_gets_few_large_windows_together(tmp_path, size, fit, count):
    assert encoded_at_once(recipe(tmp_path, f"data.size={size}", f"data.fit={fit}").data) == count


def test_an_encoder_that_learns_remembers_nothing(tmp_path):
    assert assemble(recipe(tmp_path, "model.encoder.frozen=false")).model.feature_cache is None


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_batchnorm_of_several_gpus_is_synchronised(tmp_path, device, frozen):
    fabric = SimpleNamespace(
        world_size=2, device=torch.device(device), rank_zero_first=lambda local: nullcontext()
    )
    model = assemble(recipe(tmp_path, f"model.encoder.frozen={frozen}"), fabric=fabric).model

    def synchronised(part):
        norms = [module for module in part.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        return {isinstance(norm, nn.SyncBatchNorm) for norm in norms}

    assert synchronised(model.decoder) == {device == "cuda"}
    assert synchronised(model.encoder) == {device == "cuda" and not frozen}


def test_batchnorm_of_a_single_image_of_a_process_is_refused(tmp_path):
    def assembled(device, batch_size):
        fabric = SimpleNamespace(
            world_size=2, device=torch.device(device), rank_zero_first=lambda local: nullcontext()
        )
        small = ("data.size=[32, 32]", "model.decoder={name: unet}", f"data.batch_size={batch_size}")
        return assemble(recipe(tmp_path, *small), fabric=fabric)

    with pytest.raises(ShapeError) as caught:
        assembled("cpu", 4)  # batches of 4, 3 and 3 images
    (problem,) = caught.value.problems
    assert problem.problem == (
        "unet on test_resnet cannot be trained with a batch of one image of 32x32: "
        "Expected more than 1 value per channel when training"
    )
    assert problem.hint == "a larger data.size, or data.batch_size: 7 or more"
    assembled("cpu", 7)
    assembled("cuda", 4)  # there BatchNorm is over the images of all processes


def test_images_that_keep_their_resolution(tmp_path):
    """Rows keep their size, padding is ignored, and an epoch has as many windows as the recipe says."""
    windows = "data.crop={per_image: 3}"
    chosen = recipe(tmp_path, "data.fit=crop", "data.scale=0.5", windows, "data.batch_size=2")
    assembly = assemble(chosen)
    images, masks = assembly.splits["train"].images, assembly.splits["train"].masks
    assert [image.shape for image in images] == [(32, 32, 3)] * len(images)
    assert [mask.shape for mask in masks] == [(64, 64)] * len(masks)
    assert (chosen.data.goal.ignore_index, assembly.task.ignore_index) == (None, 255)
    assert chosen.data.steps_per_epoch(len(images)) == math.ceil(3 * len(images) / 2)
    assert recurring_fraction(chosen.data) == 0
    with pytest.raises(SegkitError, match="the smallest batch has 1 of 3 training windows"):
        check_batch_size(chosen, 1, 2)
