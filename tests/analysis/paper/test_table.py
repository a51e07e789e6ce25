import csv
import math
import re
from pathlib import Path

from segkit.analysis.paper.table import WIDTH, Column, PaperTable, Score

SCORES = [Score(0.86434, 0.8571, 0.87119, 0.0042), Score(0.8614, math.nan, math.nan)]


def rows(tex: str) -> list[list[str]]:
    lines = [line.strip() for line in tex.splitlines() if line.endswith(r" \\")]
    return [[cell.strip() for cell in line.removesuffix(r" \\").split(" & ")] for line in lines]


def test_latex_and_csv_have_the_same_contents(tmp_path: Path) -> None:
    table = PaperTable(
        "scores", "Scores.", [Column("Model", ["u_net", "50% &"]), Column("IoU", SCORES, bold=[0])]
    )
    table.write(tmp_path, "comparison")
    tex = (tmp_path / "scores.tex").read_text(encoding="utf-8")
    assert r"\label{tab:comparison-scores}" in tex
    assert rows(tex) == [
        ["Model", "IoU"],
        [r"{}u\_net", r"\textbf{0.864 $\pm$ 0.004} [0.857, 0.871]"],
        [r"{}50\% \&", "0.861"],
    ]
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        assert [*csv.reader(file)] == [
            ["Model", "IoU", "IoU low", "IoU high", "IoU SD"],
            ["u_net", "0.864", "0.857", "0.871", "0.004"],
            ["50% &", "0.861", "", "", ""],
        ]


def test_a_column_has_three_decimals_and_fewer_with_large_numbers() -> None:
    columns = [Column("", [0.5, 9.0]), Column("", [0.5, 10.0]), Column("", [Score(0.5, 1.0, 100.0)])]
    assert [column.decimals for column in columns] == [3, 2, 1]
    assert Column("", [0.01, -0.02], signed=True).lines(0) == ("+0.010", "")


def test_what_is_too_wide_continues_below_with_intervals_under_the_values() -> None:
    metrics = [Column(f"A long metric {number}", SCORES) for number in range(6)]
    tex = PaperTable("scores", "", [Column("Model", ["first", "second"]), *metrics]).tex("x")
    parts = tex.split(r"\begin{tabular}")[1:]
    assert len(parts) > 1
    assert all(rows(part)[0][0].endswith("Model") for part in parts)
    assert "[0.857, 0.871]" in rows(parts[0])[2]
    widest = max(len(re.sub(r"\s+|[&\\]", " ", line)) for line in tex.splitlines() if line.endswith(r"\\"))
    assert widest < WIDTH + 20
