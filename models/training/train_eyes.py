"""Trains, measures and exports the eye locator: a window around one detected face -> both eyes, at any roll.

    python train_eyes.py --data ../../../shared/data --out runs/eyes --minutes 60       # resumes by itself; Ctrl-C saves
    python train_eyes.py --data ../../../shared/data --out runs/eyes --minutes 60 --start ../eye-locator.onnx   # from the published weights
    python train_eyes.py --data ../../../shared/data --out runs/eyes --export ..        # test figures, ONNX, models.json

An hour on one CPU core was 967,000 windows and an error of .034 of the eyes' distance (ten minutes on a busy one 64,000 and .045);
on a GPU the loader's processes are the limit (--workers 12).
Windows are cut from the aligned faces of data/faces, bare, masked (masks.synthesise) and behind hands, turned at random;
a quarter of them are no faces: parts of faces, faces far off the middle, background. Coordinates in pixels, integers at
pixel centres.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import subprocess
import time
from dataclasses import asdict
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

import precision
import thaw
from data import BOX_SHARE, TURN_SHARE, turn
from detect_data import Face, Photo, face_from_landmarks, read_faces, read_masked, read_scenes, similarity
from export import ramp
from export_detector import merge_fixture, merge_model
from locate import SIDE, WINDOW, Look, cut, locate_twice, window_matrix
from masks import distract, photometric, synthesise
from network import EyeLocator, EyeLocatorConfig, ExportedEyeLocator

NO_FACE = 0.25
"""Share of windows without a face."""

TURNED_BY = 40.0
"""Degrees, at most, by which TURN_SHARE of the heads are turned further: worn masks are seen from the side more often than these faces."""

SOURCE_WEIGHTS = {"aaf": 0.4, "ytf": 0.5}
BATCH = 64

PEAK = 3e-3
"""Of the learning rate; weights that were trained before begin at half of it."""


class Windows(IterableDataset):
    """Endless training windows: uint8 [96, 96, 3] RGB, eyes [4], face 1 or 0.

    Faces are dressed once per epoch and kept at 160x160, because drawing a mask takes 6 ms and cutting a window 0.2.
    """

    def __init__(self, data: Path, seed: int):
        self.data, self.seed = data, seed

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        rng = np.random.default_rng((self.seed, info.id if info else 0))
        cv2.setNumThreads(1)
        faces = read_faces(self.data, "train")
        chance = np.array([SOURCE_WEIGHTS.get(face.source, 1.0) for face in faces])
        scenes = read_scenes(self.data, "train")
        pool: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        while True:
            if len(pool) < 4000 or rng.uniform() < 0.05:
                face = faces[int(rng.choice(len(faces), p=chance / chance.sum()))]
                dressed = dress(face, rng)
                if len(pool) < 4000:
                    pool.append(dressed)
                else:
                    pool[int(rng.integers(len(pool)))] = dressed
            if rng.uniform() < NO_FACE:
                yield no_face(pool, scenes, rng)
            else:
                image, eyes, box = pool[int(rng.integers(len(pool)))]
                yield face_window(image, eyes, box, roll_of(rng), rng)


def dress(photo: Photo, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The face as it may be met: 65 % masked, 10 % behind something else, some turned away. -> raster [256, 256, 3], eyes [4], box [4]"""
    image, landmarks = photo.open().raster, photo.landmarks
    if rng.uniform() < TURN_SHARE:
        image, landmarks = turn(image, landmarks, rng.uniform(0, TURNED_BY))
    chance = rng.uniform()
    if chance < 0.65:
        image = synthesise(image, landmarks, rng).image
    elif chance < 0.75:
        image = distract(image, landmarks, rng).image
    face = face_from_landmarks(landmarks)
    return image, face.eyes, face.box


def roll_of(rng: np.random.Generator) -> float:
    """Degrees: mostly nearly upright, as heads are and as the second look at a face is."""
    kind = rng.uniform()
    return rng.normal(0, 12) if kind < 0.55 else rng.uniform(-60, 60) if kind < 0.8 else rng.uniform(-180, 180)


