"""What is wrong with a plugin, in the words that its author reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from segkit.core.errors import PartError, RecipeError
from segkit.core.plugins import load_plugin, load_plugins_here, loaded_plugins
from segkit.core.registry import REGISTRIES
from segkit.recipe import load_recipe
from tests.plugin_cases import LOSS, plugin, told
from tests.recipe.cases import written

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
        "mine.py:4: loss 'mine' takes **options, which would accept misspelt options\n"
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
        "mine.py:4: loss 'mine' has an option 'weight', a reserved key of every loss\n"
        "  try: rename it; reserved: name, weight",
    ),
    "no_name": (
        LOSS.replace('("{name}")', ""),
        'mine.py:4: a loss is registered without a name\n  try: write @LOSSES.register("loss")',
    ),
    "no_name_for_a_part": (
        LOSS.replace("{name}", "my-loss"),
        "mine.py:4: 'my-loss' is not a valid name for a loss\n"
        "  try: use letters, digits and _, starting with a letter",
    ),
    "name_of_a_built_in": (
        LOSS.replace("{name}", "dice"),
        "mine.py:4: loss 'dice' is already registered at DICE\n  try: choose another name",
    ),
    "name_of_a_family": (
        LOSS.replace("LOSSES", "TRANSFORMS").replace("{name}", "Rotate").replace("task, ", ""),
        "mine.py:4: transform 'Rotate' is already registered at ROTATE\n  try: choose another name",
    ),
    "unknown_trait": (
        LOSS.replace('"{name}"', '"{name}", features="last"'),
        "mine.py:4: loss 'mine' declares unknown traits: features\n  try: allowed: nothing",
    ),
    "fails": (
        LOSS + "\n\nWIDTH = int('three')\n",
        "mine.py:13: the plugin fails on import: ValueError: invalid literal for int() with "
        "base 10: 'three'\n  try: reproduce it with python mine.py",
    ),
    "syntax": (
        LOSS + "\n\ndef broken(:\n",
        "mine.py:13: the plugin fails on import: SyntaxError: invalid syntax\n"
        "  try: reproduce it with python mine.py",
    ),
    "missing_package": (
        "import package_that_is_nowhere.deep\n",
        "mine.py:1: the plugin fails on import: ModuleNotFoundError: No module named "
        "'package_that_is_nowhere'\n"
        "  try: python -m pip install package_that_is_nowhere (the package may have another name)",
    ),
    "ends_the_program": (
        LOSS + "\n\nraise SystemExit(3)\n",
        "mine.py:13: the plugin fails on import: it exits the program\n"
        '  try: put code that runs as a program under: if __name__ == "__main__"',
    ),
    "nothing": (
        LOSS.replace("@LOSSES", "# @LOSSES"),
        "mine.py: the plugin registers no part\n"
        '  try: put a decorator before each of its parts: @DECODERS.register("its_name")',
    ),
}


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
    with pytest.raises(
        PartError, match=r"try: the module is in the plugin's folder: from \._blocks import \.\.\."
    ):
        load_plugin(path)


def test_a_lookup_that_misses_tells_of_plugins_that_registered_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plugin(tmp_path / "plugins" / "mine.py", text=LOSS.replace("@LOSSES", "# @LOSSES"))
    load_plugins_here()
    with pytest.raises(RecipeError, match=r"; mine\.py registers nothing: is @LOSSES\.register missing\?"):
        load_recipe(written(tmp_path, loss="mine"))


def test_an_option_that_no_recipe_can_hold_is_the_part_s_fault(tmp_path: Path) -> None:
    path = plugin(tmp_path / "mine.py", text=LOSS.replace("width: int = 3", "width: type(LOSSES)"))
    recipe = written(tmp_path, loss="{name: mine, width: 3}")
    with pytest.raises(
        PartError, match="loss 'mine': option 'width' is of type Registry, which is not allowed in a recipe"
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
        "b.py:5: loss 'mine' is already registered at a.py:4\n  try: choose another name"
    )


def test_what_is_no_plugin(tmp_path: Path) -> None:
    with pytest.raises(PartError, match=r"plugin not found\n  try: give a \.py file or a folder of them"):
        load_plugin(tmp_path / "nowhere.py")
    with pytest.raises(PartError, match=r"the folder contains no plugins\n  try: put a \.py file there"):
        load_plugin(tmp_path)


def test_what_is_no_python_file_is_not_even_read(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not mine")
    with pytest.raises(
        PartError, match=r"notes\.txt: not a Python file\n  try: give a \.py file or a folder"
    ):
        load_plugin(tmp_path / "notes.txt")


@pytest.mark.posix("a file that root cannot read either")
def test_a_plugin_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").symlink_to("/proc/self/mem")
    with pytest.raises(PartError, match=r"mine\.py: the plugin cannot be read: Input/output error"):
        load_plugin(tmp_path)


def test_code_in_a_run_directory_is_never_run(tmp_path: Path) -> None:
    path = plugin(tmp_path / "code" / "mine.py", text=f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    for name in ("environment.json", "metrics.jsonl"):
        (tmp_path / name).touch()
    with pytest.raises(PartError) as caught:
        load_plugin(path)
    assert told(caught.value, tmp_path) == (
        f"code/mine.py: the plugin lies in the run directory {tmp_path}; "
        "code in a run directory is never executed\n"
        "  try: read it, and copy it elsewhere if you trust it"
    )
    assert not (tmp_path / "ran").exists()


def test_what_a_plugin_prints_does_not_reach_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_plugin(plugin(tmp_path / "loud.py", text="print('loud')\n" + LOSS))
    assert capsys.readouterr() == ("", "loud\n")
