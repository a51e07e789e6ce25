"""The page in a browser: it sorts, switches, jumps and turns, asks for nothing and complains of nothing."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from segkit.analysis.comparison.page import write_page
from segkit.analysis.comparison.page.colors import colors
from segkit.analysis.comparison.page.costs import cost_plots
from segkit.analysis.comparison.page.samples import read_samples
from segkit.analysis.report.overlay import PREDICTION, TRUTH, hex_color
from segkit.analysis.report.style import DARK, LIGHT
from tests.analysis.comparison.browser import FOUND, Browser
from tests.analysis.comparison.cases import HOSTILE, HOSTILE_IMAGE, NAMES, Made, made_up, thumbnail_of

pytestmark = [pytest.mark.slow, pytest.mark.posix("the browser is driven through inherited descriptors")]

KEPT = (0, 1, 2)  # positions of those whose runs kept thumbnails


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    return made_up(tmp_path_factory.mktemp("runs"), Made(kept=KEPT))


@pytest.fixture(scope="module")
def path(comparison, tmp_path_factory):
    return write_page(comparison, tmp_path_factory.mktemp("page") / "comparison.html")


@pytest.fixture(scope="module")
def browser():
    if FOUND is None:
        pytest.skip("no chromium to look at the page with")
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def page(browser, path):
    page = browser.open(path)
    yield page
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith(("data:image/", path.as_uri()))] == []
    page.call("Page.close")


def names_in_table(page):
    return page.run("[...document.querySelectorAll('tbody .candidate')].map(e => e.innerText.trim())")


def strip_names(page):
    return page.run("[...document.querySelectorAll('#strip button')].map(e => e.title)")


def chart(page, id):
    return page.run(f"Chart.getChart('{id}').data.datasets.map(d => [d.label, d.data])")


def test_ranking_sorts_by_click_and_by_key(page, comparison):
    ranked = [candidate.name for candidate in comparison.candidates]
    assert names_in_table(page) == ranked
    heading = '#ranking-table th[data-column="{}"]'.format
    page.click(heading("metric iou") + " button")
    assert names_in_table(page) == ranked
    page.press("Enter")
    assert names_in_table(page) == ranked[::-1]
    sorted_by = "[...document.querySelectorAll('[aria-sort]')].map(e => [e.dataset.column, e.ariaSort])"
    assert page.run(sorted_by) == [["metric iou", "ascending"]]
    page.press("Tab")
    page.press(" ")
    assert page.run(sorted_by) == [["metric dice", "descending"]]
    page.click(heading("name") + " button")
    assert names_in_table(page) == sorted(ranked)
    page.click(heading("cost parameters") + " button")
    by_size = sorted(comparison.candidates, key=lambda candidate: candidate.costs.parameters)
    assert names_in_table(page) == [candidate.name for candidate in by_size]


def test_what_is_not_known_sorts_last_both_ways(page, comparison):
    (without,) = (
        candidate.name for candidate in comparison.candidates if candidate.costs.peak_memory_bytes is None
    )
    assert not page.run("document.querySelector('th[data-column=\"cost peak_memory_bytes\"]').offsetWidth")
    page.click("summary")
    page.click("input[value='cost peak_memory_bytes']")
    for _ in range(2):
        page.click('th[data-column="cost peak_memory_bytes"] button')
        assert names_in_table(page)[-1] == without


def test_choice_of_a_pair_changes_the_plot(page, comparison):
    def drawn():
        return chart(page, "difference-chart")[0][1]

    means = {e.name: e.scores["iou"].mean(axis=0) for e in comparison.candidates}
    for number, choose in enumerate([None, page.choose, page.click]):
        if choose == page.choose:
            choose("pair", "1")
        elif choose:
            choose("#pairs-table tr[data-pair='2'] button")
        pair = comparison.pairs[number]
        differences = np.sort(means[pair.a] - means[pair.b])
        assert drawn() == pytest.approx(differences.tolist(), abs=1e-5)
        assert pair.a in page.run("document.getElementById('pair-text').textContent")
        assert page.run("document.getElementById('pair').value") == str(number)
        assert page.run("document.querySelector('#pairs-table tr.best').dataset.pair") == str(number)


def test_bars_lead_to_their_image_by_click_and_by_key(page, comparison):
    means = [candidate.scores["iou"].mean(axis=0) for candidate in comparison.candidates[:2]]
    order = np.argsort(means[0] - means[1])
    shown = "document.getElementById('sample').textContent"
    page.run("document.getElementById('difference-chart').scrollIntoView({block: 'center'})")
    x, y = page.run(
        "(c => [c.getDatasetMeta(0).data[9].x, c.chartArea.top + 30].map((v, i) => v +"
        " c.canvas.getBoundingClientRect()[i ? 'y' : 'x']))(Chart.getChart('difference-chart'))"
    )
    page.click_at(x, y)
    assert page.run(shown) == comparison.images[order[9]]
    page.run("document.getElementById('difference-chart').focus()")
    page.press("ArrowRight", times=3)
    said = page.run("document.getElementById('difference-chart-status').textContent")
    assert said.startswith(comparison.images[order[2]])
    assert "difference: " in said
    page.press("Enter")
    assert page.run(shown) == comparison.images[order[2]]
    assert page.run("document.activeElement.id") == "sample"


def test_curves_switch_metric_and_lines(page, comparison):
    iou = chart(page, "curve-chart")
    assert [label for label, _ in iou].count(comparison.candidates[0].name) == 1
    assert "published experiment 1" in [label for label, _ in iou]
    page.choose("curve", "2")
    loss = chart(page, "curve-chart")
    recorded = [line["train_loss"] for line in comparison.candidates[0].epochs[0]]
    assert [point["y"] for point in loss[0][1]] == pytest.approx(recorded, abs=1e-5)
    page.click("#curve-legend button[data-candidate='0']")
    assert comparison.candidates[0].name not in [label for label, _ in chart(page, "curve-chart")]
    assert page.run("document.querySelector('#curve-legend button').ariaPressed") == "false"
    page.run("document.getElementById('curve-chart').focus()")
    page.press("ArrowRight", times=2)
    assert page.run("document.getElementById('curve-chart-status').textContent").startswith("epoch 2; ")


def test_costs_switch_and_tell_the_front(page, comparison):
    plots = cost_plots(comparison)
    page.choose("cost-select", "5")
    points, front, *whiskers = chart(page, "cost-chart")
    assert len(points[1]) == len(whiskers) == 3
    assert [point["candidate"] for point in front[1]] == plots[5]["front"]
    names = ", ".join(comparison.candidates[position].name for position in plots[5]["front"])
    told = page.run("document.getElementById('front').textContent")
    assert told == f"Pareto front, cheapest first: {names}."


def test_browser_of_images_shows_every_mask_of_the_image(page, comparison):
    page.choose("order", "name")
    page.press("Tab")
    for name in sorted(comparison.images)[:3]:
        assert page.run("document.getElementById('sample').textContent") == name
        pictures = page.run("[...document.querySelectorAll('#panes img')].map(e => e.src.split(',')[1])")
        first = thumbnail_of(comparison, 0, name)
        masks = [thumbnail_of(comparison, candidate, name).prediction for candidate in KEPT]
        assert pictures == [base64.b64encode(file).decode() for file in (first.image, first.truth, *masks)]
        told = page.run("[...document.querySelectorAll('#panes figure')].map(e => e.innerText)")
        for candidate, said in zip(comparison.candidates, told[2:], strict=True):
            score = candidate.scores["iou"][0, comparison.images.index(name)]
            assert candidate.name in said
            assert f"IoU {score:.4f}" in said
        assert "no mask saved" in told[5]
        page.click("#next")


def test_browser_of_images_sorts_and_finds(page, comparison):
    most = sorted(read_samples(comparison), key=lambda sample: -sample.disagreement)
    assert strip_names(page) == [comparison.images[sample.position] for sample in most]
    page.choose("order", "1")
    worst = np.argsort(comparison.candidates[1].scores["iou"][0], kind="stable")
    assert strip_names(page) == [comparison.images[position] for position in worst]
    page.choose("find", "isic_000001")
    assert sorted(strip_names(page)) == [f"ISIC_000001{digit}" for digit in range(10)]
    page.choose("find", "nothing of that kind")
    assert page.run("document.getElementById('sample').textContent") == "No image with this name"
    page.choose("find", "")
    page.choose("order", "name")
    assert strip_names(page) == sorted(comparison.images)


def test_arrow_keys_turn_the_images_and_take_the_focus_along(page, comparison):
    page.choose("order", "name")
    page.run("document.querySelector('#strip button').focus()")
    page.press("ArrowRight", times=3)
    page.press("ArrowLeft")
    assert page.run("document.activeElement.title") == sorted(comparison.images)[2]
    assert page.run("document.querySelectorAll('#strip button[tabindex=\"0\"]').length") == 1


def test_contours_have_the_colours_of_the_report(page):
    page.click("#contours")
    count = """(async () => {
      const canvas = document.querySelectorAll('#panes canvas')[1];
      while (!canvas.dataset.drawn) await new Promise((done) => setTimeout(done, 10));
      const bytes = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      const part = (byte) => byte.toString(16).padStart(2, '0');
      const hex = (i) => '#' + [...bytes.slice(i, i + 3)].map(part).join('');
      const found = {};
      for (let i = 0; i < bytes.length; i += 4) found[hex(i)] = (found[hex(i)] ?? 0) + 1;
      return found;
    })()"""
    found = page.run(count)
    assert found[hex_color(TRUTH)] > 1000
    assert found[hex_color(PREDICTION)] > 1000
    assert page.run("document.getElementById('contour-legend').offsetHeight") > 0


def test_dark_pages_draw_dark_plots(page):
    border = "Chart.getChart('curve-chart').data.datasets[0].borderColor"
    page.scheme("light")
    light = page.run(border)
    page.scheme("dark")
    page.settle()
    assert (light, page.run(border)) == (colors(1, LIGHT)[0], colors(1, DARK)[0])


def test_scripts_that_are_not_the_page_s_do_not_run(browser, path):
    page = browser.open(path)
    page.run("document.body.append(Object.assign(document.createElement('script'), {text: 'hacked = 1'}))")
    page.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"hacked=1\">')")
    assert page.run("typeof hacked") == "undefined"
    assert any("Content Security Policy" in complaint for complaint in page.complaints)


def test_hostile_and_many_names_do_nothing_and_fit_a_phone(browser, tmp_path):
    names = [HOSTILE, *(f"a_recipe_with_a_rather_long_name_{'x' * 30}_{number}" for number in range(19))]
    made = Made(names=names, images=3, side=32, seeds=1, image_name=HOSTILE_IMAGE)
    path = write_page(made_up(tmp_path, made), tmp_path / "page.html")
    page = browser.open(path, width=400)
    assert page.run("document.documentElement.scrollWidth") == 400
    assert HOSTILE in names_in_table(page)
    assert page.run("document.getElementById('sample').textContent").startswith(HOSTILE)
    for id, value in (("order", "0"), ("find", "img"), ("curve", "1"), ("cost-select", "1"), ("pair", "3")):
        page.choose(id, value)
    page.click("#contours")
    page.run("document.getElementById('difference-chart').focus()")
    page.press("ArrowRight", times=2)
    assert page.run("typeof hacked") == "undefined"
    assert page.run("document.querySelectorAll('img[src=x]').length") == 0
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith(("data:image/", path.as_uri()))] == []


BROKEN_WORDS = """(() => {
  const broken = [];
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    if (node.parentElement.closest(".unseen")) continue;
    for (const word of node.data.matchAll(/[^\\s-]+/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((line) => line.top)).size > 1) broken.push(word[0]);
    }
  }
  return broken;
})()"""


@pytest.mark.parametrize("width", [1280, 400])
def test_no_line_ends_inside_a_word(browser, tmp_path, width):
    names = [f"isic_finetune-transposed_conv_channels_{side}_attention_gated" for side in (512, 64, 32)]
    path = write_page(made_up(tmp_path, Made(names=names, images=3)), tmp_path / "page.html")
    assert browser.open(path, width=width).run(BROKEN_WORDS) == []


def test_one_recipe_alone_has_a_page_too(browser, tmp_path):
    comparison = made_up(tmp_path, Made(names=NAMES[:1], images=2, costs=False))
    page = browser.open(write_page(comparison, tmp_path / "page.html"))
    assert page.run("document.querySelector('h1').textContent") == "1 recipe on 2 images"
    assert page.run("document.getElementById('pair')") is None
    assert page.complaints == []
