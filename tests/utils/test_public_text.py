"""What is shared holds no folder of the machine, and names stay unique."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.utils.public_text import (
    last_name,
    public_command,
    public_data,
    public_folder,
    public_names,
    public_text,
)


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("/home/me/data/isic2016", "isic2016"),
        ("/home/me/my data/a.png: cannot read", "my data/a.png: cannot read"),
        ("see '/home/me/a/recipe.yaml:12', (/mnt/b/c)", "see 'recipe.yaml:12', (c)"),
        ("--set=data.source.root=/home/me/x", "--set=data.source.root=x"),
        (r"C:\Users\me\runs\001 is left out", "001 is left out"),
        (r"\\server\share\a.csv", "a.csv"),
        ("file:///home/me/a.yaml", "a.yaml"),
        ("me@host:/home/me/a.yaml, s3://bucket/a/b", "me@host:a.yaml, s3://bucket/a/b"),
        ("https://host.org/a/b/c and runs/unet/001", "https://host.org/a/b/c and runs/unet/001"),
        (
            "'{split}/images/{name}_*', */images/*/[ab]/c?/d (1)/e/f",
            "'{split}/images/{name}_*', */images/*/[ab]/c?/d (1)/e/f",
        ),
        ("{root: /home/me/x/{split}/images/{name}}", "{root: {name}}"),
        ("../data/a.csv, ~/x/y, 3 images/s, 1/2, and/or", "../data/a.csv, ~/x/y, 3 images/s, 1/2, and/or"),
    ],
)
def test_paths_in_a_sentence_are_reduced_to_their_last_names(text, public):
    assert public_text(text) == public


def test_a_home_folder_with_a_space_is_left_out(monkeypatch):
    monkeypatch.setenv("HOME", "/home/Ada Lovelace")
    assert public_text("/home/Ada Lovelace/images/a.png: cannot read") == "a.png: cannot read"


def test_paths_in_plain_data_are_reduced_to_their_last_names():
    plain = {"root": "/home/me/my data/isic", "files": ["/a/b/c.csv", 3, None], "note": "of /a/b/c"}
    assert public_data(plain) == {"root": "isic", "files": ["c.csv", 3, None], "note": "of c"}
    assert (last_name("/"), last_name("runs/001"), last_name("a\n/b")) == ("/", "runs/001", "a\n/b")


@pytest.mark.parametrize(
    ("names", "public"),
    [
        (["a", "b/c"], ["a", "b/c"]),
        (["/home/me/images/a", "/home/me/images/b"], ["a", "b"]),
        (["/home/me/1/a", "/home/me/2/a", "/home/me/2/b"], ["1/a", "2/a", "b"]),
        (["/x/1/a", "/y/1/a"], ["x/1/a", "y/1/a"]),
        (["../../me/a", "../../me/b"], ["a", "b"]),
        ([r"C:\me\a", r"C:\me\b"], ["a", "b"]),
        (["/home/me/a", "a"], ["me/a", "a"]),
        (["../me/a", "../../me/a", "/me/a"], ["../me/a", "../../me/a", "me/a"]),
    ],
)
def test_names_that_are_paths_keep_what_makes_them_unique(names, public):
    assert public_names(names) == public


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=2, max_size=4), unique_by=tuple, max_size=12))
def test_names_stay_unique(parts):
    names = ["/home/me/" + "/".join(folders) for folders in parts]
    public = public_names(names)
    assert len(set(public)) == len(names)
    assert all(name.endswith(short) for name, short in zip(names, public, strict=True))


def test_commands_and_folders():
    assert public_command("segkit compare '/home/me/my runs/unet/001' runs/a --set=data.root=/x") == (
        "segkit compare 001 runs/a --set=data.root=x"
    )
    assert public_command("segkit compare 'my runs/a'") == "segkit compare 'my runs/a'"
    assert public_folder(Path("/home/me/runs/unet/001")) == "unet/001"
    assert public_folder(Path("runs/unet/001")) == "runs/unet/001"
