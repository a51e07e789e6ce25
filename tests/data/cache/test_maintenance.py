"""What lies in the cache is shown, and cleared away without harm to who is at work."""

import os
import re
import time

import pytest

from segkit.data.cache.cache import Cache
from segkit.data.cache.maintenance import cached_images, clear_cache
from segkit.data.preprocess import layout_of, prepare
from tests.data.cache.conftest import COUNT, SIZE, assert_same, cached, found
from tests.data.cases import BINARY

ABOUT = {"source": {"name": "folder"}, "size": [6, 8], "channels": 3, "task": "binary"}
DAY = 86_400


def caches(folder, *names):
    for name in names:
        cached(folder, **{**ABOUT, "source": name})
    return {one.about["source"]: one for one in cached_images(folder / "cache")}


def test_cache_is_shown_by_preprocessing(photographs):
    cached(photographs, **ABOUT)
    (one,) = cached_images(photographs / "cache")
    assert one.preprocessing == "folder at 6x8, 3 channels, binary"
    assert one.images == COUNT
    assert one.bytes == sum(pack.stat().st_size for pack in one.folder.glob("*.safetensors"))
    assert abs(one.used - time.time()) < 3600
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", one.as_json()["last_used"])
    assert cached_images(photographs / "nowhere") == []


def test_opening_counts_as_use(photographs):
    cached(photographs)
    (one,) = cached_images(photographs / "cache")
    os.utime(one.folder / "about.json", (1, 1))
    cached(photographs)
    assert cached_images(photographs / "cache")[0].used > 1


@pytest.mark.posix("a file that is mapped is not removed there")
def test_clearing_removes_all_and_runs_go_on(photographs):
    prepared = cached(photographs)
    assert [one.images for one in clear_cache(photographs / "cache")] == [COUNT]
    assert list((photographs / "cache").iterdir()) == []
    good = prepare(found(photographs), SIZE, BINARY, 3)
    assert_same(prepared, good)
    assert_same(cached(photographs), good)


def test_only_what_was_long_not_used_is_cleared(photographs):
    old = caches(photographs, "old", "new")["old"]
    then = time.time() - 40 * DAY
    os.utime(old.folder / "about.json", (then, then))
    assert clear_cache(photographs / "cache", 50) == []
    assert [one.about["source"] for one in clear_cache(photographs / "cache", 30)] == ["old"]
    assert [one.about["source"] for one in cached_images(photographs / "cache")] == ["new"]


def test_what_is_being_built_stays(photographs):
    cache = Cache(photographs / "cache", layout_of(SIZE, BINARY, 3), ABOUT)
    samples = found(photographs)
    prepare(samples[:2], SIZE, BINARY, 3, cache=cache)
    with cache.writer():
        unfinished = cache.folder / ".1.safetensors.1"
        unfinished.write_text("")
        assert clear_cache(photographs / "cache") == []
        assert unfinished.exists()
        assert [one.images for one in cached_images(photographs / "cache")] == [2]
    del cache  # Windows removes no file that is mapped
    assert len(clear_cache(photographs / "cache")) == 1


def test_builder_that_waited_while_all_was_cleared_builds(photographs):
    cache = Cache(photographs / "cache", layout_of(SIZE, BINARY, 3), ABOUT)
    cached(photographs, **ABOUT)
    clear_cache(photographs / "cache")
    assert_same(
        prepare(found(photographs), SIZE, BINARY, 3, cache=cache),
        prepare(found(photographs), SIZE, BINARY, 3),
    )


@pytest.mark.parametrize("name", ["notes", "0" * 31, "g" * 32])
def test_what_is_not_the_caches_is_left_alone(photographs, name):
    cached(photographs)
    other = photographs / "cache" / name
    other.mkdir()
    (other / "a.safetensors").write_text("")
    (one,) = cached_images(photographs / "cache")
    (one.folder / "mine").write_text("")
    assert clear_cache(photographs / "cache") == []
    assert (other / "a.safetensors").exists()
    assert (one.folder / "mine").exists()
    assert list(one.folder.iterdir()) == [one.folder / "mine"]


def test_folder_that_lost_its_description_can_be_cleared(photographs):
    cached(photographs)
    (one,) = cached_images(photographs / "cache")
    (one.folder / "about.json").write_text("[")
    assert cached_images(photographs / "cache")[0].preprocessing == "unknown preprocessing"
    assert len(clear_cache(photographs / "cache")) == 1


def test_folder_of_the_earlier_format_is_shown_and_cleared(photographs):
    cached(photographs, **ABOUT)
    (one,) = cached_images(photographs / "cache")
    (pack,) = one.folder.glob("*.safetensors")
    pack.unlink()
    (one.folder / "0.pack").write_bytes(bytes(100))
    (one.folder / "1.unfinished").write_bytes(bytes(20))
    (earlier,) = cached_images(photographs / "cache")
    assert (earlier.preprocessing, earlier.images, earlier.bytes) == (one.preprocessing, 0, 120)
    assert_same(cached(photographs, **ABOUT), prepare(found(photographs), SIZE, BINARY, 3))
    assert [(item.images, item.bytes) for item in clear_cache(photographs / "cache")] == [
        (COUNT, one.bytes + 120)
    ]
    assert list((photographs / "cache").iterdir()) == []
