"""Test cases and contract checks shared by encoders and decoders."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segkit.core.errors import ShapeError
from segkit.core.types import Pyramid
from segkit.testing.check import Subject, error_context, require

Size = tuple[int, int]
Shapes = list[tuple[int, ...]]
_Gradients = dict[str, Tensor]

SIZES: tuple[Size, ...] = ((64, 64), (64, 128), (100, 75))  # the last one has odd halves

_REFUSALS = (RuntimeError, ValueError, AssertionError, ShapeError)  # as in the dry run


@dataclass
class ModuleCase:
    """An encoder or decoder and its test inputs.

    Args:
        subject: part under test.
        argument: number of image channels, or pyramid of the maps.
        label: description of the inputs.
        inputs: function of (batch size, image size) that returns input tensors.
        sizes: image sizes to try; sizes that are not in SIZES only until one is accepted.
        device: "cpu", or "meta" for shapes without values.
    """

    subject: Subject
    argument: int | Pyramid
    label: str
    inputs: Callable[[int, Size], list[Tensor]]
    sizes: Iterable[Size]
    device: str = "cpu"
    shapes: dict[Size, Shapes] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        refusal: Exception | None = None
        with error_context(f"it cannot be tested with {self}"):
            module = self.build()
            for size in self.sizes:
                if self.shapes and size not in SIZES:
                    break
                try:
                    self.shapes[size] = shapes_of(self.evaluate(module, self.inputs(1, size)))
                except _REFUSALS as error:
                    refusal = error
            if refusal and not self.shapes:
                raise refusal

    def __str__(self) -> str:
        return self.label

    @property
    def is_encoder(self) -> bool:
        """Whether the part is an encoder, which takes one tensor and returns a list."""
        return self.subject.entry.kind == "encoder"

    def build(self) -> nn.Module:
        """Build the part, without pretrained weights."""
        with self._on_device():
            module = self.subject.build(self.argument, **({"weights": "none"} if self.is_encoder else {}))
        problem = f"it builds a {type(module).__name__}, not a torch.nn.Module"
        require(isinstance(module, nn.Module), problem, "return the module itself")
        return module  # type: ignore[no-any-return]

    def batch(self) -> list[Tensor]:
        """Inputs of two images of the first accepted size."""
        return self.inputs(2, next(iter(self.shapes)))

    def run(self, module: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
        """Output maps, checked to be 4-dimensional."""
        with error_context(f"on inputs of shape {', '.join(map(str, shapes_of(inputs)))}"), self._on_device():
            inputs = [tensor.to(self.device) for tensor in inputs] if self.device == "meta" else inputs
            output = module(inputs[0] if self.is_encoder else inputs)
        maps = output if self.is_encoder else [output]
        listed = isinstance(maps, (list, tuple)) and all(isinstance(feature, Tensor) for feature in maps)
        result = shapes_of(maps) if listed else f"a {type(output).__name__}"
        valid = listed and bool(maps) and all(feature.ndim == 4 for feature in maps)
        form = (
            "a list of maps, finest first, each (B, C, H, W)" if self.is_encoder else "one map (B, C, H, W)"
        )
        valid = valid and {len(feature) for feature in maps} == {len(inputs[0])}
        require(valid, f"it returns {result}", f"return {form}")
        return list(maps)

    def _on_device(self) -> AbstractContextManager[object]:
        return torch.device("meta") if self.device == "meta" else nullcontext()

    def evaluate(self, module: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
        """Output maps in evaluation mode, without gradients."""
        with torch.no_grad():
            return self.run(module.eval(), inputs)


def shapes_of(maps: Iterable[Tensor]) -> Shapes:
    """Shape of each map."""
    return [tuple(feature.shape) for feature in maps]


def backward(maps: list[Tensor]) -> Tensor:
    """Squared distance of all maps from fixed noise, and its gradients where there are any."""
    noise = torch.Generator().manual_seed(2)
    losses = [F.mse_loss(feature.float(), torch.randn(feature.shape, generator=noise)) for feature in maps]
    loss = torch.stack(losses).sum()
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    return loss


def differ(maps: list[Tensor], others: list[Tensor]) -> bool:
    """Whether two outputs differ by more than rounding errors."""
    if shapes_of(maps) != shapes_of(others):
        return True
    largest = max(float(feature.abs().max()) for feature in maps)
    gap = max(float((feature - other).abs().max()) for feature, other in zip(maps, others, strict=True))
    return not gap <= 1e-3 * largest  # float32 rounds at 1e-6; NaN differs


def runs_on_the_meta_device(case: ModuleCase) -> None:
    """Output shapes are computed on torch's meta device, where tensors have no values."""
    with torch.device("meta"), torch.inference_mode():
        module = case.build().eval()
    for size, expected in case.shapes.items():
        inputs = [tensor.to("meta") for tensor in case.inputs(1, size)]
        with torch.device("meta"), torch.inference_mode():
            shapes = shapes_of(case.run(module, inputs))
        problem = f"for images of {size[0]}x{size[1]} it gives {shapes} on the meta device, not {expected}"
        require(shapes == expected, problem, "compute shapes from shapes, not from tensor values")


