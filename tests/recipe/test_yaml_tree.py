from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from segkit.core.errors import RecipeError
from segkit.recipe.yaml_tree import parse_yaml, read_yaml, write_yaml
from tests.recipe.cases import loaded


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("3.", 3.0),
        (".inf", float("inf")),
        ("-.INF", -float("inf")),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("-7", -7),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("2024-01-01", "2024-01-01"),
        ("'1e3'", "1e3"),
        ('"true"', "true"),
        ("9" * 120, 1e120),
        ("[a, {b: 1}]", ["a", {"b": 1}]),
    ],
)
def test_plain_values_mean_what_people_mean(text: str, value: Any) -> None:
    found = parse_yaml(f"key: {text}", "file").plain()["key"]
    assert found == value
    assert type(found) is type(value) or isinstance(value, str)


@pytest.mark.parametrize(
    "value",
    [
        "1e3",
        "1e-3",
        "0o17",
        "010",
        "0x1F",
        "yes",
        "1_000",
        "2024-01-01",
        "null",
        "~",
        "",
        "a: b",
        "=",
        "<<",
        "-.5",
        "é\n b",
        "\u2028 a",
        " \x85\r",
        "#",
        "!x",
        "&a",
        1e-5,
        1e22,
        float("inf"),
        -1,
        10**30,
        True,
        None,
        ["a", ["a"]],
        {"1": {"on": 2}},
        {"<<": 1},
    ],
)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert parse_yaml(write_yaml({"key": value}), "file").plain() == {"key": value}


def test_nothing_is_written_as_an_alias() -> None:
    twice = [1, 2]
    assert "&" not in write_yaml({"a": twice, "b": twice})


def test_every_value_knows_its_line() -> None:
    node = parse_yaml("a:\n  b: 1\n  c:\n    - 2\n    - d: 3\n", "file")
    found, path = node.nearest(("a", "c", 1, "d"))
    assert (found.value, found.position.line, path) == (3, 5, ("a", "c", 1, "d"))
    found, path = node.nearest(("a", "c", 7, "d"))
    assert (found.position.line, path) == (3, ("a", "c"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "f:3: duplicate key 'a' (first on line 1)\n  try: keep one of them"),
        ("a:\n\t- b", "f:2: not valid YAML: while scanning for the next token, found character '\\t'"),
        ("a:\n\t- b", "try: indent with spaces: YAML does not allow tabs"),
        ("a: !!str 12", "f:1: the tag !!str is not allowed\n  try: write a plain value; quotes make it text"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "f:1: the tag !!python/object/apply:os.system is not allowed",
        ),
        ("a: !mine {b: 1}", "f:1: the tag !mine is not allowed"),
        ("a: 1\n<<: {b: 1}", "f:2: merge keys (<<) are not supported\n  try: use 'extends: other.yaml'"),
        ("? [a]\n: 1", "f:1: a key must be text"),
        ("a: 1\n---\nb: 2", "expected a single document in the stream, but found another document"),
        ("a: *b", "f:1: not valid YAML: found undefined alias 'b'"),
        ("a: [1", "f:1: not valid YAML: while parsing a flow sequence, expected"),
        ("a: 1\nb: \x01", "f:2: not valid YAML: the character '\\x01' is not allowed"),
        (
            'a: 1\nb: "\\UFFFFFFFF"',
            "f:2: not valid YAML: an escape sequence for a character that does not exist",
        ),
        ('a: 1\nb: "x\\0.pth"', "f:2: the character '\\x00' is not allowed\n  try: remove it"),
        ('a: 1\n"\\ud800": 1', "f:2: the character '\\ud800' is not allowed\n  try: remove it"),
        ("a: 'b\u2028c\x85d'\ne: !x 1", "f:2: the tag !x is not allowed"),
        ("a: b\u2028c\n\td: 1", "f:2: not valid YAML: while scanning"),
        ("a: &a [*a]", "f: the recipe has too many values, or is nested too deeply"),
        ("[" * 5000, "f: the recipe has too many values, or is nested too deeply"),
    ],
)
def test_what_is_no_recipe_is_refused(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        parse_yaml(text, "f")


def test_all_structural_mistakes_are_told_together() -> None:
    with pytest.raises(RecipeError) as caught:
        parse_yaml("a: !x 1\nb: 1\nb: 2\n<<: {}\n", "f")
    assert [problem.line for problem in caught.value.problems] == [1, 3, 4]


def test_aliases_that_blow_up_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(RecipeError, match="the recipe has too many values"):
        parse_yaml("\n".join(lines), "f")


def test_a_few_aliases_are_fine() -> None:
    assert parse_yaml("a: &x [1]\nb: *x", "f").plain() == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name: \xff\xfe", "cannot read the recipe: it is not UTF-8 text\n  try: save it as UTF-8"),
        (b"", "a recipe must be a mapping of keys to values: the file is empty"),
        (b"# nothing\n", "a recipe must be a mapping of keys to values: the file is empty"),
        (b"- name: a\n", "a recipe must be a mapping of keys to values: found another value"),
        (
            b"just text",
            "mapping of keys to values: found another value\n  try: begin with 'name: my_recipe'",
        ),
        (b" " * 1_000_001, "the recipe is larger than 1,000,000 bytes"),
    ],
)
def test_what_is_no_recipe_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match=re.escape(message)) as caught:
        read_yaml(path)
    assert caught.value.problems[0].file == str(path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: a\n")
    assert read_yaml(path).plain() == {"name": "a"}


def test_a_file_that_is_not_there_is_told_with_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").touch()
    with pytest.raises(
        RecipeError, match=r"No such file or directory\n  try: did you mean .*quickstart\.yaml\?"
    ):
        read_yaml(tmp_path / "quikstart.yaml")
    with pytest.raises(RecipeError, match=r"did you mean .*quickstart\.yaml\?"):
        read_yaml(tmp_path / "quickstart")
    with pytest.raises(
        RecipeError, match=r"No such file or directory\n  try: give the path of a \.yaml file"
    ):
        read_yaml(tmp_path / "nowhere" / "a.yaml")
    with pytest.raises(RecipeError, match=r"Is a directory\n  try: give the path of a \.yaml file in it"):
        read_yaml(tmp_path)


@pytest.mark.parametrize(("word", "value"), [("on", True), ("yes", True), ("off", False), ("no", False)])
def test_booleans_take_words_and_texts_keep_them(tmp_path: Path, word: str, value: bool) -> None:
    recipe = loaded(tmp_path, training=f"{{deterministic: {word}}}", description=word)
    assert recipe.training.deterministic is value
    assert recipe.description == word
