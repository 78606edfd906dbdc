"""All networks of Unmask, whole in one file: segmenter, completer, refiner, ResCNN-56, denoiser (and the detector, last).

Images are RGB, NCHW, float 0..1, an aligned face crop of 256x256 px with the eyes at (98, 118) and (158, 118).
*region* is 1 where pixels are erased and completed, 0 where they are kept. Nothing under the region is ever read.

    image -> Segmenter -> mask probability -> threshold, close, dilate -> region -> ERASE
          -> SubspaceFill (linear: what faces with these visible pixels look like, 32x32)
          -> Completer    (128x128: fill minus a predicted residue; of the face and of its mirror image)
          -> Refiner      (256x256: texture, minus a predicted residue) -> paste the known pixels back

Sources: ResCNN (Fatima, Jhapate): residual prediction, channel-shared learnable leaky slope, 25 + 31 layers.
DnCNN (Zhang 2017, arXiv 1608.03981): the plain residual stack. Dilated completion: Iizuka 2017. Sub-pixel upsampling:
Shi 2016 (arXiv 1609.05158). Probabilistic PCA as a conditional Gaussian: Tipping & Bishop 1999.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrizations import spectral_norm

CROP = 256  # px, side of the aligned face crop
COARSE = 128  # px, side at which the face is completed
TOP = 64  # px, first row that the refiner looks at: 1 mask in 336 reached above it, with half a per cent of its region
LINE = 3.0, 0.4  # px, sigmas along a contour of the natural coarse face and across of the mean that makes an even line of it ...
DIRECTIONS = 16  # ... in so many directions ...
FLAT = 0.004  # ... and less where slopes are no steeper than this, of 1 a px
CRISPNESS = 50.0  # times the detail of a contour is added to the natural coarse face, whose lips and nostrils are too soft ...
CONTOUR = 0.035  # ... of a contour: detail, of 1, from which half of it counts, so that skin stays as it is ...
DOUBT = 0.04  # ... and where face and mirrored face differ by less than this, so that what is not known stays soft
UNSURE = 0.035  # ... and less of all where face and mirrored face differ by this on average: a median turned head .040, a frontal one .027
OVERSHOOT = 0.07  # of 1: more of it draws dark dots and hooks at the ends of nostrils and lips
EDGE = 5  # px, side of the means by which the face's end is found ...
STEEPNESS = 16.0  # ... by which it is made steep: .03 dB less than at 10 and .03 more of gradient energy (100 validation faces, whole pipeline) ...
WEAK = 0.03  # ... less where it is no stronger than this, of 1 a px ...
FARTHEST = 4.0  # ... px by which a colour moves at most
SOFT, SHARP = 0.7 / 255, 1.4 / 255  # visible detail: of a soft photo no contour is made crisp; 9 of 10 validation faces have more than SHARP
MOST_DETAIL = 2.4 / 255  # of what is seen: more is wrinkles, and as noise it looks like a rash; 4 validation faces in 10 have more
GREY, COLOUR = 0.005, 0.010  # mean chroma of a visible face, of 1: below it is a grey photo, above a coloured one
GRID = 32  # cells per side of the linear fill: 8 px a cell


@dataclass(frozen=True)
class UnmaskerConfig:
    """Sizes of the blind unmasker. `small` trains on two CPU cores, `base` wants a GPU. A face takes one core of an EPYC 9004 or a Xeon 50 to 60 ms (`npm run bench`)."""

    segmenter: tuple[int, int, int] = (32, 48, 96)
    edge: int = 16  # channels of the segmenter's full-size part
    completer: tuple[int, int, int] = (32, 64, 192)
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8)
    refiner: tuple[int, int] = (32, 48)
    refiner_blocks: int = 2
    components: int = 256  # faces of the linear fill's subspace
    fill_steps: int = 16  # conjugate-gradient steps, which also regularise
    threshold: float = 0.25  # mask probability that counts as mask: a rest of it is seen sooner than a pixel of skin too many
    grow: int = 6  # px at 256: dilation of the thresholded mask ...
    shrink: int = 3  # ... and the erosion after it; holes up to 2 x grow close, the edge moves out by grow - shrink
    core: int = 5  # px at 128: where the region reaches as far to every side it is fabric, from which straps hang
    reach: int = 16  # steps of 4 px at 128 along a strap: half of the crop
    minimum_area: float = 0.004  # share of the crop; less mask than this is a false alarm and nothing is erased


@dataclass(frozen=True)
class Rescnn56Config:
    """The published network: 25-layer denoiser before it, 31 plain layers here. Width and input size are not published."""

    layers: int = 31
    width: int = 32


@dataclass(frozen=True)
class DenoiserConfig:
    """The published first stage: 25 layers. It works on 2x2 pixels folded into channels, which quarters its cost."""

    layers: int = 25
    width: int = 32


PRESETS = {
    "small": UnmaskerConfig(),
    "base": UnmaskerConfig(
        completer=(48, 96, 192),
        dilations=(1, 2, 4, 8, 1, 2, 4, 8, 1, 1),
        refiner=(32, 64),
        refiner_blocks=3,
    ),
}


class _Leaky(torch.autograd.Function):
    """Leaky ReLU with a learnable scalar slope for CPUs, where PReLU's own gradient takes four times as long."""

    @staticmethod
    def forward(context, x: Tensor, slope: Tensor) -> Tensor:
        context.save_for_backward(x, slope)
        return F.leaky_relu(x, float(slope))

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, slope = context.saved_tensors
        backward = torch.ops.aten.leaky_relu_backward(gradient, x, float(slope), False)
        return backward, (gradient * x.clamp(max=0)).sum(dtype=torch.float32)


