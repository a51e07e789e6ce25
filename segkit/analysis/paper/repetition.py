"""Recipes and commands that repeat what a paper reports."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence

from segkit.analysis.paper.subject import Subject
from segkit.recipe.yaml_tree import write_yaml
from segkit.runs.recipe_schema import RunRecipe
from segkit.utils.public_text import last_name, public_command, public_data
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
    recorded: str, subjects: Sequence[Subject], recipes: Iterable[str], options: Sequence[str] = ()
) -> str:
    """A shell script that trains and scores the models of the paper again, from the recipes in its folder.

    Args:
        recorded: command line that was typed; "" if it is unknown.
        subjects: the models.
        recipes: their files in the folder `recipes`.
        options: options of `segkit compare`; by default nothing is compared.
    """
    files = [f"recipes/{file}" for file in recipes]
    seeds = {tuple(subject.seeds) for subject in subjects}
    if options and len(seeds) == 1 and not any(subject.is_cross_validated for subject in subjects):
        again = [["compare", *files, "--seeds", _listed(subjects[0].seeds), *options]]
    else:
        again = [line for pair in zip(subjects, files, strict=True) for line in _one_by_one(*pair)]
        results = dict.fromkeys(map(_results, subjects))
        again += [["compare", *results, *options]] if options else []
    lines = ["#!/bin/sh", "set -e", 'cd "$(dirname "$0")"']
    if recorded:
        lines += ["# Recorded command; absolute paths are shortened to their last names:"]
        lines += [f"# {line}" for line in public_command(recorded).splitlines()]
    lines += ["# The same from the recipes in this folder, once their data.source says where the images are:"]
    return "\n".join([*lines, *(shlex.join(["segkit", *words]) for words in again), ""])


def _one_by_one(subject: Subject, file: str) -> Iterator[list[str]]:
    if subject.is_cross_validated:
        group = subject.split.get("group")
        kept = ["--group", last_name(str(group))] if group else []  # their recipe may have another
        seeds = ["--seeds", _listed(subject.seeds)] if len(subject.seeds) > 1 else []
        yield ["cv", file, "--folds", str(subject.split.get("folds")), *kept, *seeds]
        return
    yield ["run", file]
    yield from (["run", file, "--set", f"seed={seed}"] for seed in subject.seeds[1:])


def _results(subject: Subject) -> str:
    return f"{'cv' if subject.is_cross_validated else 'runs'}/{subject.recipe.get('name')}"


def _listed(seeds: Sequence[int]) -> str:
    return ",".join(map(str, seeds))
