"""Figures of evaluate.py for made-up pictures that measures.test.ts rebuilds from the same formulas.

    PYTHONPATH=../../../models/training python measures.py > measures.json

Truth: byte at row y, column x, channel c = (x (3 + c) + y (5 + 2 c) + ((x y) >> 4) (c + 1)) & 255, halved, plus 64. Answer: truth + 6
(((7 x + 13 y + 5 c) % 11) - 5), clipped. Garment: an ellipse that runs over the lower edge. Fabric: what of
it lies below five eighths of the height. Restored: its left two thirds. Probability:
((x 31 + y 17) % 97) / 96.
"""

import json

import numpy as np

import evaluate

SIZES = [(40, 33), (64, 48)]


def figures(width, height):
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    truth = (64 + ((x * (3 + c) + y * (5 + 2 * c) + ((x * y) >> 4) * (c + 1)) & 255) // 2).astype(np.uint8)
    answer = np.clip(truth.astype(int) + 6 * ((7 * x + 13 * y + 5 * c) % 11 - 5), 0, 255).astype(np.uint8)
    y, x = y[..., 0], x[..., 0]
    garment = (4 * x - 2 * width) ** 2 * height**2 + (4 * y - 3 * height) ** 2 * width**2 < width**2 * height**2 * 4
    restored = garment & (3 * x < 2 * width)
    probability = ((x * 31 + y * 17) % 97) / 96
    sample = evaluate.Sample(truth, answer, garment, garment & (8 * y > 5 * height), None)
    return {"width": width, "height": height, **evaluate.measure(sample, answer, restored, probability, None)}


if __name__ == "__main__":
    print(json.dumps([{name: value for name, value in figures(*size).items() if name != "aboveHarmonic"} for size in SIZES], indent=2))
