"""Dividing samples: the same names always fall the same way, and nothing is lost or doubled."""

import os
import random
from pathlib import Path
from unicodedata import normalize
from unittest.mock import Mock

import pytest
from pydantic import ValidationError

from segkit.core.errors import DataError
from segkit.core.types import Sample
from segkit.data.splits import Split, split_samples
from tests.data.cases import generated, names

TRAIN = [f"lesion_{index:02d}" for index in range(20)]


def samples(train=TRAIN, **others):
    return {split: [generated(name) for name in some] for split, some in {"train": train, **others}.items()}


def divided(found, split: Split) -> dict[str, list[str]]:
    return {name: names(part) for name, part in split_samples(found, split).items() if part}


def by_file(folder: Path, text: str, found=None) -> dict[str, list[str]]:
    (folder / "split.csv").write_text(text, encoding="utf-8")
    return divided(found or samples(["a", "b", "c"]), Split(by="file", file=folder / "split.csv"))


@pytest.mark.parametrize(("written", "found"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_name_may_be_composed_in_the_file_and_decomposed_in_the_source(tmp_path, written, found):
    text = f"name,split\n{normalize(written, 'Müller')},val\na,train\n"
    name = normalize(found, "Müller")
    assert by_file(tmp_path, text, samples(["a", name])) == {"train": ["a"], "val": [name]}


def test_official_split_is_the_source_s_own():
    assert divided(samples(["b", "a"], test=["c"]), Split()) == {"train": ["a", "b"], "test": ["c"]}


@pytest.mark.parametrize("shares", [{"val": 0.2}, {"test": 0.25}, {"val": 0.2, "test": 0.25}])
def test_fractions_divide_all_samples(shares):
    found = divided(samples(), Split(by="fraction", **shares))
    assert sorted(name for part in found.values() for name in part) == TRAIN
    assert len(found.get("val", [])) == (4 if "val" in shares else 0)
    assert len(found.get("test", [])) == (5 if "test" in shares else 0)
    assert all(part == sorted(part) for part in found.values())


def test_fraction_depends_on_names_and_seed_alone():
    shuffled = random.Random(1).sample(TRAIN, len(TRAIN))
    split = Split(by="fraction", val=0.3)
    first = divided(samples(), split)
    assert divided(samples(shuffled), split) == first
    assert divided(samples(shuffled[:8], val=shuffled[8:]), split) == first
    assert divided(samples(), split.model_copy(update={"seed": 1})) != first
    assert " ".join(first["val"]) == "lesion_00 lesion_10 lesion_14 lesion_16 lesion_17 lesion_18"


def test_fraction_for_val_leaves_the_test_images_as_they_are():
    drawn = [divided(samples(), Split(by="fraction", val=val, test=0.2))["test"] for val in (0.1, 0.2, 0.4)]
    assert drawn[0] == drawn[1] == drawn[2]


def test_fraction_and_folds_keep_the_official_test_split():
    for split in (Split(by="fraction", val=0.2), Split(by="kfold", folds=5, fold=0)):
        assert divided(samples(test=["x"]), split)["test"] == ["x"]
    with pytest.raises(
        DataError, match=r"already has a test split\n  try: leave out data.split.test to keep it"
    ):
        divided(samples(test=["x"]), Split(by="fraction", test=0.2))


@pytest.mark.parametrize(
    ("shares", "name"),
    [({"val": 0.01}, "val"), ({"val": 0.2, "test": 0.01}, "test"), ({"val": 0.99}, "train")],
)
def test_fraction_that_leaves_nothing_is_refused(shares, name):
    with pytest.raises(
        DataError,
        match=f"20 images are too few for a share of {name}\n  try: use other shares, or more images",
    ):
        divided(samples(), Split(by="fraction", **shares))


def test_folds_take_turns():
    folds = [divided(samples(), Split(by="kfold", folds=3, fold=fold)) for fold in range(3)]
    assert sorted(name for fold in folds for name in fold["val"]) == TRAIN
    assert sorted(len(fold["val"]) for fold in folds) == [6, 7, 7]
    assert all(sorted(fold["val"] + fold["train"]) == TRAIN for fold in folds)
    assert divided(samples(), Split(by="kfold", folds=3, fold=0, seed=1)) != folds[0]


def test_too_many_folds_are_refused():
    with pytest.raises(DataError, match=r"20 images cannot make 21 folds\n  try: use at most 20 folds"):
        divided(samples(), Split(by="kfold", folds=21, fold=0))
    with pytest.raises(DataError, match=r"1 image cannot make 2 folds\n  try: folds need several images"):
        divided({"train": samples()["train"][:1]}, Split(by="kfold", folds=2, fold=0))


def test_name_that_is_in_two_pooled_splits_is_refused():
    with pytest.raises(DataError, match="the splits train and val both have an image 'a'"):
        divided(samples(["a", "b"], val=["a"]), Split(by="fraction", val=0.5))


def test_file_divides_all_splits_anew(tmp_path):
    found = samples(["a", "b"], test=["c", "d"])
    assert by_file(tmp_path, "\ufeffname,split\nc,train\na,test\nb,val\n", found) == {
        "train": ["c"],
        "val": ["b"],
        "test": ["a"],
    }


def test_file_reports_every_problem_with_its_line(tmp_path):
    with pytest.raises(DataError) as error:
        by_file(
            tmp_path, "name,split\na,train\nb,dev\n\nA_1,val\nzebra,val\na,val\n", samples(["a", "b", "a1"])
        )
    assert str(error.value).replace(f"{tmp_path}/", "").splitlines() == [
        "split.csv:3: the split 'dev' is unknown",
        "  try: one of train, val, test",
        "split.csv:5: no image is called 'A_1'",
        "  try: did you mean 'a1'?",
        "split.csv:6: no image is called 'zebra'",
        "  try: names are those of the image files, with or without folders and extension",
        "split.csv:7: 'a' is listed twice (first on line 2)",
        "  try: keep one of them",
    ]


def filed(*paths: str) -> dict[str, list[Sample]]:
    """Samples of image files, whose names have the subfolders of photos/ as `folder` gives them."""
    names = [Path(path).relative_to("photos").with_suffix("").as_posix() for path in paths]
    return {
        "train": [
            Sample(name, generated(name).read, (Path(path),)) for name, path in zip(names, paths, strict=True)
        ]
    }


@pytest.mark.parametrize(
    "name",
    [
        "b",
        "b.png",
        "b.PNG",
        "site/b",
        "site/b.jpg",
        "./site/b.png",
        "site\\b.png",
        "photos/site/b.png",
        "../photos/site/b.png",
    ],
)
def test_file_may_name_folders_and_extensions(tmp_path, name):
    found = filed("photos/a.png", "photos/site/b.png", "photos/other/c.png")
    text = f"name,split\na.png,train\n{name},val\n"
    assert by_file(tmp_path, text, found) == {"train": ["a"], "val": ["site/b"]}


def test_name_in_a_subfolder_is_that_image_and_no_similar_one(tmp_path):
    found = filed("photos/ISIC_0000091.png", "photos/late/ISIC_0000041.png")
    text = "name,split\nISIC_0000041,train\nISIC_0000091,val\n"
    assert by_file(tmp_path, text, found) == {"train": ["late/ISIC_0000041"], "val": ["ISIC_0000091"]}


def test_name_in_the_folder_itself_comes_before_those_in_subfolders(tmp_path):
    found = filed("photos/7.png", "photos/site/7.png")
    assert by_file(tmp_path, "name,split\n7,train\nsite/7,val\n", found) == {
        "train": ["7"],
        "val": ["site/7"],
    }


def test_an_ending_does_not_make_a_name_another_one(tmp_path):
    found = filed("photos/7.png", "photos/site/7.png")
    assert by_file(tmp_path, "name,split\n7.png,train\nsite/7.png,val\n", found) == {
        "train": ["7"],
        "val": ["site/7"],
    }


def test_many_images_of_one_name_in_different_folders_are_found_fast(tmp_path, monkeypatch):
    found = filed(*(f"photos/case_{number}/image.png" for number in range(300)))
    rows = "".join(f"photos/case_{number}/image.png,train\n" for number in range(300))
    calls = Mock(side_effect=os.path.abspath)
    monkeypatch.setattr("segkit.data.split_file.os.path.abspath", calls)
    assert len(by_file(tmp_path, f"name,split\n{rows}", found)["train"]) == 300
    assert calls.call_count <= 600


def test_composed_and_decomposed_names_are_the_same(tmp_path):
    found = samples(["M\u00fcller"])
    assert by_file(tmp_path, "name,split\nMu\u0308ller,train\n", found) == {"train": ["M\u00fcller"]}


def test_name_of_two_images_is_told(tmp_path):
    with pytest.raises(DataError) as error:
        by_file(
            tmp_path,
            "name,split\n7,train\na/7.png,val\nc/7,val\n",
            filed("photos/a/7.png", "photos/b/7.png"),
        )
    assert str(error.value).replace(f"{tmp_path}/", "").splitlines() == [
        "split.csv:2: 2 images are called '7': a/7, b/7",
        "  try: write the name with its folders",
        "split.csv:4: no image is called 'c/7'",
        "  try: names are those of the image files, with or without folders and extension",
    ]


@pytest.mark.parametrize(
    ("name", "others", "hint"),
    [
        ("isic-41.jpg", ["ISIC_0000041"], "did you mean 'ISIC_0000041'?"),
        ("isic-41", ["late/ISIC_0000041"], "did you mean 'late/ISIC_0000041'?"),
        ("ISIC_0000041", ["ISIC_0000091", "ISIC_0000410", "ISIC_0000041_b"], ""),
        ("left_b", ["left_c"], ""),
        ("a/7", ["b/7"], ""),
        ("p1_11", ["p11_1"], ""),
        ("Scan_7", ["scan-7", "SCAN7"], ""),  # either of them
        ("A_1", ["a1"], ""),  # listed itself
        ("7" * 5000, ["7"], ""),
    ],
)
def test_hint_is_another_spelling_and_never_another_image(tmp_path, name, others, hint):
    with pytest.raises(DataError) as error:
        by_file(tmp_path, f"name,split\na1.png,train\n{name},val\n", samples(["a1", *{*others} - {"a1"}]))
    (problem,) = error.value.problems
    assert problem.problem == f"no image is called {name!r}"
    assert problem.hint == (
        hint or "names are those of the image files, with or without folders and extension"
    )


def test_image_may_not_be_listed_under_two_names(tmp_path):
    with pytest.raises(DataError, match=r"split.csv:3: 'site/b.png' is listed twice \(first on line 2\)"):
        by_file(tmp_path, "name,split\nb,train\nsite/b.png,val\n", filed("photos/site/b.png"))


def test_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"split\.csv:1: there is no column name, split\n  try: the first line must name"
    ):
        by_file(tmp_path, "name|split\na|train\n")
    with pytest.raises(DataError, match=r"none\.csv: there is no such file"):
        divided(samples(), Split(by="file", file=tmp_path / "none.csv"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"val": 0.2}, "a split by official does not use val: write by: fraction, kfold or file"),
        ({"by": "fraction", "val": 0.2, "fold": 0}, "a split by fraction does not use fold"),
        ({"seed": 1}, "a split by official does not use seed"),
        ({"by": "fraction"}, "must together be above 0 and below 1"),
        ({"by": "fraction", "val": 0.5, "test": 0.5}, "must together be above 0 and below 1"),
        ({"by": "kfold", "folds": 5}, "a split by kfold needs folds, and a fold from 0 to folds - 1"),
        (
            {"by": "kfold", "folds": 5, "fold": 5},
            "a split by kfold needs folds, and a fold from 0 to folds - 1",
        ),
        ({"by": "file"}, "a split by file needs file, a CSV file with the columns name,split"),
        ({"by": "fraction", "val": 1}, "less than 1"),
    ],
)
def test_keys_that_do_not_fit_together_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        Split(**keys)


def test_split_with_all_its_defaults_written_out_is_the_same():
    split = Split(by="kfold", folds=5, fold=0)
    assert Split(**split.model_dump()) == split
