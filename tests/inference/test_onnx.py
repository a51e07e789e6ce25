"""ONNX files of others, and files without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import segkit
from segkit.core.errors import SegkitError
from segkit.inference.export_metadata import ExportMetadata
from segkit.inference.onnx import open_onnx
from tests.inference.networks import LABELS, LESION, PARTS, noise


def written(
    path: Path,
    exported: ExportMetadata | None,
    *,
    channels: int = 1,
    input: int = TensorProto.UINT8,
    named: tuple[str, str] = ("image", "probabilities"),
    largest: float = 255.0,
    **words: str,
) -> Path:
    """A model that takes the first channels of an image for its probabilities."""
    nodes = [
        helper.make_node("Cast", [named[0]], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Slice", ["numbers", "from", "to", "axis"], ["some"]),
        helper.make_node("Div", ["some", "most"], [named[1]]),
    ]
    numbers = {"from": [0], "to": [channels], "axis": [1]}
    constants = [helper.make_tensor(key, TensorProto.INT64, [1], value) for key, value in numbers.items()]
    constants.append(helper.make_tensor("most", TensorProto.FLOAT, [], [largest]))
    given = helper.make_tensor_value_info(named[0], input, ["b", 3, "h", "w"])
    answer = helper.make_tensor_value_info(named[1], TensorProto.FLOAT, ["b", channels, "h", "w"])
    graph = helper.make_graph(nodes, "small", [given], [answer], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {**(exported.entries() if exported else {}), **words})
    onnx.save(model, path)
    return path


def test_it_answers_for_every_size_and_number(tmp_path: Path) -> None:
    network = open_onnx(written(tmp_path / "a.onnx", ExportMetadata(LESION)))
    assert network.info == LESION
    for shape in ((1, 64, 64), (3, 32, 96)):
        pixels = np.stack([noise(*shape[1:], seed=seed) for seed in range(shape[0])])
        expected = pixels[..., :1].transpose(0, 3, 1, 2) / np.float32(255)
        assert network(pixels) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_without_torch(tmp_path: Path) -> None:
    """Neither segkit.load nor segkit predict imports it for an .onnx file."""
    from PIL import Image

    written(tmp_path / "a.onnx", ExportMetadata(LESION))
    Image.fromarray(noise(50, 70)).save(tmp_path / "photo.png")
    code = """
import sys
import segkit
print(segkit.load("a.onnx").predict("photo.png").mask.shape, "scipy" in sys.modules)
sys.argv = ["segkit", "predict", "a.onnx", "photo.png", "--out", "masks", "--overlay", "--quiet"]
try:
    segkit.cli.main()
except SystemExit as ended:
    print(ended.code)
