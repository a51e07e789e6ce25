"""The methods section of a paper, from what the runs recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from segkit.analysis.paper.latex import escape
from segkit.analysis.paper.methods_data import (
    augmentation_sentences,
    data_sentences,
    preprocessing_sentences,
    sampling_sentences,
)
from segkit.analysis.paper.methods_training import (
    environment_sentences,
    model_sentences,
    selection_sentences,
    training_sentences,
)
from segkit.analysis.paper.references import Citations
from segkit.analysis.paper.scores import Scoring
from segkit.analysis.paper.subject import Subject, told

_HEAD = (
    "% Every \\cite is in references.bib. Only what the runs recorded is stated.\n"
    "\\begin{sloppypar}  % long names do not stick out\n"
)
_END = "\\end{sloppypar}\n"


def methods_section(
    subjects: Sequence[Subject], scoring: Scoring, citations: Citations, more: Iterable[str] = ()
) -> str:
    """Paragraphs in LaTeX.

    Args:
        subjects: models that are described.
        scoring: how their scores were calculated.
        citations: collects what is cited.
        more: further sentences about the scores, in LaTeX.
    """

    def cited(function: Callable[[Subject, Citations], Iterable[str]]) -> str:
        return told(subjects, lambda subject: [*function(subject, citations)])

    augmentation = [cited(augmentation_sentences), told(subjects, lambda one: [*sampling_sentences(one)])]
    paragraphs = {
        "Data": cited(data_sentences),
        "Preprocessing": cited(preprocessing_sentences),
        "Augmentation": " ".join(filter(None, augmentation)),
        "Model" if len(subjects) == 1 else "Models": cited(model_sentences),
        "Training": cited(training_sentences),
        "Selection": told(subjects, lambda one: [*selection_sentences(one)]),
        "Scores": " ".join(filter(None, [*scoring.sentences(citations), *more])),
        "Software and hardware": " ".join(environment_sentences(subjects, citations)),
    }
    texts = [f"\\paragraph{{{escape(title)}.}}\n{text}\n" for title, text in paragraphs.items() if text]
    return "\n".join([_HEAD, *texts, _END])
