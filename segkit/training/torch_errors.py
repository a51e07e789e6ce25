"""What torch raises while it computes, in the recipe's words, where these have an answer to it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from segkit.core.errors import TrainingError
from segkit.utils.os_errors import is_out_of_memory

_SMALLER = "a smaller data.size, or training.precision=bf16-mixed"


@contextmanager
def training_explained(images: int, attempt: Callable[[int], object] | None) -> Iterator[None]:
    """Compute a training step.

    Args:
        images: of this process, in the step.
        attempt: computes a step on so many of them and forgets it, to find out what there is memory for;
            None where that cannot be tried.

    Raises:
        TrainingError: if memory runs out, or the model cannot do what the recipe's `training` asks for.
    """
    try:
        yield
    except RuntimeError as error:
        said = _first_lines(error)
        if _no_memory(error):
            problem = f"the device has too little memory for a training step of {images} images"
            hint = _what_fits(error, images, attempt) if attempt else f"a smaller data.batch_size, {_SMALLER}"
        elif "does not have a deterministic implementation" in said:
            operation = said.split(" does not")[0]
            problem = f"training.deterministic: {operation} has no deterministic form on this device"
            hint = "training.deterministic=false, or another loss or decoder"
        elif type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            problem = f"training.compile: the model cannot be compiled: {said}"
            hint = "training.compile=false"
        else:
            raise
        raise TrainingError(problem, hint=hint) from error


@contextmanager
def scoring_explained(images: int) -> Iterator[None]:
    """Score so many images at once.

    Raises:
        TrainingError: if memory runs out.
    """
    try:
        yield
    except RuntimeError as error:
        if not _no_memory(error):
            raise
        raise TrainingError(
            f"the device has too little memory to score {images} images at once",
            hint="a smaller data.eval_batch_size: it changes no score",
        ) from error


def _no_memory(error: RuntimeError) -> bool:
    """Of the accelerator, or of the machine."""
    return isinstance(error, torch.OutOfMemoryError) or is_out_of_memory(error)


def _what_fits(error: RuntimeError, images: int, attempt: Callable[[int], object]) -> str:
    """Try it: no rule knows what decoder, loss and library take."""
    fewer = images // 2
    while fewer:
        _forget(error)
        try:
            attempt(fewer)
        except RuntimeError as another:
            if not _no_memory(another):
                raise
            error, fewer = another, fewer // 2
        else:
            return f"data.batch_size={fewer}, for which there is memory: it was tried; or {_SMALLER}"
    return f"there is not memory enough for one image: {_SMALLER}, or a smaller model"


def _forget(error: RuntimeError) -> None:
    """Let go of the tensors in all that the error came through."""
    traceback.clear_frames(error.__traceback__)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _first_lines(error: RuntimeError) -> str:
    return " ".join(str(error).splitlines()[:2]) or type(error).__name__
