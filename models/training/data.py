"""Faces for training: readers (own folder layout, CelebA), alignment on the eyes, augmentation, batches.

    faces = read_faces(Path("data"), "train")                    # faces/ + index.csv + landmarks.csv, 256x256 px each
    faces = read_celeba(Path("celeba"), "train")                 # img_align_celeba/, list_*.txt, identity_CelebA.txt
    for batch in batches(lambda rng: completion_sample(faces, rng, 128), size=16, seed=0, workers=1): ...

The decoded faces stay in memory as uint8; every sample is drawn from a seeded generator. Colour order is RGB, integer
coordinates are pixel centres, landmarks are the 68 points of 300-W.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

import masks
from locate import Look, locate_twice
from network import CROP, GRID, outline
from outlines import courses, filled, load_outlines
from turn import MEAN_SHAPE, turn

MARKS = Path(__file__).with_name("real-marks.json")
EYES = np.array([[98.0, 118.0], [158.0, 118.0]], np.float32)  # px in the crop: the eye on the image's left, then the other
EYE_DISTANCE = 60.0  # px
BOX_SHARE = 0.36  # eye distance / height of the face box on a frontal head; a turned head is scaled by its box instead
BOX_PER_BROW_TO_CHIN = 1.31  # height of the face box / distance from brows to chin, frontal heads
SOURCE_SHARES = {"aaf": 0.4}  # this one source is more than half of the faces; the others share the rest by their size
GREY_SHARE = 0.08  # colour photos made grey, or grey photos come back tinted
BORROW_SHARE = 0.5  # of the faces to complete have the light of another, and ...
RELIGHT_SHARE = 0.25  # ... some a lamp more: of what a completer errs on unseen people more than on its own, most is how light or dark they are
SOFT_SHARE = 0.4  # a soft photo wants a soft face: a completer that has seen few of them paints specks
REMAINS_SHARE = 0.3
CUT_SHARE = 0.2  # of the faces reach beyond the end of their photo; of 100 real photos of worn masks 66 do, 53 by a tenth of the crop or more
TURNED_TIMES = 3.0  # as often as frontal faces is one drawn whose nose lies beyond .25 .. .75 of the jaw: 1 in 24
TURN_SHARE = 0.4  # of the faces are turned further away: 1 in 63 has its nose beyond .2 .. .8 of the jaw, of worn masks many more
WORN_SHARE = 0.5  # of the segmenter's samples, once real masks have weak outlines
LOW_SHARE = 0.16  # of the segmenter's masks are worn under the nose on top of those drawn so by chance: the hardest to outline
SHORT_SHARE = 0.4  # end well before the ears: on turned heads the cheek between mask and ear, and what crosses it, was taken for mask
BLEND_SHARE = 0.12  # of them are coloured like the skin around them: masks missed whole were of that kind
MARKED_SHARE = 0.5  # of the real ones have something marked by hand: 511 of 1,071 have
SMALLEST_WORN = 60  # px, the shorter side of a masked face of `data/scenes`: straps in smaller ones are a pixel wide
SIDES = "xmin", "ymin", "xmax", "ymax"  # of a face's box, in the index files
EAR_WEIGHT = 6  # as much as other pixels counts an ear that is marked: few, and what teaches straps makes an ear's rim one too
BARE_WEIGHT = 3  # as much counts what is marked as bare: hands and scarves are few, and larger than ears
BARE_EDGE = 4  # px in the crop around it: what is drawn lies well inside a hand, so nobody knows how much further that goes
EAR_GAP = 3  # px in the crop from the fabric of a weak outline: nearer, an ear that is marked may be covered
OWN_STRAP = 24  # px in the crop from the fabric: a strap that comes no nearer is a neighbour's
STRAP_RADII = 1, 5  # px in the crop from the course of a marked strap: as far it surely is strap, and as far it may be
EYE_LEVEL = 0.38  # of the height of a detector's face box

FIVE_OF_68 = ([36, 37, 38, 39, 40, 41], [42, 43, 44, 45, 46, 47], [30], [48], [54])


@dataclass(frozen=True)
class Jitter:
    """How far a sample may stray from the exact alignment. A draw scales all by one u^1.5, so most samples stay close."""

    roll: float = 8.0  # degrees
    scale: float = 0.12
    shift: float = 6.0  # px
    turn: float = 0.0  # degrees, at most, by which TURN_SHARE of the heads are turned further to the side they face


EXACT = Jitter(0.0, 0.0, 0.0)
TURNING = Jitter(turn=40.0)


@dataclass(frozen=True)
class Faces:
    """Decoded faces. images: N arrays uint8 [H, W, 3] RGB; landmarks: float32 [N, 68, 2] px of the same image;
    names, sources, identities: N strings (an unknown identity is empty)."""

    images: list[np.ndarray]
    landmarks: np.ndarray
    names: list[str]
    sources: list[str]
    identities: list[str]

    def __len__(self) -> int:
        return len(self.images)

    def weights(self) -> np.ndarray:
        """Chance of each face to be drawn: sources in SOURCE_SHARES get that share, the rest is split by size; turned heads more. [N], sums to 1."""
        sources = np.array(self.sources)
        weights = np.ones(len(self))
        for source, share in SOURCE_SHARES.items():
            mine = sources == source
            if mine.any() and not mine.all():
                weights[mine] = share / mine.sum()
                weights[~mine] = (1 - share) / (~mine).sum()
        left, right, nose = (self.landmarks[:, point, 0] for point in (0, 16, 30))
        turned = np.abs((nose - left) / np.maximum(right - left, 1) - 0.5)
        weights *= 1 + (TURNED_TIMES - 1) * np.clip((turned - 0.15) / 0.1, 0, 1)
        return weights / weights.sum()

    def cumulative(self) -> np.ndarray:
        """Running sum of the weights, kept after the first call: one draw is a binary search."""
        if "_cumulative" not in self.__dict__:
            object.__setattr__(self, "_cumulative", np.cumsum(self.weights()))
        return self.__dict__["_cumulative"]

    def pick(self, rng: np.random.Generator) -> int:
        """Index of a face drawn by weight."""
        return min(int(np.searchsorted(self.cumulative(), rng.random())), len(self) - 1)


def read_faces(data: Path, split: str, limit: int | None = None) -> Faces:
    """Faces of one split ("train", "val", "test") of `data/faces`. About 2 ms a face.

    Raises FileNotFoundError naming what is missing, ValueError for a split without faces.
    """
    folder = data / "faces"
    with open(folder / "index.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split][:limit]
    if not rows:
        raise ValueError(f"Expected faces of split {split!r} in {folder / 'index.csv'} but found none")
    with open(folder / "landmarks.csv", newline="") as file:
        points = {row[0]: row[1:] for row in csv.reader(file)}
    landmarks = np.array([points[row["file"]] for row in rows], np.float32).reshape(-1, 68, 2)
    return Faces(
        [read_image(folder / row["file"]) for row in rows],
        landmarks,
        [row["file"] for row in rows],
        [row["source"] for row in rows],
        [row["identity"] for row in rows],
    )


def read_celeba(root: Path, split: str, limit: int | None = None) -> Faces:
    """Faces of one split of CelebA (Liu 2015): 178x218 px, split by identity as published.

    root holds img_align_celeba/, list_landmarks_align_celeba.txt, identity_CelebA.txt and list_eval_partition.txt.
    The five published points are completed to 68 by the mean shape, fitted by an affine map.
    """
    wanted = {"train": "0", "val": "1", "test": "2"}[split]
    part = dict(line.split() for line in (root / "list_eval_partition.txt").read_text().splitlines() if line.strip())
    person = dict(line.split() for line in (root / "identity_CelebA.txt").read_text().splitlines() if line.strip())
    points = {}
    for line in (root / "list_landmarks_align_celeba.txt").read_text().splitlines()[2:]:
        name, *values = line.split()
        points[name] = np.array(values, np.float32).reshape(5, 2)
    names = [name for name in sorted(part) if part[name] == wanted][:limit]
    if not names:
        raise ValueError(f"Expected faces of split {split!r} in {root / 'list_eval_partition.txt'} but found none")
    return Faces(
        [read_image(root / "img_align_celeba" / name) for name in names],
        np.stack([landmarks_from_five(points[name]) for name in names]),
        names,
        ["celeba"] * len(names),
        [person[name] for name in names],
    )


def read_image(path: Path) -> np.ndarray:
    """uint8 [H, W, 3] RGB of a photo. Raises FileNotFoundError when it is missing or cannot be decoded."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(f"Expected a readable photo at {path} but found none")
    return np.ascontiguousarray(image[..., ::-1])


