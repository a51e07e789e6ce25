"""What an exported file says of itself, and what goes in and comes out of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from segkit.inference.export_metadata import ExportMetadata, parse_metadata
from tests.inference.networks import LABELS, LESION, PARTS, noise


@pytest.mark.parametrize("facts", [LESION, PARTS, LABELS], ids=["binary", "multiclass", "multilabel"])
def test_its_metadata_says_all_of_it(facts: Any) -> None:
    told = ExportMetadata(facts, input="normalized", output="logits", recipe="name: small\n", version="1.2")
    words = told.entries()
    assert set(words) == {f"segkit.{key}" for key in ("facts", "input", "output", "recipe", "version")}
    assert parse_metadata({**words, "other.program": "words"}) == told
    for key in words:
        with pytest.raises(KeyError):
            parse_metadata({name: word for name, word in words.items() if name != key})


def test_pixels_and_probabilities_are_left_as_they_are() -> None:
    told, pixels = ExportMetadata(LESION), noise(32, 48)[None]
    asked = told.preprocess(pixels)
    assert (asked.dtype, asked.shape, asked.flags.c_contiguous) == (np.uint8, (1, 3, 32, 48), True)
    assert (asked[0, :, 3, 5] == pixels[0, 3, 5]).all()
    probabilities = np.full((1, 1, 2, 2), 0.25, np.float32)
    assert told.postprocess(probabilities) is probabilities


@pytest.mark.parametrize("facts", [LESION, PARTS], ids=["binary", "multiclass"])
def test_logits_become_probabilities_and_pixels_normalised_ones(facts: Any) -> None:
    told = ExportMetadata(facts, input="normalized", output="logits")
    pixels = noise(32, 32)[None]
    expected = (pixels / 255 - 0.5) / 0.25
    assert told.preprocess(pixels) == pytest.approx(np.moveaxis(expected, -1, 1), abs=1e-5)
    logits = np.array([-1000, -1, 0, 1, 1000], np.float32).reshape(1, 1, 1, 5).repeat(facts.task.channels, 1)
    logits[:, :1] += 1
    answer = told.postprocess(logits)
    if facts is LESION:
        assert answer.flatten() == pytest.approx([0, 0.5, 0.73106, 0.8808, 1], abs=1e-4)
    else:
        assert answer.sum(1) == pytest.approx(1)
        assert answer[0, :, 0, 2] == pytest.approx([0.57612, 0.21194, 0.21194], abs=1e-4)
