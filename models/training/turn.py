"""Heads turned further to the side they face, to learn from: few photos show a head turned far, of people who wear masks many do.

`turn(image, landmarks, degrees)` gives an upright head the depth of an average one and rotates it about its vertical axis; what comes to lie
behind something nearer is hidden, and hair, neck and background follow (after Zhu 2016, arXiv 1511.07212, section 4: "face profiling").
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

MEAN_SHAPE = np.array(
    [[64.8, 120.9], [64.9, 138.0], [66.6, 155.5], [70.0, 172.9], [76.2, 188.8], [86.2, 202.6], [98.9, 213.9], [113.3, 222.5],
     [129.7, 225.2], [146.1, 222.2], [160.5, 213.6], [173.1, 202.5], [183.0, 188.9], [189.3, 173.0], [192.7, 155.7],
     [194.6, 138.4], [195.0, 121.3], [76.5, 105.6], [84.7, 99.2], [95.7, 97.3], [106.9, 99.0], [117.0, 103.2], [142.5, 102.9],
     [152.9, 99.0], [164.0, 97.4], [174.8, 99.6], [182.6, 106.2], [130.0, 118.1], [129.9, 129.7], [129.8, 140.8], [129.7, 152.0],
     [115.4, 160.8], [122.2, 163.4], [129.6, 165.1], [137.2, 163.5], [143.9, 161.1], [88.6, 119.8], [96.5, 115.8], [105.2, 116.1],
     [112.6, 121.8], [104.7, 123.4], [96.1, 123.2], [147.1, 122.0], [154.9, 116.2], [163.5, 116.1], [171.0, 120.4], [163.9, 123.5],
     [155.4, 123.7], [102.9, 180.7], [112.8, 177.2], [122.9, 175.2], [129.4, 176.9], [136.4, 175.3], [146.6, 177.5], [156.1, 180.8],
     [147.3, 189.7], [137.6, 194.7], [129.5, 195.7], [121.7, 194.7], [111.9, 189.7], [106.2, 181.2], [122.6, 181.0], [129.4, 181.9],
     [136.8, 181.1], [152.9, 181.4], [137.0, 186.2], [129.4, 187.0], [122.3, 186.2]], np.float32)  # fmt: skip
"""Mean of the 68 landmarks of 6,545 faces in the aligned crop, px: stands in where only five points are known (CelebA)."""
MIDDLE = (129.8, 118.0)  # px in the crop: between the eyes, on the axis that a head turns about
DEPTH = np.array(
    [0, 2, 5, 11, 24, 40, 56, 70, 76, 70, 56, 40, 24, 11, 5, 2, 0, 60, 73, 81, 87, 89, 89, 87, 81, 73, 60, 90, 97, 104, 110, 90, 95,
     98, 95, 90, 68, 77, 79, 77, 76, 75, 77, 79, 77, 68, 75, 76, 80, 91, 98, 99, 98, 91, 80, 87, 94, 96, 94, 87, 81, 96, 97,
     96, 81, 95, 96, 95], np.float32)  # fmt: skip
"""How far the 68 landmarks of an adult's head lie in front of its ears, mm, where the eyes are 63 mm apart; estimated.

A factorisation (Tomasi & Kanade 1992) of the landmarks 17 to 67 of 2,998 turned training faces gives the same within 10 mm, set equal at the eyes.
"""
RIM = np.array([[64, -30, 28], [57, -66, 8], [36, -92, 5], [0, -104, 5], [-36, -92, 5], [-57, -66, 8], [-64, -30, 28]], np.float32)
"""From the temple on the image's right over the top of the head to the other: px across and below `MIDDLE`, mm in front of the ears."""
REST = np.array(
    [[0, -42, 90], [34, -40, 78], [-34, -40, 78], [0, -70, 72], [34, -68, 55], [-34, -68, 55],  # forehead
     [78, 0, -20], [-78, 0, -20], [78, 30, -20], [-78, 30, -20],  # behind the ears
     [0, 125, 60], [40, 112, 30], [-40, 112, 30], [0, 150, 40]], np.float32)  # fmt: skip
"""What else gives the head its shape, the last four below the jaw; as `RIM`."""
HEAD = np.concatenate([np.column_stack([MEAN_SHAPE - MIDDLE, DEPTH]), RIM, REST]) * [1, 1, 60 / 63]  # px of the crop
LANDMARKS = len(MEAN_SHAPE)
EARS = 0.045  # of the width of the head, by which it is wider than the jaw at its upper ends
FOLLOWS = 60.0  # px of the crop: so far from the head something follows it, the less the farther
BEHIND = -1e4  # of whatever is not the head
UNIT = 100.0  # px: in these the spline is smoothed
CELL = 6  # px: so closely is the depth computed, and interpolated between
FINE = 3  # columns a pixel is cut into, so that what is stretched has no gaps


