"""Every part that comes with segkit keeps the contract of its kind: because it exists, there is no list.

Of timm's thousand models some are tried of those that timm itself keeps for tests, and those that recipes
here name. Decoders are tried at widths that are quick.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segkit.core.registry import ENCODERS, OPTIMIZERS, REGISTRIES, Entry, Registry
from segkit.recipe import load_recipe
from segkit.testing import part_checks
from tests.data.cases import NEEDED, save_pair
from tests.parts.decoders.cases import SMALL
from tests.parts.sources.cases import CORNER, WHOLE, WRITERS, write_voc

# Of their kind, they take the longest.
LONG = {
    "Superpixels", "PiecewiseAffine", "RandomFog",
    "upernet", "dpt", "deeplabv3", "deeplabv3plus", "manet", "pan", "unetplusplus", "fpn", "pspnet",
    "test_mambaout", "test_convnext2", "test_byobnet", "test_efficientnet_evos", "test_vit3", "isic2016",
    *sorted(OPTIMIZERS.families[0].names())[1:],
}  # fmt: skip
RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


def built_in(registry: Registry) -> Iterator[Entry]:
    """What segkit registers, and the parts of its families."""
    own = [entry for entry in registry.own() if entry.factory.__module__.startswith("segkit.")]
    yield from own
    names = encoder_names() if registry is ENCODERS else set(registry.names()) - {entry.name for entry in own}
    for name in sorted(names):
        entry = registry.get(name)
        assert entry is not None
        yield entry


def encoder_names() -> set[str]:
    named = {load_recipe(path).model.encoder.name for path in RECIPES}
    return named | set([name for name in ENCODERS.names() if name.startswith("test_")][::3])


def options_of(kind: str, name: str) -> dict[str, Any]:
    """Required options of a part."""
    if kind == "decoder":
        return SMALL.get(name, {})
    if kind == "optimizer":
        return {option.name: 0.01 for option in OPTIMIZERS.get(name).options.values() if option.required}
    if kind != "source":
        return NEEDED.get(name, {}) if kind == "transform" else {}
    if name == "isic2016" and "SEGKIT_TEST_DATA" not in os.environ:
        pytest.skip("SEGKIT_TEST_DATA is not set: no ISIC images")
    folder = Path(tempfile.mkdtemp(prefix="segkit"))
    atexit.register(shutil.rmtree, folder)
    if name in WRITERS:
        return WRITERS[name](folder, [("0", WHOLE), ("1", CORNER)]) | {"unlisted": "background"}
    if name == "voc":
        return write_voc(folder, "012") | {"unlisted": "background"}
    for number in range(3):
        save_pair(folder / f"images/{number}.png", folder / f"masks/{number}.png")
    (folder / "all.csv").write_text(
        "image,mask\n" + "".join(f"images/{n}.png,masks/{n}.png\n" for n in range(3))
    )
    (folder / "train.txt").write_text("".join(f"images/{n}.png masks/{n}.png\n" for n in range(3)))
    options = {
        "isic2016": {"root": Path(os.environ.get("SEGKIT_TEST_DATA", ""), "data", "isic2016").resolve()},
        "folder": {"images": folder / "images", "masks": folder / "masks"},
        "list": {"train": folder / "train.txt"},
        "manifest": {"file": folder / "all.csv"},
    }
    return options.get(name, {})


PARTS = [
    pytest.param(entry, id=f"{entry.kind}-{entry.name}", marks=[pytest.mark.slow] * (entry.name in LONG))
    for registry in REGISTRIES.values()
    for entry in built_in(registry)
]


@pytest.mark.parametrize("entry", PARTS)
def test_a_built_in_part_keeps_its_contract(entry: Entry) -> None:
    outcomes = [check.outcome() for check in part_checks(entry, options_of(entry.kind, entry.name))]
    assert outcomes
    assert [(str(one.check), one.problem) for one in outcomes if not one.passed] == []
