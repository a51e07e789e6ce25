"""Findings of a comparison in sentences."""

import dataclasses
import math
import re

import pytest

from segkit.analysis.comparison.findings import analyse
from segkit.analysis.comparison.result import Interval, Ranking
from segkit.runs.schema import Costs, Published
from tests.analysis.comparison.made import (
    FIRST_COSTS,
    NONE,
    SMALL_COSTS,
    A,
    B,
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

ONE_SEED = "Each was trained once; repeat with --seeds 0,1,2 before claiming that one method is better."
MINUS = "\N{MINUS SIGN}"


def two(first, second, one_pair=None, **changes):
    """Two candidates as they are ranked, by default without a difference."""
    one_pair = one_pair or pair(first.name, second.name, 0.001, NONE, p=0.4)
    return comparison([place(first, 1, 0.861), place(second, 1, 0.860)], [one_pair], **changes)


def sentence(found, start):
    """The one that starts so."""
    (one,) = [told for told in analyse(found) if told.startswith(start)]
    return one


def test_analysis_of_two_with_a_clear_difference():
    assert analyse(clear()) == [
        "skips is better than frozen: IoU 0.8643 [0.8573, 0.8713] against 0.6788 [0.6638, 0.6938] "
        "(95% intervals).",
        "skips against frozen, image by image: 321 wins, 0 ties, 8 losses; mean difference "
        "+0.1855 [+0.1735, +0.1975], adjusted p < 0.001.",
        "The IoU curve of frozen is the higher one at first, that of skips from epoch 3 on.",
        "Within 0.005 of the best score: skips from epoch 16 on; frozen from epoch 5 on.",
        "Compared with the published IoU, without a test: frozen is 0.0357 above 0.6431 "
        "(published experiment 1).",
        "frozen, significantly worse, has 3.2 times the parameters, 1.5 times the multiply-adds and "
        "1.1 times the training time.",
        ONE_SEED,
    ]


def test_analysis_of_two_without_a_significant_difference():
    assert analyse(level()) == [
        "No significant difference between unet and separable_unet: IoU 0.8620 [0.8550, 0.8690] and "
        "0.8614 [0.8544, 0.8684] (95% intervals).",
        "unet against separable_unet, image by image: 170 wins, 0 ties, 159 losses; mean difference "
        f"+0.0006 [{MINUS}0.0014, +0.0026], adjusted p = 0.421.",
        "The leading curve changes 19 times, last at epoch 20.",
        "Within 0.005 of the best score: unet from epoch 1 on; separable_unet from epoch 1 on.",
        "separable_unet is not significantly worse than unet and has 4.2 times fewer parameters, 2.1 times "
        "fewer multiply-adds and 2.0 times less training time, but 1.3 times the time per image.",
        ONE_SEED,
    ]


@pytest.mark.parametrize(("images", "smallest"), [(2, "0.5"), (4, "0.125"), (5, "0.0625"), (6, None)])
def test_too_few_images_for_any_difference_are_told(images, smallest):
    found = analyse(dataclasses.replace(level(), images=[f"image {number}" for number in range(images)]))
    told = (
        f"With {images} images no difference can be significant, as the smallest possible p-value is "
        f"{smallest}: more test images are needed. "
    )
    uncertain = f"An interval over {images} images is uncertain. "
    assert found[-1] == (told if smallest else "") + uncertain + ONE_SEED


def test_analysis_of_six_in_groups():
    assert analyse(groups()) == [
        "No significant difference between the leading recipes r0, r1 and r2: IoU 0.8643 [0.8573, 0.8713] to "
        "0.8443 [0.8373, 0.8513] (95% intervals).",
        "r0 against r1, image by image: 250 wins, 4 ties, 75 losses; mean "
        "difference +0.0100 [+0.0040, +0.0160], adjusted p = 0.300.",
        "Significantly worse than r0: r3, r4 and r5; 9 of 15 pairs differ significantly.",
        "The IoU curve of r0 is the highest one in all 20 epochs.",
        "Within 0.005 of the best score: r0 from epoch 13 on.",
        "r2 is not significantly worse than r0 and has 3.0 times fewer parameters.",
        ONE_SEED,
    ]


def test_analysis_of_twenty_stays_short():
    first, _, behind, *_ = analyse(groups(20, leading=8))
    assert first == (
        "No significant difference between the leading recipes r0, r1, r2, r3, r4 and 3 more: IoU "
        "0.8643 [0.8573, 0.8713] to 0.7943 [0.7873, 0.8013] (95% intervals)."
    )
    assert behind == (
        "Significantly worse than r0: r8, r9, r10, r11, r12 and 7 more; 96 of 190 pairs differ significantly."
    )
    assert sum(map(len, analyse(groups(20, leading=8)))) < 1000


def test_analysis_of_six_without_any_significant_difference():
    first, second, third, *_ = analyse(groups(6, leading=6))
    assert first == (
        "No significant difference between the 6 recipes: IoU 0.8643 [0.8573, 0.8713] to 0.8143 "
        "[0.8073, 0.8213] (95% intervals)."
    )
    assert second.startswith("r0 against r1, image by image: 250 wins, 4 ties, 75 losses")
    assert third.startswith("The IoU curve")


def test_analysis_of_six_with_one_that_is_better_than_all():
    found = analyse(groups(6, leading=1))
    assert found[0] == "r0 is better than each of the 5 others: IoU 0.8643 [0.8573, 0.8713] (95% interval)."
    assert found[2] == "5 of 15 pairs differ significantly."
    assert found[-2] == "r1, significantly worse, has 2.0 times fewer parameters."


def test_analysis_of_one_that_leads_alone_but_is_not_significantly_better_than_all():
    a, b, c = (candidate(name, rising(0.8)) for name in "abc")
    pairs = [pair("a", "b", 0.01, NONE, p=0.2), pair("a", "c", 0.02, A), pair("b", "c", 0.01, NONE, p=0.2)]
    found = comparison([place(a, 1, 0.86), place(b, 2, 0.85), place(c, 2, 0.84)], pairs)
    first, _, third, *_ = analyse(found)
    assert first == (
        "a leads with IoU 0.8600 [0.8530, 0.8670] (95% interval), and is significantly better than "
        "1 of the 2 others."
    )
    assert third == "Significantly worse than a: c; 1 of 3 pairs differs significantly."


def test_analysis_of_several_seeds():
    assert analyse(seeded()) == [
        "warm is better than cold: IoU 0.8600 [0.8530, 0.8670] against 0.8400 [0.8330, 0.8470] "
        "(95% intervals).",
        "warm against cold, image by image: 250 wins, 4 ties, 75 losses; mean difference "
        "+0.0200 [+0.0140, +0.0260], adjusted p = 0.012.",
        "The IoU curve of warm is the higher one in all 20 epochs.",
        "Within 0.005 of the best score: warm from epoch 13 on; cold from epoch 13 on.",
        "Trained with 3 seeds each: intervals and p-values include the variation between seeds.",
    ]


def test_analysis_says_what_two_seeds_show():
    pair_of_seeds = candidate("a", rising(0.8), seeds=2), candidate("b", rising(0.8), seeds=2)
    for other in (pair_of_seeds[1], candidate("b", rising(0.8), seeds=5), candidate("b", rising(0.8))):
        assert analyse(two(pair_of_seeds[0], other))[-1].endswith(
            "Two seeds measure the variation between seeds only roughly, so a difference must be large to be "
            "significant: about 4.3 times its standard error with two seeds each, where seeds matter more "
            "than images, and 2.3 times with five. A smaller one may be real all the same: more seeds can "
            "show it."
        )


def test_analysis_says_who_has_one_seed_and_how_many_the_others_have():
    once, often = candidate("once", rising(0.8)), candidate("often", rising(0.8), seeds=5)
    assert analyse(two(once, often))[-1] == (
        "once was trained once; repeat with --seeds 0,1,2 before claiming that one method is better."
    )
    many = two(candidate("some", rising(0.8), seeds=3), often)
    assert (
        analyse(many)[-1]
        == "Trained with 3 to 5 seeds each: intervals and p-values include the variation between seeds."
    )


def test_analysis_where_lower_is_better():
    assert analyse(distances()) == [
        "near is better than far: HD95 (px) 7.0000 [6.5000, 7.5000] against 9.5000 [8.9000, 10.10] "
        "(95% intervals; lower is better).",
        "near against far, image by image: 250 wins, 4 ties, 75 losses; mean difference "
        f"{MINUS}2.5000 [{MINUS}2.9000, {MINUS}2.1000], adjusted p < 0.001.",
        "The HD95 (px) curve of far is the lower one at first, that of near from epoch 4 on.",
        "Within 0.5% of the best score: near only from epoch 20 of 20 on; far only from epoch 19 of 20 on.",
        "far, significantly worse, has about the same cost.",
        ONE_SEED,
    ]


def test_analysis_of_one_alone():
    assert analyse(alone()) == [
        "unet has IoU 0.8000 [0.7930, 0.8070] (95% interval) on 329 images; there is no other recipe to "
        "compare it with.",
        "Within 0.005 of the best score: unet from epoch 5 on.",
        "unet was trained once; repeat with --seeds 0,1,2 to measure the variation between seeds.",
    ]


def test_analysis_without_any_defined_number():
    nothing = Interval(math.nan, math.nan, math.nan)
    ranking = [Ranking(candidate(name, lambda epoch: None), 1, {"iou": nothing}) for name in "ab"]
    undefined = pair("a", "b", math.nan, NONE, p=math.nan, wins=0, ties=0, losses=0)
    assert analyse(comparison(ranking, [undefined])) == [
        "No significant difference between a and b: IoU \N{EN DASH} and \N{EN DASH}.",
        "The difference between a and b is undefined.",
        ONE_SEED,
    ]


def test_analysis_without_a_defined_p():
    a, b = candidate("a", rising(0.8)), candidate("b", rising(0.8))
    same = pair("a", "b", 0.0, NONE, p=math.nan, half=0.0, wins=0, ties=329, losses=0)
    assert analyse(two(a, b, same))[1] == (
        "a against b, image by image: 0 wins, 329 ties, 0 losses; mean difference 0.0000 [0.0000, 0.0000], "
        "adjusted p is undefined."
    )


def test_analysis_names_the_better_one_first_even_if_its_mean_is_the_lower_one():
    a, b = candidate("a", rising(0.8)), candidate("b", rising(0.8))
    found = comparison([place(a, 2, 0.861), place(b, 1, 0.860)], [pair("a", "b", -0.02, B)])
    assert analyse(found)[0] == (
        "b is better than a: IoU 0.8600 [0.8530, 0.8670] against 0.8610 [0.8540, 0.8680] (95% intervals)."
    )


@pytest.mark.parametrize("found", [level(), groups(6, leading=6), groups(20, leading=20)])
def test_analysis_claims_no_difference_where_none_is_significant(found):
    told = " ".join(analyse(found))
    assert told.startswith("No significant difference")
    assert not re.search(r"is better than|(?<!not )[Ss]ignificantly|leads with|equal", told)


@pytest.mark.parametrize("found", [clear(), level(), groups(), groups(20, 8), distances(), alone(), seeded()])
def test_analysis_is_three_to_eight_sentences_and_repeats_no_warning(found):
    warned = dataclasses.replace(found, warnings=["Chosen on the test images."])
    assert analyse(warned) == analyse(found)
    assert 3 <= len(analyse(found)) <= 8
    assert all(told.endswith(".") for told in analyse(found))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (
            lambda epoch: 0.7 + (0.1 if epoch > 10 else -0.1),
            lambda epoch: 0.7,
            "The IoU curve of b is the higher one at first, that of a from epoch 11 on.",
        ),
        (
            lambda epoch: 0.7 + (0.1 if epoch in (2, 3) or epoch > 10 else -0.1),
            lambda epoch: 0.7,
            "The IoU curve of b is the higher one at first, that of a from epoch 11 on (3 changes).",
        ),
        (
            lambda epoch: 0.7 + (0.1 if epoch > 17 else -0.1),
            lambda epoch: 0.7,
            "The leading curve changes once, at epoch 18.",
        ),
        (
            lambda epoch: 0.7 if epoch < 4 else 0.8,
            lambda epoch: 0.7,
            "The IoU curve of a is the higher one in 17 of 20 epochs; the others are ties.",
        ),
    ],
    ids=["crosses once", "crosses often", "crosses late", "starts level"],
)
def test_curves_are_told_by_their_lasting_changes(first, second, expected):
    assert analyse(two(candidate("a", first), candidate("b", second)))[2] == expected


