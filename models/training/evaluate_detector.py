"""Measures a mask detector: average precision, recall, P(mask), eye error, false faces.

    python evaluate_detector.py --data ../../../shared/data --checkpoint runs/detector/checkpoint.pt --split test
    python evaluate_detector.py --data ../../../shared/data --model ../mask-detector.onnx --split test --sheet sheet.png

Faces smaller than 24 px (sqrt of width x height, pixels of the delivered photo) are ignored both ways: neither missed nor
punished when found. Photos are letterboxed to 640x640 exactly as the product does.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detect_data import HELD_OUT_FACES, HELD_OUT_MASKED, Photo, draw, letterbox, move_face, read_faces, read_masked, read_scenes, similarity, warp
from masks import HELD_OUT, TRAINED, photometric, synthesise

SMALLEST_FACE_PX = 24
NMS_IOU = 0.4
INPUT = 640
LOWEST_SCORE = 0.02
"""Where precision-recall curves end; asking below it costs suppression time and changes no figure."""


@dataclass(frozen=True)
class Found:
    """Faces of one photo, best first, in its pixels. boxes [n, 4], eyes [n, 4], scores [n], masks [n] = P(mask)."""

    boxes: np.ndarray
    eyes: np.ndarray
    scores: np.ndarray
    masks: np.ndarray


Localiser = Callable[[np.ndarray, float], Found]
"""(raster uint8 [H, W, 3], score threshold) -> Found."""


def torch_localiser(detector) -> Localiser:
    """Localises with a PyTorch Detector on its own device."""
    import torch

    device = next(detector.parameters()).device

    @torch.no_grad()
    def run(image: np.ndarray):
        found = detector.eval()(torch.from_numpy(image)[None].to(device).permute(0, 3, 1, 2).float() / 255)
        masks = (found.mask_logits / detector.config.temperature).sigmoid()
        return [part[0].float().cpu().numpy() for part in (found.boxes, found.eyes, found.face_logits.sigmoid(), masks)]

    return lambda raster, threshold: _localise(raster, threshold, run)


def onnx_localiser(path: Path, threads: int = 1) -> Localiser:
    """Localises with the exported file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(image: np.ndarray):
        tensor = np.ascontiguousarray(image.transpose(2, 0, 1)[None].astype(np.float32) / 255 * 2 - 1)
        return [part[0] for part in session.run(["boxes", "eyes", "scores", "maskProbabilities"], {"image": tensor})]

    return lambda raster, threshold: _localise(raster, threshold, run)


def _localise(raster: np.ndarray, threshold: float, run) -> Found:
    image, scale = letterbox(raster, INPUT)
    boxes, eyes, scores, masks = run(image)
    kept = np.flatnonzero(scores >= threshold)
    kept = kept[suppress(boxes[kept], scores[kept], NMS_IOU)]
    back = lambda points: (points + 0.5) / scale - 0.5
    return Found(back(boxes[kept]), back(eyes[kept]), scores[kept], masks[kept])


def remembering(localise: Localiser) -> Localiser:
    """The same localiser, which looks at every photo once: suppression is best first, so a higher threshold is a cut of a lower one."""
    known: dict[int, Found] = {}

    def look(raster: np.ndarray, threshold: float) -> Found:
        key = hash((raster.shape, raster.tobytes()))
        if key not in known:
            known[key] = localise(raster, LOWEST_SCORE)
        all_found = known[key]
        kept = all_found.scores >= threshold
        return Found(all_found.boxes[kept], all_found.eyes[kept], all_found.scores[kept], all_found.masks[kept])

    return look


def suppress(boxes: np.ndarray, scores: np.ndarray, most: float) -> np.ndarray:
    """Greedy non-maximum suppression -> indices kept, best score first."""
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[iou(boxes[best], boxes[order]) <= most]
    return np.array(kept, int)


def iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of one box [4] with boxes [n, 4] -> [n]."""
    shared = np.prod(np.clip(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return shared / np.maximum(np.prod(box[2:] - box[:2]) + areas - shared, 1e-6)


# ---------------------------------------------------------------------------------------------------------------------
# Average precision


def average_precisions(localise: Localiser, photos: list[Photo], smallest: float = SMALLEST_FACE_PX) -> dict[str, float]:
    """AP at IoU 0.5 (area under the precision envelope) for masked, bare, and any face; n of each.

    A class's score is face score x P(class), so a face told wrong costs precision of one class and recall of the other.
    """
    found = [localise(photo.open().raster, LOWEST_SCORE) for photo in photos]
    classes = {
        "masked": (lambda f: f.scores * f.masks, lambda face: face.masked == 1),
        "bare": (lambda f: f.scores * (1 - f.masks), lambda face: face.masked == 0),
        "face": (lambda f: f.scores, lambda face: True),
    }
    result = {}
    for name, (score, belongs) in classes.items():
        hits, total = [], 0
        for photo, seen in zip(photos, found):
            truth = [face.box for face in photo.faces if belongs(face)]
            total += sum(_extent(box) >= smallest for box in truth)
            hits += match(seen.boxes, score(seen), truth, smallest)
        result[f"ap50_{name}"] = round(precision_area(hits, total), 4)
        result[f"n_{name}"] = total
    return result


def match(boxes: np.ndarray, scores: np.ndarray, truth: list[np.ndarray], smallest: float) -> list[tuple[float, bool]]:
    """(score, right?) of every found box that counts: true faces are taken once; small faces, true or found, do not count."""
    taken, out = set(), []
    for index in np.argsort(-scores, kind="stable"):
        overlaps = iou(boxes[index], np.array(truth).reshape(-1, 4))
        free = [k for k in np.argsort(-overlaps) if overlaps[k] >= 0.5 and k not in taken]
        if free:
            taken.add(free[0])
            if _extent(truth[free[0]]) >= smallest:
                out.append((float(scores[index]), True))
        elif _extent(boxes[index]) >= smallest:
            out.append((float(scores[index]), False))
    return out


def precision_area(hits: list[tuple[float, bool]], total: int) -> float:
    """Area under the precision-recall curve, precision made monotone (PASCAL VOC 2010 and later)."""
    if not hits or not total:
        return 0.0
    right = np.array([ok for _, ok in sorted(hits, key=lambda hit: -hit[0])])
    recall, precision = np.cumsum(right) / total, np.cumsum(right) / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0) * envelope))


def _extent(box) -> float:
    return math.sqrt(max(box[2] - box[0], 0) * max(box[3] - box[1], 0))


# ---------------------------------------------------------------------------------------------------------------------
# Masked or bare


def masked_recall(localise: Localiser, photos: list[Photo], threshold: float) -> dict[str, float]:
    """Share of data/masked photos whose listed face is found (IoU 0.5 with a detector-made box) and whose verdict is masked."""
    found, masked = 0, 0
    for photo in photos:
        seen = localise(photo.open().raster, threshold)
        overlaps = iou(photo.faces[0].box, seen.boxes)
        if len(overlaps) and overlaps.max() >= 0.5:
            found += 1
            masked += bool(seen.masks[overlaps.argmax()] > 0.5)
    return {"recall": round(found / len(photos), 4), "verdict": round(masked / max(found, 1), 4), "n": len(photos)}


def verdicts(localise: Localiser, photos: list[Photo], threshold: float, smallest: float = SMALLEST_FACE_PX) -> np.ndarray:
    """(P(mask), truth) of every labelled face that was found at IoU 0.4 -> [n, 2]."""
    out = []
    for photo in photos:
        seen = localise(photo.open().raster, threshold)
        for face in photo.faces:
            overlaps = iou(face.box, seen.boxes)
            if _extent(face.box) >= smallest and len(overlaps) and overlaps.max() >= 0.4:
                out.append((float(seen.masks[overlaps.argmax()]), float(face.masked)))
    return np.array(out).reshape(-1, 2)


def area_under_curve(told: np.ndarray) -> float:
    """Chance that a masked face gets a higher P(mask) than a bare one; ties count half. told: [n, 2] as of `verdicts`."""
    masked, bare = told[told[:, 1] == 1, 0], told[told[:, 1] == 0, 0]
    if not len(masked) or not len(bare):
        return math.nan
    return float(((masked[:, None] > bare).mean() + (masked[:, None] == bare).mean() / 2))


def calibrated_temperature(told: np.ndarray) -> float:
    """The divisor of the mask logit that gives the least log loss; masked and bare weigh the same. told: [n, 2] made at temperature 1."""
    odds = np.clip(told[:, 0], 1e-6, 1 - 1e-6)
    logits, truth = np.log(odds / (1 - odds)), told[:, 1]
    weights = np.where(truth == 1, 0.5 / max((truth == 1).sum(), 1), 0.5 / max((truth == 0).sum(), 1))
    grid = np.exp(np.linspace(math.log(0.3), math.log(5), 200))
    loss = [np.sum(weights * np.logaddexp(0, np.where(truth == 1, -logits, logits) / t)) for t in grid]
    return float(grid[int(np.argmin(loss))])


# ---------------------------------------------------------------------------------------------------------------------
# Eyes and roll


def eye_errors(localise: Localiser, photos: list[Photo], threshold: float, roll: float, size_px: float, families: tuple[str, ...] | None, seed: int = 0) -> dict[str, float]:
    """Eye error on aligned faces placed in a 640 px photo at one roll and size; families None leaves them bare.

    Error: mean distance of the two eye points from the truth over the true eye distance. Also: share found, share with
    the right verdict, share with roll off by more than 20 degrees (a swapped pair of eyes is off by 180).
    """
    rng = np.random.default_rng(seed)
    errors, right, astray = [], 0, 0
    for photo in photos:
        source = photo.open()
        raster = source.raster if families is None else synthesise(source.raster, photo.landmarks, rng, str(rng.choice(families)), "full").image
        matrix = similarity(size_px / (source.faces[0].box[2] - source.faces[0].box[0]), roll, (128, 132), (INPUT / 2 + 3, INPUT / 2 - 5))
        picture = photometric(warp(raster, matrix, INPUT, cv2.BORDER_REPLICATE if size_px > 250 else cv2.BORDER_CONSTANT), rng, 0.5)
        truth = move_face(source.faces[0], matrix)
        seen = localise(picture, threshold)
        overlaps = iou(truth.box, seen.boxes)
        if not len(overlaps) or overlaps.max() < 0.4:
            continue
        best = int(overlaps.argmax())
        apart = np.linalg.norm(truth.eyes[:2] - truth.eyes[2:])
        errors.append(float(np.linalg.norm((seen.eyes[best] - truth.eyes).reshape(2, 2), axis=1).mean() / apart))
        right += bool((seen.masks[best] > 0.5) == (families is not None))
        astray += abs((roll_degrees(seen.eyes[best]) - roll_degrees(truth.eyes) + 180) % 360 - 180) > 20
    count = max(len(errors), 1)
    return {
        "found": round(len(errors) / len(photos), 3), "eye_error": round(float(np.mean(errors or [math.nan])), 4),
        "eye_error_p90": round(float(np.percentile(errors or [math.nan], 90)), 4), "verdict": round(right / count, 3),
        "roll_off": round(astray / count, 3), "n": len(photos),
    }


def roll_degrees(eyes: np.ndarray) -> float:
    """Roll of a face from its eyes [4] (person's right, left): 0 upright, positive clockwise, in (-180, 180]."""
    return math.degrees(math.atan2(eyes[3] - eyes[1], eyes[2] - eyes[0]))


# ---------------------------------------------------------------------------------------------------------------------
# False faces


def background_windows(photos: list[Photo], count: int, seed: int = 0) -> list[np.ndarray]:
    """Face-free windows of labelled photos, at least 120 px, each [s, s, 3]; the same for the same seed."""
    rng, out = np.random.default_rng(seed), []
    for _ in range(100 * count):
        photo = photos[int(rng.integers(len(photos)))]
        raster = photo.open().raster
        height, width = raster.shape[:2]
        side = int(rng.uniform(0.35, 0.8) * min(height, width))
        x, y = int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1))
        free = all(f.box[2] < x or f.box[0] > x + side or f.box[3] < y or f.box[1] > y + side for f in photo.faces)
        if side >= 120 and free:
            out.append(raster[y : y + side, x : x + side])
        if len(out) == count:
            break
    return out


