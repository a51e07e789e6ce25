"""What is asked of encoders and decoders alike."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from segkit.testing._modules import (
    REFUSALS,
    Case,
    Shapes,
    Size,
    apart,
    distance_from_noise,
    evaluated,
    not_finite,
    shapes,
    train,
)
from segkit.testing.check import ContractError, require

_ROUNDING = 1e-3  # as a share of the largest value; float32 rounds at some 1e-6


def it_runs_without_numbers(case: Case) -> None:
    """Before a run, segkit finds shapes on torch's meta device, where tensors hold no numbers."""
    with torch.device("meta"), torch.inference_mode():
        module = case.build()
    for size, wanted in case.taken.items():
        found = _without_numbers(case, module.eval(), size, images=1)
        require(
            found == wanted,
            f"{case.label}, {size[0]}x{size[1]}: it gives {found} on the meta device, {wanted} with numbers",
            "shapes that follow from shapes alone",
        )
    _without_numbers(case, module.train(), next(iter(case.taken)), images=2)
    for height, width in case.refused:
        try:
            _without_numbers(case, module.eval(), (height, width), images=1)
        except REFUSALS:
            continue
        require(
            False,
            f"{case.label}, {height}x{width}: it works on the meta device and fails with numbers",
            "refuse a size by its shapes alone, so that `segkit check` sees it",
        )


def what_comes_in_is_left_as_it_came(case: Case) -> None:
    """Others read the same tensors: one that is written to is another one for them."""
    for training in (True, False):
        module = case.build().train(training)
        tensors = case.images()
        handed, before = list(tensors), [tensor.clone() for tensor in tensors]
        with torch.no_grad():
            case.call(module, handed)
        same_list = [*map(id, handed)] == [*map(id, tensors)]
        require(
            same_list and all(map(torch.equal, tensors, before)),
            f"{case.label}: it changes " + ("what comes in" if same_list else "the list that comes in"),
            "a first layer without inplace=True; no += on what comes in, no pop() from the list",
        )


def training_stays_finite(case: Case) -> None:
    """A loss or a weight that is not finite ends a run."""
    done = case.training
    for step, (loss, wrong) in enumerate(zip(done.losses, done.wrong, strict=True), start=1):
        require(
            abs(loss) < float("inf") and not wrong,
            f"{case.label}: in step {step} of training the loss is {loss:g}"
            + (f", and the gradient of {wrong[0]} is not finite" if wrong else ""),
            "look for a division by zero, or for a root or logarithm of it",
        )
    wrong = not_finite(done.module.state_dict())
    require(not wrong, f"{case.label}: after three steps of training {', '.join(wrong[:3])} is not finite")


def gradients_reach_every_parameter(case: Case) -> None:
    """A parameter without gradient never learns, yet it is counted and stored."""
    reached = set(case.training.reached)
    learning = [name for name, value in case.training.module.named_parameters() if value.requires_grad]
    for _ in range(8):  # a ReLU over few units may be dead by chance; under another start it is not
        lost = [name for name in learning if name not in reached]
        if not lost:
            return
        reached |= train(case, case.images(), steps=3).reached
    require(
        False,
        f"{case.label}: {len(lost)} of {len(learning)} parameters get no gradient: {', '.join(lost[:3])}",
        "build only layers that forward uses; no detach() and no torch.no_grad() on the way",
    )


def mixed_precision_stays_finite(case: Case) -> None:
    """bf16-mixed is what runs on a GPU take by themselves."""
    module = case.build().train()
    with torch.autocast("cpu", torch.bfloat16):
        maps = case.call(module, [tensor.to(case.mixed) for tensor in case.images()])
    loss = distance_from_noise(maps)
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    wrong = not_finite(
        {name: value.grad for name, value in module.named_parameters() if value.grad is not None}
    )
    require(
        bool(loss.isfinite()) and not wrong,
        f"{case.label}: in bf16-mixed "
        + (f"the gradient of {wrong[0]} is not finite" if wrong else f"the loss is {loss.item():g}"),
        "compute what needs float32 in it: torch.autocast(x.device.type, enabled=False) and x.float()",
    )


def it_computes_in_the_type_of_its_weights(case: Case) -> None:
    """With training.precision 64-true or bf16-true, all that it meets is of that type."""
    module = case.build()
    wanted = evaluated(case, module, case.images())
    for dtype in (torch.float64, torch.bfloat16):
        found = evaluated(case, module.to(dtype), [tensor.to(dtype) for tensor in case.images()])
        for one in found:
            require(
                one.dtype == dtype,
                f"{case.label}: with weights and input of {dtype} its output is {one.dtype}",
                "x.new_zeros(...) or dtype=x.dtype for new tensors; no .float() at the end",
            )
        if dtype == torch.float64:
            _require_alike(case, wanted, [one.float() for one in found], f"in {dtype} its output", "")


