"""Convolutions on small feature maps as matrix products.

For few cells and many channels, the CPU's convolutions spend most time on reordering weights and on padding.
Matrix products use channels-last weights without a copy and skip the padding. Used for training on a CPU in
float32; full else uses torch's convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

# Measured on two AVX-512 cores: largest ratio of outputs to weights for which the product is faster.
_MAX_SHARE = {2: 8.0}
_MAX_SHARE_OF_OVERLAPPING = 0.5


class UpConv2d(nn.ConvTranspose2d):
    """A transposed convolution of stride 2 and kernel 2, 3 or 4 that doubles height and width."""

    def __init__(self, incoming: int, outgoing: int, kernel_size: int) -> None:
        padding, output_padding = {2: (0, 0), 3: (1, 1), 4: (1, 0)}[kernel_size]
        super().__init__(
            incoming,
            outgoing,
            kernel_size,
            stride=2,
            padding=padding,
            output_padding=output_padding,
            bias=False,
        )

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, incoming, h, w) -> (B, outgoing, 2h, 2w)."""
        outputs = 4 * x.shape[0] * x.shape[-2] * x.shape[-1] * self.out_channels
        share = _MAX_SHARE.get(self.kernel_size[0], _MAX_SHARE_OF_OVERLAPPING)
        if output_size is None and _as_product(x, self.weight) and outputs <= share * self.weight.numel():
            return _UpConv.apply(x, self.weight)  # type: ignore[no-any-return]
        return super().forward(x, output_size)


class SameConv2d(nn.Conv2d):
    """A convolution of stride 1 and an odd kernel that keeps height and width."""

    def __init__(self, incoming: int, outgoing: int, kernel_size: int) -> None:
        super().__init__(incoming, outgoing, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, incoming, h, w) -> (B, outgoing, h, w)."""
        if _as_product(x, self.weight) and max(x.shape[-2:]) < self.kernel_size[0]:
            return _SameConv.apply(x, self.weight)  # type: ignore[no-any-return]
        return super().forward(x)


def _as_product(x: Tensor, weight: Tensor) -> bool:
    return (
        torch.is_grad_enabled()
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and weight.is_contiguous(memory_format=torch.channels_last)
    )


class _UpConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        batch, _, height, width = x.shape
        outgoing, kernel_size = weight.shape[1], weight.shape[-1]
        tiles = (_rows(x) @ _matrix(weight)).view(batch, height, width, kernel_size, kernel_size, outgoing)
        if kernel_size == 2:  # tiles do not overlap
            whole = tiles.transpose(2, 3).reshape(batch, 2 * height, 2 * width, outgoing)
            return whole.permute(0, 3, 1, 2)
        whole = _overlapped(tiles, step=2)[:, 1 : 1 + 2 * height, 1 : 1 + 2 * width]
        return whole.contiguous().permute(0, 3, 1, 2)  # channels-last in memory

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor]:
        x, weight = ctx.saved_tensors
        kernel_size = weight.shape[-1]
        tiles = _tiles(gradient, kernel_size, step=2, padding=int(kernel_size > 2))
        of_x = _cells(tiles @ _matrix(weight).t(), x) if ctx.needs_input_grad[0] else None
        return of_x, _weights(_rows(x).t() @ tiles, weight)


class _SameConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        cells = x.permute(0, 2, 3, 1)
        sums = cells.new_zeros(*cells.shape[:3], len(weight))
        for tap, (to, at) in _taps(x, weight):
            covered_cells = cells[at]
            sums[to] += (covered_cells.reshape(-1, x.shape[1]) @ weight[tap].t()).view(
                *covered_cells.shape[:3], -1
            )
        return sums.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        cells, gradient = x.permute(0, 2, 3, 1), gradient.permute(0, 2, 3, 1)
        of_cells = torch.zeros_like(cells)
        covered = min(x.shape[-2:]) > weight.shape[-1] // 2  # every kernel position is used
        of_weight = torch.empty_like(weight) if covered else torch.zeros_like(weight)
        for tap, (to, at) in _taps(x, weight):
            rows, covered_cells = gradient[to].reshape(-1, len(weight)), cells[at]
            of_cells[at] += (rows @ weight[tap]).view(covered_cells.shape)
            torch.mm(rows.t(), covered_cells.reshape(-1, x.shape[1]), out=of_weight[tap])
        return of_cells.permute(0, 3, 1, 2), of_weight


def _taps(x: Tensor, weight: Tensor) -> Iterator[tuple[Any, tuple[Any, Any]]]:
    """For each kernel position the indices of its weights, its output cells and its input cells."""
    kernel_size = weight.shape[-1]

    def sides(length: int, position: int) -> tuple[slice, slice]:
        shift = position - kernel_size // 2
        return slice(max(0, -shift), length - max(0, shift)), slice(max(0, shift), length - max(0, -shift))

    for row, column in product(range(kernel_size), repeat=2):
        (to_row, at_row), (to_column, at_column) = sides(x.shape[-2], row), sides(x.shape[-1], column)
        if to_row.start < to_row.stop and to_column.start < to_column.stop:
            full = slice(None)
            tap = (full, full, row, column)
            yield tap, ((full, to_row, to_column), (full, at_row, at_column))


def _matrix(weight: Tensor) -> Tensor:
    """(A, B, k, k), channels-last in memory -> (A, k * k * B), the same memory."""
    return weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1)


def _weights(matrix: Tensor, like: Tensor) -> Tensor:
    """(A, k * k * B) -> (A, B, k, k), channels-last in memory."""
    kernel_size = like.shape[-1]
    return matrix.view(like.shape[0], kernel_size, kernel_size, like.shape[1]).permute(0, 3, 1, 2)


def _rows(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B * h * w, C)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _cells(rows: Tensor, like: Tensor) -> Tensor:
    """(B * h * w, C) -> (B, C, h, w), channels-last in memory."""
    batch, _, height, width = like.shape
    return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)


def _tiles(x: Tensor, kernel_size: int, *, step: int, padding: int) -> Tensor:
    """Input of the kernel at each position: (B, C, H, W) -> (B * h * w, k * k * C)."""
    whole = F.pad(x.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding)).contiguous()
    tiles = whole.unfold(1, kernel_size, step).unfold(2, kernel_size, step)  # B h w C k k
    return tiles.permute(0, 1, 2, 4, 5, 3).reshape(tiles.shape[0] * tiles.shape[1] * tiles.shape[2], -1)


def _overlapped(tiles: Tensor, *, step: int) -> Tensor:
    """Sum of overlapping tiles: (B, h, w, k, k, C) -> (B, H, W, C)."""
    batch, height, width, kernel_size, _, channels = tiles.shape
    out_height, out_width = (step * (side - 1) + kernel_size for side in (height, width))
    whole = tiles.new_zeros(batch, out_height, out_width, channels)
    for row, column in product(range(kernel_size), repeat=2):
        rows, columns = slice(row, row + step * height, step), slice(column, column + step * width, step)
        whole[:, rows, columns] += tiles[:, :, :, row, column]
    return whole
