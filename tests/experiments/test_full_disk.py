"""Full disks and the like: said in words, with nothing lost; once there is room, the end is the same."""

import errno
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

from segkit.analysis.comparison import write as comparison
from segkit.core.errors import SegkitError, TrainingError
from segkit.experiments.resume import resume
from segkit.experiments.run import run
from segkit.recipe import load_recipe
from segkit.runs.run_dir import RunDir
from segkit.utils.os_errors import cannot_write, in_words
from tests.cli import conftest
from tests.reliability_pieces import SCRIPTS, largest_file, light_reports, piece

segkit = conftest.segkit
heard_before = piece("changes").heard_before
same = piece("same")
EACH = 11  # of the changes of a run
TAKES_ROOM = ("open", "os.mkdir")


@pytest.fixture(scope="module", autouse=True)
def lightly_reported():
    with light_reports(same):
        yield


@pytest.fixture(scope="module")
def recipe():
    return load_recipe(SCRIPTS / "kills.yaml")


@pytest.fixture(scope="module")
def reference(recipe, tmp_path_factory):
    """A run that always has room, and how many changes it makes."""
    runs, changes = tmp_path_factory.mktemp("reference"), []
    with heard_before(runs, lambda event, place: changes.append(place)):
        (*_, ended) = run(recipe, runs)
    return ended.directory, len(changes)


@contextmanager
def full(folder, number, code=errno.ENOSPC):
    """From the change of that number on there is no room: files still go, and are renamed."""
    left = number

    def hear(event, place):
        nonlocal left
        left -= 1
        if left <= 0 and event in TAKES_ROOM:
            raise OSError(code, os.strerror(code), place)

    with heard_before(folder, hear):
        yield


def gone_on_with(recipe, runs):
    """What is left is gone on with, or begun anew where nothing is."""
    (*_, directory) = sorted(runs.glob("*/*")) or [runs / "none"]
    if (directory / "recipe.yaml").is_file():
        (*_, ended) = resume(directory)
    else:
        (*_, ended) = run(recipe, runs)
    return ended.directory


@pytest.mark.slow
def test_wherever_the_disk_is_full_words_say_so_and_the_run_ends_the_same_later(recipe, reference, tmp_path):
    directory, changes = reference
    for number in range(2, changes - 4, EACH):
        runs = tmp_path / str(number)
        runs.mkdir()
        with full(runs, number), pytest.raises(TrainingError, match="No space left on device") as caught:
            list(run(recipe, runs))
        assert caught.value.problems[0].problem == "cannot write: No space left on device"
        assert caught.value.problems[0].hint.startswith("free some space; then ")
        assert same.differences(directory, gone_on_with(recipe, runs)) == []
        shutil.rmtree(runs)


