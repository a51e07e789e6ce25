"""Names of new parts: which are good, and what is proposed instead of the others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from segkit.cli.scaffold import KINDS
from segkit.cli.scaffold.names import MAX_LENGTH, check_name
from segkit.core.errors import SegkitError


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["mydec", "my_dec", "f1_2d", "x", "no", "n" * MAX_LENGTH])
def test_check_name_takes_snake_case(kind: str, name: str) -> None:
    check_name(kind, name)


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("my-dec", "my_dec"), ("MyDec", "my_dec"), ("UNetPlus", "u_net_plus"), ("my dec.py", "my_dec_py"),
        ("_dec", "dec"), ("__init__", "init"), ("my__dec", "my_dec"), ("dec_", "dec"), ("Class", "my_class"),
        ("../dec", "dec"), ("2d", "my_decoder"), ("", "my_decoder"), ("größe", "my_decoder"), ("dec\n", "dec")
    ],
)  # fmt: skip
def test_check_name_proposes_snake_case(name: str, better: str) -> None:
    with pytest.raises(SegkitError) as caught:
        check_name("decoder", name)
    rule = "use lower-case letters, digits and single _, starting with a letter"
    assert str(caught.value) == f"{name!r} is not a valid name for a decoder: {rule}\n  try: {better}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("class", "it is a Python keyword"),
        ("null", "it is a YAML keyword"),
        ("tester", "pytest would collect it as a test"),
        ("statistics", "a Python module has this name, and the test would import that module"),
        ("torch", "a Python module has this name, and the test would import that module"),
        ("nn", "the template already uses the name 'nn'"),
        ("zip", "the template already uses the name 'zip'"),
        ("tensor", "the template already uses the name 'Tensor'"),
        ("features", "the template already uses the name 'features'"),
    ],
)
def test_check_name_refuses_what_would_not_run(name: str, reason: str) -> None:
    words = f"'{name}' is not a valid name for a decoder: {reason}\n  try: my_{name}"
    with pytest.raises(SegkitError, match=f"^{re.escape(words)}$"):
        check_name("decoder", name)


def test_check_name_refuses_a_word_only_where_it_is_in_use() -> None:
    check_name("metric", "nn")
    check_name("decoder", "width")


def test_check_name_refuses_what_is_too_long() -> None:
    words = (
        f"not a valid name for a loss: it has more than {MAX_LENGTH} characters\n  try: choose a shorter name"
    )
    with pytest.raises(SegkitError, match=words):
        check_name("loss", "n" * (MAX_LENGTH + 1))


def test_check_name_minds_no_folder_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mydec").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    check_name("decoder", "mydec")
    (tmp_path / "other.py").touch()
    with pytest.raises(SegkitError, match="a Python module has this name"):
        check_name("decoder", "other")
