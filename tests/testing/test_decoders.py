"""Every check of decoders, and those that encoders share, catches a broken decoder."""

import random
from typing import Annotated, Literal

import numpy as np
import pytest
import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from segkit.core.errors import PartError, ShapeError
from segkit.testing import decoders, encoders
from segkit.testing.modules import MODULE_CHECKS
from tests.testing.contract import assert_caught, assert_complete, assert_passes, checks_of
from tests.testing.modules import Good, changed_input, changed_output, good


def last_map_only(pyramid):
    """The ten lines of the documentation."""

    class OneConv(nn.Conv2d):
        def forward(self, features):
            return super().forward(features[-1])

    return OneConv(pyramid.channels[-1], 16, 3, padding=1)


class Residual(Good):
    """A branch whose last weights start at zero, as in many residual networks."""

    def __init__(self, pyramid):
        super().__init__(pyramid)
        self.branch = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1))
        nn.init.zeros_(self.branch[-1].weight)
        nn.init.zeros_(self.branch[-1].bias)

    def forward(self, features):
        x = super().forward(features)
        return x + self.branch(x)


class Narrow(Good):
    """One unit behind a ReLU, dead for every other initialisation."""

    def __init__(self, pyramid):
        super().__init__(pyramid)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 1, 1), nn.ReLU(), nn.Conv2d(1, 8, 1))

    def forward(self, features):
        x = super().forward(features)
        return x * self.gate(x - x.mean())


def halving_maps_only(pyramid):
    if len(set(pyramid.reductions)) < len(pyramid):
        raise ShapeError("needs maps that halve")
    return Good(pyramid)


def multiples_of_128_only(pyramid):
    def check(features):
        if features[-1].shape[-1] % 4:
            raise ValueError("sizes are multiples of 128")
        return features

    return changed_input(check)(pyramid)


@pytest.mark.parametrize(
    "factory", [good, last_map_only, Residual, Narrow, halving_maps_only, multiples_of_128_only]
)
def test_correct_decoder_passes(factory):
    assert_passes("decoder", factory)


@pytest.mark.parametrize("features", ["last", [1, -1]])
def test_decoder_may_use_any_stages(features):
    assert_passes("decoder", good, traits={"features": features})


class Popping(Good):
    def forward(self, features):
        maps = list(features)
        features.pop()
        return super().forward(maps)


class Unused(Good):
    def __init__(self, pyramid):
        super().__init__(pyramid)
        self.spare = nn.Conv2d(8, 8, 1)


class GlobalRandomNumbers(Good):
    def forward(self, features):
        return super().forward(features) * random.random() * np.random.rand()


class Counting(Good):
    def __init__(self, pyramid):
        super().__init__(pyramid)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, features):
        self.calls += 1
        return super().forward(features)


class HiddenTensor(Good):
    def __init__(self, pyramid):
        super().__init__(pyramid)
        self.scale = torch.rand(8, 1, 1)

    def forward(self, features):
        return super().forward(features) * self.scale.to(features[0])


class HiddenAverage(Good):
    """Only training changes it."""

    average = 0.0

    def forward(self, features):
        self.average += 0.5 * self.training
        return super().forward(features) + self.average


class Root(Good):
    """Its gradient at 0 is infinite."""

    def __init__(self, pyramid):
        super().__init__(pyramid)
        self.gain = nn.Parameter(torch.zeros(8, 1, 1))

    def forward(self, features):
        return super().forward(features) * (1 + self.gain.abs().sqrt())


def divided_by_small_number(x):
    return x / (x.new_tensor(1.001) - 1)  # 0 in bfloat16


def refuses_all(pyramid):
    raise PartError(f"needs reduction 3, not {pyramid.reductions[0]}")


def careless(pyramid):
    raise KeyError(pyramid.channels[7])


