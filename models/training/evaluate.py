"""Measures the unmaskers on faces nobody trained on, next to fills that need no network.

    python evaluate.py --data ../../../shared/data --out /tmp/evaluation                    # everything, all 537 test faces: about 40 min of one core, and ridges once: 3 min
    python evaluate.py --data ../../../shared/data --out /tmp/evaluation --cases I --limit 60 --rows harmonic rescnn
    python evaluate.py ... --onnx trial=/tmp/trial.onnx                                      # a graph that models.json does not name yet
    pytest test_evaluate.py

Cases (the paper's four, and what it leaves open):
  I    mask on a plain face                          I-celeba  the same in the framing of img_align_celeba, 178x218
  II   the photo rolled by up to +-45 degrees        III-15, III-25  Gaussian noise over the whole photo, denoised first
  IV   noise of sigma 25 under the mask only         V         segmenter on real photos, against hand-checked outlines
  VI-bandana, VI-template                            the two mask families that training never draws
The product's own measurement is `npm run evaluate`; this file serves training and shares the definitions with it.

Definitions: RGB, peak 255, 8-bit results, per-image values averaged. PSNR of the whole photo, or of the pixels the garment
covers (region). SSIM after Wang et al. 2004: Gaussian 11x11 window, sigma 1.5, K1 .01, K2 .03, population covariance; mean of
the map where the window lies inside the picture (5 px border left out), or over the region's pixels there. psnrEq8 is the
paper's equation 8, 10 log10(width * height / MSE). Gradient energy: sum of squared differences of neighbouring luma values,
both neighbours in the region, divided by the same sum for the truth; the median over faces is reported. IoU: where the network sees mask
against the pixels that the garment covers by half or more. Rows marked "given" are
told the region (dilated by GIVEN_DILATION px); the networks find it themselves. Intervals: 95 % percentile bootstrap over faces.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import cv2
import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

import masks
from outlines import courses, filled, load_outlines

CROP = 256
CROP_EYES = np.array([[98.0, 118.0], [158.0, 118.0]])
EYE = (13, 8)  # px in the crop, half the width and the height of an eye with its lids
BESIDE = 6  # px in the crop: nearer to fabric and straps than this a region may cover an ear
CELEBA_SIZE, CELEBA_EYES = (178, 218), np.array([[69.0, 111.0], [109.0, 111.0]])
GIVEN_DILATION = 5  # px at 256: covers the contact shadow, as the networks' own dilation does
PEOPLE = Path(__file__).resolve().parent / "test-people.json"
SEED = 20
CASES = ("I", "I-celeba", "II", "III-15", "III-25", "IV", "V", "VI-bandana", "VI-template")
GIVEN_ROWS = ("masked", "harmonic", "telea", "ridge", "kernel-ridge")


# ---------------------------------------------------------------------------------------------------------------------
# Measures


def mean_squared_error(a, b, where=None):
    """a, b: [H, W, 3] in 0..255; where: bool [H, W] or None for all pixels. Returns a float in squared grey levels."""
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    return float(np.mean(difference[where] ** 2 if where is not None else difference**2))


def psnr(a, b, where=None):
    """Peak signal-to-noise ratio in dB, peak 255; infinite for identical pictures."""
    error = mean_squared_error(a, b, where)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def psnr_eq8(a, b):
    """Equation 8 of the ResCNN paper as printed: 10 log10(width * height / MSE), dB."""
    error = mean_squared_error(a, b)
    return math.inf if error == 0 else 10 * math.log10(a.shape[0] * a.shape[1] / error)


def ssim_map(a, b):
    """SSIM of Wang et al. 2004 per pixel, mean of the three channels: float64 [H - 10, W - 10] (windows inside the picture).

    a, b: [H, W, 3] in 0..255, at least 11 px a side.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    taps = cv2.getGaussianKernel(11, 1.5, cv2.CV_64F)

    def local(x):
        return cv2.sepFilter2D(x, cv2.CV_64F, taps, taps, borderType=cv2.BORDER_REFLECT)[5:-5, 5:-5]

    mean_a, mean_b = local(a), local(b)
    variance_a, variance_b = local(a * a) - mean_a**2, local(b * b) - mean_b**2
    covariance = local(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    quality = (2 * mean_a * mean_b + c1) * (2 * covariance + c2) / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))
    return quality.mean(-1)


def gradient_energy(picture, region):
    """Sum of squared luma differences between neighbours that both lie in the region. picture: [H, W, 3]; region: bool [H, W]."""
    luma = np.asarray(picture, np.float64) @ np.array([0.299, 0.587, 0.114])
    across, down = np.diff(luma, axis=1) ** 2, np.diff(luma, axis=0) ** 2
    return float(across[region[:, 1:] & region[:, :-1]].sum() + down[region[1:] & region[:-1]].sum())


def bootstrap_interval(values, repeats=2000, seed=SEED):
    """95 % percentile interval of the mean: (low, high)."""
    values = np.asarray(values, np.float64)
    draws = np.random.default_rng(seed).integers(0, len(values), (repeats, len(values)))
    means = values[draws].mean(1)
    return float(np.percentile(means, 2.5)), float(np.percentile(means, 97.5))


# ---------------------------------------------------------------------------------------------------------------------
# Fills without a network


