"""Convolutions that compute in 8 bits at inference: in a third of the time that fp32 takes on a processor with VNNI.

`quantise(network, part, images)` replaces a part's wide convolutions by `Int8Conv`; `export.py` writes them as QuantizeLinear,
DequantizeLinear and Conv, which ONNX Runtime fuses to QLinearConv (onnxruntime.ai, "Quantize ONNX models", QDQ format).
Residual sums stay fp32, so that nothing is lost on the way down.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

NARROWEST = 64  # channels in and out; narrower ones stay as they are: some draw texture
WEIGHT_STEPS = 64  # two products of at most 255 x 64 fit into the 16 bits of processors without VNNI, which would clip silently
CODES = 255  # an activation is one of 0..255
SAMPLES = 4096  # values of every layer and image that the range is chosen by


class Range:
    """Which real numbers the 256 codes of an activation stand for: chosen so that the values seen are rounded with the least square error."""

    def __init__(self):
        self.values: list[Tensor] = []
        self.generator = torch.Generator().manual_seed(1)
        self.low = self.high = 0.0
        self.scale, self.zero = 1.0, 0

    def see(self, x: Tensor) -> None:
        flat = x.detach().flatten()
        self.values.append(flat[torch.randint(flat.numel(), (SAMPLES,), generator=self.generator)])  # not every n-th: columns differ
        self.low, self.high = min(self.low, flat.min().item()), max(self.high, flat.max().item())

    def choose(self) -> None:
        values, best = torch.cat(self.values), float("inf")
        for share in torch.linspace(0.6, 1, 21).tolist():  # of the extremes; what lies beyond is clipped, and clipping more blurs
            scale = max((self.high - self.low) * share / CODES, 1e-8)
            zero = min(CODES, max(0, round(-self.low * share / scale)))
            error = (torch.fake_quantize_per_tensor_affine(values, scale, zero, 0, CODES) - values).square().mean().item()
            if error < best:
                best, self.scale, self.zero = error, scale, zero
        self.values.clear()

    def value(self, codes: Tensor) -> Tensor:
        return (codes.float() - self.zero) * self.scale

    def apart(self, x: Tensor, codes: Tensor) -> float:
        """How far the farthest value lies from the numbers that are rounded to its code; 0 when every code is right."""
        low = torch.where(codes > 0, self.value(codes.float() - 0.5), -torch.inf)
        high = torch.where(codes < CODES, self.value(codes.float() + 0.5), torch.inf)
        return torch.maximum(low - x, x - high).clamp_min(0).max().item()

    def round(self, x: Tensor) -> Tensor:
        return torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero, 0, CODES)


class Int8Conv(nn.Conv2d):
    """A convolution as 8-bit integers compute it, in fp32 arithmetic. [N, I, H, W] -> [N, O, h, w]. Observes until `freeze`.

    told: the codes of another runtime, entering and leaving. The convolution goes on from those and notes in `apart` how far
    any of them is from right: a value half-way between two codes may be rounded either way, and all that follows with it.
    """

    def __init__(self, conv: nn.Conv2d):
        super().__init__(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation)
        self.load_state_dict(conv.state_dict())
        self.entering, self.leaving, self.observing = Range(), Range(), True
        self.told: tuple[Tensor, Tensor] | None = None
        self.apart = 0.0

    def forward(self, x: Tensor) -> Tensor:
        if self.told:
            entering, leaving = self.told
            y = super().forward(self.entering.value(entering))
            self.apart = max(self.entering.apart(x, entering), self.leaving.apart(y, leaving))
            return self.leaving.value(leaving)
        if self.observing:
            y = super().forward(x)
            self.entering.see(x)
            self.leaving.see(y)
            return y
        return self.leaving.round(super().forward(self.entering.round(x)))

    @torch.no_grad()
    def freeze(self) -> None:
        """Chooses both ranges and rounds the weights, and the bias to what a 32-bit sum of products can hold."""
        self.entering.choose()
        self.leaving.choose()
        for name, (whole, scale) in self.integers().items():
            parameter = self.get_parameter(name)
            parameter.copy_(torch.from_numpy(whole * scale.reshape(-1, *[1] * (whole.ndim - 1))))
        self.observing = False

    def integers(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """The weight as int8 [O, I, h, w] and the bias as int32 [O], each with its scale float32 [O]."""
        scale = self.weight.detach().abs().amax((1, 2, 3)).clamp_min(1e-8) / WEIGHT_STEPS
        step = scale * self.entering.scale
        weight, bias = (self.weight / scale.view(-1, 1, 1, 1)).round(), (self.bias / step).round()
        return {
            "weight": (weight.detach().numpy().astype(np.int8), scale.numpy()),
            "bias": (bias.detach().numpy().astype(np.int32), step.numpy()),
        }


@torch.no_grad()
def quantise(network: nn.Module, part: str, images: Tensor) -> None:
    """Lets the wide convolutions of `network.<part>` compute in 8 bits. images [N, 3, H, W]: what the ranges are chosen by.

    Raises ValueError when there is no wide convolution.
    """
    wide = {
        name: Int8Conv(module)
        for name, module in network.named_modules()
        if name.startswith(f"{part}.") and isinstance(module, nn.Conv2d) and min(module.in_channels, module.out_channels) >= NARROWEST
    }
    if not wide:
        raise ValueError(f"Expected convolutions of {NARROWEST} channels or more in {part} but found none")
    for name, module in wide.items():
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, module)
    for image in images:
        network(image[None])
    for module in wide.values():
        module.freeze()
