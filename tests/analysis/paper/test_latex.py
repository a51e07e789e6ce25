import pytest

from segkit.analysis.paper.latex import code, escape, fixed, join


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        (
            "a_b & 5% #1 $x$ {y} ~z^2 <w>|",
            r"a\_b \& 5\% \#1 \$x\$ \{y\} \textasciitilde{}z\textasciicircum{}2 $<$w$>$$|$",
        ),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("Läsion 病变", "Läsion 病变"),
        ("La\u0308sion", "Läsion"),
        ("96 \N{MULTIPLICATION SIGN} 96, \N{MINUS SIGN}0.1 ± 2", r"96 $\times$ 96, $-$0.1 $\pm$ 2"),
        ("one\nline\x07", "one line"),
        ("read from /home/someone/images/a.png", "read from a.png"),
    ],
)
def test_any_text_is_printed_as_it_is(text: str, latex: str) -> None:
    assert escape(text) == latex


def test_long_names_of_parts_can_break_between_words() -> None:
    assert code("RandomBrightness_x") == r"\texttt{Random\allowbreak{}Brightness\_\allowbreak{}x}"


def test_numbers_have_fixed_decimals_and_zero_has_no_sign() -> None:
    numbers = [
        fixed(0.8644, 3),
        fixed(0.01, 3, signed=True),
        fixed(-0.0001, 3, signed=True),
        fixed(1234.5, 1),
    ]
    assert numbers == ["0.864", "+0.010", "0.000", "1,234.5"]
    assert fixed(float("nan"), 3) == "\N{EN DASH}"


def test_lists_are_those_of_sentences() -> None:
    assert [join([]), join(["a"]), join(["a", "b"]), join(["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
