"""Faults planted in a copy of real images are found, and nothing else is said."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.delitem(sys.modules, "planted_faults", raising=False)
    return importlib.import_module("planted_faults")


@pytest.fixture(scope="module")
def real() -> Path:
    if not (shared := os.environ.get("SEGKIT_TEST_DATA")):
        pytest.skip("SEGKIT_TEST_DATA names no folder with data/isic2016")
    return Path(shared) / "data/isic2016"


@pytest.mark.slow
def test_planted_faults_are_found_and_no_others(script: ModuleType, real: Path, tmp_path: Path) -> None:
    script.copy_of(real, tmp_path, 60)
    assert script.said(script.examined(tmp_path)) == set()
    planted = script.plant(tmp_path, 2, seed=3)
    hits, others = script.judged(planted, script.said(script.examined(tmp_path)))
    assert {sort: count for sort, count in hits.items() if count < 2} == {}
    assert others == set()
    assert len(hits) == len(script.SORTS)
