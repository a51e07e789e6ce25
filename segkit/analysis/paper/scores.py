"""What scores mean: images, sizes, definitions and intervals, for captions and the methods section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from segkit.analysis.comparison.compatibility import metric_name, registered_name
from segkit.analysis.comparison.format import scored_sizes
from segkit.analysis.comparison.tables import how_computed
from segkit.analysis.cross_validation.out_of_fold import SPLIT
from segkit.analysis.paper.latex import escape, join
from segkit.analysis.paper.references import Citations
from segkit.analysis.paper.subject import Subject
from segkit.analysis.report.format import is_mean, score_label, whole
from segkit.analysis.report.tables import SPLITS
from segkit.runs.provisional import STOPPED
from segkit.utils.listing import agree, counted

if TYPE_CHECKING:
    from segkit.analysis.comparison.result import Comparison
    from segkit.analysis.report.run_data import RunData


@dataclass(frozen=True)
class Scoring:
    """How the scores of a paper were calculated.

    Args:
        subject: a model; its metrics are those of the paper.
        images: number of scored images.
        size: their size in words; empty if unknown.
        means: whether the score is the mean over images, by metric.
        intervals: how the 95% intervals were calculated, as plain text; empty if there are none.
        methods: keys of the publications of their methods.
    """

    subject: Subject
    images: int
    size: str
    means: dict[str, bool]
    intervals: str
    methods: Sequence[str] = ()

    @property
    def scored(self) -> str:
        """``30 test images of 96 x 96 pixels`` in LaTeX."""
        summary = self.subject.summary
        kind = "" if summary.reported_on == SPLIT else f"{SPLITS.get(summary.reported_on, '')} "
        text = f"{whole(self.images)} {kind}images" + (f" of {self.size}" if self.size else "")
        if summary.status == STOPPED and summary.validate_windows:
            text = f"{counted(summary.validate_windows, 'window')} of {text}"
        text = escape(text)
        return text.replace(" x ", r" $\times$ ")

    def label(self, metric: str) -> str:
        """Display name of a metric."""
        return score_label(metric, self.subject.summary.metric_details)

    @property
    def definition(self) -> str:
        """Over what each metric is calculated, in sentences."""
        parts, several = self._registered, self.subject.data.get("task") in ("multiclass", "multilabel")
        per_image = [name for name, mean in self.means.items() if mean]
        of_classes = [name for name in per_image if several and parts.get(name, name) != "pixel_accuracy"]
        together = [name for name, mean in self.means.items() if not mean]
        sentences = (
            (per_image, ("is a mean", "are means"), "over the images"),
            (of_classes, ("is a mean", "are means"), "over the classes in each image"),
            (together, ("is", "are"), "calculated over the pixels of all images together"),
        )
        return " ".join(
            f"{join([escape(self.label(name)) for name in names])} {agree(len(names), *verbs)} {what}."
            for names, verbs, what in sentences
            if names
        )

    @property
    def caption(self) -> str:
        """Sentences that belong to every table of scores."""
        in_brackets = r"In brackets: 95\% intervals." if self.intervals else ""
        return " ".join(filter(None, [self.definition, in_brackets, escape(self.intervals)]))

    def sentences(self, citations: Citations) -> list[str]:
        """Sentences of the methods section."""
        named = [escape(self.label(name)) + self._cited(name, citations) for name in self.means]
        cited = citations.cite(*self.methods) if self.intervals else ""
        return [
            f"Scores were calculated on {self.scored}, without test-time augmentation: {join(named)}.",
            self.definition,
            rf"Intervals cover 95\%. {escape(self.intervals).removesuffix('.')}{cited}."
            if self.intervals
            else "",
        ]

    @property
    def _registered(self) -> dict[str, str]:
        """Proper names of the metrics by the names of their scores."""
        return {metric_name(part): registered_name(part) for part in self.subject.recipe.get("metrics") or ()}

    def _cited(self, metric: str, citations: Citations) -> str:
        name = self._registered.get(metric, metric)
        is_of_plugin = f"metric {name}" in self.subject.plugin_parts
        return "" if is_of_plugin else citations.part("metric", name)


def scoring_of_comparison(comparison: Comparison, subject: Subject) -> Scoring:
    """How the scores of a comparison were calculated."""
    first = comparison.candidates[0]
    reported = first.summaries[0].scores.metrics
    common = len(comparison.images) < first.summaries[0].images.get(first.summaries[0].reported_on, 0)
    seeds = {len(candidate.seeds) for candidate in comparison.candidates}
    keys = ["searle1992variance"] * (seeds != {1})
    keys += ["efron1993bootstrap"] * (1 in seeds) + ["wilcoxon1945"] * bool(1 in seeds and comparison.pairs)
    return Scoring(
        subject,
        len(comparison.images),
        scored_sizes(comparison),
        {
            name: common or is_mean(np.asarray(first.scores[name])[0].tolist(), reported.get(name))
            for name in comparison.metrics
        },
        how_computed(comparison),
        ["bell2002bias"] if comparison.groups else keys,
    )


def scoring_of_runs(runs: Sequence[RunData], subject: Subject) -> Scoring:
    """How the scores of a run, or of a cross-validation with its data for each seed, were calculated."""
    first = runs[0]
    summary = first.summary
    groups, seeds = summary.scores.groups, len(runs) > 1
    if groups:
        also = " and seeds" if seeds else ""
        intervals = (
            f"Images of one group are not independent: intervals are t-intervals over {whole(groups)} "
            f"groups of images{also}."
        )
    elif seeds:
        intervals = "Intervals are t-intervals over images and seeds."
    else:
        intervals = "Intervals are bootstrapped over images."
    keys = ["bell2002bias"] if groups else ["searle1992variance" if seeds else "efron1993bootstrap"]
    images = len(first.names) or summary.images.get(summary.reported_on, 0)
    return Scoring(
        subject,
        images,
        first.size,
        {name: not first.names or all(data.is_mean(name) for data in runs) for name in first.metrics},
        intervals if first.names else "",
        keys,
    )