def memory_order_changes_nothing(case: Case) -> None:
    """Weights and images lie channels-last in a run, unless its recipe says otherwise."""
    module = case.build()
    wanted = evaluated(case, module, case.images())
    order = torch.channels_last
    module.to(memory_format=order)
    found = evaluated(case, module, [tensor.contiguous(memory_format=order) for tensor in case.images()])
    told = "with weights and input in torch.channels_last its output"
    _require_alike(case, wanted, found, told, "reshape() and permute() where as_strided() reads memory")


def evaluation_is_deterministic(case: Case) -> None:
    """A score can be repeated; no dropout and no other randomness is active."""
    module = case.training.module
    maps, others = (evaluated(case, module, case.images()) for _ in range(2))
    told = "in eval mode, for the same input, its output"
    _require_alike(case, maps, others, told, "dropout as a module, or F.dropout(x, p, self.training)")


def evaluation_changes_no_state(case: Case) -> None:
    """A frozen encoder stays what it is because it is in eval mode; scoring leaves no trace in a model."""
    module = case.training.module.eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for learning in (False, True):
        with torch.set_grad_enabled(learning):
            case.call(module, case.images())
    after = module.state_dict()
    moved = [name for name in {**before, **after} if not _same(before.get(name), after.get(name))]
    require(
        not moved,
        f"{case.label}: in eval mode it changes {', '.join(moved[:3])}",
        "write to buffers only if self.training",
    )


def an_image_gives_the_same_alone_and_in_a_batch(case: Case) -> None:
    """A score is that of an image, whatever the batch size."""
    module = case.training.module
    tensors = case.images(3)
    together = evaluated(case, module, tensors)
    alone = [evaluated(case, module, [tensor[i : i + 1] for tensor in tensors]) for i in range(3)]
    joined = [torch.cat(maps) for maps in zip(*alone, strict=True)]
    told = "in eval mode, for an image alone and in a batch of 3, its output"
    _require_alike(case, together, joined, told, "no mean, norm or attention over the batch in eval mode")


def saved_weights_give_the_same(case: Case) -> None:
    """A checkpoint holds parameters and buffers: all that the output depends on is among them."""
    module = case.training.module
    other = case.build()
    other.load_state_dict(module.state_dict())
    maps, others = (evaluated(case, one, case.images()) for one in (module, other))
    told = "with its state_dict loaded into a new one, the output"
    _require_alike(case, maps, others, told, "self.register_buffer(...) for tensors that are no parameters")


def a_copy_stands_alone(case: Case) -> None:
    """training.ema_decay averages weights in a copy of the model."""
    module = case.build()
    copy = deepcopy(module)
    wanted = evaluated(case, module, case.images())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    hint = "no hook or function that holds on to self or to a layer"
    try:
        found = evaluated(case, copy, case.images())
    except ContractError as error:
        told = f"{case.label}: a copy.deepcopy() of it fails: {error.problems[0].problem}"
        raise ContractError(told, hint=hint) from error
    _require_alike(case, wanted, found, "the output of a copy.deepcopy() of it", hint)


def _without_numbers(case: Case, module: nn.Module, size: Size, *, images: int) -> Shapes:
    tensors = [tensor.to("meta") for tensor in case.feed(images, size)]
    with torch.device("meta"), torch.inference_mode():
        return shapes(case.call(module, tensors))


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    return one is not None and other is not None and torch.equal(one, other)


def _require_alike(case: Case, maps: list[Tensor], others: list[Tensor], told: str, hint: str) -> None:
    gap = apart(maps, others)
    sizes = (shapes(maps), shapes(others))
    how = f"differs by {gap:.2g} of its size" if sizes[0] == sizes[1] else f"is {sizes[0]} and {sizes[1]}"
    require(gap <= _ROUNDING, f"{case.label}: {told} {how}", hint)


MODULE_POINTS: tuple[Callable[[Case], None], ...] = (
    it_runs_without_numbers,
    what_comes_in_is_left_as_it_came,
    training_stays_finite,
    gradients_reach_every_parameter,
    mixed_precision_stays_finite,
    it_computes_in_the_type_of_its_weights,
    memory_order_changes_nothing,
    evaluation_is_deterministic,
    evaluation_changes_no_state,
    an_image_gives_the_same_alone_and_in_a_batch,
    saved_weights_give_the_same,
    a_copy_stands_alone,
)
