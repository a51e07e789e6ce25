"""The doors through which parts come in, and what is said when one does not fit."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segkit.errors import PartError, RecipeError
from segkit.plugins import (
    BUILTINS,
    Plugin,
    broken_plugins,
    find,
    installed,
    leave_installed_out,
    load,
    load_builtins,
    load_installed,
    load_plugin,
    load_plugins_here,
    loaded_plugins,
)
from segkit.recipe import load_recipe, used_plugins
from segkit.registry import LOSSES, REGISTRIES

from .recipe.cases import written

LOSS = '''\
from segkit import LOSSES


@LOSSES.register("{name}")
def loss(task, *, width: int = 3):
    """A loss.

    Args:
        width: of nothing.
    """
'''


@pytest.fixture(autouse=True)
def asked_nobody_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "_broken", None)


def plugin(path: Path, name: str = "mine", text: str = LOSS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("{name}", name))
    return path


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
    assert (found.parts, found.package, found.origin) == ((("loss", "mine"),), "", str(path))
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
    from segkit.plugins.plugin import source_digest

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
        "plugins/mine.py:1: the plugin fails while it is imported: ZeroDivisionError: division by zero\n"
        "  try: python plugins/mine.py shows it too; "
        "--no-plugins leaves the plugins of the working directory out"
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
    assert json.loads(json.dumps(found.as_json()))["parts"] == ["loss wavy_loss"]


def test_installed_plugins_can_be_left_out(install: Callable[..., Path]) -> None:
    install("left_out_loss")
    leave_installed_out()
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
        "plugin fails while it is imported: AttributeError: module 'os' has no attribute 'nothing'\n"
        "  try: python site/broken_loss.py shows it too",
        "the installed plugin 'lost_loss' (lost_loss 0.3) is not loaded: there is no module nowhere_loss\n"
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
    assert only_plugin().parts == (("loss", "hand_loss"),)
    monkeypatch.setattr(load, "_loaded", {})
    load_plugin(path)
    assert only_plugin().parts == (("loss", "hand_loss"),)


def test_a_copy_of_an_installed_plugin_is_told(install: Callable[..., Path], tmp_path: Path) -> None:
    path = install("copied_loss")
    load_installed()
    copy = plugin(tmp_path / "copy.py", "copied_loss")
    with pytest.raises(PartError) as caught:
        load_plugin(copy)
    assert told(caught.value, tmp_path) == (
        f"copy.py: the plugin is loaded already: it is a copy of {path.relative_to(tmp_path)}\n"
        "  try: keep one of the two; the other came in by the installed package"
    )


# What is wrong with a plugin, in the words that its author reads

BROKEN = {
    "wrong_given": (
        LOSS.replace("loss(task", "loss(goal"),
        "mine.py:4: loss 'mine' has the positional parameters (goal)\n"
        "  try: segkit gives every loss (task); put * before the options",
    ),
    "an_option_before_the_star": (
        LOSS.replace("task, *, ", "task, "),
        "mine.py:4: loss 'mine' has the positional parameters (task, width)\n"
        "  try: segkit gives every loss (task); put * before the options",
    ),
    "double_star": (
        LOSS.replace("*, width: int = 3", "**options"),
        "mine.py:4: loss 'mine' takes **options, which would swallow misspelt options\n"
        "  try: name every option as a keyword-only parameter with a type",
    ),
    "no_type": (
        LOSS.replace(": int = 3", "=3"),
        "mine.py:4: loss 'mine': option 'width' has no type\n  try: write width: int = ...",
    ),
    "unknown_type": (
        LOSS.replace(": int", ": 'Width'"),
        "mine.py:4: loss 'mine': the type of option 'width', Width, cannot be resolved "
        "(name 'Width' is not defined)\n"
        "  try: import the type at the top of the file, not under TYPE_CHECKING",
    ),
    "reserved_option": (
        LOSS.replace("width: int = 3", "weight: float = 1.0"),
        "mine.py:4: loss 'mine' has an option 'weight', which segkit itself asks about every loss\n"
        "  try: call it something else than name, weight",
    ),
    "no_name": (
        LOSS.replace('("{name}")', ""),
        'mine.py:4: a loss is registered without a name\n  try: write @LOSSES.register("loss")',
    ),
    "no_name_for_a_part": (
        LOSS.replace("{name}", "my-loss"),
        "mine.py:4: 'my-loss' is no name for a loss\n  try: letters, digits and _, a letter first",
    ),
    "name_of_a_built_in": (
        LOSS.replace("{name}", "dice"),
        "mine.py:4: loss 'dice' is already registered at DICE\n  try: give yours another name",
    ),
    "name_of_a_family": (
        LOSS.replace("LOSSES", "TRANSFORMS").replace("{name}", "Rotate").replace("task, ", ""),
        "mine.py:4: transform 'Rotate' is already registered at ROTATE\n  try: give yours another name",
    ),
    "unknown_trait": (
        LOSS.replace('"{name}"', '"{name}", features="last"'),
        "mine.py:4: loss 'mine' states features, which means nothing here\n  try: allowed: nothing",
    ),
    "fails": (
        LOSS + "\n\nWIDTH = int('three')\n",
        "mine.py:13: the plugin fails while it is imported: ValueError: invalid literal for int() with "
        "base 10: 'three'\n  try: python mine.py shows it too",
    ),
    "syntax": (
        LOSS + "\n\ndef broken(:\n",
        "mine.py:13: the plugin fails while it is imported: SyntaxError: invalid syntax\n"
        "  try: python mine.py shows it too",
    ),
    "missing_package": (
        "import package_that_is_nowhere.deep\n",
        "mine.py:1: the plugin fails while it is imported: ModuleNotFoundError: No module named "
        "'package_that_is_nowhere'\n"
        "  try: python -m pip install package_that_is_nowhere, or what it is called there",
    ),
    "ends_the_program": (
        LOSS + "\n\nraise SystemExit(3)\n",
        "mine.py:13: the plugin fails while it is imported: it ends the program\n"
        '  try: put what it does as a program under: if __name__ == "__main__"',
    ),
    "nothing": (
        LOSS.replace("@LOSSES", "# @LOSSES"),
        "mine.py: the plugin registers no part\n"
        '  try: put a decorator before each of its parts: @DECODERS.register("its_name")',
    ),
}


def told(error: PartError, folder: Path) -> str:
    """As a user reads it, paths shortened."""
    return str(error).replace(f"{folder}/", "")


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_told_with_its_line_and_what_to_try(
    tmp_path: Path, text: str, message: str
) -> None:
    path = plugin(tmp_path / "mine.py", text=text)
    before = {kind: registry.own() for kind, registry in REGISTRIES.items()}
    with pytest.raises(PartError) as caught:
        load_plugin(path)
    for place, (kind, name) in {"DICE": ("loss", "dice"), "ROTATE": ("transform", "Rotate")}.items():
        entry = REGISTRIES[kind].get(name)
        assert entry is not None
        message = message.replace(place, entry.where)
    assert told(caught.value, tmp_path) == message
    assert {kind: registry.own() for kind, registry in REGISTRIES.items()} == before
    assert loaded_plugins() == []


def test_a_module_beside_the_plugin_is_not_to_be_installed(tmp_path: Path) -> None:
    plugin(tmp_path / "_blocks.py", text="WIDTH = 3\n")
    path = plugin(tmp_path / "mine.py", text="from _blocks import WIDTH\n" + LOSS)
    with pytest.raises(PartError, match=r"try: it lies beside the plugin: from \._blocks import \.\.\."):
        load_plugin(path)


def test_a_lookup_that_misses_tells_of_plugins_that_registered_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plugin(tmp_path / "plugins" / "mine.py", text=LOSS.replace("@LOSSES", "# @LOSSES"))
    load_plugins_here()
    with pytest.raises(
        RecipeError, match=r"; mine\.py was read and registers nothing: has it lost its @LOSSES\.reg"
    ):
        load_recipe(written(tmp_path, loss="mine"))


def test_an_option_that_no_recipe_can_hold_is_the_part_s_fault(tmp_path: Path) -> None:
    path = plugin(tmp_path / "mine.py", text=LOSS.replace("width: int = 3", "width: type(LOSSES)"))
    recipe = written(tmp_path, loss="{name: mine, width: 3}")
    with pytest.raises(
        PartError, match="loss 'mine': option 'width' is of type Registry, which no recipe can hold"
    ):
        load_recipe(recipe, plugins=[path])


def test_a_recipe_may_name_one_plugin_without_a_list(tmp_path: Path) -> None:
    path = plugin(tmp_path / "mine.py")
    recipe = load_recipe(written(tmp_path, more="plugins: mine.py\n", loss="mine"))
    assert recipe.plugins == [path]


def test_a_name_taken_by_another_plugin_names_both_places(tmp_path: Path) -> None:
    first, second = plugin(tmp_path / "a.py"), plugin(tmp_path / "b.py", text="\n" + LOSS)
    load_plugin(first)
    with pytest.raises(PartError) as caught:
        load_plugin(second)
    assert told(caught.value, tmp_path) == (
        "b.py:5: loss 'mine' is already registered at a.py:4\n  try: give yours another name"
    )


def test_what_is_no_plugin(tmp_path: Path) -> None:
    with pytest.raises(PartError, match=r"there is no such plugin\n  try: a \.py file or a folder of them"):
        load_plugin(tmp_path / "nowhere.py")
    with pytest.raises(PartError, match=r"there is no plugin in this folder\n  try: put a \.py file there"):
        load_plugin(tmp_path)


def test_code_in_a_run_directory_is_never_run(tmp_path: Path) -> None:
    path = plugin(tmp_path / "code" / "mine.py", text=f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    for name in ("environment.json", "metrics.jsonl"):
        (tmp_path / name).touch()
    with pytest.raises(PartError) as caught:
        load_plugin(path)
    assert told(caught.value, tmp_path) == (
        f"code/mine.py: the plugin lies in the run directory {tmp_path}, "
        "and code in a run directory is never run\n"
        "  try: read it, and copy it elsewhere if you trust it"
    )
    assert not (tmp_path / "ran").exists()


def test_what_a_plugin_prints_does_not_reach_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_plugin(plugin(tmp_path / "loud.py", text="print('loud')\n" + LOSS))
    assert capsys.readouterr() == ("", "loud\n")


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


def test_builtins_import_nothing_slow() -> None:
    slow = ["torch", "torchvision", "timm", "albumentations", "cv2", "scipy", "matplotlib", "rich"]
    code = (
        "import sys; from segkit.plugins import load_builtins; load_builtins(); "
        f"print([name for name in {slow} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_builtins_are_listed_once() -> None:
    load_builtins()
    assert len(BUILTINS) == len(set(BUILTINS))
