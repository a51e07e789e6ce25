"""A search that several machines share: a real PostgreSQL, and workers that are killed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from segkit.experiments.tuning.plan import TuningPlan, plan_tuning
from segkit.experiments.tuning.shared_study import SharedStudy
from segkit.experiments.tuning.storage_url import parse_storage
from tests.experiments.tuning.case import RECIPE, SEARCH

PASSWORD = "p@ss/w:rd"
TRIALS, EPOCH_SECONDS = 12, 0.1


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of a server of its own; PostgreSQL does not start for root."""
    folders = [*map(str, Path("/usr/lib/postgresql").glob("*/bin")), os.environ["PATH"]]
    programs = [shutil.which(name, path=os.pathsep.join(folders)) for name in ("initdb", "postgres")]
    if not all(programs):
        pytest.skip("no PostgreSQL on this machine (apt-get install postgresql)")
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
            programs[0],
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
        start = [programs[1], "-D", folder / "data", "-k", folder, "-h", "127.0.0.1", "-p", str(port), "-F"]
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(start, stderr=log, cwd=folder, **account) as process,
        ):
            _wait_for(port, process)
            yield f"postgresql://tuner:${{SEARCH_PASSWORD}}@127.0.0.1:{port}/postgres"
            process.terminate()
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


def worker(plan: TuningPlan, storage: str, folder: Path) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "tests.experiments.tuning.worker",
        plan.source,
        storage,
        str(folder),
        str(TRIALS),
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "SIMULATED_SECONDS": str(EPOCH_SECONDS),
    }
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
@pytest.mark.posix("PostgreSQL's own folders")
def test_two_workers_share_the_trials_and_one_is_killed(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEARCH_PASSWORD", PASSWORD)
    (tmp_path / "simulated.yaml").write_text(RECIPE, encoding="utf-8")
    plan = plan_tuning(tmp_path / "simulated.yaml", SEARCH)
    started = time.monotonic()
    with worker(plan, server, tmp_path / "a") as killed, worker(plan, server, tmp_path / "b") as other:
        begun = next((line for line in killed.stdout or () if line.startswith("begun")), None)
        assert begun, killed.communicate()
        lost = int(begun.split()[1])
        killed.kill()  # in its first trial
        with worker(plan, server, tmp_path / "a") as again:  # the machine comes back
            told = [process.communicate(timeout=300) for process in (other, again)]
            assert [process.returncode for process in (other, again)] == [0, 0], told
    seconds = time.monotonic() - started
    ended = [
        [int(line.split()[1]) for line in out.splitlines() if line.startswith("ended")] for out, _ in told
    ]
    with SharedStudy(
        parse_storage(server), plan.study, plan.identity, plan.axes,
        higher_is_better=True, sampler="RandomSampler", pruner="NopPruner",
    ) as study:  # fmt: skip
        trials, frozen = study.trials(), study._study.get_trials()
    # Every place is taken once, by a trial that ended in one worker; that of the killed one was begun again.
    assert [trial.state for trial in trials] == ["complete"] * TRIALS
    assert sorted(ended[0] + ended[1]) == sorted(trial.number for trial in trials)
    (taken,) = [trial for trial in frozen if lost in trial.system_attrs.get("retry_history", ())]
    assert (taken.params, taken.state.name) == (frozen[lost].params, "COMPLETE")
    assert len({str(trial.values) for trial in trials}) == TRIALS
    with capsys.disabled():
        load = TRIALS * 4 * EPOCH_SECONDS
        print(f"\n{TRIALS} trials with {load:.1f} s of load in {seconds:.1f} s; ended in {ended}")  # noqa: T201
    assert PASSWORD not in "".join(map(str, told))
