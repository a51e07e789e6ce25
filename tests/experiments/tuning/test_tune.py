"""Searches with simulated trials: what is asked, told, pruned, given back, and what is written."""

import json
import sqlite3
import time

import pytest

from segkit.analysis.tuning.write import folder_for, write_tuning
from segkit.core.errors import SegkitError, TrainingError
from segkit.experiments.tuning.events import TrialEnded, TrialProgressed, Tuned
from segkit.experiments.tuning.plan import plan_tuning
from segkit.experiments.tuning.samplers import make_pruner, make_sampler, most_trials
from segkit.experiments.tuning.shared_study import SharedStudy
from segkit.experiments.tuning.storage_url import parse_storage, sqlite_storage
from segkit.experiments.tuning.tune import TuneOptions, tune
from segkit.recipe.search_space import parse_search
from tests import commands
from tests.experiments.tuning.case import RECIPE, SEARCH, SIMULATE


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    file = tmp_path_factory.mktemp("tuning") / "simulated.yaml"
    file.write_text(RECIPE, encoding="utf-8")
    return plan_tuning(file, SEARCH)


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Trials in this process."""
    monkeypatch.setattr("segkit.experiments.tuning.worker.run_in_subprocesses", commands.here)


def opened(plan, folder, **options):
    options = {"sampler": "TPESampler", "pruner": "NopPruner", "higher_is_better": True, **options}
    storage = sqlite_storage(folder / "study.db")
    return SharedStudy(storage, plan.study, plan.identity, plan.axes, **options)


def searched(plan, folder, trials, *, stop_after=None, train=SIMULATE, **options):
    """Events of a search, which is left after so many trials."""
    events = []
    with opened(plan, folder, **options) as study:
        names = {
            key: options.get(key, default)
            for key, default in (("sampler", "TPESampler"), ("pruner", "NopPruner"))
        }
        running = tune(plan, study, TuneOptions(folder / "runs", trials, train=train, **names))
        for event in running:
            events.append(event)
            if stop_after is not None and sum(isinstance(one, TrialEnded) for one in events) == stop_after:
                running.close()
                break
    return events


@pytest.mark.slow
def test_a_search_that_was_interrupted_goes_on_as_if_it_had_not_been(plan, tmp_path):
    whole = searched(plan, tmp_path / "whole", 4)[-1].tuning
    before = searched(plan, tmp_path / "cut", 4, stop_after=2)
    assert not isinstance(before[-1], Tuned)
    after = searched(plan, tmp_path / "cut", 4)
    assert after[0].done == 2
    cut = after[-1].tuning
    assert [trial.values for trial in cut.trials] == [trial.values for trial in whole.trials]
    assert [trial.score for trial in cut.trials] == [trial.score for trial in whole.trials]
    assert cut.count("complete") == 4
    assert len({str(trial.values) for trial in cut.trials}) == 4
    again = searched(plan, tmp_path / "cut", 4)
    assert [type(event).__name__ for event in again] == ["TuningStarted", "Tuned"]
    assert searched(plan, tmp_path / "other", 1, seed=1)[-1].tuning.trials[0].values != whole.trials[0].values


def test_an_interrupted_trial_is_taken_up_first_and_counted_once(plan, tmp_path):
    running = searched(plan, tmp_path, 2, train=f"{SIMULATE}_interrupted")
    tuning = running[-1].tuning
    begun = {event.trial.number for event in running if isinstance(event, TrialProgressed)}
    assert begun == {0, 1, 2}
    assert [trial.number for trial in tuning.trials] == [1, 2]  # 0 was begun again as 1
    whole = searched(plan, tmp_path / "whole", 2)[-1].tuning
    assert [trial.values for trial in tuning.trials] == [trial.values for trial in whole.trials]
    assert tuning.trials[0].epochs == 4 + 2  # the interrupted worker trained two
    assert tuning.as_json()["cost"]["epochs"] == 2 * 4 + 2


def test_a_trial_of_a_killed_worker_is_taken_up_by_another(plan, tmp_path):
    killed = opened(plan, tmp_path)  # its heart does not beat
    lost = killed.ask(2)
    with opened(plan, tmp_path) as other:
        mine = other.ask(2)
        assert other.ask(2) is None  # both places are taken
        other.complete(mine.number, 0.75)
    time.sleep(2.1)  # the clock of a database has whole seconds
    with opened(plan, tmp_path, grace_seconds=1) as other:
        taken = other.ask(2)
        assert (taken.values, taken.number) == (lost.values, 2)
        assert mine.values != lost.values
        other.complete(taken.number, 0.5)
        assert killed.report(lost.number, 1, 0.5) is False  # it was only asleep
        killed.complete(lost.number, 0.25)
        assert [(trial.number, trial.score) for trial in other.trials()] == [(1, 0.75), (2, 0.5)]
        assert not other.has_place(2)


def test_two_workers_that_ask_at_once_do_not_share_a_place(plan, tmp_path, monkeypatch):
    with opened(plan, tmp_path) as one, opened(plan, tmp_path) as other:
        first = one.ask(1)
        stale = iter([[]])  # the other worker looked before the first had asked
        get_trials = other._study.get_trials
        monkeypatch.setattr(
            other._study, "get_trials", lambda **options: next(stale, None) or get_trials(**options)
        )
        assert other.ask(1) is None
        one.complete(first.number, 0.5)
        assert [trial.number for trial in one.trials()] == [first.number]


@pytest.fixture(scope="module")
def tuning(plan, tmp_path_factory):
    """A search with a pruner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segkit.experiments.tuning.worker.run_in_subprocesses", commands.here)
        return searched(plan, tmp_path_factory.mktemp("pruned"), 9, pruner="MedianPruner")[-1].tuning


