"""comparison.md and comparison.csv."""

import csv
import dataclasses
import math

import pytest

from segkit.analysis.comparison.markdown import write_csv, write_markdown
from segkit.analysis.comparison.result import Interval, Ranking
from segkit.analysis.comparison.tables import cost_table, pair_table, ranking_table
from segkit.runs.schema import Costs, Published
from tests.analysis.comparison.made import (
    NONE,
    alone,
    candidate,
    clear,
    comparison,
    distances,
    groups,
    level,
    pair,
    place,
    rising,
    seeded,
)

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
HOSTILE = "*a*|<b>`c`\n# d_ [e](f) \\ & ~g~"
ESCAPED = r"\*a\*\|&lt;b&gt;\`c\` # d\_ \[e\](f) \\ &amp; \~g\~"
CLEAR_MARKDOWN = """\
# 2 recipes on 329 images

**skips is better than frozen: IoU 0.8643 \\[0.8573, 0.8713\\] against 0.6788 \\[0.6638, 0.6938\\] (95% intervals).**

Ranked by the mean IoU of the images, the higher the better; in brackets 95% intervals.

## Please note

- The best epoch is chosen on the test images themselves: its score is optimistic.

## Analysis

- skips against frozen, image by image: 321 wins, 0 ties, 8 losses; mean difference +0.1855 \\[+0.1735, +0.1975\\], adjusted p &lt; 0.001.
- The IoU curve of frozen is the higher one at first, that of skips from epoch 3 on.
- Within 0.005 of the best score: skips from epoch 16 on; frozen from epoch 5 on.
- Compared with the published IoU, without a test: frozen is 0.0357 above 0.6431 (published experiment 1).
- frozen, significantly worse, has 3.2 times the parameters, 1.5 times the multiply-adds and 1.1 times the training time.
- Each was trained once; repeat with --seeds 0,1,2 before claiming that one method is better.

## Ranking

| Rank | Recipe | IoU | Dice | Published IoU | Seeds |
| ---: | --- | ---: | ---: | ---: | ---: |
| **1** | **skips** | **0.8643 \\[0.8573, 0.8713\\]** | **0.9272 \\[0.9232, 0.9312\\]** | **–** | **1** |
| 2 | frozen | 0.6788 \\[0.6638, 0.6938\\] | 0.8087 \\[0.7979, 0.8192\\] | 0.6431 | 1 |

Recipes share a rank when no significant difference was found. That does not mean that there is none.

## Differences

| A | B | A − B | Adjusted p | Wins / ties / losses | Verdict |
| --- | --- | ---: | ---: | ---: | --- |
| skips | frozen | +0.1855 \\[+0.1735, +0.1975\\] | &lt; 0.001 | 321 / 0 / 8 | skips is better |

## Costs

| Recipe | Parameters | Trainable | MACs | Latency | Predicted images/s | Training time | Trained images/s | Peak memory | File size |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| skips | 5.14 M | 5.14 M | 0.618 G | 21.4 ms | 60.0 | 47 min 0 s | 6.40 | 1.20 GB | 20.6 MB |
| frozen | 16.3 M | – | 0.906 G | 21.0 ms | – | 52 min 0 s | – | – | – |

Measured on one machine, one after the other: AMD EPYC, 1 thread.

## Epochs

| Epoch | IoU, skips | IoU, frozen | IoU, published experiment 1 | Training loss, skips | Training loss, frozen | Validation loss, skips | Validation loss, frozen |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| 1 | 0.5528 | 0.5684 | 0.5185 | 0.5000 | 0.5000 | 0.6000 | 0.6000 |
| 2 | 0.6217 | 0.6382 | – | 0.2500 | 0.2500 | 0.3500 | 0.3500 |

## How it was computed

With one seed each, intervals are bootstrapped over images, and p is that of Wilcoxon's signed-rank test over images.
A difference is significant if its interval excludes zero and adjusted p is below 0.05. Adjusted p has \
Holm's correction for the number of pairs; intervals and p have none.

## Repeat this comparison

    segkit compare runs/skips/001 runs/frozen/001
"""  # noqa: E501, RUF001


def markdown(found, folder):
    """What is written, without the empty lines in a row that no reader of Markdown sees."""
    text = write_markdown(found, folder / "comparison.md").read_text(encoding="utf-8")
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def shortened(found, epochs=2):
    """The same with fewer epochs in its table; the sentences on curves are those of all."""
    for one in found.candidates:
        del one.epochs[0][epochs:]
    return found


def test_markdown_of_two_with_a_clear_difference(tmp_path, monkeypatch):
    from segkit.analysis.comparison import tables as text

    told = text.analyse(clear())
    monkeypatch.setattr(text, "analyse", lambda found: told)
    assert markdown(shortened(clear()), tmp_path) == CLEAR_MARKDOWN


def test_markdown_of_many_shows_the_pairs_with_the_first_and_no_epochs(tmp_path):
    text = markdown(groups(7), tmp_path)
    assert text.count("| no significant difference |") == 2
    assert text.count(" is better |") == 4
    assert "Only the pairs with r0 are shown; `comparison.json` has all 21.\n" in text
    assert "See the curves in `comparison.html`, and the numbers in `metrics.jsonl` of each run." in text
    assert "| Epoch |" not in text
    assert "**1**" not in text  # three share the first rank


def test_markdown_of_six_shows_all_pairs(tmp_path):
    text = markdown(groups(6), tmp_path)
    assert text.count("| no significant difference |") + text.count(" is better |") == 15
    assert "comparison.json" not in text


@pytest.mark.parametrize(("count", "shown"), [(4, True), (5, False)])
def test_markdown_shows_the_epochs_of_up_to_four(tmp_path, count, shown):
    assert ("| Epoch |" in markdown(groups(count), tmp_path)) == shown