MAPS = "maps of reductions 2, 4, 8, 16, 32"
BROKEN = [
    (
        "output_shape_fits_the_image",
        refuses_all,
        "it refuses every pyramid: needs reduction 3, not 2; needs reduction 3, not 4; needs",
    ),
    (
        "output_shape_fits_the_image",
        careless,
        f"it cannot be tested with {MAPS}: it fails: IndexError: tuple index out of range",
    ),
    (
        "output_shape_fits_the_image",
        lambda pyramid: Good,
        "it builds a type, not a torch.nn.Module\n  try: return the module itself",
    ),
    (
        "output_shape_fits_the_image",
        changed_output(lambda x: [x, x]),
        "it returns a list\n  try: return one map (B, C, H, W)",
    ),
    (
        "output_shape_fits_the_image",
        changed_output(lambda x: x.mean((2, 3))),
        "it returns [(1, 8)]\n  try: return one map (B, C, H, W)",
    ),
    (
        "output_shape_fits_the_image",
        changed_output(lambda x: x.repeat(1, x.shape[-2], 1, 1)),
        f"{MAPS}: its output channels are 256 at 64x64, 256 at 64x128, 400 at 100x75\n  try: compute the",
    ),
    (
        "output_shape_fits_the_image",
        changed_output(lambda x: x.mT),
        f"{MAPS}: for an image of 64x128 its output is 64x32\n  try: return a map with the aspect ratio",
    ),
    (
        "output_shape_fits_the_image",
        changed_output(lambda x: F.interpolate(x, size=(512, 512))),
        f"{MAPS}: for an image of 64x64 its output is 512x512\n  try: ...not larger than the image",
    ),
    (
        "gradients_reach_every_map_that_it_uses",
        changed_input(lambda features: [torch.ones_like(feature) for feature in features]),
        f"{MAPS}: its output is the same for all inputs\n  try: use the maps",
    ),
    (
        "gradients_reach_every_map_that_it_uses",
        changed_input(lambda features: [features[0].detach(), *features[1:]]),
        f"{MAPS}: map 0 (from 0) changes the output but gets no gradient\n  try: remove detach()",
    ),
    (
        "runs_on_the_meta_device",
        changed_output(lambda x: x * (2 if x.sum().item() > 0 else 1)),
        f"{MAPS}: on inputs of shape (1, 16, 32, 32), ...: it fails: RuntimeError: Tensor.item() cannot be",
    ),
    (
        "runs_on_the_meta_device",
        changed_output(lambda x: x if x.is_meta else F.interpolate(x, scale_factor=2)),
        "it gives [(1, 8, 32, 32)] on the meta device, not [(1, 8, 64, 64)]\n  try: compute shapes",
    ),
    (
        "inputs_stay_unchanged",
        changed_input(lambda features: [feature.relu_() for feature in features]),
        f"{MAPS}: it changes its input\n  try: use no inplace=True",
    ),
    ("inputs_stay_unchanged", Popping, f"{MAPS}: it changes its input list\n  try: copy the list"),
    (
        "training_stays_finite",
        Root,
        f"{MAPS}: with precision 32-true the gradient of gain is not finite\n  try: avoid division by zero",
    ),
    (
        "training_stays_finite",
        changed_output(lambda x: (x / (x - x)).detach()),
        f"{MAPS}: with precision 32-true the loss is not finite\n",
    ),
    (
        "training_stays_finite",
        changed_input(lambda features: [divided_by_small_number(feature) for feature in features]),
        f"{MAPS}: with precision bf16-mixed the gradient of convs.0.weight is not finite\n",
    ),
    (
        "gradients_reach_every_parameter",
        Unused,
        f"{MAPS}: 2 of 14 parameters get no gradient: spare.weight, spare.bias\n  try: build only layers",
    ),
    (
        "gradients_reach_every_parameter",
        changed_output(lambda x: x.detach()),
        "12 of 12 parameters get no gradient: convs.0.weight, convs.0.bias, convs.1.weight\n",
    ),
    (
        "output_has_the_dtype_of_the_weights",
        changed_output(lambda x: x.float()),
        f"{MAPS}: with weights and inputs of torch.float64 its output is torch.float32\n  try: create",
    ),
    (
        "output_has_the_dtype_of_the_weights",
        changed_output(lambda x: x + torch.ones(8, 1, 1)),
        "with weights and inputs of torch.bfloat16 its output is torch.float32\n",
    ),
    (
        "evaluation_is_deterministic",
        changed_output(lambda x: F.dropout(x, 0.5)),
        f"{MAPS}: in eval mode, two outputs for the same input differ\n  try: use nn.Dropout, or F.dropout",
    ),
    (
        "evaluation_is_deterministic",
        GlobalRandomNumbers,
        "in eval mode, two outputs for the same input differ\n",
    ),
    (
        "evaluation_is_deterministic",
        Counting,
        f"{MAPS}: in eval mode it changes calls\n  try: write to buffers only if self.training",
    ),
    (
        "state_dict_restores_the_output",
        HiddenTensor,
        f"{MAPS}: with its state_dict loaded into a new module, the output differs\n  try: use self.register",
    ),
    ("state_dict_restores_the_output", HiddenAverage, "the output differs\n"),
]