def harmonic_fill(picture, region):
    """Solves Laplace's equation in the region with the surrounding pixels as boundary; picture edges are insulating.

    picture: [H, W, 3]; region: bool [H, W]. Returns float64 [H, W, 3]. Exact for anything linear. About 90 ms at 256x256.
    """
    out = np.array(picture, np.float64)
    height, width = region.shape
    count = int(region.sum())
    if count == 0 or count == region.size:
        return out
    index = np.full(region.shape, -1)
    index[region] = np.arange(count)
    ys, xs = np.nonzero(region)
    own = index[ys, xs]
    diagonal, known = np.zeros(count), np.zeros((count, out.shape[2]))
    rows, columns = [], []
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        y, x = ys + dy, xs + dx
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        diagonal += inside
        y, x, me = y[inside], x[inside], own[inside]
        hole = region[y, x]
        rows.append(me[hole])
        columns.append(index[y[hole], x[hole]])
        np.add.at(known, me[~hole], out[y[~hole], x[~hole]])
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    matrix = scipy.sparse.csc_matrix((np.full(len(rows), -1.0), (rows, columns)), (count, count)) + scipy.sparse.diags(diagonal).tocsc()
    out[region] = scipy.sparse.linalg.splu(matrix, permc_spec="MMD_AT_PLUS_A").solve(known)
    return out


def telea_fill(picture, region):
    """OpenCV's fast-marching inpainting (Telea 2004), radius 5. uint8 in, uint8 out."""
    return cv2.inpaint(picture, region.astype(np.uint8), 5, cv2.INPAINT_TELEA)


@dataclass(frozen=True)
class KernelRidge:
    """Predicts truth minus harmonic fill at 64x64 from the harmonic fill and the region, learned from training faces.

    kind "linear" or "rbf". features: float32 [N, F]; mean: [F]; weights: float32 [N, P]; pixels: flat indices [P] of 64*64*3.
    """

    kind: str
    features: np.ndarray
    mean: np.ndarray
    weights: np.ndarray
    pixels: np.ndarray
    gamma: float

    def fill(self, filled, region):
        """filled: harmonic fill, float [256, 256, 3]; region: bool [256, 256]. Returns float [256, 256, 3]."""
        feature = (_ridge_feature(filled, region) - self.mean)[None]
        kernel = _kernel(feature, self.features, self.kind, self.gamma)
        residue = np.zeros(64 * 64 * 3, np.float32)
        residue[self.pixels] = (kernel @ self.weights)[0]
        residue = cv2.resize(residue.reshape(64, 64, 3), (CROP, CROP), interpolation=cv2.INTER_CUBIC)
        return np.where(region[..., None], filled + residue, filled)


def _ridge_feature(filled, region):
    small = cv2.resize(filled.astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA) / 255
    hole = cv2.resize(region.astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA)
    return np.concatenate([small.ravel(), 0.3 * hole.ravel()]).astype(np.float32)


def _kernel(a, b, kind, gamma):
    product = a @ b.T
    if kind == "linear":
        return product
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * product
    return np.exp(-gamma * np.maximum(squares, 0))


def fit_ridges(data, cache, limit=None):
    """{"ridge": KernelRidge, "kernel-ridge": KernelRidge}, strengths chosen on 300 validation faces. Minutes; kept in `cache`."""
    path = Path(cache) / f"ridges-{limit or 'all'}.npz"
    if path.exists():
        stored = np.load(path)
        common = [stored[name] for name in ("features", "mean")]
        return {name: KernelRidge(kind, *common, stored[f"weights-{kind}"], stored["pixels"], float(stored["gamma"]))
                for name, kind in (("ridge", "linear"), ("kernel-ridge", "rbf"))}
    start = time.time()
    train, val = _ridge_set(data, "train", limit), _ridge_set(data, "val", 300)
    mean = train[0].mean(0)
    features, probe = train[0] - mean, val[0] - mean
    pixels = np.nonzero((train[2] > 0).mean(0) > 0.005)[0]
    targets, wanted, weight = train[1][:, pixels], val[1][:, pixels], val[2][:, pixels]
    typical = 2 * float(features.var(0).sum())  # mean squared distance of two faces
    few = slice(0, min(len(features), 2000))  # the strengths are chosen on fewer faces: a thirtieth of the work
    chosen, gamma = {}, 1.0
    for kind, gammas in (("linear", (1.0,)), ("rbf", (0.5 / typical, 0.15 / typical, 0.05 / typical))):
        best = None
        for candidate in gammas:
            across = _kernel(probe, features[few], kind, candidate)
            for strength in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0) if kind == "linear" else (0.001, 0.003, 0.01, 0.03, 0.1):
                weights = _solve(features[few], targets[few], kind, candidate, strength)
                error = float((((across @ weights - wanted) * weight) ** 2).sum() / weight.sum())
                if best is None or error < best[0]:
                    best = (error, candidate, strength)
        chosen[kind] = _solve(features, targets, kind, best[1], best[2])
        gamma = best[1] if kind == "rbf" else gamma
        error = float((((_kernel(probe, features, kind, best[1]) @ chosen[kind] - wanted) * weight) ** 2).sum() / weight.sum())
        print(f"  {kind}: strength {best[2]:g}, gamma {best[1]:.3g}, validation {10 * math.log10(255**2 / error):.2f} dB at 64 px, "
              f"harmonic {10 * math.log10(255**2 * weight.sum() / ((wanted * weight) ** 2).sum()):.2f} dB, {time.time() - start:.0f} s", flush=True)
    Path(cache).mkdir(parents=True, exist_ok=True)
    np.savez(path, features=features, mean=mean, pixels=pixels, gamma=gamma, **{f"weights-{kind}": weights for kind, weights in chosen.items()})
    return fit_ridges(data, cache, limit)


