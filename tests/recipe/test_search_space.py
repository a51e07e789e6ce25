"""What `--search` takes, and what is wrong with other texts."""

import pytest

from segkit.core.errors import RecipeError
from segkit.recipe.search_space import Choices, Range, parse_search, probes, setting

FORMS = "a,b,c or 1..8 or 0.1..0.9 or log:1e-4..1e-2"


@pytest.mark.parametrize(
    ("text", "space"),
    [
        ("unet,fpn", Choices(("unet", "fpn"))),
        ("[64, 64], {name: unet, channels: [8, 4]}", Choices(("[64, 64]", "{name: unet, channels: [8, 4]}"))),
        ("1,2,4", Choices(("1", "2", "4"))),
        ("1..8", Range(1, 8)),
        ("-3 .. 8", Range(-3, 8)),
        ("1..8.0", Range(1.0, 8.0)),
        ("0.1..0.9", Range(0.1, 0.9)),
        ("log:1e-4..1e-2", Range(1e-4, 1e-2, log=True)),
        ("log:1..64", Range(1, 64, log=True)),
        ("../a,../b", Choices(("../a", "../b"))),
    ],
)
def test_a_space_is_read(text, space):
    (axis,) = parse_search([f"a.b={text}"])
    assert axis.space == space
    if isinstance(space, Range):
        assert axis.space.is_whole is isinstance(space.low, int) is isinstance(axis.space.low, int)


@pytest.mark.parametrize(
    ("option", "problem", "hint"),
    [
        ("optimizer.lr", "a path and its values are missing", f"write PATH={FORMS}"),
        ("=1,2", "a path and its values are missing", f"write PATH={FORMS}"),
        ("a.b=8..1", "the range 8..1 is reversed", "write 1..8"),
        ("a.b=log:1..0.1", "the range 1..0.1 is reversed", "write log:0.1..1"),
        (
            "a.b=1..1", "the range 1..1 is one value, which leaves nothing to search", f"write {FORMS}",
        ),
        (
            "a.b=log:0..1", "log:0..1 begins at 0, which has no logarithm",
            "begin above 0, as in log:1e-6..1e-2, or leave out log:",
        ),
        ("a.b=1..1e999", "1..1e999 is larger than numbers can be", f"write {FORMS}"),
        ("a.b=1..", "1.. is no range of numbers", f"write {FORMS}"),
        ("a.b=log:x,y", "log:x,y is no range of numbers", f"write {FORMS}"),
        ("a.b=x,,y", "an empty value is among the choices", f"write {FORMS}"),
        ("a.b=x,y,x", "the choice x is there twice", "name each value once"),
        (
            "a.b=x", "x is one value, which leaves nothing to search",
            f"write {FORMS}; or overrides a.b=x",
        ),
        (
            "seed=0,1", "seed cannot be searched",
            "the best of several seeds is luck; segkit compare --seeds 0,1,2 shows how much they differ",
        ),
        ("name=a,b", "name cannot be searched", "it changes no score"),
        ("set.me=1,2", "set.me is both set and searched", "use one of the two"),
        ("twice=1,2", "twice is searched twice", "write all of its values into one space"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_the_option(option, problem, hint):
    with pytest.raises(RecipeError) as raised:
        parse_search(["twice=3,4", option], ["set.me=3"])
    (told,) = raised.value.problems
    assert (told.problem, told.file, told.hint) == (problem, f"search {option!r}", hint)


def test_a_search_needs_a_space():
    with pytest.raises(RecipeError, match="nothing is searched\n  try: search PATH="):
        parse_search([])


def test_probes_are_all_choices_and_ends_and_outer_values_come_first():
    axes = parse_search(["model.decoder.dropout=0.0..0.5", "loss=dice,bce", "seeds.more=1..9"])
    assert [axis.path for axis in axes] == ["loss", "seeds.more", "model.decoder.dropout"]
    tried = [(axis and axis.path, [*values.values()]) for axis, values in probes(axes)]
    assert tried == [
        (None, ["dice", 1, 0.0]),
        ("loss", ["bce", 1, 0.0]),
        ("seeds.more", ["dice", 9, 0.0]),
        ("model.decoder.dropout", ["dice", 1, 0.5]),
    ]
    assert [setting("a", value) for value in ("[1, 2]", 1, 1e-05)] == ["a=[1, 2]", "a=1", "a=1e-05"]
