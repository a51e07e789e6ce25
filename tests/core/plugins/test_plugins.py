"""The doors through which parts come in."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segkit.core.errors import PartError, RecipeError
from segkit.core.plugins import (
    Plugin,
    broken_plugins,
    find,
    load_installed,
    load_plugin,
    load_plugins_here,
    loaded_plugins,
    skip_installed,
)
from segkit.core.plugins import entry_points as installed
from segkit.core.plugins import loading as load
from segkit.core.registry import LOSSES
from segkit.experiments.assembly_checks import warnings_for
from segkit.experiments.check import check
from segkit.recipe import load_recipe, used_plugins
from tests.plugin_cases import LOSS, plugin, told
from tests.recipe.cases import written


@pytest.fixture(autouse=True)
def asked_nobody_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "_broken", None)


def only_plugin() -> Plugin:
    (found,) = loaded_plugins()
    return found


# Files and folders


def test_a_file_is_loaded_once_and_noted(tmp_path: Path) -> None:
    path = plugin(tmp_path / "waves.py")
    load_plugin(path)
    load_plugin(path, "--plugins")
    entry = LOSSES.get("mine")
    assert entry is not None
    assert entry.where == f"{path}:4"
    found = only_plugin()
    assert (found.name, found.door, found.path) == ("waves", "recipe", path)
    assert (found.parts, found.package, found.origin) == (("loss mine",), "", str(path))
    assert len(found.digest) == 64


def test_a_folder_with_an_init_is_one_plugin_and_may_import_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").write_text("from .parts import loss\n")
    plugin(tmp_path / "own" / "parts.py")
    load_plugin(tmp_path / "own")
    assert only_plugin().path == tmp_path / "own"
    assert LOSSES.get("mine")


def test_a_folder_without_an_init_holds_plugins_and_helpers(tmp_path: Path) -> None:
    plugin(tmp_path / "all" / "one.py", "one")
    plugin(tmp_path / "all" / "two" / "__init__.py", "two")
    plugin(tmp_path / "all" / "helper.py", text="WIDTH = 3\n")
    for left_out in ("_private.py", "test_one.py", "conftest.py", ".hidden.py", "notes.txt"):
        plugin(tmp_path / "all" / left_out, text="raise ValueError")
    load_plugin(tmp_path / "all")
    assert [found.name for found in loaded_plugins()] == ["one", "two"]


def test_the_digest_is_of_all_python_files_but_tests(tmp_path: Path) -> None:
    from segkit.core.plugins.plugin import source_digest

    plugin(tmp_path / "own" / "__init__.py")
    digests = [source_digest(tmp_path / "own")]
    for name, text in (("README.md", "read"), ("test_own.py", "pass"), ("part.py", "pass"), ("part.py", "")):
        (tmp_path / "own" / name).write_text(text)
        digests.append(source_digest(tmp_path / "own"))
    assert digests[0] == digests[1] == digests[2]
    assert len(set(digests[2:])) == 3


# The working directory


def test_plugins_of_the_working_directory_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    load_plugins_here()
    (tmp_path / "plugins").mkdir()
    load_plugins_here()
    assert loaded_plugins() == []
    path = plugin(tmp_path / "plugins" / "mine.py")
    load_plugins_here()
    assert (only_plugin().path, only_plugin().door) == (path, "working directory")


def test_a_plugin_named_by_two_doors_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plugin(tmp_path / "plugins" / "mine" / "__init__.py")
    load_plugins_here()
    recipe = written(tmp_path / "plugins" / "mine", more="plugins: [.]\n", loss="mine")
    assert used_plugins(load_recipe(recipe, plugins=[tmp_path / "plugins"])) == loaded_plugins()
    assert only_plugin().door == "working directory"


def test_a_broken_plugin_of_the_working_directory_says_how_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plugin(tmp_path / "plugins" / "mine.py", text="1 / 0\n")
    with pytest.raises(PartError) as caught:
        load_plugins_here()
    assert told(caught.value, tmp_path) == (
        "plugins/mine.py:1: the plugin fails on import: ZeroDivisionError: division by zero\n"
        "  try: reproduce it with python plugins/mine.py; "
        "--no-plugins skips the plugins of the working directory"
    )


# Installed packages


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """As pip does: a module, and beside it what its package says of itself."""
    monkeypatch.syspath_prepend(tmp_path / "site")

    def install(module: str, text: str = LOSS, *, point: str = "") -> Path:
        path = plugin(tmp_path / "site" / f"{module}.py", module, text)
        about = tmp_path / "site" / f"{module}-0.3.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 0.3\n")
        (about / "entry_points.txt").write_text(f"[segkit.plugins]\n{module} = {point or module}\n")
        return path

    return install


def test_an_installed_plugin_is_imported_when_a_name_is_looked_for(install: Callable[..., Path]) -> None:
    path = install("wavy_loss")
    assert find("loss", "dice")
    assert loaded_plugins() == []
    entry = find("loss", "wavy_loss")
    assert entry is not None
    assert entry.where == f"{path}:4"
    found = only_plugin()
    assert (found.name, found.door, found.package) == ("wavy_loss", "installed", "wavy_loss 0.3")
    assert found.origin == "wavy_loss 0.3"
    assert json.loads(found.model_dump_json())["parts"] == ["loss wavy_loss"]


def test_installed_plugins_can_be_left_out(install: Callable[..., Path]) -> None:
    install("left_out_loss")
    skip_installed()
    assert find("loss", "left_out_loss") is None


def test_a_broken_installed_plugin_harms_nobody_who_does_not_need_it(
    install: Callable[..., Path], tmp_path: Path
) -> None:
    install("broken_loss", "import os\nos.nothing\n")
    install("lost_loss", point="nowhere_loss")
    install("steady_loss")
    load_recipe(written(tmp_path))
    assert broken_plugins() == []
    load_installed()
    assert only_plugin().name == "steady_loss"
    assert [told(error, tmp_path) for error in broken_plugins()] == [
        "site/broken_loss.py:2: the installed plugin 'broken_loss' (broken_loss 0.3) is not loaded: the "
        "plugin fails on import: AttributeError: module 'os' has no attribute 'nothing'\n"
        "  try: reproduce it with python site/broken_loss.py",
        "the installed plugin 'lost_loss' (lost_loss 0.3) is not loaded: module nowhere_loss not found\n"
        "  try: python -m pip install --force-reinstall lost_loss",
    ]


def test_a_lookup_that_misses_tells_of_broken_installed_plugins(
    install: Callable[..., Path], tmp_path: Path
) -> None:
    install("broken_too", "1 / 0\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(written(tmp_path, loss="broken_too"))
    unknown, broken = sorted(problem.problem for problem in caught.value.problems)
    assert unknown.startswith("no loss is called 'broken_too'")
    assert broken.startswith(
        "the installed plugin 'broken_too' (broken_too 0.3) is not loaded: the plugin fails"
    )


def test_what_a_failing_plugin_registered_is_taken_back(install: Callable[..., Path]) -> None:
    install("half_a_loss", LOSS + "\n\n1 / 0\n")
    load_installed()
    assert LOSSES.get("half_a_loss") is None
    assert len(broken_plugins()) == 1


def test_a_plugin_both_installed_and_in_a_folder_is_one(install: Callable[..., Path]) -> None:
    path = install("twice_loss")
    load_plugin(path)
    load_installed()
    assert only_plugin().door == "recipe"
    assert broken_plugins() == []


def test_a_plugin_that_was_imported_by_hand_before_is_noted_all_the_same(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pytest does with the folder that a test lies in."""
    path = install("hand_loss")
    monkeypatch.delitem(sys.modules, "hand_loss", raising=False)
    importlib.import_module("hand_loss")
    load_installed()
    assert only_plugin().parts == ("loss hand_loss",)
    monkeypatch.setattr(load, "_loaded", {})
    load_plugin(path)
    assert only_plugin().parts == ("loss hand_loss",)