class SharedSlope(nn.Module):
    """Leaky ReLU whose one learnable slope is shared by all channels (the paper's variant). [N, C, H, W] -> the same.

    Export replaces it by LeakyRelu with the learnt constant, which ONNX Runtime fuses into the convolution.
    """

    def __init__(self, slope: float = 0.2):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, x: Tensor) -> Tensor:
        return _Leaky.apply(x, self.slope) if x.device.type == "cpu" else F.prelu(x, self.slope.to(x.dtype).reshape(1))


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1, norm: bool = True) -> nn.Sequential:
    """Convolution with `same` padding, batch norm (folded at export) and shared slope."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, bias=not norm),
        nn.BatchNorm2d(outputs) if norm else nn.Identity(),
        SharedSlope(),
    )


class Block(nn.Module):
    """Residual block of two 3x3 convolutions, the first dilated. [N, C, H, W] -> the same. Starts as the identity."""

    def __init__(self, width: int, dilation: int = 1):
        super().__init__()
        self.first = conv(width, width, dilation=dilation)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        nn.init.zeros_(self.second[1].weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


class Upsample(nn.Module):
    """Sub-pixel upsampling: 3x3 convolution, pixel shuffle, slope. [N, I, H, W] -> [N, O, 2H, 2W]. No checkerboard at start."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs * 4, 3, padding=1)
        with torch.no_grad():  # ICNR (arXiv 1707.02937): the four sub-pixels begin alike
            self.conv.weight.copy_(self.conv.weight[::4].repeat_interleave(4, 0))
            self.conv.bias.copy_(self.conv.bias[::4].repeat_interleave(4, 0))
        self.slope = SharedSlope()

    def forward(self, x: Tensor) -> Tensor:
        return self.slope(F.pixel_shuffle(self.conv(x), 2))


