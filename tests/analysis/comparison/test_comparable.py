"""Incompatible runs are refused, or compared by force and a warning."""

from dataclasses import replace

import pytest

from segkit.analysis.comparison.candidates import read_finished
from segkit.analysis.comparison.compare import compare_runs
from segkit.analysis.comparison.epochs import curve_label
from segkit.analysis.comparison.findings_curves import curve_sentences
from segkit.analysis.comparison.format import headline
from segkit.core.errors import SegkitError
from segkit.runs.schema import NativeScores
from tests.analysis.comparison.runs import DIRECTIONS, scored_run

SCORES = {"iou": [0.5, 0.6, 0.7], "dice": [0.6, 0.7, 0.8]}
NATIVE = "native=True to compare at the images' own size"
FORCE = "force=True to compare anyway, with a warning in the report"


def refused(first, other, **options):
    finished = [read_finished(first), read_finished(other)]
    with pytest.raises(SegkitError) as raised:
        compare_runs(finished, DIRECTIONS, **options)
    return raised.value.problems


CASES = {
    "size": ({"data": {"size": [64, 64]}},
             "data.size", "data.size is 64 x 64, but 128 x 128 in {first}"),
    "fit": ({"data": {"fit": "letterbox"}},
            "data.fit", "data.fit is letterbox, but stretch in {first}"),
    "own size": ({"data": {"fit": "crop", "scale": 1.0}},
                 "data.fit",
                 "scored at the images' own size, but {first} at data.size, 128 x 128"),
    "task": ({"data": {"task": "multilabel"}},
             "data.task", "data.task is multilabel, but binary in {first}"),
    "classes": ({"data": {"classes": ["mole"]}},
                "data.classes", "data.classes is mole, but lesion in {first}"),
    "ignored": ({"data": {"ignore_index": 255}},
                "data.ignore_index", "data.ignore_index is 255, but none in {first}"),
    "images": ({"images": ["image_000", "image_001", "other"]},
               "data", "scored on other images than {first}: 1 missing (image_002), 1 extra (other)"),
    "pixels": ({"environment": {"data_digests": {"test": "others"}}},
               "data", "images or masks have the same names as in {first}, but other pixels"),
    "definition": ({"metrics": [{"name": "iou", "threshold": 0.4}, {"name": "dice"}]},
                   "metrics", "iou is iou with threshold 0.4, but iou in {first}"),
    "code": ({"environment": {"identity": {"recipe": "b", "seed": 0, "data": "", "code": "",
                                           "metrics": "other"}}},
             "metrics", "iou was computed by other code than in {first}"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_who_differs_where_is_said(tmp_path, case):
    changes, path, words = CASES[case]
    first = scored_run(tmp_path, "a", SCORES)
    other = scored_run(tmp_path, "b", SCORES, **changes)
    (problem,) = refused(first, other)
    assert (problem.file, problem.path) == (str(other.path), path)
    assert problem.problem == words.format(first=first.path)
    before = {"code": "run its recipe again; ", "task": ""}.get(case, "")
    before = f"{NATIVE}; " if case in ("size", "fit", "own size") else before
    assert problem.hint == f"{before}{FORCE}"
    comparison = compare_runs([read_finished(first), read_finished(other)], DIRECTIONS, force=True)
    assert comparison.warnings == [f"Compared by force: {other.path}: {problem.problem}."]
    assert comparison.images == ["image_000", "image_001"] + ["image_002"] * (case != "images")


def test_all_differences_are_said_at_once(tmp_path):
    first = scored_run(tmp_path, "a", SCORES)
    other = scored_run(tmp_path, "b", SCORES, data={"size": [64, 64], "task": "multilabel"})
    assert [problem.path for problem in refused(first, other)] == ["data.task", "data.size"]


CROP = {"fit": "crop", "scale": 1.0}


def test_scores_at_the_images_own_size_are_compared_whatever_the_model_sees(tmp_path):
    first = scored_run(tmp_path, "a", SCORES, data=CROP)
    other = scored_run(tmp_path, "b", SCORES, data=CROP | {"size": [64, 32]})
    comparison = compare_runs([read_finished(first), read_finished(other)], DIRECTIONS)
    assert headline(comparison) == "2 recipes on 3 images of their own size"
    assert not comparison.native
    others = {"environment": {"data_digests": {"test": "others"}}}
    (problem,) = refused(first, scored_run(tmp_path, "c", SCORES, data=CROP, **others))
    assert problem.problem.endswith("but other pixels")
    reduced = scored_run(
        tmp_path, "d", SCORES, data=CROP | {"scale": 0.5}, **others
    )  # pixels of another size
    assert compare_runs([read_finished(first), read_finished(reduced)], DIRECTIONS).warnings == []


def natively(run, pixels="of the test images", **changes):
    scores = {"iou": [0.1, 0.2, None], "dice": [0.2, 0.3, 0.4]}
    record = {
        "of": "", "code": "of iou", "split": "test", "names": ["image_000", "image_001", "image_002"],
        "per_image": scores, "metrics": {"iou": 0.15, "dice": 0.3}, "pixels": pixels,
    }  # fmt: skip
    run.write_native_scores(NativeScores.model_construct(**record | changes))
    finished = read_finished(run)
    return replace(finished, data=finished.data.at_native_size(run.read_native_scores()))


def test_runs_of_any_fit_are_compared_once_they_are_scored_at_the_images_own_size(tmp_path):
    cropped = read_finished(scored_run(tmp_path, "a", SCORES, data=CROP))
    run = scored_run(tmp_path, "b", SCORES, data={"size": [64, 64]})
    results = [cropped, natively(run, warnings=["A warning."])]
    comparison = compare_runs(results, DIRECTIONS)
    assert headline(comparison) == "2 recipes on 3 images of their own size"
    assert [ranking.metrics["iou"].mean for ranking in comparison.ranking] == pytest.approx([0.6, 0.15])
    assert comparison.pairs[0].difference == pytest.approx(0.4)  # of the two that both define
    assert comparison.as_json()["native"]
    assert "b: A warning." in comparison.warnings
    assert curve_label(comparison, "iou").endswith(", each at its recipe's size")
    assert not any("curve" in sentence for sentence in curve_sentences(comparison))
    with pytest.raises(SegkitError, match="but other pixels"):
        compare_runs([cropped, natively(run, pixels="others")], DIRECTIONS)
    with pytest.raises(SegkitError, match="the number of scores is not that of the images"):
        natively(run, names=["image_000"])


def test_other_metrics_may_be_defined_as_they_like(tmp_path):
    first = scored_run(tmp_path, "a", SCORES)
    other = scored_run(tmp_path, "b", SCORES, metrics=[{"name": "iou"}, {"name": "dice", "threshold": 0.4}])
    comparison = compare_runs([read_finished(first), read_finished(other)], DIRECTIONS)
    assert comparison.metrics == ["iou"]
    assert comparison.warnings == ["dice is left out: its options differ between the recipes."]


def test_runs_that_took_no_digests_are_compared(tmp_path):
    first = scored_run(tmp_path, "a", SCORES)
    other = scored_run(tmp_path, "b", SCORES, environment={"identity": None, "data_digests": {}})
    assert compare_runs([read_finished(first), read_finished(other)], DIRECTIONS).warnings == []


@pytest.mark.parametrize("force", [False, True])
def test_without_the_metric_or_a_common_image_no_hint_leads_to_force(tmp_path, force):
    first = scored_run(tmp_path, "a", SCORES)
    (problem,) = refused(first, scored_run(tmp_path, "b", {"dice": [0.5]}), force=force)
    assert problem.problem == "it has no scores for the metric iou"
    (problem,) = refused(first, scored_run(tmp_path, "c", {"iou": [0.5]}, images=["x"]), force=force)
    assert problem.problem == "the runs have no scored image in common"
    assert problem.hint == "compare runs that were scored on the same test images"


def test_by_force_a_metric_of_several_definitions_is_called_so(tmp_path):
    first = scored_run(tmp_path, "a", SCORES, metrics=[{"name": "iou", "threshold": 0.9}, {"name": "dice"}])
    runs = [read_finished(first), read_finished(scored_run(tmp_path, "b", SCORES))]
    comparison = compare_runs(runs, DIRECTIONS, force=True)
    assert comparison.label("iou") == "IoU (with different options)"
    assert comparison.as_json()["metric_details"] == {"iou": "with different options"}


def test_by_force_scores_of_all_images_together_are_left_out(tmp_path):
    """They are of other images than those that are compared."""
    first = scored_run(tmp_path, "a", SCORES, reported={"dice": 0.1})
    other = scored_run(tmp_path, "b", SCORES, reported={"dice": 0.1}, images=["image_000", "image_001", "x"])
    comparison = compare_runs([read_finished(first), read_finished(other)], DIRECTIONS, force=True)
    assert list(comparison.ranking[0].metrics) == ["iou"]
