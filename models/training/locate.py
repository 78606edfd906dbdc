"""The eyes of one detected face, as the product finds them: a look at the window around its box, then one at the window turned upright.

    look = published(Path("../eye-locator.onnx"))
    eyes, presence = locate_twice(look, photo, box)

A look is whatever says of a window, uint8 [96, 96, 3] RGB, where its eyes are, [4], and how likely it shows a face. Coordinates in
pixels, integers at pixel centres; the person's right eye first.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import cv2
import numpy as np

from detect_data import similarity

SIDE = 96
WINDOW = 1.5
"""Side of the window / longer side of the face's box: room for a box that is off."""

Look = Callable[[np.ndarray], tuple[np.ndarray, float]]


def published(path: Path) -> Look:
    """The exported eye locator. Raises FileNotFoundError when it is missing."""
    import onnxruntime

    if not path.is_file():
        raise FileNotFoundError(f"Expected the exported eye locator at {path} but found none")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def look(window: np.ndarray) -> tuple[np.ndarray, float]:
        eyes, presence = session.run(["eyes", "presence"], {"image": window.transpose(2, 0, 1)[None].astype(np.float32) / 255})
        return eyes[0].astype(float), float(presence[0, 0])

    return look


def window_matrix(box: np.ndarray, roll: float) -> np.ndarray:
    """2x3 from the upright picture to the window around the turned face: the box around the turned ellipse inscribed in `box`."""
    width, height = box[2] - box[0], box[3] - box[1]
    turn = math.radians(roll)
    turned_width = math.hypot(width * math.cos(turn), height * math.sin(turn))
    turned_height = math.hypot(width * math.sin(turn), height * math.cos(turn))
    scale = SIDE / (WINDOW * max(turned_width, turned_height))
    centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    return similarity(scale, roll, centre, ((SIDE - 1) / 2, (SIDE - 1) / 2))


def cut(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def locate_twice(look: Look, image: np.ndarray, box: np.ndarray, roll: float = 0.0) -> tuple[np.ndarray, float]:
    """Eyes [4] in the upright picture, seen turned by `roll` degrees, and how likely there is a face."""
    turned, presence = 0.0, 0.0
    for _ in range(2):
        matrix = window_matrix(box, roll - turned)
        told, present = look(cut(image, matrix))
        presence = max(presence, present)
        turned += math.degrees(math.atan2(told[3] - told[1], told[2] - told[0]))
        eyes = ((told.reshape(2, 2) - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T).reshape(4)
    return eyes, presence
