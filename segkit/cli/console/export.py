"""What an export has written, and how it was compared."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from segkit.cli.console.format import print_warnings
from segkit.cli.console.stream import Screen

if TYPE_CHECKING:
    from segkit.inference.export.export import ExportResult


def print_exported(outcome: ExportResult) -> None:
    """Print the files, and the figures of the comparison with the run's model."""
    screen, found, facts = Screen(sys.stdout), outcome.verification, outcome.metadata.info
    screen.line(str(outcome.files[0]), "bold")
    height, width = facts.size
    sizes = f"{height}x{width}"
    if facts.multiple:
        sizes += ", or others" + (f" in multiples of {facts.multiple}" if facts.multiple > 1 else "")
    other = f"{found.pixels_that_differ:,} of {found.pixels:,}"
    screen.facts(
        {
            "takes": f"{outcome.metadata.input}, any number of images of {sizes}",
            "gives": outcome.metadata.output,
            f"compared on {found.images:,} {found.split} images": f"{other} pixels have another class",
            "largest difference of a probability": f"{found.largest_difference:.2g}",
            f"{found.metric}": f"{found.scores[found.metric]:.6f}, the run's model "
            f"{found.model_scores[found.metric]:.6f}",
            "about it": str(outcome.files[-1]),
        }
    )
    print_warnings(screen, [*outcome.warnings])
