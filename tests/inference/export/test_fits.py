"""Exports of models with letterbox and crop: the same masks as the run, also by the code of their page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segkit
from segkit.inference.export.export import export_run
from segkit.inference.export.hub import export_to_hub
from segkit.runs.run_dir import RunDir
from tests.inference.evaluation.conftest import like
from tests.inference.networks import noise

CROP = {"fit": "crop", "scale": 0.75, "size": [32, 64], "crop": {"overlap": 0.5}}
SEEN = {
    "onnx": (CROP, "images at 0.75 of their size, in windows that start every 16 rows and 32 columns"),
    "pt2": (
        CROP | {"scale": 1.0},
        "images at their own size, in windows that start every 16 rows and 32 columns",
    ),
    "hub": ({"fit": "letterbox", "size": [32, 64]}, "to fit into it with the aspect ratio kept"),
}


@pytest.mark.parametrize(
    "format", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("onnx", "pt2")), "hub"]
)
def test_an_export_sees_images_as_the_run_does(
    format: Any, run_of: Callable[[str], RunDir], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    changes, told = SEEN[format]
    run = like(run_of("binary"), tmp_path / "other" / "001", **changes)
    if format == "hub":
        outcome, file = export_to_hub(run, Path("hub")), "hub"
    else:
        outcome, file = export_run(run, Path(f"a.{format}"), format), f"a.{format}"
    info, result = outcome.metadata.info, outcome.verification
    assert (info.format, info.fit, info.size) == (2, changes["fit"], (32, 64))
    assert (result.images, result.pixels) == (5, 5 * 64 * 64 if info.fit == "crop" else 5 * 32 * 32)
    assert result.pixels_that_differ == 0
    card = next(path for path in outcome.files if path.suffix == ".md").read_text()
    assert told in card
    assert ("at the images' own size. They are means" in card) == (info.fit == "crop")
    Image.fromarray(noise(150, 203)).save("photo.jpg", quality=95)
    expected = segkit.load(run).predict("photo.jpg")
    assert np.ptp(expected.probabilities) > 0.01
    if format != "pt2":
        found = segkit.load(file).predict("photo.jpg").probabilities
        np.testing.assert_allclose(found, expected.probabilities, atol=1e-4)
    names: dict[str, Any] = {}
    exec(re.findall(r"^```python\n(.*?)^```$", card, re.MULTILINE | re.DOTALL)[-1], names)
    assert (names["mask"] == expected.mask).mean() > 0.999
    if format != "hub":  # its code calls segkit
        np.testing.assert_allclose(np.stack(names["maps"]), expected.probabilities, atol=1e-3)
