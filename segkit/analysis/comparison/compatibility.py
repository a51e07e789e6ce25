"""Check that the scores of runs or recipes are comparable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segkit.core.errors import Problem, SegkitError, worded

TASK = ("task", "classes", "ignore_index")  # keys of `data` that define the target
IGNORED = ("name", "description", "reference", "seed", "plugins")  # recipe keys that make no difference
RESOLUTION = ("fit", "size")  # and those of the resolution, unless scores are at the images' own size


@dataclass(frozen=True)
class Scored:
    """Scoring setup of a run or a recipe.

    Args:
        where: run directory or recipe.
        data: `data` section of the recipe, as plain data.
        metrics: `metrics` section of the recipe.
        names: names of the scored images.
        pixels: digest of images and masks, or None if unknown.
        code: digest of the metric code, or None if unknown.
        native: whether the scores are at the images' own size, whatever the run's own ones are.
    """

    where: str
    data: Mapping[str, Any]
    metrics: Sequence[Any]
    names: Sequence[str]
    pixels: str | None = None
    code: str | None = None
    native: bool = False

    @property
    def is_native(self) -> bool:
        """Whether the scores are at the images' own size, as those of every run with fit: crop."""
        return self.native or self.data.get("fit") == "crop"

    @property
    def at(self) -> str:
        """The resolution of the scores in words."""
        return "the images' own size" if self.is_native else f"data.size, {_text(self.data.get('size'))}"

    @property
    def resolution(self) -> Mapping[str, Any]:
        """What decides the resolution of the scores, by key of `data`; nothing if they are native."""
        known = {"fit": "stretch", **self.data}  # of runs of earlier versions
        return {} if self.is_native else {key: known.get(key) for key in RESOLUTION}


def check_compatible(
    scored: Sequence[Scored], metric: str, *, force: bool = False
) -> tuple[list[str], list[str]]:
    """Check that scores are comparable, and find the common images.

    Args:
        scored: setups; each is compared with the first.
        metric: metric to compare.
        force: turn differences into warnings.

    Returns:
        Names of the common images in the first setup's order; warnings.

    Raises:
        SegkitError: listing every difference; also with `force` if a setup lacks the metric or no image is
            common to all.
    """
    if problems := [_missing_metric(entry, metric) for entry in scored if metric not in _names(entry)]:
        raise SegkitError.of(problems)
    first = scored[0]
    common = set.intersection(*(set(entry.names) for entry in scored))
    images = [name for name in first.names if name in common]
    if not images:
        hint = "compare runs that were scored on the same test images"
        raise SegkitError("the runs have no scored image in common", where=first.where, hint=hint)
    problems = [problem for entry in scored[1:] for problem in _differences(first, entry, metric)]
    if problems and not force:
        raise SegkitError.of(problems)
    return images, [f"Compared by force: {problem.where}: {problem.problem}." for problem in problems]


def has_one_definition(sections: Iterable[Sequence[Any]], metric: str) -> bool:
    """Whether a metric has the same options in every `metrics` section that names it."""
    found = [part for section in sections for part in section if metric_name(part) == metric]
    return all(_complete(part) == _complete(found[0]) for part in found)


def metric_name(part: Any) -> str:
    """Name of a metric's scores, of an item of a `metrics` section."""
    return str((part.get("as") or part["name"]) if isinstance(part, Mapping) else part)


def registered_name(part: Any) -> str:
    """Name of the metric itself."""
    return str(part["name"] if isinstance(part, Mapping) else part)


def _missing_metric(entry: Scored, metric: str) -> Problem:
    option = worded("--metric", "the argument metric")
    hint = f"{option} with one of {', '.join(_names(entry))}; or add {metric} to the recipe's metrics"
    return Problem(f"it has no scores for the metric {metric}", entry.where, hint=hint)


def _differences(first: Scored, second: Scored, metric: str) -> Iterator[Problem]:
    force = f"{worded('--force', 'force=True')} to compare anyway, with a warning in the report"

    def problem(text: str, path: str, hint: str = force) -> Problem:
        return Problem(text, second.where, path=path, hint=hint)

    native = f"{worded('--native', 'native=True')} to compare at the images' own size"
    for key in TASK:
        a, b = first.data.get(key), second.data.get(key)
        if a != b:
            yield problem(f"data.{key} is {_text(b)}, but {_text(a)} in {first.where}", f"data.{key}")
    if first.is_native != second.is_native:
        text = f"scored at {second.at}, but {first.where} at {first.at}"
        yield problem(text, "data.fit", f"{native}; {force}")
    else:
        for key, b in second.resolution.items():
            if b != (a := first.resolution[key]):
                text = f"data.{key} is {_text(b)}, but {_text(a)} in {first.where}"
                yield problem(text, f"data.{key}", f"{native}; {force}")
    if text := _image_differences(first.names, second.names):
        yield problem(f"scored on other images than {first.where}: {text}", "data")
    elif first.resolution == second.resolution and _differ(first.pixels, second.pixels):
        yield problem(f"images or masks have the same names as in {first.where}, but other pixels", "data")
    a, b = _definition(first, metric), _definition(second, metric)
    if a != b:
        yield problem(f"{metric} is {_text(b)}, but {_text(a)} in {first.where}", "metrics")
    elif _differ(first.code, second.code):
        text = f"{metric} was computed by other code than in {first.where}"
        yield problem(text, "metrics", f"run its recipe again; {force}")


def _differ(a: str | None, b: str | None) -> bool:
    return a is not None and b is not None and a != b


def _image_differences(first: Sequence[str], second: Sequence[str]) -> str:
    missing, extra = sorted(set(first) - set(second)), sorted(set(second) - set(first))
    return ", ".join(
        f"{len(names)} {word} ({', '.join(names[:2])}{', ...' if len(names) > 2 else ''})"
        for names, word in ((missing, "missing"), (extra, "extra"))
        if names
    )


def _names(entry: Scored) -> list[str]:
    return [metric_name(part) for part in entry.metrics]


def _definition(entry: Scored, metric: str) -> Any:
    return _complete(next(part for part in entry.metrics if metric_name(part) == metric))


def _complete(part: Any) -> Any:
    return part if isinstance(part, Mapping) else {"name": part}


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        options = ", ".join(
            f"{key} {_text(item)}" for key, item in value.items() if key not in ("name", "as")
        )
        return f"{value.get('name')} with {options}" if options else str(value.get("name"))
    if isinstance(value, list | tuple):
        return (" x " if all(isinstance(item, int) for item in value) else ", ").join(map(str, value))
    return "none" if value is None else str(value)
