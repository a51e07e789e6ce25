"""docs/export.md says what the code does."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from segkit.inference.export import verify
from segkit.inference.export.usage_examples import usage_examples
from segkit.inference.export_metadata import ExportMetadata
from tests.inference.networks import LESION

PAGE = (Path(__file__).parents[3] / "docs/export.md").read_text(encoding="utf-8")


def test_its_code_is_that_of_the_page_beside_a_file() -> None:
    """Which tests/export/test_card_and_hub.py runs."""
    *_, plain = usage_examples(ExportMetadata(replace(LESION, size=(128, 128))), "lesions.onnx")
    assert re.findall(r"^```python\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL) == [plain.code]


def test_its_limits_are_those_of_the_comparison() -> None:
    assert f"one pixel in {1 / verify.MAX_PIXELS:,.0f} or more" in PAGE
    assert f"a probability differs by more than {verify.MAX_DIFFERENCE}," in PAGE
    assert f"differs by more than {verify.MAX_SCORE:.4f}." in PAGE