def _solve(features, targets, kind, gamma, strength):
    """Dual ridge weights; strength is relative to the mean of the kernel's diagonal."""
    gram = _kernel(features, features, kind, gamma)
    gram[np.diag_indices(len(gram))] += strength * float(np.trace(gram)) / len(gram)
    return scipy.linalg.cho_solve(scipy.linalg.cho_factor(gram, overwrite_a=True, check_finite=False), targets, check_finite=False).astype(np.float32)


def _ridge_set(data, split, limit):
    features, residues, holes = [], [], []
    for index, face in enumerate(load_faces(data, split, limit)):
        rng = np.random.default_rng([SEED, 7, index])
        truth, points = aligned(face)
        if rng.uniform() < 0.5 and split == "train":
            truth, points = np.ascontiguousarray(truth[:, ::-1]), _mirrored(points)
        region = cv2.dilate(masks.draw_region(points, truth.shape, rng).astype(np.uint8), np.ones((2 * GIVEN_DILATION + 1,) * 2)) > 0
        # The fill is computed at 128 px: four times cheaper, and the features are 64 px wide.
        small = cv2.resize(truth, (128, 128), interpolation=cv2.INTER_AREA)
        hole = cv2.resize(region.astype(np.float32), (128, 128), interpolation=cv2.INTER_AREA) > 0.2
        filled = harmonic_fill(small, hole)
        features.append(_ridge_feature(filled, hole))
        residues.append((cv2.resize((small - filled).astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA)).ravel())
        holes.append(np.repeat(cv2.resize(hole.astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA).ravel(), 3))
    return np.stack(features), np.stack(residues), np.stack(holes)


def _mirrored(points):
    order = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
             *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1)]
    return (np.array([CROP - 1, 0]) + points * np.array([-1, 1]))[order]


# ---------------------------------------------------------------------------------------------------------------------
# Faces and cases


@dataclass(frozen=True)
class Face:
    """place: position in its split, which seeds its mask; file: path below faces/; picture: uint8 [256, 256, 3] RGB; points: float
    [68, 2]; source: str; soft: enlarged crop; judged: what PEOPLE says of it, {} where it says nothing."""

    place: int
    file: str
    picture: np.ndarray
    points: np.ndarray
    source: str
    soft: bool
    judged: dict = field(default_factory=dict)


def load_people(data):
    """Age, glasses and beards judged by eye: {file: {"age": child, adult or older, "glasses": 0 or 1, "beard": 0 or 1}}, of the split
    that PEOPLE speaks of. Empty for any other data folder: the same name is another person there."""
    people = json.loads(PEOPLE.read_text())
    index = (Path(data) / "faces" / "index.csv").read_bytes()
    if hashlib.sha256(index).hexdigest() != people["index"]:
        return {}
    child, older, glasses, beard = (set(people[name]) for name in ("child", "older", "glasses", "beard"))
    files = [row["file"] for row in csv.DictReader(index.decode().splitlines()) if row["split"] == people["split"]]
    return {file: {"age": "child" if file in child else "older" if file in older else "adult", "glasses": int(file in glasses), "beard": int(file in beard)}
            for file in files}


def load_faces(data, split, limit=None):
    """Faces of a split in the order of index.csv; with a limit, evenly spread over it."""
    folder, people = Path(data) / "faces", load_people(data)
    with open(folder / "landmarks.csv") as table:
        points = {row[0]: np.array(row[1:], float).reshape(68, 2) for row in csv.reader(table) if row[0] != "file"}
    with open(folder / "index.csv") as table:
        rows = [row for row in csv.DictReader(table) if row["split"] == split]
    places = np.linspace(0, len(rows) - 1, limit).astype(int) if limit and limit < len(rows) else range(len(rows))
    for place in map(int, places):
        row = rows[place]
        picture = cv2.cvtColor(cv2.imread(str(folder / row["file"])), cv2.COLOR_BGR2RGB)
        yield Face(place, row["file"], picture, points[row["file"]], row["source"], float(row["iod_src"]) < 60, people.get(row["file"], {}))


def eyes_of(points):
    """Centres of both eyes, image's left first: [2, 2]."""
    return np.array([points[36:42].mean(0), points[42:48].mean(0)])


def similarity(source, target):
    """The 2x3 matrix of the similarity that maps two points onto two points."""
    (a, b), (c, d) = np.asarray(source, float), np.asarray(target, float)
    turn = complex(*(d - c)) / complex(*(b - a))
    matrix = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.hstack([matrix, (c - matrix @ a)[:, None]])


def move(points, matrix):
    return points @ matrix[:, :2].T + matrix[:, 2]


