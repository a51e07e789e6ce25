"""Searches whose trials are cross-validated, with simulated folds."""

import json
import re
from html import unescape

import numpy as np
import pytest
from PIL import Image

from segkit.analysis.tuning.optimism import optimism_over_folds
from segkit.analysis.tuning.write import write_tuning
from segkit.core.errors import SegkitError, TrainingError
from segkit.experiments.fold_classes import folds_without
from segkit.experiments.tuning.events import FoldEnded
from segkit.experiments.tuning.plan import plan_tuning
from segkit.experiments.tuning.shared_study import SharedStudy
from segkit.experiments.tuning.storage_url import sqlite_storage
from segkit.experiments.tuning.tune import TuneOptions, tune
from segkit.recipe import dump_recipe
from tests import commands
from tests.experiments.tuning.case import RECIPE, SEARCH

FOLDS, EPOCHS = 3, 4
CASE = "tests.experiments.tuning.case"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    file = tmp_path_factory.mktemp("tuning") / "simulated.yaml"
    file.write_text(RECIPE, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def plan(recipe):
    return plan_tuning(recipe, SEARCH, folds=FOLDS)


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Folds in this process."""
    for module in ("worker", "outcome"):
        monkeypatch.setattr(f"segkit.experiments.tuning.{module}.run_in_subprocesses", commands.here)


def opened(plan, folder, pruner="NopPruner"):
    options = {"sampler": "RandomSampler", "pruner": pruner, "higher_is_better": True}
    return SharedStudy(sqlite_storage(folder / "study.db"), plan.study, plan.identity, plan.axes, **options)


def searched(plan, folder, trials, *, pruner="NopPruner", train="simulate_fold"):
    with opened(plan, folder, pruner) as study:
        options = TuneOptions(
            folder / "runs", trials, "RandomSampler", pruner,
            train=f"{CASE}:simulate", train_fold=f"{CASE}:{train}",
        )  # fmt: skip
        return [*tune(plan, study, options)]


def test_a_trial_is_a_cross_validation(plan, tmp_path):
    events = searched(plan, tmp_path, 2)
    tuning = events[-1].tuning
    for trial in tuning.trials:
        first = trial.folds[0].score
        assert [fold.score for fold in trial.folds] == pytest.approx([first, first + 0.01, first + 0.02])
        assert trial.score == pytest.approx(first + 0.01)
        assert trial.scores == pytest.approx({1: first, 2: first + 0.005, 3: first + 0.01})
        assert (trial.epochs, trial.asked, trial.saved, trial.run) == (FOLDS * EPOCHS, FOLDS * EPOCHS, 0, "")
    assert [event.fold for event in events if isinstance(event, FoldEnded)] == [1, 2, 3] * 2
    assert (tuning.images, tuning.folds, tuning.optimism) == (6, FOLDS, pytest.approx(0))

    page = write_tuning(tuning, tmp_path / "out").read_text(encoding="utf-8")
    assert "Searched for the best iou on 6 images, each out of its fold of 3." in page
    assert (
        "not shown to be too good: trials that are best on all folds but one are, on average, as good" in page
    )
    assert re.search("segkit cv .*simulated.yaml --folds 3 --set optimizer.lr=", unescape(page))
    document = json.loads((tmp_path / "out/tune.json").read_text(encoding="utf-8"))
    assert (document["folds"], document["images"], document["group"]) == (FOLDS, 6, None)
    assert [set(fold) for fold in document["best"]["folds"]] == [{"run", "score"}] * FOLDS
    assert "kfold" not in (tmp_path / "out/best.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("folds", "score", "advice"),
    [
        (FOLDS, "out-of-fold", ""),
        (0, "validation", " data.split, by fraction, can keep test images aside."),
    ],
)
def test_a_score_that_may_be_too_good_is_said_to_be(recipe, tmp_path, folds, score, advice):
    untested = plan_tuning(recipe, SEARCH, ["data.source.test=0"], folds=folds)
    assert searched(untested, tmp_path, 1)[-1].tuning.notes == [
        f"There are no test images: the best {score} score is that of the best of several trials, "
        f"so it may be too good.{advice}"
    ]


def test_pruners_compare_the_means_over_the_same_folds(plan, tmp_path):
    tuning = searched(plan, tmp_path, 7, pruner="MedianPruner")[-1].tuning
    pruned = [trial for trial in tuning.trials if trial.state == "pruned"]
    assert pruned
    for trial in pruned:
        assert len(trial.folds) == len(trial.scores) == trial.epochs // EPOCHS < FOLDS
        assert trial.saved == FOLDS * EPOCHS - trial.epochs
        assert trial.score == trial.scores[len(trial.folds)]


def test_a_fold_that_fails_ends_its_trial(plan, tmp_path):
    with pytest.raises(TrainingError) as raised:
        searched(plan, tmp_path, 9, train="simulate_second_fold_failing")
    assert [problem.problem.partition("): ")[2] for problem in raised.value.problems[1:]] == [
        "fold 2: the loss is nan"
    ] * 3


def test_what_folds_cannot_judge_is_told_before_the_first_trial(recipe, plan, tmp_path):
    def told(search=SEARCH, overrides=(), **options):
        with pytest.raises(SegkitError) as raised:
            plan_tuning(recipe, search, overrides, **options)
        return [(one.file, one.problem, one.hint) for one in raised.value.problems]

    assert told(group="patient") == [
        (
            "",
            "group keeps images in one fold, but there are no folds",
            "folds=5; or overrides data.split.group=patient, with a split",
        )
    ]
    fixed = ["data.split.seed=0,1", "postprocess=null,auto", "training.select=best,last"]
    assert {path.partition("'")[2]: (problem, hint) for path, problem, hint in told(fixed, folds=3)} == {
        "postprocess=null,auto'": (
            "postprocess cannot be searched with folds: the runs of folds have no post-processing",
            "segkit cv best.yaml --set postprocess=auto chooses it for the best recipe",
        ),
        "data.split.seed=0,1'": (
            "data.split.seed cannot be searched with folds: the folds are the split",
            "--group and data.split.seed, set once, say how they are drawn",
        ),
        "training.select=best,last'": (
            "training.select cannot be searched with folds: every fold keeps the weights of its last epoch",
            "search training.epochs for how long to train",
        ),
    }
    assert "6 images cannot make 7 folds" in told(folds=7)[0][1]
    assert (
        "training.early_stopping_epochs chooses the end of training by scores"
        in (told(["training.early_stopping_epochs=null,2"], folds=3)[0][1])
    )
    opened(plan, tmp_path)
    with pytest.raises(SegkitError) as raised:
        opened(plan_tuning(recipe, SEARCH, folds=2), tmp_path)
    assert raised.value.problems[0].problem == (
        f"the storage belongs to another study, {plan.study}: its score is that of 3 folds, "
        "here it is that of 2 folds"
    )


def test_optimism_is_what_a_choice_without_the_scoring_fold_loses():
    assert optimism_over_folds([[0.8, 0.8], [0.7, 0.7]], higher_is_better=True) == 0
    # The trial that is best on the second fold has 0.7 on the first one, and the other way round.
    assert optimism_over_folds([[0.9, 0.7], [0.7, 0.8]], higher_is_better=True) == pytest.approx(0.1)
    assert optimism_over_folds([[0.1, 0.3], [0.3, 0.2]], higher_is_better=False) == pytest.approx(0.1)
    assert optimism_over_folds([[0.8, 0.8]], higher_is_better=True) is None
    assert optimism_over_folds([[0.8, None], [0.7, 0.7]], higher_is_better=True) is None


@pytest.mark.parametrize(("trials", "folds", "sd"), [(10, 5, 0.0), (20, 5, 0.01), (20, 10, 0.005)])
def test_the_estimated_optimism_is_near_the_true_one(trials, folds, sd):
    """Trials differ by `sd`, and their scores in a fold by chance; folds differ in how hard they are."""
    rng, true, estimated = np.random.default_rng(0), [], []
    for _ in range(300):
        skill, hardness = rng.normal(0, sd, trials), rng.normal(0, 0.03, folds)
        scores = skill[:, None] + hardness + rng.normal(0, 0.01, (trials, folds))
        best = scores.mean(axis=1).argmax()
        true.append(scores[best].mean() - hardness.mean() - skill[best])
        estimated.append(optimism_over_folds(scores.tolist(), higher_is_better=True))
    assert np.mean(estimated) == pytest.approx(np.mean(true), rel=0.2)


def drawn(folder, tested):
    """Four training images, of which the last alone shows a ring; the test images are these, or others."""
    masks = np.kron([[0, 1], [1, 0]], np.ones((8, 8))).astype(np.uint8)
    for number in range(4):
        image = np.full((16, 16, 3), 40 * number, np.uint8)
        for split, pixels in (("train", image), ("test", image if tested else image + 20)):
            for kind, what in (("images", pixels), ("masks", masks * (2 if number == 3 else 1))):
                (folder / kind / split).mkdir(parents=True, exist_ok=True)
                Image.fromarray(what).save(folder / kind / split / f"{number}.png")
    source = f"{{name: folder, images: {folder}/images, masks: {folder}/masks}}"
    labels = "{ground: 0, disc: 1, ring: 2}"
    return [f"data.source={source}", "data.task=multiclass", f"data.labels={labels}", "loss=cross_entropy"]


def test_classes_that_a_fold_does_not_show_are_named_before_training(recipe, tmp_path):
    plan = plan_tuning(recipe, ["optimizer.lr=0.1..0.2"], drawn(tmp_path, tested=False), folds=2)
    (first,) = {dump_recipe(probe) for label, probe in plan.probes.items() if "=" not in label}
    (warnings,) = folds_without(first)
    (warning,) = warnings
    assert re.fullmatch(
        r"Fold [12]: none of its 2 images shows ring\. "
        r"data\.split\.balance: true gives every fold its share of every class\.",
        warning,
    )


def test_images_of_folds_that_are_test_images_are_refused(recipe, tmp_path):
    with pytest.raises(SegkitError) as raised:
        plan_tuning(recipe, ["optimizer.lr=0.1..0.2"], drawn(tmp_path, tested=True), folds=2)
    (told,) = raised.value.problems
    assert told.problem == (
        "4 of 4 images of the folds are test images, such as 0: the search would choose by the images "
        "on which its result is to be tested"
    )
    assert told.hint == "remove them from the training images or from the test images"
