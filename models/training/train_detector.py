"""Trains the mask detector.

    python train_detector.py --data ../../../shared/data --out runs/detector --minutes 50               # 2-core CPU
    python train_detector.py --data ../../../shared/data --out runs/detector --minutes 30 --device cuda --workers 12 --batch 8
    python train_detector.py --data ... --out runs/detector --minutes 30 --resume                      # 30 minutes more
    python train_detector.py --data ... --out runs/detector --minutes 45 --start ../mask-detector.onnx      # from the published weights
    pytest test_detector.py

`--out` receives log.csv (one line every 20 steps), checkpoint.pt (weights, averaged weights, optimiser, config, git hash,
scores) every minute, and curves.png. Learning rate and end follow the clock, not a step count, so that one command
fits every machine; `--resume` continues the optimiser and starts a new, lower cycle, `--start` a lower one from published weights.
"""

from __future__ import annotations

import argparse
import copy
import csv
import dataclasses
import math
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm import tqdm

import precision
import thaw
from detect_data import Batch, Batches, read_scenes
from network import Candidates, Detector, DetectorConfig, cell_centres, parameter_groups

REACH = ((0.0, 40.0), (30.0, 92.0), (72.0, 200.0), (160.0, math.inf))
"""Face sizes, sqrt(width x height) in input pixels, that each level answers for; the overlaps belong to both."""

BACKGROUND, IGNORED = -1, -2


@dataclass(frozen=True)
class TrainConfig:
    """Everything that shapes a run besides the network; saved in the checkpoint."""

    seed: int = 1
    rate: float = 2e-3
    decay: float = 0.02
    average: float = 0.998
    warm_up: float = 0.04  # of the run
    box_weight: float = 2.0
    eye_weight: float = 6.0
    mask_weight: float = 0.7
    clip: float = 5.0


# ---------------------------------------------------------------------------------------------------------------------
# Targets and loss


