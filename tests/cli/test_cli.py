from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from segkit import cli
from segkit.cli import options
from segkit.core.errors import SegkitError, TrainingError
from tests.recipe.cases import written
from tests.recipe.test_validation_errors import FIVE

PLUGINS = ["--plugins", "--no-plugins"]
QUIET = ["--quiet", "-q"]
SLOW = ["torch", "torchvision", "timm", "albumentations", "segmentation_models_pytorch", "cv2", "matplotlib"]


def test_verbs_and_their_options_are_these() -> None:
    """The surface that users type: a change here is a change for them."""
    commands: Any = get_command(cli.app)
    surface = {
        name: [option for parameter in command.params for option in parameter.opts]
        for name, command in commands.commands.items()
    }
    assert surface == {
        "run": ["recipe", "--set", "--runs", *PLUGINS, "--demo", "--track", *QUIET],
        "compare": [
            "targets", "--seeds", "--vary", "--metric", "--out", "--paper", "--set", "--runs", "--jobs",
            "--measure", "--native", "--force", *PLUGINS, "--demo", *QUIET, "--json",
        ],
        "tune": [
            "recipe", "--search", "--trials", "--folds", "--group", "--storage", "--sampler", "--pruner",
            "--jobs", "--seed", "--set", "--runs", "--out", *PLUGINS, "--demo", *QUIET, "--json",
        ],
        "cv": [
            "recipe", "--folds", "--group", "--seeds", "--out", "--paper", "--set", "--runs", "--jobs",
            *PLUGINS, "--demo", *QUIET, "--json",
        ],
        "plan": ["target", "--out", "--hours", "--set", *PLUGINS, *QUIET, "--json"],
        "check": ["recipe", "--set", *PLUGINS, "--demo", *QUIET, "--json"],
        "list": ["kind", *PLUGINS, "--json"],
        "show": ["kind", "name", *PLUGINS, "--json"],
        "schema": PLUGINS,
        "new": ["kind", "name", "--into", "--from", *QUIET],
        "test-plugin": ["target", *PLUGINS, *QUIET, "--json"],
        "resume": ["run", "--set", *PLUGINS, "--track", *QUIET],
        "evaluate": [
            "runs", "--native", "--tta", "--scales", "--no-postprocess", "--split", "--out", "--set",
            *PLUGINS, *QUIET, "--json",
        ],
        "predict": [
            "model", "inputs", "--out", "--overlay", "--probabilities", "--probability-format", "--tta",
            "--scales", "--tile", "--overlap", "--batch-size", "--no-postprocess", "--overwrite",
            "--accelerator", *PLUGINS, *QUIET, "--json",
        ],
        "export": [
            "runs", "--format", "--out", "--hub", "--input", "--output", "--overwrite", "--set", *PLUGINS,
            *QUIET, "--json",
        ],
        "report": ["run", "--paper", *QUIET],
        "doctor": ["--no-plugins", *QUIET, "--json"],
        "bench": ["recipe", "--set", "--steps", *PLUGINS, "--demo", *QUIET, "--json"],
        "data": [],
    }  # fmt: skip
    data = {
        name: [option for parameter in command.params for option in parameter.opts]
        for name, command in commands.commands["data"].commands.items()
    }
    assert data == {
        "fetch": ["name", "--to", *QUIET],
        "example": ["folder", *QUIET],
        "check": ["target", "--set", *PLUGINS, "--sheet", *QUIET, "--json"],
        "cache": ["--clear", "--unused-days", "--json"],
    }


@pytest.mark.parametrize(
    "verb",
    [
        "run",
        "compare",
        "tune",
        "cv",
        "check",
        "list",
        "show",
        "schema",
        "resume",
        "evaluate",
        "predict",
        "export",
        "report",
        "bench",
        "new",
        "test-plugin",
        "data fetch",
        "data example",
        "data check",
        "data cache",
    ],
)
def test_every_verb_has_help_with_an_example(segkit: Any, verb: str) -> None:
    said = segkit(*verb.split(), "--help")
    assert said.code == 0
    assert f"Example: segkit {verb}" in " ".join(said.out.split())


def test_commands_in_messages_quote_their_paths() -> None:
    """A path with a space is one word."""
    sources = [
        file.read_text(encoding="utf-8") for file in (Path(__file__).parents[2] / "segkit").rglob("*.py")
    ]
    verbs = "segkit (?:run|resume|report|compare|predict|evaluate|export|test-plugin|data check)|mkdir"
    verbs += "|--sheet|--out"
    found = [match for source in sources for match in re.findall(rf"(?:{verbs}) \{{[^}}]*", source)]
    assert len(found) > 10
    assert [text for text in found if "quote" not in text] == []


