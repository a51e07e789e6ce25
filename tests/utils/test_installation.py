"""What is wrong with an installation is told in words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from segkit.utils import installation
from segkit.utils.import_probe import probe, runs_on
from segkit.utils.installation import (
    Finding,
    check_distribution,
    check_folder,
    check_imports,
    check_one_distribution,
    gpu_finding,
)

TORCH = {"version": "2.14.1", "cuda": None, "hip": None, "cuda_error": "", "devices": [], "mps": False}


def install(folder: Path, name: str, version: str, *requirements: str, module: str = "") -> None:
    """What pip leaves of a distribution: its metadata."""
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", "Provides-Extra: plots"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
    (about / "METADATA").write_text("\n".join(lines) + "\n")
    (about / "top_level.txt").write_text(f"{module or name}\n")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def test_versions_and_packages_that_are_required(folder):
    install(
        folder, "tool", "2.0", "old >=1.5", "absent", "fine >=1", "elsewhere ; sys_platform == 'nowhere'",
        "drawing >=3 ; extra == 'plots'", "charts ; extra == 'plots'",
    )  # fmt: skip
    for name, version in (("old", "1.4"), ("fine", "1.0rc1"), ("drawing", "3.1")):
        install(folder, name, version)
    first, *found = check_distribution("tool", ("plots",))
    assert (first.status, first.text.startswith("tool 2.0, Python 3.")) == ("ok", True)
    assert found == [
        Finding("old", "fault", "1.4 is installed, tool needs >=1.5", "pip install 'old>=1.5'"),
        Finding("fine", "fault", "1.0rc1 is installed, tool needs >=1", "pip install 'fine>=1'"),
        Finding(
            "tool", "fault", "needs packages that are not installed: absent",
            "install tool again: pip brings what it needs",
        ),
        Finding("plots", "missing", "not installed: charts", "pip install 'tool[plots]'"),
    ]  # fmt: skip


def test_an_extra_that_is_there(folder):
    install(folder, "tool", "2.0", "drawing >=3 ; extra == 'plots'")
    install(folder, "drawing", "3.1")
    assert list(check_distribution("tool", ("plots",)))[1:] == [Finding("plots", "ok", "installed")]


def test_an_editable_installation_is_known_by_its_command(folder):
    install(folder, "tool-of-ours", "2.0", module="another_finder")
    (folder / "tool_of_ours-2.0.dist-info" / "entry_points.txt").write_text(
        "[console_scripts]\ntool = tool:main\n"
    )
    (found,) = check_distribution("tool", ())
    assert found.text.startswith("tool-of-ours 2.0, Python 3.")


def test_two_distributions_with_one_module(folder):
    for name in ("tool", "tool-of-others"):
        install(folder, name, "1.0", module="tool")
    expected = Finding(
        "tool", "fault", "tool and tool-of-others replace each other's files",
        "pip uninstall -y tool tool-of-others, then install one of them",
    )  # fmt: skip
    assert list(check_one_distribution("tool")) == list(check_distribution("tool", ())) == [expected]


def test_a_package_that_is_not_installed_is_used_from_its_folder(folder):
    (found,) = check_distribution("tool", ())
    assert found.status == "ok"
    assert found.text.endswith("not installed, used from a folder")


def modules(folder: Path, monkeypatch: pytest.MonkeyPatch, **texts: str) -> list[Finding]:
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return list(check_imports(texts))


def test_imports_are_tried_in_another_process(tmp_path, monkeypatch):
    found = modules(
        tmp_path, monkeypatch, fine_one="print('hello')\n__version__ = '3.1'", broken_one="1 / 0",
        fatal_one="import os\nos._exit(9)", never_tried="",
    )  # fmt: skip
    assert found == [
        Finding("fine_one", "ok", "3.1"),
        Finding(
            "broken_one", "fault", "cannot be used: ZeroDivisionError: division by zero",
            "pip install --force-reinstall --no-deps broken-one",
        ),
        Finding(
            "fatal_one", "fault", "importing it ended with code 9",
            "python -c 'import fatal_one' shows more; install it again",
        ),
    ]  # fmt: skip
    assert not {"fine_one", "broken_one"} & set(sys.modules)


def test_an_import_without_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(installation, "_SECONDS", 2)
    (found,) = modules(tmp_path, monkeypatch, endless="import time\ntime.sleep(600)")
    assert found.text == "importing it took more than 2 s"


def test_a_torchvision_of_another_torch_is_found_by_its_operator(tmp_path, monkeypatch):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "from types import SimpleNamespace\n\n\n"
        "def nms(*_):\n    raise RuntimeError('operator torchvision::nms does not exist')\n\n\n"
        "ops = SimpleNamespace(nms=nms)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    about = probe("torchvision")
    assert about["error"] == "RuntimeError: operator torchvision::nms does not exist"
    (found,) = installation._import_findings("torchvision", about)
    assert found.hint.startswith("torch and torchvision must be of one release and one build: ")


@pytest.mark.parametrize(
    ("torch", "nvidia", "status", "text"),
    [
        ({}, False, "ok", "none found: training uses the processor"),
        ({}, True, "fault", "an NVIDIA driver is installed, but torch 2.14.1 is built without CUDA"),
        ({"cuda": "13.0", "cuda_error": "The driver is too old"}, True, "fault",
         "torch for CUDA 13.0 cannot use it: The driver is too old"),
        ({"cuda": "13.0", "cuda_error": "Found no NVIDIA driver on your system."}, False, "ok",
         "none found: training uses the processor"),
        ({"cuda": "13.0", "devices": [{"name": "H200", "supported": True}]}, True, "ok", "H200"),
        ({"cuda": "13.0", "devices": [{"name": "Tesla P100", "supported": False}]}, True, "fault",
         "this torch was not built for Tesla P100"),
        ({"mps": True}, False, "ok", "Apple GPU (mps)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_gpu_is_told(torch, nvidia, status, text):
    found = gpu_finding({**TORCH, **torch}, has_nvidia=nvidia)
    assert (found.status, found.text) == (status, text)
    assert bool(found.hint) == (status == "fault")


@pytest.mark.parametrize(
    ("capability", "kinds", "runs"),
    [
        ((9, 0), ["sm_80", "sm_90"], True),
        ((8, 9), ["sm_80", "sm_90"], True),
        ((6, 0), ["sm_75", "sm_80"], False),
        ((12, 0), ["sm_80", "sm_90a"], False),
        ((12, 0), ["sm_80", "compute_90"], True),
        ((7, 5), ["compute_90"], False),
        ((12, 0), ["sm_120"], True),
    ],
)
def test_code_runs_on_gpus_of_its_major_version_and_ptx_on_later_ones(capability, kinds, runs):
    assert runs_on(capability, kinds) == runs


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    fine = check_folder("data", tmp_path / "not" / "there", "SEGKIT_HOME")
    assert (fine.name, fine.status) == ("data", "ok")
    assert fine.text.startswith(f"{tmp_path}/not/there, ")
    found = check_folder("data", tmp_path / "file", "SEGKIT_HOME")
    assert (found.status, found.hint) == ("fault", "set SEGKIT_HOME to another folder")
    assert found.text == f"{tmp_path}/file cannot be written to: Not a directory"