def warp(picture, matrix, size, border=cv2.BORDER_REPLICATE):
    """Resampled by `matrix` (source to target) onto a canvas (width, height); blurred first where it shrinks."""
    scale = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if scale < 0.8:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.45 * math.sqrt(1 / scale**2 - 1))
    return cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_CUBIC, borderMode=border)


def aligned(face):
    """The face as the product crops it (both eyes at CROP_EYES): uint8 [256, 256, 3] and its landmarks there."""
    matrix = similarity(eyes_of(face.points), CROP_EYES)
    return warp(face.picture, matrix, (CROP, CROP), cv2.BORDER_REFLECT_101), move(face.points, matrix)


@dataclass(frozen=True)
class Sample:
    """One masked photo. truth, photo: uint8 [H, W, 3]; region: bool [H, W], every pixel that the garment changes; fabric: bool [H, W], those
    that it covers by half or more; to_crop: 2x3 photo to aligned crop, or None where the photo is the aligned crop itself; facts: strings for the CSV."""

    truth: np.ndarray
    photo: np.ndarray
    region: np.ndarray
    fabric: np.ndarray
    to_crop: np.ndarray | None
    facts: dict = field(default_factory=dict)


def samples(data, case, limit=None):
    """Every test face of a case with its masked photo: pairs (Face, Sample). Faces whose landmarks lie far outside the picture, so that
    hardly a pixel is covered, are left out."""
    for face in load_faces(data, "test", limit):
        sample = make_sample(face, case, Path(data) / "mask-templates")
        if sample.region.mean() >= 0.01:
            yield face, sample


def make_sample(face, case, templates):
    """The photo of a case, seeded by the face's place in its split: the mask is the same in every case that allows it, and the photo is
    the same however many faces a run takes."""
    rng = np.random.default_rng([SEED, face.place])
    family = case.split("-", 1)[1] if case.startswith("VI-") else None
    to_crop = None
    if case == "II":
        angle = float(np.random.default_rng([SEED, face.place, 2]).uniform(-45, 45))
        turned = cv2.getRotationMatrix2D((127.5, 127.5), angle, 1.0)
        truth = warp(face.picture, turned, (CROP, CROP), cv2.BORDER_REFLECT_101)
        points = move(face.points, turned)
        to_crop = similarity(eyes_of(points), CROP_EYES)
    elif case == "I-celeba":
        framed = similarity(eyes_of(face.points), CELEBA_EYES)
        truth, points = warp(face.picture, framed, CELEBA_SIZE, cv2.BORDER_REFLECT_101), move(face.points, framed)
        to_crop = similarity(CELEBA_EYES, CROP_EYES)
        family = "surgical"
    else:
        truth, points = aligned(face)
    worn = masks.synthesise(truth, points, rng, family, templates=templates)
    photo = worn.image
    noise = np.random.default_rng([SEED, face.place, 3])
    if case.startswith("III-"):
        photo = _noisy(photo, float(case.split("-")[1]), noise)
    if case == "IV":
        photo = np.where(worn.region[..., None], _noisy(photo, 25.0, noise), photo)
    facts = {"file": face.file, "source": face.source, "soft": int(face.soft), "family": worn.family, "wear": worn.wear, **_looks(truth, points), **face.judged}
    return Sample(truth, photo, worn.region, worn.fabric, to_crop, facts)


def _noisy(picture, sigma, rng):
    return np.clip(np.round(picture + rng.normal(0, sigma, picture.shape)), 0, 255).astype(np.uint8)


def _looks(picture, points):
    """What can be measured on a face: skin tone as individual typology angle (degrees; > 41 light, < 10 dark) of the forehead and
    cheekbones, yaw as the nose tip's place between the jaw's ends (0.5 = frontal), grey pictures, how far the lips are
    apart (mean gap of the inner lips / distance between the eyes)."""
    spots = [points[27] + (points[17:27].mean(0) - points[27]) * 1.8, points[1] * 0.4 + points[31] * 0.6, points[15] * 0.4 + points[35] * 0.6]
    patches = []
    for x, y in np.round(spots).astype(int):
        patch = picture[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5]
        if patch.size:
            patches.append(np.median(patch.reshape(-1, 3), 0))
    tone = np.median(patches, 0).astype(np.float32) / 255
    lightness, _, yellow = cv2.cvtColor(tone.reshape(1, 1, 3), cv2.COLOR_RGB2LAB)[0, 0]
    axis = points[16] - points[0]
    place = float((points[30] - points[0]) @ axis / max(axis @ axis, 1e-6))
    gap = np.linalg.norm(points[61:64] - points[67:64:-1], axis=1).mean()
    return {"ita": round(math.degrees(math.atan2(lightness - 50, max(abs(yellow), 1e-3))), 1), "nose": round(place, 3), "grey": int(np.ptp(picture.astype(int), 2).mean() < 4),
            "mouth": round(float(gap / max(np.linalg.norm(np.subtract(*eyes_of(points))), 1e-6)), 3)}


# ---------------------------------------------------------------------------------------------------------------------
# Rows


