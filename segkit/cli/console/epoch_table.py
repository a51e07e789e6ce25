"""The table of epochs that grows while a run goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from segkit.cli.console.format import figure
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
    """Lays out epochs in aligned columns, as many as there is room for.

    Args:
        metrics: their names; the first is never left out.
        width: of the screen.
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
        """The titles."""
        return self._row(lambda column: column.heading(compact=self._compact))

    def row(self, event: EpochEnded) -> str:
        """One epoch."""
        return self._row(lambda column: column.value(event))

    def _row(self, text: Callable[[_Column], str]) -> str:
        gap = " " if self._compact else "  "
        return gap.join(column.cell(text(column), compact=self._compact) for column in self._columns)


def epoch_line(event: EpochEnded, epochs: int) -> str:
    """One epoch as a line that explains itself, for logs.

    Args:
        event: the epoch.
        epochs: how many at most; 0 if nobody said.
    """
    of = f"/{epochs}" if epochs else ""
    metrics = "".join(f"  {name} {figure(value)}" for name, value in event.metrics.items())
    return (
        f"epoch {event.epoch:>{len(str(epochs))}}{of}"
        f"  train loss {figure(event.train_loss)}  val loss {figure(event.val_loss)}{metrics}"
        f"  learning rate {event.learning_rate:.2e}  {event.seconds:.1f} s{'  best' if event.best else ''}"
    )


def _columns(metrics: Sequence[str]) -> list[_Column]:
    def of_metric(name: str) -> _Column:
        return _Column(name, lambda event: figure(event.metrics[name]))

    return [
        _Column("epoch", lambda event: str(event.epoch), 5),
        _Column("train loss", lambda event: figure(event.train_loss), short="train"),
        _Column("val loss", lambda event: figure(event.val_loss), short="val"),
        *map(of_metric, metrics),
        _Column("learning rate", lambda event: f"{event.learning_rate:.2e}", 8, short="lr"),
        _Column("seconds", lambda event: f"{event.seconds:.1f}", 6, short="s"),
        _Column("best", lambda event: "*" if event.best else "", 4),
    ]
