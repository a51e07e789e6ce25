"""lraspp: what it joins, and what it refuses."""

from pathlib import Path

import pytest
import torch

from segkit.core.errors import ShapeError
from segkit.core.plugins import load_plugin
from segkit.core.registry import DECODERS
from segkit.core.types import Pyramid


@pytest.fixture(autouse=True)
def plugin():
    load_plugin(Path(__file__).parents[2] / "plugins" / "lraspp")


def test_output_has_the_fine_size_and_both_maps():
    decoder = DECODERS.get("lraspp").factory(Pyramid((6, 20), (8, 32)), width=4)
    fine, coarse = torch.rand(2, 6, 9, 7), torch.rand(2, 20, 3, 2)
    output = decoder([fine, coarse])
    assert output.shape == (2, 4 + 6, 9, 7)
    assert torch.equal(output[:, 4:], fine)


def test_three_maps_are_refused():
    with pytest.raises(ShapeError, match="lraspp joins a fine and a coarse map, and 3 came in"):
        DECODERS.get("lraspp").factory(Pyramid((4, 6, 20), (4, 8, 32)))
