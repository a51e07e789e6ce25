"""Result of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from segkit.analysis.tuning.optimism import optimism_over_folds
from segkit.recipe.search_space import Axis, Value
from segkit.recipe.yaml_tree import parse_yaml

State = Literal["complete", "pruned", "failed", "running", "waiting"]


@dataclass(frozen=True)
class Fold:
    """A fold of a trial: its run, as its machine names it, and its score; None if that is undefined."""

    run: str
    score: float | None


@dataclass(frozen=True)
class Trial:
    """A trial: one recipe of the search space.

    Args:
        number: its number in the storage; numbers of trials that were begun again are missing.
        state: how it ended, or that it has not.
        values: searched values by path.
        score: validation score of the chosen epoch, or that of all images out of their fold; of a pruned
            trial, the last of `scores`.
        scores: validation score of each epoch, or the mean over the first folds by their number.
        epochs: epochs that this trial trained; 0 if its runs were there already.
        seconds: time that they took.
        asked: epochs of its recipe, in all folds.
        saved: those of them that were not trained because it was pruned.
        run: run directory, as its machine names it; "" with folds.
        folds: its first folds that are complete.
        machine: name of the machine that trained it.
        error: why it failed.
    """

    number: int
    state: State
    values: Mapping[str, Value]
    score: float | None = None
    scores: Mapping[int, float] = field(default_factory=dict)
    epochs: int = 0
    seconds: float = 0.0
    asked: int = 0
    saved: int = 0
    run: str = ""
    folds: Sequence[Fold] = ()
    machine: str = ""
    error: str = ""

    @property
    def is_reused(self) -> bool:
        """Whether it trained nothing, as its run was there."""
        return self.state in ("complete", "pruned") and not self.epochs


@dataclass(frozen=True)
class FinalScore:
    """Scores of the best trial on the test images: of its own run, or of the mean of the models of its folds.

    Args:
        images: number of test images.
        metrics: scores by metric.
        intervals: their 95% intervals over images.
    """

    images: int
    metrics: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float | None, float | None]]


@dataclass(frozen=True)
class Tuning:
    """Result of a search.

    Args:
        recipe: name of the recipe.
        study: name of the study in the storage.
        metric: metric by which trials are judged.
        higher_is_better: whether more of it is better.
        axes: what is searched.
        trials: all trials, by number.
        asked: number of trials that were asked for.
        importance: share of each searched value in the variation of the score; empty if it cannot be told.
        images: images by which trials are judged: validation images, or those of all folds.
        folds: number of folds; 0 if validation images judge trials.
        group: what keeps images in one fold; "" without.
        test: scores of the best trial on the test images; None if there are none, or its run is elsewhere.
        best_recipe: recipe of the best trial, as YAML; "" without a complete trial.
        best_runs: its run directory, or those of its folds, if they lie on this machine.
        sampler: Optuna's name.
        pruner: Optuna's name.
        seed: seed of the sampler.
        storage: storage, without user and password.
        command: command line that goes on with the search.
        source: recipe as the command names it.
        overrides: `--set` of the command.
        notes: sentences for the reader.
    """

    recipe: str
    study: str
    metric: str
    higher_is_better: bool
    axes: Sequence[Axis]
    trials: Sequence[Trial]
    asked: int
    importance: Mapping[str, float]
    images: int
    test: FinalScore | None
    best_recipe: str
    best_runs: Sequence[str]
    sampler: str
    pruner: str
    seed: int
    storage: str
    command: str
    source: str
    overrides: Sequence[str]
    notes: Sequence[str] = ()
    folds: int = 0
    group: str = ""

    @property
    def best(self) -> Trial | None:
        """The complete trial with the best score, the first of equal ones."""
        return best_of(self.trials, higher_is_better=self.higher_is_better)

    @property
    def optimism(self) -> float | None:
        """How much too good the score of the search is.

        It is compared with the score on the test images; with folds, with the score of trials that are chosen
        without the images that score them.
        """
        if self.folds:
            complete = [trial for trial in self.trials if trial.state == "complete"]
            scores = [[fold.score for fold in trial.folds] for trial in complete]
            return optimism_over_folds(scores, higher_is_better=self.higher_is_better)
        test = self.test.metrics.get(self.metric) if self.test else None
        if test is None or self.best is None or self.best.score is None:
            return None
        difference = self.best.score - test
        return difference if self.higher_is_better else -difference

    def count(self, state: State) -> int:
        """Number of trials in this state."""
        return sum(trial.state == state for trial in self.trials)

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        best = self.best
        return {
            "recipe": self.recipe,
            "study": self.study,
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "search": {axis.path: axis.text for axis in self.axes},
            "best": best
            and {
                "trial": best.number,
                "values": _plain(best.values),
                "score": best.score,
                **_runs(next(iter(self.best_runs), ""), best.folds),
            },
            "test": self.test
            and {
                "images": self.test.images,
                "metrics": dict(self.test.metrics),
                "intervals": {name: list(limits) for name, limits in self.test.intervals.items()},
            },
            "optimism": self.optimism,
            "importance": dict(self.importance),
            "cost": {
                "seconds": sum(trial.seconds for trial in self.trials),
                "epochs": sum(trial.epochs for trial in self.trials),
                "epochs_saved_by_pruning": sum(trial.saved for trial in self.trials),
                "reused_runs": sum(trial.is_reused for trial in self.trials),
            },
            "trials": [
                {
                    "trial": trial.number,
                    "state": trial.state,
                    "values": _plain(trial.values),
                    "score": trial.score,
                    "epochs": trial.epochs,
                    "seconds": trial.seconds,
                    **_runs(trial.run, trial.folds),
                    "machine": trial.machine,
                    "error": trial.error,
                }
                for trial in self.trials
            ],
            "trials_asked": self.asked,
            **({"folds": self.folds, "group": self.group or None} if self.folds else {}),
            "images" if self.folds else "validation_images": self.images,
            "sampler": self.sampler,
            "pruner": self.pruner,
            "seed": self.seed,
            "storage": self.storage,
            "command": self.command,
            "notes": list(self.notes),
        }


def _plain(values: Mapping[str, Value]) -> dict[str, Any]:
    """Values as a recipe has them: choices are YAML texts."""
    return {
        path: parse_yaml(value, "", numbered=False).plain() if isinstance(value, str) else value
        for path, value in values.items()
    }


def _runs(run: str, folds: Sequence[Fold]) -> dict[str, Any]:
    return {"folds": [asdict(fold) for fold in folds]} if folds else {"run": run}


def best_of(trials: Sequence[Trial], *, higher_is_better: bool) -> Trial | None:
    """The complete trial with the best score, the first of equal ones."""
    sign = 1 if higher_is_better else -1
    scored = [
        (trial.score * sign, -trial.number, trial)
        for trial in trials
        if trial.state == "complete" and trial.score is not None
    ]
    return max(scored, key=lambda entry: entry[:2])[2] if scored else None


def in_words(values: Mapping[str, Value]) -> str:
    """Searched values as ``optimizer.lr=0.001, model.decoder=unet``."""
    return ", ".join(f"{path}={shown(value)}" for path, value in values.items())


def shown(value: Value) -> str:
    """A searched value, with four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