@pytest.mark.slow
def test_a_run_that_goes_on_finds_no_room_either(recipe, reference, tmp_path):
    directory, changes = reference
    with full(tmp_path, changes // 2), pytest.raises(TrainingError, match="No space left"):
        list(run(recipe, tmp_path))
    for number in (1, 2, 5, 20):
        begun = next(tmp_path.glob("*/*"))
        with full(tmp_path, number), pytest.raises(TrainingError, match="No space left"):
            list(resume(begun))
    assert same.differences(directory, gone_on_with(recipe, tmp_path)) == []


@pytest.mark.posix("the size of files is not limited there")
@pytest.mark.slow
@pytest.mark.parametrize("size", [10, 1_000, 100_000, 4_000_000])
def test_what_fails_in_the_middle_of_a_file_leaves_the_files_before_it(recipe, reference, tmp_path, size):
    with largest_file(size), pytest.raises(TrainingError, match="cannot write: File too large"):
        list(run(recipe, tmp_path))
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]  # nothing half-written, and no lock
    assert same.differences(reference[0], gone_on_with(recipe, tmp_path)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (errno.EDQUOT, "free some space; then segkit resume"),
        (errno.EROFS, "make the location writable; then segkit resume"),
        (errno.EIO, "make the location writable; then segkit resume"),
    ],
)
def test_other_reasons_have_their_own_words(recipe, reference, tmp_path, code, hint):
    with (
        full(tmp_path, reference[1] // 2, code),
        pytest.raises(TrainingError, match=os.strerror(code)) as told,
    ):
        list(run(recipe, tmp_path))
    assert told.value.problems[0].hint.startswith(hint)


def test_folder_of_runs_that_is_a_file(recipe, tmp_path):
    (tmp_path / "runs").write_text("mine")
    with pytest.raises(TrainingError, match=r"cannot write: .*\n  try: make .* the argument runs with"):
        list(run(recipe, tmp_path / "runs"))
    assert (tmp_path / "runs").read_text() == "mine"


@pytest.mark.posix("a file that is open is not removed there")
def test_folder_of_runs_that_vanishes_meanwhile(recipe, tmp_path):
    running = run(recipe, tmp_path / "runs")
    next(running)
    shutil.rmtree(tmp_path / "runs")
    with pytest.raises(TrainingError, match="cannot write: No such file or directory"):
        list(running)


def test_report_on_a_full_disk(reference, tmp_path, segkit):
    directory = shutil.copytree(reference[0], tmp_path / "run")
    before = (directory / "report.html").read_bytes()
    with full(tmp_path, 1):
        said = segkit("report", str(directory))
    assert said.code == 1
    assert "cannot write: No space left on device\n  try: free some space; then" in said.err
    assert (directory / "report.html").read_bytes() == before
    with full(tmp_path, 1):
        said = segkit("resume", str(directory))
    assert said.code == 1
    assert "cannot write: No space left on device" in said.err


@pytest.mark.parametrize("number", range(1, 5))
def test_comparison_on_a_full_disk_leaves_the_one_before(tmp_path, monkeypatch, number):
    for name in ("write_page", "write_markdown", "write_csv"):
        monkeypatch.setattr(comparison, name, lambda found, path: path.write_text("new"))
    folder = tmp_path / "comparison"
    folder.mkdir()
    (folder / "comparison.html").write_text("before")
    with full(tmp_path, number), pytest.raises(TrainingError) as caught:
        comparison.write_comparison(None, folder)
    assert caught.value.problems[0].hint == (
        "free some space; then the same again, or the argument out with another folder"
    )
    assert [*tmp_path.rglob("*")] == [folder, folder / "comparison.html"]
    assert (folder / "comparison.html").read_text() == "before"


def test_new_plugin_on_a_full_disk(tmp_path, segkit):
    with full(tmp_path, 3):
        said = segkit("new", "decoder", "mine", "--into", str(tmp_path))
    assert (said.code, "cannot write the plugin: No space left on device" in said.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (MemoryError(), "this machine has too little memory"),
        (
            ImportError("libtorch.so: failed to map segment from shared object"),
            "this machine has too little memory (libtorch.so: failed to map segment from shared object)",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
            "this machine has too little memory "
            "(DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes.)",
        ),
        (
            OSError(errno.ENOMEM, "Cannot allocate memory"),
            "this machine has too little memory ([Errno 12] Cannot allocate memory)",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "cannot write: No space left on device"),
    ],
)
def test_what_comes_from_anywhere_has_words_too(error, problem, segkit, monkeypatch):
    def broken():
        raise error

    told = in_words(error)
    assert told.problems[0].problem == problem
    monkeypatch.setattr(sys.modules["segkit.cli.app"], "app", lambda arguments: broken())
    said = segkit("list")
    assert said.code == 1
    assert problem in said.err
    assert f"try: {told.problems[0].hint}" in said.err


def test_other_errors_have_no_such_words():
    assert in_words(ValueError("1")) is None
    assert in_words(FileNotFoundError(errno.ENOENT, "No such file or directory")) is None


def test_file_is_named_where_the_system_names_one(tmp_path):
    named = cannot_write(OSError(errno.EROFS, "Read-only file system", "file"), tmp_path, "again")
    assert str(named) == (
        "file: cannot write: Read-only file system\n  try: make the location writable; then again"
    )
    assert cannot_write(OSError("odd"), tmp_path, "again").problems[0].where == str(tmp_path)


@pytest.mark.posix("there is no /dev/full")
@pytest.mark.parametrize(
    ("streams", "code"), [("> /dev/full", 1), ("> /dev/full 2>&1", 1), (">&-", 0), (">&- 2>&-", 0)]
)
def test_standard_output_that_takes_nothing(streams, code):
    command = f"'{sys.executable}' -P -m segkit --version {streams}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_a_run_directory_is_no_run_without_its_recipe(recipe, tmp_path):
    """What a full disk leaves before that is in nobody's way: the next run takes the next number."""
    with full(tmp_path, 5), pytest.raises(TrainingError):
        list(run(recipe, tmp_path))
    (left,) = tmp_path.glob("*/*")
    with pytest.raises(SegkitError, match="this is not a run directory"):
        RunDir.open_any(left)
    (*_, ended) = run(recipe, tmp_path)
    assert ended.directory.name == "002"