@pytest.mark.parametrize(
    ("names", "folder"),
    [
        (["small-unet", "small-transposed_conv"], "small-transposed_conv+unet"),
        (["small", "small-unet"], "small+small-unet"),
        (["b c", "a"], "a+b c"),
        (["unet"], "unet"),
    ],
)
def test_compare_names_its_folder_after_the_recipes_once(names: list[str], folder: str) -> None:
    from segkit.cli.compare import _folder_name

    assert _folder_name([*names]) == folder


@pytest.mark.parametrize("seeds", ["0,0", "a", "1,,2", "-1"])
def test_compare_refuses_what_are_no_seeds(segkit: Any, tmp_path: Path, seeds: str) -> None:
    said = segkit("compare", str(tmp_path), f"--seeds={seeds}")
    assert said.code == 2
    assert said.err.endswith(
        f"--seeds: {seeds!r} is not a list of different whole numbers\n  try: --seeds 0,1,2\n"
    )


def test_help_tells_of_tracebacks(segkit: Any) -> None:
    assert "--traceback" in segkit("--help").out


def test_check_tells_all_five_mistakes_and_ends_with_2(segkit: Any, tmp_path: Path) -> None:
    path = tmp_path / "five.yaml"
    path.write_text(FIVE)
    said = segkit("check", str(path))
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("5 problems:\n")
    for place in (
        "5: data.batchsize",
        "9: model.decoder.name",
        "12: loss.smoth",
        "13: optimizer.lr",
        "16: training.epochs",
    ):
        assert f"{path}:{place}: " in said.err
    assert "did you mean 'batch_size'?" in said.err


def test_check_as_json_is_one_document(segkit: Any, tmp_path: Path) -> None:
    path = tmp_path / "five.yaml"
    path.write_text(FIVE)
    said = segkit("check", str(path), "--json")
    assert (said.code, said.err) == (2, "")
    answer = json.loads(said.out)
    assert answer["ok"] is False
    assert len(answer["errors"]) == 5
    assert answer["errors"][0] == {
        "file": str(path),
        "line": 5,
        "path": "data.batchsize",
        "problem": answer["errors"][0]["problem"],
        "hint": "did you mean 'batch_size'?",
    }


def in_process(*words: str) -> tuple[int, list[str]]:
    """A command in a process of its own: exit code, and which slow modules it imported."""
    code = (
        "import sys\nfrom segkit.cli import main\n"
        f"sys.argv = {['segkit', *words]}\n"
        "try:\n    main()\n"
        f"finally:\n    print('SLOW', [name for name in {SLOW} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    slow = done.stderr.rpartition("SLOW ")[2].strip()
    return done.returncode, eval(slow)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["check", "--help"],
        ["list"],
        ["list", "transforms"],
        ["list", "encoders", "--json"],
        ["list", "recipes"],
        ["show", "recipe", "isic_unet"],
        ["schema"],
        ["data", "check", "nowhere"],
        ["plan", "quickstart", "--quiet"],
        ["show", "encoder", "mobilenetv2_100"],
        ["show", "transform", "Rotate"],
        ["show", "decoder", "unett"],
    ],
    ids=" ".join,
)
def test_what_needs_no_torch_imports_none(words: list[str]) -> None:
    code, slow = in_process(*words)
    assert code == (2 if {"unett", "nowhere"} & {*words} else 0)
    assert slow == []


@pytest.mark.slow
def test_a_wrong_recipe_is_told_without_what_is_slow(tmp_path: Path) -> None:
    path = tmp_path / "five.yaml"
    path.write_text(FIVE)
    assert in_process("check", str(path)) == (2, [])


def test_list_and_show_as_json(segkit: Any) -> None:
    everything = json.loads(segkit("list", "--json").out)
    assert list(everything) == [
        "encoders",
        "decoders",
        "losses",
        "metrics",
        "sources",
        "transforms",
        "optimizers",
        "schedules",
        "recipes",
    ]
    assert "mobilenetv2_100" in everything["encoders"]
    assert json.loads(segkit("list", "losses", "--json").out) == {"losses": everything["losses"]}
    shown = json.loads(segkit("show", "encoder", "mobilenetv2_100", "--json").out)
    assert [option["name"] for option in shown["options"]] == ["weights", "drop_path", "rgb"]
    assert shown["options"][1] == {
        "name": "drop_path",
        "type": "a number of at least 0 and below 1",
        "required": False,
        "default": 0.0,
        "meaning": shown["options"][1]["meaning"],
    }


