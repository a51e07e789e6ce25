"""Whatever a kill leaves of a run, `resume` makes the same of it; tests/reliability has the kills."""

import os
import shutil

import pytest

from segkit.experiments.resume import resume
from segkit.experiments.run import run
from segkit.recipe import load_recipe
from segkit.runs.run_dir import RunDir
from tests.reliability_pieces import SCRIPTS, light_reports, piece

heard_before = piece("changes").heard_before
same = piece("same")
EACH = 3  # of the changes of a run, every third is taken: the script takes all
TORN = 5


@pytest.fixture(scope="module", autouse=True)
def lightly_reported():
    with light_reports(same):
        yield


def left_by_another(directory, to, half=None):
    """A copy as a process of another number would have left it; half of a line may be in one of its files."""
    shutil.copytree(directory, to)
    if half:
        with (to / half).open("ab") as file:
            file.write(b'{"half')
    for file in to.rglob(f".*.{os.getpid()}"):
        file.rename(file.with_suffix(".4194305"))  # larger than any
    return to


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """A run that is never stopped, and what a kill before each of its changes would have left."""
    folder = tmp_path_factory.mktemp("kills")
    directory = folder / "runs" / "killed" / "001"
    places, changes = [], []

    def keep(event, place):
        changes.append((event, place))
        if not (directory / "recipe.yaml").is_file():
            return
        number = len(changes)
        if number % EACH == 0:
            places.append(left_by_another(directory, folder / str(number)))
        if event == "open" and number % TORN == 0:
            half = os.path.relpath(place, directory)
            places.append(left_by_another(directory, folder / f"{number}-torn", half))

    with heard_before(folder / "runs", keep):
        list(run(load_recipe(SCRIPTS / "kills.yaml"), folder / "runs"))
    return directory, places, changes


def test_all_that_is_written_is_written_beside_and_put_in_its_place(left):
    changes = left[2]
    opened = {os.path.basename(place) for event, place in changes if event == "open"}
    assert {name for name in opened if not name.endswith(f".{os.getpid()}")} == {".lock", "metrics.jsonl"}
    assert {"environment.json", "recipe.yaml", "summary.json", "report.html"} < {
        name[1:].removesuffix(f".{os.getpid()}") for name in opened
    }


@pytest.mark.parametrize("every", [36, pytest.param(2, marks=pytest.mark.slow)])
def test_whatever_a_kill_leaves_ends_as_if_nothing_had_happened(left, tmp_path, every):
    reference, places, _ = left
    assert len(places) > 30
    found = {}
    for place in (shutil.copytree(place, tmp_path / place.name) for place in places[::every]):
        before = sorted(path.name for path in place.rglob("*"))
        list(resume(place))
        if differences := same.differences(reference, place):
            found[place.name] = differences, before
    assert found == {}


@pytest.mark.slow
def test_what_is_held_against_each_other_tells_any_difference(left, tmp_path):
    reference = left[0]
    for file in (path for path in reference.rglob("*") if path.is_file() and path.name != "report.html"):
        copy = shutil.copytree(reference, tmp_path / "copy")
        name = file.relative_to(reference)
        if file.name.endswith(".state.pt"):
            shutil.copy(reference / "checkpoints/best.safetensors", copy / "best.safetensors")
            name = "best.safetensors is left over"
        elif file.suffix in (".json", ".jsonl"):
            (copy / name).write_text((copy / name).read_text().replace("1", "2"))
            name = f"{name} differs"
        else:
            (copy / name).write_bytes((copy / name).read_bytes() + b"\n")
            name = f"{name} differs"
        assert name in same.differences(reference, copy)
        shutil.rmtree(copy)
    (RunDir(reference).report).write_text("{}")
    assert "the report is not that of the run" in same.differences(reference, reference)
