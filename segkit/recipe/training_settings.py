"""Settings of training: epochs, device, precision and stopping."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from segkit.core.registry import Settings
from segkit.recipe.raise_at import raise_at


class TrainingSettings(Settings):
    """Epochs, device, precision and stopping.

    Args:
        epochs: passes over the training images, unless data.sample.epoch says how many an epoch has.
        accelerator: device type; auto selects cuda, else mps, else cpu.
        devices: processes per machine, one per GPU or any number on a CPU, which share every batch. auto uses
            all GPUs, or one process without a GPU.
        num_nodes: machines; several require torchrun or srun, which start segkit on each.
        precision: numeric precision; auto is bf16-mixed on cuda devices that support it, else 32-true.
        deterministic: whether a GPU gives identical bytes for the same seed; slower.
        channels_last: whether tensors use the channels-last memory format; changes only speed.
        compile: whether to torch.compile the model; changes only speed and rounding.
        clip_grad_norm: maximum norm of all gradients.
        ema_decay: decay of the moving average of the weights (EMA), which is then scored and saved instead of
            the weights themselves.
        select: epoch whose weights are the result: the best one by the first metric on validation images, or
            the last one, so that nothing is chosen on them.
        early_stopping_epochs: epochs without a better score after which training stops.
        checkpoint_seconds: interval of checkpoints within an epoch; null saves only at the end of each epoch.
            Changes no result.
        keep_state: whether a finished run keeps its training state, several times as large as the weights, so
            that `segkit resume` can train it for more epochs. Changes no result.
    """

    epochs: int = Field(20, ge=1, le=100_000)
    accelerator: Literal["auto", "cpu", "cuda", "gpu", "mps"] = "auto"
    devices: Literal["auto"] | Annotated[int, Field(ge=1, le=65536)] = 1
    num_nodes: int = Field(1, ge=1, le=65536)
    precision: Literal["auto", "32-true", "16-mixed", "bf16-mixed", "bf16-true", "64-true"] = "auto"
    deterministic: bool = False
    channels_last: bool = True
    compile: bool = False
    clip_grad_norm: float | None = Field(None, gt=0)
    ema_decay: float | None = Field(None, gt=0, lt=1)
    select: Literal["best", "last"] = "best"
    early_stopping_epochs: int | None = Field(None, ge=1)
    checkpoint_seconds: float | None = Field(300.0, ge=0)
    keep_state: bool = True

    @field_validator("early_stopping_epochs")
    @classmethod
    def _ends_by_score(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("select") == "last":
            hint = "leave it out, or write select: best"
            problem = "early stopping chooses the end by validation scores, which select: last rules out"
            raise_at([(None, problem)], value, info, {None: hint})
        return value

    @model_validator(mode="before")
    @classmethod
    def _without_strategy(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("strategy") in ("auto", "ddp"):  # of earlier versions
            return {key: value for key, value in values.items() if key != "strategy"}
        return values
