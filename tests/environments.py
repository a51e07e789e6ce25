"""Virtual environments of their own, which take their packages from the one that runs the tests."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

Done = subprocess.CompletedProcess[str]


def call(python: Path | str, *words: str, folder: Path, more: Mapping[str, str] = {}) -> Done:
    """`python -m ...` in a folder, as from a shell in which neither Python nor pip is set up."""
    own = ("PYTHON", "PYTEST", "PIP_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    environment = {**inherited, "SEGKIT_HOME": str(folder), **more}
    command = [str(python), "-m", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def printed(python: Path | str, *words: str, folder: Path) -> str:
    """What `python -m ...` prints; the test fails if it does."""
    done = call(python, *words, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fresh_python(folder: Path, *more: Path) -> Path:
    """The Python of a new environment in a folder; it finds the packages of this one, and further folders."""
    printed(sys.executable, "venv", str(folder / "environment"), folder=folder)
    python = folder / "environment" / ("Scripts" if os.name == "nt" else "bin") / "python"
    # Python 3.11 brings an old setuptools, which torch's requirements do not allow.
    printed(python, "pip", "uninstall", "--yes", "setuptools", folder=folder)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip()
    paths = [*(sysconfig.get_path(name) for name in ("purelib", "platlib")), *map(str, more)]
    (Path(site) / "running.pth").write_text("\n".join(dict.fromkeys(paths)), encoding="utf-8")
    return python
