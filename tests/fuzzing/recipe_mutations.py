"""Recipes that are nearly right: what people and broken disks make of a recipe file.

Everything is drawn from one `random.Random`, so that a seed names a case.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

RECIPES = Path(__file__).parents[2] / "recipes"
NAME = "case.yaml"

ODD_YAML = [
    "", "~", "null", "true", "no", "on", "[]", "{}", "[[]]", "[[], {}]", "{a: {b: [c]}}", "''", '" "',
    "-", "0", "-1", "-0", "1e-3", "1e999", "-1e999", ".nan", ".inf", "-.INF", "0x1F", "0o17", "010",
    "1_000", "1:30", "9" * 30, "9" * 120, "1." + "0" * 200 + "1", "2024-01-01", "2024-01-01T00:00:00Z",
    "12.5.1", "1e", "+", "&a 1", "*a", "&a [*a]", "[&a 1, *a]", "{<<: {a: 1}}", "{<<: [1]}", "!!str 1",
    "!!int x", "!!binary aGFsbG8=", "!!python/object/apply:os.getcwd []", "!!python/name:os.system",
    "!!set {a, b}", "!!timestamp 1", "!x y", "!<tag:yaml.org,2002:str> 1", "!%FF x", "!! x", "? a",
    "? [a]", "{? [a] : 1}", "{a, b}", "{: 1}", "[1,,2]", "|", "|\n  text\n", ">-\n  more\n  text",
    "|99\n x", "'it''s'", "'unfinished", '"unfinished', "# comment", "@at", "`tick", "%percent",
    "a: b: c", "- a", "a\tb", "---", "...", "%YAML 1.1", "%TAG ! x", "{a: 1, a: 2}", "🦠", "é",
    "e\u0301", "лезия", "病变", "\u202eabc", "\ufeff", "\u200b", "\u2028", "\x85", "\x00", "\x07",
    "\x7f", '"\\0"', '"\\x07"', '"\\e[31m"', '"\\ud800"', '"\\U0010FFFF"', '"\\UFFFFFFFF"', '"\\uZZZZ"',
    '"\\L\\P\\N"', '"a\\nb"', '"a\\0b.pth"', '"\\ud800/x.pth"', "~", "~/x", "~nobody_here/x", "$HOME/x",
    "${HOME}/x.pth", "a" * 300, "a/" * 300, "/", "//", ".", "..", "../..", "/dev/null", "/dev/full",
    "/proc/self/mem", "nul", "x.pth", "[lesion, lesion]", "[1, 2, 3]", "[-1, 0]", "[64]", "[64, 64, 64]",
    "[.nan, 1]", "[true, false]", "[null]", "{name: }", "{name: 3}", "{name: dice, name: iou}",
    "{name: [a]}", "{name: unet, depth: x}", "[dice, [bce]]", "dice", "unet", "iou", "transposed_conv",
    "mobilenetv2_100", "Rotate", "cosine", "adamw", "folder", "manifest", "Lambda", "DiCe", "d ice",
    "__class__", "self", "binary", "multiclass", "multilabel", "kfold", "fraction",
    "{by: kfold, fold: 9}", "{by: fraction, val: 2}", "{by: file, file: x.csv}", "{by: official, x: 1}",
    "'#ff0000'", "{lesion: '#ff0000'}", "{lesion: red}", "case.yaml", "quickstart.yaml",
    "isic_frozen.yaml",
]  # fmt: skip
ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 255, 256, 10**9, 10**30, -(10**30), 0.5, 1e-300, 1e300, float("nan"),
    float("inf"), "", " ", "a", "none", "null", "1", "🦠", "\x07", "\x00", "a" * 300, "../x", "~/x", [],
    [[]], {}, {"": 1}, {"name": "dice"}, {"name": None}, [None], [1, 2], [1, "a"],
    {"a": {"b": {"c": []}}}, {"weight": 1}, b"\xff\xfe", "dice", "unet", ["dice", "bce"], "Rotate",
    ["Rotate"], "iou", ["iou", "iou"], "multiclass", "\u2028", "x\ny",
]  # fmt: skip
ODD_KEYS = [
    "", "name", "names", "Name", "extends", "<<", "data.source", "0", "-1", "null", "true", "🦠", "a b",
    "é", "self", "model_config", "model_fields", "__class__", "class", "kind", "options", "weight",
    "frozen", "lr", "p", "over",
]  # fmt: skip
_SEPARATORS = ["\n", "\r", "\r\n", "\n\n", "\u2028", "\x85", "\t", " ", ",", ": ", "#", "- ", "\x0c"]
_ENCODINGS = ["utf-16", "utf-8-sig", "latin-1", "utf-32", "cp500"]


@dataclass(frozen=True)
class Case:
    """A recipe to load.

    Args:
        content: of the recipe file.
        base: of the file `base.yaml` beside it, where it extends one.
        overrides: as `--set` takes them.
    """

    content: bytes
    base: bytes | None = None
    overrides: tuple[str, ...] = ()

    def write(self, folder: Path) -> Path:
        """Write its files, and the shipped recipes beside them, which it may extend."""
        folder.mkdir(parents=True, exist_ok=True)
        for recipe in RECIPES.iterdir():
            if not (folder / recipe.name).exists():
                (folder / recipe.name).write_bytes(recipe.read_bytes())
        (folder / "base.yaml").unlink(missing_ok=True)
        if self.base is not None:
            (folder / "base.yaml").write_bytes(self.base)
        (folder / NAME).write_bytes(self.content)
        return folder / NAME


@cache
def shipped() -> list[str]:
    """The texts of the recipes to begin with."""
    return [path.read_text(encoding="utf-8") for path in sorted(RECIPES.glob("*.yaml"))]


def draw_case(chance: random.Random) -> Case:
    """A shipped recipe with one to four things done to it, or to what it extends, or set over it."""
    text = chance.choice(shipped())
    way = chance.randrange(10)
    if way == 0:
        return Case(
            text.encode(), overrides=tuple(_override(text, chance) for _ in range(chance.randint(1, 3)))
        )
    if way == 1:
        top = chance.choice(["", "seed: 3\n", "model: {decoder: unet}\n", "name: top\nloss: dice\n"])
        return Case(f"extends: base.yaml\n{top}".encode(), base=mutated(text, chance))
    return Case(mutated(text, chance))


def mutated(text: str, chance: random.Random) -> bytes:
    """A recipe's text with one to four things done to it."""
    times = chance.choice([1, 1, 1, 2, 2, 3, 4])
    if chance.randrange(3) == 0:
        text = _in_the_tree(text, chance, times)
        times = chance.choice([0, 0, 0, 1])
    for _ in range(times):
        text = chance.choice(TEXT_MUTATIONS)(text, chance)
    content = text.encode("utf-8", "surrogatepass")
    if chance.randrange(8) == 0:
        content = chance.choice(BYTE_MUTATIONS)(content, chance)
    return content


