from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from segkit.errors import PartError
from segkit.plugins import BUILTINS, load_builtins, load_plugin, loaded_plugins
from segkit.registry import LOSSES

PART = '''\
from segkit.registry import LOSSES


@LOSSES.register("{name}")
def loss(task, *, weight_of_nothing: float = 1.0):
    """A loss.

    Args:
        weight_of_nothing: nothing.
    """
'''


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = dict(LOSSES._entries)
    yield
    LOSSES._entries.clear()
    LOSSES._entries.update(before)


def plugin(path: Path, name: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PART.format(name=name))
    return path


def test_a_file_is_loaded_once_and_its_digest_kept(tmp_path: Path) -> None:
    path = plugin(tmp_path / "mine.py", "from_a_file")
    load_plugin(path)
    load_plugin(path)
    entry = LOSSES.get("from_a_file")
    assert entry is not None
    assert entry.where == f"{path}:4"
    assert len(loaded_plugins()[str(path)]) == 64


def test_a_folder_with_an_init_is_one_plugin_and_may_import_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").write_text("from .parts import loss\n")
    plugin(tmp_path / "own" / "parts.py", "from_a_package")
    load_plugin(tmp_path / "own")
    assert LOSSES.get("from_a_package")


def test_a_folder_without_an_init_holds_plugins(tmp_path: Path) -> None:
    plugin(tmp_path / "all" / "one.py", "one_of_many")
    plugin(tmp_path / "all" / "two" / "__init__.py", "two_of_many")
    plugin(tmp_path / "all" / "_left_out.py", "left_out")
    load_plugin(tmp_path / "all")
    assert LOSSES.get("one_of_many")
    assert LOSSES.get("two_of_many")
    assert LOSSES.get("left_out") is None


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("import os\nraise ValueError('no')\n", 2, "the plugin fails while it is imported: ValueError: no"),
        ("def f(:\n", 0, "the plugin fails while it is imported: SyntaxError"),
        ("import a_module_that_is_nowhere\n", 1, "ModuleNotFoundError: No module named"),
    ],
)
def test_a_plugin_that_fails_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(PartError, match=problem) as caught:
        load_plugin(path)
    assert caught.value.problems[0].file == (f"{path}:{line}" if line else str(path))
    assert str(path) not in loaded_plugins()


def test_a_part_that_breaks_the_contract_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(PART.format(name="broken").replace(": float", ""))
    with pytest.raises(PartError, match="loss 'broken': option 'weight_of_nothing' has no type"):
        load_plugin(path)


def test_what_is_no_plugin(tmp_path: Path) -> None:
    with pytest.raises(PartError, match=r"there is no such plugin\n  try: a \.py file or a folder of them"):
        load_plugin(tmp_path / "nowhere.py")
    with pytest.raises(PartError, match=r"there is no plugin in this folder\n  try: put a \.py file there"):
        load_plugin(tmp_path)


def test_builtins_import_nothing_slow() -> None:
    slow = ["torch", "torchvision", "timm", "albumentations", "cv2", "scipy", "matplotlib", "rich"]
    code = (
        "import sys; from segkit.plugins import load_builtins; load_builtins(); "
        f"print([name for name in {slow} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_builtin_says_what_each_option_means() -> None:
    from segkit.registry import REGISTRIES

    load_builtins()
    assert len(BUILTINS) == len(set(BUILTINS))
    for registry in REGISTRIES.values():
        for entry in registry.own():
            assert entry.summary, entry.name
            assert [option.name for option in entry.options.values() if not option.meaning] == [], entry.name
