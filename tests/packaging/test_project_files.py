"""Files about the project: the name to install by, the version, the changelog."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from segkit.version import __version__

ROOT = Path(__file__).parents[2]
TEXT = {".cff", ".j2", ".md", ".py", ".toml", ".yaml", ".yml", ".ipynb", ""}
FOLDERS = (".ci", ".github", "docs", "plugins", "recipes", "segkit", "tests")
# A package `segkit` as an argument of pip, uv or pipx; on the package index this is another project.
INSTALL = r"(?:pipx?|uv pip) (?:install|download|run)|uv add|uvx"
OTHER_PROJECT = re.compile(rf"\b(?:{INSTALL})(?: [^\s&|;]+)*? [\"']?segkit(?![\w-])")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def texts() -> dict[str, str]:
    """All text files by path."""
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*")]
    files += [file for file in ROOT.iterdir() if not file.name.startswith(".git")]
    files = [file for file in files if file.is_file() and file.suffix in TEXT and file != Path(__file__)]
    return {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files}


def test_no_file_installs_the_package_of_the_same_name_on_the_index() -> None:
    found = texts()
    assert {"README.md", "noxfile.py", "docs/guide.md", "segkit/version.py"} <= found.keys()
    assert [file for file, text in found.items() if OTHER_PROJECT.search(text)] == []


@pytest.mark.parametrize(
    "command", ["pip install segkit", "uv add 'segkit[onnx]'", 'pipx install -q "segkit==1"']
)
def test_such_a_command_would_be_found(command: str) -> None:
    assert OTHER_PROJECT.search(command)


@pytest.mark.parametrize("command", ["pip install . && segkit run", "pip install 'segkit-torch[onnx]'"])
def test_other_commands_are_not_found(command: str) -> None:
    assert not OTHER_PROJECT.search(command)


def test_extras_name_the_project_itself() -> None:
    extras = PROJECT["optional-dependencies"]
    own = {requirement.partition("[")[0] for extra in extras.values() for requirement in extra}
    assert {name for name in own if re.match(r"segkit\b", name)} == {PROJECT["name"]} == {"segkit-torch"}


def test_the_version_stands_in_one_place() -> None:
    assert "version" not in PROJECT
    assert PROJECT["dynamic"] == ["version"]
    stated = re.compile(r"^__version__ = |^version: ", re.MULTILINE)
    own = {file: text for file, text in texts().items() if not file.startswith(("tests/", ".github/"))}
    assert [file for file, text in own.items() if stated.search(text)] == ["segkit/version.py"]


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d+)\.(\d+)\.(\d+)\] - (Unreleased|\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    assert len(versions) == len(re.findall(r"^## ", text, re.MULTILINE))
    numbers = [tuple(map(int, version[:3])) for version in versions]
    assert ".".join(versions[0][:3]) == __version__
    assert numbers == sorted(set(numbers), reverse=True)
    assert all(version[3] != "Unreleased" for version in versions[1:])
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= {
        "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"
    }  # fmt: skip