def test_curves_of_different_length_are_compared_where_both_are():
    short = candidate("short", rising(0.7), epochs=10)
    assert analyse(two(candidate("long", rising(0.8)), short))[2] == (
        "The IoU curve of long is the higher one in all 10 epochs that all runs have."
    )


def test_curves_of_other_images_are_said_to_be_of_them():
    def on(split, name, best):
        return candidate(name, rising(best), scored_on=split)

    told = analyse(two(on("val", "a", 0.8), on("val", "b", 0.7)))
    assert told[2] == "The IoU curve of a on val images is the higher one in all 20 epochs."
    assert "curve" not in " ".join(analyse(two(on("val", "a", 0.8), on("test", "b", 0.7))))


def test_curves_that_fall_after_their_best_or_rise_to_the_end_have_not_settled():
    falls = candidate("falls", lambda epoch: 0.8 if epoch == 7 else 0.7877)
    rises = candidate("rises", lambda epoch: 0.5 + epoch / 100)
    assert sentence(two(falls, rises), "Within") == (
        "Within 0.005 of the best score: falls ends 0.0123 below its best (epoch 7); "
        "rises only from epoch 20 of 20 on."
    )


def test_curves_of_one_epoch_tell_nothing():
    a, b = (candidate(name, rising(0.8), epochs=1) for name in "ab")
    assert "epoch" not in " ".join(analyse(two(a, b)))


