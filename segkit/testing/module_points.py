"""What is asked of encoders and decoders alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from segkit.testing.check import require
from segkit.testing.modules import Case, differ, distance_from_noise, shapes


def it_runs_on_the_meta_device(case: Case) -> None:
    """Before a run, segkit finds shapes on torch's meta device, where tensors hold no numbers."""
    with torch.device("meta"), torch.inference_mode():
        module = case.build().eval()
    for size, wanted in case.taken.items():
        tensors = [tensor.to("meta") for tensor in case.make(1, size)]
        with torch.device("meta"), torch.inference_mode():
            found = shapes(case.call(module, tensors))
        require(
            found == wanted,
            f"for images of {size[0]}x{size[1]} it gives {found} on the meta device, and {wanted} elsewhere",
            "shapes that follow from shapes alone",
        )


def inputs_stay_unchanged(case: Case) -> None:
    """Others read the same tensors."""
    for training in (True, False):
        tensors = case.images()
        handed, before = list(tensors), [tensor.clone() for tensor in tensors]
        with torch.no_grad():
            case.call(case.build().train(training), handed)
        same_list = [*map(id, handed)] == [*map(id, tensors)]
        require(
            same_list and all(map(torch.equal, tensors, before)),
            "it changes " + ("what comes in" if same_list else "the list that comes in"),
            "a first layer without inplace=True; no += on what comes in, no pop() from the list",
        )


def training_stays_finite(case: Case) -> None:
    """A loss or a gradient that is not finite ends a run."""
    loss, gradients = _step(case.build().train(), case, case.images())
    _require_finite("in training", loss, gradients)


def mixed_precision_stays_finite(case: Case) -> None:
    """bf16-mixed is what runs on a GPU take by themselves."""
    with torch.autocast("cpu", torch.bfloat16):
        tensors = [tensor.to(case.mixed) for tensor in case.images()]
        loss, gradients = _step(case.build().train(), case, tensors)
    _require_finite("in bf16-mixed", loss, gradients)


def gradients_reach_every_parameter(case: Case) -> None:
    """A parameter without gradient never learns, yet it is counted and stored."""
    reached: set[str] = set()
    for _ in range(8):  # a ReLU over few units may be dead by chance; under another start it is not
        module = case.build().train()
        learning = {name: value for name, value in module.named_parameters() if value.requires_grad}
        for _ in range(3):  # a branch whose last weight starts at zero has gradients from the second step on
            _, gradients = _step(module, case, case.images())
            # A bias before a normalisation has a gradient of zero by right.
            reached.update(name for name, grad in gradients.items() if grad.ndim < 2 or grad.any())
            for name, gradient in gradients.items():
                learning[name].data.add_(gradient, alpha=-0.01)
        lost = [name for name in learning if name not in reached]
        if not lost:
            return
    require(
        False,
        f"{len(lost)} of {len(learning)} parameters get no gradient: {', '.join(lost[:3])}",
        "build only layers that forward uses; no detach() and no torch.no_grad() on the way",
    )


def outputs_have_the_dtype_of_the_weights(case: Case) -> None:
    """With training.precision 64-true or bf16-true, weights and input are of that type."""
    module = case.build()
    for dtype in (torch.float64, torch.bfloat16):
        tensors = [tensor.to(dtype) for tensor in case.images()]
        for found in case.evaluated(module.to(dtype), tensors):
            require(
                found.dtype == dtype,
                f"with weights and input of {dtype} its output is {found.dtype}",
                "x.new_zeros(...) or dtype=x.dtype for new tensors; no .float() at the end",
            )


def evaluation_is_deterministic(case: Case) -> None:
    """A score can be repeated; no dropout and no other randomness is active in eval mode."""
    module = case.build()
    maps, others = (case.evaluated(module, case.images()) for _ in range(2))
    require(
        not differ(maps, others),
        "in eval mode, two outputs for the same input differ",
        "dropout as a module, or F.dropout(x, p, self.training)",
    )


def evaluation_changes_no_state(case: Case) -> None:
    """A frozen encoder does not change because it is in eval mode."""
    module = case.build().eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    case.evaluated(module, case.images())
    after = module.state_dict()
    changed = [
        name
        for name in {**before, **after}
        if name not in before or name not in after or not torch.equal(before[name], after[name])
    ]
    require(
        not changed,
        f"in eval mode it changes {', '.join(changed[:3])}",
        "write to buffers only if self.training",
    )


def a_loaded_state_dict_gives_the_same_output(case: Case) -> None:
    """A checkpoint holds parameters and buffers, and nothing else that the output could depend on."""
    module, other = case.build(), case.build()
    _step(module.train(), case, case.images())
    other.load_state_dict(module.state_dict())
    maps, others = (case.evaluated(one, case.images()) for one in (module, other))
    require(
        not differ(maps, others),
        "with its state_dict loaded into a new one, the output differs",
        "self.register_buffer(...) for tensors that are no parameters",
    )


def _step(module: nn.Module, case: Case, tensors: list[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss, and the gradient of each parameter that has one."""
    loss = distance_from_noise(case.call(module, tensors))
    module.zero_grad()
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    return loss, {name: value.grad for name, value in module.named_parameters() if value.grad is not None}


def _require_finite(where: str, loss: Tensor, gradients: Mapping[str, Tensor]) -> None:
    wrong = [name for name, gradient in gradients.items() if not gradient.isfinite().all()]
    require(
        bool(loss.isfinite()) and not wrong,
        f"{where} " + (f"the gradient of {wrong[0]} is not finite" if wrong else f"the loss is {loss:g}"),
        "look for a division by zero, or its root or logarithm; compute in float32 what needs it: "
        "torch.autocast(x.device.type, enabled=False) and x.float()",
    )


MODULE_POINTS: tuple[Callable[[Case], None], ...] = (
    it_runs_on_the_meta_device,
    inputs_stay_unchanged,
    training_stays_finite,
    mixed_precision_stays_finite,
    gradients_reach_every_parameter,
    outputs_have_the_dtype_of_the_weights,
    evaluation_is_deterministic,
    evaluation_changes_no_state,
    a_loaded_state_dict_gives_the_same_output,
)