def landmarks_from_five(points: np.ndarray) -> np.ndarray:
    """68 landmarks guessed from five (eyes, nose tip, mouth corners; left in the image first). [5, 2] -> float32 [68, 2]"""
    mean_five = np.stack([MEAN_SHAPE[group].mean(0) for group in FIVE_OF_68])
    known = np.hstack([mean_five, np.ones((5, 1))])
    matrix, *_ = np.linalg.lstsq(known, np.asarray(points, np.float64), rcond=None)  # [3, 2], affine
    return (np.hstack([MEAN_SHAPE, np.ones((68, 1))]) @ matrix).astype(np.float32)


def eyes_of(landmarks: np.ndarray) -> np.ndarray:
    """Centres of the two eyes, the image's left one first. [68, 2] -> [2, 2]"""
    return np.stack([landmarks[36:42].mean(0), landmarks[42:48].mean(0)])


def alignment(eyes: np.ndarray, box_height: float = 0.0, roll: float = 0.0, scale: float = 1.0, shift: tuple[float, float] = (0, 0)):
    """Similarity that moves the eyes to EYES. eyes [2, 2] px -> float64 [2, 3] for cv2.warpAffine.

    box_height: height of the upright face box in px, guards turned heads whose eyes are close together; 0 for none.
    roll (degrees), scale, shift (px in the crop) are the deviation asked for.
    """
    delta = eyes[1] - eyes[0]
    span = max(float(np.hypot(*delta)), BOX_SHARE * box_height)
    factor = EYE_DISTANCE / span * scale
    angle = -np.arctan2(delta[1], delta[0]) + np.deg2rad(roll)
    rotation = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = EYES.mean(0) + np.asarray(shift) - rotation @ eyes.mean(0)
    return np.hstack([rotation, offset[:, None]])


