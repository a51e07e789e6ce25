"""Names of new parts: which are good, and what is proposed instead of the others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from segkit.cli.scaffold import KINDS
from segkit.cli.scaffold.names import LONGEST, check_name
from segkit.core.errors import SegkitError


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["mydec", "my_dec", "f1_2d", "x", "no", "n" * LONGEST])
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
    rule = "small letters, digits and single _, a letter first"
    assert str(caught.value) == f"{name!r} is not a valid name for a decoder: {rule}\n  try: {better}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("class", "it is a word of Python"),
        ("null", "it is a word of YAML"),
        ("tester", "pytest would take it for a test"),
        ("statistics", "Python has a module of that name, which its test would import instead"),
        ("torch", "Python has a module of that name, which its test would import instead"),
        ("nn", "its own code needs the word 'nn'"),
        ("zip", "its own code needs the word 'zip'"),
        ("tensor", "its own code needs the word 'Tensor'"),
        ("features", "its own code needs the word 'features'"),
    ],
)
def test_check_name_refuses_what_would_not_run(name: str, reason: str) -> None:
    words = f"'{name}' cannot be the name of a decoder: {reason}\n  try: my_{name}"
    with pytest.raises(SegkitError, match=f"^{re.escape(words)}$"):
        check_name("decoder", name)


def test_check_name_refuses_a_word_only_where_it_is_in_use() -> None:
    check_name("metric", "nn")
    check_name("decoder", "width")


def test_check_name_refuses_what_is_too_long() -> None:
    words = f"is not a valid name for a loss: at most {LONGEST} characters\n  try: a shorter one"
    with pytest.raises(SegkitError, match=words):
        check_name("loss", "n" * (LONGEST + 1))


def test_check_name_minds_no_folder_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mydec").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    check_name("decoder", "mydec")
    (tmp_path / "other.py").touch()
    with pytest.raises(SegkitError, match="Python has a module of that name"):
        check_name("decoder", "other")
