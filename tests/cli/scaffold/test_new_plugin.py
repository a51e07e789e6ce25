"""new_plugin: what is written, that it is clean, trains and keeps its contract, and what is refused."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segkit.cli.scaffold import KINDS, new_plugin
from segkit.cli.scaffold.names import MAX_LENGTH
from segkit.core.errors import SegkitError
from segkit.core.events import RunEnded
from segkit.core.plugins import load_plugin
from segkit.core.registry import REGISTRIES
from segkit.experiments.run import run
from segkit.recipe import load_recipe
from segkit.testing import plugin_checks

ROOT = Path(__file__).parents[3]
FEW = ["data.source.train=8", "data.source.val=4", "data.source.test=4", "training.epochs=1"]
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a new plugin of every kind with a template; that of a decoder is called my_decoder."""
    folder = tmp_path_factory.mktemp("new") / "plugins"
    for kind in KINDS:
        new_plugin(kind, f"my_{kind}", folder)
    return folder


def python(*words: object, cwd: Path = ROOT) -> str:
    """Run a module of Python, and what it prints where it fails."""
    done = subprocess.run([sys.executable, "-m", *map(str, words)], capture_output=True, text=True, cwd=cwd)
    return done.stdout + done.stderr if done.returncode else ""


def test_new_plugin_gives_the_folder_and_then_its_files(tmp_path: Path) -> None:
    into = tmp_path / "not" / "yet"
    written = new_plugin("decoder", "mydec", into)
    assert written[0] == into / "mydec"
    assert [file.name for file in written[1:]] == [
        "__init__.py", "_mydec.py", "recipe.yaml", "test_mydec.py", "pyproject.toml", "README.md"
    ]  # fmt: skip
    assert sorted(written[1:]) == sorted((into / "mydec").iterdir())
    assert list(into.iterdir()) == [into / "mydec"]


