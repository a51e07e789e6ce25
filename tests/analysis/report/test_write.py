"""The whole report: what is in it, what is not, and what it says when numbers are missing."""

import json
import re

import numpy as np
import pytest
import yaml

from segkit.analysis.report import write_report
from segkit.analysis.report.format import NOTHING
from segkit.analysis.report.run_data import read_run_data
from segkit.analysis.report.style import Picture
from segkit.core.errors import SegkitError
from segkit.data.palette import palette
from segkit.runs.run_dir import RunDir, TrainingSample, write_json
from tests.analysis.report.cases import WARNING, write_run

NASTY = '<img src=x onerror="alert(1)"> & [a](b) | `c` {{ 7 * 7 }}'


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = write_run(tmp_path_factory.mktemp("runs"))
    assert write_report(run) == run.report
    return run


@pytest.fixture(scope="module")
def html(run):
    return run.report.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def markdown(run):
    return (run.path / "report.md").read_text(encoding="utf-8")


@pytest.fixture
def undrawn(monkeypatch):
    """For what is said, not drawn: the figures are most of a report's second."""
    for name in ("panel_picture", "score_picture"):
        monkeypatch.setattr(f"segkit.analysis.report.write.{name}", lambda _: Picture("not drawn", b"", b""))
    for name in ("curves_png", "scores_png"):
        monkeypatch.setattr(f"segkit.analysis.report.write.{name}", lambda _: b"")


def texts(run):
    write_report(run)
    return [path.read_text(encoding="utf-8") for path in (run.report, run.path / "report.md")]


def edit_epochs(run, **changes):
    lines = [json.loads(line) | changes for line in run.metrics.read_text(encoding="utf-8").splitlines()]
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def test_html_loads_nothing(html):
    assert not re.search(r"<(script|link|iframe|object|embed|base)\b", html)
    assert "@import" not in html
    assert "url(" not in html
    loaded = re.findall(r"""\b(?:src|srcset|href|poster|data)\s*=\s*["']?([^"'\s>]*)""", html)
    assert (
        len(loaded) == 3 * 2 + 2 + 3 * 4
    )  # curves and histogram in two colour schemes, four panes of three samples
    assert all(uri.startswith(("data:image/png;base64,", "data:image/svg+xml;base64,")) for uri in loaded)


def test_html_describes_every_picture(html):
    pictures = re.findall(r"<img [^>]*>", html)
    assert pictures
    assert all(re.search(r'alt="[^"]{10,}"', picture) for picture in pictures)


def test_sections_stand_in_their_order(html, markdown):
    titles = [
        "isic_frozen", "Please note", "The frozen encoder is unchanged", "Curves", "Samples",
        "IoU per image", "Epochs", "Costs", "Environment", "Recipe", "Repeat this run",
    ]  # fmt: skip
    assert (
        re.findall(r"<h[12][^>]*>(.*)</h[12]>", html.replace('<h2 id="scores" class="unseen">', "")) == titles
    )
    headings = re.findall(r"^##? (.*)$", markdown, flags=re.MULTILINE)
    assert headings == titles


def test_report_says_what_the_run_found(run, html, markdown):
    interval = read_run_data(run).interval("iou")
    assert interval.low < interval.mean < interval.high
    for text in (html, markdown):
        assert WARNING in text
        assert "0.6545" in text
        assert "0.0114 above" in text
        assert "scored on 329 test images of 128 x 128 pixels; trained on 788." in text
        assert "Best epoch 18 of 20, chosen by IoU; scored on 329" in text
        assert f"{interval.low:.4f} to {interval.high:.4f}" in text
        assert "95% intervals are over these images. Training again adds further variation." in text
        assert "13 min 32 s" in text
        assert "1.20 GB" in text
        assert "13,263,905 (86 %)" in text
        assert "segkit run recipe.yaml" in text
        assert "In the folder of this run:" in text
        assert "name: transposed_conv" in text
    assert markdown.index("ISIC_0000067 | 0.1965") < markdown.index(
        "ISIC_0000174 | 0.2337"
    )  # the worst first


