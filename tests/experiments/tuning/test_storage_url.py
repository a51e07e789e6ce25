"""URLs of storages: what is opened, what is shown, and what never is."""

from pathlib import Path

import pytest

from segkit.core.errors import SegkitError
from segkit.experiments.tuning.storage_url import parse_storage

NO_FILE = "this names no file, in which a search could be kept"
FORMS = "sqlite:///FILE, or postgresql://USER@HOST/DATABASE"
ADDED = "client_encoding=utf8&connect_timeout=10"  # + below
ESCAPES = f"{FORMS}; in a user or a password write @ as %40, / as %2F, : as %3A"


@pytest.fixture(autouse=True)
def variables(monkeypatch):
    monkeypatch.setenv("PASSWORD", "s@cret/w:rd")
    monkeypatch.setenv("WHOLE", "postgresql://me:s%40cret@db.example:5433/tune")
    monkeypatch.setenv("FOLDER", "elsewhere")
    monkeypatch.delenv("NOWHERE", raising=False)


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("search.db", "sqlite:///search.db", "search.db"),
        ("sqlite:///a/b.db", "sqlite:///a/b.db", "a/b.db"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db", "/a/b.db"),
        ("sqlite:///${FOLDER}/b.db", "sqlite:///elsewhere/b.db", "elsewhere/b.db"),
        ("postgresql://h/d", "h/d?+", "postgresql://h/d"),
        ("postgres://u@h/d", "u@h/d?+", "postgresql://h/d"),
        ("postgresql+psycopg:///d?host=%2Ftmp", "/d?+&host=%2Ftmp", "postgresql:///d"),
        (
            "postgresql://u:p@[::1]:99/d?connect_timeout=3",
            "u:p@[::1]:99/d?client_encoding=utf8&connect_timeout=3", "postgresql://[::1]:99/d",
        ),
        (
            "postgresql://u:${PASSWORD}@h:5432/d?sslmode=require",
            "u:s%40cret%2Fw%3Ard@h:5432/d?+&sslmode=require", "postgresql://h:5432/d",
        ),
        (
            "${WHOLE}", "me:s%40cret@db.example:5433/tune?+",
            "postgresql://db.example:5433/tune",
        ),
        ("postgresql://h/d?password=s%40cret", "h/d?+&password=s%40cret", "postgresql://h/d"),
    ],
)  # fmt: skip
def test_a_storage_is_opened_as_it_is_and_shown_without_its_account(text, url, shown):
    storage = parse_storage(text)
    opened = url if url.startswith("sqlite") else f"postgresql+psycopg://{url.replace('+', ADDED)}"
    assert (storage.url, Path(storage.shown) if storage.file else storage.shown) == (
        opened, Path(shown) if storage.file else shown,
    )  # fmt: skip
    assert storage.file == (Path(shown) if url.startswith("sqlite") else None)
    assert "cret" not in f"{storage!r} {storage}"
    assert "cret" not in storage.without_secrets(storage.url)


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("sqlite://", NO_FILE, "sqlite:///search.sqlite3"),
        ("sqlite:///:memory:", NO_FILE, "sqlite:///search.sqlite3"),
        ("mysql://h/d", "mysql: is no storage of segkit tune", FORMS),
        ("postgresql://u:s3cret@h:port/d", "the URL cannot be read", ESCAPES),
        ("postgresql://u:12/s3cret@h/d", "the URL cannot be read", ESCAPES),
        ("postgresql://u:12?s3cret@h/d", "the URL cannot be read", ESCAPES),
        ("postgresql://u:s3/cret@h/d", "the URL cannot be read", ESCAPES),
        (
            "postgresql://u:${NOWHERE}@h/d", "the environment variable NOWHERE is not set",
            "export NOWHERE=...",
        ),
    ],
)  # fmt: skip
def test_other_texts_are_refused_without_showing_them(text, problem, hint):
    with pytest.raises(SegkitError) as raised:
        parse_storage(text)
    (told,) = raised.value.problems
    assert (told.problem, told.file, told.hint) == (problem, "storage", hint)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None  # a traceback would show it
