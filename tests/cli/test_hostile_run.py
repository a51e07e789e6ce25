"""A run directory that somebody made to do harm: every verb that takes a run, and the pages in a browser."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from segkit.runs.run_dir import RunDir, write_json
from tests.analysis.comparison.browser import FOUND, Browser
from tests.hostile import TEXT, pickled, spoil
from tests.small_runs import unreported

VERBS = (("report",), ("evaluate",), ("resume",), ("compare",), ("compare", "--measure"))
READ = {"report", "compare"}  # by them it is a run like any other: no part of it is built
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return unreported(tmp_path_factory.mktemp("good"))[0]


@pytest.fixture
def hostile(good: RunDir, tmp_path: Path) -> RunDir:
    shutil.copytree(good.path, tmp_path / "hostile" / "001")
    run = RunDir(tmp_path / "hostile" / "001")
    spoil(run, tmp_path / "marker")
    return run


@pytest.fixture(scope="module")
def browser() -> Any:
    if FOUND is None:
        pytest.skip("no chromium to look at the pages with")
    browser = Browser()
    yield browser
    browser.close()


def files_around(run: RunDir) -> dict[Path, bytes]:
    """Every file beside the run's directory."""
    root = run.path.parents[1]
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_relative_to(run.path))
    return {path: path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_nothing_of_it_is_executed(
    segkit: Any, hostile: RunDir, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...]
) -> None:
    """Not even in its own folder: Python must not take its modules there for its own."""
    before = files_around(hostile)
    if verb[0] == "evaluate":
        monkeypatch.chdir(hostile.path)
    said = segkit(*verb, str(hostile.path))
    assert not (hostile.path.parents[1] / "marker").exists()
    assert files_around(hostile) == before
    assert not STEERING.search(said.out + said.err)
    if verb[0] in READ and "--measure" not in verb:
        assert said.code == 0, said.err
    elif verb[0] == "resume":
        assert said.code == 0  # it has ended: its report is written again
    else:
        assert said.code == 2
        assert str(hostile.recipe) in said.err


def test_run_whose_recipe_can_be_read_is_scored_by_weights_alone(segkit: Any, hostile: RunDir) -> None:
    recipe = yaml.safe_load(hostile.recipe.read_text())
    recipe |= {"name": "hostile", "metrics": recipe["metrics"][:-1]}
    hostile.write_recipe(yaml.safe_dump(recipe))
    said = segkit("evaluate", str(hostile.path))
    assert said.code == 0, said.err
    assert not STEERING.search(said.out + said.err)
    weights = hostile.checkpoints / "best.safetensors"
    weights.write_bytes(pickled(hostile.path.parents[1] / "marker"))
    said = segkit("evaluate", str(hostile.path))
    assert said.code == 2
    assert f"{weights}: the checkpoint cannot be read" in said.err
    assert not (hostile.path.parents[1] / "marker").exists()


def test_unfinished_run_goes_on_from_no_pickle(segkit: Any, hostile: RunDir) -> None:
    recipe = yaml.safe_load(hostile.recipe.read_text())
    recipe |= {"name": "hostile", "metrics": recipe["metrics"][:-1]}
    hostile.write_recipe(yaml.safe_dump(recipe))
    hostile.write_environment(hostile.read_environment().model_copy(update={"recipe": recipe}))
    hostile.summary.unlink()
    said = segkit("resume", str(hostile.path))
    assert said.code == 2
    assert "last.state.pt" in said.err
    assert "the saved states of this run cannot be read" in said.err
    assert not (hostile.path.parents[1] / "marker").exists()