@pytest.mark.parametrize(("name", "factory", "message"), BROKEN)
def test_check_catches_a_broken_decoder(name, factory, message):
    assert_caught("decoder", name, factory, message)


def test_every_check_catches_something():
    assert_complete("decoder", BROKEN)


def test_stage_that_no_encoder_has_is_caught():
    message = "it refuses every pyramid: model.encoder.features: [7] are not"
    assert_caught("decoder", "output_shape_fits_the_image", good, message, traits={"features": [7]})


def test_encoders_and_decoders_share_checks():
    for contract in (encoders.CHECKS, decoders.CHECKS):
        assert contract[2:] == MODULE_CHECKS


def test_decoder_that_fails_at_every_size_has_the_same_problem_in_every_check():
    factory = changed_input(lambda features: [features[0] + features[1]])
    checks = checks_of("decoder", factory)
    [problem] = {checks[function.__name__].outcome().problem for function in decoders.CHECKS}
    assert problem.problem.startswith(f"it cannot be tested with {MAPS}: on inputs of shape (1, ")
    assert ": it fails: RuntimeError: The size of tensor a (" in problem.problem


def test_checks_of_two_decoders_do_not_mix():
    first, second = (checks_of("decoder", factory) for factory in (good, changed_output(lambda x: x.mT)))
    for _ in range(2):
        first["output_shape_fits_the_image"]()
        assert not second["output_shape_fits_the_image"].outcome().passed


class Moody(Good):
    """Fails with some of its options."""

    def __init__(
        self,
        pyramid,
        *,
        mode: Literal["calm", "picky", "wild"] = "calm",
        deep: bool = False,
        width: Annotated[int, Field(ge=2, le=65536)] = 8,
        rate: Annotated[float, Field(gt=0, le=1)] = 0.5,
        fails: str = "",
    ):
        super().__init__(pyramid)
        if mode == "picky":
            raise PartError("not with these maps")
        self.failing = fails in (f"mode {mode}", f"deep {deep}", f"width {width}", f"rate {rate:g}")

    def forward(self, features):
        if self.failing:
            return features["wild"]
        return super().forward(features)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fails", "told"),
    [
        ("mode wild", 'with mode: "wild": '),
        ("deep True", "with deep: true: "),
        ("width 2", "with width: 2: "),
        ("width 65536", "with width: 65536: "),
        ("rate 0.001", "with rate: 0.001: "),
        ("rate 1", "with rate: 1: "),
    ],
)
def test_every_value_of_an_option_is_tried(fails, told):
    checks = checks_of("decoder", Moody, fails=fails)
    assert checks["output_shape_fits_the_image"].outcome().passed
    problem = checks["every_value_of_its_options_works"].outcome().problem
    assert problem.problem.startswith(f"{told}it cannot be tested with {MAPS}: on inputs of shape ")
    assert problem.problem.endswith(": it fails: TypeError: list indices must be integers or slices, not str")
    assert problem.where.startswith(f"{__file__}:")


def test_options_that_only_training_shows_to_fail_are_tried():
    class Torn(Good):
        def __init__(self, pyramid, *, torn: bool = False):
            super().__init__(pyramid)
            self.torn = torn

        def forward(self, features):
            x = super().forward(features)
            return x.sigmoid().add_(1) if self.torn else x

    outcome = checks_of("decoder", Torn)["every_value_of_its_options_works"].outcome()
    assert outcome.problem.problem.startswith("with torn: true: ")
    assert "modified by an inplace operation" in outcome.problem.problem


@pytest.mark.slow
def test_values_that_a_decoder_refuses_are_fine():
    assert_passes("decoder", Moody)