def face_window(image, eyes, box, roll, rng, jitter: float = 1.0):
    """One window of a face turned by `roll` degrees, its box off by as much as a detector's is; mirrored half of the time."""
    matrix = window_matrix(box, roll)
    grow, shift = 1 + jitter * rng.uniform(-0.18, 0.2), jitter * rng.normal(0, 0.05, 2) * SIDE
    middle = (SIDE - 1) / 2
    matrix = grow * matrix
    matrix[:, 2] += middle * (1 - grow) + shift
    window = cut(image, matrix)
    moved = eyes.reshape(2, 2) @ matrix[:, :2].T + matrix[:, 2]
    if jitter and rng.uniform() < 0.5:
        window, moved = window[:, ::-1], moved[::-1] * (-1, 1) + (SIDE - 1, 0)
    return degrade(window, rng) if jitter else window, moved.reshape(4).astype(np.float32), np.float32(1)


def no_face(pool, scenes, rng):
    """A window without a face in its middle: a part of one, one far off, background, another scale."""
    nothing = np.zeros(4, np.float32)
    if rng.uniform() < 0.5:
        image, _, box = pool[int(rng.integers(len(pool)))]
        matrix = window_matrix(box, roll_of(rng))
        if rng.uniform() < 0.6:  # a part: the window is a half to a sixth of what it should be
            grow = rng.uniform(2.2, 6)
            middle = (SIDE - 1) / 2
            matrix = grow * matrix
            matrix[:, 2] += middle * (1 - grow) + rng.uniform(-0.25, 0.25, 2) * SIDE * grow / 2
        else:  # far off the middle
            angle = rng.uniform(0, 2 * math.pi)
            matrix[:, 2] += rng.uniform(0.55, 0.9) * SIDE * np.array([math.cos(angle), math.sin(angle)])
        return degrade(cut(image, matrix), rng), nothing, np.float32(0)
    while True:
        picture = scenes[int(rng.integers(len(scenes)))].open()
        height, width = picture.raster.shape[:2]
        side = float(np.exp(rng.uniform(np.log(20), np.log(min(width, height)))))
        x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
        window = np.array([x, y, x + side, y + side])
        if any(overlap(window, face.box) > 0.08 for face in picture.faces):
            continue
        scale = SIDE / side
        matrix = similarity(scale, rng.uniform(-180, 180), (x + side / 2, y + side / 2), ((SIDE - 1) / 2, (SIDE - 1) / 2))
        return degrade(cut(picture.raster, matrix), rng), nothing, np.float32(0)


def overlap(window: np.ndarray, box: np.ndarray) -> float:
    """Share of the smaller of the two that lies in the other."""
    width = min(window[2], box[2]) - max(window[0], box[0])
    height = min(window[3], box[3]) - max(window[1], box[1])
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (window, box)]
    return max(0.0, width) * max(0.0, height) / min(areas)