def turn(image: np.ndarray, landmarks: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """An upright head turned further to the side it faces. uint8 [H, W, 3], float [68, 2] -> the same

    Landmarks of the jaw that come to be hidden lie where the head ends to that side, as in 300-W. Rows stay what they are.
    """
    height, width = image.shape[:2]
    camera = np.linalg.lstsq(np.column_stack([HEAD[:LANDMARKS], np.ones(LANDMARKS)]), landmarks, rcond=None)[0]  # affine, [4, 2]
    scale = np.linalg.norm(camera[:3], axis=0).mean()  # px a px of the crop
    towards = np.cross(*(camera[:3] / np.linalg.norm(camera[:3], axis=0)).T) * scale
    place = HEAD @ np.column_stack([camera[:3], towards])  # [N, 3]: across, down, towards the camera
    place[:, :2] += camera[3]
    place[:LANDMARKS, :2] = landmarks
    side = np.sign(landmarks[30, 0] - landmarks[[0, 16], 0].mean()) or 1.0
    sine, cosine = side * np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))

    head = silhouette(place, height, width)
    depth = depth_map(place, height, width)
    across = np.arange(width, dtype=np.float32)[None] - np.float32(camera[3, 0])
    moved = follow(across * (cosine - 1) + depth * sine, head, scale * FOLLOWS)
    nearness = np.where(head, depth * cosine - across * sine, BEHIND)

    columns = (np.arange(width * FINE, dtype=np.float32) - (FINE - 1) / 2) / FINE
    size = (width * FINE, height)
    after = columns + cv2.resize(moved.astype(np.float32), size)
    before = seen_from(after, cv2.resize(nearness.astype(np.float32), size, interpolation=cv2.INTER_NEAREST), columns, width)
    rows = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], before.shape)
    turned = cv2.remap(image, before, np.ascontiguousarray(rows), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)

    x, y = np.clip(landmarks.round().astype(int), 0, [width - 1, height - 1]).T
    points = landmarks.astype(np.float32).copy()
    points[:, 0] += moved[y, x]
    on_head = cv2.resize(head.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    for point in range(9, 17) if side > 0 else range(8):  # the farther half of the jaw
        nearer = (columns - landmarks[point, 0]) * side <= 0
        points[point, 0] = side * (after[y[point], nearer & on_head[y[point]]] * side).max(initial=points[point, 0] * side)
    return turned, points


def silhouette(place: np.ndarray, height: int, width: int) -> np.ndarray:
    """The head in the photo: jaw and ears, temples and top. [N, 3] as `HEAD`, in px of the photo -> bool [height, width]"""
    jaw = place[:17, :2].copy()
    wider = EARS * (jaw[[16, 15, 14]] - jaw[[0, 1, 2]])
    jaw[[16, 15, 14]] += wider
    jaw[[0, 1, 2]] -= wider
    points = np.concatenate([jaw, place[LANDMARKS : LANDMARKS + len(RIM), :2]])
    drawn = np.zeros((height, width), np.uint8)
    return cv2.fillPoly(drawn, [(points * 8).round().astype(np.int32)], 1, shift=3) > 0


def depth_map(place: np.ndarray, height: int, width: int) -> np.ndarray:
    """How near every pixel is to the camera, px, through the points of the head: a thin-plate spline, slightly smoothed. [N, 3] -> [height, width]"""
    y, x = np.mgrid[0 : height + CELL : CELL, 0 : width + CELL : CELL]
    spline = RBFInterpolator(place[:, :2] / UNIT, place[:, 2], smoothing=1e-3)
    depth = spline(np.column_stack([x.ravel(), y.ravel()]) / UNIT).reshape(x.shape).astype(np.float32)
    return cv2.warpAffine(depth, np.float32([[CELL, 0, 0], [0, CELL, 0]]), (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def follow(moved: np.ndarray, head: np.ndarray, reach: float) -> np.ndarray:
    """How far every pixel moves: of the head as given, beside it as the nearest of the head, less and less until `reach` px away. [H, W] -> the same"""
    away, nearest = cv2.distanceTransformWithLabels(1 - head.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    held = np.zeros(nearest.max() + 1, np.float32)
    held[nearest[head]] = moved[head]
    return np.where(head, moved, cv2.GaussianBlur(held[nearest], (0, 0), 3) * np.clip(1 - away / reach, 0, 1))


def seen_from(after: np.ndarray, nearness: np.ndarray, columns: np.ndarray, width: int) -> np.ndarray:
    """Which column every pixel of the turned photo shows: the nearest of those that come to lie there (z-buffer).

    after, nearness [H, K]: where the K columns of a row come to lie, px, and how near; columns [K]: where they were -> float32 [H, width]
    """
    height, cell = len(after), after.round().astype(int)
    row, column = np.nonzero((cell >= 0) & (cell < width))
    order = np.argsort(nearness[row, column], kind="stable")  # of several the last one written stays: the nearest
    row, column = row[order], column[order]
    stretch = np.gradient(after, columns, axis=1)[row, column].clip(0.3)
    between = cell[row, column] - after[row, column]
    before = np.full((height, width), np.nan, np.float32)
    before[row, cell[row, column]] = columns[column] + (between / stretch).clip(-1, 1)
    for line in np.flatnonzero(np.isnan(before).any(1)):
        shown = np.flatnonzero(~np.isnan(before[line]))
        before[line] = np.interp(np.arange(width), shown, before[line, shown])
    return before