def test_trials_that_begin_badly_are_pruned_and_their_epochs_are_saved(tuning):
    pruned = [trial for trial in tuning.trials if trial.state == "pruned"]
    assert pruned
    assert all(trial.epochs == max(trial.scores) == 4 - trial.saved for trial in pruned)
    cost = tuning.as_json()["cost"]
    assert cost["epochs"] + cost["epochs_saved_by_pruning"] == 9 * 4
    assert tuning.best.score == max(trial.score for trial in tuning.trials if trial.state == "complete")


def test_trials_that_fail_give_their_place_away_until_three_fail_in_a_row(plan, tmp_path):
    tuning = searched(plan, tmp_path, 2, train=f"{SIMULATE}_failing_once")[-1].tuning
    assert [trial.state for trial in tuning.trials] == ["failed", "complete", "complete"]
    assert tuning.trials[0].error == "the loss is nan"
    with pytest.raises(TrainingError) as raised:
        searched(plan, tmp_path, 9, train=f"{SIMULATE}_failing")
    first, *others = raised.value.problems
    assert (first.problem, len(others)) == ("3 trials in a row have failed", 3)
    assert first.hint == "the other trials are kept: repeat the command to go on, or search less"
    assert others[0].problem.endswith("): the loss is nan")


def test_the_files_of_a_result(plan, tuning, tmp_path):
    folder = tmp_path / "out"
    page = write_tuning(tuning, folder).read_text(encoding="utf-8")
    assert {path.name for path in folder.iterdir()} == {"tune.html", "tune.json", "trials.csv", "best.yaml"}
    assert str(tmp_path) not in page
    assert page.count('<th scope="row"') == 9
    assert page.count("<picture>") == 3
    assert "model.decoder.dropout=" in page
    document = json.loads((folder / "tune.json").read_text(encoding="utf-8"))
    assert len(document["trials"]) == 9
    assert document["best"]["score"] == tuning.best.score
    assert sum(document["importance"].values()) == pytest.approx(1)
    lines = (folder / "trials.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == (
        "trial,state,optimizer.lr,optimizer.weight_decay,model.decoder.dropout,iou,epochs,seconds,run,machine,error"
    )
    assert len(lines) == 10
    assert folder_for(plan.study, folder) == folder
    assert folder_for("another study", folder) == tmp_path / "out-2"


def test_a_storage_of_another_study_is_refused_and_kept(plan, tmp_path):
    searched(plan, tmp_path, 1)
    narrower = plan_tuning(plan.source, [*SEARCH[1:], "optimizer.lr=log:1e-3..1e-1"])
    with pytest.raises(SegkitError) as raised:
        opened(narrower, tmp_path)
    (told,) = raised.value.problems
    assert told.problem.startswith(
        f"the storage belongs to another study, {plan.study}: its search space is "
    )
    assert told.file == str(tmp_path / "study.db")
    assert "with another file or database keeps both" in told.hint
    with pytest.raises(
        SegkitError, match=r"it has other settings beside .*; its metric is iou, here it is dice"
    ):
        opened(plan_tuning(plan.source, SEARCH, ["metrics=[dice, iou]"]), tmp_path)
    with opened(plan, tmp_path) as study:
        assert len(study.trials()) == 1


