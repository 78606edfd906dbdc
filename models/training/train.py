"""Training of every network but the detector. One command per stage; each runs for `--minutes`, on CPU or CUDA alike.

    D="--data ../../shared/data --out ../../runs"                      # 2 CPU cores: minutes below; one GPU: --preset base
    python train.py segment  $D --minutes 10                           # where the mask is
    python train.py segment  $D --minutes 10 --real --start runs/segment.pt   # ... on real photos too
    python train.py complete $D --minutes 60                           # the face at 128x128, least error
    python train.py refine   $D --minutes 10 --start runs/complete.pt  # ... at 256x256       -> rescnn-fidelity
    python train.py natural-coarse $D --minutes 38 --real --start runs/complete.pt    # the face made natural at 128x128
    python train.py natural  $D --minutes 44 --real --start runs/refine.pt --start runs/natural-coarse.pt   # ... at 256x256
    python blend.py runs/natural.pt runs/refine.pt --share 0.5 --out runs/natural.pt   # half as rough
    python train.py texture  $D --minutes 9 --start runs/natural-coarse.pt --start runs/natural.pt   # skin's finest texture -> rescnn
    python train.py denoise  $D --minutes 20                           # the paper's first stage
    python train.py plain    $D --minutes 8                            # the paper's second stage -> rescnn-56

Every stage writes OUT/<stage>.pt (about every two minutes, at the end, on Ctrl-C and on SIGTERM), OUT/<stage>.csv and
OUT/<stage>.png (curves). `--resume` goes on from OUT/<stage>.pt as if it had never stopped. A checkpoint carries the
config, the git commit, the seed and the scores. `--keep` keeps the network of every check as well. It computes in bf16 where that is faster, else in fp32. `--celeba DIR` trains on
CelebA's published split instead of --data.
"""

from __future__ import annotations

import argparse
import copy
import csv
import math
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn
from tqdm import tqdm

import data as faces_data
import locate
import network as nets
import precision
import thaw
from network import COARSE, CROP, PRESETS

EYE_LOCATOR = Path(__file__).parents[1] / "eye-locator.onnx"  # aligns real masked photos
VALIDATION_FACES = 160  # a quarter of them at 256x256
TURNED = 25.0  # degrees by which the validation faces are turned further for `turnedPsnr`
WINDOW = 160  # px at 256x256 around the region: what the refiner and the critic train on
WARM_UP = 0.05  # share of the run in which the rate rises ...
COOL_DOWN = 0.6  # ... and at which it begins to fall
UNLIKE, UNLIKE_LATE = 1.0, 0.5  # weights of 1 - MS-SSIM in the first three quarters of a least-error run and in the last


@dataclass(frozen=True)
class Recipe:
    """Optimisation of one stage. `rate` is the peak of a one-cycle schedule over the minutes given."""

    batch: int = 16
    rate: float = 2e-3
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    ema: float = 0.999
    clip: float = 1.0