def open_models(folder, extra):
    """Unmaskers and the denoiser of models.json as ONNX Runtime sessions on one thread: ({name: session}, session or None)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    files, denoiser = {}, None
    listing = Path(folder) / "models.json"
    for model in json.loads(listing.read_text())["models"] if listing.exists() else []:
        if model["task"] == "unmask":
            files[model["name"]] = Path(folder) / model["file"]
        if model["task"] == "denoise":
            denoiser = Path(folder) / model["file"]
    files.update({name: Path(path) for name, path in (item.split("=", 1) for item in extra)})

    def session(path):
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    return {name: session(path) for name, path in files.items()}, session(denoiser) if denoiser else None


def run_unmasker(session, crop):
    """crop: uint8 [256, 256, 3]. Returns unmasked float [256, 256, 3] in 0..255, region bool, probability float [256, 256]."""
    names = [output.name for output in session.get_outputs()]
    tensor = (crop.astype(np.float32) / 255).transpose(2, 0, 1)[None]
    found = dict(zip(names, session.run(None, {session.get_inputs()[0].name: tensor})))
    return found["unmasked"][0].transpose(1, 2, 0) * 255, found["region"][0, 0] > 0.5, found["maskProbability"][0, 0]


def run_denoiser(session, photo):
    """Any size: mirrored to a multiple of the tile, tiles of 256 with an overlap of 32. uint8 in, uint8 out."""
    height, width = photo.shape[:2]
    step, half = CROP - 32, 16
    padded = np.pad(photo, ((half, step), (half, step), (0, 0)), mode="reflect")
    out = np.empty_like(photo)
    name = session.get_inputs()[0].name
    for y in range(0, height, step):
        for x in range(0, width, step):
            tile = padded[y : y + CROP, x : x + CROP]
            tile = np.pad(tile, ((0, CROP - tile.shape[0]), (0, CROP - tile.shape[1]), (0, 0)), mode="edge")
            clean = session.run(None, {name: (tile.astype(np.float32) / 255).transpose(2, 0, 1)[None]})[0][0].transpose(1, 2, 0)
            high, wide = min(step, height - y), min(step, width - x)
            out[y : y + high, x : x + wide] = np.clip(np.round(clean[half : half + high, half : half + wide] * 255), 0, 255)
    return out


def complete(row, sample, photo, sessions, ridges, memory):
    """One row's answer for a photo: uint8 [H, W, 3], the region it replaced (bool [H, W]) and its garment probability or None.

    memory: a dict that lives as long as the photo; the harmonic fill is computed once for the rows that start from it.
    """
    if row == "masked":
        return photo, np.zeros(photo.shape[:2], bool), None
    size = photo.shape[1::-1]
    crop, given = photo, sample.region
    if sample.to_crop is not None:
        crop = warp(photo, sample.to_crop, (CROP, CROP))
        given = cv2.warpAffine(sample.region.astype(np.float32), sample.to_crop, (CROP, CROP)) > 0.02
    probability = None
    if row in sessions:
        unmasked, region, probability = run_unmasker(sessions[row], crop)
    else:
        region = cv2.dilate(given.astype(np.uint8), np.ones((2 * GIVEN_DILATION + 1,) * 2)) > 0
        if row == "telea":
            unmasked = telea_fill(crop, region)
        else:
            if "harmonic" not in memory:
                memory["harmonic"] = harmonic_fill(crop, region)
            unmasked = memory["harmonic"] if row == "harmonic" else ridges[row].fill(memory["harmonic"], region)
    unmasked = np.clip(np.round(unmasked), 0, 255).astype(np.uint8)
    if sample.to_crop is not None:
        back = cv2.invertAffineTransform(sample.to_crop)
        unmasked = warp(unmasked, back, size)
        region = cv2.warpAffine(region.astype(np.float32), back, size) > 0.5
        probability = None if probability is None else cv2.warpAffine(probability, back, size)
    return np.where(region[..., None], unmasked, photo), region, probability


def measure(sample, result, region, probability, base):
    """All numbers of one answer as a dict; `base` is the harmonic row's region PSNR of the same photo, or None."""
    truth, garment = sample.truth, sample.region
    quality, inner = ssim_map(result, truth), garment[5:-5, 5:-5]
    numbers = {
        "regionPsnr": psnr(result, truth, garment),
        "regionSsim": float(quality[inner].mean()),
        "psnr": psnr(result, truth),
        "ssim": float(quality.mean()),
        "psnrEq8": psnr_eq8(result, truth),
        "visiblePsnr": psnr(result, truth, ~garment),
        "gradientEnergy": gradient_energy(result, garment) / max(gradient_energy(truth, garment), 1e-9),
        "area": float(garment.mean()),
    }
    numbers["aboveHarmonic"] = numbers["regionPsnr"] - base if base is not None else math.nan
    if probability is not None:
        guess = probability > 0.5
        numbers["iou"] = float((guess & sample.fabric).sum() / max((guess | sample.fabric).sum(), 1))
        numbers["leftOver"] = float((garment & ~region).sum() / garment.sum())
    return numbers


COLUMNS = ("regionPsnr", "regionSsim", "psnr", "ssim", "psnrEq8", "visiblePsnr", "gradientEnergy", "area", "aboveHarmonic", "iou", "leftOver", "strapsLeft", "eyesErased", "earsErased", "beyondErased")


