"""The verbs about parts, as the author of a plugin meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from segkit.core.plugins import entry_points as installed
from segkit.version import __version__

DECODER = '''\
from torch import nn

from segkit import DECODERS, Pyramid


@DECODERS.register("{name}", features="last")
def mine(pyramid: Pyramid, *, width: int = 8) -> nn.Module:
    """Something of mine.

    Args:
        width: channels of the map.
    """

    class Mine(nn.Conv2d):
        def forward(self, features):
            return super().forward(features[-1])

    return Mine(pyramid.channels[-1], width, 3, padding=1)
'''


def write(folder: Path, name: str, text: str = DECODER) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(text.replace("{name}", name))
    return path


def test_plugins_of_the_working_directory_are_listed_and_named_in_one_line(
    segkit: Any, project: Path
) -> None:
    write(project / "plugins", "first")
    write(project / "plugins", "second", DECODER + "\n")
    write(project / "others", "third", DECODER + "\n\n")
    said = segkit("list", "decoders", "--plugins", "others")
    assert said.code == 0
    assert said.err == "plugins: first, second from plugins; third from others\n"
    for name in ("first", "second", "third"):
        assert f"\n  {name}" in said.out
    assert "Something of mine." in segkit("show", "decoder", "second").out


def test_no_plugins_leaves_the_working_directory_out(segkit: Any, project: Path) -> None:
    write(project / "plugins", "left_out", "1 / 0\n")
    said = segkit("list", "decoders", "--no-plugins")
    assert (said.code, said.err) == (0, "")
    said = segkit("list", "decoders")
    assert said.code == 2
    assert "--no-plugins skips the plugins of the working directory" in said.err


def test_json_is_one_document_whatever_plugins_say(segkit: Any, project: Path) -> None:
    write(project / "plugins", "loud", f"print('loud')\n{DECODER}")
    said = segkit("list", "decoders", "--json")
    assert "loud" in json.loads(said.out)["decoders"]
    assert said.err == "loud\nplugins: loud from plugins\n"


def test_a_plugin_is_checked_in_recipes_and_known_to_the_schema(segkit: Any, project: Path) -> None:
    write(project / "plugins", "mine")
    recipe = project / "recipe.yaml"
    recipe.write_text(
        "name: mine\ndata: {source: {name: synthetic_lesions, train: 4, test: 2}, size: [64, 64]}\n"
        "model: {encoder: {name: test_resnet, weights: none}, decoder: {name: mine, wdth: 4}}\n"
        "loss: dice\noptimizer: adamw\nmetrics: iou\n"
    )
    said = segkit("check", str(recipe))
    assert said.code == 2
    assert f"{recipe}:3: model.decoder.wdth: " in said.err
    assert "did you mean 'width'?" in said.err
    recipe.write_text(recipe.read_text().replace("wdth", "width"))
    said = segkit("check", str(recipe))
    assert said.code == 0
    assert said.err.startswith("plugins: mine from plugins\n")
    assert '"mine"' in segkit("schema").out


def test_a_fault_that_came_through_a_plugin_names_its_line(
    segkit: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever nobody has found words for."""
    path = write(project / "plugins", "mine", DECODER + "\n\ndef fail():\n    raise KeyError('w')\n")

    def load(*_: Any, **__: Any) -> None:
        from segkit.core.plugins import load_plugins_here
        from segkit.core.registry import DECODERS

        load_plugins_here()
        entry = DECODERS.get("mine")
        assert entry is not None
        entry.factory.__globals__["fail"]()

    monkeypatch.setattr("segkit.cli.options.load", load)
    said = segkit("check", "recipe.yaml")
    assert said.code == 1
    assert said.err == (
        "plugins: mine from plugins\n"
        f"{path}:22: the plugin mine failed: KeyError: 'w'\n"
        f"  try: segkit test-plugin {path} tests its parts; "
        "run the command again with --traceback to see where\n"
    )


def test_version(segkit: Any) -> None:
    assert segkit("--version").out == f"segkit {__version__}\n"


def test_broken_installed_plugins_are_told_by_list(
    segkit: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "_broken", None)
    monkeypatch.syspath_prepend(project)
    (project / "torn.py").write_text("1 / 0\n")
    (project / "torn-2.0.dist-info").mkdir()
    (project / "torn-2.0.dist-info" / "METADATA").write_text("Name: torn\nVersion: 2.0\n")
    (project / "torn-2.0.dist-info" / "entry_points.txt").write_text("[segkit.plugins]\nshreds = torn\n")
    said = segkit("list", "losses")
    assert said.code == 0
    assert said.err.startswith(
        f"{project}/torn.py:1: the installed plugin 'shreds' (torn 2.0) is not loaded: "
    )
    assert segkit("list", "losses", "--no-plugins").err == said.err  # asked once in a process


