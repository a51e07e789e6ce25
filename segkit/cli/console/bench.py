"""How fast a recipe trains, as tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from segkit.analysis.report.format import duration
from segkit.cli.console.format import print_warnings
from segkit.cli.console.stream import Screen, clean

RATES = {"data": "data alone", "model": "model alone", "loop": "both, as in a run"}
PARTS = {
    "data": "waiting for data",
    "to_device": "to the device",
    "encoder": "encoder",
    "decoder": "decoder and head",
    "loss": "loss",
    "backward": "backward",
    "optimizer": "optimiser and schedule",
    "average": "moving average (EMA)",
    "other": "other",
}


def _loading(workers: int, together: int) -> str:
    if workers:
        return f"loaded by {workers} workers"
    return f"loaded {together} at a time between steps" if together > 1 else "prefetched by a thread"


def print_bench(measured: Mapping[str, Any]) -> None:
    """Print what `segkit.experiments.benchmark` has measured."""
    screen = Screen(sys.stdout)
    screen.line(measured["recipe"], "bold")
    workers = measured["workers"]
    startup = ", ".join(
        f"{name.replace('_', ' ')} {duration(s)}" for name, s in measured["startup_seconds"].items()
    )
    screen.facts(
        {
            "device": f"{measured['device']}, {measured['precision']}",
            "timed": f"{measured['steps']:,} training steps, batches of {measured['batch_size']:,}, "
            + _loading(workers, measured["batches_together"]),
            "start-up": startup,
            "peak memory": f"{measured['peak_memory_bytes'] / 1e6:,.0f} MB",
        }
    )
    screen.line()
    rates = [(label, f"{measured[f'{name}_images_per_second']:,.1f}") for name, label in RATES.items()]
    _print_table(screen, ("", "images/s"), rates)
    low, high = measured["loop_over_model_range"]
    spread = f"{low:.3f} to {high:.3f} in {len(measured['rounds'])} rounds"
    screen.line(f"both / model: {measured['loop_over_model']:.3f} ({spread})", "bold")
    screen.line()
    whole = sum(measured["parts"].values())
    parts = [
        (PARTS[name], f"{1000 * seconds:,.2f}", f"{seconds / whole:.1%}")
        for name, seconds in measured["parts"].items()
    ]
    _print_table(screen, ("a step, in parts", "ms", "share"), [*parts, ("whole", f"{1000 * whole:,.2f}", "")])
    print_warnings(screen, measured["warnings"])


def _print_table(screen: Screen, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title, justify="right" if title != titles[0] else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(clean, row))
    screen.table(table)
