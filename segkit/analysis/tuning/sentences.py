"""Sentences about the result of a search."""

from __future__ import annotations

from segkit.analysis.report.format import duration, number
from segkit.analysis.tuning.result import Tuning
from segkit.utils.listing import counted


def final_sentences(tuning: Tuning) -> list[str]:
    """Validation and test score of the best trial, and what choosing it has added to the former."""
    best, test = tuning.best, tuning.test
    if best is None or test is None:
        return []
    score = test.metrics.get(tuning.metric)
    low, high = test.intervals.get(tuning.metric, (None, None))
    interval = "" if low is None or high is None else f" (95% interval {number(low)} to {number(high)})"
    sentences = [
        f"On {counted(test.images, 'test image')}, which no trial was judged by, the best trial has "
        f"{tuning.metric} {number(score)}{interval}; on {counted(tuning.images, 'validation image')} it has "
        f"{number(best.score)}, as the best of {counted(tuning.count('complete'), 'trial')}."
    ]
    if tuning.optimism is not None:
        side = "better" if tuning.optimism > 0 else "worse"
        sentences.append(
            f"The score of the search is {number(abs(tuning.optimism))} {side} than that on the test images: "
            "report the latter. The difference is that of the images, and of choosing the best of several."
        )
    return sentences


def cost_sentence(tuning: Tuning) -> str:
    """Time and epochs that the search took, and what it did without."""
    epochs = sum(trial.epochs for trial in tuning.trials)
    seconds = sum(trial.seconds for trial in tuning.trials)
    saved = sum(trial.saved for trial in tuning.trials)
    reused = sum(trial.is_reused for trial in tuning.trials)
    ended = ", ".join(
        f"{tuning.count(state)} {state}" for state in ("complete", "pruned", "failed") if tuning.count(state)
    )
    more = [f"pruning has saved {counted(saved, 'epoch')}"] if saved else []
    more += [f"{counted(reused, 'trial')} trained nothing, as the run was there"] if reused else []
    return (
        f"The search took {duration(seconds)} of training ({counted(epochs, 'epoch')}) for "
        f"{counted(len(tuning.trials), 'trial')} ({ended}){''.join(f'; {text}' for text in more)}."
    )
