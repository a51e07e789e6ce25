"""Whose code in ./plugins is run without being named, and that it is always told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from segkit.core.plugins import load_plugins_here, loaded_plugins
from segkit.core.plugins import loading as load
from segkit.core.registry import DECODERS
from segkit.inference.export.hub import export_to_hub
from segkit.runs.run_dir import RunDir
from tests.cli.test_parts import DECODER, write
from tests.plugin_cases import plugin
from tests.small_runs import finished

HUB = '{"library_name": "segkit"}'


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the decoder `thin` in plugins/, a run that used it, and a hub folder of that run."""
    folder = tmp_path_factory.mktemp("trained")
    path = write(folder / "plugins", "thin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_loaded", dict(load._loaded))
        run, _ = finished(folder, f"plugins=[{path}]", "model.decoder=thin", "training.epochs=1")
        export_to_hub(run, folder / "hub", plugins=[path])
        DECODERS.remove("thin")
    return folder


@pytest.fixture
def own(trained: Path, tmp_path: Path, segkit: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project with a second plugin that the run does not know; the working directory."""
    shutil.copytree(trained, tmp_path / "own")
    evil(tmp_path / "own" / "plugins" / "other.py")
    Image.new("RGB", (64, 64)).save(tmp_path / "own" / "photo.png")
    monkeypatch.chdir(tmp_path / "own")
    return tmp_path / "own"


def evil(path: Path) -> Path:
    """A plugin that leaves a file `executed` beside its folder."""
    return plugin(path, text=f"open({str(path.parents[1] / 'executed')!r}, 'w').close()\n")


def refusal(plugins: Path, found: Path) -> str:
    return (
        f"the plugins in {plugins} are not loaded: {found} looks like part of a run or of an exported model; "
        "if you trust them, --plugins plugins loads them"
    )


def files_in(folder: Path) -> list[Path]:
    """All but the lock, the pictures and the splits: one's own projects have such files too."""
    return sorted(
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (".lock", "splits.csv") and path.suffix != ".png"
    )


@pytest.mark.slow
def test_any_one_file_of_a_run_or_a_hub_folder_keeps_code_from_being_run(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained / "runs" / "small" / "001"
    sent = [(run, file) for file in files_in(run)] + [
        (trained / "hub", file) for file in files_in(trained / "hub")
    ]
    assert len(sent) > 15
    for number, (folder, file) in enumerate(sent):
        downloaded = tmp_path / str(number)
        (downloaded / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / file, downloaded / file)
        for inside in (downloaded, downloaded / "below" / "it"):
            evil(inside / "plugins" / "mine.py")
            monkeypatch.chdir(inside)
            refused = load_plugins_here()
            assert not (inside / "executed").exists(), files_in(downloaded)
            assert refused == refusal(inside / "plugins", downloaded / file)


ORDINARY = {
    "config.json": '{"library_name": "transformers"}',
    "summary.json": '{"status": "complete"}',
    "scores.csv": "name,score\n",
    "metrics.jsonl": '{"epoch": 1, "loss": 0.5}\n',
    "report.html": "<title>pytest report</title>",
    "report.md": "# Results\n",
    "README.md": "# A project\n\nmade with library_name: segkit\n",
    "recipe.yaml": "name: mine\nplugins: plugins\nreference: {source: a paper}\n",
    "model.safetensors": '00000000{"__metadata__":{"format":"pt"}}',
    "checkpoints/learner.state.pt": "PK archive/data.pkl learner",
    "checkpoints/resnet18.safetensors": '00000000{"weight":{}}',
    "samples/1_image.png": "",
    "lesions.onnx": "",  # `segkit export` writes it into the working directory
    "lesions.pt2": "",
    "runs/small/001/environment.json": '{"packages": {"segkit": "0.1.0"}}',
}


@pytest.mark.posix("there are no named pipes")
def test_files_of_an_own_project_keep_nothing_from_being_loaded(project: Path) -> None:
    for name, text in ORDINARY.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    os.mkfifo(project / "thumbnails.zip")
    plugin(project / "plugins" / "mine.py")
    assert load_plugins_here() == ""
    assert [loaded.name for loaded in loaded_plugins()] == ["mine"]


def test_a_refusal_leads_to_the_option(segkit: Any, project: Path) -> None:
    (project / "config.json").write_text(HUB)
    evil(project / "plugins" / "mine.py")
    said = segkit("list", "losses", "--json")
    assert said.code == 0
    assert not (project / "executed").exists()
    assert said.err == f"warning: {refusal(project / 'plugins', project / 'config.json')}\n"
    write(project / "plugins", "mine")
    assert segkit("list", "decoders", "--plugins", "plugins").err.endswith("plugins: mine from plugins\n")


@pytest.mark.posix("links need a privilege there")
def test_links_do_not_lead_around(project: Path) -> None:
    evil(project / "downloaded" / "code" / "mine.py")
    (project / "downloaded" / "config.json").write_text(HUB)
    (project / "plugins").symlink_to("downloaded/code")
    assert "config.json looks like part of a run" in load_plugins_here()
    (project / "plugins").unlink()
    (project / "plugins").mkdir()
    (project / "plugins" / "mine.py").symlink_to("../downloaded/code/mine.py")
    assert "config.json looks like part of a run" in load_plugins_here()
    assert not (project / "downloaded" / "executed").exists()


def test_files_of_the_home_folder_say_nothing_of_the_projects_in_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin(project / "work" / "plugins" / "mine.py")
    (project / "config.json").write_text(HUB)
    monkeypatch.chdir(project / "work")
    assert "config.json looks like" in load_plugins_here()
    monkeypatch.setenv("HOME", str(project))
    assert load_plugins_here() == ""
    assert [loaded.name for loaded in loaded_plugins()] == ["mine"]


@pytest.mark.posix("files have no owner there")
def test_plugins_of_another_user_are_not_loaded(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = evil(project / "plugins" / "mine.py")
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert "belongs to another user; if you trust them, --plugins plugins loads them" in load_plugins_here()
    assert not (project / "executed").exists()


VERBS = {
    "predict": ("predict", "runs/small/001", "photo.png", "--out", "masks"),
    "predict with a hub folder": ("predict", "hub", "photo.png", "--out", "masks"),
    "evaluate": ("evaluate", "runs/small/001", "--json"),
    "export": ("export", "runs/small/001", "--hub", "again", "--quiet"),
    "compare": ("compare", "runs"),
    "resume": ("resume", "runs/small/001"),
}


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_of_the_plugins_only_those_of_the_run_are_loaded(segkit: Any, own: Path, verb: str) -> None:
    if verb == "resume":
        (own / "runs" / "small" / "001" / "summary.json").unlink()
    said = segkit(*VERBS[verb])
    assert said.code == 0, said.err
    assert "plugins: thin from plugins\n" in said.err
    assert not (own / "executed").exists()


@pytest.mark.parametrize("verb", VERBS)
def test_a_plugin_that_has_changed_since_the_run_is_not_loaded_unasked(
    segkit: Any, own: Path, verb: str
) -> None:
    if verb == "resume":
        (own / "runs" / "small" / "001" / "summary.json").unlink()
    evil(own / "plugins" / "thin.py")
    said = segkit(*VERBS[verb])
    assert not (own / "executed").exists()
    if verb == "compare":  # it reads the scores of finished runs and builds no model
        assert said.code == 0
        assert "plugins" not in said.err
    else:
        assert said.code == 2
        assert "the run used decoder thin of the plugin thin, which is not loaded\n  try: " in said.err
        location = "location with --plugins" if "hub" in VERBS[verb] else "/plugins/thin.py, if you trust"
        assert location in said.err


def test_a_downloaded_run_is_used_without_its_code(
    segkit: Any, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it records the plugin that lies in it."""
    run = RunDir(own / "runs" / "small" / "001")
    shutil.copytree(own / "plugins", run.path / "plugins")
    evil(run.path / "plugins" / "thin.py")
    environment = json.loads(run.environment.read_text())
    environment["plugins"][0]["digest"] = load.source_digest(run.path / "plugins" / "thin.py")
    run.environment.write_text(json.dumps(environment))
    monkeypatch.chdir(run.path)
    said = segkit("predict", ".", "../../../photo.png", "--out", "../../../masks")
    assert said.code == 2
    assert not (run.path / "executed").exists()
    assert f"the plugins in {run.path}/plugins are not loaded: {run.path}/" in said.err
    assert "if you trust them, copy them elsewhere\n" in said.err


@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_what_was_loaded_is_told_in_one_line_always(segkit: Any, project: Path, option: str) -> None:
    write(project / "plugins", "mine")
    plugin(project / "plugins" / "helper.py", text="WIDTH = 3\n")
    said = segkit("test-plugin", "cosine", option)
    assert said.code == 0
    assert said.err == "plugins: helper (registers nothing), mine from plugins\n"


def test_what_was_loaded_before_a_broken_plugin_is_told(segkit: Any, project: Path) -> None:
    write(project / "plugins", "first", DECODER)
    plugin(project / "plugins" / "second.py", text="1 / 0\n")
    said = segkit("list", "losses")
    assert said.code == 2
    assert said.err.startswith(
        f"plugins: first from plugins\n{project}/plugins/second.py:1: the plugin fails"
    )


def test_modules_of_the_working_directory_are_not_imported(tmp_path: Path) -> None:
    evil(tmp_path / "typer.py")
    command = [sys.executable, "-m", "segkit", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("segkit "), done.stderr
    assert not (tmp_path.parent / "executed").exists()
