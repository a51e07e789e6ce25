"""Contents of a paper: of a comparison, of a cross-validation, of a run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

import matplotlib as mpl

from segkit.analysis.comparison.epochs import curve_label
from segkit.analysis.comparison.learning_curve import learning_curve_sentence
from segkit.analysis.cross_validation.out_of_fold import read_out_of_fold
from segkit.analysis.paper.comparison_tables import comparison_tables
from segkit.analysis.paper.cross_validation_tables import cross_validation_tables
from segkit.analysis.paper.curves import Curve, curves_figure
from segkit.analysis.paper.figure import PaperFigure, figure_style
from segkit.analysis.paper.latex import escape
from segkit.analysis.paper.methods import methods_section
from segkit.analysis.paper.references import Citations
from segkit.analysis.paper.repetition import commands, recipe_files
from segkit.analysis.paper.run_tables import run_tables
from segkit.analysis.paper.sample_figures import comparison_samples_figure, fold_samples, run_samples_figure
from segkit.analysis.paper.score_figures import differences_figure, histogram_figure, learning_curve_figure
from segkit.analysis.paper.scores import Scoring, scoring_of_comparison, scoring_of_runs
from segkit.analysis.paper.subject import Subject
from segkit.analysis.paper.table import PaperTable
from segkit.analysis.report.run_data import RunData, read_run_data
from segkit.analysis.report.tables import on_chosen_split

if TYPE_CHECKING:
    from segkit.analysis.comparison.result import Comparison
    from segkit.runs.cv_dir import CvDir
    from segkit.runs.run_dir import RunDir


FIRST_FOLD = " Of a cross-validated model, those of its first fold are shown."


@dataclass(frozen=True)
class Paper:
    """Everything that is written.

    Args:
        label: kind of result, the start of the labels of tables and figures.
        tables: tables.
        figures: figures.
        methods: methods section in LaTeX.
        bibliography: BibTeX entries of all that is cited.
        commands: shell script that repeats it.
        recipes: recipes by file name.
    """

    label: str
    tables: Sequence[PaperTable]
    figures: Sequence[PaperFigure]
    methods: str
    bibliography: str
    commands: str
    recipes: dict[str, str]


def paper_of_comparison(comparison: Comparison) -> Paper:
    """Tables, figures and texts of a comparison.

    Raises:
        SegkitError: if a file of a run is damaged.
    """
    candidates, citations = comparison.candidates, Citations()
    subjects = [Subject.of_candidate(candidate) for candidate in candidates]
    scoring, recipes = scoring_of_comparison(comparison, subjects[0]), recipe_files(subjects)
    label = curve_label(comparison, comparison.metric)
    curves = [Curve(candidate.name, candidate.epochs) for candidate in candidates]
    several = any(len(candidate.seeds) > 1 for candidate in candidates)
    of_first_fold = FIRST_FOLD if any(subject.is_cross_validated for subject in subjects) else ""
    with mpl.rc_context(figure_style()):
        figures = [
            curves_figure(curves, comparison.metric, label, _of_curves(several, "seeds") + of_first_fold),
            differences_figure(comparison, scoring),
            comparison_samples_figure(comparison, scoring),
            learning_curve_figure(comparison, scoring),
        ]
    more = []
    if comparison.pairs:
        more.append(
            f"$p$-values were adjusted by Holm's method{citations.cite('holm1979')}; a difference is called "
            f"significant if the adjusted $p$ is below {comparison.alpha:g} and the interval excludes zero."
        )
    if comparison.learning_curve and comparison.learning_curve.line:
        sentence = escape(learning_curve_sentence(comparison)).removesuffix(".")
        more.append(f"{sentence}{citations.cite('figueroa2012')}.")
    options = ["--metric", comparison.metric, *(["--native"] if comparison.native else [])]
    return Paper(
        "comparison",
        [*comparison_tables(comparison, scoring)],
        [figure for figure in figures if figure],
        methods_section(subjects, scoring, citations, more),
        citations.bibliography,
        commands(comparison.command, subjects, recipes, options),
        recipes,
    )


def paper_of_cross_validation(cv: CvDir) -> Paper:
    """Tables, figures and texts of a cross-validation.

    Raises:
        SegkitError: if a run has gone, or a file is damaged.
    """
    record, runs = cv.read(), read_out_of_fold(cv)
    data, epochs = runs[0], [run.read_epochs() for each in runs for run in each.fold_runs]
    subject = Subject.of_runs(runs)
    scoring = scoring_of_runs(runs, subject)
    with_samples = replace(data, samples=fold_samples(data))
    of_seed = f" Predictions and scores are those of seed {subject.seeds[0]}." if len(runs) > 1 else ""
    return _paper(
        "cross-validation", subject, scoring, with_samples, epochs, record.command,
        [*cross_validation_tables(record, scoring)], of_seed,
    )  # fmt: skip


def paper_of_run(run: RunDir) -> Paper:
    """Tables, figures and texts of a run, which may have been stopped.

    Raises:
        SegkitError: if a file of the run is missing or damaged.
    """
    data = read_run_data(run)
    subject = Subject.of_runs([data])
    scoring = scoring_of_runs([data], subject)
    program, *arguments = data.environment.command or [""]
    is_command = PurePath(program).name.startswith("segkit") or PurePath(program).name == "__main__.py"
    recorded = shlex.join(["segkit", *arguments]) if is_command else ""
    return _paper("run", subject, scoring, data, [data.epochs], recorded, [*run_tables(data, scoring)])


def _paper(
    label: str, subject: Subject, scoring: Scoring, data: RunData, epochs: list[list[dict[str, object]]],
    command: str, tables: Sequence[PaperTable], of_seed: str = "",
) -> Paper:  # fmt: skip
    metric, citations, recipes = data.first_metric, Citations(), recipe_files([subject])
    on = on_chosen_split(data)
    mean = data.interval(metric) if data.names and data.is_mean(metric) else None
    image_label = data.image_label(metric)
    with mpl.rc_context(figure_style()):
        figures = [
            curves_figure(
                [Curve(subject.name, epochs)], metric, f"{data.label(metric)} {on}".strip(),
                _of_curves(len(epochs) > 1, "folds"),
            ),
            histogram_figure(
                data.defined_scores, mean, image_label,
                f"{escape(image_label)}: histogram over {scoring.scored}.{of_seed}",
            ),
            run_samples_figure(data, scoring, of_seed),
        ]  # fmt: skip
    return Paper(
        label,
        tables,
        [figure for figure in figures if figure],
        methods_section([subject], scoring, citations),
        citations.bibliography,
        commands(command, [subject], recipes),
        recipes,
    )


def _of_curves(several: bool, runs: str) -> str:
    text = "Losses and the score that training is judged by, over epochs."
    return f"{text} Thin lines: single {runs}; thick lines: their mean." if several else text
