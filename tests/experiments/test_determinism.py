"""One seed, one result, to the last digit."""

import pytest

from tests.small_runs import unreported

SCORES = ("epoch", "train_loss", "val_loss", "iou", "dice", "learning_rate", "best")


def scores(folder, *overrides):
    folder.mkdir()
    directory, _ = unreported(folder, *overrides)
    return [tuple(line[key] for key in SCORES) for line in directory.read_epochs()]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return scores(tmp_path_factory.mktemp("first") / "run")


@pytest.mark.parametrize(
    "overrides",
    [
        ["data.workers=0"],
        ["data.workers=2"],
        ["data.eval_batch_size=1"],
        ["data.eval_batch_size=5"],
        ["metrics=[iou, dice, hd95, boundary_iou]"],
        ["training.deterministic=true"],
    ],
    ids=" ".join,
)
def test_same_seed_same_scores(tmp_path, expected, overrides):
    assert scores(tmp_path / "run", *overrides) == expected


@pytest.mark.slow
@pytest.mark.parametrize("override", ["seed=4", "data.source.seed=1", "data.augment=[]", "data.batch_size=5"])
def test_what_matters_changes_the_scores(tmp_path, expected, override):
    assert scores(tmp_path / "run", override) != expected
