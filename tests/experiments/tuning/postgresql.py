"""A PostgreSQL server of its own, and workers of a simulated search on it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD, VARIABLE = "p@ss/w:rd", "SEARCH_PASSWORD"


def programs() -> list[str]:
    """`initdb` and `postgres`; empty without PostgreSQL."""
    folders = [*map(str, Path("/usr/lib/postgresql").glob("*/bin")), os.environ["PATH"]]
    found = [shutil.which(name, path=os.pathsep.join(folders)) for name in ("initdb", "postgres")]
    return [program for program in found if program] if all(found) else []


@contextmanager
def postgresql() -> Iterator[str]:
    """URL of a server, with its password in a variable; PostgreSQL does not start for root."""
    initdb, postgres = programs()
    account = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="segkit-postgresql-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        (folder / "password").write_text(PASSWORD)
        if account:
            folder.chmod(0o755)
            for path in (folder, folder / "password"):
                shutil.chown(path, **account)
        make = [
            initdb,
            "-D",
            folder / "data",
            "-U",
            "tuner",
            "-A",
            "scram-sha-256",
            "--no-sync",
            "--no-locale",
        ]
        subprocess.run(
            [*make, f"--pwfile={folder / 'password'}"], check=True, capture_output=True, cwd=folder, **account
        )
        start = [postgres, "-D", folder / "data", "-k", folder, "-h", "127.0.0.1", "-p", str(port), "-F"]
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(start, stderr=log, cwd=folder, **account) as process,
        ):
            try:
                _wait_for(port, process)
                yield f"postgresql://tuner:${{{VARIABLE}}}@127.0.0.1:{port}/postgres"
            finally:
                process.send_signal(signal.SIGINT)  # closes open connections; SIGTERM waits for them
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    while True:
        assert process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


def start_worker(
    recipe: str, storage: str, folder: Path, trials: int, *, epoch_seconds: float, beat: tuple[int, int]
) -> subprocess.Popen[str]:
    """A process that takes part in a search with simulated trials of four epochs.

    Args:
        recipe: file of the simulated recipe.
        storage: URL of the storage.
        folder: folder of runs.
        trials: number of trials over all workers.
        epoch_seconds: duration of an epoch.
        beat: seconds between signs of life, and of silence after which a trial is taken from a worker.
    """
    module = "tests.experiments.tuning.worker"
    command = [sys.executable, "-m", module, recipe, storage, str(folder), str(trials), *map(str, beat)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "SIMULATED_SECONDS": str(epoch_seconds),
    }
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
