"""Pictures for the mask detector: whole photos with labelled faces, and composites of aligned faces, made at load time.

    python detect_data.py --data ../../../shared/data --out batch.png     # a training batch with its labels drawn in

Reads a folder in the format of data/README.md (scenes, masked, faces). One face is a `Face`: box, eyes, masked or not, each
possibly unknown. Every picture is made by one similarity transform per source photo, so that labels move exactly as
pixels do. Box convention: as drawn by hand in scenes, from above the brows to the chin, ear to ear. A rotated face's box is
the box around the ellipse inscribed in its upright box, which a head fills better than the rectangle does.

Colour order RGB, coordinates in pixels with integers at pixel centres.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import IterableDataset

from masks import distract, photometric, synthesise

FOREHEAD = 0.42
"""Box top above the eye line, in eye-to-chin heights: median of the hand-drawn boxes on bare frontal faces of scenes."""

MIN_FACE_PX = 8
"""Faces smaller than this at the network's input are neither asked for nor punished."""

HELD_OUT_MASKED, HELD_OUT_FACES = ("mask12k",), ("ueng",)
"""Sources never trained on: the cross-source AUC is measured on them."""

SOURCE_WEIGHTS = {"aaf": 0.4, "ytf": 0.5}
"""Relative to 1 per picture: aaf is two thirds of the faces and mostly East Asian; ytf is soft video."""

BARE_SHARE = 0.35
"""Of the windows of scenes, those around a bare face, which every sixth hand-drawn box is."""

NOTHING = np.full(4, np.nan)


@dataclass(frozen=True)
class Face:
    """box: [4] x1, y1, x2, y2. eyes: [4] person's right then left, NaN if unknown. masked: 1, 0, or NaN. ignored: not scored."""

    box: np.ndarray
    eyes: np.ndarray
    masked: float
    ignored: bool = False


@dataclass(frozen=True)
class Picture:
    """raster: uint8 [H, W, 3] RGB. complete: every face in it is listed; where not, unlisted faces are not punished."""

    raster: np.ndarray
    faces: tuple[Face, ...]
    complete: bool = True