def test_files_that_are_no_storage_are_told(plan, tmp_path):
    (tmp_path / "study.db").write_text("notes of my search")
    with pytest.raises(SegkitError, match="this is no SQLite database"):
        opened(plan, tmp_path)
    (tmp_path / "study.db").unlink()
    searched(plan, tmp_path, 0)
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("update alembic_version set version_num = 'v9.9.9.a'")
    with pytest.raises(SegkitError, match="made by another version of Optuna"):
        opened(plan, tmp_path)


def test_a_database_that_cannot_be_reached_is_told_without_its_password(plan):
    storage = parse_storage("postgresql://me:s3cret@127.0.0.1:1/tune")
    with pytest.raises(TrainingError) as raised:
        SharedStudy(
            storage, plan.study, plan.identity, plan.axes,
            higher_is_better=True, sampler="RandomSampler", pruner="NopPruner",
        )  # fmt: skip
    (told,) = raised.value.problems
    assert told.problem.startswith("the storage cannot be used: ")
    assert told.file == "postgresql://127.0.0.1:1/tune"
    assert "s3cret" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_values_that_were_tried_before_take_no_place(plan, tmp_path, monkeypatch):
    few = plan_tuning(plan.source, ["optimizer.weight_decay=0.003,0.03,0.3"])
    ended = searched(few, tmp_path / "all", 3, sampler="RandomSampler")
    tried = [trial.values["optimizer.weight_decay"] for trial in ended[-1].tuning.trials]
    assert sorted(tried) == ["0.003", "0.03", "0.3"]
    assert sum(isinstance(event, TrialEnded) for event in ended) > 3, (
        "the seed repeats none: take another one"
    )
    assert not any("The search ended" in note for note in ended[-1].tuning.notes)
    monkeypatch.setattr("segkit.experiments.tuning.shared_study._MAX_REPEATS", 2)
    tuning = searched(few, tmp_path / "more", 4, sampler="RandomSampler")[-1].tuning
    assert len(tuning.trials) <= 3
    assert tuning.notes[-1] == (
        f"The search ended after {len(tuning.trials)} trials: RandomSampler proposed values that had been "
        "tried. Another sampler, or other values, may find more."
    )


def test_names_are_those_of_optuna():
    axes = parse_search(["a=1..3", "c=x,y", "d=0.1..0.2"])
    with pytest.raises(SegkitError, match="Optuna has no sampler 'tpe'"):
        make_sampler("tpe", axes, 0)
    with pytest.raises(SegkitError, match=r"(?s)Optuna has no pruner 'Median'.*did you mean MedianPruner\? "):
        make_pruner("Median")
    with pytest.raises(
        SegkitError, match=r"GridSampler cannot sample d=0.1\.\.0.2, which has no end of values"
    ):
        make_sampler("GridSampler", axes, 0)
    assert most_trials(axes[:2]) == 6


def test_a_search_judged_by_test_images_is_refused(plan, tmp_path):
    with pytest.raises(
        SegkitError, match="there are no validation images: the search would choose by the test"
    ):
        plan_tuning(plan.source, SEARCH, ["data.source.val=0"])
    with pytest.raises(SegkitError) as raised:
        plan_tuning(plan.source, ["data.size=[32, 32],[64, 64]", "loss=dice,nothing", "model.decoder.x=1..2"])
    assert [(one.file, one.path, one.problem.partition(", allowed")[0]) for one in raised.value.problems] == [
        ("search 'model.decoder.x=1..2'", "model.decoder.x", "decoder 'transposed_conv' has no option 'x'"),
        ("search 'loss=dice,nothing'", "loss.name", "no loss is called 'nothing'"),
    ]
    with pytest.raises(SegkitError) as raised:
        plan_tuning(plan.source, ["data.size=[32, 32],[64, 64]", "data.source.val=2,3", "loss=dice,bce"])
    assert [(one.file, one.problem) for one in raised.value.problems] == [
        (
            "search 'data.size=[32, 32],[64, 64]'",
            "its values change the resolution of the scores: their scores cannot be compared",
        ),
        (
            "search 'data.source.val=2,3'",
            "its values change the validation images: their scores cannot be compared",
        ),
    ]
