"""Files of a search: page, best recipe, table of trials, JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from segkit.analysis.report.format import NOTHING, duration, number
from segkit.analysis.report.templates import templates
from segkit.analysis.tuning.figures import history, importance, parallel_coordinates
from segkit.analysis.tuning.result import Trial, Tuning, shown
from segkit.analysis.tuning.sentences import cost_sentence, final_sentences, judged_by, score_kind
from segkit.core.errors import SegkitError
from segkit.core.paths import quoted
from segkit.recipe.search_space import setting
from segkit.runs.run_dir import RunDir, write_json
from segkit.utils.atomic import atomic_folder
from segkit.utils.csv_files import write_csv
from segkit.utils.os_errors import cannot_write
from segkit.utils.public_text import public_command, public_data, public_folder
from segkit.utils.result_folder import numbered_folder, other_folder
from segkit.utils.safe_read import read_json

PAGE, DOCUMENT, TABLE, BEST = "tune.html", "tune.json", "trials.csv", "best.yaml"
_ORDER = ("complete", "pruned", "failed", "running", "waiting")


def folder_for(study: str, preferred: Path) -> Path:
    """Folder of the result of a study: `preferred`, with a number appended if that holds something else."""
    return numbered_folder(preferred, lambda folder: bool(_other_content(study, folder)))


def check_folder(study: str, folder: Path) -> None:
    """Check that a folder is new, empty, or has the result of this study.

    Raises:
        SegkitError: if it is a file, or holds something else.
    """
    if problem := _other_content(study, folder):
        raise SegkitError(problem, where=str(folder), hint=other_folder())


def _other_content(study: str, folder: Path) -> str:
    file = folder / DOCUMENT
    if file.is_file():
        other = _study_in(file)
        return "" if other == study else f"this folder has another search{f', {other}' if other else ''}"
    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    return "" if is_free else "this is not the folder of a search"


def write_tuning(tuning: Tuning, folder: Path) -> Path:
    """Write `tune.html`, `tune.json`, `trials.csv` and `best.yaml`; returns the path of the page.

    Raises:
        TrainingError: if a file cannot be written; existing files are unchanged.
    """
    try:
        with atomic_folder(folder) as new:
            (new / PAGE).write_bytes(_page(tuning, folder).encode())
            write_json(new / DOCUMENT, _document(tuning))
            write_csv(new / TABLE, _rows(tuning))
            if tuning.best_recipe:
                (new / BEST).write_text(tuning.best_recipe, encoding="utf-8", newline="\n")
    except OSError as error:
        raise cannot_write(error, folder, f"the same again, or {other_folder()}") from error
    return folder / PAGE


class _Written(BaseModel):
    study: str


def _study_in(file: Path) -> str | None:
    try:  # a damaged file counts as another study's and is kept
        return read_json(file, _Written).study
    except SegkitError:
        return None


def _document(tuning: Tuning) -> dict[str, Any]:
    """Content of `tune.json`: that of `--json`, without the folders of this machine."""
    document = tuning.as_json()
    for trial in (*document["trials"], *([document["best"]] if document["best"] else [])):
        for entry in trial.get("folds", [trial]):
            entry["run"] = _public(entry["run"])
    return {**public_data(document), "command": public_command(tuning.command)}


def _rows(tuning: Tuning) -> list[Sequence[str | float]]:
    paths = [axis.path for axis in tuning.axes]
    header = ["trial", "state", *paths, tuning.metric, "epochs", "seconds", "run", "machine", "error"]
    rows: list[Sequence[str | float]] = [header]
    for trial in tuning.trials:
        values = [trial.values.get(path, "") for path in paths]
        score = "" if trial.score is None else trial.score
        runs = ", ".join(map(_public, _runs(trial)))
        facts = trial.epochs, trial.seconds, runs, trial.machine, trial.error
        rows.append([trial.number, trial.state, *values, score, *facts])
    return rows


def _runs(trial: Trial) -> list[str]:
    return [trial.run] if trial.run else [fold.run for fold in trial.folds]


def _public(run: str) -> str:
    return public_folder(Path(run)) if run else ""


def _page(tuning: Tuning, folder: Path) -> str:
    best = tuning.best
    test = tuning.test
    limits = test.intervals.get(tuning.metric, (None, None)) if test else (None, None)
    template = templates("analysis/tuning", "analysis/report").get_template("tune.html.j2")
    return template.render(
        name=tuning.recipe,
        metric=tuning.metric,
        kind=score_kind(tuning),
        judged_by=judged_by(tuning.images, tuning.folds, tuning.group),
        folds=tuning.folds,
        best=best,
        best_score=number(best.score) if best else NOTHING,
        best_values=[(path, shown(value)) for path, value in best.values.items()] if best else [],
        best_command=public_command(_best_command(tuning)) if best else "",
        best_recipe=tuning.best_recipe,
        test_score=number(test.metrics.get(tuning.metric)) if test else "",
        test_interval=f"{number(limits[0])} to {number(limits[1])}" if None not in limits else "",
        optimism=tuning.optimism is not None and not tuning.folds and number(abs(tuning.optimism)),
        optimism_side="better" if (tuning.optimism or 0) > 0 else "worse",
        complete=tuning.count("complete"),
        sentences=final_sentences(tuning),
        cost=cost_sentence(tuning),
        notes=tuning.notes,
        history=history(tuning),
        importance=importance(tuning),
        coordinates=parallel_coordinates(tuning),
        paths=[axis.path for axis in tuning.axes],
        search=[(axis.path, axis.text) for axis in tuning.axes],
        trials=[_row(tuning, trial, folder) for trial in _by_rank(tuning)],
        facts=[
            ("Sampler", tuning.sampler),
            ("Pruner", tuning.pruner),
            ("Seed of the sampler", str(tuning.seed)),
            ("Trials", f"{len(tuning.trials)} of {tuning.asked}"),
            ("Images in folds" if tuning.folds else "Validation images", str(tuning.images)),
            ("Study", tuning.study),
        ],
        command=public_command(tuning.command),
    )


def _by_rank(tuning: Tuning) -> list[Trial]:
    sign = -1 if tuning.higher_is_better else 1
    return sorted(
        tuning.trials,
        key=lambda trial: (_ORDER.index(trial.state), sign * (trial.score or 0.0), trial.number),
    )


def _row(tuning: Tuning, trial: Trial, folder: Path) -> dict[str, Any]:
    def link(run: str) -> str:
        report = RunDir(Path(run)).report
        is_here = trial.machine == platform.node() and report.is_file()
        return Path(os.path.relpath(report, folder)).as_posix() if is_here else ""

    return {
        "number": trial.number,
        "state": "its worker was killed" if trial.state == "failed" and not trial.error else trial.state,
        "values": [
            shown(trial.values[axis.path]) if axis.path in trial.values else "" for axis in tuning.axes
        ],
        "score": number(trial.score),
        "epochs": f"{trial.epochs} of {trial.asked}" if trial.saved else str(trial.epochs),
        "time": duration(trial.seconds) if trial.epochs else "run was there" if trial.is_reused else "",
        "runs": [(_public(run), link(run)) for run in _runs(trial)],
        "error": trial.error,
        "is_best": bool(tuning.best and tuning.best.number == trial.number),
    }


def _best_command(tuning: Tuning) -> str:
    """Command that finds the runs of the best trial: its run, or the cross-validation of its folds."""
    assert tuning.best
    folds = ["--folds", str(tuning.folds), *(["--group", quoted(tuning.group)] if tuning.group else [])]
    changes = [*tuning.overrides, *(setting(path, value) for path, value in tuning.best.values.items())]
    verb = (
        ["segkit", "cv", quoted(tuning.source), *folds]
        if tuning.folds
        else ["segkit", "run", quoted(tuning.source)]
    )
    return " ".join([*verb, *(f"--set {quoted(change)}" for change in changes)])
