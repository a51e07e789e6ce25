"""Every point that encoders and decoders share catches a decoder that breaks it, and says what to change."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segkit.testing import ContractError, decoders
from segkit.testing import module_points as shared
from tests.testing.modules import Good, before, decoder_tried, then

POINTS = {point.__name__: point for point in decoders.CHECKS}
MAPS = "maps of test_resnet, of reductions 2, 4, 8, 16, 32"


def scaled_by_numbers(x):
    return x * (2 if x.sum().item() > 0 else 1)


def larger_with_numbers(x):
    return x if x.is_meta else F.interpolate(x, scale_factor=2)


class Popping(Good):
    def forward(self, features):
        taken = list(features)
        features.pop()
        return super().forward(taken)


class Unused(Good):
    def __init__(self, pyramid):
        super().__init__(pyramid)
        self.spare = nn.Conv2d(8, 8, 1)


class Half(Good):
    """One of its layers is multiplied away."""

    def forward(self, features):
        return super().forward([features[0] * 0, *features[1:]])


class Dropping(Good):
    def forward(self, features):
        return F.dropout(super().forward(features), 0.5)


class DrawingElsewhere(Good):
    def forward(self, features):
        return super().forward(features) * random.random() * np.random.rand()


class Counting(Good):
    def __init__(self, pyramid):
        super().__init__(pyramid)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, features):
        self.calls += 1
        return super().forward(features)


class GrowingState(Good):
    def forward(self, features):
        self.register_buffer("seen", features[0].mean().detach())
        return super().forward(features)


class HiddenTensor(Good):
    def __init__(self, pyramid):
        super().__init__(pyramid)
        self.scale = torch.rand(8, 1, 1)

    def forward(self, features):
        return super().forward(features) * self.scale.to(features[0])


class HiddenAverage(Good):
    """Not random at the start, but moved by training."""

    average = 0.0

    def forward(self, features):
        x = super().forward(features)
        if self.training:
            self.average = 0.5 * self.average + 0.5
        return x + self.average


class Root(Good):
    """Finite, but its slope at 0 is not."""

    def __init__(self, pyramid):
        super().__init__(pyramid)
        self.gain = nn.Parameter(torch.zeros(8, 1, 1))

    def forward(self, features):
        return super().forward(features) * (1 + self.gain.abs().sqrt())


def coarse_number(x):
    """0.001 more than 1 is 1 in bfloat16."""
    return x / (x.new_tensor(1.001) - 1)


class WithoutGradient(Good):
    """Nothing of it learns."""

    def forward(self, features):
        return coarse_number(super().forward(features)).detach()


class GrowingInEval(Good):
    def forward(self, features):
        if not self.training:
            self.register_buffer("seen", features[0].mean().detach())
        return super().forward(features)


BROKEN = {
    "item": (
        shared.it_runs_on_the_meta_device,
        then(scaled_by_numbers),
        rf"tests/testing/modules\.py:\d+: {MAPS}: on the maps of test_resnet, \(1, .*\): "
        r"it fails: RuntimeError: Tensor\.item\(\) cannot be called on meta",
    ),
    "other shapes": (
        shared.it_runs_on_the_meta_device,
        then(larger_with_numbers),
        rf"{MAPS}: for images of 64x64 it gives \[\(1, 8, 32, 32\)\] on the meta device, and "
        r"\[\(1, 8, 64, 64\)\] elsewhere"
        r"\n  try: shapes that follow from shapes alone",
    ),
    "in place": (
        shared.inputs_stay_unchanged,
        before(lambda features: [feature.relu_() for feature in features]),
        rf"{MAPS}: it changes what comes in\n  try: a first layer without inplace=True",
    ),
    "pop": (
        shared.inputs_stay_unchanged,
        Popping,
        rf"{MAPS}: it changes the list that comes in\n  try: .* no pop\(\) from the list",
    ),
    "division by zero": (
        shared.training_stays_finite,
        then(lambda x: x / (x - x)),
        rf"{MAPS}: in training the gradient of convs\.0\.weight is not finite"
        r"\n  try: look for a division by zero, or its root or logarithm",
    ),
    "root of zero": (
        shared.training_stays_finite,
        Root,
        rf"{MAPS}: in training the gradient of gain is not finite\n",
    ),
    "unused layer": (
        shared.gradients_reach_every_parameter,
        Unused,
        rf"{MAPS}: 2 of 14 parameters get no gradient: spare\.weight, spare\.bias"
        r"\n  try: build only layers that forward uses; no detach\(\) and no torch\.no_grad\(\) on the way",
    ),
    "multiplied away": (
        shared.gradients_reach_every_parameter,
        Half,
        rf"{MAPS}: 1 of 12 parameters get no gradient: convs\.0\.weight\n",
    ),
    "detached": (
        shared.gradients_reach_every_parameter,
        then(lambda x: x.detach()),
        rf"{MAPS}: 12 of 12 parameters get no gradient: convs\.0\.weight, convs\.0\.bias, convs\.1\.weight\n",
    ),
    "too fine for bf16": (
        shared.mixed_precision_stays_finite,
        before(lambda features: [coarse_number(feature) for feature in features]),
        rf"{MAPS}: in bf16-mixed the gradient of convs\.0\.weight is not finite\n  try: look for",
    ),
    "infinite in bf16": (
        shared.mixed_precision_stays_finite,
        WithoutGradient,
        rf"{MAPS}: in bf16-mixed the loss is (inf|nan)\n",
    ),
    "float32 at the end": (
        shared.outputs_have_the_dtype_of_the_weights,
        then(lambda x: x.float()),
        rf"{MAPS}: with weights and input of torch\.float64 its output is torch\.float32"
        r"\n  try: x\.new_zeros\(\.\.\.\) or dtype=x\.dtype for new tensors; no \.float\(\) at the end",
    ),
    "float32 inside": (
        shared.outputs_have_the_dtype_of_the_weights,
        then(lambda x: x + torch.ones(8, 1, 1)),
        rf"{MAPS}: with weights and input of torch\.bfloat16 its output is torch\.float32\n",
    ),
    "dropout": (
        shared.evaluation_is_deterministic,
        Dropping,
        rf"{MAPS}: in eval mode, two outputs for the same input differ"
        r"\n  try: dropout as a module, or F\.dropout\(x, p, self\.training\)",
    ),
    "numbers from elsewhere": (
        shared.evaluation_is_deterministic,
        DrawingElsewhere,
        r"in eval mode, two outputs for the same input differ",
    ),
    "counter": (
        shared.evaluation_changes_no_state,
        Counting,
        rf"{MAPS}: in eval mode it changes calls\n  try: write to buffers only if self\.training",
    ),
    "new state": (
        shared.evaluation_changes_no_state,
        GrowingInEval,
        rf"{MAPS}: in eval mode it changes seen\n",
    ),
    "hidden tensor": (
        shared.a_loaded_state_dict_gives_the_same_output,
        HiddenTensor,
        rf"{MAPS}: with its state_dict loaded into a new one, the output differs"
        r"\n  try: self\.register_buffer\(\.\.\.\) for tensors that are no parameters",
    ),
    "hidden average": (
        shared.a_loaded_state_dict_gives_the_same_output,
        HiddenAverage,
        r"with its state_dict loaded into a new one, the output differs",
    ),
    "state of another form": (
        shared.a_loaded_state_dict_gives_the_same_output,
        GrowingState,
        rf"{MAPS}: it fails: RuntimeError: Error\(s\) in loading state_dict for GrowingState",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_point_catches_a_broken_module(name):
    point, factory, message = BROKEN[name]
    with pytest.raises(ContractError, match=message):
        decoder_tried(POINTS[point.__name__], factory)


def test_every_shared_point_has_a_module_that_breaks_it():
    assert {point for point, *_ in BROKEN.values()} == {*shared.MODULE_POINTS}


def test_checks_leave_random_states_as_they_were():
    torch.manual_seed(5)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    for point in decoders.CHECKS:
        decoder_tried(point, lambda pyramid: nn.Sequential(Good(pyramid), nn.Dropout(0.1)))
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_dead_units_by_chance_are_no_fault():
    """One hidden unit behind a ReLU is dead under every other start."""

    class Narrow(Good):
        def __init__(self, pyramid):
            super().__init__(pyramid)
            self.weigh = nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 1, 1), nn.ReLU(), nn.Conv2d(1, 8, 1)
            )

        def forward(self, features):
            x = super().forward(features)
            return x * self.weigh(x - x.mean())

    decoder_tried(POINTS["gradients_reach_every_parameter"], Narrow)