def test_new_plugin_has_the_rights_of_any_other_folder(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    folder = new_plugin("loss", "myloss", tmp_path)[0]
    assert folder.stat().st_mode == (tmp_path / "other").stat().st_mode


@EVERY_KIND
def test_new_plugin_takes_the_plural_too(kind: str, tmp_path: Path) -> None:
    folder = new_plugin(REGISTRIES[kind].plural, "mine", tmp_path)[0]
    load_plugin(folder)
    assert REGISTRIES[kind].get("mine") is not None


def test_function_and_class_are_called_after_the_part(plugins: Path) -> None:
    part, module = (plugins / "my_decoder" / file for file in ("__init__.py", "_my_decoder.py"))
    assert '@DECODERS.register("my_decoder", features="all")\ndef my_decoder(\n' in part.read_text("utf-8")
    assert "class MyDecoder(nn.Module):" in module.read_text("utf-8")


def test_readme_names_the_folder_as_the_user_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    readme = new_plugin("encoder", "myenc", Path("my plugins"))[-1].read_text(encoding="utf-8")
    assert readme.startswith("# myenc\n\nAn encoder for segkit.")
    folder = '"my plugins/myenc"' if sys.platform == "win32" else "'my plugins/myenc'"
    for words in (
        f"segkit run {folder}/recipe.yaml",
        f"segkit test-plugin {folder}",
        f"pytest {folder}",
        f"segkit show encoder myenc --plugins {folder}",
    ):
        assert f"\n{words}\n" in readme


@pytest.mark.parametrize("length", [1, 10, MAX_LENGTH])
def test_new_plugins_are_clean_under_ruff(length: int, tmp_path: Path) -> None:
    for number, kind in enumerate(KINDS):
        name = f"{'qvwx'[number]}{'_of_a_long_name' * 3}"[:length].rstrip("_")
        new_plugin(kind, name + "n" * (length - len(name)), tmp_path)
    settings = ("--no-cache", "--config", ROOT / "pyproject.toml")
    assert python("ruff", "check", *settings, tmp_path) == ""
    assert python("ruff", "format", "--check", *settings, tmp_path) == ""


@pytest.mark.slow
def test_new_plugins_are_clean_under_mypy(plugins: Path) -> None:
    """As strictly as segkit itself, so that a plugin can become a built-in part."""
    settings = ("--config-file", ROOT / "pyproject.toml", "--cache-dir", plugins.parent / "cache")
    assert python("mypy", *settings, *(f"my_{kind}" for kind in KINDS), cwd=plugins) == ""


@pytest.mark.slow
@EVERY_KIND
def test_listing_a_new_plugin_does_not_import_torch(kind: str, plugins: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from segkit.core.plugins import load_plugin; "
        f"load_plugin(Path({str(plugins / f'my_{kind}')!r})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
@EVERY_KIND
def test_a_new_plugin_trains(kind: str, plugins: Path, tmp_path: Path) -> None:
    recipe = load_recipe(plugins / f"my_{kind}" / "recipe.yaml", FEW)
    *_, end = run(recipe, tmp_path)
    assert isinstance(end, RunEnded)
    environment = (end.directory / "environment.json").read_text(encoding="utf-8")
    assert f'"{kind} my_{kind}"' in environment
    assert all(score == score for score in end.summary.scores.metrics.values())


@EVERY_KIND
def test_the_recipe_writes_out_every_option_with_its_default(kind: str, plugins: Path) -> None:
    file = plugins / f"my_{kind}" / "recipe.yaml"
    part = next(part for part in load_recipe(file).parts() if part.name == f"my_{kind}")
    entry = REGISTRIES[kind].get(f"my_{kind}")
    assert entry is not None
    text = file.read_text(encoding="utf-8")
    assert entry.options
    for name, option in entry.options.items():
        assert re.search(rf"^ +{name}: ", text, re.MULTILINE), name
        assert part.options[name] == option.default


@EVERY_KIND
def test_a_new_plugin_keeps_the_contract_of_its_kind(kind: str, plugins: Path) -> None:
    checks = plugin_checks(plugins / f"my_{kind}")
    assert checks
    for check in checks:
        check()


@pytest.mark.slow
def test_tests_of_new_plugins_pass(plugins: Path) -> None:
    words = ("pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-k", "not contract")
    assert python(*words, "-c", "/dev/null", ".", cwd=plugins) == ""


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SegkitError) as caught:
        new_plugin("decodr", "mydec", tmp_path)
    assert str(caught.value) == (
        "unknown kind of part 'decodr'\n  try: did you mean 'decoder'? kinds: "
        "encoders, decoders, losses, metrics, sources, transforms, optimizers, schedules, recipe"
    )


@pytest.mark.parametrize("kind", [kind for kind in REGISTRIES if kind not in KINDS])
def test_a_kind_without_a_template_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(SegkitError) as caught:
        new_plugin(kind, "mine", tmp_path)
    assert str(caught.value) == (
        f"segkit new has no template for {kind}s, only for encoder, decoder, loss, metric\n"
        f"  try: docs/contracts.md describes the contract of {kind}s"
    )
    assert list(tmp_path.iterdir()) == []


def file(path: Path) -> None:
    path.write_text("mine")


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, file, pytest.param(dangling, marks=pytest.mark.posix("links need a privilege there"))],
)
def test_what_is_there_already_is_left_alone(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "mydec")
    before = (tmp_path / "mydec").lstat()
    with pytest.raises(SegkitError) as caught:
        new_plugin("decoder", "mydec", tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'mydec'}: this already exists"
        "\n  try: choose another name, or another folder: --into DIR"
    )
    assert (tmp_path / "mydec").lstat() == before
    assert list(tmp_path.iterdir()) == [tmp_path / "mydec"]


@pytest.mark.parametrize(
    ("kind", "name", "where"),
    [
        ("loss", "dice", r"segkit/parts/losses/overlap\.py:\d+"),
        ("encoder", "resnet18", r"timm/models/resnet\.py:\d+"),
    ],
)
def test_the_name_of_a_registered_part_is_refused(kind: str, name: str, where: str, tmp_path: Path) -> None:
    with pytest.raises(SegkitError) as caught:
        new_plugin(kind, name, tmp_path)
    assert re.fullmatch(
        rf"\S+{where}: {kind} '{name}' is already registered"
        rf"\n  try: choose another name; 'segkit list {REGISTRIES[kind].plural}' lists the names in use",
        str(caught.value),
    )
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_a_loaded_plugin_is_refused(plugins: Path, tmp_path: Path) -> None:
    load_plugin(plugins / "my_metric")
    with pytest.raises(SegkitError, match=r"my_metric/__init__\.py:\d+: metric 'my_metric' is already"):
        new_plugin("metric", "my_metric", tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    file(tmp_path / "plugins")
    with pytest.raises(SegkitError) as caught:
        new_plugin("decoder", "mydec", tmp_path / "plugins")
    assert str(caught.value) == (
        f"{tmp_path / 'plugins' / 'mydec'}: cannot write the plugin: File exists"
        "\n  try: choose a writable folder: --into DIR"
    )


def test_nothing_is_left_of_a_plugin_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_text

    def full(path: Path, *words: str, **options: str) -> int:
        if path.name == "README.md":
            raise OSError(28, "No space left on device")
        return write(path, *words, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(SegkitError, match=r"mydec: cannot write the plugin: No space left on device"):
        new_plugin("decoder", "mydec", tmp_path)
    assert list(tmp_path.iterdir()) == []
