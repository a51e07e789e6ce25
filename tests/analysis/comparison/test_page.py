"""The file `comparison.html`: what is in it, and what is not."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.analysis.comparison.page import samples, write_page
from segkit.analysis.comparison.page.samples import read_samples, sample_notes, select_samples
from segkit.core.errors import SegkitError
from segkit.runs.thumbnails import Thumbnail, read_thumbnails, write_thumbnails
from tests.analysis.comparison.cases import HOSTILE, HOSTILE_IMAGE, Made, made_up, thumbnail_of

KEPT = (0, 1, 2)  # positions of those whose runs kept thumbnails
ROOM = Path(samples.__file__).parent


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return made_up(tmp_path_factory.mktemp("runs"), Made(kept=KEPT))


@pytest.fixture(scope="module")
def path(comparison, tmp_path_factory):
    return write_page(comparison, tmp_path_factory.mktemp("page") / "comparison.html")


@pytest.fixture(scope="module")
def html(path):
    return path.read_text(encoding="utf-8")


def data_of(html):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html)[1])


def text(content):
    return base64.b64encode(content).decode()


def test_the_same_comparison_gives_the_same_bytes(comparison, path, tmp_path):
    assert write_page(comparison, tmp_path / "again.html").read_bytes() == path.read_bytes()


def test_the_page_loads_nothing(html):
    head, _, chart_js = html.partition('<script type="application/json"')
    assert not re.search(r"<(link|iframe|object|embed|base|form)\b", head)
    assert "@import" not in html
    assert "url(" not in head
    loaded = re.findall(r"""\b(?:src|srcset|href|poster|data|action)\s*=\s*["']([^"']*)""", head)
    assert loaded
    assert all(uri.startswith("#") for uri in loaded)
    assert "sourceMappingURL" not in chart_js


def test_only_the_scripts_of_the_page_may_run(html):
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)[1]
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    assert len(scripts) == 2
    allowed = [f"'sha256-{text(hashlib.sha256(script.encode()).digest())}'" for script in scripts]
    assert f"script-src {' '.join(allowed)};" in policy
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline';")


def test_what_is_vendored_is_what_its_readme_says():
    content = (ROOM / "vendor/chart.umd.min.js").read_bytes()
    assert hashlib.sha256(content).hexdigest() in (ROOM / "vendor/README.md").read_text(encoding="utf-8")
    assert "MIT License" in (ROOM / "vendor/LICENSE.md").read_text(encoding="utf-8")


def test_headline_verdict_warnings_and_facts_are_told(comparison, html):
    assert "<h1>4 recipes on 30 images</h1>" in html
    assert '<p class="lead">' in html
    for said in (*comparison.warnings, comparison.costs_measured, comparison.command):
        assert said in html


def test_hostile_names_stay_text(tmp_path):
    comparison = made_up(tmp_path, Made(names=[HOSTILE, "b"], images=3, image_name=HOSTILE_IMAGE))
    hostile = write_page(comparison, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<img src=x" not in hostile
    assert hostile.count("<script") == 3
    assert "{{ 7 * 7 }}" in hostile
    assert data_of(hostile)["names"][0] == HOSTILE


def test_pictures_belong_to_their_names(comparison, html):
    data = data_of(html)
    shown = data["samples"]
    for position, image in enumerate(shown["images"]):
        name = data["images"][image]
        first = thumbnail_of(comparison, 0, name)
        assert shown["pictures"][position] == text(first.image)
        assert shown["truths"][position] == text(first.truth)
        for candidate in KEPT:
            prediction = thumbnail_of(comparison, candidate, name).prediction
            assert shown["predictions"][candidate][position] == text(prediction)
    assert set(shown["predictions"][3]) == {""}
    assert f"{comparison.candidates[3].name} has no masks: its run did not save them" in html


def test_disagreement_is_the_share_of_pixels_that_are_not_all_equal(comparison):
    sample = read_samples(comparison)[7]
    masks = [np.asarray(Image.open(io.BytesIO(file))) for file in sample.predictions if file]
    assert len(masks) == 3
    unequal = (masks[0] != masks[1]) | (masks[0] != masks[2])
    assert 0 < unequal.mean() < 1
    assert sample.disagreement == pytest.approx(unequal.mean())


def test_masks_of_two_sizes_are_compared_at_the_first_ones(tmp_path):
    comparison = made_up(tmp_path, Made(names=["a", "b"], images=2, side=32))
    run = comparison.candidates[1].runs[0]
    larger = [
        replace(one, prediction=enlarged(thumbnail_of(comparison, 0, name).prediction))
        for name, one in zip(run.read_scores()[0], read_thumbnails(run.thumbnails), strict=True)
    ]
    write_thumbnails(run.thumbnails, larger)
    assert [sample.disagreement for sample in read_samples(comparison)] == [0.0, 0.0]


def enlarged(png):
    file = io.BytesIO()
    mask = Image.open(io.BytesIO(png))
    mask.resize((64, 64), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("limit", ["MAX_IMAGES", "MAX_BYTES"])
def test_of_too_many_images_those_with_most_disagreement_stay(comparison, monkeypatch, limit):
    all_samples = read_samples(comparison)
    most = sorted(all_samples, key=lambda sample: -sample.disagreement)[:5]
    room = {"MAX_IMAGES": 5, "MAX_BYTES": sum(sample.size for sample in most) + 10}
    monkeypatch.setattr(samples, limit, room[limit])
    shown = select_samples(all_samples)
    assert shown == [sample for sample in all_samples if sample in most]
    assert sample_notes(comparison, all_samples, shown)[0] == (
        "Only 5 of 30 images are shown, to limit the size of the page: "
        "those on which the models disagree most."
    )


def test_runs_without_thumbnails_are_told(tmp_path):
    comparison = made_up(tmp_path, Made(images=4, kept=[], seeds=1))
    html = write_page(comparison, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "None of these runs saved images and masks" in html
    assert 'id="browser"' not in html


def test_thumbnails_that_do_not_fit_the_scores_are_an_error(tmp_path):
    comparison = made_up(tmp_path, Made(images=4))
    path = comparison.candidates[0].runs[0].thumbnails
    write_thumbnails(path, read_thumbnails(path)[:-1])
    with pytest.raises(SegkitError, match="there are 5 thumbnails, but 6 images have scores") as caught:
        read_samples(comparison)
    (problem,) = caught.value.problems
    assert problem.where == str(path)
    assert problem.hint == "delete the file: a comparison works without it"


@pytest.mark.parametrize("mask", [b"no picture", b"large"])
def test_a_mask_that_is_none_is_an_error(tmp_path, mask):
    comparison = made_up(tmp_path, Made(images=1))
    if mask == b"large":
        file = io.BytesIO()
        Image.new("L", (4000, 1)).save(file, "PNG")
        mask = file.getvalue()
    for candidate in comparison.candidates:
        path = candidate.runs[0].thumbnails
        kept = read_thumbnails(path)
        write_thumbnails(path, [Thumbnail(one.image, one.truth, mask) for one in kept])
    with pytest.raises(SegkitError, match="cannot read the mask of a thumbnail: ") as caught:
        read_samples(comparison)
    (problem,) = caught.value.problems
    assert problem.where == str(comparison.candidates[0].runs[0].thumbnails)
    assert problem.hint == "delete the file: a comparison works without it"
