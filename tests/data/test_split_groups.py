"""Groups that stay in one split, and splits with their share of every class."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from pydantic import ValidationError

from segkit.core.errors import DataError
from segkit.core.types import Sample
from segkit.data.split_groups import groups_of
from segkit.data.splits import Split, group_warnings, split_samples
from tests.data.cases import generated, names

# 12 patients with 2 to 10 images, on two sites.
NAMES = [f"site_{site}/p{n:02}_{image}" for site in "ab" for n in range(12) for image in range(1 + n % 5)]
FRACTION = {"by": "fraction", "val": 0.2, "test": 0.1}
FOLD = {"by": "kfold", "folds": 4, "fold": 1}
Official = Mapping[str, list[Sample]]


def patient(name: str) -> str:
    return name.split("/")[1][:3]


def official(found: list[str] = NAMES, **columns: Callable[[str], str]) -> Official:
    def row(name: str) -> dict[str, str]:
        return {column: value for column, of in columns.items() if (value := of(name))}

    pool = [replace(generated(name), columns=row(name) if columns else None) for name in found]
    return {"train": random.Random(1).sample(pool, len(pool))}


def divided(samples: Official, split: Split, **options) -> dict[str, list[str]]:
    return {name: names(part) for name, part in split_samples(samples, split, **options).items()}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("keys", [FRACTION, FOLD])
def test_groups_stay_together_however_they_are_named(tmp_path, keys, seed):
    header, file = "image;patient\r\n", tmp_path / "groups.csv"
    rows = "".join(f"{name.replace('/', chr(92))}.PNG;{patient(name)}\r\n" for name in ["z/p99_1", *NAMES])
    file.write_bytes(f"{header}{rows}".encode("utf-16"))
    (tmp_path / "groups.txt").write_text("\n".join(f"{name} {patient(name)}" for name in NAMES))
    found = divided(official(), Split(**keys, seed=seed, group="{group}_*"))
    assert divided(official(patient=patient), Split(**keys, seed=seed, group="patient")) == found
    for name in ("groups.csv", "groups.txt"):
        assert divided(official(), Split(**keys, seed=seed, group=str(tmp_path / name))) == found
    assert sorted(chain(*found.values())) == sorted(NAMES)
    groups = [{patient(name) for name in part} for part in found.values()]
    assert sum(map(len, groups)) == len(set(chain(*groups))) == 12
    shares = {"val": 0.25} if keys is FOLD else {"val": 0.2, "test": 0.1}
    for split, share in shares.items():
        assert abs(len(found[split]) - share * len(NAMES)) <= 5  # half of the largest group


def test_another_seed_draws_other_groups_and_every_group_is_in_one_fold():
    drawn = [divided(official(), Split(**FRACTION, seed=seed, group="{group}_*")) for seed in range(5)]
    assert len({str(found) for found in drawn}) == 5
    folds = [
        divided(official(), Split(by="kfold", folds=4, fold=n, group="{group}_*"))["val"] for n in range(4)
    ]
    assert sorted(chain(*folds)) == sorted(NAMES)
    assert max(map(len, folds)) - min(map(len, folds)) <= 2


@pytest.mark.parametrize(
    ("pattern", "name", "group"),
    [
        ("{group}_*", "a/patient_left_1", "patient"),
        ("{group}_img*", "site_3_img1", "site_3"),
        ("{group}/*", "study/p3/slice_1", "p3"),
        ("*-{group}-*", "he-slide7-tile-4", "slide7"),
        ("M\u00fcller{group}", "Mu\u0308ller7", "7"),
    ],
)
def test_pattern_takes_the_shortest_group_at_the_end_of_the_path(pattern, name, group):
    others = ["z/other_1", "zother/1", "z-z-z", "zo_img3", "M\u00fcller8"]
    with pytest.raises(DataError) as error:
        split_samples(official([name, *others]), Split(**FOLD, group=pattern))
    assert name not in str(error.value)  # the others have no group
    assert groups_of([generated(name)], pattern) == {name: group}


@pytest.mark.parametrize(
    ("group", "columns", "message"),
    [
        (
            "{group}-*",
            {},
            "data.split.group: 66 of 66 images have no group: site_a/p00_0, site_a/p01_0, site_a/p01_1, "
            "site_a/p02_0, site_a/p02_1 and 61 more\n  try: the pattern '{group}-*' does not fit: use "
            "another one, a column, or a file of names and groups",
        ),
        (
            "patient",
            {},
            "try: these images have no columns: use a pattern of the names, '{group}_*', or a file of names",
        ),
        ("patiant", {"patient": patient, "age": lambda name: "7"}, "try: the columns are age, patient"),
        (
            "patient",
            {"patient": lambda name: "" if name == "site_b/p04_2" else "x"},
            "data.split.group: 1 of 66 images has no group: site_b/p04_2\n  try: fill in the column patient",
        ),
    ],
)
def test_images_without_group_are_named(group, columns, message):
    with pytest.raises(DataError) as error:
        split_samples(official(**columns), Split(**FRACTION, group=group))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,group\na/1,x\n", r"2 of 3 images have no group: b/1, b/2\n  try: add it to g.csv"),
        ("a/1,x\nb/1,x\nb/2,x\na/1.png,y\n", r"g.csv:4: 'a/1.png' has the group 'y' here and 'x' on line 1"),
        ("1,x\n", r"g.csv:1: 2 images are called '1': a/1, b/1\n  try: write the name with its folders"),
        ("a/1,x,y\n", r"g.csv:1: a line has name and group; this one has 3 cells"),
        ("id,name,group\n1,a/1,x\n2,b/1,y\n3,b/2,z", ""),
    ],
)
def test_file_of_groups_names_its_line(tmp_path, text, message):
    (tmp_path / "g.csv").write_text(text)
    split = Split(by="kfold", folds=2, fold=0, group=str(tmp_path / "g.csv"))
    pool = official(["a/1", "b/1", "b/2"])
    if not message:
        assert sorted(map(len, divided(pool, split).values())) == [0, 1, 2]
        return
    with pytest.raises(DataError, match=message):
        split_samples(pool, split)


def test_groups_that_are_too_few_or_too_large_are_told():
    few = official([f"p{n // 9}_{n}" for n in range(18)])
    with pytest.raises(DataError, match="2 groups cannot make 4 folds"):
        split_samples(few, Split(**FOLD, group="{group}_*"))
    with pytest.raises(DataError, match="18 images in 2 groups are too few for a share of val"):
        split_samples(few, Split(**FRACTION, group="{group}_*"))
    one = official([f"p1_{n}" for n in range(9)])
    for keys in (FOLD, FRACTION):
        with pytest.raises(DataError, match=r"group: all 9 images have the same group, as p1_0 and p1_8\n"):
            split_samples(one, Split(**keys, group="{group}_*"))
    split = Split(by="kfold", folds=3, fold=0, group="{group}_*")
    large = official([f"p{max(0, n - 6)}_{n}" for n in range(12)])
    (warning,) = group_warnings(large, split)
    assert warning.problem.startswith(
        "data.split.group: 1 of 6 groups has more images than fold should have (4 of 12); "
        "the largest, that of p0_"
    )
    (warning,) = group_warnings(large, Split(by="kfold", folds=3, fold=0, group="{group}"))
    assert warning.problem == "data.split.group: each of the 12 images has a group of its own, as p0_0"
    assert warning.hint == "the group is what several images share, as P01 in '{group}_*' for P01_a and P01_b"
    assert not group_warnings(official(), Split(by="kfold", folds=3, fold=0, group="{group}_*"))
    assert not group_warnings(large, Split(by="kfold", folds=3, fold=0))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"group": "x"}, "a split by official does not use group"),
        ({"balance": True}, "a split by official does not use balance"),
        ({**FRACTION, "group": "*_x"}, r"a pattern contains {group}, as in '{group}_\*'"),
        ({**FRACTION, "group": "{group}_{name}"}, r"{name} means nothing here: use {group}, \*"),
        ({**FRACTION, "group": ""}, "the name of a column is empty"),
    ],
)
def test_groups_that_cannot_be_meant_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        Split(**keys)


def contents(samples: list[Sample]) -> np.ndarray:
    """Two classes: many pixels in few images, and few pixels in a tenth of them."""
    rng = np.random.default_rng(0)
    table = {name: (rng.pareto(1.1), float(rng.random() < 0.1)) for name in NAMES}
    pixels = np.array([table[sample.name] for sample in samples])
    return np.hstack([pixels, pixels > 0])


@pytest.mark.parametrize("group", [None, "{group}_*"])
@pytest.mark.parametrize("keys", [FRACTION, {"by": "fraction", "val": 0.3}, FOLD])
def test_balanced_splits_are_nearer_to_their_shares_than_drawn_ones(keys, group):
    shares = {"val": 0.25} if keys is FOLD else {key: keys[key] for key in ("val", "test") if key in keys}
    total = contents(official()["train"]).sum(axis=0)[:3]  # the fourth is as the second

    def deviation(seed: int, balance: bool) -> float:
        found = split_samples(official(), Split(**keys, seed=seed, group=group, balance=balance), contents)
        assert sorted(chain(*map(names, found.values()))) == sorted(NAMES)
        if balance and not group:
            assert all(abs(len(found[split]) - share * len(NAMES)) <= 0.5 for split, share in shares.items())
        parts = {split: contents(found[split]).sum(axis=0)[:3] / total for split in shares}
        return max(np.abs(parts[split] - share).max() for split, share in shares.items())

    drawn, balanced = ([deviation(seed, balance) for seed in range(12)] for balance in (False, True))
    assert np.mean(balanced) < 0.6 * np.mean(drawn)
    assert max(balanced) < max(drawn)


def test_balance_keeps_groups_whole_and_a_seed_repeats_it():
    split = Split(**FRACTION, seed=3, group="{group}_*", balance=True)
    found = divided(official(), split, contents=contents)
    assert divided(official(), split, contents=contents) == found
    groups = [{patient(name) for name in part} for part in found.values()]
    assert sum(map(len, groups)) == len(set(chain(*groups))) == 12