def evaluate_case(case, data, rows, sessions, denoiser, ridges, limit, sheet, bases=None):
    """Runs every row over every test face of a case. Returns a list of records; writes a contact sheet to `sheet`.

    bases: {file: harmonic region PSNR} of an earlier run, for runs without the harmonic row.
    """
    records, kept = [], {}
    chosen, masked = None, int("masked" in rows)
    start = time.time()
    for index, (face, sample) in enumerate(samples(data, case, limit)):
        photo, base = sample.photo, (bases or {}).get(face.file)
        if case.startswith("III-") and denoiser is not None:
            photo = run_denoiser(denoiser, photo)
        answers, memory = [], {}
        for row in rows:
            result, region, probability = complete(row, sample, photo, sessions, ridges, memory)
            numbers = measure(sample, result, region, probability, base)
            if row == "harmonic":
                base = numbers["regionPsnr"]
                numbers["aboveHarmonic"] = 0.0
            records.append({"case": case, "row": row, **sample.facts, **numbers})
            answers.append(result)
        chosen = chosen or max(1, (limit or 537) // 12)
        last = records[-1]["regionPsnr"]
        if index % chosen == 0 and sum(1 for key in kept if key[0] == 0) < 12:
            kept[(0, index)] = [sample.photo, *answers[masked:], sample.truth]
        kept[(last, index)] = [sample.photo, *answers[masked:], sample.truth]
        worst = sorted(key for key in kept if key[0] != 0)
        for key in worst[6:]:
            del kept[key]
        if index % 100 == 99:
            print(f"  {case}: {index + 1} faces, {time.time() - start:.0f} s", flush=True)
    spread = {index for first, index in kept if first == 0}
    lines = [kept[key] for key in sorted(kept) if key[0] == 0 or key[1] not in spread]  # 12 over the split, then the 6 worst
    _write_sheet(sheet, lines, ["masked", *rows[masked:], "truth"])
    return records


def _write_sheet(path, lines, titles):
    if not lines:
        return
    header = np.full((24, sum(tile.shape[1] for tile in lines[0]), 3), 255, np.uint8)
    x = 4
    for tile, title in zip(lines[0], titles):
        cv2.putText(header, title, (x, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        x += tile.shape[1]
    sheet = np.vstack([header, *(np.hstack(line) for line in lines)])
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


@dataclass(frozen=True)
class OutlinedCrop:
    """An outlined photo in its aligned crop. to_crop: 2x3 matrix, photo to crop. The rest is bool [256, 256]: the mask's fabric, the course of
    its straps beside it, one pixel wide, both eyes, the ears, and what lies inside the photo, as all of these do."""

    to_crop: np.ndarray
    fabric: np.ndarray
    straps: np.ndarray
    eyes: np.ndarray
    ears: np.ndarray
    beyond: np.ndarray
    inside: np.ndarray


def outlined_crop(outline, shape):
    """What `load_outlines` gives of a photo of `shape`, in its crop."""
    to_crop = similarity(outline["eyes"], CROP_EYES)
    fabric, ears = (filled(outline[polygons], to_crop, CROP) for polygons in ("polygons", "ears"))
    straps, eyes = courses(outline["straps"], to_crop, CROP), np.zeros((CROP, CROP), np.uint8)
    for x, y in np.round(CROP_EYES).astype(int):
        cv2.ellipse(eyes, (int(x), int(y)), EYE, 0, 0, 360, 1, -1)
    near = cv2.dilate(fabric | straps, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BESIDE + 1, 2 * BESIDE + 1)))
    inside = cv2.warpAffine(np.ones(shape[:2], np.uint8), to_crop, (CROP, CROP)) > 0
    beside, far = (fabric == 0) & inside, (near == 0) & inside
    eyes, ears = (eyes > 0) & (straps == 0) & beside, (ears > 0) & far
    return OutlinedCrop(to_crop, (fabric > 0) & inside, (straps > 0) & beside, eyes, ears, far & ~eyes & ~ears, inside)


def evaluate_real(data, sessions, outlines, sheet):
    """Case V: intersection over union with hand-checked outlines, in the aligned crop; share of mask and of strap pixels left over, of eyes and ears erased; what is erased beyond, in areas of the fabric."""
    records, lines = [], []
    for outline in load_outlines(outlines):
        photo = cv2.cvtColor(cv2.imread(str(Path(data) / "masked" / outline["file"])), cv2.COLOR_BGR2RGB)
        drawn = outlined_crop(outline, photo.shape)
        crop = warp(photo, drawn.to_crop, (CROP, CROP))
        line = [_outlined(crop, drawn.fabric)]
        for name, session in sessions.items():
            unmasked, region, probability = run_unmasker(session, crop)
            # Straps are not outlined: an opening of 9 px takes them off the answer. Beyond the photo's edge nothing counts.
            guess = (cv2.morphologyEx((probability > 0.5).astype(np.uint8), cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))) > 0) & drawn.inside
            iou = float((guess & drawn.fabric).sum() / max((guess | drawn.fabric).sum(), 1))
            parts = (drawn.fabric, drawn.straps, drawn.eyes, drawn.ears)
            fabric, straps, eyes, ears = (float(region[part].mean()) if part.any() else math.nan for part in parts)  # shares erased
            measures = {"iou": iou, "leftOver": 1 - fabric, "strapsLeft": 1 - straps, "eyesErased": eyes, "earsErased": ears}
            measures |= {"beyondErased": float(region[drawn.beyond].sum() / drawn.fabric.sum()), "area": float(drawn.fabric.mean())}
            records.append({"case": "V", "row": name, "file": outline["file"], **measures})
            line += [_outlined(crop, guess), np.clip(np.round(unmasked), 0, 255).astype(np.uint8)]
        lines.append(line)
    _write_sheet(sheet, lines, ["outline", *(title for name in sessions for title in (f"{name}: found", name))])
    return records


