"""Samplers and pruners of Optuna, by their names there."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from segkit.core.errors import SegkitError, worded
from segkit.core.registry import near
from segkit.recipe.search_space import Axis, Choices, Range

HISTORY = "retry_history"  # of a trial that was begun again: Optuna's record of its former numbers
# Sequences that every worker must draw alike: their state is in the storage.
_SHARED_SEED = ("GridSampler", "QMCSampler")


def sampler_names() -> list[str]:
    """Samplers that need no options beside the search space."""
    return [
        name
        for name in _classes(optuna.samplers, BaseSampler, ("seed", "search_space"))
        if "seed" in _options(optuna.samplers, name)
    ]


def pruner_names() -> list[str]:
    """Pruners that need no options."""
    names = _classes(optuna.pruners, optuna.pruners.BasePruner, ())
    return [name for name in names if name != "ThresholdPruner"]  # without a threshold it prunes nothing


def make_sampler(
    name: str, axes: Sequence[Axis], seed: int, on_begin: Callable[[int], None] = lambda number: None
) -> BaseSampler:
    """The sampler of this name, which draws the same for the same seed, trial and trials before it.

    Args:
        name: Optuna's name.
        axes: search space.
        seed: seed.
        on_begin: called with the number of a trial before anything is drawn for it.

    Raises:
        SegkitError: if there is none, or it cannot sample this space.
    """
    _check(name, sampler_names(), "sampler")
    grid = _grid(axes) if name == "GridSampler" else {}

    def make(trial_seed: int) -> BaseSampler:
        options: dict[str, Any] = {"seed": seed if name in _SHARED_SEED else trial_seed}
        if name == "GridSampler":
            options["search_space"] = grid
        if name == "QMCSampler":
            options["independent_sampler"] = optuna.samplers.RandomSampler(seed=trial_seed)
        if name == "TPESampler":
            options["constant_liar"] = True  # workers do not draw what is running elsewhere
        if (
            name == "GPSampler"
        ):  # drawn at random before; its own default is for more trials than most searches have
            options["n_startup_trials"] = min(10, 2 * len(axes))
        sampler: BaseSampler = getattr(optuna.samplers, name)(**options)
        return sampler

    return _SeededByTrial(make, seed, on_begin)


def make_pruner(name: str) -> optuna.pruners.BasePruner:
    """The pruner of this name.

    Raises:
        SegkitError: if there is none.
    """
    _check(name, pruner_names(), "pruner")
    pruner: optuna.pruners.BasePruner = getattr(optuna.pruners, name)()
    return pruner


def most_trials(axes: Sequence[Axis]) -> int | None:
    """Number of different trials; None without an end."""
    if any(isinstance(_distribution(axis.space), FloatDistribution) for axis in axes):
        return None
    total = 1
    for axis in axes:
        total *= (
            len(axis.space.values)
            if isinstance(axis.space, Choices)
            else int(axis.space.high - axis.space.low) + 1
        )
    return total


def distributions(axes: Sequence[Axis]) -> dict[str, BaseDistribution]:
    """The search space in Optuna's words."""
    return {axis.path: _distribution(axis.space) for axis in axes}


def _distribution(space: Choices | Range) -> BaseDistribution:
    if isinstance(space, Choices):
        return CategoricalDistribution(space.values)
    if space.is_whole:
        return IntDistribution(int(space.low), int(space.high), log=space.log)
    return FloatDistribution(space.low, space.high, log=space.log)


def _grid(axes: Sequence[Axis]) -> Mapping[str, list[Any]]:
    grid: dict[str, list[Any]] = {}
    for axis in axes:
        if isinstance(axis.space, Range) and not axis.space.is_whole:
            problem = f"GridSampler cannot sample {axis}, which has no end of values"
            raise SegkitError(
                problem,
                where=worded("--sampler", "sampler"),
                hint="choices (a,b,c), whole numbers, or another sampler",
            )
        space = axis.space
        grid[axis.path] = [
            *(space.values if isinstance(space, Choices) else range(int(space.low), int(space.high) + 1))
        ]
    return grid


class _SeededByTrial(BaseSampler):
    """Makes the sampler anew for each trial, with a seed from its number, not counting trials begun again.

    What a trial gets then depends on the storage alone: a search that goes on repeats nothing, and draws the
    same as if it had not been interrupted; workers with the same seed do not draw the same.
    """

    def __init__(
        self, make: Callable[[int], BaseSampler], seed: int, on_begin: Callable[[int], None]
    ) -> None:
        self._make, self._seed, self._on_begin = make, seed, on_begin
        self._sampler = make(seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._on_begin(trial.number)
        others = study.get_trials(deepcopy=False)
        again = sum(HISTORY in other.system_attrs for other in others if other.number < trial.number)
        self._sampler = self._make(random.Random(f"{self._seed} {trial.number - again}").getrandbits(32))
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._sampler.after_trial(study, trial, state, values)


def _classes(module: Any, base: type, given: Sequence[str]) -> list[str]:
    """Concrete classes of a module that can be made with these options alone."""
    return [
        name
        for name in module.__all__
        if inspect.isclass(cls := getattr(module, name))
        and issubclass(cls, base)
        and not inspect.isabstract(cls)
        and all(option in given or has_default for option, has_default in _options(module, name).items())
    ]


def _options(module: Any, name: str) -> dict[str, bool]:
    """Options of a class, and whether each has a default."""
    parameters = inspect.signature(getattr(module, name)).parameters.values()
    return {one.name: one.default is not one.empty for one in parameters if one.kind is not one.VAR_KEYWORD}


def _check(name: str, names: Sequence[str], kind: str) -> None:
    if name not in names:
        guesses = near(name, names)
        guess = f"did you mean {guesses[0]}? " if guesses else ""
        hint = f"{guess}{', '.join(names)}"
        raise SegkitError(f"Optuna has no {kind} {name!r}", where=worded(f"--{kind}", kind), hint=hint)
