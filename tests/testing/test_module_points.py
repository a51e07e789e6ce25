"""Every point that encoders and decoders share catches a decoder that breaks it, and says what to change."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segkit.testing import ContractError, decoders
from segkit.testing import _module_points as shared
from segkit.testing._places import places_stay_where_they_are
from tests.testing.modules import Good, before, decoder_tried, then

POINTS = {point.__name__: point for point in decoders.CHECKS}
MAPS = "maps of reductions 2, 4, 8, 16, 32"


def scaled_by_numbers(x):
    return x * (2 if x.sum().item() > 0 else 1)


def larger_with_numbers(x):
    return x if x.is_meta else F.interpolate(x, scale_factor=2)


def refused_with_numbers(x):
    if not x.is_meta and x.shape[-1] == 38:
        raise ValueError("38 cells")
    return x


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


class BatchStatistics(Good):
    def __init__(self, pyramid):
        super().__init__(pyramid)
        self.norm = nn.BatchNorm2d(8, track_running_stats=False)


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


class HeldLayer(Good):
    """A function of a copy still means the layer of the original."""

    def __init__(self, pyramid):
        super().__init__(pyramid)
        extra = nn.Conv2d(8, 8, 1)
        self.extra = extra
        self.last = lambda x: extra(x)

    def forward(self, features):
        return self.last(super().forward(features))


class Root(Good):
    """Finite, but its slope at 0 is not."""

    def __init__(self, pyramid):
        super().__init__(pyramid)
        self.gain = nn.Parameter(torch.zeros(8, 1, 1))

    def forward(self, features):
        return super().forward(features) * (1 + self.gain.abs().sqrt())


class InfiniteBuffer(Good):
    def __init__(self, pyramid):
        super().__init__(pyramid)
        self.register_buffer("least", torch.tensor(float("inf")))


def coarse_number(x):
    """0.001 more than 1 is 1 in bfloat16."""
    return x / (x.new_tensor(1.001) - 1)


def read_in_order(x):
    return x.as_strided(x.shape, torch.empty(x.shape, device="meta").stride())


def tokens_taken_for_channels(x):
    return x.flatten(2).transpose(1, 2).reshape(x.shape)


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
        shared.it_runs_without_numbers,
        then(scaled_by_numbers),
        r"tests/testing/modules\.py:\d+: on the maps of test_resnet for an image of 64x64, \(1, .*\): "
        r"it fails: RuntimeError: Tensor\.item\(\) cannot be called on meta",
    ),
    "other shapes": (
        shared.it_runs_without_numbers,
        then(larger_with_numbers),
        rf"{MAPS}, 64x64: it gives \[\(1, 8, 32, 32\)\] on the meta device, \[\(1, 8, 64, 64\)\] with numbers"
        r"\n  try: shapes that follow from shapes alone",
    ),
    "other sizes": (
        shared.it_runs_without_numbers,
        then(refused_with_numbers),
        rf"{MAPS}, 100x75: it works on the meta device and fails with numbers"
        r"\n  try: refuse a size by its shapes alone, so that `segkit check` sees it",
    ),
    "in place": (
        shared.what_comes_in_is_left_as_it_came,
        before(lambda features: [feature.relu_() for feature in features]),
        rf"{MAPS}: it changes what comes in\n  try: a first layer without inplace=True",
    ),
    "pop": (
        shared.what_comes_in_is_left_as_it_came,
        Popping,
        rf"{MAPS}: it changes the list that comes in\n  try: .* no pop\(\) from the list",
    ),
    "division by zero": (
        shared.training_stays_finite,
        then(lambda x: x / (x - x)),
        rf"{MAPS}: in step 1 of training the loss is nan, and the gradient of convs\.0\.weight is not finite"
        r"\n  try: look for a division by zero, or for a root or logarithm of it",
    ),
    "root of zero": (
        shared.training_stays_finite,
        Root,
        rf"{MAPS}: in step 1 of training the loss is \d\.\d+, and the gradient of gain is not finite\n",
    ),
    "infinite buffer": (
        shared.training_stays_finite,
        InfiniteBuffer,
        rf"{MAPS}: after three steps of training least is not finite",
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
        rf"{MAPS}: in bf16-mixed the gradient of convs\.0\.weight is not finite\n  try: compute what needs",
    ),
    "infinite in bf16": (
        shared.mixed_precision_stays_finite,
        WithoutGradient,
        rf"{MAPS}: in bf16-mixed the loss is (inf|nan)\n",
    ),
    "float32 at the end": (
        shared.it_computes_in_the_type_of_its_weights,
        then(lambda x: x.float()),
        rf"{MAPS}: with weights and input of torch\.float64 its output is torch\.float32"
        r"\n  try: x\.new_zeros\(\.\.\.\) or dtype=x\.dtype for new tensors; no \.float\(\) at the end",
    ),
    "float32 inside": (
        shared.it_computes_in_the_type_of_its_weights,
        then(lambda x: x + torch.ones(8, 1, 1)),
        rf"{MAPS}: with weights and input of torch\.bfloat16 its output is torch\.float32\n",
    ),
    "other in float64": (
        shared.it_computes_in_the_type_of_its_weights,
        then(lambda x: x + 1e6 * torch.finfo(x.dtype).eps),
        rf"{MAPS}: in torch\.float64 its output differs by 0\.\d+ of its size$",
    ),
    "view": (
        shared.memory_order_changes_nothing,
        then(lambda x: x.view(len(x), -1).view(x.shape)),
        r"it fails: RuntimeError: view size is not compatible with input tensor's size and stride",
    ),
    "strides": (
        shared.memory_order_changes_nothing,
        then(read_in_order),
        rf"{MAPS}: with weights and input in torch\.channels_last its output differs by [\d.]+ of its size"
        r"\n  try: reshape\(\) and permute\(\) where as_strided\(\) reads memory",
    ),
    "dropout": (
        shared.evaluation_is_deterministic,
        Dropping,
        rf"{MAPS}: in eval mode, for the same input, its output differs by \d\S* of its size"
        r"\n  try: dropout as a module, or F\.dropout\(x, p, self\.training\)",
    ),
    "numbers from elsewhere": (
        shared.evaluation_is_deterministic,
        DrawingElsewhere,
        r"for the same input, its output differs by 0\.\d+ of its size",
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
    "statistics of the batch": (
        shared.an_image_gives_the_same_alone_and_in_a_batch,
        BatchStatistics,
        rf"{MAPS}: in eval mode, for an image alone and in a batch of 3, its output differs by 0\.\d+ of its "
        r"size\n  try: no mean, norm or attention over the batch in eval mode",
    ),
    "hidden tensor": (
        shared.saved_weights_give_the_same,
        HiddenTensor,
        rf"{MAPS}: with its state_dict loaded into a new one, the output differs by 0\.\d+ of its size"
        r"\n  try: self\.register_buffer\(\.\.\.\) for tensors that are no parameters",
    ),
    "hidden average": (
        shared.saved_weights_give_the_same,
        HiddenAverage,
        r"with its state_dict loaded into a new one, the output differs by 0\.\d+ of its size",
    ),
    "state of another form": (
        shared.saved_weights_give_the_same,
        GrowingState,
        rf"{MAPS}: it fails: RuntimeError: Error\(s\) in loading state_dict for GrowingState",
    ),
    "held layer": (
        shared.a_copy_stands_alone,
        HeldLayer,
        rf"{MAPS}: the output of a copy\.deepcopy\(\) of it differs by [\d.]+ of its size"
        r"\n  try: no hook or function that holds on to self or to a layer",
    ),
    "mixed up": (
        places_stay_where_they_are,
        then(tokens_taken_for_channels),
        rf"{MAPS}: what changes at the top left changes its map by \S+ there and by \S+ at the \w+ \w+"
        r"\n  try: reshape tokens \(B, h\*w, C\) by transpose\(1, 2\)\.reshape\(B, C, h, w\)",
    ),
    "upside down": (
        places_stay_where_they_are,
        then(lambda x: x.flip(2)),
        r"what changes at the top left changes its map by \S+ there and by \S+ at the bottom left\n",
    ),
    "mirrored along the diagonal": (
        places_stay_where_they_are,
        then(lambda x: F.interpolate(x.mT, size=x.shape[-2:])),
        r"what changes at the top right changes its map by \S+ there and by \S+ at the bottom left\n",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_point_catches_a_broken_module(name):
    point, factory, message = BROKEN[name]
    with pytest.raises(ContractError, match=message):
        decoder_tried(POINTS[point.__name__], factory)


def test_a_decoder_that_sees_all_from_everywhere_keeps_its_places_where_maps_are_large():
    """On the few cells of an encoder of one scale, each of its places hears of all others."""

    def deep(pyramid):
        wide = [nn.Sequential(nn.Conv2d(8, 8, 9, padding=4), nn.BatchNorm2d(8), nn.ReLU()) for _ in range(4)]
        return nn.Sequential(Good(pyramid), *wide)

    decoder_tried(POINTS["places_stay_where_they_are"], deep)


def test_every_shared_point_has_a_module_that_breaks_it():
    assert {point for point, *_ in BROKEN.values()} == {*shared.MODULE_POINTS, places_stay_where_they_are}


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
