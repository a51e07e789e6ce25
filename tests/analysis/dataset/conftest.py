"""Small data sets that are made once for all tests of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of small data sets as people have them, each with its truth.json."""
    script = Path(os.environ.get("SEGKIT_TEST_DATA", ""), "cases", "make_cases.py")
    if not script.is_file():
        pytest.skip("SEGKIT_TEST_DATA names no folder with cases/make_cases.py")
    folder = tmp_path_factory.mktemp("cases")
    subprocess.run([sys.executable, script, folder], check=True)
    return folder
