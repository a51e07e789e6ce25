"""Which runs a comparison needs."""

import json
from contextlib import contextmanager

import pytest

from segkit.core.errors import SegkitError
from segkit.experiments.study_plan import make_plan
from segkit.utils.locks import LockedError
from tests.small_runs import RECIPE, unreported


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recipe, and its finished run."""
    folder = tmp_path_factory.mktemp("plan")
    unreported(folder, "training.epochs=1")
    return folder


@pytest.fixture
def plan(folder):
    def make(*targets, **options):
        options = {"overrides": ["training.epochs=1"], "runs": folder / "runs", **options}
        return make_plan([folder / target for target in targets], **options)

    return make


def test_a_finished_run_is_not_wanted_again(plan, folder):
    made = plan("small.yaml")
    assert [planned.run.path for planned in made.runs] == [folder / "runs/small/001"]
    assert (made.missing, made.notes, made.metric) == ([], [], "iou")


@pytest.mark.parametrize(
    "override",
    ["name=other", "description=else", "data.workers=2", "data.eval_batch_size=1",
     "reference={source: me}"],
)  # fmt: skip
def test_what_changes_no_score_is_the_same_experiment(plan, override):
    assert plan("small.yaml", overrides=["training.epochs=1", override]).missing == []


@pytest.mark.parametrize(
    "override", ["training.epochs=2", "optimizer.lr=0.02", "data.source.train=11", "seed=4"]
)
def test_another_recipe_or_seed_is_missing(plan, override):
    (wanted,) = plan("small.yaml", overrides=["training.epochs=1", override]).missing
    assert wanted.label == f"small, seed {4 if override == 'seed=4' else 3}"


def test_seeds_are_looked_for_one_by_one(plan):
    made = plan("small.yaml", seeds=[3, 4])
    assert [wanted.label for wanted in made.missing] == ["small, seed 4"]


def test_runs_and_folders_of_runs_are_taken_as_they_are(plan, folder):
    made = plan("runs/small/001", "runs/small", overrides=[])
    assert [planned.run.path.name for planned in made.runs] == ["001"]  # once, however often it is named


def test_an_experiment_under_two_names_is_trained_once(plan, folder):
    made = plan("small.yaml", "small.yaml", overrides=["training.epochs=3"])
    assert [wanted.label for wanted in made.missing] == ["small, seed 3"]
    assert made.notes == ["small is the same experiment as small and is not trained twice."]


def changed(folder, tmp_path, **changes):
    """A copy of the run whose environment tells of something else."""
    for file in ("recipe.yaml", "summary.json", "scores.csv", "metrics.jsonl"):
        (tmp_path / "small/001").mkdir(parents=True, exist_ok=True)
        (tmp_path / "small/001" / file).write_bytes((folder / "runs/small/001" / file).read_bytes())
    environment = json.loads((folder / "runs/small/001/environment.json").read_text(encoding="utf-8"))
    for key, value in changes.items():
        environment[key] |= value
    (tmp_path / "small/001/environment.json").write_text(json.dumps(environment), encoding="utf-8")
    return tmp_path / "small/001"


def test_a_run_by_other_code_is_told_of(plan, folder, tmp_path):
    run = changed(folder, tmp_path, identity={"code": "0"}, packages={"torch": "1.0"})
    made = plan("small.yaml", runs=tmp_path)
    assert len(made.missing) == 1
    (note,) = made.notes
    assert note.startswith(
        f"small, seed 3: {run} has the same recipe but was trained with other code (torch 1.0, now "
    )
    assert note.endswith("; give its directory to include it.")


def test_a_run_on_other_images_is_told_of(plan, folder, tmp_path):
    run = changed(folder, tmp_path, identity={"data": "0"})
    (note,) = plan("small.yaml", runs=tmp_path).notes
    assert note == (
        f"small, seed 3: {run} has the same recipe but was trained on other images; "
        "give its directory to include it."
    )


def test_a_run_that_has_not_ended_is_to_go_on(plan, folder, tmp_path):
    run = changed(folder, tmp_path)
    (run / "summary.json").unlink()
    (wanted,) = plan("small.yaml", runs=tmp_path).missing
    assert wanted.resumable.path == run
    assert not wanted.resumable.lock.exists()


@pytest.mark.parametrize("name", ["two words", "a+b", "a.b-c_d"])
def test_a_run_of_any_name_is_to_go_on(plan, folder, tmp_path, name):
    run = changed(folder, tmp_path)
    (run / "summary.json").unlink()
    recipe = (run / "recipe.yaml").read_text(encoding="utf-8").replace("name: small", f"name: {name}", 1)
    (run / "recipe.yaml").write_text(recipe, encoding="utf-8")
    named = [f"name={name}", "training.epochs=1"]
    (wanted,) = plan("small.yaml", runs=tmp_path, overrides=named).missing
    assert wanted.resumable.path == run
    (wanted,) = plan("small.yaml", runs=tmp_path).missing
    assert wanted.resumable is None  # it would get another name


def test_a_stopped_run_is_a_candidate_of_its_own(plan, folder, tmp_path):
    run = changed(folder, tmp_path)
    (run / "summary.json").unlink()
    (run / "scores.csv").unlink()
    (run / "checkpoints").mkdir()
    (run / "checkpoints/best.safetensors").write_bytes(b"")
    made = plan("runs/small/001", run, overrides=[])
    assert [planned.run.path for planned in made.runs] == [folder / "runs/small/001", run]
    assert made.runs[0].scored.names == made.runs[1].scored.names
    assert made.notes == [
        f"{run}: This run has not ended: it was stopped after epoch 1 of 1. "
        "Its weights and scores are those of epoch 1, the best so far."
    ]


def test_a_run_that_is_at_work_is_left_alone(plan, folder, tmp_path, monkeypatch):
    run = changed(folder, tmp_path)
    (run / "summary.json").unlink()

    @contextmanager
    def taken(file):
        raise LockedError("process 1")
        yield

    monkeypatch.setattr("segkit.runs.run_dir.exclusive", taken)
    (wanted,) = plan("small.yaml", runs=tmp_path).missing
    assert wanted.resumable is None


def test_a_run_by_other_code_does_not_go_on(plan, folder, tmp_path):
    run = changed(folder, tmp_path, identity={"code": "0"})
    (run / "summary.json").unlink()
    (wanted,) = plan("small.yaml", runs=tmp_path).missing
    assert wanted.resumable is None


@pytest.mark.parametrize("record", ["{", "[" * 100_000, '{"identity": {"recipe": 3}}', '{"identity": "x"}'])
def test_a_damaged_record_is_no_run(plan, folder, tmp_path, record):
    run = changed(folder, tmp_path)
    (run / "environment.json").write_text(record, encoding="utf-8")
    assert len(plan("small.yaml", runs=tmp_path).missing) == 1


def test_what_cannot_be_compared_is_refused_before_training(plan, folder):
    (folder / "large.yaml").write_text(RECIPE.replace("size: [64, 64]", "size: [96, 96]"), encoding="utf-8")
    with pytest.raises(SegkitError) as raised:
        plan("runs/small/001", "large.yaml", overrides=["name=large", "training.epochs=1"])
    assert str(raised.value) == (
        f"large: data.size: data.size is 96 x 96, but 64 x 64 in {folder / 'runs/small/001'}\n"
        "  try: native=True to compare at the images' own size; force=True to compare anyway, "
        "with a warning in the report"
    )
    assert len(plan("runs/small/001", "large.yaml", force=True).missing) == 1
    assert len(plan("runs/small/001", "large.yaml", native=True).missing) == 1


@pytest.mark.parametrize("split", ["{by: fraction, val: 0.5}", "{by: kfold, folds: 2, fold: 0}"])
def test_seeds_are_trained_and_scored_on_the_same_split(plan, split):
    overrides = ["data.source.test=0", f"data.split={split}"]
    made = plan("small.yaml", overrides=overrides, seeds=[0, 1])
    fold = ", fold 1 of 2" if "kfold" in split else ""
    assert [wanted.label for wanted in made.missing] == [f"small{fold}, seed 0", f"small{fold}, seed 1"]
    assert made.runs[0].scored.names == made.runs[1].scored.names


def test_splits_that_draw_other_test_images_are_refused(plan):
    overrides = ["data.source.test=0", "data.split={by: fraction, val: 0.5}"]
    with pytest.raises(SegkitError, match=r"scored on other images than small-seed_0: .* missing"):
        plan("small.yaml", overrides=overrides, vary=["data.split.seed=0,1"])


def test_a_folder_of_folders_gives_its_finished_runs_and_tells_of_others(plan, folder, tmp_path):
    changed(folder, tmp_path)
    (tmp_path / "small/002").mkdir()
    (tmp_path / "small/002/recipe.yaml").write_text(RECIPE, encoding="utf-8")
    made = make_plan([tmp_path], runs=folder)
    assert [planned.run.path for planned in made.runs] == [tmp_path / "small/001"]
    assert made.notes == [f"{tmp_path}: 1 of 2 runs is not finished and is left out."]


@pytest.mark.parametrize(
    ("targets", "options", "said"),
    [
        ([], {"overrides": []}, "there is nothing to compare\n  try: name run directories or recipe files"),
        (["runs/small/001"], {"vary": ["model.decoder=unet"], "overrides": []},
         "only recipes can be varied, and no recipe is named\n  try: name a recipe file"),
        (["small.yaml"], {"metric": "hd95"},
         "small: it has no scores for the metric hd95\n"
         "  try: the argument metric with one of iou, dice; or add hd95 to the recipe's metrics"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(plan, targets, options, said):
    with pytest.raises(SegkitError) as raised:
        plan(*targets, **options)
    assert str(raised.value) == said


def test_a_folder_that_is_no_run_is_refused(plan, folder, tmp_path):
    with pytest.raises(SegkitError, match="this is not a run directory"):
        make_plan([tmp_path], runs=folder)
    (tmp_path / "001").mkdir()
    (tmp_path / "001/recipe.yaml").write_text(RECIPE, encoding="utf-8")
    with pytest.raises(SegkitError, match="this folder has no finished runs"):
        make_plan([tmp_path], runs=folder)
