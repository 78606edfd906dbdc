"""In which precision a network trains: bf16 where a step takes less time so, else fp32.

What a processor is said to have does not tell. Against fp32 a step of `train.py complete` in bf16 takes 15 times as long on an EPYC 7003,
which emulates it, and 1.65 times on a Xeon that has AVX512-BF16 but no AMX.
"""

from __future__ import annotations

import functools
import time

import torch
from torch import nn


def autocast(device: torch.device) -> torch.autocast:
    """The context that a forward pass runs in."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu" or bfloat16_pays())


@functools.cache
def bfloat16_pays() -> bool:
    """Whether this CPU is faster in bf16, by half a second's trial."""
    seconds(True), seconds(False)  # the first pass of each prepares its kernels
    trials = [(seconds(True), seconds(False)) for _ in range(5)]
    return min(half for half, _ in trials) < min(full for _, full in trials)


def seconds(half: bool) -> float:
    """Of one convolution like the completer's widest, forward and back, on the CPU; in bf16 or in fp32."""
    layer = nn.Conv2d(192, 192, 3, padding=1).to(memory_format=torch.channels_last)
    x = torch.ones(8, 192, 16, 16).to(memory_format=torch.channels_last)
    started = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        loss = layer(x).float().square().mean()
    loss.backward()
    return time.perf_counter() - started