def test_a_good_plugin_keeps_its_contract(segkit: Any, project: Path) -> None:
    write(project / "plugins", "mine")
    for target in ("plugins/mine.py", "plugins", "mine"):
        said = segkit("test-plugin", target)
        assert said.code == 0, said.out
        assert said.out.startswith("decoder mine\n  ok  every option has a description\n")
        count = said.out.count("  ok  ")
        assert said.out.endswith(f"{count} of {count} checks passed\n")


def test_a_plugin_that_breaks_its_contract_is_told_point_by_point(segkit: Any, project: Path) -> None:
    path = write(
        project / "plugins",
        "mine",
        DECODER.replace('"""Something of mine.', '"""').replace("= 8", "= 'eight'"),
    )
    said = segkit("test-plugin", "mine")
    assert said.code == 1
    assert "  FAILED  every option has a description\n" in said.out
    assert (
        f"decoder mine: every default is valid\n"
        f"{path}:6: the default of option 'width' is 'eight'\n"
        "  try: its type allows a whole number\n"
    ) in said.out
    answer = json.loads(segkit("test-plugin", "mine", "--json").out)
    assert answer["ok"] is False
    failed = [check for check in answer["checks"] if not check["ok"]]
    assert failed[0]["part"] == "decoder mine"
    assert failed[0]["check"] == "every option has a description"
    assert failed[0]["problem"] == "it has no docstring"
    assert segkit("test-plugin", "mine", "--quiet").out == ""


def test_one_problem_that_fails_several_checks_is_told_once(segkit: Any, project: Path) -> None:
    broken = DECODER.replace("forward(features[-1])", "forward(features[-1][:, 1:])")
    path = write(project / "plugins", "mine", broken)
    said = segkit("test-plugin", "mine")
    assert said.code == 1
    assert said.out.count("FAILED") == said.out.count("it cannot be tested with ") == 1
    assert "  FAILED  output shape fits the image\n" in said.out
    assert f"\ndecoder mine: output shape fits the image\n{path}:16: it cannot be tested with " in said.out
    assert said.out.endswith("2 of 3 checks passed, 9 not run\n")
    answer = json.loads(segkit("test-plugin", "mine", "--json").out)
    assert [check["ok"] for check in answer["checks"]] == [True, True, False]
    assert answer["not_run"] == 9


def test_one_line_that_fails_in_several_parts_and_checks_is_told_once(segkit: Any, project: Path) -> None:
    text = DECODER.replace("super().forward(features[-1])", "keep(super().forward(features[-1]))")
    helper = "\n\ndef keep(x):\n    return x.sigmoid().add_(1) if x.requires_grad else x.missing\n"
    second = text.replace("mine", "other").replace("{name}", "other").partition("\n\n\n")[2]
    write(project / "plugins", "mine", f"{text}\n\n{second}{helper}")
    said = segkit("test-plugin", "mine")
    assert said.code == 1
    assert said.out.count("FAILED") == said.out.count("it fails: AttributeError: ") == 1
    assert "decoder other\n  ok  every option has a description\n  ok  every default is valid\n" in said.out
    assert "\n  -   fails like decoder mine: output shape fits the image\n" in said.out
    assert "\ndecoder mine: output shape fits the image, and 1 more\n" in said.out
    assert said.out.endswith("4 of 6 checks passed, 18 not run\n")


def test_a_built_in_part_can_be_tested_by_its_name(segkit: Any) -> None:
    said = segkit("test-plugin", "cosine")
    assert said.code == 0, said.out
    assert said.out.startswith("schedule cosine\n")


def test_what_is_neither_plugin_nor_part_is_told(segkit: Any) -> None:
    said = segkit("test-plugin", "cosin")
    assert (said.code, said.out) == (2, "")
    assert "there is no plugin or part named 'cosin'\n  try: did you mean 'cosine'" in said.err


def test_required_options_come_from_the_recipe_beside_the_plugin(segkit: Any, project: Path) -> None:
    folder = project / "plugins" / "mine"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(DECODER.replace("= 8", "").replace("{name}", "mine"))
    said = segkit("test-plugin", "plugins/mine")
    assert said.code == 2
    assert (
        "decoder 'mine' cannot be tested without its option 'width'\n  try: put a recipe.yaml beside"
        in said.err
    )
    (folder / "recipe.yaml").write_text(
        "name: mine\nplugins: [.]\ndata: {source: synthetic_lesions, size: [64, 64]}\n"
        "model: {encoder: test_resnet, decoder: {name: mine, width: 4}}\n"
        "loss: dice\noptimizer: adamw\nmetrics: iou\n"
    )
    assert segkit("test-plugin", "plugins/mine").code == 0
