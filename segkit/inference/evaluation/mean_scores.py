"""Test scores of the mean of several models, for searches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from segkit.analysis.tuning.result import FinalScore
from segkit.inference.evaluation.evaluate_runs import evaluate_runs
from segkit.inference.evaluation.evaluation import EvaluateOptions
from segkit.inference.evaluation.split_choice import SplitChoice
from segkit.runs.run_dir import RunDir


def score_on_test(runs: Sequence[Path], plugins: Sequence[Path]) -> Iterator[FinalScore]:
    """In a process of its own: scores of the mean of the models of runs on the source's test images."""
    options = EvaluateOptions(split=SplitChoice.test)
    evaluation = evaluate_runs([RunDir.open(run) for run in runs], options, plugins=plugins)
    intervals = {name: (interval.low, interval.high) for name, interval in evaluation.intervals.items()}
    yield FinalScore(len(evaluation.images.samples), evaluation.scores.metrics, intervals)
