"""`segkit bench`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.small_runs import RECIPE

CONTRACT = {
    "data_images_per_second", "model_images_per_second", "loop_images_per_second", "loop_over_model", "parts",
    "peak_memory_bytes",
}  # fmt: skip


def test_json_is_one_document_and_nothing_is_left(segkit: Any, project: Path) -> None:
    (project / "small.yaml").write_text(RECIPE)
    said = segkit("bench", "small.yaml", "--set", "data.workers=0", "--steps", "5", "--json")
    assert (said.code, said.err) == (0, "")
    answer = json.loads(said.out)
    assert answer.keys() > CONTRACT
    assert answer["steps"] == 6  # two blocks of the three that are made together
    assert list(answer["startup_seconds"]) == ["imports", "images", "model", "first_step"]
    assert [path.name for path in project.iterdir()] == ["small.yaml"]


@pytest.mark.slow
def test_demo_needs_no_images(segkit: Any, project: Path) -> None:
    (project / "small.yaml").write_text(
        RECIPE.replace(
            "{name: synthetic_lesions, train: 10, test: 5, size: 64}", "{name: isic2016, root: none}"
        )
    )
    said = segkit("bench", "small.yaml", "--steps", "1", "--demo", "--set", "data.batch_size=32")
    assert said.code == 0
    assert said.out.startswith("small_demo\n")
    assert "both / model: " in said.out
    assert "train images: 160\n" in said.err
    without = segkit("bench", "small.yaml", "--json")
    assert (without.code, without.out) == (2, "")
    assert f"{project / 'none'}: the ISIC 2016 images were not found" in without.err


def test_no_steps_are_refused(segkit: Any, project: Path) -> None:
    said = segkit("bench", "small.yaml", "--steps", "0")
    assert (said.code, said.out) == (2, "")
    assert "--steps" in said.err


@pytest.mark.slow
def test_quiet_says_nothing(segkit: Any, project: Path) -> None:
    (project / "small.yaml").write_text(RECIPE)
    said = segkit("bench", "small.yaml", "--steps", "1", "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")
