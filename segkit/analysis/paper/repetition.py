"""Recipes and commands that repeat what a paper reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from segkit.analysis.paper.subject import Subject
from segkit.core.paths import quoted
from segkit.recipe.yaml_tree import write_yaml
from segkit.runs.recipe_schema import RunRecipe
from segkit.utils.public_text import public_command, public_data
from segkit.utils.safe_read import read_text, read_yaml

_SHORTENED = "# Absolute paths are shortened to their last names.\n"


def recipe_files(subjects: Sequence[Subject]) -> dict[str, str]:
    """Complete recipe of each model by file name, in their order."""
    found: dict[str, str] = {}
    for subject in subjects:
        name = "".join(letter if letter.isalnum() or letter in "-_+." else "_" for letter in subject.name)
        file, number = f"{name.strip('.') or '_'}.yaml", 1
        while file in found:
            number += 1
            file = f"{name}-{number}.yaml"
        recipe = read_yaml(subject.recipe_file, RunRecipe)
        public = public_data(recipe)
        text = read_text(subject.recipe_file)
        found[file] = text if public == recipe else _SHORTENED + write_yaml(public)
    return found


def commands(
    recorded: str, subjects: Sequence[Subject], recipes: Mapping[str, str], options: Iterable[str] = ()
) -> str:
    """A shell script that trains and scores the models of the paper again, from the recipes in its folder.

    Args:
        recorded: command line that was typed.
        subjects: the models.
        recipes: result of `recipe_files`.
        options: options of `segkit compare`; by default nothing is compared.
    """
    lines = ["#!/bin/sh", "set -e", 'cd "$(dirname "$0")"']
    if recorded:
        lines += ["# Recorded command; absolute paths are shortened to their last names:"]
        lines += [f"# {line}" for line in public_command(recorded).splitlines()]
    lines.append("# The same from the recipes in this folder:")
    options, files = [*options], [quoted(f"recipes/{file}") for file in recipes]
    seeds = {tuple(subject.seeds) for subject in subjects}
    if options and len(seeds) == 1 and not any(subject.is_cross_validated for subject in subjects):
        together = f" --seeds {','.join(map(str, subjects[0].seeds))}"
        return "\n".join([*lines, f"segkit compare {' '.join(files)}{together} {' '.join(options)}", ""])
    results = []
    for subject, file in zip(subjects, files, strict=True):
        if subject.is_cross_validated:
            own = f" --seeds {','.join(map(str, subject.seeds))}" if len(subject.seeds) > 1 else ""
            results.append(f"cv/{subject.recipe.get('name')}")
            lines.append(f"segkit cv {file} --folds {subject.split.get('folds')}{own}")
        else:
            results.append(f"runs/{subject.recipe.get('name')}")
            lines.append(f"segkit run {file}")
            lines += [f"segkit run {file} --set seed={seed}" for seed in subject.seeds[1:]]
    if options:
        lines.append(f"segkit compare {' '.join(map(quoted, dict.fromkeys(results)))} {' '.join(options)}")
    return "\n".join([*lines, ""])
