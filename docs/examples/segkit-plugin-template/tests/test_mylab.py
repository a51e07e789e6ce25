"""The contract of every part, point by point, and what is special about these."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from segkit import DECODERS, LOSSES, Pyramid, Task
from segkit.core.errors import ShapeError
from segkit.testing import Check, plugin_checks

# The package is not imported here: segkit does that, and a part can be registered only once.
SPEC = find_spec("segkit_mylab")
assert SPEC is not None, "install the package first: python -m pip install -e ."
assert SPEC.origin is not None
CHECKS = plugin_checks(Path(SPEC.origin).parent)


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_contract(check: Check) -> None:
    """What segkit asks of every part of its kind."""
    check()


def test_lraspp_gives_the_fine_size_and_both_maps() -> None:
    """The coarse map is brought to `width` channels, the fine one stays as it is."""
    decoder = DECODERS.get("lraspp").factory(Pyramid((6, 20), (8, 32)), width=4)
    fine, coarse = torch.rand(2, 6, 9, 7), torch.rand(2, 20, 3, 2)
    output = decoder([fine, coarse])
    assert output.shape == (2, 4 + 6, 9, 7)
    assert torch.equal(output[:, 4:], fine)


def test_lraspp_wants_two_maps() -> None:
    """A recipe that gives it all five learns how to ask for two."""
    with pytest.raises(ShapeError, match="lraspp joins a fine and a coarse map, and 3 came in"):
        DECODERS.get("lraspp").factory(Pyramid((4, 6, 20), (4, 8, 32)))


@pytest.mark.parametrize("truth", [0, 1])
def test_generalized_cross_entropy_is_what_the_paper_says(truth: int) -> None:
    """(1 - p ** q) / q for one pixel, with p of what is true."""
    loss = LOSSES.get("generalized_cross_entropy").factory(Task("binary", ("lesion",)), q=0.5)
    logit = torch.tensor(0.8)
    p = logit.sigmoid() if truth else 1 - logit.sigmoid()
    value = loss(logit.view(1, 1, 1, 1), torch.full((1, 1, 1), truth))
    torch.testing.assert_close(value, (1 - p**0.5) / 0.5)


def test_generalized_cross_entropy_near_q_0_is_cross_entropy() -> None:
    """The limit that its first paragraph promises."""
    loss = LOSSES.get("generalized_cross_entropy").factory(
        Task("multiclass", ("skin", "lesion", "hair")), q=1e-4
    )
    logits, target = torch.randn(2, 3, 8, 8), torch.randint(3, (2, 8, 8))
    expected = torch.nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(loss(logits, target), expected, rtol=1e-3, atol=0)