def align(image: np.ndarray, landmarks: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 256x256 crop and its landmarks; what lies outside the photo repeats the edge."""
    crop = cv2.warpAffine(image, matrix, (CROP, CROP), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return crop, (landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def draw_face(faces: Faces, rng: np.random.Generator, jitter: Jitter = Jitter(), index: int | None = None):
    """A face drawn by weight (or the one at `index`), aligned with jitter. -> uint8 [256, 256, 3], float32 [68, 2]"""
    index = faces.pick(rng) if index is None else index
    image, landmarks = faces.images[index], faces.landmarks[index]
    if jitter.turn and rng.random() < TURN_SHARE:
        image, landmarks = turn(image, landmarks, rng.uniform(0, jitter.turn))
    amount = rng.random() ** 1.5
    roll, scale, x, y = rng.uniform(-1, 1, 4) * amount
    height = BOX_PER_BROW_TO_CHIN * np.hypot(*(landmarks[8] - landmarks[17:27].mean(0)))
    guard = height if jitter is not EXACT and rng.random() < 0.5 else 0.0
    matrix = alignment(
        eyes_of(landmarks), guard, roll * jitter.roll, 1 + scale * jitter.scale, (x * jitter.shift, y * jitter.shift)
    )
    return align(image, landmarks, matrix)


def relight(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A lamp more: light that grows to one side and from or to the middle, by up to a quarter at the edge (1 sigma). uint8 [H, W, 3] -> the same"""
    height, width = image.shape[:2]
    x, y = np.linspace(-1, 1, width, dtype=np.float32)[None], np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    a, b, c, d, e = rng.normal(0, 1, 5) * rng.random() * [0.25, 0.2, 0.1, 0.1, 0.1]
    light = a * x + b * y + c * x * y + d * (x * x - 0.33) + e * (y * y - 0.33)
    tint = (1 + rng.normal(0, 0.15, 3)).astype(np.float32)
    return np.clip(image * np.exp(light[..., None] * tint), 0, 255).astype(np.uint8)


def borrow_light(image: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """An aligned face whose broad light and shade are led by `share` to another's: times the quotient of both, blurred. uint8 [256, 256, 3] twice -> the same

    After the quotient image (Shashua & Riklin-Raviv 2001). Beyond the faces' ends the quotient goes on as it was there.
    """
    face = 1 - outline(GRID, torch.device("cpu"))[0, 0].numpy()

    def near(cells: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(cells, (0, 0), 2)  # cells of 8 px

    def broad(crop: np.ndarray) -> np.ndarray:
        cells = (cv2.resize(crop, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float32) + 8) * face[..., None]
        mean = cells.sum((0, 1)) / face.sum()
        return (near(cells) + 0.02 * mean) / (near(face) + 0.02)[..., None]

    quotient = np.clip((broad(other) / broad(image)) ** np.float32(share), 0.5, 2)  # beyond it a dark photo's grain would be drawn as skin
    return np.clip(image * cv2.resize(quotient, (CROP, CROP), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def recolour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light of another day: some faces grey, some with another gamma and white balance. uint8 [H, W, 3] -> the same."""
    if rng.random() < GREY_SHARE:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.3:
        gamma, gain = np.exp(rng.normal(0, 0.12)), np.exp(rng.normal(0, 0.04, 3))
        curve = 255 * np.clip(np.linspace(0, 1, 256)[:, None] ** gamma * gain, 0, 1)
        image = cv2.LUT(image, np.round(curve).astype(np.uint8)[None])
    return image


def loosen(region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A region as a segmenter would give it: grown by 1 to 8 px, now and then with false alarms beside it. bool [H, W] -> same"""
    grown = region.astype(np.uint8)
    reach = int(rng.integers(1, 9))
    shape = cv2.MORPH_ELLIPSE if rng.random() < 0.5 else cv2.MORPH_RECT
    grown = cv2.dilate(grown, cv2.getStructuringElement(shape, (2 * reach + 1, 2 * reach + 1)))
    if rng.random() < 0.12:
        for _ in range(int(rng.integers(1, 4))):
            centre = tuple(int(v) for v in rng.integers(10, np.array(region.shape[::-1]) - 10))
            axes = tuple(int(v) for v in rng.integers(4, 20, 2))
            cv2.ellipse(grown, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    return grown > 0


def soften(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A small face enlarged, often after JPEG, without noise: grain is the pipeline's to give back. uint8 [H, W, 3] -> the same."""
    height, width = image.shape[:2]
    share = rng.uniform(0.28, 0.85)
    small = cv2.resize(image, (round(width * share), round(height * share)), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.6:
        _, code = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 96))])
        small = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR)


def cut_off(rng: np.random.Generator, *arrays: np.ndarray) -> list[np.ndarray]:
    """The photo ends inside the crop, on one to four sides, straight or slanted as on a tilted head: from there on its edge is repeated, as `align` does.

    All arrays [S, S, ...], uint8, float32 or bool, are cut alike. The eyes stay inside.
    """
    size = len(arrays[0])
    middle = np.float32((size - 1) / 2)
    angle = 0 if rng.random() < 0.5 else np.deg2rad(rng.uniform(-30, 30))
    cosine, sine = np.float32([np.cos(angle), np.sin(angle)])
    ends = rng.uniform(0.2, 0.48, 4) * size
    ends[(rng.random(4) < 0.5) & (np.arange(4) != rng.integers(4))] = 2 * size  # does not end there
    y, x = np.indices((size, size), np.float32) - middle
    across = np.clip(cosine * x + sine * y, -ends[0], ends[1]).astype(np.float32)
    down = np.clip(cosine * y - sine * x, -ends[2], ends[3]).astype(np.float32)
    from_x, from_y = cosine * across - sine * down + middle, sine * across + cosine * down + middle

    def cut(array: np.ndarray) -> np.ndarray:
        known = array.view(np.uint8) if array.dtype == bool else array  # to OpenCV
        return cv2.remap(known, from_x, from_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE).view(array.dtype)

    return [cut(array) for array in arrays]


def blend_in(image: np.ndarray, region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mask whose mean colour has moved most of the way to that of the face above it. uint8 [H, W, 3] -> a copy."""
    rows = np.nonzero(region.any(1))[0]
    height, width = region.shape
    above = np.zeros_like(region)
    above[max(rows[0] - height // 4, 0) : rows[0] + height // 12, width // 3 : -width // 3] = True
    skin = image[above & ~region]
    if not len(skin):
        return image
    shift = (np.median(skin, 0) * rng.uniform(0.8, 1.15) - image[region].mean(0)) * rng.uniform(0.6, 1) + rng.normal(0, 6, 3)
    image = image.copy()
    image[region] = np.clip(image[region] + shift, 0, 255).astype(np.uint8)
    return image


def leave_remains(image: np.ndarray, region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bits of the mask just outside the region, as a segmenter that missed them would leave them. uint8 [H, W, 3] -> a copy."""
    reach = int(rng.integers(2, 8))
    grown = cv2.dilate(region.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    rim, near = grown & ~region, np.zeros(region.shape, np.uint8)
    places = np.argwhere(rim)
    for y, x in places[rng.integers(0, len(places), int(rng.integers(1, 5)))] if len(places) else ():
        axes = tuple(int(v) for v in rng.integers(6, 40, 2))
        cv2.ellipse(near, (int(x), int(y)), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    remains = rim & (near > 0)
    image = image.copy()
    fabric = masks.any_colour(rng) + rng.normal(0, 6, (int(remains.sum()), 3))
    image[remains] = np.clip(fabric, 0, 255).astype(np.uint8)
    return image


def flip(rng: np.random.Generator, *arrays: np.ndarray) -> list[np.ndarray]:
    """All arrays mirrored left to right, or none, by the toss of a coin."""
    return [np.ascontiguousarray(a[:, ::-1]) for a in arrays] if rng.random() < 0.5 else list(arrays)


def to_size(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 crop reduced by averaging. [256, 256, 3] -> [size, size, 3]"""
    return image if len(image) == size else cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


def region_to_size(region: np.ndarray, size: int) -> np.ndarray:
    """A pixel that the region touches belongs to it. bool, or uint8 as what counts, [H, H] -> the same [size, size]"""
    factor = len(region) // size
    return region.reshape(size, factor, size, factor).max((1, 3))


def planes(image: np.ndarray) -> np.ndarray:
    """[H, W, 3] or [H, W] -> contiguous uint8 [3 or 1, H, W]"""
    stacked = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    return np.ascontiguousarray(stacked, np.uint8)


def completion_sample(faces: Faces, rng: np.random.Generator, size: int = CROP, jitter: Jitter = TURNING) -> dict[str, np.ndarray]:
    """A bare face and a region to be erased, now and then with remains of the mask at its rim.

    -> image uint8 [3, size, size], true under the region; region uint8 [1, size, size] of 0 and 1.
    """
    image, landmarks = draw_face(faces, rng, jitter)
    region = loosen(masks.draw_region(landmarks, image.shape, rng, short=rng.random() < SHORT_SHARE), rng)
    light = rng.random()
    if light < BORROW_SHARE:
        image = borrow_light(image, draw_face(faces, rng, jitter)[0], rng.random())
    elif light < BORROW_SHARE + RELIGHT_SHARE:
        image = relight(image, rng)
    image = recolour(image, rng)
    if rng.random() < SOFT_SHARE:
        image = soften(image, rng)
    if rng.random() < REMAINS_SHARE:
        image = leave_remains(image, region, rng)
    if rng.random() < CUT_SHARE:  # the region with it, as a segmenter takes a mask's repeated edge for mask: nothing of the face shows
        image, region = cut_off(rng, image, region)
    image, region = flip(rng, image, region)
    return {"image": planes(to_size(image, size)), "region": planes(region_to_size(region, size))}


def held_out_sample(faces: Faces, index: int, size: int = CROP, grow: int = 4, turned: float = 0.0, cut: bool = False) -> dict[str, np.ndarray]:
    """The same as `completion_sample` for validation: face `index`, exact alignment, no augmentation, one fixed region.

    turned: degrees by which the head is turned further. cut: the photo ends inside the crop; `counts` is then what of the region lies in the photo.
    """
    rng = np.random.default_rng(index)
    image, landmarks = draw_face(faces, rng, EXACT, index)
    if turned:
        image, landmarks = turn(image, landmarks, turned)
        image, landmarks = align(image, landmarks, alignment(eyes_of(landmarks)))
    region = masks.draw_region(landmarks, image.shape, rng).astype(np.uint8)
    region = counts = cv2.dilate(region, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8)) > 0
    if cut:
        places = np.arange(region.size, dtype=np.float32).reshape(region.shape)
        image, region, origin = cut_off(rng, image, region, places)
        counts = region & (origin == places)
    return {"image": planes(to_size(image, size)), "region": planes(region_to_size(region, size)), "counts": planes(region_to_size(counts, size))}


def mask_sample(faces: Faces, rng: np.random.Generator, size: int = CROP, worn: list[Worn] | None = None) -> dict[str, np.ndarray]:
    """What the segmenter learns from: a masked face (or a bare or distracted one) after a bad camera, and where the mask's fabric is.

    worn: real masked crops, mixed in at WORN_SHARE when given.
    -> image uint8 [3, size, size]; region, counts uint8 [1, size, size]: counts is 0 where nobody knows what is true.
    """
    if worn and rng.random() < WORN_SHARE:
        return worn_crop_sample(worn, rng, size)
    image, landmarks = draw_face(faces, rng, TURNING)
    image = recolour(image, rng)
    draw, region = rng.random(), np.zeros(image.shape[:2], bool)
    if draw < 0.78:
        wear = "under-nose" if rng.random() < LOW_SHARE else None
        drawn = masks.synthesise(image, landmarks, rng, wear=wear, short=rng.random() < SHORT_SHARE)
        image, region = drawn.image, drawn.fabric
        if rng.random() < BLEND_SHARE:
            image = blend_in(image, drawn.region, rng)
        if rng.random() < 0.08:
            other = masks.distract(image, landmarks, rng)
            image, region = other.image, region & ~other.covered
    elif draw < 0.88:
        image = masks.distract(image, landmarks, rng).image
    image, region = flip(rng, masks.photometric(image, rng), region)
    if rng.random() < CUT_SHARE:
        image, region = cut_off(rng, image, region)
    region = planes(region_to_size(region, size))
    return {"image": planes(to_size(image, size)), "region": region, "counts": np.ones_like(region)}


@dataclass(frozen=True)
class WornPhoto:
    """A real photo of a worn mask in its aligned crop.

    digest: of its file, as in `real-marks.json`; image: uint8 [256, 256, 3]; inside: bool [256, 256], false where the photo had ended and
    its border was repeated; to_crop: 2x3, px of the photo to px of the crop
    """

    digest: str
    image: np.ndarray
    inside: np.ndarray
    to_crop: np.ndarray


def worn_boxes(data: Path, split: str, scenes: bool) -> Iterator[tuple[Path, np.ndarray]]:
    """Photos of really worn masks and the face's box in each, left, top, right and bottom in px: those of `data/masked`; with `scenes`,
    also the large masked faces of `data/scenes`, if it is there."""
    with open(data / "masked" / "index.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == split and row["kind"] == "real":
                yield data / "masked" / row["file"], np.array([float(row[f"face_{side}"]) for side in SIDES])
    annotations = data / "scenes" / "annotations.csv"
    if scenes and annotations.exists():
        with open(annotations, newline="") as file:
            for row in csv.DictReader(file):
                box = np.array([float(row[side]) for side in SIDES])
                if row["split"] == split and row["label"] != "without_mask" and min(box[2:] - box[:2]) >= SMALLEST_WORN:
                    yield data / "scenes" / row["file"], box


def worn_photos(data: Path, split: str, look: Look, scenes: bool = False) -> Iterator[WornPhoto]:
    """The faces of `worn_boxes`, aligned by the eyes that `look` finds, as the product aligns them; guessed from the box where it sees no face."""
    for path, box in worn_boxes(data, split, scenes):
        photo = read_image(path)
        left, top, right, bottom = box
        eyes, presence = locate_twice(look, photo, box)
        if presence < 0.5:
            half, middle, level = BOX_SHARE * (bottom - top) / 2, (left + right) / 2, top + EYE_LEVEL * (bottom - top)
            eyes = np.array([middle - half, level, middle + half, level])
        matrix = alignment(eyes.reshape(2, 2), bottom - top)
        crop = cv2.warpAffine(photo, matrix, (CROP, CROP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        inside = cv2.warpAffine(np.ones(photo.shape[:2], np.uint8), matrix, (CROP, CROP)) > 0
        yield WornPhoto(hashlib.sha256(path.read_bytes()).hexdigest()[:16], crop, inside, matrix)


@dataclass(frozen=True)
class Marks:
    """Where straps, ears and what is no mask are in an aligned crop, from `real-marks.json`. bool [256, 256] each.

    straps: the course of straps beside the fabric, one pixel wide; may_be: what may be strap around it; ears: ears where no strap is near;
    bare: hands, clothes, hair, glasses and background that a segmenter took for mask, also where they cover the mask
    """

    straps: np.ndarray
    may_be: np.ndarray
    ears: np.ndarray
    bare: np.ndarray


def read_marks(photos: Iterator[WornPhoto]) -> Iterator[tuple[WornPhoto, Marks | None]]:
    """Every face with what is marked on it, if somebody went through it."""
    outlines = {outline["digest"]: outline for outline in load_outlines(MARKS)}
    for photo in photos:
        outline = outlines.get(photo.digest)
        marks = marks_of(outline, photo) if outline else None
        yield photo, marks if marks and (marks.straps | marks.ears | marks.bare).any() else None


def marks_of(outline: dict, photo: WornPhoto) -> Marks:
    """What `load_outlines` gives of a photo, in its crop."""
    straps = courses(outline["straps"], photo.to_crop, CROP)
    may_be = cv2.dilate(straps, disc(STRAP_RADII[1])) > 0
    ears, bare = (filled(outline[shapes], photo.to_crop, CROP) > 0 for shapes in ("ears", "bare"))
    return Marks((straps > 0) & photo.inside, may_be, ears & photo.inside & ~may_be, bare & photo.inside)


@dataclass(frozen=True)
class Worn:
    """A real photo of a worn mask, aligned on the eyes, with a weak outline found by `weak_outline`.

    image: uint8 [256, 256, 3]; garment: bool [256, 256]; counts: uint8 [256, 256], how much a pixel does: 0 where the outline is not to be trusted.
    marked: straps, ears and what is bare are as somebody saw them.
    """

    image: np.ndarray
    garment: np.ndarray
    counts: np.ndarray
    marked: bool = False


def read_worn(data: Path, split: str, look: Look, probability: Callable[[np.ndarray], np.ndarray]) -> list[Worn]:
    """The faces of `worn_photos` with weak outlines; about 0.2 s a photo.

    probability: what a first segmenter thinks, uint8 [256, 256, 3] -> float [256, 256]. Photos whose outline is implausible
    are left out.
    """
    found = []
    for photo, marks in read_marks(worn_photos(data, split, look, scenes=True)):
        garment, known = weak_outline(photo.image, probability(photo.image))
        if 0.04 < garment.mean() < 0.4:
            garment, counts = as_marked(garment, known, marks) if marks else (garment, known.astype(np.uint8))
            found.append(Worn(photo.image, garment, counts * photo.inside, marks is not None))
    return found


def as_marked(garment: np.ndarray, known: np.ndarray, marks: Marks) -> tuple[np.ndarray, np.ndarray]:
    """A weak outline corrected where something is marked: a strap's middle is mask, an ear beside the fabric is bare, and what is bare is.

    garment, known: bool [256, 256] -> garment bool, counts uint8, as in `Worn`
    """
    fabric = cv2.dilate(garment.astype(np.uint8), disc(EAR_GAP)) > 0  # its edge is a guess, and ears are drawn roughly
    own = touching(marks.straps, cv2.dilate(garment.astype(np.uint8), disc(OWN_STRAP)) > 0)
    strap = cv2.dilate(own.astype(np.uint8), disc(STRAP_RADII[0])) > 0
    counts = ((known & ~marks.may_be) | strap).astype(np.uint8)
    counts[marks.ears & ~fabric] = EAR_WEIGHT
    counts[cv2.dilate(marks.bare.astype(np.uint8), disc(BARE_EDGE)) > 0] = 0
    counts[marks.bare] = BARE_WEIGHT
    return (garment | strap) & ~marks.bare, counts


def touching(drawn: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Those of the things drawn that reach into the area. bool [H, W] each -> bool [H, W]"""
    _, labels = cv2.connectedComponents(drawn.astype(np.uint8))
    return drawn & np.isin(labels, labels[area & drawn])


def weak_outline(crop: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outline of a worn mask by GrabCut (Rother 2004), seeded by a first segmenter, by colour and by where masks always are.

    crop uint8 [256, 256, 3], aligned on the eyes, probability float [256, 256] -> garment bool, known bool. Known is where GrabCut and
    the segmenter agree, what GrabCut finds on the lower face even if the segmenter missed it, and, even if the segmenter took it for
    mask, eyes and brows and what plainly is skin: without that, every round of training on its own outlines would make it take more.
    """
    small = cv2.resize(crop, (128, 128), interpolation=cv2.INTER_AREA)
    likely = cv2.resize(probability.astype(np.float32), (128, 128), interpolation=cv2.INTER_AREA)
    eyes = oval((49, 58), (7, 4)) | oval((79, 58), (7, 4)) | oval((64, 46), (26, 12))  # with the brows: what a crop is aligned by is seen
    likely[eyes] = 0
    skin = plainly_skin(small, likely)
    core, lower = oval((64, 88), (14, 12)), oval((64, 86), (38, 32))  # round the mouth: under a mask if there is one
    row = np.arange(128)[:, None]
    low = row > 78  # from the upper lip on; higher up is mask what has the colours of this and not of the eyes
    seeds = np.where((likely > 0.5) & low & ~skin, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[(likely < 0.02) & ~lower] = cv2.GC_BGD
    seeds[eyes | (row < 54)] = cv2.GC_BGD
    seeds[(likely > 0.97) & low & ~skin | core] = cv2.GC_FGD
    cv2.setRNGSeed(0)
    cv2.grabCut(np.ascontiguousarray(small[..., ::-1]), seeds, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    cut = ((seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)).astype(np.uint8)
    cut = cv2.morphologyEx(cv2.morphologyEx(cut, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, labels = cv2.connectedComponents(cut)
    garment = (cut > 0) & (labels == labels[88, 64])
    garment |= without_holes(garment) & lower & ~skin  # a print is mask, the cheek between an ear loop and the mask is not
    known = np.where(garment, ((likely > 0.5) | lower) & ~skin, (likely < 0.05) | skin)  # not what may be a strap, which GrabCut drops
    known &= cv2.morphologyEx(garment.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) == 0  # at half size, an edge is a guess
    known &= garment | eyes | ~thin_lines(small)  # a strap missed would teach it to miss more, an ear's rim taken for one to take more
    return tuple(cv2.resize(a.astype(np.uint8), (CROP, CROP), interpolation=cv2.INTER_NEAREST) > 0 for a in (garment, known))


def thin_lines(small: np.ndarray) -> np.ndarray:
    """Pixels of lines up to four pixels wide, lighter or darker than both sides: straps, and hair and wrinkles. uint8 [128, 128, 3] -> bool [128, 128]"""
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    lines = np.maximum(*(cv2.morphologyEx(grey, kind, disc(2)) for kind in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)))
    return cv2.dilate((lines > 20).astype(np.uint8), disc(1)) > 0


def plainly_skin(small: np.ndarray, likely: np.ndarray) -> np.ndarray:
    """Pixels of the colour of the face above the mask and far from the mask's; none where mask or face are hardly seen.

    small uint8 [128, 128, 3], likely float [128, 128]: what a segmenter thinks -> bool [128, 128]
    """
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab) * np.float32([0.6, 1, 1])  # shade says less than hue
    fabric = (cv2.erode((likely > 0.9).astype(np.uint8), disc(6)) > 0) & oval((64, 88), (24, 22))
    face = (cv2.dilate((likely > 0.1).astype(np.uint8), disc(2)) == 0) & oval((64, 54), (26, 22))
    if fabric.sum() < 80 or face.sum() < 150:
        return np.zeros(likely.shape, bool)
    face &= lab[..., 0] > np.median(lab[..., 0][face]) - 11  # without hair and brows
    to_face, to_fabric = (colour_distance(lab, lab[sample]) for sample in (face, fabric))
    skin = (to_face < 0.6 * to_fabric - 2) & (to_face < 8)
    return cv2.morphologyEx(skin.astype(np.uint8), cv2.MORPH_OPEN, disc(1)) > 0


def colour_distance(lab: np.ndarray, sample: np.ndarray, nearest: int = 8, most: int = 400) -> np.ndarray:
    """From every pixel to the eighth nearest of at most 400 sample colours. [H, W, 3], [N, 3] -> float [H, W]"""
    sample = sample[np.linspace(0, len(sample) - 1, min(most, len(sample))).astype(int)]
    pixels = lab.reshape(-1, 3)
    square = (pixels**2).sum(1)[:, None] - 2 * pixels @ sample.T + (sample**2).sum(1)
    return np.sqrt(np.partition(square, nearest - 1, 1)[:, nearest - 1].clip(0)).reshape(lab.shape[:2])


def oval(centre: tuple[int, int], radii: tuple[int, int]) -> np.ndarray:
    """A filled ellipse of a half-size crop, px. -> bool [128, 128]"""
    return cv2.ellipse(np.zeros((128, 128), np.uint8), centre, radii, 0, 0, 360, 1, -1) > 0


def disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def without_holes(shape: np.ndarray) -> np.ndarray:
    """What a shape encloses belongs to it: prints and valves. bool [H, W] -> the same"""
    outside = np.pad(~shape, 1, constant_values=True).astype(np.uint8)
    _, labels = cv2.connectedComponents(outside, connectivity=4)
    return (labels != labels[0, 0])[1:-1, 1:-1]


def worn_crop_sample(worn: list[Worn], rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    """A real masked crop, moved, turned, recoloured and degraded at random; the shape of `mask_sample`."""
    marked = [crop for crop in worn if crop.marked]
    among = marked if marked and rng.random() < MARKED_SHARE else worn
    chosen = among[int(rng.integers(len(among)))]
    image, garment, counts = move(rng, chosen.image, chosen.garment, chosen.counts)
    image = masks.photometric(recolour(image, rng), rng, 0.5)  # it has been through a camera already
    image, garment, counts = flip(rng, image, garment, counts)
    return {
        "image": planes(to_size(image, size)),
        "region": planes(region_to_size(garment, size)),
        "counts": planes(region_to_size(counts, size)),
    }


def worn_photo_sample(crops: list[np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A real masked crop, moved, turned and recoloured at random. -> worn uint8 [3, 256, 256]; nobody knows the truth under it."""
    (image,) = move(rng, crops[int(rng.integers(len(crops)))])
    return {"worn": planes(flip(rng, recolour(image, rng))[0])}


def move(rng: np.random.Generator, image: np.ndarray, *regions: np.ndarray) -> list[np.ndarray]:
    """A crop and regions of it, bool or uint8, turned, scaled and shifted alike at random, edges repeated."""
    roll, scale, x, y = rng.uniform(-1, 1, 4) * (10, 0.15, 8, 8)
    matrix = alignment(EYES, roll=roll, scale=1 + scale, shift=(x, y))

    def warp(array: np.ndarray, flags: int) -> np.ndarray:
        return cv2.warpAffine(array, matrix, (CROP, CROP), flags=flags, borderMode=cv2.BORDER_REPLICATE)

    return [warp(image, cv2.INTER_LINEAR), *(warp(region.astype(np.uint8), cv2.INTER_NEAREST).astype(region.dtype) for region in regions)]


def worn_sample(faces: Faces, rng: np.random.Generator, size: int = CROP // 2, index: int | None = None) -> dict[str, np.ndarray]:
    """What the published network learns from: the same face with and without a mask, clean.

    -> image (masked), truth (bare) uint8 [3, size, size]; region uint8 [1, size, size]. A given index is aligned exactly.
    """
    truth, landmarks = draw_face(faces, rng, Jitter() if index is None else EXACT, index)
    worn = masks.synthesise(truth, landmarks, rng)
    image, truth, region = worn.image, truth, worn.region
    if index is None:
        image, truth, region = flip(rng, image, truth, region)
    return {
        "image": planes(to_size(image, size)),
        "truth": planes(to_size(truth, size)),
        "region": planes(region_to_size(region, size)),
    }


def patch_sample(faces: Faces, rng: np.random.Generator, size: int = 48) -> dict[str, np.ndarray]:
    """A clean patch for the denoiser, reduced a little so that the photo's own grain and JPEG blocks fade. uint8 [3, size, size]"""
    image, _ = draw_face(faces, rng, Jitter(180.0 if rng.random() < 0.3 else 8.0, 0.2, 20.0))
    image = to_size(recolour(image, rng), int(rng.integers(150, CROP + 1)))
    y, x = rng.integers(0, len(image) - size + 1, 2)
    (patch,) = flip(rng, image[y : y + size, x : x + size])
    return {"image": planes(patch)}


def fit_subspace(faces: Faces, components: int, seed: int = 0, draws: int = 2) -> dict[str, torch.Tensor]:
    """Mean, basis and precision of `network.SubspaceFill`, by a truncated SVD of the aligned faces at 32x32. About 25 s.

    The noise is taken 8 times as large as what the basis leaves over, because neighbouring cells err together (found on
    the validation split: 1x gives harmonic + 1.6 dB, 8x + 3.1, 100x + 2.4).
    """
    rng = np.random.default_rng(seed)
    cells = []
    for index in np.repeat(np.arange(len(faces)), draws):
        image, _ = draw_face(faces, rng, Jitter(3.0, 0.05, 2.5), int(index))
        small = cv2.resize(image, (GRID, GRID), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        cells += [small.transpose(2, 0, 1).ravel(), small[:, ::-1].transpose(2, 0, 1).ravel()]
    samples = torch.from_numpy(np.stack(cells))
    weights = torch.from_numpy(np.repeat(faces.weights(), 2 * draws)).float()
    weights = (weights / weights.mean()).sqrt().unsqueeze(1)
    mean = (samples * weights.square()).mean(0)
    scaled = (samples - mean) * weights
    components = min(components, *scaled.shape)
    torch.manual_seed(seed)
    _, values, vectors = torch.svd_lowrank(scaled, q=min(components + 64, *scaled.shape), niter=3)
    basis = vectors[:, :components] * values[:components] / len(samples) ** 0.5
    noise = (scaled.square().mean(0) - basis.square().sum(1)).clamp_min(1e-5) * 8
    return {"mean": mean[None], "basis": basis, "precision": 1 / noise[None]}


class Stream(IterableDataset):
    """Endless samples; every worker draws from its own generator, seeded by (seed, worker)."""

    def __init__(self, sample: Callable[[np.random.Generator], dict[str, np.ndarray]], seed: int):
        self.sample, self.seed = sample, seed

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        cv2.setNumThreads(0)
        info = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, info.id if info else 0])
        while True:
            yield self.sample(rng)


def batches(sample: Callable, size: int, seed: int, workers: int, pin: bool = False) -> Iterator[dict[str, torch.Tensor]]:
    """Endless uint8 batches drawn in `workers` processes (0: in this one).

    These are a process group each: what stops a whole job (Ctrl-C, a batch system's SIGTERM) reaches the training alone, which can still save.
    """
    extra = {"multiprocessing_context": "fork", "prefetch_factor": 4, "worker_init_fn": lambda _: os.setpgrp()} if workers else {}
    return iter(DataLoader(Stream(sample, seed), size, num_workers=workers, pin_memory=pin, **extra))


def collate(samples: list[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
    """Samples stacked into one uint8 batch."""
    return {name: torch.from_numpy(np.stack([s[name] for s in samples])) for name in samples[0]}
