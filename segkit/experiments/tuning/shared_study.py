"""The trials of a search in Optuna's storage, which several processes and machines share."""

from __future__ import annotations

import sqlite3
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError

from segkit.analysis.tuning.result import Fold, State, Trial
from segkit.core.errors import SegkitError, TrainingError, first_line, worded
from segkit.experiments.tuning.samplers import HISTORY, distributions, make_pruner, make_sampler
from segkit.experiments.tuning.storage_url import StorageUrl
from segkit.recipe.search_space import Axis

HEARTBEAT_SECONDS, GRACE_SECONDS = 20, 120  # a worker that is silent for so long has been killed
_MAX_RETRIES = 10  # of a trial whose workers were killed
_MAX_REPEATS = 50  # trials in a row with values that were tried before, after which a search ends
_ATTEMPTS, _PAUSE_SECONDS = 5, 0.3  # to make tables that another machine is making
_IDENTITY, _SURPLUS = "segkit", "surplus"
_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
_PLACED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.WAITING)


class SharedStudy:
    """A study of Optuna.

    Trials keep their place among the first `total` that have not failed, by number. Numbers are given by the
    database, so that no two workers take the same place. A trial with the values of an earlier one, which a
    sampler may propose again, takes no place and is not among `trials`.

    Args:
        storage: URL of the storage.
        name: name of the study.
        identity: what the study belongs to, in words.
        axes: search space.
        higher_is_better: whether the largest score is the best.
        sampler: Optuna's name.
        pruner: Optuna's name.
        seed: seed of the sampler.
        heartbeat_seconds: how often a worker says that it is alive.
        grace_seconds: silence after which a trial is taken from its worker.

    Raises:
        SegkitError: if the storage cannot be reached, needs a driver, or belongs to another study.
    """

    def __init__(
        self,
        storage: StorageUrl,
        name: str,
        identity: Mapping[str, str],
        axes: Sequence[Axis],
        *,
        higher_is_better: bool,
        sampler: str,
        pruner: str,
        seed: int = 0,
        heartbeat_seconds: int = HEARTBEAT_SECONDS,
        grace_seconds: int = GRACE_SECONDS,
    ) -> None:
        self._url, self.name = storage, name
        self._distributions = distributions(axes)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with _quietly(), self._errors_in_words():
            drawn_by, pruned_by = make_sampler(sampler, axes, seed, self._begin), make_pruner(pruner)
            self._retry = RetryHeartbeatStaleTrialCallback(max_retry=_MAX_RETRIES)
            self._storage = _open(storage, heartbeat_seconds, grace_seconds, self._retry)
            self._check_owner(identity)
            direction = StudyDirection.MAXIMIZE if higher_is_better else StudyDirection.MINIMIZE
            with suppress(DuplicatedStudyError):  # or another worker has
                study = optuna.create_study(storage=self._storage, study_name=name, direction=direction)
                study.set_user_attr(_IDENTITY, dict(identity))
            self._study = optuna.load_study(
                study_name=name, storage=self._storage, sampler=drawn_by, pruner=pruned_by
            )
            self._id = self._storage.get_study_id_from_name(name)
        self._running: dict[int, optuna.Trial] = {}
        self._heart = _Heart(self._storage, heartbeat_seconds)

    def __enter__(self) -> SharedStudy:
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._heart.stop()
        self._storage.remove_session()
        self._storage.engine.dispose()

    def ask(self, total: int) -> Trial | None:
        """A trial to train, new or of a worker that was killed; None if all places are taken."""
        with _quietly(), self._errors_in_words():
            fail_stale_trials(self._study)
            if not self._is_free(total):
                return None
            trial = self._study.ask(self._distributions)
            # Another worker may have asked at the same time: the smaller number has the place.
            if sum(other.number < trial.number for other in self._placed()) >= total:
                trial.set_user_attr(_SURPLUS, True)
                self._tell(trial, TrialState.FAIL)
                return None
            self._running[trial.number] = trial
            return _record(self._storage.get_trial(self._trial_id(trial.number)))

    def report(self, number: int, step: int, score: float) -> bool:
        """Report the score after an epoch or a fold; returns whether the trial should be pruned."""
        trial = self._running[number]
        with _quietly(), self._errors_in_words(), suppress(RuntimeError):  # taken from this worker
            trial.report(score, step)
            return trial.should_prune()
        return False

    def note(self, number: int, **facts: Any) -> None:
        """Record facts of a running trial, such as its run directory."""
        with self._errors_in_words(), suppress(RuntimeError):
            for key, value in facts.items():
                self._running[number].set_user_attr(key, value)

    def complete(self, number: int, score: float) -> None:
        """End a trial with its score."""
        self._end(number, TrialState.COMPLETE, score)

    def prune(self, number: int) -> None:
        """End a trial whose further epochs or folds are not trained."""
        self._end(number, TrialState.PRUNED)

    def fail(self, number: int, error: str) -> None:
        """End a trial that failed; its place is given to another."""
        self.note(number, error=error)
        self._end(number, TrialState.FAIL)

    def release(self, number: int) -> None:
        """Give back a trial that was interrupted: the next worker that asks takes it up."""
        self._end(number, TrialState.FAIL)
        with _quietly(), self._errors_in_words():
            frozen = self._storage.get_trial(self._trial_id(number))
            if frozen.state == TrialState.FAIL:
                self._retry(self._study, frozen)

    def unfinished(self) -> int:
        """Number of trials that some worker trains or is to take up."""
        with _quietly(), self._errors_in_words():
            fail_stale_trials(self._study)
            return len(
                self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING))
            )

    def has_place(self, total: int) -> bool:
        """Whether `ask` may return a trial."""
        with self._errors_in_words():
            return self._is_free(total)

    def trials(self) -> list[Trial]:
        """All trials, without those that were begun again, and without repeated values."""
        with self._errors_in_words():
            frozen = self._study.get_trials(deepcopy=False)
        again = {number for trial in frozen for number in trial.system_attrs.get(HISTORY, ())}
        places = self._without_repeats([trial for trial in frozen if trial.state in _PLACED])
        placed = {trial.number for trial in places}
        return [
            _record(trial)
            for trial in frozen
            if trial.number not in again
            and _SURPLUS not in trial.user_attrs
            and (trial.state not in _PLACED or trial.number in placed)
        ]

    def ended_early(self, total: int) -> bool:
        """Whether the search has ended before `total` trials, as its sampler proposed nothing new."""
        with self._errors_in_words():
            return len(self._placed()) < total and not self._is_free(total)

    def _placed(self) -> list[FrozenTrial]:
        return self._without_repeats(self._study.get_trials(deepcopy=False, states=_PLACED))

    def _without_repeats(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Of several trials with the same values, the first; one that is still being drawn has its own."""
        first: dict[object, FrozenTrial] = {}
        for trial in trials:
            is_drawn = trial.params.keys() == self._distributions.keys()
            first.setdefault(tuple(sorted(trial.params.items())) if is_drawn else trial.number, trial)
        return [*first.values()]

    def _is_free(self, total: int) -> bool:
        trials = self._study.get_trials(deepcopy=False, states=_PLACED)
        if any(trial.state == TrialState.WAITING for trial in trials):
            return True
        placed = self._without_repeats(trials)
        newest = max((trial.number for trial in placed), default=-1)
        repeats = sum(trial.number > newest for trial in trials)
        return len(placed) < total and repeats < _MAX_REPEATS

    def importance(self) -> dict[str, float]:
        """Share of each searched value in the variation of the score (PED-ANOVA), the largest first."""
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances  # imports sklearn

        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len({trial.value for trial in complete}) < 2:
            return {}
        with _quietly(), self._errors_in_words():
            return dict(get_param_importances(self._study, evaluator=PedAnovaImportanceEvaluator()))

    def remember(self, key: str, value: Any) -> None:
        """Record a fact of the study for workers on other machines."""
        with self._errors_in_words():
            self._study.set_user_attr(key, value)

    def recall(self, key: str) -> Any:
        """What `remember` recorded; None if nothing."""
        with self._errors_in_words():
            return self._study.user_attrs.get(key)

    def _begin(self, number: int) -> None:
        self._heart.add(self._trial_id(number))  # before it is sampled: the worker may be killed meanwhile

    def _end(self, number: int, state: TrialState, score: float | None = None) -> None:
        trial = self._running.pop(number)
        with _quietly(), self._errors_in_words():
            self._tell(trial, state, score)

    def _tell(self, trial: optuna.Trial, state: TrialState, score: float | None = None) -> None:
        self._heart.remove(self._trial_id(trial.number))
        # Taken from this worker and ended elsewhere; or the sampler has tried everything, which is no error.
        with suppress(RuntimeError):
            self._study.tell(trial, score, state, skip_if_finished=True)

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)

    def _check_owner(self, identity: Mapping[str, str]) -> None:
        """Refuse a storage with another study than this one."""
        studies = self._storage.get_all_studies()
        if not studies or any(study.study_name == self.name for study in studies):
            return
        other = studies[0].user_attrs.get(_IDENTITY)
        if not isinstance(other, dict):
            raise SegkitError(
                f"the storage belongs to the study {studies[0].study_name!r}, which segkit tune has not made",
                where=self._url.shown, hint=_other_storage(),
            )  # fmt: skip
        same_search = all(other.get(key) == identity[key] for key in ("search space", "score"))
        differences = [
            f"it has {_DIGESTS[key]}"
            if key in _DIGESTS
            else f"its {key} is {other.get(key)}, here it is {value}"
            for key, value in identity.items()
            if other.get(key) != value and (key not in _DIGESTS or same_search)
        ]
        raise SegkitError(
            f"the storage belongs to another study, {studies[0].study_name}: {'; '.join(differences)}",
            where=self._url.shown, hint=_other_storage(),
        )  # fmt: skip

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        try:
            yield
        except ImportError as error:
            raise _missing(error.__cause__ or error) from None
        except (DatabaseError, InterfaceError, StorageInternalError, sqlite3.Error) as error:
            cause = error.__cause__ if isinstance(error, StorageInternalError) else error
            text = self._url.without_secrets(first_line(getattr(cause, "orig", None) or cause or error))
            raise TrainingError(
                f"the storage cannot be used: {text}", where=self._url.shown,
                hint="is the database running, and may this user write to it? Repeat the command to go on",
            ) from None  # fmt: skip


_DIGESTS = {"settings": "other settings beside the searched values", "images": "other images or masks"}


def _other_storage() -> str:
    option = worded("--storage", "storage")
    return (
        f"{option} with another file or database keeps both; or repeat that study's command to go on with it"
    )


def _missing(error: BaseException) -> SegkitError:
    name = getattr(error, "name", None)
    hint = f"pip install {name}" if name and name != "psycopg" else "pip install 'segkit-torch[tune]'"
    return SegkitError(f"a package is missing: {first_line(error)}", hint=hint)


def _open(url: StorageUrl, heartbeat: int, grace: int, retry: RetryHeartbeatStaleTrialCallback) -> RDBStorage:
    if url.file:
        _check_file(url)
        options: dict[str, Any] = {"connect_args": {"timeout": 60}}
    else:
        options = {"pool_pre_ping": True}  # the server may have been started again
    for attempt in range(_ATTEMPTS):
        try:
            return RDBStorage(
                url.url,
                options,
                heartbeat_interval=heartbeat,
                grace_period=grace,
                heartbeat_stale_trial_callback=retry,
            )
        except (DatabaseError, StorageInternalError) as error:
            cause = error.__cause__ if isinstance(error, StorageInternalError) else error
            is_unreachable = isinstance(cause, OperationalError) and not url.file
            # Two workers that start at once make the same tables.
            if is_unreachable or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE_SECONDS)
        except RuntimeError:
            raise SegkitError(
                "the storage was made by another version of Optuna", where=url.shown,
                hint="optuna storage upgrade --storage URL, or pip install -U optuna",
            ) from None  # fmt: skip
    raise AssertionError


def _check_file(url: StorageUrl) -> None:
    assert url.file
    try:
        url.file.parent.mkdir(parents=True, exist_ok=True)
        with url.file.open("rb") as file:
            start = file.read(16)
    except FileNotFoundError:
        return
    except OSError as error:
        raise SegkitError(
            f"the storage cannot be opened: {error.strerror}", where=url.shown, hint=_other_storage()
        ) from error
    if start and start != b"SQLite format 3\0":
        raise SegkitError(
            "this is no SQLite database", where=url.shown, hint="--storage with a file of its own"
        )


def _record(trial: FrozenTrial) -> Trial:
    facts = trial.user_attrs
    epochs, seconds = facts.get("cost", (0, 0.0))
    return Trial(
        trial.number,
        _STATES[trial.state],
        dict(trial.params),
        trial.value if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
        dict(sorted(trial.intermediate_values.items())),
        epochs,
        seconds,
        folds=[Fold(**fold) for fold in facts.get("folds", ())],
        **{key: facts[key] for key in ("asked", "saved", "run", "machine", "error") if key in facts},
    )


@contextmanager
def _quietly() -> Iterator[None]:
    """Without Optuna's warnings about experimental functions, and about heartbeats outside of `optimize`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Heart:
    """Thread that says for every running trial that its worker is alive."""

    def __init__(self, storage: RDBStorage, seconds: int) -> None:
        self._storage, self._seconds = storage, seconds
        self._trials: set[int] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def add(self, trial: int) -> None:
        self._storage.record_heartbeat(trial)
        self._trials.add(trial)

    def remove(self, trial: int) -> None:
        self._trials.discard(trial)

    def _beat(self) -> None:
        while not self._stopped.wait(self._seconds):
            for trial in [*self._trials]:
                with suppress(Exception):  # the worker itself reports a storage that has gone
                    self._storage.record_heartbeat(trial)