def test_best_epoch_stands_out(html, markdown):
    assert html.count('<tr class="best">') == 1
    assert '<tr class="best"><th scope="row" class="number">18</th>' in html
    assert "| **18** | **0.6545** | **0.7912** |" in markdown
    assert "| Metric | Best epoch | 95% interval | Published | Difference |" in markdown


def test_markdown_refers_to_files_that_are_there(run, markdown):
    files = re.findall(r"\]\(([^)]*)\)", markdown)
    assert len(files) == 2 + 3 * 4
    assert all((run.path / file).read_bytes().startswith(b"\x89PNG") for file in files)


@pytest.mark.slow
def test_same_run_gives_the_same_bytes(tmp_path):
    run = write_run(tmp_path, metrics=["iou"])

    def written():
        write_report(run)
        return {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}

    assert written() == written()


def test_what_users_wrote_is_escaped(tmp_path, undrawn):
    run = write_run(
        tmp_path, reference=False, recipe=NASTY, description=NASTY, warnings=[NASTY], device=NASTY
    )
    run.write_scores([NASTY, "b"], {"iou": [0.1, 0.2], "dice": [0.3, 0.4]})
    write_json(run.environment, {NASTY: [NASTY]})
    run.write_recipe(run.recipe.read_text(encoding="utf-8") + "# <script>```\n")
    html, markdown = texts(run)
    for text in (html, markdown.split("## Recipe")[0]):
        assert "<img src=x" not in text
        assert "<script" not in text
        assert "{{ 7 * 7 }}" in text.replace("\\*", "*")
    assert "\\[a\\](b) \\| \\`c\\`" in markdown
    assert "````yaml\n" in markdown


def test_run_without_reference_shows_no_published_numbers(tmp_path, undrawn):
    for text in texts(write_run(tmp_path, reference=False)):
        assert "published" not in text.replace("Published experiment 1. Only", "")
        assert "Dashed" not in text


def test_published_scores_come_from_the_epochs_where_the_recipe_gives_none(tmp_path, undrawn):
    run = write_run(tmp_path)
    summary = json.loads(run.summary.read_text())
    summary["reference"]["metrics"] = {}
    write_json(run.summary, summary)
    html, _ = texts(run)
    assert "published 0.6441" in html


def test_published_epochs_that_could_not_be_read_cost_a_note_only(tmp_path, undrawn):
    run = write_run(tmp_path)
    summary = json.loads(run.summary.read_text())
    note = "The published epochs in published.csv are not shown: it does not exist."
    summary["reference"] |= {"epochs": [], "note": note}
    write_json(run.summary, summary)
    for text in texts(run):
        assert "published.csv are not shown: it does not exist." in text
        assert "0.6431" in text


def test_file_that_the_recipe_of_a_run_names_is_not_opened(tmp_path, undrawn):
    run = write_run(tmp_path)
    summary = json.loads(run.summary.read_text())
    del summary["reference"]["epochs"]
    write_json(run.summary, summary)
    for text in texts(run):
        assert "published.csv are not shown: the run kept no copy of them." in text
        assert "Dashed" not in text


@pytest.mark.slow
def test_undefined_scores_are_dashes(tmp_path):
    run = write_run(
        tmp_path,
        best={"epoch": 18, "metrics": {"iou": None, "dice": 0.5}, "val_loss": None},
        scores={"metrics": {"iou": None, "dice": 0.5}},
        peak_memory_bytes=None,
        images_per_second=None,
    )
    edit_epochs(run, iou=None, val_loss=None)
    run.write_scores(["a", "b"], {"iou": [float("nan")] * 2, "dice": [0.5, float("nan")]})
    html, markdown = texts(run)
    assert f'<p class="value">{NOTHING}</p>' in html
    assert "Undefined scores" in html
    assert "scored images" not in html
    assert "Peak memory" not in html
    assert f"| **18** | **{NOTHING}** |" in markdown
    assert not re.search(r"\bnan\b|\bNone\b", markdown)


