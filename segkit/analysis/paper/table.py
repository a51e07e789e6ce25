"""Tables of a paper as LaTeX with booktabs, and with the same contents as CSV."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from segkit.analysis.paper.latex import escape, fixed
from segkit.utils.atomic import write_text
from segkit.utils.csv_files import write_csv

WIDTH = 88  # characters in the text width of `article` in \footnotesize
_GAP = 2  # characters between two columns
_DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Score:
    """An estimated value; NaN for what is unknown.

    Args:
        mean: the value.
        low: lower limit of its interval.
        high: upper limit.
        sd: standard deviation of repetitions, such as seeds.
    """

    mean: float
    low: float = math.nan
    high: float = math.nan
    sd: float = math.nan

    @property
    def numbers(self) -> tuple[float, ...]:
        """Mean, limits and standard deviation."""
        return self.mean, self.low, self.high, self.sd


Cell = str | int | float | Score | None


@dataclass(frozen=True)
class Column:
    """A column; numbers have three decimals, two if any is 10 or more, one if any is 100 or more.

    Args:
        title: heading, as plain text.
        cells: one for each row; None if unknown.
        bold: rows whose value is printed bold.
        signed: whether positive numbers have a plus sign, as differences do.
    """

    title: str
    cells: Sequence[Cell]
    bold: Collection[int] = ()
    signed: bool = False

    @property
    def is_text(self) -> bool:
        """Whether it is aligned to the left."""
        return all(isinstance(cell, str | None) for cell in self.cells)

    @property
    def decimals(self) -> int:
        """Decimals of its numbers."""
        scores = (cell.numbers if isinstance(cell, Score) else (cell,) for cell in self.cells)
        numbers = [abs(n) for n in chain(*scores) if isinstance(n, float) and math.isfinite(n)]
        largest = max(numbers, default=0.0)
        return 1 if largest >= 100 else 2 if largest >= 10 else 3

    @property
    def has_limits(self) -> bool:
        """Whether any value has an interval."""
        return any(isinstance(cell, Score) and math.isfinite(cell.high - cell.low) for cell in self.cells)

    def lines(self, row: int) -> tuple[str, str]:
        """Value with standard deviation, and interval, of a cell as plain text."""
        cell = self.cells[row]
        if isinstance(cell, Score):
            mean, low, high, sd = cell.numbers
            spread = f" \N{PLUS-MINUS SIGN} {fixed(sd, self.decimals)}" if math.isfinite(sd) else ""
            limits = f"[{self._number(low)}, {self._number(high)}]" if math.isfinite(high - low) else ""
            return self._number(mean) + spread, limits
        if isinstance(cell, float):
            return self._number(cell), ""
        return _DASH if cell is None else f"{cell:,}" if isinstance(cell, int) else cell, ""

    def _number(self, value: float) -> str:
        return fixed(value, self.decimals, signed=self.signed).replace("-", "\N{MINUS SIGN}")

    def plain(self) -> Iterator[Column]:
        """Columns without `Score`, numbers rounded as in LaTeX: mean, limits, standard deviation."""
        if not any(isinstance(cell, Score) for cell in self.cells):
            yield replace(self, cells=[self._rounded(cell) for cell in self.cells])
            return
        for index, part in enumerate(("", " low", " high", " SD")):
            cells = [cell.numbers[index] if isinstance(cell, Score) else None for cell in self.cells]
            if not part or any(cell is not None and math.isfinite(cell) for cell in cells):
                yield replace(self, title=self.title + part, cells=[*map(self._rounded, cells)])

    def _rounded(self, cell: Cell) -> Cell:
        return round(cell, self.decimals) if isinstance(cell, float) and math.isfinite(cell) else cell


@dataclass(frozen=True)
class PaperTable:
    """A table.

    Args:
        name: name of its files.
        caption: caption in LaTeX.
        columns: columns, of which the first ones name the rows.
        names: number of columns that name the rows.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    names: int = 1

    def write(self, folder: Path, label: str) -> None:
        """Write NAME.tex and NAME.csv into a folder; the label of the table is ``tab:LABEL-NAME``."""
        write_text(folder / f"{self.name}.tex", self.tex(f"{label}-{self.name}"))
        columns = [column for given in self.columns for column in given.plain()]
        rows = zip(*(column.cells for column in columns), strict=True)
        write_csv(folder / f"{self.name}.csv", [[column.title for column in columns], *rows])

    def tex(self, label: str) -> str:
        """The table in LaTeX; what is too wide for a page continues below, with the names again."""
        if sum(_width(column, in_line=True) for column in self.columns) <= WIDTH:
            parts = [_tabular(self.columns, in_line=True)]
        else:
            parts = [_tabular(columns, in_line=False) for columns in self._parts()]
        body = "\n\n  \\medskip\n".join(parts)
        return (
            "% Needs \\usepackage{booktabs}.\n\\begin{table}\n  \\centering\n"
            f"  \\caption{{{self.caption}}}\n  \\label{{tab:{label}}}\n  \\smallskip\n"
            f"  \\footnotesize\n  \\setlength{{\\tabcolsep}}{{4pt}}\n{body}\n\\end{{table}}\n"
        )

    def _parts(self) -> list[list[Column]]:
        """Columns that fit beside each other, with intervals below the values."""
        names = [*self.columns[: self.names]]
        parts, used = [[*names]], sum(map(_width, names))
        for column in self.columns[self.names :]:
            if used + _width(column) > WIDTH and len(parts[-1]) > self.names:
                parts.append([*names])
                used = sum(map(_width, names))
            parts[-1].append(column)
            used += _width(column)
        return parts


