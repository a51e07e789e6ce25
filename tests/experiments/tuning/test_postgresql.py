"""A search that several machines share: a real PostgreSQL, and workers that are killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from segkit.experiments.tuning.plan import plan_tuning
from segkit.experiments.tuning.shared_study import SharedStudy
from segkit.experiments.tuning.storage_url import parse_storage
from tests.experiments.tuning.case import RECIPE, SEARCH
from tests.experiments.tuning.postgresql import PASSWORD, VARIABLE, postgresql, programs, start_worker

TRIALS, EPOCH_SECONDS, BEAT = 12, 0.1, (1, 4)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if not programs():
        pytest.skip("no PostgreSQL on this machine (apt-get install postgresql)")
    with postgresql() as url:
        yield url


@pytest.mark.slow
@pytest.mark.posix("PostgreSQL's own folders")
def test_two_workers_share_the_trials_and_one_is_killed(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, PASSWORD)
    (tmp_path / "simulated.yaml").write_text(RECIPE, encoding="utf-8")
    plan = plan_tuning(tmp_path / "simulated.yaml", SEARCH)

    @contextmanager
    def worker(name: str) -> Iterator[Popen[str]]:
        folder = tmp_path / name
        with start_worker(
            plan.source, server, folder, TRIALS, epoch_seconds=EPOCH_SECONDS, beat=BEAT
        ) as process:
            try:
                yield process
            finally:
                process.kill()  # if the test fails; a worker that hangs would be waited for

    started = time.monotonic()
    with worker("a") as killed, worker("b") as other:
        begun = next((line for line in killed.stdout or () if line.startswith("begun")), None)
        assert begun, killed.communicate()
        lost = int(begun.split()[1])
        killed.kill()  # in its first trial
        with worker("a") as again:  # the machine comes back
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