def test_some_undefined_scores_of_images_are_left_out(tmp_path, undrawn):
    run = write_run(tmp_path, scores={"metrics": {"iou": 0.4, "dice": 1.0}})
    run.write_scores(["a", "b", "c"], {"iou": [0.5, float("nan"), 0.3], "dice": [1.0, 1.0, 1.0]})
    _, markdown = texts(run)
    assert (
        "### All 2 scored images, the worst first\n\n| Image | IoU |\n| --- | ---: |\n"
        "| c | 0.3000 |\n| a | 0.5000 |\n" in markdown
    )
    assert "| Mean | 0.4000 |" in markdown
    assert "### Best: " in markdown
    run.write_scores(["a", "b", "c"], {"iou": [0.0, float("nan"), 0.0], "dice": [1.0, 1.0, 1.0]})
    _, markdown = texts(run)
    assert "### All 2 scored images, which all have the same score\n" in markdown
    assert ("### Best: " in markdown, markdown.count("### Image: ")) == (False, 3)


@pytest.mark.slow
def test_a_score_over_all_images_together_and_those_of_single_images_have_two_names(tmp_path):
    run = write_run(
        tmp_path,
        metrics=["iou_dataset", "dice"],
        first_metric="iou_dataset",
        scores={"metrics": {"iou_dataset": 0.3193, "dice": 0.5}},
        metric_details={"dice": "threshold 0.9"},
    )
    run.write_scores(["a", "b", "c"], {"iou_dataset": [0.3, 0.32, 0.388], "dice": [0.4, 0.5, 0.6]})
    html, markdown = texts(run)
    for text in (html, markdown):
        assert "0.3193" in text
        assert "0.3360" not in text  # the mean of the three
        assert "IoU dataset of each image alone" in text
        assert "IoU dataset per image" not in text
        assert "it is not the mean of these scores." in text
        assert "Dice (threshold 0.9)" in text
    assert "| Image | IoU dataset of each image alone |" in markdown


def test_recorded_intervals_of_few_images_are_clipped_and_called_uncertain(tmp_path, undrawn):
    scores = {"metrics": {"iou": 0.07, "dice": 0.1}, "intervals": {"iou": [-0.18, 0.32], "dice": [0.05, 1.5]}}
    run = write_run(tmp_path, scores=scores)
    run.write_scores(["a", "b"], {"iou": [0.02, 0.12], "dice": [0.05, 0.15]})
    for text in texts(run):
        assert "0.0000 to 0.3200" in text
        assert "0.0500 to 1.0000" in text
        assert "Training again adds further variation. An interval over 2 images is uncertain." in text
        assert text.count("uncertain") == 1
    run.write_scores([*"abcdefghij"], {"iou": [0.07] * 10, "dice": [0.1] * 10})
    assert not any("uncertain" in text for text in texts(run))


@pytest.mark.slow
def test_a_distance_has_its_unit_and_the_interval_that_the_run_recorded(tmp_path):
    scores = {"metrics": {"hd95": 4.6205, "iou": 0.7}, "intervals": {"hd95": [4.1, 5.2], "iou": [None, None]}}
    changes = {"first_metric": "hd95", "higher_is_better": False, "scores": scores}
    run = write_run(tmp_path, metrics=["hd95", "iou"], **changes)
    run.write_scores(["a", "b"], {"hd95": [4.0, 5.241], "iou": [0.6, 0.8]})
    html, markdown = texts(run)
    assert '<p class="label">HD95 (px)</p>\n<p class="value">4.6205</p>\n' in html
    assert '<p class="note">95% interval 4.1000 to 5.2000</p>' in html
    assert "| HD95 (px) | **4.6205** | 4.1000 to 5.2000 |" in markdown
    assert f"| IoU | **0.7000** | {NOTHING} |" in markdown
    assert "| Image | HD95 (px) |" in markdown
    assert "| Epoch | HD95 (px) | IoU |" in markdown


def test_sizes_that_are_not_square_say_which_side_is_which(tmp_path, undrawn):
    run = write_run(tmp_path)
    run.write_recipe(run.recipe.read_text().replace("size:\n  - 128\n", "size:\n  - 96\n"))
    for text in texts(run):
        assert "329 test images of 96 x 128 pixels (height x width); trained" in text