print(sorted({"torch", "timm", "cv2", "matplotlib", "onnx", "albumentations"} & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code.replace("import segkit\n", "import segkit, segkit.cli\n", 1)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "(50, 70) False\n0\n[]\n", done.stderr
    assert (tmp_path / "masks" / "photo.png").is_file()


def _facts(**changes: Any) -> str:
    return json.dumps({**LESION.as_json(), **changes})


DAMAGED: dict[str, tuple[dict[str, Any], str]] = {
    "facts": ({"segkit.facts": "{}"}, "format: Field required"),
    "no json": ({"segkit.facts": "{"}, "Expecting property name"),
    "too deep": ({"segkit.facts": "[" * 200_000}, "facts are nested too deeply"),
    "too long": ({"segkit.recipe": "a" * 1_000_001}, "recipe has more than 1,000,000 characters"),
    "input": ({"segkit.input": "words"}, "input is 'words', expected pixels or normalized"),
    "output": ({"segkit.output": "words"}, "output is 'words', expected probabilities or logits"),
    "std": (
        {"segkit.facts": _facts(std=[0, 1, 1])},
        "mean and std do not fit the number of channels, or std is 0",
    ),
    "mean": (
        {"segkit.facts": _facts(mean=[0.5])},
        "mean and std do not fit the number of channels, or std is 0",
    ),
    "size": (
        {"segkit.facts": _facts(size=[65536, 65536])},
        "size.0: Input should be less than or equal to 8192",
    ),
    "size and classes": (
        {"segkit.facts": _facts(size=[8192, 8192], task="multilabel", classes=[str(i) for i in range(33)])},
        "facts: images of 8192x8192 with 33 classes are too large",
    ),
    "multiple": (
        {"segkit.facts": _facts(multiple=65536)},
        "multiple: Input should be less than or equal to 1024",
    ),
    "no number": (
        {"segkit.facts": _facts(mean=[float("nan")] * 3)},
        "mean.0: Input should be a finite number",
    ),
    "classes of a binary task": (
        {"segkit.facts": _facts(classes=["a", "b"])},
        "facts: a binary task needs one class, the foreground; found 2",
    ),
    "equal classes": (
        {"segkit.facts": _facts(task="multiclass", classes=["skin", "hair", "skin"])},
        "facts: duplicate class names: skin",
    ),
    "colliding classes": (
        {"segkit.facts": _facts(task="multilabel", classes=["dark hair", "Dark_hair"])},
        "facts: the classes 'dark hair' and 'Dark_hair' would have files of the same name: rename one",
    ),
    "channels": (
        {"segkit.facts": _facts(channels=4, mean=[0.5] * 4, std=[0.5] * 4)},
        "its input has the shape ['b', 3, 'h', 'w'], but its metadata say (4, 64, 64)",
    ),
    "other input": (
        {"segkit.input": "normalized"},
        "its input [('image', 'tensor(uint8)', 4)] does not match its metadata, normalized",
    ),
    "other name": (
        {"named": ("picture", "probabilities")},
        "its input [('picture', 'tensor(uint8)', 4)] does not match its metadata, pixels",
    ),
    "other output": ({"segkit.output": "logits"}, "its output does not match its metadata, logits"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_what_it_says_of_itself_is_checked(case: str, tmp_path: Path) -> None:
    words, told = DAMAGED[case]
    path = written(tmp_path / "a.onnx", ExportMetadata(LESION), **words)
    with pytest.raises(SegkitError) as caught:
        open_onnx(path)
    first = caught.value.problems[0]
    assert first.problem.startswith(f"the ONNX file is damaged: {told}")
    assert (first.file, first.hint) == (str(path), "export it again, or copy it again")


@pytest.mark.parametrize("content", [b"", b"words" * 100, None])
def test_a_damaged_file_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", ExportMetadata(LESION))
    path.write_bytes(path.read_bytes()[:-300] if content is None else content)
    with pytest.raises(SegkitError) as caught:
        segkit.load(path)
    assert caught.value.problems[0].problem.startswith(("the ONNX file is damaged: ", "this ONNX file has"))


@pytest.mark.parametrize("place", ["../weights.bin", "{outside}"])
def test_numbers_outside_its_folder_are_not_read(place: str, tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "weights.bin"
    folder.mkdir()
    outside.write_bytes(np.float32(255).tobytes())
    path = written(folder / "a.onnx", ExportMetadata(LESION))
    model = onnx.load(path)
    (most,) = (one for one in model.graph.initializer if one.name == "most")
    most.ClearField("float_data")
    most.data_location = TensorProto.EXTERNAL
    for key, value in {"location": place.format(outside=outside), "offset": "0", "length": "4"}.items():
        most.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(SegkitError, match="the ONNX file is damaged: "):
        open_onnx(path)


@pytest.mark.parametrize("version", ["1.22.0", "1.23.2", "1.24.0"])
def test_a_runtime_that_would_read_them_is_refused(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "a.onnx", ExportMetadata(LESION))
    monkeypatch.setattr("onnxruntime.__version__", version)
    with pytest.raises(SegkitError) as caught:
        open_onnx(path)
    assert str(caught.value) == (
        f"{path}: onnxruntime {version} may read other files that an ONNX file names\n"
        "  try: python -m pip install --upgrade onnxruntime"
    )


def test_a_file_of_somebody_else_is_told_apart(tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", None)
    with pytest.raises(SegkitError) as caught:
        open_onnx(path)
    assert str(caught.value) == (
        f"{path}: this ONNX file has no segkit metadata: it was not written by segkit export\n"
        "  try: write one with segkit export RUN --format onnx"
    )
    with pytest.raises(SegkitError, match="there is no such file"):
        open_onnx(tmp_path / "gone.onnx")


@pytest.mark.parametrize("facts", [PARTS, LABELS], ids=["multiclass", "multilabel"])
def test_an_answer_of_another_shape_is_told(facts: Any, tmp_path: Path) -> None:
    with pytest.raises(SegkitError) as caught:
        open_onnx(written(tmp_path / "a.onnx", ExportMetadata(facts), channels=1))
    wanted = (facts.task.channels, 64, 64)
    assert f"its output has the shape ['b', 1, 'h', 'w'], but its metadata say {wanted}" in str(caught.value)


@pytest.mark.parametrize("facts", [PARTS, LABELS], ids=["multiclass", "multilabel"])
def test_an_answer_of_another_shape_that_the_file_does_not_state_is_told(facts: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", ExportMetadata(facts), channels=1)
    model = onnx.load(path)
    kept = helper.make_tensor("kept", TensorProto.BOOL, [3], [True, False, False])
    model.graph.initializer.append(kept)
    model.graph.node[1].CopyFrom(helper.make_node("Compress", ["numbers", "kept"], ["some"], axis=1))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "k"
    onnx.save(model, path)
    wanted = (1, facts.task.channels, 64, 64)
    with pytest.raises(SegkitError) as caught:
        open_onnx(path)(np.zeros((1, 64, 64, 3), np.uint8))
    assert f"its output has the shape (1, 1, 64, 64), expected {wanted}" in str(caught.value)


@pytest.mark.parametrize(("largest", "found"), [(float("nan"), "NaN"), (0.0, "inf"), (25.5, "0 to 10")])
def test_an_answer_of_no_probabilities_is_refused(largest: float, found: str, tmp_path: Path) -> None:
    """Pixels are divided by `largest`; where that is 0, a black pixel is NaN and another one infinite."""
    path = written(tmp_path / "a.onnx", ExportMetadata(LESION), largest=largest)
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[:8] = 1 if found == "inf" else 0
    with pytest.raises(SegkitError) as caught:
        segkit.load(path).predict(pixels)
    first = caught.value.problems[0]
    assert first.problem.startswith("the model's output is ")
    assert found in first.problem
    assert (first.file, first.hint) == (
        str(path), "its weights are damaged or its training has diverged: use another model",
    )  # fmt: skip


def test_a_probability_that_rounding_made_larger_than_1_is_1(tmp_path: Path) -> None:
    network = open_onnx(written(tmp_path / "a.onnx", ExportMetadata(LESION), largest=254.99))
    assert network(np.full((1, 64, 64, 3), 255, np.uint8)).max() == 1


def test_what_fails_inside_is_told_in_words(tmp_path: Path) -> None:
    network = open_onnx(written(tmp_path / "a.onnx", ExportMetadata(LESION)))
    with pytest.raises(SegkitError) as caught:
        network(np.zeros((2, 64, 32, 4), np.uint8))
    first = caught.value.problems[0]
    assert first.problem.startswith("the model fails on 2 images of 64x32: ")
    assert first.hint == "use a smaller batch_size, or another tile"


def test_onnxruntime_may_not_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.onnx", ExportMetadata(LESION))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SegkitError) as caught:
        open_onnx(path)
    assert str(caught.value) == (
        f"{path}: ONNX files need onnxruntime, which is not installed\n"
        "  try: python -m pip install onnxruntime"
    )


def test_threads_are_those_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.onnx", ExportMetadata(LESION))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert open_onnx(path).session.get_session_options().intra_op_num_threads == 3
    assert open_onnx(path, threads=1).session.get_session_options().intra_op_num_threads == 1


def test_it_runs_on_the_cpu(tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", ExportMetadata(LESION))
    assert segkit.load(path, accelerator="cpu").info == LESION
    with pytest.raises(SegkitError) as caught:
        segkit.load(path, accelerator="cuda")
    assert caught.value.problems[0].problem == "an .onnx file runs on the CPU, not on cuda"
