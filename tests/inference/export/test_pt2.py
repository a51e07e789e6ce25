"""A .pt2 file of somebody else runs no code: torch is handed what was looked at, and nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segkit.core.errors import SegkitError
from segkit.inference.export.export import Outcome
from segkit.inference.export.pt2 import open_pt2
from segkit.inference.export.pt2_entries import _NEVER_EVALUATED, _words

Export = Callable[[str, str], Outcome]


@pytest.fixture
def whole(export_of: Export) -> Path:
    return export_of("binary", "pt2").files[0]


def changed(whole: Path, folder: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The same file with other entries, named without the folder in front of them."""
    with zipfile.ZipFile(whole) as archive:
        entries = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(entries)
    path = folder / "changed.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(f"model/{name}", content)
    return path


def in_json(name: str, change: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    def apply(entries: dict[str, bytes]) -> None:
        plain = json.loads(entries[name])
        change(plain)
        entries[name] = json.dumps(plain).encode()

    return apply


def first_node(model: Any) -> Any:
    return model["graph_module"]["graph"]["nodes"][0]


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return (open, (str(self.file), "w"))


def test_rewritten_without_a_change_it_is_read(whole: Path, tmp_path: Path) -> None:
    assert open_pt2(changed(whole, tmp_path, lambda entries: None)).facts == open_pt2(whole).facts


MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CODE = "__import__('os').system('true')"


def signature(model: Any) -> Any:
    return model["graph_module"]["module_call_graph"][0]["signature"]


def an_input_that_imports(model: Any) -> None:
    """As torch reads what goes in, a word of another kind has it import a module that the file names."""
    version, spec = json.loads(signature(model)["in_spec"])
    spec["children_spec"][0]["context"] = json.dumps({"__enum__": True, "fqn": "a_module:x", "name": "y"})
    signature(model)["in_spec"] = json.dumps([version, spec])


HOSTILE: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "another function": (
        in_json(MODEL, lambda model: first_node(model).update(target="os.system")),
        "it calls 'os.system', which is no operator of ATen",
    ),
    "more than a tensor": (
        in_json(MODEL, lambda model: model["graph_module"].update(treespec_namedtuple_fields={"a": "b"})),
        "it takes or gives more than a tensor",
    ),
    "an example that is none": (
        lambda entries: entries.update({"data/sample_inputs/model.pt": b"words"}),
        "its example is no plain tensor: ",
    ),
    "a weight that is cut short": (
        lambda entries: entries.update({"data/weights/weight_0": b"short"}),
        f"torch {torch.__version__} cannot read this .pt2 file: ",
    ),
    "a file that is read": (
        in_json(MODEL, lambda model: first_node(model).update(target="torch.ops.aten.from_file.default")),
        "it calls 'torch.ops.aten.from_file.default', which is no operator of ATen",
    ),
    "a file that is written": (
        in_json(MODEL, lambda model: first_node(model).update(target="torch.ops.aten.save.default")),
        "it calls 'torch.ops.aten.save.default', which is no operator of ATen",
    ),
    "what only looks like an operator": (
        in_json(MODEL, lambda model: first_node(model).update(target="torch.ops.aten.__dict__.clear")),
        "it calls 'torch.ops.aten.__dict__.clear', which is no operator of ATen",
    ),
    "an argument that is a function": (
        in_json(MODEL, lambda model: first_node(model)["inputs"][0].update(arg={"as_operator": "os.system"})),
        "it calls 'os.system', which is no operator of ATen",
    ),
    "a name that is code": (
        in_json(MODEL, lambda model: first_node(model)["inputs"][0]["arg"].update(as_name=CODE)),
        f"a name is {CODE!r}",
    ),
    "a name of what goes in": (
        in_json(MODEL, lambda model: signature(model).update(forward_arg_names=[f"image={CODE}"])),
        f"a name is {f'image={CODE}'!r}",
    ),
    "a weight's name": (
        in_json(WEIGHTS, lambda config: config["config"].update({CODE: {}})),
        f"a name is {CODE!r}",
    ),
    "an input that imports": (in_json(MODEL, an_input_that_imports), "its input is '[1, {"),
    "a size that is code": (
        in_json(MODEL, lambda model: model.update(more={"expr_str": "__import__('os').system('true')"})),
        "a size is \"__import__('os').system('true')\"",
    ),
    "a guard that is code": (
        in_json(MODEL, lambda model: model.update(guards_code=["__import__('os').system('true')"])),
        "a guard is \"__import__('os').system('true')\"",
    ),
    "a pickled weight": (
        in_json(WEIGHTS, lambda config: next(iter(config["config"].values())).update(use_pickle=True)),
        "is not a plain tensor",
    ),
    "a weight that is elsewhere": (
        in_json(WEIGHTS, lambda config: next(iter(config["config"].values())).update(path_name="weight_999")),
        "is not a plain tensor",
    ),
    "a weight in another folder": (
        in_json(
            WEIGHTS, lambda config: next(iter(config["config"].values())).update(path_name="../../weight")
        ),
        "a name is '../../weight'",
    ),
    "facts that are none": (
        lambda entries: entries.update({"extra/segkit.facts": b"{}"}),
        "the .pt2 file is damaged: ",
    ),
    "an input that is none": (
        lambda entries: entries.update({"extra/segkit.input": b"words"}),
        "its input is 'words', and not pixels or normalized",
    ),
    "a model that is none": (
        lambda entries: entries.update({MODEL: b"[" * 100_000}),
        "the .pt2 file is damaged: ",
    ),
    "no words of segkit": (
        lambda entries: [entries.pop(name) for name in [*entries] if name.startswith("extra/")] and None,
        "this .pt2 file says nothing of classes and pixels: segkit did not write it",
    ),
    "no model": (lambda entries: entries.pop(MODEL) and None, "segkit did not write it"),
    "another model beside it": (
        lambda entries: entries.update({"models/other.json": b"{}"}),
        "this .pt2 file holds 'models/other.json', which segkit export does not write: it is not opened",
    ),
    "a library": (
        lambda entries: entries.update({"data/aotinductor/model/x.so": b""}),
        "this .pt2 file holds 'data/aotinductor/model/x.so'",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_might_run_code_or_is_none_of_ours_is_refused(case: str, whole: Path, tmp_path: Path) -> None:
    change, told = HOSTILE[case]
    path = changed(whole, tmp_path, change)
    with pytest.raises(SegkitError) as caught:
        open_pt2(path)
    first = caught.value.problems[0]
    assert told in first.problem
    assert first.file == str(path)
    assert first.hint


@pytest.mark.parametrize("entry", ["data/sample_inputs/model.pt", "data/weights/weight_0"])
def test_a_pickle_is_never_executed(entry: str, whole: Path, tmp_path: Path) -> None:
    plain, zipped = io.BytesIO(), io.BytesIO()
    pickle.dump(Payload(tmp_path / "ran"), plain)
    torch.save({"payload": Payload(tmp_path / "ran")}, zipped)
    for content in (plain.getvalue(), zipped.getvalue()):
        path = changed(whole, tmp_path, lambda entries, content=content: entries.update({entry: content}))
        with pytest.raises(SegkitError):
            open_pt2(path)
        assert not (tmp_path / "ran").exists()


def test_an_entry_twice_is_refused(whole: Path, tmp_path: Path) -> None:
    path = changed(whole, tmp_path, lambda entries: None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/models/model.json", b"{}")
    with pytest.raises(SegkitError, match="holds two entries of one name"):
        open_pt2(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the .pt2 file is damaged: "),
        (b"words" * 1000, "the .pt2 file is damaged: "),
        (None, "the .pt2 file is damaged: "),
    ],
)
def test_a_damaged_file_is_named(content: bytes | None, told: str, whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(whole.read_bytes()[:1000] if content is None else content)
    with pytest.raises(SegkitError) as caught:
        open_pt2(path)
    assert caught.value.problems[0].problem.startswith(told)
    assert caught.value.problems[0].hint == "export it again, or copy it again"


def test_no_word_in_it_is_run(whole: Path, tmp_path: Path) -> None:
    """Code in the place of every text of a kind is refused, or stays text."""
    code = f"open({str(tmp_path / 'ran')!r}, 'w')"
    with zipfile.ZipFile(whole) as archive:
        name = next(name for name in archive.namelist() if name.endswith(MODEL))
        plain = json.loads(archive.read(name))
    kinds = {key for key, _ in _words(plain)} - {""}
    assert kinds >= {"name", "target", "expr_str", "guards_code", "in_spec", "parameter_name"}
    for kind in sorted(kinds):

        def swap(value: Any, kind: str = kind, key: str = "") -> Any:
            if isinstance(value, dict):
                return {inner: swap(item, kind, inner) for inner, item in value.items()}
            if isinstance(value, list):
                return [swap(item, kind, key) for item in value]
            return code if isinstance(value, str) and key == kind else value

        content = json.dumps(swap(plain)).encode()
        path = changed(whole, tmp_path, lambda entries, content=content: entries.update({MODEL: content}))
        if kind in _NEVER_EVALUATED:
            with contextlib.suppress(SegkitError):
                open_pt2(path)(np.zeros((1, 64, 64, 3), np.uint8))
        else:
            with pytest.raises(SegkitError, match=r"the \.pt2 file is damaged: (it calls|a|its) "):
                open_pt2(path)
        assert not (tmp_path / "ran").exists(), kind


def test_a_file_that_is_not_there_and_an_accelerator_that_is_not(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(SegkitError, match="there is no such file"):
        open_pt2(tmp_path / "gone.pt2")
    lacking = "mps" if torch.cuda.is_available() else "cuda"
    with pytest.raises(SegkitError) as caught:
        open_pt2(whole, lacking)
    assert caught.value.problems[0].problem == f"this machine has no {lacking} that torch can use"


def test_a_program_of_somebody_else_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "linear.pt2"
    torch.export.save(torch.export.export(torch.nn.Linear(2, 3), (torch.ones(1, 2),)), path)
    with pytest.raises(SegkitError) as caught:
        open_pt2(path)
    assert caught.value.problems[0].hint == "segkit export RUN --format pt2 writes one that segkit can load"


def test_facts_that_are_not_the_program_s_are_told_when_it_is_asked(whole: Path, tmp_path: Path) -> None:
    def more_classes(entries: dict[str, bytes]) -> None:
        facts = json.loads(entries["extra/segkit.facts"])
        facts.update(task="multilabel", classes=["a", "b"])
        entries["extra/segkit.facts"] = json.dumps(facts).encode()

    network = open_pt2(changed(whole, tmp_path, more_classes))
    with pytest.raises(SegkitError, match=r"answers in the shape \(1, 1, 64, 64\), and not \(1, 2, 64, 64\)"):
        network(np.zeros((1, 64, 64, 3), np.uint8))
