"""Detector network (joins network.py)."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

# --- mask-detector ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DetectorConfig:
    """Widths of the detector. Defaults: about 2.2 GMAC at 640x640, 35 ms on one core."""

    stem: tuple[int, int] = (16, 32)  # strides 2 and 4: full-resolution stages are memory-bound on a CPU
    widths: tuple[int, ...] = (64, 96, 96, 96)  # strides 8, 16, 32, 64
    blocks: tuple[int, ...] = (1, 1, 2, 1)  # residual blocks per stride
    neck: int = 48
    head: int = 2  # 3x3 layers before the outputs
    temperature: float = 1.0  # of P(mask); set by calibration, never trained

    @property
    def strides(self) -> tuple[int, ...]:
        return tuple(8 << level for level in range(len(self.widths)))


class ConvNorm(nn.Module):
    """Convolution, batch norm, ReLU; the convolution may be shared by several pyramid levels.

    Each level keeps a norm of its own: running statistics mixed over levels would fit none of them at test time
    (NAS-FPN, https://arxiv.org/abs/1904.07392, section 4.1). `fold` writes the norms into the convolutions.
    """

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1, levels: int = 1, active: bool = True):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs) for _ in range(levels)])
        self.active = active

    def forward(self, x: Tensor, level: int = 0) -> Tensor:
        x = self.norms[level](self.convs[0](x)) if len(self.norms) else self.convs[level](x)
        return F.relu(x) if self.active else x

    def fold(self) -> None:
        """One convolution with bias per level, no norms left. Call in eval mode only."""
        self.convs = nn.ModuleList([fuse_conv_bn_eval(self.convs[0], norm) for norm in self.norms])
        self.norms = nn.ModuleList()


class ResidualBlock(nn.Module):
    """Two 3x3 layers around a shortcut; width unchanged."""

    def __init__(self, width: int):
        super().__init__()
        self.first = ConvNorm(width, width)
        self.second = ConvNorm(width, width, active=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


class Candidates(NamedTuple):
    """What the network says at every cell of every level, N cells in all; lengths in input pixels."""

    boxes: Tensor  # [B, N, 4] x1, y1, x2, y2
    eyes: Tensor  # [B, N, 4] x, y of the person's right eye, then of the left
    face_logits: Tensor  # [B, N]
    mask_logits: Tensor  # [B, N] before the temperature


class Detector(nn.Module):
    """One-stage, anchor-free face and mask detector: every cell says at most one face.

    In the spirit of YuNet (https://doi.org/10.1007/s11633-023-1423-y) and SCRFD (https://arxiv.org/abs/2105.04714):
    dense 3x3 layers, a top-down pyramid, one small head whose weights all levels share.
    `forward` takes photos [B, 3, H, W], RGB in 0..1, H and W multiples of the last stride, and returns Candidates.
    """

    def __init__(self, config: DetectorConfig = DetectorConfig()):
        super().__init__()
        self.config = config
        levels = len(config.widths)
        self.stem = nn.Sequential(
            ConvNorm(3, config.stem[0], size=5, stride=2), ConvNorm(config.stem[0], config.stem[1], stride=2)
        )
        inputs = (config.stem[1], *config.widths[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(ConvNorm(i, w, stride=2), *(ResidualBlock(w) for _ in range(n)))
            for i, w, n in zip(inputs, config.widths, config.blocks)
        )
        self.laterals = nn.ModuleList(ConvNorm(w, config.neck, size=1) for w in config.widths)
        self.smooth = ConvNorm(config.neck, config.neck, levels=levels)
        self.head = nn.ModuleList(ConvNorm(config.neck, config.neck, levels=levels) for _ in range(config.head))
        self.out = nn.Conv2d(config.neck, 10, 1)  # centre 2, log size 2, eyes 4, face, mask
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        self.out.bias.data[8] = -4.0  # one cell in fifty is a face: the focal loss starts calm

    def forward(self, photos: Tensor) -> Candidates:
        x = self.stem(photos * 2 - 1)  # the letterbox's 0.5 becomes 0, which is also what the convolutions pad with
        pyramid = []
        for stage in self.stages:
            x = stage(x)
            pyramid.append(x)
        above, said = None, []
        for level in reversed(range(len(pyramid))):
            x = self.laterals[level](pyramid[level])
            if above is not None:
                x = x + F.interpolate(above, scale_factor=2.0, mode="nearest")
            above = x
            x = self.smooth(x, level)
            for layer in self.head:
                x = layer(x, level)
            said.insert(0, self._decode(self.out(x), self.config.strides[level]))
        return Candidates(*(torch.cat(parts, dim=1) for parts in zip(*said)))

    @staticmethod
    def _decode(raw: Tensor, stride: int) -> Candidates:
        """Raw outputs [B, 10, h, w] of one level -> its candidates [B, h*w, ...], row by row."""
        height, width = raw.shape[-2:]
        raw = raw.float().flatten(2).transpose(1, 2)  # [B, h*w, 10]
        cells = cell_centres(height, width, stride).to(raw)  # [h*w, 2]
        centre = cells + raw[..., 0:2] * stride
        half = raw[..., 2:4].clamp(-4, 4).exp() * stride  # size = 2 strides at log 0
        eyes = cells.repeat(1, 2) + raw[..., 4:8] * (2 * stride)
        return Candidates(torch.cat([centre - half, centre + half], dim=-1), eyes, raw[..., 8], raw[..., 9])

    def fold(self) -> "Detector":
        """Writes every batch norm into its convolution, in place; the network computes the same, a little faster."""
        self.eval()
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fold()
        return self


def cell_centres(height: int, width: int, stride: int) -> Tensor:
    """Centres of the cells, row by row -> [height*width, 2] x, y in input pixels (integer = pixel centre)."""
    ys, xs = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (torch.stack([xs, ys], dim=-1).reshape(-1, 2).float() + 0.5) * stride - 0.5


class ExportedDetector(nn.Module):
    """The graph that ships: photo [1, 3, 640, 640] -> boxes, eyes, scores, maskProbabilities, calibrated."""

    def __init__(self, detector: Detector):
        super().__init__()
        self.detector = detector
        self.temperature = detector.config.temperature

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        found = self.detector(image)
        return found.boxes, found.eyes, found.face_logits.sigmoid(), (found.mask_logits / self.temperature).sigmoid()
