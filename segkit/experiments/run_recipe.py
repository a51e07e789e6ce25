"""The recipe of a run, and its changes since the run began. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from segkit.core.errors import SegkitError
from segkit.core.paths import is_weights_file, quoted
from segkit.core.registry import Settings
from segkit.recipe import Recipe, load_dumped, load_recipe
from segkit.recipe.yaml_tree import write_yaml
from segkit.runs.fingerprint import LABEL_KEYS, SAVING_KEYS, SPEED_KEYS
from segkit.runs.run_dir import RunDir
from segkit.runs.schema import Environment
from segkit.utils.safe_read import corrupt_file

# What a run that has begun may change: settings without effect on scores, how long it trains, and where.
_FREE = (*(f"data.{key}" for key in SPEED_KEYS), *(f"training.{key}" for key in SAVING_KEYS))
AFFECTING = (  # results, some only by rounding
    "training.epochs", "training.accelerator", "training.devices", "training.num_nodes",
    "training.precision", "training.deterministic", "training.channels_last", "training.compile",
)  # fmt: skip
CHANGEABLE = (*AFFECTING, *_FREE)
_COLORS = "data.colors."  # of one class
_PREDICTING = ("model.", "data.task", "data.classes", "data.channels", "data.bands",
               "data.range", "data.size", "data.normalize", "postprocess")  # fmt: skip


@dataclass(frozen=True)
class Change:
    """A changed value of a recipe.

    Args:
        path: dotted path, such as ``training.epochs``.
        before: former value.
        after: present value.
    """

    path: str
    before: Any
    after: Any

    @property
    def is_moved_file(self) -> bool:
        """Whether it is a path of data or weights, whose contents are compared when a run is resumed."""
        values = (self.before, self.after)
        if self.path == "model.encoder.weights":
            return all(isinstance(value, str) and is_weights_file(value) for value in values)
        return self.path.startswith("data.") and all(isinstance(value, Path) for value in values)

    @property
    def is_allowed(self) -> bool:
        """Whether a run that has begun may be resumed with it."""
        return self.path in CHANGEABLE or self.path.startswith(_COLORS) or self.is_moved_file

    @property
    def affects_results(self) -> bool:
        """Whether weights and scores depend on it, if only by rounding."""
        is_label = self.path.partition(".")[0] in LABEL_KEYS
        is_free = self.path in _FREE or self.path.startswith(_COLORS)
        return not (is_label or self.is_moved_file or is_free)

    @property
    def affects_predictions(self) -> bool:
        """Whether the predictions of the same weights depend on it."""
        return self.affects_results and self.path.startswith(_PREDICTING)

    def __str__(self) -> str:
        return f"{self.path} is {value_in_words(self.after)}, it was {value_in_words(self.before)}"


def load_run_recipe(run: RunDir, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a run directory; plugins that it names are not loaded.

    Raises:
        SegkitError: if it is invalid, or uses a part of a plugin that is not loaded.
    """
    return load_recipe(run.recipe, ["plugins=[]", *_former_split_seed(run), *overrides])


def changes_since(then: Environment, recipe: Recipe, run: RunDir) -> list[Change]:
    """Changes of a recipe since a run began or was last resumed.

    Args:
        then: the run's environment, with the recipe that it began with; without one, as in runs of earlier
            versions, the file `recipe.yaml` takes its place.
        recipe: recipe to resume the run with.
        run: run directory.

    Raises:
        SegkitError: if the recorded recipe is damaged.
    """
    try:
        text = write_yaml({**then.recipe, "plugins": []})
        recorded = load_dumped(text) if then.recipe else load_run_recipe(run)
    except SegkitError as error:
        raise corrupt_file(run.environment, f"recipe: {error.problems[0].problem}") from error
    return [*_differences(_tree(recorded), _tree(recipe))]


def edits(run: RunDir, recipe: Recipe) -> list[Change]:
    """Changes of a run's `recipe.yaml` that its results do not have: edits of the file."""
    return [change for change in changes_since(run.read_environment(), recipe, run) if change.affects_results]


