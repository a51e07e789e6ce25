"""segkit where Windows is imitated: calls, signals, names, files in use, spawned processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import segkit

ROOT = Path(__file__).parents[2]
LIKE = Path(__file__).with_name("windows_like")


def windows_like(tmp_path: Path) -> dict[str, str]:
    """The environment of a Python that sees Windows."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "PYTHONPATH": os.pathsep.join(map(str, (LIKE, ROOT))),
        "SEGKIT_CACHE": str(tmp_path / "cache"),
    }


@pytest.mark.posix("Windows is imitated on Linux")
@pytest.mark.parametrize(
    "tests", ["platforms/windows.py", "utils/test_atomic.py utils/test_locks.py utils/test_signals.py"]
)
def test_tests_pass_there(tests: str, tmp_path: Path) -> None:
    files = [f"tests/{file}" for file in tests.split()]
    options = ("-q", "-n", "0", "-p", "no:cacheprovider", "-o", "filterwarnings=default")
    words = [sys.executable, "-m", "pytest", *options, *files]
    done = subprocess.run(words, cwd=ROOT, env=windows_like(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


SMALL = (
    "training.epochs=2", "data.source.train=24", "data.source.val=8", "data.source.test=8",
    "data.size=[64,64]", "model.decoder.channels=[16,16,8,8,8]",
)  # fmt: skip


TYPED = """
import json, sys
from tests.commands import segkit
for words in json.loads(sys.argv[1]):
    said = segkit(words, ".", ".")
    if said.code:
        sys.exit(said.err)
"""


@pytest.mark.slow
@pytest.mark.posix("Windows is imitated on Linux")
def test_a_run_is_trained_used_and_the_same_as_elsewhere(tmp_path: Path) -> None:
    small = [word for change in SMALL for word in ("--set", change)]
    trained = ["run", str(ROOT / "recipes/quickstart.yaml"), "--no-plugins", *small]
    more = ["--set", "training.epochs=3", "--set", "data.workers=0"]  # each worker imports torch
    for words in (trained, ["resume", "runs/quickstart/001", *more]):
        said = segkit(words, tmp_path, str(tmp_path))
        assert said.code == 0, said.err

    run = "runs/quickstart/002"
    image = f"{run}/samples/1_image.png"
    typed = [
        [*trained, "--set", "data.workers=2"],
        ["resume", run, *more],
        ["predict", run, image, "--out", "masks", "--overlay", "--probabilities", "--probability-format=npy"],
        ["export", run, "--format", "onnx", "--out", "model.onnx"],
    ]
    # All in one process, in which no file may be left open.
    done = subprocess.run(
        [sys.executable, "-c", TYPED, json.dumps(typed)],
        cwd=tmp_path, env=windows_like(tmp_path), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    weights = [tmp_path / f"runs/quickstart/{number:03}/checkpoints/best.safetensors" for number in (1, 2)]
    assert len({file.read_bytes() for file in weights}) == 1
    written = [
        file for file in tmp_path.rglob("*") if file.suffix in (".json", ".jsonl", ".yaml", ".csv", ".md")
    ]
    assert [file for file in written if b"\r" in file.read_bytes()] == []
