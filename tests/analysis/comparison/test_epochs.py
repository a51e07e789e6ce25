"""The table of epochs, all candidates side by side."""

from segkit.analysis.comparison.epochs import epoch_table, mean_curve
from segkit.runs.schema import Published
from tests.analysis.comparison.made import candidate, comparison, distances, groups, place, rising

DASH = "\N{EN DASH}"


def ranked(*candidates, **changes):
    return comparison([place(one, 1, 0.8) for one in candidates], [], **changes)


def test_epoch_table_shows_two_candidates_with_losses_and_what_was_published():
    published = Published(
        source="experiment 1", epochs=[{"epoch": 1.0, "iou": 0.5185, "val_loss": None}, {"epoch": 2.0}]
    )
    first = candidate("skips", lambda epoch: 0.8 + epoch / 100, epochs=3, published=published)
    second = candidate("frozen", lambda epoch: None if epoch == 2 else 0.6, epochs=2, published=published)
    table = epoch_table(ranked(first, second))
    assert table.caption == "Scores and losses of every epoch"
    assert table.columns == [
        "Epoch",
        "IoU, skips",
        "IoU, frozen",
        "IoU, experiment 1",
        "Training loss, skips",
        "Training loss, frozen",
        "Validation loss, skips",
        "Validation loss, frozen",
    ]
    assert table.rows == [
        ["1", "0.8100", "0.6000", "0.5185", "0.5000", "0.5000", "0.6000", "0.6000"],
        ["2", "0.8200", DASH, DASH, "0.2500", "0.2500", "0.3500", "0.3500"],
        ["3", "0.8300", DASH, DASH, "0.1667", DASH, "0.2667", DASH],
    ]
    assert table.numeric == [True] * 8


def test_epoch_table_shows_dice_of_up_to_three_and_losses_of_up_to_two():
    def with_dice(name):
        one = candidate(name, rising(0.8), epochs=2)
        for line in one.epochs[0]:
            line["dice"] = 0.9
        return one

    def labels(count):
        columns = epoch_table(ranked(*(with_dice(f"r{i}") for i in range(count)))).columns
        return list(dict.fromkeys(column.split(",")[0] for column in columns))

    assert labels(1) == labels(2) == ["Epoch", "IoU", "Dice", "Training loss", "Validation loss"]
    assert labels(3) == ["Epoch", "IoU", "Dice"]
    assert labels(4) == ["Epoch", "IoU"]


def test_epoch_table_by_dice_shows_dice_once():
    one = candidate("one", rising(0.8), metric="dice")
    table = epoch_table(comparison([place(one, 1, 0.8, metric="dice")], [], metric="dice"))
    assert table.columns == ["Epoch", "Dice, one", "Training loss, one", "Validation loss, one"]


def test_epoch_table_of_many_shows_the_ranking_metric_alone():
    table = epoch_table(groups())
    assert table.columns == ["Epoch", *(f"IoU, r{i}" for i in range(6))]
    assert table.caption == "Scores of every epoch"
    assert len(table.rows) == 20


def test_epoch_table_keeps_published_numbers_of_two_sources_apart():
    def source(name, score):
        return Published(source=name, epochs=[{"epoch": 1, "iou": score}])

    table = epoch_table(
        ranked(
            candidate("a", rising(0.8), published=source("one", 0.6)),
            candidate("b", rising(0.8), published=source("two", 0.7)),
            candidate("c", rising(0.8), published=source("", 0.7)),
        )
    )
    assert table.columns[4:] == ["IoU, one", "IoU, two", "IoU, published"]
    assert table.rows[0][4:] == ["0.6000", "0.7000", "0.7000"]


def test_epoch_table_of_distances():
    assert epoch_table(distances()).rows[0][1:3] == ["26.00", "19.00"]


def test_mean_curve_is_the_mean_of_epochs_that_all_seeds_have():
    one = candidate("one", lambda epoch: 0.8, seeds=3, epochs=2)
    one.epochs[0][0]["iou"] = 0.82
    del one.epochs[2][1]
    assert mean_curve(one.epochs, "iou") == {1: (0.82 + 0.8 + 0.81) / 3}
    assert mean_curve(one.epochs, "unheard_of") == {}
