"""Results of commands, on standard output."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.columns import Columns
from rich.table import Table
from rich.text import Text

from segkit.cli.console.class_table import print_classes
from segkit.cli.console.format import format_value, images_in_words, plain_table, print_model, print_warnings
from segkit.cli.console.stream import Screen, clean, write
from segkit.utils.listing import listed

if TYPE_CHECKING:
    from pathlib import Path

    from segkit.core.registry import Entry, Registry
    from segkit.core.types import Task
    from segkit.experiments.check import CheckReport
    from segkit.recipe.postprocess_settings import PostprocessSettings


def print_line(text: str) -> None:
    """Print one line without wrapping."""
    Screen(sys.stdout).line(text)


def print_json(value: Any) -> None:
    """Print one JSON document; NaN and infinity become null, paths become strings."""
    write(sys.stdout, json.dumps(_finite(value), indent=2, allow_nan=False, default=str) + "\n")


def print_check(report: CheckReport) -> None:
    """Print images, model table and warnings of a valid recipe."""
    screen = Screen(sys.stdout)
    screen.line(report.recipe, "bold")
    images = images_in_words(report.images, report.left_out)
    facts = {"images": images, "pixels": report.pixels, "balanced": report.weights}
    screen.facts({title: fact for title, fact in facts.items() if fact})
    screen.line()
    if report.classes:
        print_classes(screen, report.classes)
    print_model(screen, report.stages)
    screen.line()
    print_warnings(screen, report.warnings)
    screen.line("ok", "bold green")


def print_predicted(folder: Path, masks: int, images: int, seconds: float) -> None:
    """Print the number of masks written, their folder and the speed."""
    screen = Screen(sys.stdout)
    speed = f"{images / seconds:.1f} images/s" if images >= 2 else f"{seconds:.1f} s"
    total = "" if masks == images else f" of {images:,} images"
    screen.line(f"{masks:,} {'mask' if masks == 1 else 'masks'}{total} in {folder} ({speed})", "bold")


def print_class_numbers(task: Task) -> None:
    """Print what the numbers in masks of several classes are: not always those of the training masks."""
    if task.kind == "multiclass":
        numbers = [f"{number} {clean(name)}" for number, name in enumerate(task.classes)]
        Screen(sys.stdout).line(f"their numbers: {listed(numbers, 40)}", "dim")


def print_postprocess(settings: PostprocessSettings | None) -> None:
    """Print the post-processing of masks, if there is any."""
    if settings:
        Screen(sys.stdout).line(f"post-processed: {clean(settings.in_words())}", "dim")


def print_without_foreground(masks: int, task: Task) -> None:
    """Print how many masks have no foreground."""
    if masks:
        what = f"nothing but {clean(task.classes[0])}" if task.kind == "multiclass" else "no foreground"
        Screen(sys.stdout).line(f"{masks:,} of them with {what}", "yellow")


def print_parts(registry: Registry, *, all_names: bool) -> None:
    """Print the parts of a kind with their summaries.

    Args:
        registry: registry of the kind.
        all_names: whether to print all names of families, instead of their number.
    """
    screen = Screen(sys.stdout)
    kinds = registry.plural
    screen.line(kinds, "bold")
    if own := registry.own():
        _print_summaries(screen, {entry.name: entry.summary for entry in own})
    for family in registry.families:
        names = sorted(set(family.names()))
        if not all_names:
            screen.line(f"  and {len(names):,} {family.title}: segkit list {kinds} lists them")
            continue
        screen.line(f"{len(names):,} {family.title}", "bold")
        _print_names(screen, names)
    screen.line()


def print_recipes(recipes: Mapping[str, str]) -> None:
    """Print names and descriptions of recipes."""
    screen = Screen(sys.stdout)
    screen.line("recipes", "bold")
    _print_summaries(screen, recipes)
    screen.line()


def print_part(entry: Entry) -> None:
    """Print the summary, location and options of a part."""
    screen = Screen(sys.stdout)
    screen.line(f"{entry.kind} {entry.name}", "bold")
    if entry.summary:
        screen.prose(entry.summary, indent=2)
    facts = {"defined in": entry.where}
    if entry.kind == "transform":
        from segkit.recipe.transform_images import images_in_words as taken

        facts["images"] = taken(entry)
    screen.facts(facts)
    screen.line()
    if not entry.options:
        screen.line("  It has no options.")
        return
    from segkit.recipe.type_names import in_words

    table = plain_table()
    table.add_column("option", no_wrap=True, overflow="ignore", style="cyan")
    for title in ("type", "default", "meaning"):
        table.add_column(title, overflow="fold")
    for option in entry.options.values():
        default = "required" if option.required else format_value(option.default)
        cells = (option.name, in_words(option.annotation) or "anything", default, option.meaning)
        table.add_row(*map(clean, cells))
    screen.table(table)


def _print_summaries(screen: Screen, summaries: Mapping[str, str]) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, overflow="ignore", style="cyan")
    table.add_column(overflow="fold")
    for name, summary in summaries.items():
        table.add_row(f"  {clean(name)}", clean(summary))
    screen.table(table)


def _print_names(screen: Screen, names: list[str]) -> None:
    if screen.terminal:
        screen.table(Columns([Text(clean(name)) for name in names], padding=(0, 2), column_first=True))
    else:
        for name in names:
            screen.line(f"  {name}")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