def inputs_stay_unchanged(case: ModuleCase) -> None:
    """Other layers use the same tensors."""
    for training in (True, False):
        tensors = case.batch()
        inputs, copies = list(tensors), [tensor.clone() for tensor in tensors]
        with torch.no_grad():
            case.run(case.build().train(training), inputs)
        require(len(inputs) == len(copies), "it changes its input list", "copy the list before pop()")
        same = all(map(torch.equal, tensors, copies))
        require(same, "it changes its input", "use no inplace=True and no += on the input")


def training_stays_finite(case: ModuleCase) -> None:
    """A run stops if a loss or gradient is not finite. GPUs train in bf16-mixed by default."""
    for precision, mixed in (("32-true", False), ("bf16-mixed", True)):
        inputs = case.batch()
        if mixed and not case.is_encoder:  # maps of an encoder under autocast
            inputs = [tensor.bfloat16() for tensor in inputs]
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss, gradients = train_step(case.build(), case, inputs)
        invalid = [f"the gradient of {name}" for name, grad in gradients.items() if not grad.isfinite().all()]
        invalid += [] if loss.isfinite() else ["the loss"]
        problem = f"with precision {precision} {', '.join(invalid[:1])} is not finite"
        hint = "avoid division by zero, sqrt(0) and log(0); compute small differences in float32"
        require(not invalid, problem, hint)


def gradients_reach_every_parameter(case: ModuleCase) -> None:
    """A parameter without a gradient never learns."""
    reached: set[str] = set()
    for _ in range(8):  # a narrow ReLU may be dead for one initialisation
        module = case.build()
        parameters = {name: value for name, value in module.named_parameters() if value.requires_grad}
        for _ in range(3):  # behind a layer that starts at zero, gradients arrive one step later
            _, gradients = train_step(module, case, case.batch())
            # The gradient of a bias in front of a normalisation layer is zero.
            reached.update(name for name, grad in gradients.items() if grad.ndim < 2 or grad.any())
            for name, gradient in gradients.items():
                parameters[name].data.add_(gradient, alpha=-0.01)
        missing = [name for name in parameters if name not in reached]
        if not missing:
            return
    problem = f"{len(missing)} of {len(parameters)} parameters get no gradient: {', '.join(missing[:3])}"
    require(False, problem, "build only layers that forward uses; remove detach() and torch.no_grad()")


def output_has_the_dtype_of_the_weights(case: ModuleCase) -> None:
    """With training.precision 64-true or bf16-true, weights and inputs have that dtype."""
    module = case.build()
    for dtype in (torch.float64, torch.bfloat16):
        for feature in case.evaluate(module.to(dtype), [tensor.to(dtype) for tensor in case.batch()]):
            problem = f"with weights and inputs of {dtype} its output is {feature.dtype}"
            hint = "create tensors with x.new_zeros(...) or dtype=x.dtype; remove .float() at the end"
            require(feature.dtype == dtype, problem, hint)


def evaluation_is_deterministic(case: ModuleCase) -> None:
    """In eval mode, dropout is off and buffers stay as they are."""
    module = case.build().eval()
    state = {name: value.clone() for name, value in module.state_dict().items()}
    outputs = [case.evaluate(module, case.batch()) for _ in range(2)]
    after = module.state_dict()
    changed = [name for name in after if name not in state or not torch.equal(state[name], after[name])]
    problem = f"in eval mode it changes {', '.join(changed[:3])}"
    require(not changed, problem, "write to buffers only if self.training")
    problem = "in eval mode, two outputs for the same input differ"
    require(not differ(*outputs), problem, "use nn.Dropout, or F.dropout(x, p, self.training)")


def state_dict_restores_the_output(case: ModuleCase) -> None:
    """A checkpoint stores parameters and buffers only."""
    module, restored = case.build(), case.build()
    train_step(module, case, case.batch())
    restored.load_state_dict(module.state_dict())
    problem = "with its state_dict loaded into a new module, the output differs"
    hint = "use self.register_buffer(...) for tensors that are not parameters"
    outputs = [case.evaluate(each, case.batch()) for each in (module, restored)]
    require(not differ(*outputs), problem, hint)


def use(case: ModuleCase) -> None:
    """Compute a training step."""
    train_step(case.build(), case, case.batch())


def train_step(module: nn.Module, case: ModuleCase, inputs: list[Tensor]) -> tuple[Tensor, _Gradients]:
    """The loss of a training step, and the gradients of all parameters that have one."""
    module.train().zero_grad()
    loss = backward(case.run(module, inputs))
    return loss, {name: value.grad for name, value in module.named_parameters() if value.grad is not None}


MODULE_CHECKS = (
    runs_on_the_meta_device, inputs_stay_unchanged, training_stays_finite, gradients_reach_every_parameter,
    output_has_the_dtype_of_the_weights, evaluation_is_deterministic, state_dict_restores_the_output,
)  # fmt: skip