def _outlined(picture, region):
    edge = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    return np.where(edge[..., None], np.uint8([255, 0, 255]), picture)


# ---------------------------------------------------------------------------------------------------------------------
# Tables


def summarise(records):
    """Markdown: one table per case with mean and interval, then groups of case I for each network."""
    out = []
    for case in dict.fromkeys(record["case"] for record in records):
        rows = [record for record in records if record["case"] == case]
        out += [f"## Case {case}", ""]
        if case == "V":
            out += ["| row | IoU (95 %) | median | left over | straps left over | eyes erased | ears erased | erased beyond | n |", "|---|---|---|---|---|---|---|---|---|"]
            for name in dict.fromkeys(record["row"] for record in rows):
                mine = [record for record in rows if record["row"] == name]
                iou = [record["iou"] for record in mine]
                low, high = bootstrap_interval(iou)
                out.append(f"| {name} | {np.mean(iou):.3f} ({low:.3f} .. {high:.3f}) | {np.median(iou):.3f} | {_mean(mine, 'leftOver'):.2%} | {_mean(mine, 'strapsLeft'):.1%} | {_mean(mine, 'eyesErased'):.1%} | {_mean(mine, 'earsErased'):.1%} | {_mean(mine, 'beyondErased'):.1%} | {len(mine)} |")
            out.append("")
            continue
        out += ["| row | region PSNR (95 %) | above harmonic | region SSIM | PSNR | SSIM | psnrEq8 | visible PSNR | gradient energy | area | IoU | left over | n |",
                "|---|---|---|---|---|---|---|---|---|---|---|---|---|"]
        for name in dict.fromkeys(record["row"] for record in rows):
            out.append(_line(name, [record for record in rows if record["row"] == name]))
        out.append("")
    networks = [name for name in dict.fromkeys(record["row"] for record in records) if name not in GIVEN_ROWS]
    for name in networks:
        rows = [record for record in records if record["case"] == "I" and record["row"] == name]
        if rows:
            out += [f"## Groups, case I, {name}", "", "| group | region PSNR (95 %) | above harmonic | region SSIM | gradient energy | IoU | left over | n |", "|---|---|---|---|---|---|---|---|"]
            for group, belongs in _GROUPS.items():
                mine = [record for record in rows if belongs(record)]
                if len(mine) >= 5:
                    low, high = bootstrap_interval([r["regionPsnr"] for r in mine])
                    out.append(f"| {group} | {_mean(mine, 'regionPsnr'):.2f} ({low:.2f} .. {high:.2f}) | {_mean(mine, 'aboveHarmonic'):+.2f} | {_mean(mine, 'regionSsim'):.3f} | "
                               f"{np.median([r['gradientEnergy'] for r in mine]):.2f} | {_mean(mine, 'iou'):.3f} | {_mean(mine, 'leftOver'):.2%} | {len(mine)} |")
            out.append("")
    return "\n".join(out)


_GROUPS = {
    "all": lambda r: True,
    "frontal (nose within .44 .. .56 of the jaw)": lambda r: 0.44 <= r["nose"] <= 0.56,
    "turned (nose outside .35 .. .65)": lambda r: not 0.35 <= r["nose"] <= 0.65,
    "turned far (nose outside .3 .. .7)": lambda r: not 0.3 <= r["nose"] <= 0.7,
    "light skin (ITA > 41)": lambda r: r["ita"] > 41,
    "intermediate (10 .. 41)": lambda r: 10 <= r["ita"] <= 41,
    "dark skin or poor light (ITA < 10)": lambda r: r["ita"] < 10,
    "child (to about 12 years, by eye)": lambda r: r.get("age") == "child",
    "adult": lambda r: r.get("age") == "adult",
    "older (from about 60, by eye)": lambda r: r.get("age") == "older",
    "glasses": lambda r: r.get("glasses") == 1,
    "beard, moustache or stubble": lambda r: r.get("beard") == 1,
    "lips closed (inner lips apart by < .05 of the eyes' distance)": lambda r: r["mouth"] < 0.05,
    "mouth open (> .15)": lambda r: r["mouth"] > 0.15,
    "grey photo": lambda r: r["grey"] == 1,
    "soft photo (eyes < 60 px in the source)": lambda r: r["soft"] == 1,
    "sharp photo": lambda r: r["soft"] == 0,
    **{f"mask: {family}": (lambda r, family=family: r["family"] == family) for family in masks.TRAINED},
    **{f"worn: {wear}": (lambda r, wear=wear: r["wear"] == wear) for wear in masks.WEARS},
    **{f"source: {source}": (lambda r, source=source: r["source"] == source) for source in ("aaf", "ffhq256", "ffhq1024", "stylegan256", "tpdne", "tpdne_b", "ueng", "webmorph", "ytf")},
}