def test_markdown_of_several_seeds_says_how_they_were_taken_in(tmp_path):
    text = markdown(seeded(), tmp_path)
    assert (
        "Where a recipe has several seeds, intervals and p come from one t-test over images and seeds: p is "
        "below 0.05 exactly where the interval excludes zero.\n"
    ) in text


def test_markdown_of_one_has_neither_differences_nor_costs(tmp_path):
    text = markdown(alone(), tmp_path)
    assert text.startswith("# 1 recipe on 329 images\n\n**unet has IoU 0.8000 ")
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["Analysis", "Ranking", "Epochs", "How it was computed", "Repeat this comparison"]
    assert "**1**" not in text


def test_markdown_where_lower_is_better_and_another_alpha(tmp_path):
    text = markdown(dataclasses.replace(distances(), alpha=0.01), tmp_path)
    assert (
        "Ranked by the mean HD95 (px) of the images, the lower the better; in brackets 99% intervals.\n"
        in text
    )
    assert "adjusted p is below 0.01. " in text


def test_markdown_shows_hostile_names_literally(tmp_path):
    published = Published(source=HOSTILE, metrics={"iou": 0.8}, epochs=[{"epoch": 1, "iou": 0.5}])
    one = candidate(HOSTILE, rising(0.8), epochs=1, published=published)
    other = candidate("other", rising(0.8), epochs=1)
    found = comparison(
        [place(one, 1, 0.86), place(other, 1, 0.85)],
        [pair(HOSTILE, "other", 0.01, NONE, p=0.5)],
        warnings=[HOSTILE],
        costs_measured=HOSTILE,
        command="segkit compare '```\n## d'",
    )
    text = markdown(found, tmp_path)
    assert f"**No significant difference between {ESCAPED} and other: " in text
    assert f"| 1 | {ESCAPED} | 0.8600 " in text
    assert f"| {ESCAPED} | other | +0.0100 " in text
    assert f"| Epoch | IoU, {ESCAPED} | IoU, other | IoU, {ESCAPED} |" in text
    assert f"\n- {ESCAPED}\n" in text
    assert text.endswith("\n    segkit compare '```\n    ## d'\n")
    rows = [line.replace(r"\|", "") for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {7, 9}  # ranking and pairs, epochs


def test_ranking_table_shows_four_metrics_at_most_and_bare_means_without_intervals():
    names = ["iou", "dice", "iou_dataset", "hd95", "boundary_iou"]
    metrics = {name: Interval(0.5, math.nan, math.nan) for name in names}
    table = ranking_table(comparison([Ranking(candidate("a", rising(0.8)), 1, metrics)], []))
    assert table.columns == ["Rank", "Recipe", "IoU", "Dice", "IoU dataset", "HD95 (px)", "Seeds"]
    assert table.rows == [["1", "a", "0.5000", "0.5000", "0.5000", "0.5000", "1"]]
    assert table.numeric == [True, False, True, True, True, True, True]


def test_cost_table_has_what_is_known_of_any():
    table = cost_table(
        comparison(
            [
                place(candidate("a", rising(0.8), costs=Costs(parameters=2_223_872)), 1, 0.8),
                place(candidate("b", rising(0.8), costs=Costs(latency_ms=12.34)), 1, 0.8),
            ],
            [],
        )
    )
    assert table.columns == ["Recipe", "Parameters", "Latency"]
    assert table.rows == [["a", "2.22 M", DASH], ["b", DASH, "12.3 ms"]]
    assert cost_table(alone()).rows == []


def test_pair_table_where_nothing_is_defined():
    undefined = pair("a", "b", math.nan, NONE, p=math.nan, wins=0, ties=0, losses=0)
    rows = pair_table(comparison([], [undefined])).rows
    assert rows == [["a", "b", DASH, DASH, "0 / 0 / 0", "no significant difference"]]


def test_pair_table_signs_differences():
    assert pair_table(level()).rows[0][2:4] == [f"+0.0006 [{MINUS}0.0014, +0.0026]", "0.421"]


def test_csv_has_a_row_per_candidate_and_empty_cells_where_nothing_is_known(tmp_path):
    nothing = Interval(math.nan, math.nan, math.nan)
    ranking = [
        place(
            candidate('a, "b"', rising(0.8), costs=Costs(parameters=5)), 1, 0.875, half=0.125, metric="hd95"
        ),
        Ranking(candidate("c\nd", rising(0.8), seeds=2), 2, {"hd95": nothing}),
    ]
    path = write_csv(comparison(ranking, [], metric="hd95"), tmp_path / "comparison.csv")
    assert path.read_bytes().decode() == (
        "rank,name,seeds,hd95,hd95_low,hd95_high,parameters,trainable_parameters,macs,train_seconds,"
        "train_images_per_second,latency_ms,predict_images_per_second,peak_memory_bytes,weights_bytes\n"
        '1,"a, ""b""",1,0.875,0.75,1.0,5,,,,,,,,\n'
        '2,"c\nd",2,,,,,,,,,,,,\n'
    )


def test_csv_keeps_every_digit(tmp_path):
    path = write_csv(clear(), tmp_path / "comparison.csv")
    with path.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert float(first["dice"]) == clear().records()[0]["dice"]
    assert second["trainable_parameters"] == ""


def test_csv_runs_no_name_as_a_formula(tmp_path):
    hostile = place(candidate("=HYPERLINK(1)", rising(0.8)), 1, 0.8)
    path = write_csv(comparison([hostile], []), tmp_path / "comparison.csv")
    assert "1,'=HYPERLINK(1),1," in path.read_text()
