"""`segkit doctor`: one line for each thing that was checked."""

import json

import pytest

from segkit.cli import doctor as verb
from segkit.core.errors import PartError
from segkit.core.plugins import entry_points
from segkit.utils import installation
from segkit.utils.installation import Finding


@pytest.fixture
def imports(monkeypatch):
    """Findings in place of imports, which take seconds."""
    found = [Finding("torch", "ok", "2.14.1")]
    monkeypatch.setattr(installation, "check_imports", lambda modules: iter(found))
    return found


def test_an_installation_without_faults(segkit, imports):
    said = segkit("doctor")
    assert said.code == 0
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert "ok torch 2.14.1" in lines
    assert lines[-1] == "no fault found"
    assert segkit("doctor", "--quiet").out == ""


def test_a_fault_is_told_with_what_to_try(segkit, imports):
    imports.append(Finding("timm", "fault", "cannot be used: [broken]", "pip install timm"))
    said = segkit("doctor", "--quiet")
    assert said.code == 1
    assert [" ".join(line.split()) for line in said.out.splitlines()] == [
        "fault timm cannot be used: [broken]", "try: pip install timm", "", "1 fault found",
    ]  # fmt: skip
    said = segkit("doctor", "--json")
    assert said.code == 1
    told = json.loads(said.out)
    assert not told["ok"]
    assert told["findings"][-3:][0] == {
        "name": "timm", "status": "fault", "text": "cannot be used: [broken]", "hint": "pip install timm",
    }  # fmt: skip


def test_a_broken_plugin_is_a_fault(segkit, imports, monkeypatch):
    error = PartError("the plugin 'bad' cannot be loaded", hint="reinstall it")
    monkeypatch.setattr(entry_points, "_broken", [error])
    said = segkit("doctor", "--quiet")
    assert said.code == 1
    assert "the plugin 'bad' cannot be loaded" in said.out
    assert segkit("doctor", "--quiet", "--no-plugins").code == 0


@pytest.mark.slow
def test_what_is_imported_can_be_used_here(segkit):
    found = {one["name"]: one["status"] for one in json.loads(segkit("doctor", "--json").out)["findings"]}
    assert {found[module] for module in verb.MODULES} == {"ok"}
