"""Readable errors for torch failures: out of memory, determinism, compilation."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from segkit.core.errors import TrainingError
from segkit.utils.os_errors import is_out_of_memory

_SMALLER = "a smaller data.size, or training.precision=bf16-mixed"


@contextmanager
def explain_training_errors(images: int, retry: Callable[[int], object] | None) -> Iterator[None]:
    """Translate torch errors of a training step.

    Args:
        images: batch size of this process.
        retry: function that computes a step on that many images and discards it, to find the batch size that
            fits into memory; None where this is not possible.

    Raises:
        TrainingError: if memory runs out, or the model does not support a setting of `training`.
    """
    try:
        yield
    except RuntimeError as error:
        message = " ".join(str(error).splitlines()[:2]) or type(error).__name__
        if _out_of_memory(error):
            problem = f"the device has too little memory for a training step of {images} images"
            hint = (
                _find_batch_size(error, images, retry) if retry else f"a smaller data.batch_size, {_SMALLER}"
            )
        elif "does not have a deterministic implementation" in message:
            operation = message.split(" does not")[0]
            problem = (
                f"training.deterministic: {operation} has no deterministic implementation on this device"
            )
            hint = "training.deterministic=false, or another loss or decoder"
        elif type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            problem = f"training.compile: the model cannot be compiled: {message}"
            hint = "training.compile=false"
        else:
            raise
        raise TrainingError(problem, hint=hint) from error


@contextmanager
def explain_scoring_errors(
    scored: str, smaller: str = "a smaller data.eval_batch_size: it changes no score"
) -> Iterator[None]:
    """Translate errors of torch and NumPy while images are scored.

    Args:
        scored: what is scored, in words.
        smaller: what needs less memory.

    Raises:
        TrainingError: if memory runs out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        raise TrainingError(f"the device has too little memory to score {scored}", hint=smaller) from error


def _out_of_memory(error: RuntimeError | MemoryError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or is_out_of_memory(error)


def _find_batch_size(error: RuntimeError, images: int, retry: Callable[[int], object]) -> str:
    # Tried, as the memory that decoder, loss and library need cannot be computed.
    fewer = images // 2
    while fewer:
        _release_tensors(error)
        try:
            retry(fewer)
        except RuntimeError as next_error:
            if not _out_of_memory(next_error):
                raise
            error, fewer = next_error, fewer // 2
        else:
            return f"data.batch_size={fewer}, which was tried and fits; or {_SMALLER}"
    return f"even one image does not fit: {_SMALLER}, or a smaller model"


def _release_tensors(error: RuntimeError) -> None:
    traceback.clear_frames(error.__traceback__)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
