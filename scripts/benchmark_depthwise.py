"""Time the gradients of depthwise convolutions in bfloat16 and in float32: shapes of the default model's training step.

Run ``python scripts/benchmark_depthwise.py``. Times are the fastest of five, in milliseconds, on one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

SHAPES = [(96, 144, 192, 3, 2), (144, 72, 96, 5, 2), (240, 36, 48, 5, 1), (672, 18, 24, 5, 1), (1152, 9, 12, 5, 1)]
"""Channels, height, width, kernel, stride; eight pictures each."""


def fastest_ms(compute: Callable[[], object]) -> float:
    """Fastest of five after one to warm up."""
    times = []
    for _ in range(6):
        start = time.perf_counter()
        compute()
        times.append(time.perf_counter() - start)
    return 1000 * min(times[1:])


def gradient(x: Tensor, weight: Tensor, stride: int, of_input: bool) -> float:
    """Milliseconds for the gradient of the input or of the filters."""
    half = weight.shape[-1] // 2
    out = torch.nn.functional.conv2d(x, weight, None, stride, half, 1, x.shape[1])
    mask = [of_input, not of_input, False]
    return fastest_ms(
        lambda: torch.ops.aten.convolution_backward(
            out, x, weight, None, [stride] * 2, [half] * 2, [1, 1], False, [0, 0], x.shape[1], mask
        )
    )


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print("channels x height x width, kernel, stride | input: bfloat16, float32 | filters: bfloat16, float32 (ms)")
    for channels, height, width, kernel, stride in SHAPES:
        cells = []
        for of_input in (True, False):
            for dtype in (torch.bfloat16, torch.float32):
                x = torch.randn(8, channels, height, width).to(dtype).to(memory_format=torch.channels_last)
                weight = torch.randn(channels, 1, kernel, kernel).to(dtype).to(memory_format=torch.channels_last)
                cells.append(f"{gradient(x, weight, stride, of_input):6.1f}")
        print(f"{channels}x{height}x{width}, {kernel}, {stride} | {', '.join(cells[:2])} | {', '.join(cells[2:])}")


if __name__ == "__main__":
    main()