def assign(faces: Tensor, size: int, strides: tuple[int, ...]) -> Tensor:
    """Which face each cell answers for -> int64 [N]: a row of faces, BACKGROUND or IGNORED.

    faces: [n, 10] as in detect_data.Batch. A face is asked of the levels whose reach holds its size, at the cells within
    1.5 strides and 0.35 box sides of its centre, and always at the nearest cell. Where two compete the smaller face wins.
    Inside ignored faces nothing is asked or punished.
    """
    owners = []
    for level, stride in enumerate(strides):
        cells = cell_centres(size // stride, size // stride, stride)
        owner = torch.full((len(cells),), BACKGROUND)
        if len(faces):
            low, high = faces[:, 0:2], faces[:, 2:4]
            sides = (high - low).clamp(min=1e-3)
            extent = sides.prod(1).sqrt()
            away = (cells[:, None] - (low + high) / 2).abs()  # [N, n, 2]
            central = (away <= torch.minimum(1.5 * torch.tensor(float(stride)), 0.35 * sides)).all(-1)
            nearest = away.amax(-1)
            central |= (nearest == nearest.amin(0)) & (nearest <= stride)
            lowest, highest = REACH[min(level, len(REACH) - 1)]
            mine = central & (extent >= lowest) & (extent < highest) & (faces[:, 9] < 0.5)
            price = torch.where(mine, extent.expand_as(mine), torch.inf)
            best, row = price.min(1)
            inside = ((cells[:, None] >= low) & (cells[:, None] <= high)).all(-1) & (faces[:, 9] > 0.5)
            owner[inside.any(1)] = IGNORED
            owner = torch.where(best.isfinite(), row, owner)
        owners.append(owner)
    return torch.cat(owners)


def detector_loss(found: Candidates, batch: Batch, size: int, strides: tuple[int, ...], config: TrainConfig) -> dict[str, Tensor]:
    """Terms of the loss, weighted, summed under "total". Background of incomplete pictures is punished near its known face only."""
    device = found.boxes.device
    rows, cells, wanted = [], [], []
    owner = torch.stack([assign(torch.from_numpy(faces), size, strides) for faces in batch.faces])  # [B, N]
    for picture, faces in enumerate(batch.faces):
        mine = (owner[picture] >= 0).nonzero()[:, 0]
        rows.append(torch.full_like(mine, picture))
        cells.append(mine)
        wanted.append(torch.from_numpy(faces)[owner[picture][mine]])
    rows, cells, wanted = torch.cat(rows).to(device), torch.cat(cells).to(device), torch.cat(wanted).to(device)
    count = max(len(rows), 1)

    overlap, box_loss = _distance_iou(found.boxes[rows, cells], wanted[:, :4])
    goal = torch.zeros_like(found.face_logits)
    goal[rows, cells] = 0.4 + 0.6 * overlap.detach().clamp(0, 1)  # the score says how good the box is (GFL, arXiv 2006.04388)
    asked = (owner != IGNORED).to(device) & ~_unlisted(found, batch, owner.to(device))
    score = found.face_logits.sigmoid()
    face_loss = F.binary_cross_entropy_with_logits(found.face_logits, goal, reduction="none") * (score.detach() - goal).abs() ** 2

    eyes_known = wanted[:, 4:8].isfinite().all(1)
    truth = wanted[eyes_known, 4:8]
    apart = (truth[:, 0:2] - truth[:, 2:4]).norm(dim=1, keepdim=True)
    apart = torch.maximum(apart, 0.3 * (wanted[eyes_known, 2:4] - wanted[eyes_known, 0:2]).amin(1, keepdim=True)).clamp(min=2)
    error = (found.eyes[rows, cells][eyes_known] - truth) / apart
    eye_loss = F.smooth_l1_loss(error, torch.zeros_like(error), beta=0.04, reduction="none").mean(1)

    mask_known = wanted[:, 8].isfinite()
    mask_loss = F.binary_cross_entropy_with_logits(found.mask_logits[rows, cells][mask_known], wanted[mask_known, 8], reduction="none")

    terms = {
        "face": (face_loss * asked).sum() / count,
        "box": config.box_weight * box_loss.sum() / count,
        "eyes": config.eye_weight * eye_loss.sum() / max(len(eye_loss), 1),
        "mask": config.mask_weight * mask_loss.sum() / max(len(mask_loss), 1),
    }
    return {**terms, "total": sum(terms.values())}


def _distance_iou(found: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """IoU [P] and 1 - IoU + squared centre distance over squared enclosing diagonal [P] (DIoU, arXiv 1911.08287)."""
    shared = (torch.minimum(found[:, 2:], wanted[:, 2:]) - torch.maximum(found[:, :2], wanted[:, :2])).clamp(min=0).prod(1)
    area = lambda box: (box[:, 2:] - box[:, :2]).clamp(min=1e-3).prod(1)
    overlap = shared / (area(found) + area(wanted) - shared).clamp(min=1e-3)
    hull = (torch.maximum(found[:, 2:], wanted[:, 2:]) - torch.minimum(found[:, :2], wanted[:, :2])).square().sum(1)
    apart = ((found[:, 2:] + found[:, :2] - wanted[:, 2:] - wanted[:, :2]) / 2).square().sum(1)
    return overlap, 1 - overlap + apart / hull.clamp(min=1e-3)


def _unlisted(found: Candidates, batch: Batch, owner: Tensor) -> Tensor:
    """Cells of incomplete pictures that surely look like a face and lie away from the known one: bool [B, N].

    Only the sure ones (0.6): real unlisted faces score higher, while badges and prints that look a little like one stay punished.
    """
    centre = (found.boxes[..., :2] + found.boxes[..., 2:]).detach() / 2
    out = torch.zeros_like(owner, dtype=torch.bool)
    for picture, faces in enumerate(batch.faces):
        if batch.complete[picture]:
            continue
        near = torch.zeros_like(out[picture])
        for row in torch.from_numpy(faces).to(centre):
            middle, reach = (row[:2] + row[2:4]) / 2, 0.6 * (row[2:4] - row[:2])
            near |= ((centre[picture] - middle).abs() < reach).all(-1)
        out[picture] = (owner[picture] == BACKGROUND) & ~near & (found.face_logits[picture].detach() > 0.4)
    return out


# ---------------------------------------------------------------------------------------------------------------------
# Training


def tensor_of(batch: Batch, device: torch.device) -> Tensor:
    """The batch's pictures as [B, 3, S, S] in 0..1, channels last."""
    return torch.from_numpy(batch.rasters).to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255)


class Average:
    """Exponential moving average of weights and norms, warmed up so that early steps do not linger."""

    def __init__(self, network: Detector, decay: float):
        self.network, self.decay, self.steps = copy.deepcopy(network).eval().requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, network: Detector) -> None:
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for mine, theirs in zip(self.network.state_dict().values(), network.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - keep)
            else:
                mine.copy_(theirs)


def learning_rate(progress: float, config: TrainConfig, trained: bool) -> float:
    """Linear warm-up, then a cosine to 1 %; progress 0..1. Weights that were trained before peak at half the rate."""
    peak = config.rate * (0.5 if trained else 1.0)
    if progress < config.warm_up:
        return peak * (0.05 + 0.95 * progress / config.warm_up)
    done = (progress - config.warm_up) / (1 - config.warm_up)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1))))


def sizes_of(batch: int) -> dict[int, tuple[float, int]]:
    """Input sides -> (probability, pictures): about the same pixels per batch; `batch` counts pictures at 640."""
    return {320: (0.55, 4 * batch), 448: (0.2, 2 * batch), 640: (0.25, batch)}