def test_plugin_that_it_names_is_asked_for_in_words_that_a_shell_takes_as_one(
    segkit: Any, hostile: RunDir
) -> None:
    environment = json.loads(hostile.environment.read_text())
    plugin = {"name": "evil", "digest": "", "parts": ["decoder evil"]}
    path, package = "/nowhere; touch marker", ""
    write_json(
        hostile.environment, {**environment, "plugins": [{**plugin, "path": path, "package": package}]}
    )
    assert "does not exist any more: pass the plugin" in segkit("evaluate", str(hostile.path)).err
    package = "evil 1; touch marker"
    write_json(
        hostile.environment, {**environment, "plugins": [{**plugin, "path": path, "package": package}]}
    )
    said = segkit("evaluate", str(hostile.path))
    mark = '"' if sys.platform == "win32" else "'"
    assert f"python -m pip install {mark}evil==1;==touch==marker{mark}, if you trust it" in said.err


@pytest.mark.posix("links need a privilege there")
@pytest.mark.parametrize("verb", ["report", "evaluate", "resume", "compare"])
@pytest.mark.parametrize("name", ["recipe.yaml", "summary.json", "report.html", ".lock", "samples", "more/x"])
def test_links_that_lead_out_of_it_are_not_followed(
    segkit: Any, hostile: RunDir, tmp_path: Path, verb: str, name: str
) -> None:
    link, outside = hostile.path / name, tmp_path / "outside"
    link.parent.mkdir(exist_ok=True)
    if link.is_dir() or link.exists():
        link.rename(outside)
    else:
        outside.write_text("mine")
    link.symlink_to(outside)
    before = files_around(hostile)
    said = segkit(verb, str(hostile.path))
    assert said.code == 2
    assert f"{link}: this links to a location outside of its run directory and is not followed" in said.err
    assert files_around(hostile) == before


@pytest.mark.slow
@pytest.mark.parametrize("page", ["report", "comparison"])
def test_no_script_runs_in_a_browser(
    segkit: Any, hostile: RunDir, good: RunDir, browser: Browser, tmp_path: Path, page: str
) -> None:
    if page == "report":
        assert segkit("report", str(hostile.path)).code == 0
        path = hostile.report
    else:
        other = RunDir(tmp_path / "other")
        shutil.copytree(good.path, other.path)
        other.write_scores(hostile.read_scores()[0], good.read_scores()[1])
        runs = (str(hostile.path), str(other.path))
        assert segkit("compare", *runs).code == 2  # other classes
        said = segkit("compare", "--force", "--out", str(tmp_path / "out"), *runs)
        assert said.code == 0, said.err
        path = tmp_path / "out" / "comparison.html"
    shown = browser.open(path)
    try:
        assert shown.run("typeof hacked") == "undefined"
        assert shown.run("document.querySelectorAll('img[src=x], svg[onload], [onerror], b').length") == 0
        assert shown.run("document.querySelectorAll('a[href^=javascript], a[href^=file]').length") == 0
        scripts = shown.run("document.scripts.length")
        assert scripts == (0 if page == "report" else 3)
        assert "<script>hacked=1</script>" in shown.run("document.body.innerText")
        assert "0.1235" not in shown.run("document.body.innerText")  # of the file that its recipe names
        assert shown.complaints == []
        assert [url for url in shown.requests if not url.startswith(("data:image/", path.as_uri()))] == []
    finally:
        shown.call("Page.close")


@pytest.mark.slow
def test_markdown_holds_no_markup_of_its_own(segkit: Any, hostile: RunDir, tmp_path: Path) -> None:
    segkit("report", str(hostile.path))
    segkit("compare", "--out", str(tmp_path / "out"), str(hostile.path))
    for file in (hostile.path / "report.md", tmp_path / "out" / "comparison.md"):
        tokens = MarkdownIt("commonmark").enable("table").parse(file.read_text(encoding="utf-8"))
        inside = [child for token in tokens for child in token.children or ()]
        assert [token.content for token in (*tokens, *inside) if token.type.startswith("html")] == []
        links = [child.attrs.get("href", child.attrs.get("src")) for child in inside if child.attrs]
        assert [link for link in links if "hacked" in str(link) or "passwd" in str(link)] == []
        assert TEXT.split("\n")[0] not in file.read_text(encoding="utf-8").split("```")[0]
