"""Console output of `segkit plan`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from segkit.cli.console.class_table import print_classes
from segkit.cli.console.format import images_in_words, plain_table
from segkit.cli.console.stream import Screen

if TYPE_CHECKING:
    from segkit.analysis.plan import PlannedRecipe

_BOLD = "bold"


def print_plan(planned: PlannedRecipe, hours: float | None, out: Path | None) -> None:
    """Print what a plan was made from, to standard error if the recipe goes to standard output."""
    from segkit.analysis.plan.measure import MAX_SIDE  # imports numpy

    screen, found = Screen(sys.stdout if out else sys.stderr), planned.found
    region = f"{MAX_SIDE:,}x{MAX_SIDE:,} pixels around the foreground"
    screen.facts(
        {
            "images": f"{images_in_words(found.images)}; measured: {len(found.extents):,} train",
            "sizes": _sizes(found.extents),
            "structures": f"about {found.structure_width:.0f} pixels wide",
            **({"large masks": f"{found.regions:,}; measured: {region}"} if found.regions else {}),
            **({"time": _time(planned.pixels, hours)} if hours else {}),
        }
    )
    screen.line()
    print_classes(screen, found.classes)
    screen.line("Dice that a perfect model would reach:", _BOLD)
    table = plain_table()
    for title in ("fit", "size", "scale", "Dice"):
        table.add_column(title, justify="left" if title == "fit" else "right", no_wrap=True)
    chosen = planned.plan.data
    for fit, dice in planned.ceilings.items():
        is_crop = fit.kind == "crop"
        is_chosen = fit.kind == chosen["fit"] and (
            fit.scale == chosen["scale"] if is_crop else [*fit.size] == chosen["size"]
        )
        size, scale = ("", f"{fit.scale:g}") if is_crop else (f"{fit.size[1]}x{fit.size[0]}", "")
        table.add_row(Text(fit.kind), size, scale, f"{dice:.3f}", "chosen" if is_chosen else "")
    screen.table(table)
    screen.line()
    if out:
        from segkit.core.paths import quoted  # imports pydantic

        screen.line(f"Recipe: {out}")
        screen.line(f"\nType next: segkit check {quoted(out)}")


def _sizes(extents: Sequence[tuple[int, int]]) -> str:
    """Width and height of the smallest, the middle and the largest image."""
    ordered = sorted(extents, key=lambda extent: extent[0] * extent[1])
    named = [ordered[0], ordered[len(ordered) // 2], ordered[-1]]
    first, middle, last = (f"{width}x{height}" for height, width in named)
    return first if first == last else f"{first} to {last}, half of them up to {middle}"


def _time(pixels: float, hours: float) -> str:
    from segkit.analysis.plan.training_rules import TRAINING_SHARE

    share = f"{TRAINING_SHARE:.0%} are trained on"
    return f"{hours:g} hours, at the measured speed {pixels / 1e6:,.0f} million pixels, of which {share}"
