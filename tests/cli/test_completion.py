"""Completion in real shells, with the script that the command prints for each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Completes one line with the words that `segkit --show-completion SHELL` is given.
ASK = {
    "bash": "source ./script; COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
    '_segkit_completion segkit; printf "%s\\n" "${COMPREPLY[@]}"',
    "zsh": "compdef() {}; _arguments() { print -r -- $@ }; source ./script; "
    "words=(${=1}); CURRENT=$#words; _segkit_completion",
    "fish": "source ./script; complete -C $argv[1]",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One in which `segkit` is found, and a home of its own."""
    folder = tmp_path_factory.mktemp("home")
    command = folder / "bin" / "segkit"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom segkit.cli import main\n\nmain()\n", encoding="utf-8")
    command.chmod(0o755)
    return {
        **os.environ,
        "HOME": str(folder),
        "PATH": os.pathsep.join([str(command.parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",  # tests are started by no shell
    }


def completed(shell: str, line: str, folder: Path, environment: dict[str, str]) -> str:
    """What the shell offers at the end of a line."""
    if not (program := shutil.which(shell)):
        pytest.skip(f"no {shell} on this machine")
    script = subprocess.run(
        ["segkit", "--show-completion", shell], env=environment, capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
    (folder / "script").write_text(script, encoding="utf-8")
    words = [program, "-c", ASK[shell], *([shell] if shell != "fish" else []), line]
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("segkit res", "resume"),
        ("segkit run --pl", "--plugins"),
        ("segkit list dec", "decoders"),
        ("segkit show decoder transposed_c", "transposed_conv"),
        ("segkit new enc", "encoder"),
        ("segkit run quick", "quickstart"),
        ("segkit new recipe --from quick", "quickstart"),
        ("segkit show recipe isic_froz", "isic_frozen"),
        ("segkit run mi", "mine.yaml"),
    ],
)
def test_commands_options_kinds_and_parts_are_completed(shell, line, offered, tmp_path, environment):
    (tmp_path / "mine.yaml").touch()
    assert offered in completed(shell, line, tmp_path, environment)


def test_parts_of_no_kind_are_none(segkit, monkeypatch):
    monkeypatch.setenv("_SEGKIT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "segkit show decodr u")
    monkeypatch.setenv("COMP_CWORD", "3")
    said = segkit()
    assert (said.code, said.out.strip(), said.err) == (0, "", "")