def test_no_folder_of_the_machine_is_in_a_report(tmp_path, undrawn):
    home = tmp_path / "home of me"
    run = write_run(tmp_path, warnings=[f"{home}/plugins/a.py: it has changed."])
    reported = run.read_summary().scores.metrics
    names = [str(home / folder / name) for folder, name in (("1", "a"), ("2", "a"), ("2", "b"))]
    run.write_scores(names, {name: [score] * 3 for name, score in reported.items()})
    run.write_recipe(run.recipe.read_text().replace("root: data/isic2016", f"root: {home}/isic2016"))
    write_json(run.environment, {"command": [f"{home}/segkit", "run", f"{home}/my a.yaml"]})
    for text in texts(run):
        assert str(tmp_path) not in text
        assert "home of me" not in text.replace(
            "home of me/plugins", ""
        )  # a space may end a path in a sentence
        assert "root: isic2016" in text
        assert "Its absolute paths are shortened to their last names here; recipe.yaml has them" in text
        assert re.search("segkit run (&#39;|')my a.yaml(&#39;|')", text)
        for name in ("1/a", "2/a", "b"):
            assert re.search(rf">{name}<|\| {name} \|", text)


def test_the_command_of_a_run_in_a_folder_with_a_space_is_quoted(tmp_path, undrawn, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = write_run(tmp_path / "my runs")
    for text in texts(RunDir(run.path.relative_to(tmp_path))):
        assert re.search("segkit run (&#3[49];|'|\")my runs/isic_frozen/001/recipe.yaml(&#3[49];|'|\")", text)


def test_scores_of_epochs_name_their_images_where_these_are_others(tmp_path, undrawn):
    _, markdown = texts(write_run(tmp_path, scored_on="val"))
    assert "Scores on the validation images. The dot marks the best epoch" in markdown
    for split, name in (("val", "validation"), ("test", "test")):
        html, markdown = texts(write_run(tmp_path, scored_on=split, validate_windows=1000))
        for text in (html, markdown):
            assert f"Scores on 1,000 windows of the {name} images. The dot marks the best epoch" in text
        assert f"Scores on 1,000 windows of the {name} images and losses of every epoch" in html
        assert f"0.6545 on 1,000 windows of the {name} images" in html
        assert f"| On 1,000 windows of the {name} images |" in markdown
        assert "scored on 329 test images" in markdown
    _, markdown = texts(write_run(tmp_path, status="stopped", validate_windows=9))
    assert "scored on 9 windows of 329 test images" in markdown


@pytest.mark.slow
@pytest.mark.parametrize("told", [True, False])
def test_worst_images_of_a_distance_are_the_highest(tmp_path, undrawn, told):
    best = {"epoch": 18, "metrics": {"iou": 3.0, "dice": 0.5}, "val_loss": 0.1}
    run = write_run(tmp_path, best=best, **({"higher_is_better": False} if told else {}))
    edit_epochs(run, iou=12.5)
    run.write_scores(["near", "far"], {"iou": [1.5, 40.0], "dice": [1.0, 1.0]})
    _, markdown = texts(run)
    assert markdown.index("| far | 40.00 |") < markdown.index("| near | 1.5000 |")


def test_multiclass_with_ignored_pixels_and_grey_images(tmp_path, undrawn):
    html, markdown = texts(write_run(tmp_path, task="multiclass", scored_on="val", frozen_encoder=None))
    for name in ("skin", "lesion", "hair", "ignored"):
        assert f"</span>{name}</li>" in html
    assert "0.6545 on the validation images" in html
    assert "On the validation images" in markdown
    assert "frozen encoder" not in html


@pytest.mark.slow
def test_multilabel_names_the_classes_and_says_what_an_overlap_shows(tmp_path, undrawn):
    for text in texts(write_run(tmp_path, task="multilabel")):
        assert "Where classes overlap, only the last one is shown." in text
    html, _ = texts(RunDir(tmp_path / "isic_frozen" / "001"))
    for name in ("background", "skin", "lesion", "hair"):
        assert f"</span>{name}</li>" in html


def test_report_adds_overlays_to_the_samples_of_the_run(tmp_path, undrawn):
    run = write_run(tmp_path)
    before = {path.name for path in run.samples.iterdir()}
    write_report(run)
    assert {path.name for path in run.samples.iterdir()} - before == {f"{n}_overlay.png" for n in (1, 2, 3)}


def test_changed_frozen_encoder_is_told(tmp_path, undrawn):
    verdict = {"digest_before": "ab12", "digest_after": "cd34", "unchanged": False}
    for text in texts(write_run(tmp_path, frozen_encoder=verdict)):
        assert "The frozen encoder changed" in text
        assert "ab12" in text
        assert "cd34" in text


def test_early_end_is_told(tmp_path, undrawn):
    html, _ = texts(write_run(tmp_path, epochs=12, status="interrupted"))
    assert "Training ended after 12 of 20 epochs." in html
    assert "its status is: interrupted." in html


def test_run_without_samples_has_no_section_for_them(tmp_path, undrawn):
    run = write_run(tmp_path)
    (run.samples / "samples.json").unlink()
    for text in texts(run):
        assert "Samples" not in text


@pytest.mark.parametrize(
    ("fit", "what"), [("stretch", "training images"), ("crop", "windows of training images")]
)
def test_training_images_are_shown_as_the_model_saw_them(tmp_path, undrawn, fit, what):
    run = write_run(tmp_path)
    assert not any("What the model saw" in text for text in texts(run))  # of earlier versions
    run.write_recipe(yaml.safe_dump({**yaml.safe_load(run.recipe_text()), "data": {"fit": fit}}))
    image, mask = np.full((40, 30, 3), 9, np.uint8), np.zeros((40, 30), np.uint8)
    mask[:5], mask[30:] = 1, 255
    samples = [TrainingSample("folder/a", image, mask), TrainingSample("folder/b_1", image[..., :1], mask)]
    run.write_training_samples(samples, palette(2))
    for found, written in zip(run.read_training_samples(), samples, strict=True):
        assert found.image == written.image
        assert (found.pixels == written.pixels).all()
        assert (found.mask == written.mask).all()
    html, markdown = texts(run)
    note = f"The first 2 {what} of the first epoch, after augmentation, with their masks."
    for text in (html, markdown):
        assert note in text
        assert ("Padding is a reflection of the image, and is ignored." in text) == (fit == "crop")
    assert "| folder/a | folder/b_1 |" in markdown
    assert "![Its mask, of " in markdown
    assert "(samples/training_2_mask.png)" in markdown
    section = html.partition('id="training"')[2].partition("</section>")[0]
    assert section.count("<img") == 4
    assert section.count('class="crisp"') == 2
    assert '<span class="swatch" style="background:#80868c"></span>ignored' in html
    (run.samples / "training_2_mask.png").write_bytes((run.samples / "1_truth.png").read_bytes())
    with pytest.raises(SegkitError, match=r"training_2_image\.png: the file is damaged: its size differs"):
        read_run_data(run)


def test_stages_without_a_count_of_their_own_have_none(tmp_path, undrawn):
    shape, counts = [16, 64, 64], {"parameters": 0, "trainable": 0}
    run = write_run(tmp_path)
    summary = json.loads(run.summary.read_text())
    first = {"part": "encoder", "name": "stage 1 of 5", "shape": shape, **counts}
    bare = {"part": "decoder", "name": "bare", "shape": shape, **counts}
    stages = [first, summary["stages"][0], bare]
    write_json(run.summary, {**summary, "stages": stages})
    _, markdown = texts(run)
    assert "| encoder | stage 1 of 5 | 16 × 64 × 64 |  |  |" in markdown  # noqa: RUF001
    assert "| encoder | stage 5 of 5 | 1280 × 4 × 4 | 2,223,872 | 0 |" in markdown  # noqa: RUF001
    assert "| decoder | bare | 16 × 64 × 64 | 0 | 0 |" in markdown  # noqa: RUF001


def test_missing_file_is_named(tmp_path):
    run = write_run(tmp_path)
    run.scores.unlink()
    with pytest.raises(SegkitError, match=r"scores\.csv: the report needs a file that the run did not write"):
        write_report(RunDir(run.path))