def score_text(score: Score, *, signed: bool = False) -> str:
    """``0.864 [0.857, 0.871]`` as plain text, with the decimals of a table."""
    return " ".join(filter(None, Column("", [score], signed=signed).lines(0)))


def _width(column: Column, *, in_line: bool = False) -> int:
    """Characters of the widest cell, with its interval beside or below the value."""
    cells = (column.lines(row) for row in range(len(column.cells)))
    widths = (len(" ".join(lines).strip()) if in_line else max(map(len, lines)) for lines in cells)
    return _GAP + max(len(column.title), *widths)


def _tabular(columns: Sequence[Column], *, in_line: bool) -> str:
    heading = " & ".join(escape(column.title) for column in columns)
    body = "\n".join(_rows(columns, in_line=in_line))
    align = "".join(_alignment(column, in_line=in_line) for column in columns)
    return (
        f"  \\begin{{tabular}}{{@{{}}{align}@{{}}}}\n    \\toprule\n    {heading} \\\\\n    \\midrule\n"
        f"{body}\n    \\bottomrule\n  \\end{{tabular}}"
    )


def _alignment(column: Column, *, in_line: bool) -> str:
    if column.has_limits:
        return "l" if in_line else "c"
    return "l" if column.is_text else "r"


def _rows(columns: Sequence[Column], *, in_line: bool) -> Iterator[str]:
    last, below = len(columns[0].cells) - 1, not in_line and any(column.has_limits for column in columns)
    for row in range(last + 1):
        values, limits = zip(*(column.lines(row) for column in columns), strict=True)
        cells = [
            rf"\textbf{{{escape(value)}}}" if row in column.bold else escape(value)
            for column, value in zip(columns, values, strict=True)
        ]
        if in_line:
            cells = [f"{cell} {escape(limit)}".strip() for cell, limit in zip(cells, limits, strict=True)]
        yield f"    {{}}{' & '.join(cells)} \\\\"  # {} in front of a [, which would be an option of \\
        if below and any(limits):
            yield f"    {' & '.join(map(escape, limits))} \\\\"
        if below and row < last:
            yield "    \\addlinespace"