@dataclass(frozen=True)
class Photo:
    """A labelled file, its bytes kept encoded: 8,000 photos fit in 200 MB. landmarks: [68, 2] or None."""

    name: str
    source: str
    code: bytes
    faces: tuple[Face, ...]
    complete: bool
    landmarks: np.ndarray | None = None

    def open(self) -> Picture:
        return Picture(cv2.cvtColor(cv2.imdecode(np.frombuffer(self.code, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), self.faces, self.complete)


# ---------------------------------------------------------------------------------------------------------------------
# Reading


def read_scenes(data: Path, split: str) -> list[Photo]:
    """Photos of data/scenes with hand-drawn boxes; eyes unknown; a mask worn incorrectly is a mask."""
    rows = defaultdict(list)
    for row in _rows(data / "scenes/annotations.csv"):
        if row["split"] == split:
            rows[row["file"]].append(row)
    return [
        Photo(name, "scenes", (data / "scenes" / name).read_bytes(), tuple(_scene_face(row) for row in found), True)
        for name, found in sorted(rows.items())
    ]


def read_masked(data: Path, split: str, without: tuple[str, ...] = ()) -> list[Photo]:
    """Photos of data/masked: one box each, made by a detector; other faces may be present."""
    return [
        Photo(row["file"], row["source"], (data / "masked" / row["file"]).read_bytes(), (_masked_face(row),), False)
        for row in _rows(data / "masked/index.csv")
        if row["split"] == split and row["source"] not in without
    ]


def read_faces(data: Path, split: str, without: tuple[str, ...] = ()) -> list[Photo]:
    """Aligned bare faces of data/faces, 256x256, with box and eyes from their 68 landmarks."""
    sources = {row["file"]: row["source"] for row in _rows(data / "faces/index.csv") if row["split"] == split}
    photos = []
    for row in csv.reader(open(data / "faces/landmarks.csv")):
        if sources.get(row[0], without[0] if without else None) in (*without, None):
            continue
        landmarks = np.array(row[1:], float).reshape(68, 2)
        face = face_from_landmarks(landmarks)
        photos.append(Photo(row[0], sources[row[0]], (data / "faces" / row[0]).read_bytes(), (face,), True, landmarks))
    return photos


def face_from_landmarks(landmarks: np.ndarray) -> Face:
    """Box and eyes of an upright bare face from its 68 landmarks [68, 2].

    Eyes are the means of their six landmarks: on the pupils when looked at, where the five-point file is 4 to 7 % off.
    """
    right, left = landmarks[36:42].mean(0), landmarks[42:48].mean(0)
    eye_line, chin = (right[1] + left[1]) / 2, landmarks[:17, 1].max()
    box = np.array([landmarks[:27, 0].min(), eye_line - FOREHEAD * (chin - eye_line), landmarks[:27, 0].max(), chin])
    return Face(box, np.concatenate([right, left]), 0.0)


def _rows(path: Path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def _scene_face(row) -> Face:
    box = np.array([float(row[name]) for name in ("xmin", "ymin", "xmax", "ymax")])
    return Face(box, NOTHING, float(row["label"] != "without_mask"))


def _masked_face(row) -> Face:
    return Face(np.array([float(row[f"face_{name}"]) for name in ("xmin", "ymin", "xmax", "ymax")]), NOTHING, 1.0)


# ---------------------------------------------------------------------------------------------------------------------
# Geometry


def similarity(scale: float, degrees: float, source, target) -> np.ndarray:
    """2x3 matrix that turns by degrees (clockwise in the picture), scales, and moves point source to point target."""
    turn = math.radians(degrees)
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return np.hstack([linear, (np.asarray(target, float) - linear @ np.asarray(source, float))[:, None]])


def move_face(face: Face, matrix: np.ndarray) -> Face:
    """The face after a similarity transform [2, 3]. The person's right eye stays first whatever the roll."""
    linear, shift = matrix[:, :2], matrix[:, 2]
    centre = linear @ ((face.box[:2] + face.box[2:]) / 2) + shift
    half = np.sqrt((linear**2) @ (((face.box[2:] - face.box[:2]) / 2) ** 2))  # box around the turned inscribed ellipse
    eyes = (face.eyes.reshape(2, 2) @ linear.T + shift).reshape(4)
    return replace(face, box=np.concatenate([centre - half, centre + half]), eyes=eyes)


def mirror(picture: Picture) -> Picture:
    """Left-right flip; what was the person's right eye becomes the left one, and the order is kept right first."""
    last = picture.raster.shape[1] - 1
    faces = tuple(
        replace(face, box=np.array([last - face.box[2], face.box[1], last - face.box[0], face.box[3]]),
                eyes=np.array([last - face.eyes[2], face.eyes[3], last - face.eyes[0], face.eyes[1]]))
        for face in picture.faces
    )
    return replace(picture, raster=np.ascontiguousarray(picture.raster[:, ::-1]), faces=faces)


def warp(raster: np.ndarray, matrix: np.ndarray, size: int, border: int = cv2.BORDER_CONSTANT, value=(128, 128, 128)) -> np.ndarray:
    """raster [H, W, C] through a similarity [2, 3] into [size, size, C]; reductions are area-averaged first, as sharp does."""
    scale = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if scale < 0.75:
        factor = max(scale * 1.15, 2 / min(raster.shape[:2]))
        small = cv2.resize(raster, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        fx, fy = small.shape[1] / raster.shape[1], small.shape[0] / raster.shape[0]
        undo = np.array([[1 / fx, 0, 0.5 / fx - 0.5], [0, 1 / fy, 0.5 / fy - 0.5], [0, 0, 1]])
        raster, matrix = small, matrix @ undo
    return cv2.warpAffine(raster, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=value)


def letterbox(raster: np.ndarray, size: int = 640) -> tuple[np.ndarray, float]:
    """The photo as the shipped network gets it: top left in a grey square -> (uint8 [size, size, 3], scale applied)."""
    scale = min(size / max(raster.shape[:2]), 4.0)
    width, height = (max(1, round(side * scale)) for side in raster.shape[1::-1])
    out = np.full((size, size, 3), 128, np.uint8)
    out[:height, :width] = cv2.resize(raster, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return out, scale


def within(face: Face, size: int) -> Face:
    """The face as a frame [size, size] shows it: box clipped; ignored when more than half is cut off or it is tiny."""
    clipped = np.clip(face.box, 0, size - 1)
    area = lambda box: max(box[2] - box[0], 0) * max(box[3] - box[1], 0)
    seen = area(clipped) / max(area(face.box), 1e-6)
    tiny = math.sqrt(max(area(face.box), 0)) < MIN_FACE_PX
    eyes = face.eyes
    if np.any((eyes < -0.02 * size) | (eyes > 1.02 * size)):
        eyes = NOTHING
    return replace(face, box=clipped, eyes=eyes, ignored=face.ignored or tiny or seen < 0.5)


# ---------------------------------------------------------------------------------------------------------------------
# Making pictures


@dataclass(frozen=True)
class Dressed:
    """An aligned face with something drawn before it. raster: uint8 [256, 256, 3]. cover: bool [256, 256], what was drawn."""

    face: Face
    raster: np.ndarray
    cover: np.ndarray


class Studio:
    """Makes training pictures of any size from the photos it holds.

    Composites keep a pool of dressed faces: drawing a mask costs 20 ms, a warp 1 ms, so each drawn one is seen about ten
    times, each time in another size, place, roll and light. `fresh`: share of draws that draw anew.
    """

    def __init__(self, scenes: list[Photo], masked: list[Photo], faces: list[Photo], rng: np.random.Generator, fresh: float = 0.1, pool: int = 1500):
        self.scenes, self.masked, self.faces, self.rng = scenes, masked, faces, rng
        self.fresh, self.capacity, self.pool = fresh, pool, []
        self.scenes_with_bare = [photo for photo in scenes if any(face.masked == 0 for face in photo.faces)]
        weights = np.array([SOURCE_WEIGHTS.get(photo.source, 1.0) for photo in faces])
        self.cumulative = np.cumsum(weights) / weights.sum() if len(faces) else None

    def picture(self, size: int) -> Picture:
        """One training picture [size, size]."""
        kinds = (self.scene, self.masked_photo, self.composite, self.portrait, self.empty, self.mosaic)
        kind = kinds[int(np.searchsorted(np.cumsum((0.26, 0.17, 0.23, 0.2, 0.06)), self.rng.uniform()))]
        made = kind(size)
        if self.rng.uniform() < 0.5:
            made = mirror(made)
        raster = made.raster
        if self.rng.uniform() < 0.12:
            raster = cv2.cvtColor(cv2.cvtColor(raster, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if self.rng.uniform() < 0.7:
            raster = photometric(raster, self.rng, strength=self.rng.uniform(0.3, 1.3))
        return replace(made, raster=raster, faces=tuple(within(face, size) for face in made.faces))

    def scene(self, size: int) -> Picture:
        """A window of a crowded photo, at 0.5 to 1.8 times the scale it would have at the shipped 640 px.

        BARE_SHARE of them lie around a bare face.
        """
        bare = bool(self.scenes_with_bare) and self.rng.uniform() < BARE_SHARE
        photo = self._any(self.scenes_with_bare if bare else self.scenes)
        source = photo.open()
        scale = min(640 / max(source.raster.shape[:2]) * self._log_uniform(0.5, 1.8), 4.0)
        centre = np.array(source.raster.shape[1::-1]) * self.rng.uniform(0, 1, 2)
        if self.rng.uniform() < 0.8:
            box = self._any([face for face in source.faces if face.masked == 0] if bare else source.faces).box
            centre = (box[:2] + box[2:]) / 2
        target = size * self.rng.uniform(0.15, 0.85, 2)
        return self._window(source, similarity(scale, self._roll(), centre, target), size)

    def masked_photo(self, size: int) -> Picture:
        """A real masked photo, its face 16 px to somewhat more than the frame, every other one large."""
        source = self._any(self.masked).open()
        smallest = 16 if self.rng.uniform() < 0.5 else 0.4 * size
        return self._around(source, source.faces[0], self._log_uniform(smallest, 1.05 * size), size)

    def portrait(self, size: int) -> Picture:
        """One aligned face, large, as a portrait or a passport photo has it."""
        source = self._face()
        return self._around(source, source.faces[0], self._log_uniform(0.2 * size, 1.05 * size), size)

    def composite(self, size: int) -> Picture:
        """Two to seven aligned faces, bare or masked, pasted on a background that may hold labelled faces itself."""
        base = self.scene(size) if self.rng.uniform() < 0.35 else self.empty(size)
        raster, faces = base.raster, list(base.faces)
        for _ in range(self.rng.integers(2, 8)):
            source = self._face()
            wide = source.faces[0].box[2] - source.faces[0].box[0]
            matrix = similarity(self._log_uniform(12, 0.45 * size) / wide, self._roll(), (128, 132), size * self.rng.uniform(0.05, 0.95, 2))
            alpha = warp(self._outline(), matrix, size, value=0)[..., None].astype(np.float32) / 255
            face = move_face(source.faces[0], matrix)
            if any(_overlap(face.box, other.box) > 0.05 or _covered(alpha, other.box) > 0.1 for other in faces):
                continue
            if self.rng.uniform() < 0.2:  # a patch of the same outline without a face: the paste itself says nothing
                patch = warp(self._background(256), matrix, size, border=cv2.BORDER_REPLICATE)
            else:
                patch = warp(source.raster, matrix, size, border=cv2.BORDER_REPLICATE)
                faces.append(face)
            raster = (raster + (patch - raster.astype(np.float32)) * alpha + 0.5).astype(np.uint8)
        return replace(base, raster=raster, faces=tuple(faces))

    def mosaic(self, size: int) -> Picture:
        """Four pictures of half the size, side by side."""
        half = size // 2
        raster, faces, complete = np.empty((size, size, 3), np.uint8), [], True
        for x, y in ((0, 0), (half, 0), (0, half), (half, half)):
            part = (self.scene, self.portrait, self.composite)[self.rng.integers(3)](half)
            raster[y : y + half, x : x + half] = part.raster
            shift = similarity(1, 0, (0, 0), (x, y))
            faces += [move_face(within(face, half), shift) for face in part.faces]
            complete = complete and part.complete
        return Picture(raster, tuple(faces), complete)

    def empty(self, size: int) -> Picture:
        """No face at all: a face-free window of a scene, a gradient, a texture, sometimes with a mask nobody wears or a hand."""
        raster = self._background(size) if self.rng.uniform() < 0.6 else self._texture(size)
        if self.rng.uniform() < 0.15 and self.pool:
            dressed = self._any(self.pool)
            matrix = similarity(self._log_uniform(0.1, 0.008 * size), self._roll(), (128, 170), size * self.rng.uniform(0.2, 0.8, 2))
            alpha = warp(dressed.cover.astype(np.uint8) * 255, matrix, size, value=0)[..., None].astype(np.float32) / 255
            raster = (raster + (warp(dressed.raster, matrix, size) - raster.astype(np.float32)) * alpha + 0.5).astype(np.uint8)
        return Picture(raster, ())

    def _around(self, source: Picture, face: Face, wanted: float, size: int) -> Picture:
        extent = math.sqrt(np.prod(face.box[2:] - face.box[:2]))
        scale = min(wanted / extent, 4.0)
        reach = min(0.5 * scale * extent / size, 0.5)
        target = size * self.rng.uniform(min(reach, 0.4), max(1 - reach, 0.6), 2)
        return self._window(source, similarity(scale, self._roll(), (face.box[:2] + face.box[2:]) / 2, target), size)

    def _window(self, source: Picture, matrix: np.ndarray, size: int) -> Picture:
        border = cv2.BORDER_REPLICATE if self.rng.uniform() < 0.4 else cv2.BORDER_CONSTANT
        value = (128, 128, 128) if self.rng.uniform() < 0.5 else tuple(int(v) for v in self.rng.integers(0, 256, 3))
        raster = warp(source.raster, matrix, size, border, value)
        return replace(source, raster=raster, faces=tuple(move_face(face, matrix) for face in source.faces))

    def _face(self) -> Picture:
        """An aligned face: 44 % bare, 48 % masked, 8 % bare with a hand, microphone, scarf or phone before it."""
        if self.rng.uniform() < 0.44:
            return self._any_face().open()
        if len(self.pool) < 64 or self.rng.uniform() < self.fresh:
            photo = self._any_face()
            bare = photo.open()
            if self.rng.uniform() < 0.86:
                made = synthesise(bare.raster, photo.landmarks, self.rng)
                entry = Dressed(replace(bare.faces[0], masked=1.0), made.image, made.region)
            else:
                made = distract(bare.raster, photo.landmarks, self.rng)
                entry = Dressed(bare.faces[0], made.image, made.covered)
            if len(self.pool) < self.capacity:
                self.pool.append(entry)
            else:
                self.pool[self.rng.integers(self.capacity)] = entry
        else:
            entry = self._any(self.pool)
        return Picture(entry.raster, (entry.face,))

    def _background(self, size: int) -> np.ndarray:
        photo = self._any(self.scenes if self.rng.uniform() < 0.8 else self.masked)
        source = photo.open()
        height, width = source.raster.shape[:2]
        for _ in range(12):  # a window that touches no face; partly labelled photos are taken far from their one face only
            side = self.rng.uniform(0.15, 0.6) * min(height, width)
            corner = np.array([self.rng.uniform(0, width - side), self.rng.uniform(0, height - side)])
            window = np.concatenate([corner, corner + side])
            if photo.complete and all(_overlap(window, face.box) == 0 for face in source.faces):
                return warp(source.raster, similarity(size / side, 0, corner, (0, 0)), size, cv2.BORDER_REPLICATE)
        return self._texture(size)

    def _texture(self, size: int) -> np.ndarray:
        """A gradient, clouds of random fields, stripes: cheap things that are no face."""
        cells = int(2 ** self.rng.uniform(1, 6))
        field = self.rng.integers(0, 256, (cells, cells, 3)).astype(np.uint8)
        if self.rng.uniform() < 0.5:
            calm = self.rng.uniform(0.05, 0.5)
            field = (self.rng.integers(0, 256, 3) * (1 - calm) + field * calm).astype(np.uint8)
        return cv2.resize(field, (size, size), interpolation=(cv2.INTER_CUBIC, cv2.INTER_NEAREST)[int(self.rng.uniform() < 0.25)])

    def _outline(self) -> np.ndarray:
        """Alpha [256, 256] of a pasted crop: whole square, or an ellipse around the head, hard or feathered."""
        alpha = np.zeros((256, 256), np.uint8)
        if self.rng.uniform() < 0.5:
            cv2.rectangle(alpha, (2, 2), (253, 253), 255, -1)
        else:
            cv2.ellipse(alpha, (128, 130), (int(self.rng.uniform(85, 120)), int(self.rng.uniform(105, 124))), 0, 0, 360, 255, -1)
        feather = self.rng.uniform(0, 10)
        return cv2.GaussianBlur(alpha, (0, 0), feather) if feather > 0.5 else alpha

    def _roll(self) -> float:
        """Degrees: two thirds nearly upright, the rest anything, with a weight on quarter turns."""
        draw = self.rng.uniform()
        if draw < 0.64:
            return self.rng.normal(0, 14)
        if draw < 0.75:
            return self.rng.choice((90, -90, 180)) + self.rng.normal(0, 6)
        return self.rng.uniform(-180, 180)

    def _any_face(self) -> Photo:
        return self.faces[int(np.searchsorted(self.cumulative, self.rng.uniform()))]

    def _any(self, items):
        return items[int(self.rng.integers(len(items)))]

    def _log_uniform(self, low: float, high: float) -> float:
        return math.exp(self.rng.uniform(math.log(low), math.log(max(high, low))))


def _covered(alpha: np.ndarray, box: np.ndarray) -> float:
    x1, y1, x2, y2 = np.round(np.clip(box, 0, len(alpha) - 1)).astype(int)
    return float(alpha[y1 : y2 + 1, x1 : x2 + 1].mean())


def _overlap(a, b) -> float:
    """Shared area over the smaller box's area."""
    shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    return float(np.prod(shared) / max(min(np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2])), 1e-6))


@dataclass(frozen=True)
class Batch:
    """rasters: uint8 [B, S, S, 3] RGB. faces: per picture float32 [n, 10]: box 4, eyes 4 (NaN unknown), masked, ignored. complete: [B]."""

    rasters: np.ndarray
    faces: list
    complete: np.ndarray


def batch_of(pictures: list[Picture]) -> Batch:
    """Pictures of one size -> Batch."""
    rows = [
        np.array([[*face.box, *face.eyes, face.masked, float(face.ignored)] for face in picture.faces], np.float32).reshape(-1, 10)
        for picture in pictures
    ]
    return Batch(np.stack([p.raster for p in pictures]), rows, np.array([p.complete for p in pictures]))


class Batches(IterableDataset):
    """Endless batches; sizes alternate at random so that faces of every size meet every level of the pyramid.

    sizes: input side -> (probability, pictures per batch). Worker w draws from seed + w.
    """

    def __init__(self, data: Path, sizes: dict[int, tuple[float, int]], seed: int):
        self.sources = (read_scenes(data, "train"), read_masked(data, "train", HELD_OUT_MASKED), read_faces(data, "train", HELD_OUT_FACES))
        self.sizes, self.seed = sizes, seed

    def __iter__(self):
        from torch.utils.data import get_worker_info

        cv2.setNumThreads(1)
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        studio = Studio(*self.sources, rng)
        sizes, chances = list(self.sizes), [chance for chance, _ in self.sizes.values()]
        while True:
            size = sizes[int(rng.choice(len(sizes), p=chances))]
            yield batch_of([studio.picture(size) for _ in range(self.sizes[size][1])])


def draw(raster: np.ndarray, faces) -> np.ndarray:
    """A copy with boxes (green masked, red bare, grey ignored, yellow unknown) and eyes (right blue, left white) drawn in."""
    out = raster.copy()
    for row in faces:
        colour = (128, 128, 128) if row[9] > 0.5 else (255, 220, 0) if math.isnan(row[8]) else (0, 220, 0) if row[8] > 0.5 else (255, 0, 0)
        x1, y1, x2, y2 = (int(round(float(v))) for v in row[:4])
        cv2.rectangle(out, (x1, y1), (x2, y2), colour, 1)
        if not np.isnan(row[4:8]).any():
            cv2.circle(out, (int(row[4]), int(row[5])), 2, (0, 80, 255), -1)
            cv2.circle(out, (int(row[6]), int(row[7])), 2, (255, 255, 255), -1)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    batch = next(iter(Batches(options.data, {320: (1.0, 24)}, options.seed)))
    tiles = [draw(raster, faces) for raster, faces in zip(batch.rasters, batch.faces)]
    sheet = np.vstack([np.hstack(tiles[row : row + 6]) for row in range(0, 24, 6)])
    cv2.imwrite(str(options.out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
