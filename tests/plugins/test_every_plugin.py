"""What every example plugin keeps: because its folder is there, there is no list."""

import subprocess
import sys
from pathlib import Path

import pytest

from segkit.core.plugins import load_plugin, loaded_plugins
from segkit.models.dry_run import dry_run
from segkit.models.training_check import check_training
from segkit.recipe import load_recipe
from segkit.recipe.data_settings import DataSettings
from segkit.recipe.schema import ModelSettings
from segkit.testing import plugin_checks

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(init.parent for init in ROOT.glob("plugins/*/__init__.py"))
every_plugin = pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)


@every_plugin
def test_plugin_keeps_the_contract(plugin):
    outcomes = [check.outcome() for check in plugin_checks(plugin)]
    assert outcomes
    assert [(str(one.check), one.problem) for one in outcomes if not one.passed] == []


@pytest.mark.slow
@pytest.mark.parametrize("size", [(128, 128), (100, 75), (64, 64)])
@pytest.mark.parametrize("encoder", ["mobilenetv2_100", "convnext_atto", "resnet18"])
@pytest.mark.parametrize("name", ["attention_unet", "bifpn", "one_conv", "separable_unet"])
def test_decoder_fits_encoders_and_sizes_by_default(name, encoder, size):
    """Also in training, on batches of a single image."""
    load_plugin(ROOT / "plugins" / name)
    data = DataSettings(source={"name": "synthetic_lesions"}, size=size, batch_size=1)
    model = ModelSettings(encoder={"name": encoder}, decoder={"name": name})
    spec = dry_run(model, data)
    check_training(spec, model, data, 1)
    table = spec.stages
    assert table[-1].shape == (1, *size)
    assert all(side <= full + 1 for side, full in zip(table[-2].shape[1:], size, strict=True))


@every_plugin
def test_recipes_of_a_plugin_use_it(plugin):
    found = sorted(plugin.glob("*.yaml"))
    assert plugin / "recipe.yaml" in found
    for file in found:
        recipe = load_recipe(file)
        parts = {f"{part.kind} {part.name}" for part in recipe.parts()}
        assert parts & {part for one in loaded_plugins() if one.path == plugin for part in one.parts}
        assert f"segkit run plugins/{plugin.name}/{file.name}" in (plugin / "README.md").read_text()


@pytest.mark.slow
@every_plugin
def test_listing_a_plugin_imports_nothing_slow(plugin):
    code = (
        "import sys; from pathlib import Path; from segkit.core.plugins import load_plugin; "
        f"load_plugin(Path({str(plugin)!r})); sys.exit(bool({{'torch', 'scipy'}} & {{*sys.modules}}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
