"""Batch normalisation over the images of all processes.

torch's SyncBatchNorm supports only GPUs, and is a module, while libraries have modules of their own that call
the function.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def sync_batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`torch.nn.functional.batch_norm` with the statistics of all processes' images in training.

    Shape:
        x: (B of this process, C, ...).
        output: like x.
    """
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    normalised: Tensor = _SyncBatchNorm.apply(x, running_mean, running_var, weight, bias, momentum, eps)
    return normalised


class _SyncBatchNorm(torch.autograd.Function):
    # Exchanges only statistics in the forward pass and sums of gradients in the backward pass.

    @staticmethod
    def forward(
        context: Any,
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        momentum: float,
        eps: float,
    ) -> Tensor:
        mean, variance, count = _statistics(x)
        if running_mean is not None:
            running_mean.mul_(1 - momentum).add_(momentum * mean.to(running_mean.dtype))
        if running_var is not None:
            unbiased = variance * count / (count - 1)
            running_var.mul_(1 - momentum).add_(momentum * unbiased.to(running_var.dtype))
        scale = torch.ones_like(mean) if weight is None else weight.to(mean.dtype)
        shift = None if bias is None else bias.to(mean.dtype)
        context.save_for_backward(x, mean, variance, scale)
        context.count, context.eps = count, eps
        context.dtypes = [None if tensor is None else tensor.dtype for tensor in (weight, bias)]
        return F.batch_norm(x, mean, variance, scale, shift, False, 0.0, eps)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, variance, scale = context.saved_tensors
        # First with constant statistics, as in evaluation mode; then the part through mean and variance.
        grad_x, grad_weight, grad_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, scale, mean, variance, None, None, False, context.eps, [True, True, True]
        )
        sums = torch.stack([grad_bias, grad_weight])
        dist.all_reduce(sums)
        inverse_std = (variance + context.eps).rsqrt()
        through_mean, through_variance = scale * inverse_std * sums / context.count
        axes = (1, -1, *[1] * (x.ndim - 2))
        spread = (x - mean.view(axes)) * (inverse_std * through_variance).view(axes)
        grad_x = (grad_x - spread - through_mean.view(axes)).to(x.dtype)
        grads = [
            None if dtype is None else grad.to(dtype)
            for dtype, grad in zip(context.dtypes, (grad_weight, grad_bias), strict=True)
        ]
        return grad_x, None, None, *grads, None, None


def _statistics(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance per channel over all processes' images, and the number of values per channel."""
    # From each process's mean and variance: differences of sums of squares would lose digits.
    axes = [0, *range(2, x.ndim)]
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    variance, mean = torch.var_mean(wide, axes, correction=0)
    own = torch.cat([mean, variance, mean.new_tensor([x.numel() / x.shape[1]])])
    every = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(every, own)
    table = torch.stack(every)
    counts = table[:, -1:]
    means, variances = table[:, :-1].chunk(2, dim=1)
    count = counts.sum()
    mean = (counts * means).sum(0) / count
    variance = (counts * (variances + (means - mean) ** 2)).sum(0) / count
    return mean, variance, count
