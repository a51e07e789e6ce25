"""Plugins of installed packages: a new one, in an environment of its own, and a broken one."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import segkit
from segkit import cli
from segkit.cli.scaffold import new_plugin
from segkit.core import plugins
from tests.environments import Done, call, fresh_python, printed
from tests.recipe.cases import written

pytestmark = pytest.mark.slow

PACKAGE = "segkit-mydec 0.1.0"
DATA = "{source: {name: synthetic_lesions, train: 4, test: 2, size: 64}, size: [64, 64]}"
MODEL = "{encoder: {name: test_resnet, weights: none}, decoder: transposed_conv}"
ROOT = Path(segkit.__file__).parents[1]  # segkit may be a checkout


# A new plugin, installed


@dataclass
class Installed:
    """A working directory with a new plugin in it, and the Python that the plugin is installed in."""

    python: Path
    folder: Path

    @property
    def plugin(self) -> Path:
        return self.folder / "made" / "mydec"

    def install(self) -> None:
        words = ("install", "--no-deps", "--no-build-isolation", "--no-index", str(self.plugin))
        printed(self.python, "pip", *words, folder=self.folder)

    def segkit(self, *words: str) -> Done:
        return call(self.python, "segkit", *words, folder=self.folder)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """A fresh environment that takes all but the plugin from the one that runs the tests."""
    root = tmp_path_factory.mktemp("installed")
    fresh = Installed(fresh_python(root, ROOT), root)
    new_plugin("decoder", "mydec", root / "made")
    recipe = fresh.plugin / "recipe.yaml"
    text = recipe.read_text(encoding="utf-8")
    (root / "recipe.yaml").write_text(re.sub("plugins: .*", "plugins: []", text), encoding="utf-8")
    fresh.install()
    return fresh


def test_making_a_package_leaves_nothing_in_the_plugin_s_folder(installed: Installed) -> None:
    """A build folder's copies of the modules would count as code of the plugin."""
    names = {"__init__.py", "_mydec.py", "recipe.yaml", "test_mydec.py", "pyproject.toml", "README.md"}
    assert {path.name for path in installed.plugin.iterdir()} == names


def test_an_installed_plugin_is_listed(installed: Installed) -> None:
    done = installed.segkit("list", "decoders")
    assert f"mydec from {PACKAGE} (installed)" in done.stderr
    assert re.search(r"^  mydec +Project all maps to one width, ", done.stdout, re.MULTILINE)


def test_an_installed_plugin_is_explained(installed: Installed) -> None:
    done = installed.segkit("show", "decoder", "mydec")
    assert "channels of the output map" in done.stdout


def test_a_recipe_trains_an_installed_plugin_and_the_run_names_its_package(installed: Installed) -> None:
    fewer = ("--set", "training.epochs=1", "--set", "data.source.train=8", "--set", "data.source.test=2")
    done = installed.segkit("run", "recipe.yaml", *fewer)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((installed.folder / "runs" / "mydec" / "001" / "environment.json").read_text())
    (plugin,) = record["plugins"]
    assert (plugin["name"], plugin["door"], plugin["package"]) == ("mydec", "installed", PACKAGE)
    assert plugin["parts"] == ["decoder mydec"]
    assert Path(plugin["path"]).is_relative_to(installed.python.parents[1].resolve())


def test_an_installed_plugin_keeps_its_contract(installed: Installed) -> None:
    done = installed.segkit("test-plugin", "mydec", "--json")
    told = json.loads(done.stdout)
    failed = [check for check in told["checks"] if not check["ok"]]
    assert (done.returncode, told["ok"], failed) == (0, True, [])
    assert {check["part"] for check in told["checks"]} == {"decoder mydec"}


def test_without_its_package_the_recipe_names_what_is_missing(installed: Installed) -> None:
    printed(installed.python, "pip", "uninstall", "--yes", "segkit-mydec", folder=installed.folder)
    try:
        done = installed.segkit("check", "recipe.yaml")
    finally:
        installed.install()  # other tests of this environment may come later
    assert (done.returncode, done.stdout) == (2, "")
    lines = (installed.folder / "recipe.yaml").read_text().splitlines()
    line = next(number for number, line in enumerate(lines, 1) if line == "    name: mydec")
    problem = f"recipe.yaml:{line}: model.decoder.name: no decoder is called 'mydec'"
    assert done.stderr.partition(", allowed:")[0] == problem


# A broken one


@dataclass
class Broken:
    """An installed plugin that fails when it is imported, and leaves a trace of that."""

    folder: Path

    @property
    def module(self) -> Path:
        return self.folder / "site" / "broken_plugin.py"

    @property
    def was_imported(self) -> bool:
        return (self.folder / "imported").exists()

    @property
    def told(self) -> str:
        return (
            f"{self.module}:2: the installed plugin 'broken' (broken 1.0) is not loaded: "
            "the plugin fails on import: ZeroDivisionError: division by zero\n"
            f"  try: reproduce it with python {self.module}\n"
        )

    def segkit(self, *words: str) -> Done:
        return call(sys.executable, "segkit", *words, folder=self.folder, more={"PYTHONPATH": self.path})

    @property
    def path(self) -> str:
        """The broken package first, then segkit."""
        return os.pathsep.join([str(self.module.parent), str(ROOT)])


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    """As pip would leave it behind."""
    about = tmp_path / "site" / "broken-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[segkit.plugins]\nbroken = broken_plugin\n")
    plugin = Broken(tmp_path)
    plugin.module.write_text(f"open({str(tmp_path / 'imported')!r}, 'w').close()\n1 / 0\n")
    return plugin


def test_listing_tells_of_a_broken_installed_plugin_and_lists_the_rest(broken: Broken) -> None:
    done = broken.segkit("list", "losses")
    assert done.returncode == 0
    assert done.stderr.endswith(broken.told)
    assert "  dice " in done.stdout
    assert "broken" not in done.stdout


def test_a_recipe_of_built_in_parts_knows_nothing_of_a_broken_installed_plugin(
    broken: Broken, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = written(broken.folder, data=DATA, model=MODEL)
    monkeypatch.chdir(broken.folder)
    monkeypatch.syspath_prepend(broken.module.parent)
    monkeypatch.setattr(plugins.entry_points, "_broken", None)
    monkeypatch.setattr(sys, "argv", ["segkit", "check", recipe.name])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == 0, said.err
    assert "broken" not in said.out + said.err
    assert not broken.was_imported


def test_an_unknown_part_is_told_with_the_broken_installed_plugin_that_may_have_it(broken: Broken) -> None:
    model = MODEL.replace("transposed_conv", "brokn")
    done = broken.segkit("check", written(broken.folder, model=model).name)
    assert (done.returncode, done.stdout) == (2, "")
    assert broken.was_imported
    assert done.stderr.startswith("2 problems:\n")
    assert "\nrecipe.yaml:3: model.decoder.name: no decoder is called 'brokn', allowed: " in done.stderr
    assert f"\n{broken.told}" in done.stderr