def head(inputs: int, outputs: int) -> nn.Conv2d:
    """Last 3x3 convolution before a pixel shuffle; all zero, so that an untrained network predicts no residue."""
    layer = nn.Conv2d(inputs, outputs * 4, 3, padding=1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def coordinates(side: int) -> Tensor:
    """x and y of every pixel in -1..1: aligned faces make them a strong hint. [1, 2, side, side]"""
    axis = (torch.arange(side) + 0.5) / side * 2 - 1
    return torch.stack([axis.expand(side, side), axis.reshape(-1, 1).expand(side, side)]).unsqueeze(0)


def dilate(region: Tensor, radius: int) -> Tensor:
    """Grow a 0/1 region by `radius` px in every direction (square). [N, 1, H, W] -> the same."""
    if not radius:
        return region
    columns = F.max_pool2d(region, (2 * radius + 1, 1), 1, (radius, 0))  # rows after columns: 34 comparisons, not 289
    return F.max_pool2d(columns, (1, 2 * radius + 1), 1, (0, radius))


def erode(region: Tensor, radius: int) -> Tensor:
    """Shrink a 0/1 region by `radius` px (square); what lies outside the image counts as region. [N, 1, H, W] -> the same."""
    return 1 - dilate(1 - region, radius)


class Segmenter(nn.Module):
    """Where the garment is. image [N, 3, 256, 256] -> logits [N, 1, 256, 256]. 0.9 M parameters.

    Found at half size; a shallow part at full size then says where exactly the edge runs, and follows straps.
    """

    def __init__(self, config: UnmaskerConfig):
        super().__init__()
        a, b, c = config.segmenter
        self.stem = conv(5, a, 5, 2)  # 64 x 64
        self.down1 = nn.Sequential(conv(a, b, stride=2), Block(b))  # 32 x 32
        self.down2 = nn.Sequential(conv(b, c, stride=2), *(Block(c, d) for d in (1, 2, 4)))  # 16 x 16
        self.up2 = Upsample(c, b)
        self.mix2 = Block(b)
        self.up1 = Upsample(b, a)
        self.mix = conv(a, a)
        self.mix1 = Block(a)
        self.head = head(a, 1)
        self.fine = conv(3, config.edge, 5, 2)  # 128 x 128, of the image at full size
        self.lift = Upsample(a, config.edge)
        self.join = conv(config.edge, config.edge)
        self.trace = Block(config.edge, 2)
        self.edge = head(config.edge, 1)
        self.register_buffer("xy", coordinates(COARSE), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        small = F.avg_pool2d(image, 2)
        a = self.stem(torch.cat([small * 2 - 1, self.xy.expand(len(image), -1, -1, -1)], 1))
        b = self.down1(a)
        b = self.mix2(b + self.up2(self.down2(b)))
        known = self.mix1(self.mix(a + self.up1(b)))
        roughly = F.pixel_shuffle(self.head(known), 2)  # 128 x 128
        exactly = self.edge(self.trace(self.join(self.fine(image * 2 - 1) + self.lift(known))))
        return F.interpolate(roughly, scale_factor=2, mode="bilinear", align_corners=False) + F.pixel_shuffle(exactly, 2)


class SubspaceFill(nn.Module):
    """The most likely hidden part of a face in a linear subspace, given the visible part: any region, no training loop.

    A face is `mean + basis z` with z ~ N(0, 1) and independent noise; z is solved from the visible cells alone by a
    fixed number of conjugate-gradient steps (deterministic, exportable). Worth harmonic fill + 3 dB on unseen faces.
    Mean, basis and precision come from `data.fit_subspace`; until then the fill is black.

    erased [N, 3, 128, 128] (zero under the region), region [N, 1, 128, 128] -> [N, 3, 128, 128]
    """

    def __init__(self, components: int, steps: int):
        super().__init__()
        cells = 3 * GRID * GRID
        self.steps = steps
        self.register_buffer("mean", torch.zeros(1, cells))
        self.register_buffer("basis", torch.zeros(cells, components))
        self.register_buffer("precision", torch.ones(1, cells))

    def forward(self, erased: Tensor, region: Tensor) -> Tensor:
        n, factor = len(erased), COARSE // GRID
        visible = 1 - F.max_pool2d(region, factor)  # a cell counts only when all its pixels are seen
        cells = F.avg_pool2d(erased, factor).reshape(n, -1)
        weight = visible.expand(-1, 3, -1, -1).reshape(n, -1) * self.precision
        z = self.solve(weight, ((cells - self.mean) * weight) @ self.basis)
        fill = (self.mean + z @ self.basis.T).reshape(n, 3, GRID, GRID)
        return F.interpolate(fill, scale_factor=factor, mode="bilinear", align_corners=False).clamp(0, 1)

    def solve(self, weight: Tensor, right: Tensor) -> Tensor:
        """(1 + basis' weight basis) z = right by conjugate gradients. [N, cells], [N, components] -> [N, components]

        What the whole face would give is computed once, when a session loads; a step then only takes away what is hidden, a fifth of the
        cells. Where more is hidden than seen that would lose digits, so what is seen is added up instead. Preconditioned by the diagonal,
        and every residual made orthogonal to those before it, as it would be without rounding errors: they grow until two runtimes
        disagree in the third digit, most where little of a face is seen.
        """
        whole = (self.basis.T * self.precision) @ self.basis
        seen = weight.sum(1, keepdim=True)
        most = (2 * seen >= self.precision.sum()).to(weight.dtype)  # 1: from the whole face, 0: from nothing. [N, 1]
        change = weight - most * self.precision
        some = torch.cat([change.new_ones(1), change.abs().amax(0)[1:]]).nonzero()[:, 0]  # cells changed in any of the faces, and one at least
        rows, change = self.basis[some], change[:, some]
        scale = (1 + most * whole.diagonal() + change @ rows.square()).rsqrt()
        z, residual = torch.zeros_like(right), right * scale
        direction, power = residual, residual.square().sum(1, keepdim=True)
        before = (residual * (power + 1e-12).rsqrt()).unsqueeze(1)  # [N, step, components], unit vectors
        for _ in range(self.steps):
            along = direction * scale
            image = (along + most * (along @ whole) + ((along @ rows.T) * change) @ rows) * scale
            step = power / ((direction * image).sum(1, keepdim=True) + 1e-12)
            z = z + step * direction
            residual = residual - step * image
            residual = residual - ((before @ residual.unsqueeze(2)) * before).sum(1)
            last, power = power, residual.square().sum(1, keepdim=True)
            before = torch.cat([before, (residual * (power + 1e-12).rsqrt()).unsqueeze(1)], 1)
            direction = residual + power / (last + 1e-12) * direction
        return z * scale


class Completer(nn.Module):
    """The hidden part of the face, coarsely: linear fill minus a predicted residue.

    erased [N, 3, 128, 128], region [N, 1, 128, 128] -> completed [N, 3, 128, 128], features [N, C, 64, 64].
    Dilated blocks at 16x16 let every pixel of the hole see the whole face (31 plain layers see 63 px).
    """

    def __init__(self, config: UnmaskerConfig):
        super().__init__()
        a, b, c = config.completer
        self.fill = SubspaceFill(config.components, config.fill_steps)
        self.stem = conv(6, a, 5, 2)  # 64 x 64
        self.down1 = nn.Sequential(conv(a, b, stride=2), Block(b))  # 32 x 32
        self.down2 = nn.Sequential(conv(b, c, stride=2), *(Block(c, d) for d in config.dilations))  # 16 x 16
        self.up2 = Upsample(c, b)
        self.mix2 = Block(b)
        self.up1 = Upsample(b, a)
        self.head = head(a, 3)
        self.register_buffer("xy", coordinates(COARSE), persistent=False)

    def forward(self, erased: Tensor, region: Tensor, fill: Tensor | None = None) -> tuple[Tensor, Tensor]:
        fill = self.filled(erased, region) if fill is None else fill
        observed = erased + region * fill
        a = self.stem(torch.cat([observed * 2 - 1, region, self.xy.expand(len(erased), -1, -1, -1)], 1))
        b = self.down1(a)
        b = self.mix2(b + self.up2(self.down2(b)))
        features = a + self.up1(b)
        residue = F.pixel_shuffle(self.head(features), 2).float()
        return observed - region * residue, features

    def filled(self, erased: Tensor, region: Tensor) -> Tensor:
        """The linear fill alone. [N, 3, 128, 128]"""
        with torch.autocast(erased.device.type, enabled=False):
            return self.fill(erased.float(), region.float())

    def both_ways(self, erased: Tensor, region: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The face completed as it is, corrected by what the mirrored network says of it; the features of the face as it is; the doubt.

        Doubt is how much the two differ nearby. [N, 3, 128, 128], [N, C, 64, 64], [N, 1, 128, 128]

        What the two disagree about is what neither knows: half-way between them errs less, and mouths run down to neither side. The
        correction is a 3x3 mean, which leaves fine texture as it is. The linear fill, nearly the same either way, is found once.
        """
        n = len(erased)
        faces, features = self(*(torch.cat([x, x.flip(-1)]) for x in (erased, region, self.filled(erased, region))))
        ours, mirrored = faces[:n], faces[n:].flip(-1)
        doubt = F.avg_pool2d(greyed((mirrored - ours).abs()), 9, 1, 4)
        return ours + F.avg_pool2d((mirrored - ours) / 2, 3, 1, 1), features[:n], doubt


class Refiner(nn.Module):
    """Fine structure at 256x256: the enlarged coarse face minus a second residue. Fully convolutional: trains on windows.

    erased [N, 3, S, S], region [N, 1, S, S], coarse [N, 3, S/2, S/2], features [N, C, S/4, S/4] -> [N, 3, S, S], features [N, D, S/2, S/2]
    """

    def __init__(self, config: UnmaskerConfig):
        super().__init__()
        a, b = config.refiner
        self.stem = conv(4, a, 5, 2)
        self.down = conv(a, b, stride=2)
        self.take = nn.Conv2d(config.completer[0], b, 1)
        self.body = nn.Sequential(*(Block(b, d) for d in (1, 2, 1)[: config.refiner_blocks]))
        self.up = Upsample(b, a)
        self.mix = conv(a, a)
        self.head = head(a, 3)

    def forward(self, erased: Tensor, region: Tensor, coarse: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        enlarged = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
        observed = erased + region * enlarged
        a = self.stem(torch.cat([observed * 2 - 1, region], 1))
        b = self.body(self.down(a) + self.take(features))
        fine = self.mix(a + self.up(b))
        residue = F.pixel_shuffle(self.head(fine), 2).float()
        return observed - region * residue, fine


class Texture(nn.Module):
    """Skin's finest texture, as noise of a learned strength at every pixel (StyleGAN's noise inputs, arXiv 1812.04948, section 3.2).

    What is random in a face cannot be foretold: least error leaves it out, and a critic makes dots of it. The strength is in units of the
    fine detail that the face has where it is seen, so a soft photo gets next to none. Training draws new noise each time; inference
    always takes the same. features [N, C, H/2, W/2], detail [N, 1, 1, 1] of `visible_detail` -> grey texture [N, 1, H, W], H <= W <= 256.
    """

    # Training matches the truth's contrast at two scales, but so much soft noise looks mottled. What inference takes of the white field and
    # of the soft one makes the skin it restores as grainy, beside the skin that is seen, as the true skin is (100 validation faces, whole pipeline).
    shares = (1.5, 0.25)

    def __init__(self, channels: int):
        super().__init__()
        self.strength = head(channels, 2)
        always = self.noise(1, CROP, torch.Generator().manual_seed(1)) * torch.tensor(self.shares).view(1, 2, 1, 1)
        self.register_buffer("always", always, persistent=False)

    def forward(self, features: Tensor, detail: Tensor) -> Tensor:
        relative = F.pixel_shuffle(self.strength(features), 2).float() + 1  # at 0 nothing would tell an untrained layer which way to go
        strength, (height, width) = relative.relu() * detail, relative.shape[2:]
        noise = self.noise(len(features), width, device=features.device) if self.training else self.always
        return (strength * noise[..., :height, :width]).sum(1, keepdim=True)

    @staticmethod
    def noise(count: int, side: int, generator: torch.Generator | None = None, device: torch.device | None = None) -> Tensor:
        """Two fields of unit variance and at most 2.5 sigma: white, and white after a 3x3 binomial. -> [count, 2, side, side]"""
        white = torch.randn(count, 2, side + 2, side + 2, generator=generator, device=device)
        binomial = torch.tensor([1.0, 2.0, 1.0], device=device) / 6**0.5  # its squares sum to 1, so the variance stays 1
        soft = F.conv2d(F.conv2d(white[:, 1:], binomial.view(1, 1, 3, 1)), binomial.view(1, 1, 1, 3))
        return torch.cat([white[:, :1, 1:-1, 1:-1], soft], 1).clamp(-2.5, 2.5)


class Unmasker(nn.Module):
    """The blind unmasker in one graph: segment, threshold, dilate, erase, complete, refine, paste back.

    image [N, 3, 256, 256] -> unmasked [N, 3, 256, 256] in 0..1, region [N, 1, 256, 256] of 0 and 1,
    maskProbability [N, 1, 256, 256]. Outside the region `unmasked` is the image itself, to the bit. `textured`: with crisp contours and
    skin's texture, which cost the least error a little.
    """

    def __init__(self, config: UnmaskerConfig = PRESETS["small"], textured: bool = False):
        super().__init__()
        self.config = config
        self.segmenter = Segmenter(config)
        self.completer = Completer(config)
        self.refiner = Refiner(config)
        self.texture = Texture(config.refiner[0]) if textured else None

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        probability = self.segmenter(image).float().sigmoid()
        region = region_from(probability, self.config)
        return self.complete(image, region), region, probability

    def coarse(self, image: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        """The coarse face and its features: what `Completer.both_ways` gives, and of the natural network with edges as crisp as the photo.

        image [N, 3, 256, 256], region [N, 1, 256, 256] -> [N, 3, 128, 128], [N, C, 64, 64]
        """
        erased, small = halve(image * (1 - region), region)
        coarse, features, doubt = self.completer.both_ways(erased, small)
        if self.texture:
            sharp = ((visible_detail(image, region) - SOFT) / (SHARP - SOFT)).clamp(0, 1)
            lined = coarse + small * sharp * even_lines(coarse)
            drawn = steepen(lined, sharp) + sharp * contours(lined, doubt, small)
            coarse = coarse + small * (drawn - coarse)
        return coarse, features

    def complete(self, image: Tensor, region: Tensor) -> Tensor:
        """What is under a region that is already known. image [N, 3, 256, 256], region [N, 1, 256, 256] -> [N, 3, 256, 256]"""
        erased = image * (1 - region)
        coarse, features = self.coarse(image, region)
        below = (x[:, :, TOP // factor :] for x, factor in ((erased, 1), (region, 1), (coarse, 2), (features, 4)))
        completed, fine = self.refiner(*below)
        if self.texture:
            on_face = 1 - outline(CROP, image.device)[:, :, TOP:]
            completed = completed + on_face * self.texture(fine, visible_detail(image, region))
        above = F.interpolate(coarse[:, :, : TOP // 2], scale_factor=2, mode="bilinear", align_corners=False)
        completed = torch.cat([above, completed], 2)
        return erased + region * as_grey_as_seen(completed, image, region).clamp(0, 1)


def greyed(x: Tensor) -> Tensor:
    """Mean of the three colours, as two sums, which ONNX Runtime does in a fraction of the time of a mean. [N, 3, H, W] -> [N, 1, H, W]"""
    return (x[:, :1] + x[:, 1:2] + x[:, 2:]) / 3


def detail(x: Tensor) -> Tensor:
    """What a 3x3 mean takes away. [N, C, H, W] -> the same"""
    x = x.float()
    return x - F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)


def contours(coarse: Tensor, doubt: Tensor, region: Tensor) -> Tensor:
    """What makes the contours of a coarse face crisp: unsharp masking, cored, where the network is sure, of a face of which it is sure.

    A pixel may pass the darkest and the brightest next to it by OVERSHOOT: a steeper step, but no dark dot at a nostril's end.
    coarse [N, 3, H, W], doubt [N, 1, H, W] of `Completer.both_ways`, region [N, 1, H, W] -> [N, 3, H, W]
    """
    fine, inside = detail(coarse), region * (1 - outline(region.shape[-1], region.device))
    overall = (doubt * inside).sum((2, 3), keepdim=True) / inside.sum((2, 3), keepdim=True).clamp_min(1)
    sure = 1 / (1 + (doubt / DOUBT).square()) / (1 + (overall / UNSURE) ** 6)
    power = fine.square().square()  # ONNX Runtime takes eight times as long for a fourth power
    crisp = coarse + CRISPNESS * sure * fine * power / (power + CONTOUR**4)
    darkest, brightest = -F.max_pool2d(-coarse, 3, 1, 1), F.max_pool2d(coarse, 3, 1, 1)
    return torch.minimum(torch.maximum(crisp, darkest - OVERSHOOT), brightest + OVERSHOOT) - coarse


def line_means() -> Tensor:
    """Kernels that average along a line through their middle, less the middle itself. [DIRECTIONS, 1, 7, 7]"""
    place = torch.arange(-3.0, 4)
    angle = (torch.arange(DIRECTIONS) * (torch.pi / DIRECTIONS)).view(-1, 1, 1)
    along, beside = (a * place[None, None] + b * place[None, :, None] for a, b in ((angle.cos(), angle.sin()), (-angle.sin(), angle.cos())))
    weight = (-(along / LINE[0]).square() / 2 - (beside / LINE[1]).square() / 2).exp()
    weight = weight / weight.sum((1, 2), keepdim=True)
    weight[:, 3, 3] -= 1
    return weight[:, None]


def even_lines(coarse: Tensor) -> Tensor:
    """What turns a contour that is a string of beads into a line: the mean along it, never across. [N, 3, H, W] -> [N, 1, H, W], to be added

    The direction is the structure tensor's (coherence-enhancing filtering, Kyprianidis & Kang 2011), where there is one: skin has none. Of
    DIRECTIONS fixed ones the nearest count, by the fourth power of the cosine of twice the angle between.
    """
    grey = greyed(coarse.float())
    across, down = slopes(grey)
    tensor = smooth(torch.cat([across.square(), across * down, down.square()], 1), EDGE)
    apart, mixed, whole = tensor[:, :1] - tensor[:, 2:], 2 * tensor[:, 1:2], tensor[:, :1] + tensor[:, 2:]
    length = (apart.square() + mixed.square() + 1e-12).sqrt()
    one_way = length / (whole + FLAT**2)
    angle = torch.arange(DIRECTIONS, device=coarse.device) * (2 * torch.pi / DIRECTIONS)
    directions = torch.stack([angle.cos(), angle.sin()], 1)[:, :, None, None]
    every = torch.ones(1, DIRECTIONS, 1, 1, device=coarse.device)
    with torch.autocast(coarse.device.type, enabled=False):  # small differences of large numbers
        near = F.conv2d(torch.cat([apart, mixed], 1) / -length, directions).relu().square().square()
        means = F.conv2d(F.pad(grey, (3, 3, 3, 3), mode="replicate"), line_means().to(coarse.device))
        return one_way * F.conv2d(near * means, every) / (F.conv2d(near, every) + 1e-6)


def smooth(x: Tensor, side: int) -> Tensor:
    """Twice the mean of side x side pixels: nearly a Gaussian of sigma sqrt((side^2 - 1) / 6). [N, C, H, W] -> the same"""
    for _ in range(2):
        x = F.avg_pool2d(x, side, 1, side // 2, count_include_pad=False)
    return x


def slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Differences across and down, per pixel. [N, C, H, W] -> two of the same"""
    wide = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return (wide[:, :, 1:-1, 2:] - wide[:, :, 1:-1, :-2]) / 2, (wide[:, :, 2:, 1:-1] - wide[:, :, :-2, 1:-1]) / 2


def steepen(coarse: Tensor, amount: Tensor) -> Tensor:
    """The face's end against hair, neck and background as an edge, not a ramp: colours are drawn towards it from either side.

    Where a jaw runs is guessed, and the mean of the guesses is a blur as wide as a finger. Warping (Arad & Gotsman 1999, "Enhancement by
    image-dependent warping") keeps the edge where it is likeliest, and makes no colour that is not there already: a pixel takes that of one
    farther down the slope of the edge's strength. coarse [N, 3, H, W], amount [N, 1, 1, 1] in 0..1 -> [N, 3, H, W]
    """
    across, down = slopes(smooth(coarse.float(), EDGE))
    strength = (across.square() + down.square()).sum(1, keepdim=True).add(1e-8).sqrt()
    around = smooth(strength, 2 * EDGE - 1) + WEAK
    towards = torch.cat(slopes(smooth(strength, EDGE)), 1) * (STEEPNESS / around)  # [N, 2, H, W], px
    far = towards.square().sum(1, keepdim=True).add(1e-8).sqrt()
    moved = towards * (FARTHEST * (far / FARTHEST).tanh() / far) * amount * outline(coarse.shape[-1], coarse.device)
    place = coordinates(coarse.shape[-1]).to(coarse) - moved * (2 / coarse.shape[-1])
    return F.grid_sample(coarse, place.permute(0, 2, 3, 1), mode="bilinear", padding_mode="border", align_corners=False)


def seen_face(region: Tensor) -> Tensor:
    """Pixels of an aligned crop that show the face itself, brows to chin and ear to ear, and are not at the region. [N, 1, H, W] of 0 and 1"""
    side = region.shape[-1]
    place = (torch.arange(side, device=region.device, dtype=torch.float32) + 0.5) / side
    oval = ((place[None] - 0.5) / 0.2).square() + ((place[:, None] - 0.55) / 0.3).square() < 1
    return (1 - dilate(region, 2)).masked_fill(~oval, 0)


def visible_detail(image: Tensor, region: Tensor) -> Tensor:
    """Fine detail of the face where it is seen: the square of the mean root, which glasses and brows hardly move, up to MOST_DETAIL.

    -> [N, 1, 1, 1]
    """
    seen = seen_face(region)
    root = (detail(greyed(image)).abs() + 1e-8).sqrt() * seen
    return (root.sum((2, 3), keepdim=True) / seen.sum((2, 3), keepdim=True).clamp_min(64)).square().clamp_max(MOST_DETAIL)


def as_grey_as_seen(completed: Tensor, image: Tensor, region: Tensor) -> Tensor:
    """The completed face without tint where the visible face has none. completed, image [N, 3, H, W], region [N, 1, H, W] -> [N, 3, H, W]

    Up to a mean chroma of GREY a face is grey, from COLOUR on it keeps its colours: none lies between of 537 validation faces and 894 worn masks.
    """
    seen = seen_face(region)
    chroma = greyed((image - greyed(image)).abs())
    visible = ((chroma * seen).sum((2, 3), keepdim=True) + COLOUR) / (seen.sum((2, 3), keepdim=True) + 1)  # nothing seen: colours stay
    grey = greyed(completed)
    return grey + (completed - grey) * ((visible - GREY) / (COLOUR - GREY)).clamp(0, 1)


def outline(side: int, device: torch.device) -> Tensor:
    """Where an aligned crop shows a face's contour and what lies behind: 0 on the face, from the jaw on 1. -> [1, 1, side, side]

    The ellipse, the median jaw of the validation faces less 8 px of 256, is left within a seventh of its radius.
    """
    place = (torch.arange(side, device=device, dtype=torch.float32) + 0.5) / side
    radius = (((place[None] - 0.5) / 0.227).square() + ((place[:, None] - 0.508) / 0.344).square()).sqrt()
    return (7 * (radius - 1)).clamp(0, 1)[None, None]


def region_from(probability: Tensor, config: UnmaskerConfig) -> Tensor:
    """The region to erase: thresholded, holes closed, grown, and empty when hardly anything was found. [N, 1, 256, 256] -> same

    A wide hole is a print or a valve when it lies in the middle of the lower face; elsewhere it is the cheek inside an ear loop.
    What does not hang together with anything as wide as fabric is no strap: cords, hair and false alarms in the background.
    """
    found = (probability > config.threshold).to(probability.dtype)
    enough = (found.mean((1, 2, 3), keepdim=True) > config.minimum_area).to(found.dtype)
    closed = erode(dilate(found, config.grow), config.shrink) * enough
    closed = closed * hanging_together(closed, config)
    return torch.maximum(closed, inside_the_mouth_box(between(closed, 2) * between(closed, 3)))


def hanging_together(region: Tensor, config: UnmaskerConfig) -> Tensor:
    """1 where the region can be reached, inside itself and over gaps of up to 7 px, from where it is wide. [N, 1, 256, 256] of 0 and 1 -> the same

    At half size (geodesic dilation, Vincent 1993). Of a region that is wide nowhere all is kept.
    """
    small = F.max_pool2d(region, 2)
    core = erode(small, config.core)
    reached = torch.where(core.amax((2, 3), keepdim=True) > 0, core, small)
    for _ in range(config.reach):
        reached = dilate(reached, 4) * small
    return F.interpolate(reached, scale_factor=2, mode="nearest")


def between(region: Tensor, axis: int) -> Tensor:
    """1 where the region lies on both sides along an axis. [N, 1, H, W] of 0 and 1 -> the same"""
    passed = region.cumsum(axis)
    return ((passed > 0) & (passed < region.sum(axis, keepdim=True))).to(region.dtype)


def inside_the_mouth_box(holes: Tensor) -> Tensor:
    """What lies in the middle of the lower face of an aligned crop, which ear loops do not reach. [N, 1, 256, 256] -> the same"""
    place = torch.arange(CROP, device=holes.device)
    columns, rows = (place > 88) & (place < 168), (place > 134) & (place < 222)
    return holes * columns.to(holes.dtype) * rows.to(holes.dtype)[:, None]


def halve(erased: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """Half-size erased image and region; a pixel touched by the region belongs to it. -> [N, 3, H/2, W/2], [N, 1, H/2, W/2]"""
    small = F.max_pool2d(region, 2)
    return F.avg_pool2d(erased, 2) * (1 - small), small


class PlainResidual(nn.Module):
    """Observed minus predicted residue by a plain stack: conv + slope, (conv + BN + slope) x (layers - 2), conv.

    [N, channels, H, W] -> the same. Reading of the paper: PAPER.md, "Careful".
    """

    def __init__(self, channels: int, width: int, layers: int):
        super().__init__()
        inner = [conv(width, width) for _ in range(layers - 2)]
        for layer in inner:  # starts close to the identity (arXiv 1706.00388): 25 random layers would scramble the noise
            nn.init.normal_(layer[0].weight, 0, (1 / layer[0].weight[0].numel()) ** 0.5 * 0.4)
            with torch.no_grad():
                layer[0].weight[:, :, 1, 1] += torch.eye(width)
        last = nn.Conv2d(width, channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.stack = nn.Sequential(conv(channels, width, norm=False), *inner, last)

    def forward(self, observed: Tensor) -> Tensor:
        return observed - self.stack(observed * 2 - 1).float()


class Denoiser(nn.Module):
    """The paper's first stage: blind residual denoiser for sigma 0..50 of 255. image [N, 3, H, W] -> denoised, clipped.

    H and W must be even. Two by two pixels are folded into channels (as FFDNet, arXiv 1710.04026, does) for speed.
    """

    def __init__(self, config: DenoiserConfig = DenoiserConfig()):
        super().__init__()
        self.config = config
        self.net = PlainResidual(12, config.width, config.layers)

    def estimate(self, image: Tensor) -> Tensor:
        """image minus predicted noise, not clipped: what the loss sees. [N, 3, H, W] -> the same"""
        return F.pixel_shuffle(self.net(F.pixel_unshuffle(image, 2)), 2)

    def forward(self, image: Tensor) -> Tensor:
        return self.estimate(image).clamp(0, 1)


class Rescnn56(nn.Module):
    """The published unmasker, layers 26 to 56: 31 plain layers that see the masked photo as it is and predict the residue.

    image [N, 3, 256, 256] -> the same three outputs as `Unmasker`. It borrows the segmenter to know what to paste, and
    works at 128x128 (the paper gives no size), which doubles its 63 px field of view for a quarter of the cost.
    """

    def __init__(self, config: Rescnn56Config = Rescnn56Config(), unmasker: UnmaskerConfig = PRESETS["small"]):
        super().__init__()
        self.config = config
        self.unmasker = unmasker
        self.segmenter = Segmenter(unmasker)
        self.net = PlainResidual(3, config.width, config.layers)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        probability = self.segmenter(image).float().sigmoid()
        region = region_from(probability, self.unmasker)
        small = self.net(F.avg_pool2d(image, 2)).clamp(0, 1)
        restored = F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
        return image * (1 - region) + region * restored, region, probability


class Critic(nn.Module):
    """Patch discriminator of the natural stage, spectrally normalised (arXiv 1802.05957). Training only.

    window [N, 3, S, S], region [N, 1, S, S] -> patch scores and the features of every layer, for feature matching.
    """

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        pairs = zip((4, *widths[:-1]), widths)
        self.layers = nn.ModuleList(spectral_norm(nn.Conv2d(i, o, 4, 2, 1)) for i, o in pairs)
        self.last = spectral_norm(nn.Conv2d(widths[-1], 1, 3, 1, 1))

    def forward(self, window: Tensor, region: Tensor) -> tuple[Tensor, list[Tensor]]:
        x, features = torch.cat([window * 2 - 1, region * 2 - 1], 1), []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.last(x), features


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict]:
    """Optimiser groups: decay for convolution weights, none for slopes, biases and batch norm (the paper's rule)."""
    decayed = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def describe(config: UnmaskerConfig | Rescnn56Config | DenoiserConfig) -> dict:
    """A config as plain values, for checkpoints and logs."""
    return asdict(config)


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
        return self.look(photos * 2 - 1)  # the letterbox's 0.5 becomes 0, which is also what the convolutions pad with

    def look(self, photos: Tensor) -> Candidates:
        """The same of photos in -1..1."""
        x = self.stem(photos)
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
    """The graph that ships: photo [1, 3, 640, 640] in -1..1 -> boxes, eyes, scores, maskProbabilities, calibrated.

    Who makes the photo a tensor scales it for nothing; in the graph that takes one or two milliseconds.
    """

    def __init__(self, detector: Detector):
        super().__init__()
        self.detector = detector
        self.temperature = detector.config.temperature

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        found = self.detector.look(image)
        return found.boxes, found.eyes, found.face_logits.sigmoid(), (found.mask_logits / self.temperature).sigmoid()


# --- eye-locator -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EyeLocatorConfig:
    """Widths at strides 2, 4, 8 and 16 of a 96x96 face window. Defaults: about 0.1 GMAC, 2 ms on one core."""

    widths: tuple[int, int, int, int] = (16, 32, 64, 96)
    side: int = 96


class EyeLocator(nn.Module):
    """Where the eyes are in the window around one detected face, and whether there is a face at all.

    The detector sees a face in a cell of a few pixels; the crop that the unmasker completes is aligned on the eyes alone and
    wants them to a few per cent of their distance. A heat map per eye at stride 4, read by its centre of mass (integral
    regression, https://arxiv.org/abs/1711.08229), gives that at any roll.

    forward: window [B, 3, 96, 96] RGB 0..1 -> eyes [B, 4] x, y of the person's right eye, then of the left, in pixels of the
    window; presence [B, 1], logit of "a face fills this window".
    """

    def __init__(self, config: EyeLocatorConfig = EyeLocatorConfig()):
        super().__init__()
        self.config = config
        half, quarter, eighth, sixteenth = config.widths
        self.to_quarter = nn.Sequential(ConvNorm(3, half, 5, 2), ConvNorm(half, quarter, 3, 2), ResidualBlock(quarter))
        self.to_eighth = nn.Sequential(ConvNorm(quarter, eighth, 3, 2), ResidualBlock(eighth), ResidualBlock(eighth))
        self.to_sixteenth = nn.Sequential(ConvNorm(eighth, sixteenth, 3, 2), ResidualBlock(sixteenth), ResidualBlock(sixteenth))
        self.from_sixteenth = ConvNorm(sixteenth, eighth, 1)
        self.from_eighth = nn.Sequential(ConvNorm(eighth, quarter, 3))
        self.maps = nn.Sequential(ConvNorm(quarter, quarter, 3), nn.Conv2d(quarter, 2, 3, padding=1))
        self.presence = nn.Linear(sixteenth, 1)

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        quarter = self.to_quarter(window - 0.5)  # [B, 32, 24, 24]
        eighth = self.to_eighth(quarter)  # [B, 64, 12, 12]
        sixteenth = self.to_sixteenth(eighth)  # [B, 96, 6, 6]
        eighth = eighth + F.interpolate(self.from_sixteenth(sixteenth), scale_factor=2.0, mode="nearest")
        quarter = quarter + F.interpolate(self.from_eighth(eighth), scale_factor=2.0, mode="nearest")
        heat = self.maps(quarter).float().flatten(2).softmax(-1)  # [B, 2, 576]
        side = self.config.side // 4
        centres = cell_centres(side, side, 4).to(heat)  # [576, 2]
        eyes = (heat @ centres).flatten(1)
        return eyes, self.presence(sixteenth.mean((2, 3)).float())

    def fold(self) -> "EyeLocator":
        """Writes every batch norm into its convolution, in place."""
        self.eval()
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fold()
        return self


class ExportedEyeLocator(nn.Module):
    """image [1, 3, 96, 96] -> eyes [1, 4], presence [1, 1] as a probability."""

    def __init__(self, locator: EyeLocator):
        super().__init__()
        self.locator = locator

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        eyes, presence = self.locator(image)
        return eyes, presence.sigmoid()
