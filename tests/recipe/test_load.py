from __future__ import annotations

from pathlib import Path

import pytest

from segkit.core.errors import RecipeError
from segkit.core.registry import REGISTRIES, SOURCES, Entry
from segkit.recipe import Recipe, dump_recipe, load_recipe
from segkit.recipe.part_schema import PARTS, Part
from segkit.recipe.yaml_tree import parse_yaml
from tests.points import check_points
from tests.recipe.cases import RECIPES, loaded, only_problem, written


def reloaded(recipe: Recipe, folder: Path) -> Recipe:
    path = folder / "saved" / "recipe.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(dump_recipe(recipe), encoding="utf-8")
    return load_recipe(path)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_recipe_is_dumped_and_loaded_again_unchanged(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    assert reloaded(recipe, tmp_path) == recipe


ENCODERS = ("mobilenetv2_100", "convnext_atto", "vit_tiny_patch16_224")
KEYS = {
    "source": "data.source",
    "transform": "data.augment",
    "encoder": "model.encoder",
    "decoder": "model.decoder",
}
EXAMPLES = {
    "annotations": "a.json",
    "folder": "f",
    "images": "i",
    "lr": "0.1",
    "masks": "m",
    "file": "list.csv",
    "root": "data",
    "size": "[64, 64]",
    "num_grid_xy": "[4, 4]",
    "magnitude": "3",
    "min_max_height": "[20, 40]",
    "mask_indices": "[1, 2]",
}


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_part_survives_dumping_and_loading(tmp_path: Path, kind: str) -> None:
    names = REGISTRIES[kind].names() if kind != "encoder" else ENCODERS
    check_points([survives_dumping_and_loading], [(tmp_path, kind, name) for name in names])


def survives_dumping_and_loading(tmp_path: Path, kind: str, name: str) -> None:
    entry = REGISTRIES[kind].get(name)
    assert entry is not None
    part = ", ".join([f"name: {name}", *(f"{key}: {EXAMPLES[key]}" for key in _required(entry))])
    key = {"metric": "metrics"}.get(kind, KEYS.get(kind, kind))
    value = f"[{{{part}}}]" if kind in ("transform", "metric") else f"{{{part}}}"
    recipe = loaded(tmp_path, [f"{key}={value}"])
    again = reloaded(recipe, tmp_path)
    assert again == recipe
    assert dump_recipe(again) == dump_recipe(recipe)


def _required(entry: Entry) -> list[str]:
    return [option.name for option in entry.options.values() if option.required]


def test_a_dumped_recipe_is_complete(tmp_path: Path) -> None:
    dumped = parse_yaml(dump_recipe(loaded(tmp_path)), "saved").plain()
    assert dumped["training"]["epochs"] == 20
    assert dumped["model"]["decoder"]["kernel_size"] == 2
    assert dumped["optimizer"]["lr"]
    assert dumped["training"]["ema_decay"] is None
    assert dumped["model"]["decoder"]["context"] is None
    assert dumped["reference"] is None


def test_null_survives_where_it_is_not_the_default(tmp_path: Path) -> None:
    plugin = tmp_path / "limits.py"
    plugin.write_text(
        "from segkit.core.registry import SOURCES\n\n"
        '@SOURCES.register("limited")\n'
        "def limited(task, channels, *, most: int | None = 5):\n"
        '    """A source.\n\n    Args:\n        most: of them.\n    """\n'
    )
    try:
        recipe = loaded(tmp_path, ["data.source={name: limited, most: null}", f"plugins=[{plugin}]"])
        assert reloaded(recipe, tmp_path) == recipe
    finally:
        SOURCES._entries.pop("limited", None)


def test_texts_that_look_like_numbers_survive(tmp_path: Path) -> None:
    recipe = loaded(
        tmp_path, data='{source: synthetic_lesions, size: [64, 64], classes: ["1e3"]}', name="'007'"
    )
    assert recipe.data.classes == ("1e3",)
    assert reloaded(recipe, tmp_path) == recipe


def test_weights_that_are_a_file_count_from_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, recipes = tmp_path / "home", tmp_path / "recipes"
    (home / "weights").mkdir(parents=True)
    (home / "weights" / "shared.pth").touch()
    recipes.mkdir()
    (recipes / "mine.safetensors").touch()
    monkeypatch.setenv("SEGKIT_HOME", str(home))

    def weights(value: str, overrides: tuple[str, ...] = ()) -> str:
        model = f"{{encoder: {{name: mobilenetv2_100, weights: {value}}}, decoder: transposed_conv}}"
        recipe = loaded(recipes, overrides, model=model)
        assert reloaded(recipe, tmp_path) == recipe
        return str(recipe.model.encoder.options["weights"])

    assert weights("mine.safetensors") == str(recipes / "mine.safetensors")
    assert weights("./mine.safetensors") == str(recipes / "mine.safetensors")
    assert weights("shared.pth") == str(home / "weights" / "shared.pth")
    assert weights("weights/shared.pth") == str(home / "weights" / "shared.pth")
    assert weights("missing.pth") == str(recipes / "missing.pth")
    assert weights("imagenet1k_v1") == "imagenet1k_v1"
    null = only_problem(written(recipes), ["model.encoder.weights=null"])
    assert (null.problem, null.hint) == (
        "found null, allowed: text",
        "weights: none for random initialisation",
    )
    monkeypatch.chdir(tmp_path)
    set_by_hand = ("model.encoder.weights=a.pth",)
    assert weights("none", set_by_hand) == str(tmp_path / "a.pth")


def test_paths_in_lists_and_mappings_count_from_the_recipe(tmp_path: Path) -> None:
    plugin = tmp_path / "paths.py"
    plugin.write_text(
        "from pathlib import Path\nfrom segkit.core.registry import SOURCES\n\n"
        '@SOURCES.register("many_paths")\n'
        "def many_paths(task, channels, *, files: list[Path] = [], named: dict[str, Path] = {}):\n"
        '    """A source.\n\n    Args:\n        files: some.\n        named: some.\n    """\n'
    )
    path = written(
        tmp_path,
        more="plugins: [paths.py]\n",
        data="{source: {name: many_paths, files: [a, b/c], named: {x: d}}, size: [64, 64]}",
    )
    try:
        options = load_recipe(path).data.source.options
        assert options["files"] == [tmp_path / "a", tmp_path / "b" / "c"]
        assert options["named"] == {"x": tmp_path / "d"}
        assert load_recipe(path).plugins == [plugin]
    finally:
        SOURCES._entries.pop("many_paths", None)


def test_a_plugin_that_is_not_there_is_told_with_its_line(tmp_path: Path) -> None:
    found = only_problem(written(tmp_path, more="plugins: [nowhere]\n"))
    assert found.problem == f"plugin not found: {tmp_path / 'nowhere'}"
    assert (found.line, found.path) == (7, "plugins")


def test_registries_reserve_what_recipes_say_about_every_part() -> None:
    kinds: dict[str, type[Part]] = {part.kind: part for part in PARTS.values()}
    assert {kind: registry.reserved for kind, registry in REGISTRIES.items()} == {
        kind: tuple(kinds[kind].model_fields) for kind in REGISTRIES
    }


def test_classes_of_a_multiclass_task_may_differ_in_punctuation(tmp_path: Path) -> None:
    data = "{source: synthetic_lesions, size: [64, 64], task: multiclass, classes: ['<50%', '>50%']}"
    assert loaded(tmp_path, data=data).data.classes == ("<50%", ">50%")


def test_the_strategy_of_earlier_versions_is_passed_over(tmp_path: Path) -> None:
    recipe = load_recipe(RECIPES / "quickstart.yaml", ["training.strategy=ddp"])
    assert recipe == load_recipe(RECIPES / "quickstart.yaml")
    assert "strategy" not in dump_recipe(recipe)
    with pytest.raises(RecipeError, match=r"training\.strategy"):
        load_recipe(RECIPES / "quickstart.yaml", ["training.strategy=fsdp"])