def _in_the_tree(text: str, chance: random.Random, times: int) -> str:
    """The same, done to the values instead of to the text."""
    try:
        tree = yaml.safe_load(text)
        for _ in range(times):
            _mutate_tree(tree, chance)
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=chance.random() < 0.5)
    except Exception:  # PyYAML raises many things
        return text  # what is broken already, or holds itself, has no values to change


def _mutate_tree(tree: Any, chance: random.Random) -> None:
    places = [*_places(tree)]
    if not places:
        return
    owner, key = chance.choice(places)
    way = chance.randrange(7)
    if way <= 1:
        owner[key] = deepcopy(chance.choice(ODD_VALUES))
    elif way == 2:
        del owner[key]
    elif way == 3 and isinstance(owner, dict):
        owner[chance.choice(ODD_KEYS) if chance.random() < 0.5 else _misspelt(str(key), chance)] = owner.pop(
            key
        )
    elif way == 4:
        owner[key] = chance.choice([[owner[key]], {"name": owner[key]}, [owner[key]] * 3, {"a": owner[key]}])
    elif way == 5:
        other, other_key = chance.choice(places)
        owner[key] = deepcopy(other[other_key])
    elif isinstance(owner, dict):
        owner[chance.choice(ODD_KEYS)] = deepcopy(chance.choice(ODD_VALUES))


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every value of the tree as (its owner, its key)."""
    found: list[tuple[Any, Any]] = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found += [(tree, key), *_places(value)]
    return found


def _override(text: str, chance: random.Random) -> str:
    keys = re.findall(r"[A-Za-z_]\w*(?=:)", text)
    path = ".".join(
        chance.choice([*keys, *ODD_KEYS, "0", "99", "model", "data", "decoder", "encoder"])
        for _ in range(chance.randint(1, 4))
    )
    value = chance.choice(ODD_YAML)
    return chance.choice(
        [f"{path}={value}", f"{path}={value}", f"{path}={value}", path, f"={value}", f".{path}=1"]
    )


def _misspelt(word: str, chance: random.Random) -> str:
    place = chance.randrange(len(word) + 1)
    return chance.choice(
        [
            word[:place] + word[place + 1 :],
            word[:place] + "e" + word[place:],
            word.upper(),
            word + "s",
            f" {word}",
        ]
    )


def _drop_lines(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    first = chance.randrange(len(lines) + 1)
    return "".join(lines[:first] + lines[first + chance.randint(1, 3) :])


def _double_line(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    line = chance.choice(lines)
    lines.insert(chance.randrange(len(lines) + 1), line)
    return "".join(lines)


def _swap_lines(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    one, other = (chance.randrange(len(lines)) for _ in range(2))
    lines[one], lines[other] = lines[other], lines[one]
    return "".join(lines)


def _indent(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [""]
    index = chance.randrange(len(lines))
    lines[index] = chance.choice([" ", "  ", "\t", "        ", "\u00a0"]) + lines[index]
    if chance.random() < 0.5:
        lines[index] = lines[index].lstrip()
    return "".join(lines)


def _swap_keys(text: str, chance: random.Random) -> str:
    keys = [*re.finditer(r"[A-Za-z_]\w*(?=:)", text)]
    if len(keys) < 2:
        return text
    one, other = sorted(chance.sample(keys, 2), key=lambda found: found.start())
    between = text[one.end() : other.start()]
    return text[: one.start()] + other[0] + between + one[0] + text[other.end() :]


def _another_key(text: str, chance: random.Random) -> str:
    keys = [*re.finditer(r"[A-Za-z_]\w*(?=:)", text)]
    if not keys:
        return text
    key = chance.choice(keys)
    new = chance.choice(ODD_KEYS) if chance.random() < 0.5 else _misspelt(key[0], chance)
    return text[: key.start()] + new + text[key.end() :]


def _another_value(text: str, chance: random.Random) -> str:
    values = [*re.finditer(r"(?<=: )[^,{}\[\]\n]+", text)]
    if not values:
        return text
    value = chance.choice(values)
    return text[: value.start()] + chance.choice(ODD_YAML) + text[value.end() :]


def _added_line(text: str, chance: random.Random) -> str:
    key = chance.choice([*ODD_KEYS, "extends", "plugins", "reference", "seed"])
    return f"{text}{key}: {chance.choice(ODD_YAML)}\n"


def _inserted(text: str, chance: random.Random) -> str:
    place = chance.randrange(len(text) + 1)
    return text[:place] + chance.choice([*ODD_YAML, *_SEPARATORS]) + text[place:]


def _removed(text: str, chance: random.Random) -> str:
    place = chance.randrange(len(text) + 1)
    return text[:place] + text[place + chance.choice([1, 1, 2, 5, 20]) :]


def _cut_off(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _other_line_ends(text: str, chance: random.Random) -> str:
    return text.replace("\n", chance.choice(_SEPARATORS))


def _flip_bits(content: bytes, chance: random.Random) -> bytes:
    flipped = bytearray(content or b" ")
    for _ in range(chance.randint(1, 8)):
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _other_bytes(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return content[:place] + chance.randbytes(chance.randint(1, 16)) + content[place:]


def _other_encoding(content: bytes, chance: random.Random) -> bytes:
    return content.decode("utf-8", "replace").encode(chance.choice(_ENCODINGS), "replace")


TEXT_MUTATIONS: list[Callable[[str, random.Random], str]] = [
    _drop_lines, _double_line, _swap_lines, _indent, _swap_keys, _another_key, _another_value, _another_value,
    _another_value, _added_line, _added_line, _inserted, _removed, _cut_off, _other_line_ends,
]  # fmt: skip
BYTE_MUTATIONS: list[Callable[[bytes, random.Random], bytes]] = [_flip_bits, _other_bytes, _other_encoding]
