"""Recipes made out of one."""

import pytest

from segkit.core.errors import RecipeError
from segkit.recipe.sweep import expand_grid
from tests.small_runs import RECIPE


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def test_nothing_varied_is_the_recipe_itself(file):
    (recipe,) = expand_grid(file, ["training.epochs=7"])
    assert (recipe.name, recipe.seed, recipe.training.epochs) == ("small", 3, 7)


def test_a_part_is_varied_by_name_and_drops_the_options_of_the_former(file):
    recipes = expand_grid(file, vary=["model.decoder=transposed_conv,unet"])
    assert [recipe.name for recipe in recipes] == ["small-transposed_conv", "small-unet"]
    assert recipes[0].model.decoder.options["channels"] == (16, 8)
    assert recipes[1].model.decoder.name == "unet"


def test_values_say_what_they_are_of(file):
    vary = ["optimizer.lr=0.01,1e-3", "data.augment=[],[HorizontalFlip, VerticalFlip]"]
    recipes = expand_grid(file, vary=vary)
    assert [recipe.name for recipe in recipes] == [
        "small-lr_0.01-augment",
        "small-lr_0.01-augment_HorizontalFlip_VerticalFlip",
        "small-lr_1e_3-augment",
        "small-lr_1e_3-augment_HorizontalFlip_VerticalFlip",
    ]
    assert [(recipe.optimizer.options["lr"], len(recipe.data.augment)) for recipe in recipes] == [
        (0.01, 0), (0.01, 2), (0.001, 0), (0.001, 2),
    ]  # fmt: skip


def test_a_label_names_a_value(file):
    wide = "wide=model.decoder={name: transposed_conv, channels: [32, 16]}"
    recipes = expand_grid(file, vary=[wide, "model.decoder=unet", "slow v1.0 = optimizer.lr=0.001"])
    assert [recipe.name for recipe in recipes] == ["small-wide-slow v1.0", "small-unet-slow v1.0"]
    assert recipes[0].model.decoder.options["channels"] == (32, 16)
    assert recipes[1].optimizer.options["lr"] == 0.001


def test_a_value_with_an_equals_sign_is_no_label(file):
    (recipe,) = expand_grid(file, vary=["description=a=b"])
    assert (recipe.description, recipe.name) == ("a=b", "small-description_a_b")


def test_a_mapping_is_named_by_what_tells_it_from_the_others(file):
    part = "{{name: transposed_conv, channels: [{}], dropout: 0.3}}"
    wide, narrow = part.format("32, 16"), part.format("8, 4")
    recipes = expand_grid(file, vary=[f"model.decoder={wide},{narrow},{{name: unet}}"])
    assert [recipe.name for recipe in recipes] == [
        "small-transposed_conv_channels_32_16", "small-transposed_conv_channels_8_4", "small-unet",
    ]  # fmt: skip
    (recipe,) = expand_grid(file, vary=["data.augment=[{name: Rotate, limit: 15}]"])
    assert recipe.name == "small-augment_Rotate_limit_15"


def test_a_label_made_of_a_value_is_short(file):
    (recipe,) = expand_grid(file, vary=["description=" + "a long text " * 9])
    assert recipe.name == "small-description_a_long_text_a_long_text_a"


def test_commas_in_brackets_are_part_of_a_value(file):
    recipes = expand_grid(file, vary=["model.decoder={name: transposed_conv, channels: [8, 4]},unet"])
    assert [recipe.model.decoder.name for recipe in recipes] == ["transposed_conv", "unet"]
    assert recipes[0].model.decoder.options["channels"] == (8, 4)


def test_seeds_share_a_name(file):
    recipes = expand_grid(file, vary=["model.decoder=unet,fpn"], seeds=[0, 1])
    assert [(recipe.name, recipe.seed) for recipe in recipes] == [
        ("small-unet", 0), ("small-unet", 1), ("small-fpn", 0), ("small-fpn", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        ("model.decoder", "vary 'model.decoder': a path and its values are missing\n"
         "  try: write PATH=VALUE,VALUE, as in model.decoder=unet,fpn"),
        ("model.decoder=unet,,fpn", "vary 'model.decoder=unet,,fpn': a path and its values are missing\n"
         "  try: write PATH=VALUE,VALUE, as in model.decoder=unet,fpn"),
        ("seed=1,2", "vary 'seed=1,2': seed cannot be varied\n  try: seeds=[0, 1, 2]"),
        ("name=a,b", "vary 'name=a,b': name cannot be varied\n  try: compare two recipes instead"),
        ("model.decoder=unet,unet", "vary=['model.decoder=unet,unet']: two variants have the same name "
         "'small-unet'\n  try: use other values, or LABEL=PATH=VALUE"),
        ("a=model.decoder=unet,fpn", "vary 'a=model.decoder=unet,fpn': the label 'a' has 2 values\n"
         "  try: write LABEL=model.decoder=VALUE once for each value"),
        ("a/b=model.decoder=unet", "vary 'a/b=model.decoder=unet': 'a/b' cannot be a label\n"
         "  try: use letters, digits, '_', '-', '+', '.' and spaces"),
    ],
)  # fmt: skip
def test_what_varies_nothing_is_refused(file, vary, said):
    with pytest.raises(RecipeError) as raised:
        expand_grid(file, vary=[vary])
    assert str(raised.value) == said


def test_what_is_varied_cannot_be_set_as_well(file):
    with pytest.raises(RecipeError) as raised:
        expand_grid(file, ["training.epochs=3"], ["training.epochs=1,2"])
    assert str(raised.value) == (
        "vary 'training.epochs=1,2': training.epochs is both set and varied\n  try: use one of the two"
    )


def test_a_wrong_value_is_told_with_the_option_it_came_by(file):
    with pytest.raises(RecipeError, match=r"vary 'model.decoder=unett': model.decoder.name: no decoder is"):
        expand_grid(file, vary=["model.decoder=unet,unett"])