def test_published_numbers_of_many_are_cut_short():
    def published(name, score):
        theirs = Published(source="challenge" if name == "a" else "", metrics={"iou": score})
        return place(candidate(name, lambda epoch: None, published=theirs), 1, 0.86)

    scores = {"a": 0.86, "b": 0.85, "c": 0.87, "d": 0.5, "e": 0.5}
    pairs = [pair(x, y, 0.0, NONE, p=1.0) for x in scores for y in scores if x < y]
    found = comparison([published(*one) for one in scores.items()], pairs)
    assert sentence(found, "Compared with") == (
        "Compared with the published IoU, without a test: a is the same to four decimals as 0.8600 "
        "(challenge); b is 0.0100 above 0.8500; c is 0.0100 below 0.8700; 2 more."
    )


def test_costs_are_not_told_where_nobody_measured_them():
    a, b = (candidate(name, rising(0.8)) for name in "ab")
    assert "not significantly worse" not in " ".join(analyse(two(a, b)))


def test_costs_are_compared_by_what_is_known_of_all():
    a = candidate("a", rising(0.8), costs=Costs(parameters=100, macs=5_000))
    b = candidate("b", rising(0.8), costs=Costs(macs=50, train_seconds=3))
    assert sentence(two(a, b), "b is") == (
        "b is not significantly worse than a and has 100 times fewer multiply-adds."
    )


def test_costs_of_two_are_told_even_if_the_first_is_the_cheaper_one():
    a, b = candidate("a", rising(0.8), costs=SMALL_COSTS), candidate("b", rising(0.8), costs=FIRST_COSTS)
    assert sentence(two(a, b), "b is") == (
        "b is not significantly worse than a and has 1.3 times less time per image, but 4.2 times the "
        "parameters, 2.1 times the multiply-adds and 2.0 times the training time."
    )


def test_costs_of_many_say_that_none_is_cheaper():
    costs = [Costs(parameters=count) for count in (1.0, 2.0, 3.0)]
    candidates = [candidate(f"r{i}", rising(0.8), costs=cost) for i, cost in enumerate(costs)]
    pairs = [pair(f"r{i}", f"r{j}", 0.0, NONE, p=1.0) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert analyse(comparison([place(one, 1, 0.8) for one in candidates], pairs))[-2] == (
        "No recipe without a significant difference from r0 has fewer parameters."
    )