def test_list_and_show_in_words(segkit: Any) -> None:
    assert "mobilenetv2_100" in segkit("list", "encoder").out
    assert "segkit list encoders lists them" in segkit("list").out
    assert "of each block" in segkit("show", "decoders", "transposed_conv").out
    assert "border_mode" in segkit("show", "transform", "Rotate").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["list", "decodrs"],
            "unknown kind of part 'decodrs'\n  try: did you mean 'decoders'? kinds: encoders,",
        ),
        (
            ["show", "decoder", "qqqq"],
            "no decoder is called 'qqqq'\n  try: 'segkit list decoders' lists all; those of a plugin need "
            "--plugins",
        ),
        (["show", "decoder", "unett"], "no decoder is called 'unett'\n  try: did you mean 'unet'"),
        (
            ["show", "encoder", "mobilenet2_100"],
            "no encoder is called 'mobilenet2_100'\n  try: did you mean 'mobilenetv2_100'",
        ),
        (["show", "transform", "rotat"], "no transform is called 'rotat'\n  try: did you mean 'Rotate'"),
        (
            ["show", "transform", "RandomCrop"],
            "no transform is called 'RandomCrop'\n  try: data.fit: crop trains on random windows of data",
        ),
        (["check", "nowhere.yaml"], "nowhere.yaml: cannot read the recipe: No such file or directory"),
        (["list", "--plugins", "nowhere"], "plugin not found\n  try: give a .py file or a folder of them"),
        (["data", "fetch", "isic"], "unknown data set 'isic'\n  try: segkit data fetch isic2016"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_user_s_mistakes_end_with_2_and_say_what_to_try(
    segkit: Any, words: list[str], message: str
) -> None:
    said = segkit(*words)
    assert (said.code, said.out) == (2, "")
    assert message in said.err


@pytest.mark.parametrize(
    "words", [["chek"], ["check"], ["check", "a.yaml", "--sett", "a=1"], ["show", "loss"]]
)
def test_mistakes_in_the_command_end_with_2(segkit: Any, words: list[str]) -> None:
    said = segkit(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err


def test_an_unknown_choice_is_told_with_all_choices(segkit: Any) -> None:
    said = segkit("export", "runs/small/001", "--format", "onxx")
    assert (said.code, said.out) == (2, "")
    assert "Invalid value for '--format': 'onxx' is not one of 'onnx', 'pt2'." in said.err


def ending(error: BaseException) -> Any:
    def load(*_: object, **__: object) -> None:
        raise error

    return load


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (SegkitError("it is wrong", hint="mend it"), 2, "it is wrong\n  try: mend it\n"),
        (TrainingError("it did not work"), 1, "it did not work\n"),
        (
            ValueError("who knows"),
            1,
            "segkit failed: ValueError: who knows\n  try: run the command again with --traceback",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=["user", "run", "bug", "interrupted"],
)
def test_exit_codes(
    segkit: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    monkeypatch.setattr(options, "load", ending(error))
    said = segkit("check", "recipe.yaml")
    assert said.code == code
    assert message in said.err
    assert "Traceback" not in said.err
    traced = segkit("check", "recipe.yaml", "--traceback")
    assert traced.code == code
    assert ("Traceback" in traced.err) == (code != 130)


def test_a_good_recipe_is_checked(segkit: Any, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = written(tmp_path, data="{source: {name: synthetic_lesions, train: 4, test: 2}, size: [64, 64]}")
    said = segkit("check", str(path), "--json")
    assert (said.code, said.err) == (0, "")
    answer = json.loads(said.out)
    assert (answer["ok"], answer["errors"]) == (True, [])
    assert answer["images"] == {"train": 4, "test": 2}
    assert segkit("check", str(path), "--quiet").out == ""


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "LONG"], ["data", "check", "LONG"], ["predict", "LONG", __file__, "--out", "y"],
        ["report", "LONG"], ["evaluate", "LONG"], ["check", "quickstart", "--plugins", "LONG"],
    ],
)  # fmt: skip
@pytest.mark.posix("Windows has another limit")
def test_a_path_that_the_system_does_not_take_is_a_mistake(segkit: Any, words: list[str]) -> None:
    said = segkit(*("a" * 300 if word == "LONG" else word for word in words))
    assert said.code == 2
    lines = said.err.splitlines()
    assert lines[0].endswith(": this path cannot be used: File name too long")
    assert lines[1] == "  try: give a shorter path"