def test_a_copy_of_an_installed_plugin_is_told(install: Callable[..., Path], tmp_path: Path) -> None:
    path = install("copied_loss")
    load_installed()
    copy = plugin(tmp_path / "copy.py", "copied_loss")
    with pytest.raises(PartError) as caught:
        load_plugin(copy)
    assert told(caught.value, tmp_path) == (
        f"copy.py: the plugin is already loaded: it is a copy of {path.relative_to(tmp_path)}\n"
        "  try: keep one of the two; the loaded one comes from the installed package"
    )


@pytest.mark.slow
def test_a_recipe_that_takes_a_part_from_elsewhere_is_told_of_the_installed_one(
    install: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("both")
    install("other_loss")
    path = plugin(
        tmp_path / "plugins" / "both.py", "both", f"{LOSS}    return lambda logits, target: logits.mean()\n"
    )
    recipe = written(tmp_path, loss="both")
    monkeypatch.chdir(tmp_path)
    load_plugins_here()
    told = (
        "The installed plugin 'both' (both 0.3) is not loaded: "
        f"loss 'both' is already registered at {path}:4."
    )
    assert check(load_recipe(recipe)).warnings[0] == told
    assert warnings_for(load_recipe(recipe), {"val", "test"}) == [told]
    assert warnings_for(load_recipe(written(tmp_path, loss="other_loss")), {"val", "test"}) == []
    assert warnings_for(load_recipe(written(tmp_path)), {"val", "test"}) == []


# Recipes


def test_a_recipe_names_the_files_of_the_parts_it_uses(tmp_path: Path) -> None:
    used, idle = plugin(tmp_path / "used.py", "used"), plugin(tmp_path / "idle.py", "idle")
    recipe = load_recipe(written(tmp_path, loss="used"), plugins=[used, idle])
    assert recipe.plugins == [used]
    assert [found.name for found in used_plugins(recipe)] == ["used"]
    assert load_recipe(written(tmp_path), plugins=[used]).plugins == []


def test_a_recipe_s_own_plugins_count_as_used(tmp_path: Path) -> None:
    path = plugin(tmp_path / "all" / "listed.py", "listed")
    recipe = load_recipe(written(tmp_path, more="plugins: [all]\n"))
    assert recipe.plugins == [tmp_path / "all"]
    assert [found.path for found in used_plugins(recipe)] == [path]


# segkit's own parts


def test_builtins_are_there_when_they_are_asked_for(tmp_path: Path) -> None:
    code = (
        "import segkit\n"
        "print(segkit.DECODERS.get('unet').name, segkit.LOSSES.names()[0], segkit.METRICS.own()[0].name)\n"
        "print(len(segkit.ENCODERS.families), segkit.TRANSFORMS.get('HorizontalFlip').kind)\n"
        "@segkit.OPTIMIZERS.register('adamw')\n"
        "def mine(groups): ...\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "unet bce boundary_iou\n1 transform\n"
    # Their names are taken even before anything was asked for.
    assert "Error: <string>:4: optimizer 'adamw' is already registered at " in done.stderr


def test_builtins_import_nothing_slow() -> None:
    slow = ["torch", "torchvision", "timm", "segmentation_models_pytorch", "albumentations", "cv2"]
    slow += ["scipy", "matplotlib", "rich", "urllib.request"]
    code = (
        "import sys; from segkit.core.registry import REGISTRIES; "
        "assert all(registry.names() for registry in REGISTRIES.values()); "
        f"print([name for name in {slow} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
