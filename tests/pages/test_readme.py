"""What README and the documentation tell users to type is typed here."""

import os
import re
import shlex
from pathlib import Path
from shutil import copytree

import pytest

from segkit.recipe import load_recipe
from tests.commands import segkit
from tests.pages.test_tutorials import is_tutorial

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("plugins/*/README.md"))]
ABOUT = sorted(ROOT.glob("[A-Z]*.md"))  # changelog and the like
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page.relative_to(ROOT).as_posix(), block)
        for page in PAGES
        if not is_tutorial(page)
        for kind, block in BLOCK.findall(page.read_text())
        if kind == language
    ]


# Fetching is a download of 1 GB; tests/data/download/test_fetch.py does it from a local server. Public data
# sets are not there; tests/recipe/test_dataset_recipes.py draws pictures in their formats.
COMMANDS = [
    (page, lines)
    for page, block in blocks("bash")
    if page != "docs/datasets.md"
    if (
        lines := [
            line
            for line in block.replace("\\\n", " ").splitlines()
            if line.startswith("segkit ") and "data fetch" not in line
        ]
    )
]


@pytest.fixture
def workplace(tmp_path):
    """A copy of what commands name, so that runs do not land in the checkout."""
    for name in ("recipes", "plugins"):
        copytree(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(("page", "lines"), COMMANDS, ids=[lines[0] for _, lines in COMMANDS])
def test_commands_of_the_documentation_work(page, lines, workplace):
    first = "segkit run recipes/quickstart.yaml"
    if "runs/quickstart/001" in "".join(lines) and first not in lines:
        lines = [first, *lines]
    for line in lines:
        home = os.environ.get("SEGKIT_TEST_DATA", str(workplace / "home"))
        said = segkit(shortened(line), workplace, home)
        assert said.code == 0, f"{line}\n{said.err}"


def shortened(line):
    """The words of a command, with little to train on."""
    words = shlex.split(line)[1:]
    if ">" in words:
        words = words[: words.index(">")]
    if words[0] in ("run", "compare", "cv") and "isic" in line and "--demo" not in words:
        if "SEGKIT_TEST_DATA" not in os.environ:
            pytest.skip("SEGKIT_TEST_DATA is not set: no ISIC images")
        # Twenty epochs are measured in docs/results.md.
        words = ["check", *(words[1:] if words[0] == "run" else words[1:2])]
    if words[0] in ("run", "compare", "cv", "tune", "bench"):
        source = "data.source={name: synthetic_lesions, train: 8, val: 4, test: 4}"
        for override in ("training.epochs=1", source, "data.size=[64, 64]"):
            words += ["--set", override]
    if "--trials" in words:
        words[words.index("--trials") + 1] = "1"
    if "--seeds" in words:
        words[words.index("--seeds") + 1] = "0"
    if "--folds" in words:
        words[words.index("--folds") + 1] = "2"
    if words[0] == "compare":
        words += ["--no-measure", "--set", "model.encoder.weights=none"]
    return words


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_recipe_of_the_documentation_is_none_with_mistakes(page, text, tmp_path):
    text = text.replace("../plugins", str(ROOT / "plugins"))
    if "\nmodel:" not in text or "\ndata:" not in text:
        text = f"extends: {ROOT / 'recipes' / 'quickstart.yaml'}\n{text}"
    if text.count("\nloss:") > 1:  # a page that shows several ways to write one key
        text = text[: text.index("\nloss:")]
    (tmp_path / "recipe.yaml").write_text(text)
    load_recipe(tmp_path / "recipe.yaml")


def test_first_two_blocks_are_the_two_commands():
    first, second = (block.strip() for _, block in blocks("bash")[:2])
    assert first == "python -m pip install . && segkit run recipes/quickstart.yaml"
    assert second == "python -m pip install -e '.[test]' && pytest"


@pytest.mark.parametrize("page", [*PAGES[1:], *ABOUT], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target
