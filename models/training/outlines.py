"""Outlines of worn masks, straps, ears and what was taken for mask, drawn by hand on real photos: read, and drawn in an aligned crop.

    real-outlines.json   test photos, with the fabric: case V of evaluate.py
    real-marks.json      training and validation photos, all but the fabric: `train.py segment --real` learns from them, and is measured on them

In both files x and y alternate, pixels of the photo, integers at pixel centres.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

LINES = ("polygons", "straps", "ears", "bare")


def load_outlines(path: Path | str) -> list[dict]:
    """-> list of {"file": str, "digest": str, the first 16 of the photo's sha256 or "", "eyes": [2, 2] or [0, 2] where
    none are given, "polygons", "straps", "ears" and "bare": list of [N, 2]}, photo px"""
    return [
        {
            "file": outline["file"],
            "digest": outline.get("digest", ""),
            "eyes": np.array(outline.get("eyes", []), float).reshape(-1, 2),
            **{lines: [np.array(line, float).reshape(-1, 2) for line in outline.get(lines, [])] for lines in LINES},
        }
        for outline in json.loads(Path(path).read_text())["outlines"]
    ]


def filled(polygons: list[np.ndarray], to_crop: np.ndarray, size: int) -> np.ndarray:
    """What polygons [N, 2] in photo px enclose. to_crop: 2x3, photo px to crop px -> uint8 [size, size], 0 or 1"""
    drawn = np.zeros((size, size), np.uint8)
    for polygon in polygons:
        cv2.fillPoly(drawn, [_sixteenths(polygon, to_crop)], 1, cv2.LINE_8, 4)
    return drawn


def courses(lines: list[np.ndarray], to_crop: np.ndarray, size: int) -> np.ndarray:
    """The same of open lines, one pixel wide."""
    drawn = np.zeros((size, size), np.uint8)
    for line in lines:
        cv2.polylines(drawn, [_sixteenths(line, to_crop)], False, 1, 1, cv2.LINE_8, 4)
    return drawn


def _sixteenths(points: np.ndarray, to_crop: np.ndarray) -> np.ndarray:
    return np.round((points @ to_crop[:, :2].T + to_crop[:, 2]) * 16).astype(np.int32)
