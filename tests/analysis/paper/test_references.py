"""References of built-in parts: each is there once, complete, and for a part that exists."""

import re
from importlib.resources import files

import pytest

from segkit.analysis.paper.references import SOURCES, Citations
from segkit.core.registry import REGISTRIES

BIB = files("segkit.analysis.paper").joinpath("references.bib").read_text(encoding="utf-8")
KEYS = re.findall(r"^@\w+\{(\w+),$", BIB, re.MULTILINE)


def test_entries_are_complete_and_in_order() -> None:
    assert sorted(KEYS) == KEYS
    assert len({*KEYS}) == len(KEYS)
    for entry in re.split(r"\n(?=@)", BIB):
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", entry, re.MULTILINE))
        assert {"author", "title", "year"} <= fields.keys(), entry
        assert fields.keys() & {"journal", "booktitle", "howpublished", "publisher"}, entry
        assert entry.count("{") == entry.count("}"), entry
        assert re.search(r"\d{4}", entry.split(",")[0])[0] == fields["year"], entry  # type: ignore[index]


def test_every_entry_is_cited_somewhere() -> None:
    package = files("segkit.analysis.paper")
    code = "".join(
        file.read_text(encoding="utf-8") for file in package.iterdir() if file.name.endswith(".py")
    )
    assert [key for key in KEYS if not re.search(f"[\"']{key}[\"']", code)] == []


@pytest.mark.parametrize("kind", [kind for kind in SOURCES if kind != "encoder"])
def test_cited_parts_exist(kind: str) -> None:
    (registry,) = (registry for registry in REGISTRIES.values() if registry.kind == kind)
    assert {*SOURCES[kind]} <= {entry.name for entry in registry.own()} | {*registry.names()}
    assert {*SOURCES[kind].values()} <= {*KEYS}


@pytest.mark.parametrize(
    ("encoder", "cited"),
    [
        ("mobilenetv2_100", r"~\cite{sandler2018mobilenetv2}"),
        ("resnet18", r"~\cite{he2016resnet}"),
        ("resnext50_32x4d", r"~\cite{xie2017resnext}"),
        ("resnetv2_50", ""),
        ("tf_efficientnet_lite0", r"~\cite{tan2019efficientnet}"),
        ("tf_efficientnetv2_s", r"~\cite{tan2021efficientnetv2}"),
        ("convnext_atto", r"~\cite{liu2022convnext}"),
        ("vit_small_patch16_224", r"~\cite{dosovitskiy2021vit}"),
        ("vitamin_small_224", ""),
    ],
)
def test_an_encoder_is_cited_by_its_architecture(encoder: str, cited: str) -> None:
    assert Citations().part("encoder", encoder) == cited


def test_the_bibliography_has_what_was_cited() -> None:
    citations = Citations()
    assert citations.cite("holm1979", "wilcoxon1945") == r"~\cite{holm1979,wilcoxon1945}"
    assert citations.part("decoder", "of_a_plugin") == citations.cite() == ""
    assert re.findall(r"@\w+\{(\w+)", citations.bibliography) == ["holm1979", "wilcoxon1945"]
