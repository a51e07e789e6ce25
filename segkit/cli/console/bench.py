"""Results of `segkit bench`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from segkit.analysis.report.format import duration
from segkit.cli.console.format import plain_table, print_warnings
from segkit.cli.console.stream import Screen, clean

RATES = {"data": "data alone", "model": "model alone", "loop": "both together"}
PARTS = {
    "data": "waiting for data",
    "to_device": "copy to device",
    "encoder": "encoder",
    "decoder": "decoder and head",
    "loss": "loss",
    "backward": "backward",
    "optimizer": "optimiser and schedule",
    "average": "EMA of weights",
    "other": "other",
}


def print_bench(measured: Mapping[str, Any]) -> None:
    """Print the measurements of `segkit.experiments.benchmark`."""
    screen = Screen(sys.stdout)
    screen.line(measured["recipe"], "bold")
    startup = ", ".join(
        f"{name.replace('_', ' ')} {duration(s)}" for name, s in measured["startup_seconds"].items()
    )
    screen.facts(
        {
            "device": f"{measured['device']}, {measured['precision']}",
            "timed": f"{measured['steps']:,} training steps, batches of {measured['batch_size']:,}, "
            + _loading(measured["workers"], measured["batches_together"]),
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
    total = sum(measured["parts"].values())
    parts = [
        (PARTS[name], f"{1000 * seconds:,.2f}", f"{seconds / total:.1%}")
        for name, seconds in measured["parts"].items()
    ]
    _print_table(screen, ("part of a step", "ms", "share"), [*parts, ("total", f"{1000 * total:,.2f}", "")])
    print_warnings(screen, measured["warnings"])


def _loading(workers: int, batches_together: int) -> str:
    if workers:
        return f"loaded by {workers} workers"
    if batches_together > 1:
        return f"loaded {batches_together} at a time between steps"
    return "loaded ahead by a thread"


def _print_table(screen: Screen, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = plain_table()
    for title in titles:
        table.add_column(title, justify="right" if title != titles[0] else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(clean, row))
    screen.table(table)
