from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import pytest
from pydantic import TypeAdapter

from segkit.core.paths import (
    RecipePath,
    Weights,
    cache_folder,
    home,
    ignores_case,
    is_reserved,
    is_weights_file,
    resolve,
)
from segkit.recipe.tree import Text


def test_home_is_what_the_user_says_or_a_cache_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "mine"))
    assert home() == tmp_path / "mine"
    monkeypatch.setenv("SEGKIT_HOME", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert home() == tmp_path / "cache" / "segkit"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".cache" / "segkit"
    monkeypatch.setenv("SEGKIT_HOME", "~/there")
    assert home() == tmp_path / "there"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("WHERE", "elsewhere")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "home" / "data" / "shared").mkdir(parents=True)
    (tmp_path / "recipes" / "recipe.yaml").touch()
    return str(tmp_path / "recipes" / "recipe.yaml")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("data/mine", "recipes/data/mine"),
        ("../data/mine", "data/mine"),
        ("./x/../y", "recipes/y"),
        ("data/shared", "home/data/shared"),
        ("../data/shared", "home/data/shared"),
        ("~/data", "me/data"),
        ("$WHERE/data", "recipes/elsewhere/data"),
        ("$NOWHERE_AT_ALL/data", "recipes/$NOWHERE_AT_ALL/data"),
        ("~nobody_of_that_name/data", "recipes/~nobody_of_that_name/data"),
    ],
)
def test_paths_count_from_the_recipe_or_from_home(
    tmp_path: Path, recipe: str, written: str, meant: str
) -> None:
    assert resolve(written, recipe) == tmp_path / meant


def test_what_is_beside_the_recipe_comes_first(tmp_path: Path, recipe: str) -> None:
    (tmp_path / "recipes" / "data" / "shared").mkdir(parents=True)
    assert resolve("data/shared", recipe) == tmp_path / "recipes" / "data" / "shared"


@pytest.mark.parametrize(("written", "stored"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_in_composed_and_decomposed_unicode_are_the_same(
    tmp_path: Path, recipe: str, written: str, stored: str
) -> None:
    folder = tmp_path / "recipes" / normalize(stored, "Jürgen") / normalize(written, "Müller")
    folder.mkdir(parents=True)
    assert resolve(normalize(written, "Jürgen/Müller"), recipe) == folder
    assert resolve(normalize(written, "Jürgen/Möller"), recipe).name == normalize(written, "Möller")


def test_values_from_the_command_line_count_from_the_current_folder(tmp_path: Path, recipe: str) -> None:
    assert resolve("mine", "--set data.source.root=mine") == tmp_path / "mine"
    assert resolve("/data/../x", recipe) == Path("/x")


def test_types_for_options_know_where_they_were_written(tmp_path: Path, recipe: str) -> None:
    def text(value: str) -> Text:
        written = Text(value)
        written.file = recipe
        return written

    assert TypeAdapter(RecipePath).validate_python(text("a")) == tmp_path / "recipes" / "a"
    weights = TypeAdapter(Weights)
    assert weights.validate_python(text("imagenet")) == "imagenet"
    assert weights.validate_python(text("a.pth")) == str(tmp_path / "recipes" / "a.pth")
    (tmp_path / "home" / "weights").mkdir()
    (tmp_path / "home" / "weights" / "b.pth").touch()
    assert weights.validate_python(text("b.pth")) == str(tmp_path / "home" / "weights" / "b.pth")


def test_weights_files_are_told_from_tags() -> None:
    files = ["a.safetensors", "b.pth", "c.pt", "d.bin", "e.tar", "f/g", "/h", "i\\j"]
    assert all(map(is_weights_file, files))
    assert not any(map(is_weights_file, ["none", "imagenet", "ra4_e3600_r224_in1k", "fb_in22k_ft_in1k"]))


def test_cache_has_a_place_of_its_own(monkeypatch, tmp_path):
    """Not in the shared folder, which may be read-only."""
    monkeypatch.setenv("SEGKIT_HOME", str(tmp_path / "shared"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("SEGKIT_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "segkit" / "cache"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    assert cache_folder() == tmp_path / "user" / ".cache" / "segkit" / "cache"
    monkeypatch.setenv("SEGKIT_CACHE", "$HOME/fast")
    assert cache_folder() == tmp_path / "user" / "fast"


def test_a_path_that_nothing_can_be_looked_for_at_is_refused(tmp_path: Path) -> None:
    for path in ("a" * 300, f"/{'a' * 300}/b", "a/" * 3000):
        with pytest.raises(ValueError, match=r"cannot access /.*: File name too long"):
            resolve(path, str(tmp_path / "recipe.yaml"))


@pytest.mark.posix("links need a privilege there")
def test_a_folder_that_is_found_in_other_case_ignores_it(tmp_path: Path) -> None:
    for name in ("Folder", "Other", "oTHER"):
        (tmp_path / name).mkdir()
    (tmp_path / "fOLDER").symlink_to("Folder")
    assert ignores_case(tmp_path / "Folder")
    assert ignores_case(tmp_path / "Folder" / "missing" / "too")
    assert not ignores_case(tmp_path / "Other")


@pytest.mark.parametrize(
    ("name", "reserved"),
    [
        ("con", True), ("Aux.png", True), ("NUL.tar.gz", True), ("com1", True), ("lpt\u00b9.txt", True),
        ("prn .txt", True), ("console", False),
        ("a.con", False), ("com", False), ("com10", False), ("", False),
    ],
)  # fmt: skip
def test_names_of_devices(name: str, reserved: bool) -> None:
    assert is_reserved(name) == reserved
