"""Results of `segkit export`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from segkit.cli.console.format import print_warnings
from segkit.cli.console.stream import Screen

if TYPE_CHECKING:
    from segkit.inference.export.export import ExportResult


def print_exported(outcome: ExportResult) -> None:
    """Print the exported files and how their predictions compare with the run's."""
    screen, verified, facts = Screen(sys.stdout), outcome.verification, outcome.metadata.info
    screen.line(str(outcome.files[0]), "bold")
    height, width = facts.size
    sizes = f"{height}x{width}"
    if facts.multiple > 1:
        sizes += f" or another size in multiples of {facts.multiple}"
    elif facts.multiple:
        sizes += " or any other size"
    given: str = outcome.metadata.input
    if facts.range is not None and given == "pixels":
        given += " as float32 numbers of the image files"
    things = "windows" if facts.fit == "crop" else "images"
    differing = f"{verified.pixels_that_differ:,} of {verified.pixels:,} pixels have another class"
    screen.facts(
        {
            "input": f"{given}, any number of {things} of {sizes}",
            "output": outcome.metadata.output,
            f"compared on {verified.images:,} {verified.split} images": differing,
            "largest probability difference": f"{verified.largest_difference:.2g}",
            f"{verified.metric}": f"{verified.scores[verified.metric]:.6f}, {verified.model_words} "
            f"{verified.model_scores[verified.metric]:.6f}",
            "model card": str(outcome.files[-1]),
        }
    )
    print_warnings(screen, outcome.warnings)