def git_hash() -> str:
    """Commit the code was at, or "unknown" outside a checkout."""
    try:
        return subprocess.run(["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def save(path: Path, network: Detector, average: Average, optimiser, config: TrainConfig, seconds: float, images: int, scores: dict) -> None:
    """Writes the checkpoint beside itself first, so that a kill never leaves half a file."""
    part = path.with_suffix(".part")
    torch.save(
        {"network": network.state_dict(), "average": average.network.state_dict(), "steps": average.steps, "optimiser": optimiser.state_dict(),
         "detector": dataclasses.asdict(network.config), "train": dataclasses.asdict(config), "git": git_hash(), "seconds": seconds, "images": images, "scores": scores},
        part,
    )
    part.replace(path)


def load_detector(path: Path) -> tuple[Detector, dict]:
    """The averaged network of a checkpoint, in eval mode, and the checkpoint itself."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    fields = {name: tuple(value) if isinstance(value, (list, tuple)) else value for name, value in checkpoint["detector"].items()}
    detector = Detector(DetectorConfig(**fields))
    detector.load_state_dict(checkpoint["average"])
    return detector.eval(), checkpoint


def train(options: argparse.Namespace) -> None:
    """Runs until the minutes are over; leaves log, checkpoint and curves in options.out."""
    config = TrainConfig(seed=options.seed)
    print(f"seed {config.seed}")
    torch.manual_seed(config.seed)
    torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else torch.device(options.device)
    torch.backends.cudnn.benchmark = True
    options.out.mkdir(parents=True, exist_ok=True)

    network = Detector().to(device, memory_format=torch.channels_last)
    average = Average(network, config.average)
    optimiser = torch.optim.AdamW(parameter_groups(network, config.decay), lr=config.rate)
    seconds, images, path = 0.0, 0, options.out / "checkpoint.pt"
    if options.resume:
        checkpoint = torch.load(path, map_location=device, weights_only=True)
        network.load_state_dict(checkpoint["network"])
        average.network.load_state_dict(checkpoint["average"])
        average.steps = checkpoint["steps"]
        optimiser.load_state_dict(checkpoint["optimiser"])
        seconds, images = checkpoint["seconds"], checkpoint["images"]

    pictures = Batches(options.data, sizes_of(options.batch), config.seed + images)  # a resumed run sees new pictures
    loader = DataLoader(pictures, batch_size=None, num_workers=options.workers, prefetch_factor=4 if options.workers else None, collate_fn=lambda batch: batch)
    batches = iter(loader)
    if options.start and not options.resume:
        thaw.load_levels(network, options.start)
        photos = tensor_of(next(batches), device)
        thaw.wake_norms(network, lambda: network(photos))
        average = Average(network, config.average)
    validation = read_scenes(options.data, "val")
    log = open(options.out / "log.csv", "a" if options.resume else "w", newline="")
    lines = csv.writer(log)
    if not options.resume:
        lines.writerow(["seconds", "images", "rate", "face", "box", "eyes", "mask", "total"])
    start = last_check = last_save = time.monotonic()
    recent, scores = [], {}
    bar = tqdm(total=round(options.minutes * 60), unit="s", mininterval=10)
    for batch in batches:
        elapsed = time.monotonic() - start
        progress = elapsed / (options.minutes * 60)
        if progress >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(progress, config, options.resume or options.start is not None)
        network.train()
        photos = tensor_of(batch, device)
        with precision.autocast(device):
            found = network(photos)
        terms = detector_loss(found, batch, photos.shape[-1], network.config.strides, config)
        optimiser.zero_grad(set_to_none=True)
        terms["total"].backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        optimiser.step()
        average.update(network)
        images += len(photos)
        recent.append([float(terms[name].detach()) for name in ("face", "box", "eyes", "mask", "total")])
        bar.update(round(elapsed) - bar.n)
        if len(recent) == 20:
            lines.writerow([round(seconds + elapsed, 1), images, f"{optimiser.param_groups[0]['lr']:.2e}", *np.round(np.mean(recent, 0), 4)])
            log.flush()
            recent = []
        now = time.monotonic()
        if now - last_check > 60 * options.check_minutes:
            scores = check(average.network, validation)
            bar.write(f"{(seconds + elapsed) / 60:.1f} min, {images} images: {scores}")
            last_check = time.monotonic()
        if now - last_save > 60:
            save(path, network, average, optimiser, config, seconds + elapsed, images, scores)
            last_save = now
    scores = check(average.network, validation)
    save(path, network, average, optimiser, config, seconds + time.monotonic() - start, images, scores)
    print(f"{images} images, validation {scores}")
    plot(options.out)


def check(network: Detector, photos) -> dict[str, float]:
    """Average precision on labelled photos, masked and bare, faces of 24 px and more."""
    from evaluate_detector import average_precisions, torch_localiser

    return average_precisions(torch_localiser(network), photos)


def plot(folder: Path) -> None:
    """log.csv -> curves.png."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with open(folder / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return
    figure, axis = pyplot.subplots(figsize=(8, 4))
    for name in ("face", "box", "eyes", "mask"):
        axis.plot([float(row["images"]) for row in rows], [float(row[name]) for row in rows], label=name, linewidth=0.8)
    axis.set(xlabel="images", ylabel="loss", yscale="log")
    axis.legend()
    figure.savefig(folder / "curves.png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=50)
    parser.add_argument("--check-minutes", type=float, default=8)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batch", type=int, default=3, help="pictures at 640 px per step; four times as many at 320 px")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="mask-detector.onnx to go on from")
    parser.add_argument("--resume", action="store_true")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # an exit, so that the workers go too
    train(parser.parse_args())


if __name__ == "__main__":
    main()