def _mean(rows, column):
    values = [row[column] for row in rows if column in row and math.isfinite(row[column])]
    return float(np.mean(values)) if values else math.nan


def _line(name, rows):
    low, high = bootstrap_interval([min(r["regionPsnr"], 99.0) for r in rows])
    above = [r["aboveHarmonic"] for r in rows if math.isfinite(r["aboveHarmonic"])]
    interval = bootstrap_interval(above) if above else (math.nan, math.nan)
    label = f"{name} (given)" if name in GIVEN_ROWS and name != "masked" else "mask left on" if name == "masked" else name
    found = f"{_mean(rows, 'iou'):.3f} | {_mean(rows, 'leftOver'):.2%}" if "iou" in rows[0] else "- | -"
    visible = _mean(rows, "visiblePsnr")
    return (f"| {label} | {_mean(rows, 'regionPsnr'):.2f} ({low:.2f} .. {high:.2f}) | {np.mean(above) if above else math.nan:+.2f} ({interval[0]:+.2f} .. {interval[1]:+.2f}) | "
            f"{_mean(rows, 'regionSsim'):.3f} | {_mean(rows, 'psnr'):.2f} | {_mean(rows, 'ssim'):.3f} | {_mean(rows, 'psnrEq8'):.2f} | {visible:.2f} | "
            f"{np.median([r['gradientEnergy'] for r in rows]):.2f} | {_mean(rows, 'area'):.1%} | {found} | {len(rows)} |")


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Evaluation of the unmaskers on unseen faces.")
    parser.add_argument("--data", required=True, help="folder with faces/, masked/ and mask-templates/")
    parser.add_argument("--models", default=here.parent, help="folder with models.json")
    parser.add_argument("--onnx", nargs="*", default=[], metavar="NAME=FILE", help="more unmaskers")
    parser.add_argument("--out", required=True, help="folder for results.csv, table.md and contact sheets (keep it out of the repository: faces)")
    parser.add_argument("--cache", help="folder for the fitted ridges, default: the out folder")
    parser.add_argument("--cases", nargs="*", default=CASES, choices=CASES)
    parser.add_argument("--rows", nargs="*", help="default: mask left on, harmonic, telea, ridge, kernel-ridge and every unmasker")
    parser.add_argument("--outlines", default=here / "real-outlines.json")
    parser.add_argument("--reuse", action="store_true", help="keep what results.csv in the out folder says about the rows that need no network")
    parser.add_argument("--limit", type=int, help="test faces, evenly spread; default all")
    options = parser.parse_args()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    print(f"seed {SEED}", flush=True)
    sessions, denoiser = open_models(options.models, options.onnx)
    rows = list(options.rows or [*GIVEN_ROWS, *sessions])
    unknown = [row for row in rows if row not in GIVEN_ROWS and row not in sessions]
    if unknown:
        raise SystemExit(f"Expected rows among {[*GIVEN_ROWS, *sessions]} but received {unknown}")
    rows = list(dict.fromkeys(["masked", "harmonic", *rows]))
    earlier = _load(out) if options.reuse else []
    if denoiser is None and any(case.startswith("III") for case in options.cases):
        print("No denoiser in models.json: cases III show the noisy photo as it is.", file=sys.stderr)
    known = {(record["case"], record["row"]) for record in earlier}
    wanted = {row for row in ("ridge", "kernel-ridge") for case in options.cases if row in rows and (case, row) not in known}
    ridges = fit_ridges(options.data, options.cache or out) if wanted else {}
    records = []
    for case in options.cases:
        known = [record for record in earlier if record["case"] == case and record["row"] in GIVEN_ROWS]
        bases = {record["file"]: record["regionPsnr"] for record in known if record["row"] == "harmonic"}
        unmeasured = [row for row in rows if row not in {record["row"] for record in known}]
        if case == "V":
            shown = {name: session for name, session in sessions.items() if name in rows}
            if Path(options.outlines).exists() and shown:
                records += evaluate_real(options.data, shown, options.outlines, out / "case-V.png")
            else:
                print("Case V skipped: no outlines or no unmasker.", file=sys.stderr)
            continue
        records += known + evaluate_case(case, options.data, unmeasured, sessions, denoiser, ridges, options.limit, out / f"case-{case}.png", bases)
        _save(out, records)
    _save(out, records)
    print((out / "table.md").read_text())


def _load(out):
    """The records of an earlier run, numbers as numbers."""
    if not (out / "results.csv").exists():
        return []
    text = ("case", "row", "file", "source", "family", "wear", "age")
    with open(out / "results.csv") as table:
        return [{name: value if name in text else float(value) for name, value in row.items() if value != ""} for row in csv.DictReader(table)]


def _save(out, records):
    names = list(dict.fromkeys(name for record in records for name in record))
    with open(out / "results.csv", "w", newline="") as table:
        writer = csv.DictWriter(table, names, restval="")
        writer.writeheader()
        writer.writerows(records)
    (out / "table.md").write_text(summarise(records) + "\n")


if __name__ == "__main__":
    main()
