"""segkit where Windows is imitated: calls, signals, names, files in use, spawned processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.slow
@pytest.mark.posix("Windows is imitated on Linux")
def test_a_run_is_trained_used_and_the_same_as_elsewhere(tmp_path: Path) -> None:
    def segkit(*words: str, like: bool = True) -> None:
        environment = windows_like(tmp_path) if like else {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "segkit", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    small = [word for change in SMALL for word in ("--set", change)]
    run = ("run", str(ROOT / "recipes/quickstart.yaml"), "--no-plugins", *small)
    segkit(*run, like=False)
    segkit(*run, "--set", "data.workers=2")
    weights = [tmp_path / f"runs/quickstart/{number:03}/checkpoints/best.safetensors" for number in (1, 2)]
    assert len({file.read_bytes() for file in weights}) == 1
    image = str(tmp_path / "runs/quickstart/002/samples/1_image.png")
    segkit("resume", "runs/quickstart/002", "--set", "training.epochs=3")
    segkit("predict", "runs/quickstart/002", image, "--out", "masks", "--overlay", "--probabilities",
           "--probability-format", "npy")  # fmt: skip
    segkit("export", "runs/quickstart/002", "--format", "onnx", "--out", "model.onnx")
    written = [
        file for file in tmp_path.rglob("*") if file.suffix in (".json", ".jsonl", ".yaml", ".csv", ".md")
    ]
    assert [file for file in written if b"\r" in file.read_bytes()] == []