def degrade(window: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What small and poor photos do to a window: 40 % shrunk and enlarged again, half of them through the photometric chain."""
    if rng.uniform() < 0.4:
        side = int(rng.uniform(18, SIDE))
        window = cv2.resize(cv2.resize(window, (side, side), interpolation=cv2.INTER_AREA), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    if rng.uniform() < 0.08:
        window = np.repeat(cv2.cvtColor(np.ascontiguousarray(window), cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    if rng.uniform() < 0.5:
        window = photometric(np.ascontiguousarray(window), rng, 0.7)
    return np.ascontiguousarray(window)


def to_tensor(windows: torch.Tensor, device) -> torch.Tensor:
    """uint8 [B, 96, 96, 3] -> float [B, 3, 96, 96] in 0..1, channels last."""
    return windows.to(device, non_blocking=True).permute(0, 3, 1, 2).float().div_(255).contiguous(memory_format=torch.channels_last)


def loss_of(locator: EyeLocator, windows, eyes, face) -> torch.Tensor:
    """Distance of each eye over the distance between the eyes, for faces; cross-entropy of presence, for all."""
    told, presence = locator(windows)
    apart = (eyes[:, :2] - eyes[:, 2:]).norm(dim=1).clamp_min(6)
    error = (told - eyes).view(-1, 2, 2).norm(dim=2).mean(1) / apart
    return (error * face).sum() / face.sum().clamp_min(1) + 0.2 * F.binary_cross_entropy_with_logits(presence[:, 0], face)


def train(options) -> None:
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    device = torch.device("cuda" if options.device == "auto" and torch.cuda.is_available() else options.device.replace("auto", "cpu"))
    locator = EyeLocator().to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(locator.parameters(), PEAK, weight_decay=0.01)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "eyes.pt"
    seconds, seen = 0.0, 0
    if path.exists():
        saved = torch.load(path, map_location=device, weights_only=False)
        locator.load_state_dict(saved["weights"])
        optimiser.load_state_dict(saved["optimiser"])
        seconds, seen = saved["seconds"], saved["images"]
    budget = options.minutes * 60
    loader = DataLoader(Windows(options.data, options.seed + seen), BATCH, num_workers=options.workers, pin_memory=device.type == "cuda")
    batches, peak = iter(loader), PEAK / 2 if options.start else PEAK
    if options.start and not path.exists():
        thaw.load_levels(locator, options.start)
        some = to_tensor(torch.cat([next(batches)[0] for _ in range(4)]), device)
        thaw.wake_norms(locator, lambda: locator(some))
    print(f"seed {options.seed}, {device}, {sum(p.numel() for p in locator.parameters()) / 1e6:.2f} M parameters, {seen} windows so far")

    def save() -> None:
        state = {"weights": locator.state_dict(), "optimiser": optimiser.state_dict(), "config": asdict(locator.config), "seconds": seconds, "images": seen}
        torch.save({**state, "git": git_hash(), "seed": options.seed}, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)

    log = csv.writer(open(options.out / "eyes.csv", "a", buffering=1))
    bar, saved_at, losses = tqdm(total=int(budget), initial=int(seconds), unit="s"), seconds, []
    try:
        last = time.monotonic()
        for windows, eyes, face in batches:
            share = min(seconds / budget, 1.0)
            for group in optimiser.param_groups:
                group["lr"] = peak * min(share / 0.05, 1.0) * (0.5 + 0.5 * math.cos(math.pi * share)) + 1e-5
            locator.train()
            with precision.autocast(device):
                loss = loss_of(locator, to_tensor(windows, device), eyes.to(device), face.to(device))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(locator.parameters(), 1.0)
            optimiser.step()
            losses.append(float(loss))
            seen += len(windows)
            now = time.monotonic()
            seconds, last = seconds + now - last, now
            if int(seconds) > bar.n:
                bar.set_postfix_str(f"{seen} windows, loss {np.mean(losses[-100:]):.4f}")
                bar.update(int(seconds) - bar.n)
            if seconds - saved_at > 60 or seconds >= budget:
                log.writerow([round(seconds, 1), seen, round(float(np.mean(losses[-200:])), 5)])
                save()
                saved_at = seconds
            if seconds >= budget:
                break
    except KeyboardInterrupt:
        save()
        print("saved; the same command goes on")


def git_hash() -> str:
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()


def load_locator(path: Path) -> tuple[EyeLocator, dict]:
    saved = torch.load(path, map_location="cpu", weights_only=False)
    locator = EyeLocator(EyeLocatorConfig(**saved["config"]))
    locator.load_state_dict(saved["weights"])
    return locator.eval(), saved


def looks(locator: EyeLocator) -> Look:
    """One look of a locator that is still PyTorch."""

    def look(window: np.ndarray) -> tuple[np.ndarray, float]:
        with torch.inference_mode():
            eyes, presence = locator(to_tensor(torch.from_numpy(window)[None], "cpu"))
        return eyes[0].numpy().astype(float), float(presence.sigmoid())

    return look


def measure(locator: EyeLocator, data: Path, split: str, seed: int = 7) -> dict:
    """Mean eye error over eye distance on faces with made masks, rolled and turned away; presence on faces and on no faces."""
    rng = np.random.default_rng(seed)
    scores: dict[str, float] = {}
    photos, look_once = read_faces(data, split), looks(locator)

    def worn(degrees: float = 0.0) -> list[tuple[np.ndarray, Face]]:
        faces = [turn(p.open().raster, p.landmarks, degrees) if degrees else (p.open().raster, p.landmarks) for p in photos]
        return [(synthesise(image, landmarks, rng).image, face_from_landmarks(landmarks)) for image, landmarks in faces]

    def look(name: str, dressed: list[tuple[np.ndarray, Face]], roll: float = 0.0, least: float = 0.0) -> None:
        errors = []
        for image, face in dressed:
            height = face.box[3] - face.box[1]
            told, _ = locate_twice(look_once, image, face.box + rng.normal(0, 0.04, 4) * height, roll)
            apart = max(np.hypot(*(face.eyes[:2] - face.eyes[2:])), least * height)
            errors.append(np.hypot(*(told - face.eyes).reshape(2, 2).T).mean() / apart)
        scores[f"eyeError_{name}"] = round(float(np.mean(errors)), 4)
        scores[f"eyeErrorMedian_{name}"] = round(float(np.median(errors)), 4)

    dressed = worn()
    for name, roll in (("upright", 0), ("roll45", 45), ("roll90", 90), ("roll180", 180)):
        look(name, dressed if roll == 0 else dressed[:200], roll)
    windows = [face_window(image, face.eyes, face.box, roll_of(rng), rng) for image, face in dressed]
    pool = [(image, face.eyes, face.box) for image, face in dressed]
    scenes = read_scenes(data, split)
    windows += [no_face(pool, scenes, rng) for _ in dressed]
    presence = np.array([look_once(window)[1] for window, _, _ in windows])
    labels = np.array([label for _, _, label in windows])
    order = presence.argsort().argsort() + 1
    positives = labels.sum()
    scores["presenceAuc"] = round(float((order[labels == 1].sum() - positives * (positives + 1) / 2) / (positives * (len(labels) - positives))), 4)
    real = [p for p in read_masked(data, split)]
    seen = []
    for photo in real:
        picture = photo.open()
        matrix = window_matrix(picture.faces[0].box, 0)
        seen.append(look_once(cut(picture.raster, matrix))[1])
    scores["presentOnRealMasked"] = round(float(np.mean(np.array(seen) > 0.5)), 4)
    for degrees in (25, 40):
        look(f"turned{degrees}", worn(degrees), least=BOX_SHARE)  # as the crop of a turned head is scaled
    return {"split": split, "n": len(photos), **scores}


def export(options) -> None:
    """Writes eye-locator.onnx, its entry in models.json and its parity fixture. Raises AssertionError when they differ by 1e-4."""
    import hashlib

    import onnxruntime

    torch.set_num_threads(1)
    locator, saved = load_locator(options.out / "eyes.pt")
    scores = {**measure(locator, options.data, "test"), "windows_trained": saved["images"]}
    path = options.export / "eye-locator.onnx"
    graph = ExportedEyeLocator(locator.fold()).eval()
    names = {"eyes": ([1, 4], "x, y of the person's right eye, then of the left, in pixels of the window"), "presence": ([1, 1], "0..1, a face fills the window")}
    torch.onnx.export(graph, (torch.zeros(1, 3, SIDE, SIDE),), str(path), input_names=["image"], output_names=list(names), opset_version=17, dynamo=False)
    picture = ramp(1, SIDE)
    told = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(list(names), {"image": picture})
    with torch.inference_mode():
        truth = [output.numpy() for output in graph(torch.from_numpy(picture))]
    worst = max(float(np.abs(a - b).max()) for a, b in zip((told[0] / SIDE, told[1]), (truth[0] / SIDE, truth[1])))
    assert worst < 1e-4, f"Expected onnxruntime to equal PyTorch to 1e-4 but they differ by {worst:.2e}"
    content = path.read_bytes()
    merge_model(options.export, {
        "name": "eye-locator", "task": "align", "version": "0.4.0", "file": path.name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "opset": 17,
        "inputs": [{"name": "image", "shape": [1, 3, SIDE, SIDE], "layout": "NCHW", "type": "float32", "channels": "RGB", "range": [0, 1], "mean": [0, 0, 0], "std": [1, 1, 1]}],
        "outputs": [{"name": name, "shape": shape, "meaning": meaning} for name, (shape, meaning) in names.items()],
        "parameters": {"window": WINDOW, "presenceThreshold": options.presence},
        "scores": scores,
        "trainedOn": "Aligned faces with and without synthetic masks, turned at random; parts of faces and backgrounds as what is no face.",
        "licence": "Research weights: several of the photo collections are licensed for research or non-commercial use only, or state no licence.",
        "card": "README.md#eye-locator",
    })
    fixture = {name: {"indices": list(range(output.size)), "values": [float(f"{v:.7g}") for v in output.ravel()]} for name, output in zip(names, told)}
    merge_fixture(options.export, "eye-locator", {"input": {"kind": "ramp", "seed": 1}, "outputs": fixture})
    print(json.dumps(scores, indent=1), f"parity {worst:.1e}, {len(content) / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="checkpoint and log")
    parser.add_argument("--start", type=Path, help="eye-locator.onnx to go on from")
    parser.add_argument("--export", type=Path, help="the models folder; measures and exports instead of training")
    parser.add_argument("--presence", type=float, default=0.7, help="windows below are no faces")
    parser.add_argument("--minutes", type=float, default=10, help="in all, earlier runs counted in")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    export(options) if options.export else train(options)


if __name__ == "__main__":
    main()
