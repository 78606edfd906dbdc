"""Figures of scikit-image for made-up pictures that quality.test.ts rebuilds from the same formula.

    python quality.py > quality.json        # needs numpy, scikit-image (0.26)

Reference picture: byte at row y, column x, channel c = (x (3 + c) + y (5 + 2 c) + ((x y) >> 4) (c + 1)) & 255, smoothed by halving the
contrast about 128. Disturbed picture: reference + strength * (((7 x + 13 y + 5 c) % 11) - 5), clipped. Region: an ellipse.
"""

import json

import numpy as np
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

CASES = [(11, 11, 1), (16, 24, 2), (40, 33, 4), (64, 48, 9)]


def reference(width: int, height: int) -> np.ndarray:
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return (64 + ((x * (3 + c) + y * (5 + 2 * c) + ((x * y) >> 4) * (c + 1)) & 255) // 2).astype(np.uint8)


def disturbed(picture: np.ndarray, strength: int) -> np.ndarray:
    y, x, c = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1], 0:3]
    return np.clip(picture.astype(int) + strength * ((7 * x + 13 * y + 5 * c) % 11 - 5), 0, 255).astype(np.uint8)


def region(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return (4 * x - 2 * width) ** 2 * height**2 + (4 * y - 3 * height) ** 2 * width**2 < width**2 * height**2 * 4


def figures(width: int, height: int, strength: int) -> dict:
    a = reference(width, height)
    b = disturbed(a, strength)
    inside = region(width, height)
    mean, similarity = structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=2, full=True
    )
    return {
        "width": width,
        "height": height,
        "strength": strength,
        "mse": float(mean_squared_error(a, b)),
        "psnr": float(peak_signal_noise_ratio(a, b, data_range=255)),
        "ssim": float(mean),
        "regionPixels": int(inside.sum()),
        "regionPsnr": float(10 * np.log10(255**2 / mean_squared_error(a[inside], b[inside]))),
        "regionSsim": float(similarity[inside].mean()),
    }


if __name__ == "__main__":
    print(json.dumps([figures(*case) for case in CASES], indent=2))