class Stage:
    """What is particular to one kind of training: its network, samples, loss and scores."""

    name = ""
    parts: tuple[str, ...] = ()  # sub-networks this stage trains, by attribute name; empty: the whole network
    recipe = Recipe()
    best = "regionPsnr"

    def build(self, preset: str) -> nn.Module:
        raise NotImplementedError

    def prepare(self, network: nn.Module, faces: faces_data.Faces) -> None:
        """Once, before a fresh run."""

    def sample(self, faces: faces_data.Faces):
        """-> function of a generator that returns one sample"""
        raise NotImplementedError

    def loss(self, network: nn.Module, batch: dict[str, Tensor], progress: float) -> Tensor:
        raise NotImplementedError

    def validation(self, faces: faces_data.Faces) -> dict[str, Tensor]:
        raise NotImplementedError

    def scores(self, network: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Per-image values [N]; they are averaged over the validation faces."""
        raise NotImplementedError

    def take_real(self, network: nn.Module, data: Path) -> None:
        """Reads real masked photos to learn from as well (`--real`)."""
        raise SystemExit(f"{self.name} cannot learn from photos without a truth: leave out --real.")


class Segment(Stage):
    """Dice + BCE on made-up masks after a bad camera; bare and distracted faces teach it to say nothing.

    Straps are few pixels, but a strap left behind is seen at once: what an opening would remove counts `thin` times.
    """

    thin = 4.0
    worn: list[faces_data.Worn] | None = None
    marked: list[tuple[np.ndarray, faces_data.Marks]] | None = None  # of the validation photos

    name, parts, best = "segment", ("segmenter",), "iou"

    def build(self, preset):
        return nets.Unmasker(PRESETS[preset])

    def sample(self, faces):
        return lambda rng: faces_data.mask_sample(faces, rng, worn=self.worn)

    def take_real(self, network: nn.Module, data: Path) -> None:
        """With weak outlines, seeded by the network as it is (so with `--start` or `--resume`)."""
        network.eval()

        @torch.no_grad()
        def probability(crop: np.ndarray) -> np.ndarray:
            image = torch.from_numpy(faces_data.planes(crop))[None].float() / 255
            both = torch.cat([image, image.flip(-1)])
            found = network.segmenter(both).sigmoid()
            return ((found[:1] + found[1:].flip(-1)) / 2)[0, 0].numpy()

        look = locate.published(EYE_LOCATOR)
        self.worn = faces_data.read_worn(data, "train", look, probability)
        self.marked = [(photo.image, marks) for photo, marks in faces_data.read_marks(faces_data.worn_photos(data, "val", look)) if marks]
        print(f"segment: {len(self.worn)} real masks with weak outlines, something marked on {sum(worn.marked for worn in self.worn)}", flush=True)

    def loss(self, network, batch, progress):
        logits, truth = network.segmenter(batch["image"]).float(), batch["region"]
        probability, truth = logits.sigmoid() * batch["counts"], truth * batch["counts"]
        overlap = (probability * truth).sum((1, 2, 3))
        dice = 1 - (2 * overlap + 80) / (probability.sum((1, 2, 3)) + truth.sum((1, 2, 3)) + 80)
        weight = batch["counts"] * (1 + (self.thin - 1) * (truth - nets.dilate(nets.erode(truth, 6), 6)))
        return F.binary_cross_entropy_with_logits(logits, truth, weight) * 2 + dice.mean()

    def validation(self, faces):
        rng = np.random.default_rng(1)
        batch = faces_data.collate([faces_data.mask_sample(faces, rng) for _ in range(VALIDATION_FACES)])
        if not self.marked:
            return batch
        marked = [{"worn": image, "straps": marks.straps, "ears": marks.ears, "bare": marks.bare} for image, marks in self.marked[:VALIDATION_FACES]]
        return batch | faces_data.collate([{name: faces_data.planes(values) for name, values in sample.items()} for sample in marked])

    def scores(self, network, batch):
        """On made-up masks, and with `--real` on validation photos the shares of straps left over, of ears erased and of what is bare."""
        found, truth = network.segmenter(batch["image"]) > 0, batch["region"] > 0.5
        both, either = (found & truth).sum((1, 2, 3)).float(), (found | truth).sum((1, 2, 3)).float()
        masked, area = truth.any(-1).any(-1).any(-1), truth.sum((1, 2, 3)).float()
        nan = torch.full_like(both, math.nan)
        result = {
            "iou": torch.where(masked, both / either.clamp_min(1), nan),
            "missed": torch.where(masked, 1 - both / area.clamp_min(1), nan),
            "falseShare": torch.where(masked, nan, found.float().mean((1, 2, 3))),
        }
        if len(batch.get("worn", ())):
            region = nets.region_from(network.segmenter(batch["worn"]).float().sigmoid(), network.config)
            result |= {"strapsLeft": share_of(batch["straps"], 1 - region), "earsErased": share_of(batch["ears"], region), "bareErased": share_of(batch["bare"], region)}
        return result


def share_of(whole: Tensor, part: Tensor) -> Tensor:
    """Of the pixels of `whole`, the share that `part` has; nan where there are none. Both 0 or 1, [N, 1, H, W] -> [N]"""
    area = whole.sum((1, 2, 3))
    return (whole * part).sum((1, 2, 3)) / area.where(area > 0, math.nan)


class Complete(Stage):
    """Least error at 128x128: Charbonnier, gradients and MS-SSIM on the region; the last quarter maximises PSNR and MS-SSIM themselves."""

    name, parts = "complete", ("completer",)
    recipe = Recipe(rate=2e-3)

    def build(self, preset):
        return nets.Unmasker(PRESETS[preset])

    def prepare(self, network, faces):
        if network.completer.fill.basis.any():
            return  # goes on from weights that learned what to add to their own fill
        fitted = faces_data.fit_subspace(faces, network.config.components)
        fill = network.completer.fill
        fill.mean.copy_(fitted["mean"])
        fill.precision.copy_(fitted["precision"])
        fill.basis[:, : fitted["basis"].shape[1]] = fitted["basis"]

    def sample(self, faces):
        return lambda rng: faces_data.completion_sample(faces, rng, COARSE)

    def loss(self, network, batch, progress):
        image, region = batch["image"], batch["region"]
        completed, _ = network.completer(image * (1 - region), region)
        return fidelity(completed, image, region, progress)

    def validation(self, faces):
        """Faces as they are ("image"), on heads turned further ("turned image") and in photos that end inside the crop ("cut image")."""
        chosen = np.linspace(0, len(faces) - 1, min(VALIDATION_FACES, len(faces))).round().astype(int)
        kinds = {"": {}, "turned ": {"turned": TURNED}, "cut ": {"cut": True}}
        samples = {kind: faces_data.collate([faces_data.held_out_sample(faces, int(i), COARSE, **how) for i in chosen]) for kind, how in kinds.items()}
        return {kind + name: planes for kind, sample in samples.items() for name, planes in sample.items()}

    def scores(self, network, batch):
        def completed(kind: str = "") -> Tensor:
            hole = batch[f"{kind}region"]
            return network.completer(batch[f"{kind}image"] * (1 - hole), hole)[0]

        def psnr(ours: Tensor, kind: str = "") -> Tensor:
            return region_psnr(ours.clamp(0, 1), batch[f"{kind}image"], batch[f"{kind}counts"])

        image, region, ours = batch["image"], batch["region"], completed()
        return {
            "regionPsnr": psnr(ours),
            "regionSsim": region_ssim(ours.clamp(0, 1), image, region),
            "aboveFill": psnr(ours) - psnr(network.completer.fill(image * (1 - region), region)),
            "gradientRatio": gradient_ratio(ours, image, region),
            "turnedPsnr": psnr(completed("turned "), "turned "),
            "cutPsnr": psnr(completed("cut "), "cut "),
        }


class Refine(Stage):
    """Least error at 256x256 with the completer as it is; trains on windows around the region."""

    name, parts = "refine", ("refiner",)
    recipe = Recipe(rate=1e-3)

    def build(self, preset):
        return nets.Unmasker(PRESETS[preset])

    def sample(self, faces):
        return lambda rng: faces_data.completion_sample(faces, rng, CROP)

    def windows(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """-> completed, truth [N, 3, WINDOW, WINDOW], region [N, 1, WINDOW, WINDOW]"""
        return self.detailed_windows(network, batch)[:3]

    def detailed_windows(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The same and the refiner's features [N, C, WINDOW / 2, WINDOW / 2]."""
        image, region = batch["image"], batch["region"]
        with torch.no_grad():
            coarse, features = network.coarse(image, region)
            erased = image * (1 - region)
        corner = window_corner(region)
        image, region, erased = (window(x, corner, WINDOW, 1) for x in (image, region, erased))
        coarse, features = window(coarse, corner, WINDOW, 2), window(features, corner, WINDOW, 4)
        completed, fine = network.refiner(erased, region, coarse, features)
        return completed, image, region, fine

    def loss(self, network, batch, progress):
        return fidelity(*self.windows(network, batch), progress)

    def validation(self, faces):
        chosen = np.linspace(0, len(faces) - 1, min(VALIDATION_FACES // 4, len(faces))).round().astype(int)
        return faces_data.collate([faces_data.held_out_sample(faces, int(i), CROP) for i in chosen])

    def scores(self, network, batch):
        image, region = batch["image"], batch["region"]
        completed = network.complete(image, region)
        coarse, _ = network.coarse(image, region)
        enlarged = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False).clamp(0, 1)
        return {
            "regionPsnr": region_psnr(completed, image, region),
            "regionSsim": region_ssim(completed, image, region),
            "aboveCoarse": region_psnr(completed, image, region) - region_psnr(enlarged, image, region),
            "gradientRatio": gradient_ratio(completed, image, region),
        }


@dataclass(frozen=True)
class Contest:
    """Weights of a natural stage's losses, and how its critic learns."""

    pixel: float = 6.0
    outline: float = 4.0  # times so much where jaw, hair and background meet: what a critic has drawn there is beads and halos
    tint: float = 6.0  # of what a pixel's error has beside its mean over the channels: lips of a wrong colour are seen at once
    matching: float = 2.0
    specks: float = 10.0  # of fine contrast that the truth does not have nearby: a critic alone lets dots pass for texture
    lack: float = 0.0  # of fine contrast that the truth has nearby and ours has not
    excess: float = 0.4  # of specks on real masked photos, beyond what the visible face has and in units of it
    adversarial: float = 0.5
    worn: float = 0.0  # share of it that counts on real masked photos
    ramp: int = 200  # steps until the adversarial term has its full weight
    rate: float = 6e-4  # of the critic
    penalty: float = 10.0  # of the critic's gradient on true faces ...
    penalty_every: int = 4  # ... taken at one step in so many, and weighted up


class Contested(Stage):
    """A stage with a critic: adversarial loss and feature matching on the window around the region, from the least error on.

    With `--real` it completes real masked photos too. Nobody knows their truth, but the critic can tell them from true faces as well, and the
    restored part must not have more fine contrast than the face has where it is seen: on photos unlike its training faces a network covers
    what it does not know with dots.
    Batch norm keeps the statistics it has.
    """

    contest = Contest()
    recipe = Recipe(rate=3e-4, betas=(0.5, 0.99), ema=0.998, weight_decay=0.0)
    critic_widths: tuple[int, ...] = ()
    size = CROP  # px, of the side of what `windows` takes
    worn: list[np.ndarray] | None = None

    def windows(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """-> completed, truth [N, 3, S, S], region [N, 1, S, S]"""
        raise NotImplementedError

    def weights(self, region: Tensor) -> Tensor:
        """Of a pixel's error, in the window that `windows` takes of a region [N, 1, size, size] -> [N, 1, S, S]"""
        wide = WINDOW * self.size // CROP
        weights = 1 + (self.contest.outline - 1) * nets.outline(self.size, region.device)
        return window(weights.expand(len(region), -1, -1, -1), window_corner(region, wide), wide, 1)

    def take_real(self, network, data):
        look = locate.published(EYE_LOCATOR)
        self.worn, self.worn_validation = ([photo.image for photo in faces_data.worn_photos(data, split, look, scenes=split == "train")] for split in ("train", "val"))
        print(f"{self.name}: {len(self.worn)} real masks", flush=True)

    def on_worn(self, network: nn.Module, worn: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Real masked photos completed: windows of the face, the photo and the region, and the contrast they may have. worn [N, 3, 256, 256]"""
        with torch.no_grad():
            region = nets.region_from(network.segmenter(worn).float().sigmoid(), network.config)
        factor = CROP // self.size
        photo, region = F.avg_pool2d(worn, factor), F.max_pool2d(region, factor)
        return *self.windows(network, {"image": photo, "region": region}), visible_contrast(photo, region)

    def excess(self, completed: Tensor, region: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
        """Fine contrast beyond what the visible face has, over that. -> [N, 3, h, w], share [N, 1, h, w]"""
        contrast, share = fine_contrast(completed, region)
        return (contrast / allowed - 1).relu(), share

    def validation(self, faces):
        batch = super().validation(faces)
        if not self.worn:
            return batch
        chosen = np.linspace(0, len(self.worn_validation) - 1, len(batch["image"])).round().astype(int)
        return batch | faces_data.collate([{"worn": faces_data.planes(self.worn_validation[i])} for i in chosen])

    def scores(self, network, batch):
        result = super().scores(network, batch)
        if "worn" in batch:
            completed, _, region, allowed = self.on_worn(network, batch["worn"])
            beyond, share = self.excess(completed, region, allowed)
            result["realExcess"] = (beyond * share).mean((1, 2, 3)) / share.mean((1, 2, 3)).clamp_min(1e-6)
        return result


class NaturalCoarse(Contested, Complete):
    """A face that looks natural, at 128x128, where shapes are decided: nose, lips, chin. The refiner stays as it is."""

    name, recipe = "natural-coarse", Contested.recipe
    contest = Contest(adversarial=0.8, worn=0.5, lack=3.0)  # at .5 the gradient energy fell from run to run, .64 to .62; at .8 it rose to .67, at 1.2 to .73, with beads on real photos
    critic_widths = (48, 96, 192, 192)
    size = COARSE

    def windows(self, network, batch):
        image, region = batch["image"], batch["region"]
        completed, _ = network.completer(image * (1 - region), region)
        corner = window_corner(region, WINDOW // 2)
        return tuple(window(x, corner, WINDOW // 2, 1) for x in (completed, image, region))


class Natural(Contested, Refine):
    """The same at 256x256: texture, on the natural shapes that the completer gives. The completer stays as it is."""

    name, windows = "natural", Refine.windows
    contest = Contest(specks=4.0, adversarial=0.7)  # with `--real`, which keeps dots away, it may draw more texture
    critic_widths = (32, 64, 128, 128, 128)


class Texture(Refine):
    """How strong skin's finest texture is, at every pixel: as strong as the truth's. Everything else stays as it is."""

    name, parts = "texture", ("texture",)
    recipe = Recipe(rate=5e-4, ema=0.995, weight_decay=0.0)

    def build(self, preset):
        return nets.Unmasker(PRESETS[preset], textured=True)

    def sample(self, faces):
        return lambda rng: faces_data.completion_sample(faces, rng, CROP, faces_data.Jitter())  # a turned head has lost of its grain

    def loss(self, network, batch, progress):
        with torch.no_grad():
            completed, truth, region, fine = self.detailed_windows(network, batch)
        textured = completed + network.texture(fine, nets.visible_detail(batch["image"], batch["region"]))
        return sum(
            over_region((ours - true).abs(), share)
            for (ours, share), (true, _) in zip(contrasts(textured, region), contrasts(truth, region))
        )


class Denoise(Stage):
    """Blind denoising of patches, Gaussian and Poisson, sigma 0 to 55 of 255."""

    name, best = "denoise", "psnr25"
    recipe = Recipe(rate=2e-3, ema=0.99)

    def build(self, preset):
        return nets.Denoiser()

    def sample(self, faces):
        return lambda rng: faces_data.patch_sample(faces, rng)

    def loss(self, network, batch, progress):
        clean = batch["image"]
        return ((network.estimate(add_noise(clean)) - clean).square() + 1e-6).sqrt().mean()

    def validation(self, faces):
        rng = np.random.default_rng(1)
        return faces_data.collate([faces_data.patch_sample(faces, rng, 128) for _ in range(VALIDATION_FACES)])

    def scores(self, network, batch):
        clean = batch["image"]
        everywhere = torch.ones_like(clean[:, :1])
        generator = torch.Generator(clean.device).manual_seed(1)
        result = {}
        for sigma in (15, 25, 50):
            noise = torch.randn(clean.shape, generator=generator, device=clean.device)
            noisy = quantise(clean + noise * sigma / 255)
            result[f"psnr{sigma}"] = region_psnr(network(noisy), clean, everywhere)
        return result


class Plain(Stage):
    """The published unmasker: mean squared error on what it sees, the region counting six times. Windows of 64 px at 128."""

    name, parts = "plain", ("net",)
    recipe = Recipe(rate=2e-3)

    def build(self, preset):
        return nets.Rescnn56(unmasker=PRESETS[preset])

    def sample(self, faces):
        return lambda rng: faces_data.worn_sample(faces, rng)

    def loss(self, network, batch, progress):
        corner = window_corner(batch["region"], COARSE // 2)
        image, truth, region = (window(batch[name], corner, COARSE // 2, 1) for name in ("image", "truth", "region"))
        return ((network.net(image) - truth).square() * (1 + 5 * region)).mean() * 10

    def validation(self, faces):
        chosen = np.linspace(0, len(faces) - 1, min(VALIDATION_FACES, len(faces))).round().astype(int)
        drawn = [faces_data.worn_sample(faces, np.random.default_rng(int(i)), COARSE, int(i)) for i in chosen]
        return faces_data.collate(drawn)

    def scores(self, network, batch):
        restored = network.net(batch["image"]).clamp(0, 1)
        return {
            "regionPsnr": region_psnr(restored, batch["truth"], batch["region"]),
            "maskLeftOn": region_psnr(batch["image"], batch["truth"], batch["region"]),
        }


STAGES = {stage.name: stage for stage in (Segment, Complete, Refine, NaturalCoarse, Natural, Texture, Denoise, Plain)}


def window_corner(region: Tensor, size: int = WINDOW) -> list[tuple[int, int]]:
    """Upper left corner, a multiple of 4 px, of the size x size window around each region's centre. [N, 1, H, W] -> N x (y, x)"""
    side = region.shape[-1]
    rows, columns = region.amax(3).squeeze(1), region.amax(2).squeeze(1)  # [N, side]
    place = torch.arange(side, device=region.device, dtype=torch.float32)

    def start(hits: Tensor) -> list[int]:
        low = torch.where(hits > 0, place, side).amin(1)
        high = torch.where(hits > 0, place, -1.0).amax(1)
        return ((((low + high) / 2 - size / 2).clamp(0, side - size) / 4).round() * 4).int().tolist()

    return list(zip(start(rows), start(columns)))


def window(x: Tensor, corner: list[tuple[int, int]], size: int, factor: int) -> Tensor:
    """The windows cut from a tensor that is `factor` times smaller than the image. -> [N, C, size / factor, size / factor]"""
    side = size // factor
    cut = [row[:, y // factor : y // factor + side, x0 // factor : x0 // factor + side] for row, (y, x0) in zip(x, corner)]
    return torch.stack(cut).contiguous(memory_format=torch.channels_last)


def quantise(image: Tensor) -> Tensor:
    """To what 8 bits can hold: clipped to 0..1 and rounded."""
    return (image.clamp(0, 1) * 255).round() / 255


def add_noise(clean: Tensor, strongest: float = 55.0) -> Tensor:
    """Noise of an unknown strength per image: white Gaussian, sigma 0..55 of 255, or (one in four) Poisson; then 8 bits."""
    n = len(clean)
    sigma = torch.rand(n, 1, 1, 1, device=clean.device) * strongest / 255
    gaussian = clean + torch.randn_like(clean) * sigma
    photons = (0.5 / sigma.clamp_min(1 / 255).square()).expand_as(clean)  # at half brightness this is as strong as sigma
    poisson = torch.poisson(clean * photons) / photons
    return quantise(torch.where(torch.rand(n, 1, 1, 1, device=clean.device) < 0.25, poisson, gaussian))


def region_mean(values: Tensor, region: Tensor) -> Tensor:
    """Mean over the region's pixels and all channels. [N, C, H, W], [N, 1, H, W] -> [N]"""
    return (values * region).sum((1, 2, 3)) / (region.sum((1, 2, 3)) * values.shape[1]).clamp_min(1)


def fidelity(completed: Tensor, truth: Tensor, region: Tensor, progress: float) -> Tensor:
    """Least-error loss: Charbonnier + 0.5 x gradient + MS-SSIM first; from 3/4 of the run the log of the squared error, that is PSNR, + MS-SSIM."""
    difference, unlike = completed - truth, 1 - ms_ssim(completed, truth, region).mean()
    if progress > 0.75:
        return (region_mean(difference.square(), region) + 1e-5).log().mean() * 0.1 + UNLIKE_LATE * unlike
    error = region_mean((difference.square() + 1e-6).sqrt(), region).mean()
    horizontal = region_mean((difference[..., 1:] - difference[..., :-1]).abs(), region[..., 1:]).mean()
    vertical = region_mean((difference[..., 1:, :] - difference[..., :-1, :]).abs(), region[..., 1:, :]).mean()
    return 6 * error + 3 * (horizontal + vertical) + UNLIKE * unlike


def likeness(image: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """The two factors of SSIM (Wang 2004: Gaussian window of 11 px, sigma 1.5; peak 1): luminance; contrast and structure. [N, C, H, W] -> the same

    At the picture's edge the window is what lies inside.
    """

    def window(side: int) -> Tensor:
        place = torch.arange(side, device=truth.device, dtype=torch.float32)
        apart = place[:, None] - place[None]
        taps = (-apart.square() / (2 * 1.5**2)).exp() * (apart.abs() <= 5)
        return taps / taps.sum(1, keepdim=True)

    down, across = window(truth.shape[-2]), window(truth.shape[-1]).T
    with torch.autocast(truth.device.type, enabled=False):  # variances are small differences of large numbers
        a, b = image.float().contiguous(), truth.float().contiguous()
        mean_a, mean_b, square_a, square_b, product = (down @ x @ across for x in (a, b, a * a, b * b, a * b))
    variances = square_a - mean_a.square() + square_b - mean_b.square()
    luminance = (2 * mean_a * mean_b + 0.01**2) / (mean_a.square() + mean_b.square() + 0.01**2)
    return luminance, (2 * (product - mean_a * mean_b) + 0.03**2) / (variances + 0.03**2)


def region_ssim(image: Tensor, truth: Tensor, region: Tensor) -> Tensor:
    """Mean SSIM over the region's pixels and channels. -> [N]"""
    luminance, structure = likeness(image, truth)
    return region_mean(luminance * structure, region)


def ms_ssim(image: Tensor, truth: Tensor, region: Tensor, scales: int = 3) -> Tensor:
    """Multi-scale SSIM (Wang 2003) over the region: full, half and quarter size with equal exponents, luminance of the last. -> [N]

    Wang's exponents all but leave out the finest of five scales, which is the one that SSIM itself measures.
    """
    result = torch.ones(len(image), device=image.device)
    for scale in range(scales):
        luminance, structure = likeness(image, truth)
        quality = structure if scale < scales - 1 else luminance * structure
        result = result * region_mean(quality, region).clamp_min(1e-3) ** (1 / scales)
        image, truth, region = (F.avg_pool2d(x.float(), 2) for x in (image, truth, region))
    return result


def region_psnr(image: Tensor, truth: Tensor, region: Tensor) -> Tensor:
    """PSNR (peak 1) over the region's pixels, RGB together. -> [N] dB"""
    return -10 * region_mean((image - truth).square(), region).clamp_min(1e-8).log10()


def gradient_ratio(image: Tensor, truth: Tensor, region: Tensor) -> Tensor:
    """Gradient energy inside the region over the truth's: 1 = as much detail, small = a smear. -> [N]"""

    def energy(x: Tensor) -> Tensor:
        x = x.mean(1, keepdim=True)
        dx, dy = x[..., :-1, 1:] - x[..., :-1, :-1], x[..., 1:, :-1] - x[..., :-1, :-1]
        return region_mean(dx.square() + dy.square(), region[..., :-1, :-1])

    return energy(image) / energy(truth).clamp_min(1e-8)


class Run:
    """One training run of one stage: the loop, its clock, its checkpoints and its log."""

    def __init__(self, stage: Stage, options: argparse.Namespace):
        self.stage, self.options, self.recipe = stage, options, stage.recipe
        if options.batch:
            self.recipe = replace(self.recipe, batch=options.batch)
        if options.rate:
            self.recipe = replace(self.recipe, rate=options.rate)
        self.device = torch.device(options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")
        self.out = Path(options.out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.path = self.out / f"{stage.name}.pt"
        torch.manual_seed(options.seed)
        self.network = stage.build(options.preset)
        self.elapsed, self.images, self.steps, self.last_scores = 0.0, 0, 0, {}
        self.rows: list[dict] = []
        saved = torch.load(self.path, map_location="cpu", weights_only=False) if options.resume else None
        train_faces, validation_faces = (read(options, split) for split in ("train", "val"))
        if saved is None:
            for path in options.start or []:
                load_parts(self.network, Path(path))
            stage.prepare(self.network, train_faces)
            if thaw.asleep(self.network):
                self.wake(train_faces)
        if options.real:
            stage.take_real(self.network, Path(options.data))
        self.network.to(self.device, memory_format=torch.channels_last)
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        for module in self.trained():
            for parameter in module.parameters():
                parameter.requires_grad_(True)
        self.average = copy.deepcopy(self.network)
        self.optimiser = torch.optim.AdamW(
            nets.parameter_groups(self.network, self.recipe.weight_decay), lr=self.recipe.rate, betas=self.recipe.betas
        )
        self.begin()
        if saved is not None:
            self.restore(saved)
        if options.compile:
            for name in stage.parts:
                getattr(self.network, name).compile()
        seed = options.seed * 1000 + self.steps
        self.batches = faces_data.batches(
            stage.sample(train_faces), self.recipe.batch, seed, options.workers, pin=self.device.type == "cuda"
        )
        self.validation = stage.validation(validation_faces)
        print(
            f"{stage.name}: {len(train_faces)} faces, {sum(p.numel() for m in self.trained() for p in m.parameters()) / 1e6:.2f} M "
            f"parameters, {self.device}, {torch.get_num_threads()} threads, batch {self.recipe.batch}, seed {options.seed}",
            flush=True,
        )

    def wake(self, faces: faces_data.Faces) -> None:
        """Batch norms that an export or a blend had folded away begin with the statistics of 96 samples."""
        draw, rng = self.stage.sample(faces), np.random.default_rng(self.options.seed)
        batch = {name: values.float() for name, values in faces_data.collate([draw(rng) for _ in range(96)]).items()}
        batch |= {name: batch[name] / 255 for name in ("image", "truth") if name in batch}
        thaw.wake_norms(self.network, lambda: self.stage.loss(self.network, batch, 0.0))

    def trained(self) -> list[nn.Module]:
        return [getattr(self.network, name) for name in self.stage.parts] or [self.network]

    def trains(self, weight: str) -> bool:
        """Whether a weight of this name belongs to what is trained."""
        return not self.stage.parts or weight.split(".")[0] in self.stage.parts

    def begin(self) -> None:
        """Hook for runs with more state than the network."""

    def to_device(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """uint8 batches to floats: images to 0..1, regions stay 0 and 1."""
        moved = {}
        for name, values in batch.items():
            values = values.to(self.device, non_blocking=True).to(memory_format=torch.channels_last).float()
            moved[name] = values / 255 if name.split()[-1] in ("image", "truth", "worn") else values
        return moved

    def step(self, batch: dict[str, Tensor], progress: float) -> float:
        with precision.autocast(self.device):
            loss = self.stage.loss(self.network, batch, progress)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for m in self.trained() for p in m.parameters()], self.recipe.clip)
        self.optimiser.step()
        return float(loss.detach())

    def train(self) -> dict[str, float]:
        """Runs until the minutes (or the images, if a number is given) are used up or Ctrl-C, and returns the last scores."""
        budget, images = self.options.minutes * 60, self.options.images
        self.network.eval()  # what is not trained computes what it will compute when deployed
        for module in self.trained():
            module.train()
        bar = tqdm(total=round(budget), initial=round(self.elapsed), unit="s", mininterval=5, disable=self.options.quiet)
        running, checked = None, self.elapsed
        clock = time.monotonic()
        try:
            while (progress := self.images / images if images else self.elapsed / budget) < 1:
                for group in self.optimiser.param_groups:
                    group["lr"] = self.recipe.rate * one_cycle(progress)
                loss = self.step(self.to_device(next(self.batches)), progress)
                self.follow()
                self.steps, self.images = self.steps + 1, self.images + self.recipe.batch
                running = loss if running is None else running * 0.98 + loss * 0.02
                now = time.monotonic()
                self.elapsed, clock = self.elapsed + now - clock, now
                bar.update(round(self.elapsed) - bar.n)
                bar.set_postfix_str(f"{self.images} images, loss {running:.4f} {brief(self.last_scores)}", refresh=False)
                if self.elapsed - checked > self.options.check_seconds:
                    checked = self.elapsed
                    self.check(running)
                    clock = time.monotonic()
        except (KeyboardInterrupt, RuntimeError) as reason:
            if isinstance(reason, RuntimeError) and not told_as_well(reason):
                raise
            print("\ninterrupted: saving", flush=True)
        bar.close()
        self.check(running or math.nan)
        return self.last_scores

    @torch.no_grad()
    def follow(self) -> None:
        """Moves the averaged weights towards the trained ones (faster in the first steps)."""
        decay = min(self.recipe.ema, (1 + self.steps) / (10 + self.steps))
        mine, theirs = self.average.state_dict(), self.network.state_dict()
        floats = [k for k in mine if mine[k].is_floating_point() and self.trains(k)]
        torch._foreach_lerp_([mine[k] for k in floats], [theirs[k] for k in floats], 1 - decay)

    @torch.no_grad()
    def check(self, loss: float) -> None:
        """Scores the averaged network on the validation faces, saves, logs, draws the curves."""
        self.average.eval()
        collected: dict[str, list[Tensor]] = {}
        total = len(next(iter(self.validation.values())))
        for start in range(0, total, 32):
            batch = self.to_device({k: v[start : start + 32] for k, v in self.validation.items()})
            with precision.autocast(self.device):
                for name, values in self.stage.scores(self.average, batch).items():
                    collected.setdefault(name, []).append(values.float().cpu())
        self.last_scores = {name: float(torch.cat(values).nanmean()) for name, values in collected.items()}
        self.rows.append(
            {"seconds": round(self.elapsed), "images": self.images, "rate": f"{self.optimiser.param_groups[0]['lr']:.2e}",
             "loss": round(loss, 5), **{k: round(v, 4) for k, v in self.last_scores.items()}}
        )  # fmt: skip
        if not self.options.quiet:
            print(f"\n{self.rows[-1]}", flush=True)
        self.save()
        if self.options.keep:
            self.keep()
        log_path = self.out / f"{self.stage.name}.csv"
        with open(log_path, "w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(name for row in self.rows for name in row)))
            writer.writeheader()
            writer.writerows(self.rows)
        draw_curves(self.rows, self.stage.best, self.out / f"{self.stage.name}.png")

    def state(self) -> dict:
        return {
            "stage": self.stage.name,
            "parts": self.stage.parts,
            "preset": self.options.preset,
            "config": nets.describe(self.network.config),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "elapsed": self.elapsed,
            "images": self.images,
            "steps": self.steps,
            "rows": self.rows,
            "scores": self.last_scores,
            "seed": self.options.seed,
            "commit": commit(),
        }

    def save(self) -> None:
        """Writes beside the old checkpoint first: a kill in the middle loses nothing."""
        part = self.path.with_suffix(".part")
        torch.save(self.state(), part)
        part.replace(self.path)

    def keep(self) -> None:
        """The averaged network of this check under a name of its own, to begin or to blend from when a later one turns out worse."""
        state = self.state()
        kept = {name: state[name] for name in ("stage", "parts", "preset", "config", "scores", "images", "seed", "commit")}
        kept["average"] = {name: weight for name, weight in state["average"].items() if self.trains(name)}
        torch.save(kept, self.out / f"{self.stage.name}-{self.images}.pt")

    def restore(self, saved: dict) -> None:
        self.network.load_state_dict(saved["network"])
        self.average.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.elapsed, self.images, self.steps = saved["elapsed"], saved["images"], saved["steps"]
        self.rows, self.last_scores = saved["rows"], saved["scores"]


class NaturalRun(Run):
    """A run with a critic: hinge loss, one critic step and one generator step per batch."""

    def begin(self) -> None:
        self.contest = replace(self.stage.contest, adversarial=self.options.adversarial or self.stage.contest.adversarial)
        if self.stage.worn:
            self.worn = faces_data.batches(
                lambda rng: faces_data.worn_photo_sample(self.stage.worn, rng), self.recipe.batch // 4, self.options.seed, self.options.workers
            )
        self.critic = nets.Critic(self.stage.critic_widths).to(self.device, memory_format=torch.channels_last)
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), lr=self.contest.rate, betas=self.recipe.betas)
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train = lambda mode=True: module  # keeps the statistics for good
                module.training = False

    def step(self, batch: dict[str, Tensor], progress: float) -> float:
        stage, contest = self.stage, self.contest
        share = self.optimiser.param_groups[0]["lr"] / self.recipe.rate
        for group in self.critic_optimiser.param_groups:
            group["lr"] = contest.rate * share
        with precision.autocast(self.device):
            completed, truth, region = stage.windows(self.network, batch)
            pasted = truth * (1 - region) + completed * region
            on_truth, _ = self.critic(truth, region)
            on_ours, _ = self.critic(pasted.detach(), region)
            critic_loss = F.relu(1 - on_truth.float()).mean() + F.relu(1 + on_ours.float()).mean()
            if stage.worn:
                worn, photo, hole, allowed = stage.on_worn(self.network, self.to_device(next(self.worn))["worn"])
                worn_pasted = photo * (1 - hole) + worn * hole
                critic_loss = critic_loss + contest.worn * F.relu(1 + self.critic(worn_pasted.detach(), hole)[0].float()).mean()
        if self.steps % contest.penalty_every == 0:
            critic_loss = critic_loss + contest.penalty * contest.penalty_every * steepness(self.critic, truth, region)
        self.critic_optimiser.zero_grad(set_to_none=True)
        critic_loss.backward()
        self.critic_optimiser.step()
        self.critic.requires_grad_(False)
        with precision.autocast(self.device):
            with torch.no_grad():
                _, wanted = self.critic(truth, region)
            score, features = self.critic(pasted, region)
            matching = sum((a.float() - b.float()).abs().mean() for a, b in zip(features, wanted))
            difference = completed - truth
            weights = stage.weights(batch["region"])
            pixel = region_mean(weights * difference.abs(), region).mean()
            tint = region_mean(weights * (difference - difference.mean(1, keepdim=True)).abs(), region).mean()
            ramp = min(1.0, self.steps / contest.ramp)
            loss = (
                contest.pixel * pixel
                + contest.tint * tint
                + contest.matching * matching
                + contest.specks * specks(completed, truth, region)
                + contest.lack * specks(truth, completed, region)
                - contest.adversarial * ramp * score.float().mean()
            )
            if stage.worn:
                loss = loss + contest.excess * over_region(*stage.excess(worn, hole, allowed))
                loss = loss - contest.adversarial * ramp * contest.worn * self.critic(worn_pasted, hole)[0].float().mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for m in self.trained() for p in m.parameters()], self.recipe.clip)
        self.optimiser.step()
        self.critic.requires_grad_(True)
        return float(loss.detach())

    def state(self) -> dict:
        return super().state() | {"critic": self.critic.state_dict(), "critic_optimiser": self.critic_optimiser.state_dict()}

    def restore(self, saved: dict) -> None:
        super().restore(saved)
        self.critic.load_state_dict(saved["critic"])
        self.critic_optimiser.load_state_dict(saved["critic_optimiser"])


def steepness(critic: nn.Module, truth: Tensor, region: Tensor) -> Tensor:
    """R1 (arXiv 1801.04406): squared gradient of the critic's mean score on true faces. A steep critic rewards specks and dots."""
    truth = truth.detach().requires_grad_()
    scores, _ = critic(truth, region)
    (slope,) = torch.autograd.grad(scores.mean((1, 2, 3)).sum(), truth, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def specks(completed: Tensor, truth: Tensor, region: Tensor) -> Tensor:
    """Fine contrast beyond the truth's at the same place, mean over the region."""
    ours, share = fine_contrast(completed, region)
    return over_region((ours - fine_contrast(truth, region)[0]).relu(), share)


def contrasts(image: Tensor, region: Tensor) -> list[tuple[Tensor, Tensor]]:
    """`fine_contrast` at full and at half size: of white and of soft noise they differ. Half pixels on the border are left out."""
    return [fine_contrast(image, region), fine_contrast(F.avg_pool2d(image, 2), 1 - F.max_pool2d(1 - region, 2))]


def fine_contrast(image: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """RMS of the 3x3 detail of the region's pixels, over a fifth of a window. -> [N, C, h, w], share of the region [N, 1, h, w]"""
    reach, step = image.shape[-1] // 10 * 2 + 1, image.shape[-1] // 20

    def near(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, reach, step, reach // 2)

    share = near(region)
    return (near(nets.detail(image).square() * region) / share.clamp_min(1e-3) + 1e-6).sqrt(), share


def visible_contrast(image: Tensor, region: Tensor) -> Tensor:
    """The fine contrast a restored part may have at most: 1.5 times the mean 3x3 detail of what is seen of the face. -> [N, 3, 1, 1]

    Three places in ten of a true face's lower part have more (nostrils, lips, beards).
    """
    seen = nets.seen_face(region)
    mean = (nets.detail(image).abs() * seen).sum((2, 3), keepdim=True) / seen.sum((2, 3), keepdim=True).clamp_min(1)
    return (1.5 * mean).clamp_min(1 / 255)


def over_region(values: Tensor, share: Tensor) -> Tensor:
    """Mean of [N, C, h, w], each place counting by its share of the region. -> []"""
    return (values * share).sum() / (share.sum() * values.shape[1]).clamp_min(1)


def one_cycle(progress: float) -> float:
    """Share of the peak rate: linear warm-up, a plateau (short runs stay far from done at a low rate), a cosine to 1/100."""
    if progress < WARM_UP:
        return 0.05 + 0.95 * progress / WARM_UP
    return 0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, max(0.0, progress - COOL_DOWN) / (1 - COOL_DOWN)))) / 2


def read(options: argparse.Namespace, split: str) -> faces_data.Faces:
    limit = options.limit or None
    if options.celeba:
        return faces_data.read_celeba(Path(options.celeba), split, limit)
    return faces_data.read_faces(Path(options.data), split, limit)


def load_parts(network: nn.Module, path: Path) -> dict:
    """Loads the averaged weights of the parts a checkpoint trained (all parts it can, when it names none). Returns the checkpoint.

    A checkpoint of a narrower network fills the wider one, which computes the same at first (`thaw.widened`).
    An export of the whole network (`.onnx`) will do as well. Raises ValueError when the file has nothing that fits.
    """
    if path.suffix == ".onnx":
        thaw.load_onnx(network, path)
        return {}
    saved = torch.load(path, map_location="cpu", weights_only=False)
    parts = saved.get("holds") or saved["parts"] or tuple(dict(network.named_children()))
    state = {k: v for k, v in saved["average"].items() if k.split(".")[0] in parts}
    state = thaw.widened(state, network.state_dict())
    unknown = network.load_state_dict(state, strict=False).unexpected_keys
    if unknown or not state:
        raise ValueError(f"Expected weights for {type(network).__name__} in {path} but received {sorted(unknown)[:3] or 'none'}")
    return saved


def commit() -> str:
    """The git commit of this code, or 'unknown' outside a repository."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def brief(scores: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.3f}" for name, value in scores.items())


def draw_curves(rows: list[dict], score: str, path: Path) -> None:
    """Loss and the stage's main score over images seen, as a PNG."""
    figure = Figure(figsize=(7, 3.5))
    axis = figure.subplots()
    images = [row["images"] for row in rows]
    axis.plot(images, [row["loss"] for row in rows], color="grey", label="loss")
    axis.set_xlabel("images")
    axis.set_ylabel("loss")
    other = axis.twinx()
    other.plot(images, [row[score] for row in rows], color="tab:blue")
    other.set_ylabel(score)
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=sorted(STAGES))
    parser.add_argument("--data", default="../../shared/data", help="folder with faces/")
    parser.add_argument("--celeba", help="train on a CelebA folder instead of --data")
    parser.add_argument("--out", default="runs", help="folder for checkpoints, logs and curves")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--images", type=int, default=0, help="stop after so many images instead of minutes (repeatable runs)")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/<stage>.pt")
    parser.add_argument("--start", action="append", help="checkpoint whose trained parts to begin from, or an exported .onnx; may be repeated")
    parser.add_argument("--check-seconds", type=float, default=120, help="time between checkpoints with scores")
    parser.add_argument("--keep", action="store_true", help="keep the network of every check as OUT/<stage>-<images>.pt: the last of a natural stage is not always the best")
    parser.add_argument("--real", action="store_true", help="learn from real masked photos too (segment: outlined weakly by --start; natural stages: against dots)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads, 0: all")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw samples; on a GPU one per core")
    parser.add_argument("--batch", type=int, default=0, help="images per step, 0: the stage's own")
    parser.add_argument("--rate", type=float, default=0, help="peak learning rate, 0: the stage's own")
    parser.add_argument("--adversarial", type=float, default=0, help="weight of a natural stage's critic: more draws more detail and errs more, 0: the stage's own")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="small")
    parser.add_argument("--compile", action="store_true", help="torch.compile the trained parts (worth it on a GPU)")
    parser.add_argument("--limit", type=int, default=0, help="read only the first N faces of each split, 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args(arguments)


def told_as_well(reason: RuntimeError) -> bool:
    """Whether a process that draws samples ended because all of the job were told to: it may be told a moment before this one."""
    if not str(reason).startswith("DataLoader worker"):
        return False
    try:
        time.sleep(1)
    except KeyboardInterrupt:
        return True
    return False


def stop(*_: object) -> None:
    """A signal that asks to end. Whoever sent it may have ended the loader's processes too: no longer a reason to fail."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> dict[str, float]:
    options = parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    for number in (signal.SIGINT, signal.SIGTERM):  # a background job ignores Ctrl-C unless told otherwise
        signal.signal(number, stop)
    kind = NaturalRun if options.stage.startswith("natural") else Run
    return kind(STAGES[options.stage](), options).train()


if __name__ == "__main__":
    print(brief(main(sys.argv[1:])))
