"""Table of epochs, printed row by row during training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from segkit.cli.console.format import format_number
from segkit.core.events import EpochEnded


@dataclass(frozen=True)
class _Column:
    title: str
    value: Callable[[EpochEnded], str]
    width: int = 7
    short: str = ""

    def cell(self, text: str, *, compact: bool) -> str:
        return text.rjust(max(self.width, len(self.heading(compact=compact))))

    def heading(self, *, compact: bool) -> str:
        return (self.short or self.title) if compact else self.title


class EpochTable:
    """Epochs in aligned columns; columns that do not fit are left out.

    Args:
        metrics: names of metrics; the first is never left out.
        width: width of the screen in characters.
    """

    def __init__(self, metrics: Sequence[str], width: int) -> None:
        self.left_out: list[str] = []
        self._columns = _columns(metrics)
        self._compact = False
        self._compact = len(self.header) > width
        for title in ("learning rate", "seconds", *reversed(metrics[1:])):
            if len(self.header) > width:
                self._columns = [column for column in self._columns if column.title != title]
                self.left_out.append(title)

    @property
    def header(self) -> str:
        """Header line."""
        return self._row(lambda column: column.heading(compact=self._compact))

    def row(self, event: EpochEnded) -> str:
        """Line of one epoch."""
        return self._row(lambda column: column.value(event))

    def _row(self, text: Callable[[_Column], str]) -> str:
        gap = " " if self._compact else "  "
        return gap.join(column.cell(text(column), compact=self._compact) for column in self._columns)


def epoch_line(event: EpochEnded, epochs: int) -> str:
    """One epoch as a self-explanatory line for logs.

    Args:
        event: end of the epoch.
        epochs: maximum number of epochs; 0 if unknown.
    """
    total = f"/{epochs}" if epochs else ""
    metrics = "".join(f"  {name} {format_number(value)}" for name, value in event.metrics.items())
    return (
        f"epoch {event.epoch:>{len(str(epochs))}}{total}"
        f"  train loss {format_number(event.train_loss)}  val loss {format_number(event.val_loss)}{metrics}"
        f"  learning rate {event.learning_rate:.2e}  {event.seconds:.1f} s{'  best' if event.best else ''}"
    )


def _columns(metrics: Sequence[str]) -> list[_Column]:
    def metric_column(name: str) -> _Column:
        return _Column(name, lambda event: format_number(event.metrics[name]))

    return [
        _Column("epoch", lambda event: str(event.epoch), 5),
        _Column("train loss", lambda event: format_number(event.train_loss), short="train"),
        _Column("val loss", lambda event: format_number(event.val_loss), short="val"),
        *map(metric_column, metrics),
        _Column("learning rate", lambda event: f"{event.learning_rate:.2e}", 8, short="lr"),
        _Column("seconds", lambda event: f"{event.seconds:.1f}", 6, short="s"),
        _Column("best", lambda event: "*" if event.best else "", 4),
    ]
