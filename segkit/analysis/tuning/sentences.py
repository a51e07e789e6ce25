"""Sentences about the result of a search."""

from __future__ import annotations

from segkit.analysis.report.format import duration, number
from segkit.analysis.tuning.result import Tuning
from segkit.utils.listing import counted


def score_kind(tuning: Tuning) -> str:
    """What the score of a trial is: ``validation`` or ``out of fold``."""
    return "out of fold" if tuning.folds else "validation"


def judged_by(images: int, folds: int, group: str) -> str:
    """What judges the trials of a search."""
    if not folds:
        return "the validation images"
    grouped = f", in groups by {group}" if group else ""
    return f"{counted(images, 'image')}, each out of its fold of {folds}{grouped}"


def final_sentences(tuning: Tuning) -> list[str]:
    """Score of the best trial in the search and on the test images, and what choosing it has added."""
    return [*_test_sentence(tuning), *_optimism_sentence(tuning)]


def _test_sentence(tuning: Tuning) -> list[str]:
    best, test = tuning.best, tuning.test
    if best is None or test is None:
        return []
    score = test.metrics.get(tuning.metric)
    low, high = test.intervals.get(tuning.metric, (None, None))
    interval = "" if low is None or high is None else f" (95% interval {number(low)} to {number(high)})"
    tested = f"{tuning.metric} {number(score)}{interval}"
    of = f"as the best of {counted(tuning.count('complete'), 'trial')}"
    images = counted(test.images, "test image")
    if tuning.folds:
        return [
            f"On {images}, which are in no fold, the mean of the {tuning.folds} models of the best trial has "
            f"{tested}. Out of fold, on {counted(tuning.images, 'image')}, its single models have "
            f"{number(best.score)}, {of}."
        ]
    return [
        f"On {images}, which no trial was judged by, the best trial has "
        f"{tested}; on {counted(tuning.images, 'validation image')} it has {number(best.score)}, {of}."
    ]


def _optimism_sentence(tuning: Tuning) -> list[str]:
    if tuning.optimism is None:
        return []
    optimism = number(abs(tuning.optimism))
    if tuning.folds:
        if round(tuning.optimism, 4) <= 0:
            return [
                "The score of the search is not shown to be too good: trials that are best on all folds but "
                "one are, on average, as good on that one."
            ]
        chosen = "trials that are chosen on all folds but one"
        report = " Report that on the test images." if tuning.test else ""
        return [
            f"The score of the search is about {optimism} too good: {chosen} score so much worse on that one."
            f"{report}"
        ]
    side = "better" if tuning.optimism > 0 else "worse"
    return [
        f"The score of the search is {optimism} {side} than that on the test images: "
        "report the latter. The difference is that of the images, and of choosing the best of several."
    ]


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
        f"Training took {duration(seconds)} ({counted(epochs, 'epoch')}) for "
        f"{counted(len(tuning.trials), 'trial')} ({ended}){''.join(f'; {text}' for text in more)}."
    )