def check_changes(run: RunDir, recipe: Recipe, overrides: Sequence[str]) -> None:
    """Check that a run can be resumed with a recipe: its own, except for allowed overrides.

    Raises:
        SegkitError: naming the values that have been edited or cannot be changed.
    """
    changes = changes_since(run.read_environment(), recipe, run)
    paths = [override.partition("=")[0].strip() for override in overrides]
    chosen = [change for change in changes if any(_overlap(change.path, path) for path in paths)]
    new_run = f"segkit run {quoted(run.recipe)}"
    if refused := [change.path for change in chosen if not change.is_allowed]:
        raise SegkitError(
            f"--set cannot change {', '.join(refused)} of a run that has begun",
            where=str(run.path),
            hint=f"it can change {', '.join(CHANGEABLE)}, and paths of data and weights that have moved. "
            f"Or start a new run: {new_run} --set ...",
        )
    edited = [c for c in changes if c not in chosen and (c.affects_results or c.is_moved_file)]
    if not edited:
        return
    hint = f"undo this, or start a new run: {new_run}"
    if all(change.is_allowed for change in edited):
        options = (f" --set {quoted(f'{c.path}={value_in_words(c.after)}')}" for c in edited)
        hint = f"segkit resume {quoted(run.path)}{''.join(options)}"
    raise SegkitError(
        f"the recipe has been edited since the run began: {'; '.join(map(str, edited))}",
        where=str(run.recipe),
        hint=hint,
    )


def check_files(run: RunDir, recipe: Recipe) -> None:
    """Check that the data and the weights of a run are where its recipe says.

    Raises:
        SegkitError: naming those that are not, and how to say where they are now.
    """
    paths = [*_paths(_tree(recipe.data), "data")]
    weights = recipe.model.encoder.options.get("weights")
    if isinstance(weights, str) and is_weights_file(weights):
        paths.append(("model.encoder.weights", Path(weights)))
    if missing := {name: path for name, path in paths if not path.exists()}:
        options = "".join(f" --set {name}=..." for name in missing)
        raise SegkitError(
            f"files of this run do not exist any more: {', '.join(map(str, missing.values()))}",
            where=str(run.path),
            hint=f"if they have moved, say where to: segkit resume {quoted(run.path)}{options}",
        )


def value_in_words(value: Any) -> str:
    """A value in the syntax of `--set`; only the name of a part."""
    if isinstance(value, dict) and "name" in value:
        return str(value["name"])
    if isinstance(value, list):
        return f"[{', '.join(map(value_in_words, value))}]"
    return str(value) if isinstance(value, str | Path) else json.dumps(to_jsonable_python(value))


def _former_split_seed(run: RunDir) -> list[str]:
    """In runs of versions without `data.split.seed`, the recipe's seed drew the split."""
    try:
        content = run.read_recipe()
    except SegkitError:
        return []  # reported when the recipe is loaded
    split = (content.get("data") or {}).get("split")
    if isinstance(split, dict) and split.get("by") in ("fraction", "kfold") and "seed" not in split:
        return [f"data.split.seed={content.get('seed', 0)}"]
    return []


def _tree(value: Any) -> Any:
    """Mappings and lists of plain values and paths."""
    if isinstance(value, Settings):
        value = dict(value)
    if isinstance(value, dict):
        return {str(key): _tree(item) for key, item in value.items()}
    return [_tree(item) for item in value] if isinstance(value, list | tuple) else value


def _differences(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    same_kind = type(before) is type(after)
    if same_kind and isinstance(before, dict) and (not path or before.get("name") == after.get("name")):
        pairs = {key: (before.get(key), after.get(key)) for key in before | after}
    elif same_kind and _holds_parts(before) and len(before) == len(after):
        pairs = {str(index): pair for index, pair in enumerate(zip(before, after, strict=True))}
    else:
        if before != after:
            yield Change(path, before, after)
        return
    for key, pair in pairs.items():
        yield from _differences(*pair, f"{path}.{key}" if path else key)


def _paths(value: Any, name: str) -> Iterator[tuple[str, Path]]:
    """All paths in a tree with their dotted names."""
    if isinstance(value, Path):
        yield name, value
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _paths(item, f"{name}.{key}")


def _holds_parts(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict | Path) for item in value)


def _overlap(path: str, other: str) -> bool:
    """Whether one of two dotted paths leads to the other."""
    return f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}.")
