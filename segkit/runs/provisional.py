"""Results so far of a run that has not ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from segkit.core.paths import quoted
from segkit.runs.schema import EpochScores, SplitScores, Summary
from segkit.utils.safe_read import corrupt_file

if TYPE_CHECKING:
    from segkit.runs.run_files import RunFiles

STOPPED = "stopped"  # status of such a summary


def provisional_summary(run: RunFiles) -> Summary:
    """Summary of a run that has not ended: the validation scores of its best epoch so far, with a warning.

    Raises:
        SegkitError: if a file is missing or damaged, or no epoch has ended.
    """
    recipe, environment, epochs = run.read_recipe(), run.read_environment(), run.read_epochs()
    if not epochs:
        raise corrupt_file(run.metrics, "no epoch has ended", f"segkit resume {quoted(run.path)}")
    last, training = epochs[-1]["epoch"], recipe.get("training") or {}
    best = _epoch_of_weights(run) or next((e["epoch"] for e in reversed(epochs) if e.get("best")), last)
    select = training.get("select") or "best"
    parts = recipe.get("metrics") or ()
    metrics = [part if isinstance(part, str) else part.get("as") or part["name"] for part in parts]
    scores = {epoch["epoch"]: _scores(epoch, metrics) for epoch in epochs}
    split = "val" if "val" in environment.data_digests else "test"
    chosen = scores.get(best, EpochScores(epoch=best, metrics={}))
    try:
        return Summary(
            status=STOPPED,
            recipe=recipe.get("name", ""),
            description=recipe.get("description", ""),
            metrics=metrics,
            scored_on=split,
            validate_windows=(recipe.get("data") or {}).get("validate_windows"),
            reported_on=split,
            select=select,
            images=environment.images,
            best=chosen,
            last=scores[last],
            scores=SplitScores(split=split, metrics=chosen.metrics, loss=chosen.val_loss),
            epochs=len(scores),
            epochs_asked=training.get("epochs"),
            seconds=_total(epochs, "seconds"),
            train_seconds=_total(epochs, "train_seconds"),
            device=environment.device,
            ema_decay=training.get("ema_decay"),
            warnings=[
                f"This run has not ended: it was stopped after epoch {last} of {training.get('epochs')}. "
                f"Its weights and scores are those of epoch {best}, the {select} so far."
            ],
        )
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise corrupt_file(run.recipe, f"it does not fit a run ({place})") from None


def _scores(epoch: dict[str, Any], metrics: list[str]) -> EpochScores:
    values = {name: epoch.get(name) for name in metrics}
    return EpochScores(epoch=epoch["epoch"], metrics=values, val_loss=epoch.get("val_loss"))


def _epoch_of_weights(run: RunFiles) -> int | None:
    """Epoch of the best weights; None in files of earlier versions."""
    try:
        with safe_open(run.weights, "np") as file:
            text = (file.metadata() or {}).get("segkit", "").partition(" ")[2]
        epoch = json.loads(text)["epoch"]
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return epoch if isinstance(epoch, int) and 0 < epoch < 10**6 else None


def _total(epochs: list[dict[str, Any]], key: str) -> float:
    return sum(epoch.get(key) or 0.0 for epoch in epochs)