def false_faces(localise: Localiser, rasters: list[np.ndarray], threshold: float) -> float:
    """Share of face-free photos in which a face of 24 px or more is claimed."""
    wrong = 0
    for raster in rasters:
        wrong += any(_extent(box) >= SMALLEST_FACE_PX for box in localise(raster, threshold).boxes)
    return wrong / max(len(rasters), 1)


# ---------------------------------------------------------------------------------------------------------------------


def evaluate(localise: Localiser, data: Path, split: str, threshold: float, eyes: int = 100) -> dict:
    """Every figure of the model card on one split; `eyes` faces per roll and size. About 2 minutes on one idle core."""
    localise = remembering(localise)
    scenes, masked = read_scenes(data, split), read_masked(data, split)
    faces = read_faces(data, split)
    scores = {**average_precisions(localise, scenes), "masked photos": masked_recall(localise, masked, threshold)}
    scores["scenes"] = precision_and_recall(localise, scenes, threshold)
    scores["auc_scenes"] = round(area_under_curve(verdicts(localise, scenes, threshold)), 4)
    strange_masked = [p for s in ("train", "val", "test") for p in read_masked(data, s) if p.source in HELD_OUT_MASKED]
    strange_bare = [p for s in ("val", "test", "train") for p in read_faces(data, s) if p.source in HELD_OUT_FACES][:150]
    told = np.concatenate([verdicts(localise, strange_masked, threshold), verdicts(localise, strange_bare, threshold)])
    scores["auc_other_sources"] = round(area_under_curve(told), 4)
    scores["n_other_sources_masked"], scores["n_other_sources_bare"] = int((told[:, 1] == 1).sum()), int((told[:, 1] == 0).sum())
    bare = verdicts(localise, [p for p in faces if p.source not in HELD_OUT_FACES][:eyes], threshold)
    scores["verdict_bare"] = round(float((bare[:, 0] < 0.5).mean()), 4)
    scores["false_faces_backgrounds"] = round(false_faces(localise, background_windows(scenes, 100), threshold), 4)
    chosen = faces[:: max(1, len(faces) // eyes)][:eyes]
    for name, roll, size, families in (
        ("bare 0", 0, 260, None), ("masked 0", 0, 260, TRAINED), ("masked 0 large", 0, 520, TRAINED), ("masked 0 small", 0, 60, TRAINED),
        ("unseen family 0", 0, 260, tuple(f for f in HELD_OUT if f != "template")), ("masked 45", 45, 260, TRAINED), ("masked 90", 90, 260, TRAINED), ("masked 180", 180, 260, TRAINED),
    ):
        scores[f"eyes {name}"] = eye_errors(localise, chosen, threshold, roll, size, families)
    return scores


def precision_and_recall(localise: Localiser, photos: list[Photo], threshold: float) -> dict[str, float]:
    """Of faces of 24 px and more at the shipped threshold, whatever their class."""
    hits, total = [], 0
    for photo in photos:
        seen = localise(photo.open().raster, threshold)
        truth = [face.box for face in photo.faces]
        total += sum(_extent(box) >= SMALLEST_FACE_PX for box in truth)
        hits += match(seen.boxes, seen.scores, truth, SMALLEST_FACE_PX)
    right = sum(ok for _, ok in hits)
    return {"precision": round(right / max(len(hits), 1), 4), "recall": round(right / max(total, 1), 4)}


def sheet(localise: Localiser, rasters: list[np.ndarray], threshold: float, columns: int = 5, tile: int = 384) -> np.ndarray:
    """Photos with what was found drawn in, as one RGB picture to look at."""
    tiles = []
    for raster in rasters:
        seen = localise(raster, threshold)
        scale = tile / max(raster.shape[:2])
        shown = np.zeros((tile, tile, 3), np.uint8)
        small = cv2.resize(raster, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:tile, :tile]
        shown[: small.shape[0], : small.shape[1]] = small
        rows = np.hstack([seen.boxes * scale, seen.eyes * scale, seen.masks[:, None], np.zeros((len(seen.masks), 1))])
        shown = draw(shown, rows)
        for row, score in zip(rows, seen.scores):
            cv2.putText(shown, f"{score:.2f} m{row[8]:.2f}", (int(row[0]), max(10, int(row[1]) - 3)), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (255, 255, 0), 1)
        tiles.append(shown)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--split", default="val", choices=("val", "test"))
    parser.add_argument("--threshold", type=float, default=0.45)
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of scenes and masked photos instead of measuring")
    parser.add_argument("--photos", type=Path, nargs="*", help="photos for the sheet, instead of the split's own")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.model:
        localise = onnx_localiser(options.model)
    elif options.checkpoint:
        import torch

        from train_detector import load_detector

        torch.set_num_threads(1)
        localise = torch_localiser(load_detector(options.checkpoint)[0])
    else:
        parser.error("Expected --checkpoint or --model but received neither")
    if options.sheet:
        if options.photos:
            rasters = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in options.photos]
        else:
            chosen = read_scenes(options.data, options.split)[:20] + read_masked(options.data, options.split)[:15]
            rasters = [photo.open().raster for photo in chosen]
        cv2.imwrite(str(options.sheet), cv2.cvtColor(sheet(localise, rasters, options.threshold), cv2.COLOR_RGB2BGR))
        return
    print(json.dumps(evaluate(localise, options.data, options.split, options.threshold), indent=1))


if __name__ == "__main__":
    main()
