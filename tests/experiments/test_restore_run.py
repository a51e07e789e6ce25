"""Runs opened again: the same scores, and no word left out about what has changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from segkit.core.errors import SegkitError
from segkit.core.plugins import load_plugin
from segkit.core.plugins import loading as load
from segkit.core.registry import DECODERS
from segkit.experiments.restore_run import open_trained
from segkit.inference.evaluation.evaluate_runs import evaluate_runs
from segkit.inference.evaluation.evaluation import EvaluateOptions
from segkit.runs.run_dir import RunDir
from tests.small_runs import finished

DECODER = '''\
from torch import nn

from segkit import DECODERS, Pyramid


@DECODERS.register("thin", features="last")
def thin(pyramid: Pyramid, *, width: int = 8) -> nn.Module:
    """One convolution."""

    class Thin(nn.Conv2d):
        def forward(self, features):
            return super().forward(features[-1])

    return Thin(pyramid.channels[-1], width, 3, padding=1)
'''


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run with a decoder of a plugin."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "thin.py").write_text(DECODER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_loaded", dict(load._loaded))
        directory, _ = finished(
            folder,
            f"plugins=[{folder / 'thin.py'}]",
            "model.decoder=thin",
            "training.epochs=1",
            "metrics=iou_soft",
        )
        DECODERS.remove("thin")
    return directory


def plugin(run: RunDir) -> Path:
    return run.path.parents[2] / "thin.py"


@pytest.mark.slow
def test_a_run_records_the_plugins_it_used(run: RunDir) -> None:
    (recorded,) = json.loads(run.environment.read_text())["plugins"]
    assert recorded == {
        "name": "thin",
        "door": "recipe",
        "path": str(plugin(run)),
        "digest": recorded["digest"],
        "parts": ["decoder thin"],
        "package": "",
    }
    assert len(recorded["digest"]) == 64
    assert "plugins.thin.digest" in run.report.read_text().replace("<wbr>", "")


def test_a_run_opened_again_scores_the_same(run: RunDir) -> None:
    trained = open_trained(run, plugins=[plugin(run)])
    assert trained.warnings == []
    assert trained.scores().metrics == run.read_summary().scores.metrics


def test_a_plugin_that_is_gone_is_named_and_none_is_loaded_on_the_run_s_word(run: RunDir) -> None:
    with pytest.raises(SegkitError) as caught:
        open_trained(run)
    assert str(caught.value) == (
        f"{run.path}: the run used decoder thin of the plugin thin, which is not loaded\n"
        f"  try: plugins=['{plugin(run)}'], if you trust what is there"
    )
    assert DECODERS.get("thin") is None


def test_an_installed_plugin_that_is_gone_is_named_with_its_version(run: RunDir, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    copy.mkdir()
    for name in ("recipe.yaml", "summary.json", "environment.json"):
        (copy / name).write_bytes((run.path / name).read_bytes())
    recorded = json.loads((copy / "environment.json").read_text())
    recorded["plugins"][0]["package"] = "segkit-thin 0.3"
    (copy / "environment.json").write_text(json.dumps(recorded))
    with pytest.raises(
        SegkitError, match=r"thin, which is not loaded\n  try: python -m pip install segkit-thin==0\.3"
    ):
        open_trained(RunDir.open(copy))
    load_plugin(plugin(run))
    recorded["plugins"][0]["digest"] = "other"
    (copy / "environment.json").write_text(json.dumps(recorded))
    with pytest.raises(SegkitError, match="no such file"):  # the weights were not copied
        open_trained(RunDir.open(copy))


def test_a_plugin_that_has_the_part_no_more_is_told(run: RunDir, tmp_path: Path) -> None:
    renamed = tmp_path / "thin.py"
    renamed.write_text(DECODER.replace('"thin"', '"thinner"'))
    digest = run.read_environment().plugins[0].digest
    with pytest.raises(SegkitError) as caught:
        open_trained(run, plugins=[renamed])
    assert str(caught.value) == (
        f"{run.path}: the run used decoder thin of the plugin thin, which is loaded but no longer has it\n"
        f"  try: use the original version of the plugin, with digest {digest[:12]}"
    )


def test_a_plugin_whose_file_is_gone_is_told(run: RunDir) -> None:
    path = plugin(run)
    path.rename(path.with_suffix(".bak"))
    try:
        with pytest.raises(
            SegkitError,
            match=f"  try: {path} does not exist any more: pass the plugin's new location with plugins=",
        ):
            open_trained(run)
    finally:
        path.with_suffix(".bak").rename(path)


def test_weights_that_do_not_fit_a_changed_plugin_are_told_as_that(run: RunDir, tmp_path: Path) -> None:
    changed = tmp_path / "thin.py"
    changed.write_text(DECODER.replace("width, 3, padding=1", "width, 5, padding=2"))
    with pytest.raises(SegkitError, match="belongs to another model") as caught:
        open_trained(run, plugins=[changed])
    assert (
        caught.value.problems[0].hint
        == "The plugin thin has changed since the run. Use its original version."
    )


def without_classes(warnings: list[str]) -> list[str]:
    """Warnings that do not depend on what an epoch has taught."""
    return [warning for warning in warnings if "is never predicted" not in warning]


def test_a_plugin_that_has_changed_is_told(run: RunDir, tmp_path: Path) -> None:
    changed = tmp_path / "thin.py"
    changed.write_text(DECODER + "\nTHICKNESS = 0\n")
    trained = open_trained(run, plugins=[changed])
    told = ["The plugin thin has changed since the run."]
    assert trained.warnings == told
    for runs, native in (([run], False), ([run, run], True)):  # as it was trained; as predict asks
        evaluated = evaluate_runs(runs, EvaluateOptions(native), plugins=[changed])
        assert without_classes(evaluated.warnings) == told


def test_other_images_are_told(run: RunDir) -> None:
    trained = open_trained(run, ["data.source.seed=5"], [plugin(run)])
    assert trained.warnings == ["The test images are not those that the run reports its scores on."]
    assert trained.scores().metrics != run.read_summary().scores.metrics


def test_a_recipe_in_a_run_directory_runs_no_code_from_it(run: RunDir, tmp_path: Path) -> None:
    hostile = run.path / "thin.py"
    hostile.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    recipe = run.recipe.read_text()
    run.recipe.write_text(recipe.replace(str(plugin(run)), "thin.py"))
    try:
        with pytest.raises(SegkitError, match="which is not loaded"):
            open_trained(run)
        with pytest.raises(SegkitError, match="code in a run directory is never executed"):
            open_trained(run, plugins=[hostile])
    finally:
        hostile.unlink()
        run.recipe.write_text(recipe)
    assert not (tmp_path / "ran").exists()


def test_evaluate_prints_scores_beside_those_of_the_run(run: RunDir, monkeypatch: Any, capsys: Any) -> None:
    from segkit import cli

    def call(*words: str) -> str:
        monkeypatch.setattr(
            "sys.argv", ["segkit", "evaluate", str(run.path), "--plugins", str(plugin(run)), *words]
        )
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 0
        return capsys.readouterr().out  # type: ignore[no-any-return]

    monkeypatch.chdir(plugin(run).parent)
    lines = call("--quiet", "--json")
    answer = json.loads(lines)
    assert answer["metrics"] == run.read_summary().scores.metrics
    assert (answer["split"], answer["images"]) == ("test", 5)
    assert without_classes(answer["warnings"]) == []
    (row,) = [line.split() for line in call().splitlines() if line.startswith("iou_soft")]
    assert row[1] == row[-1] == f"{answer['metrics']['iou_soft']:.4f}"
