"""Renders examples/photos and examples/references from two public-domain portraits and one launch photo.

    pip install scikit-image matplotlib pillow opencv-python-headless numpy
    python render_examples.py                        # writes ../../examples/{photos,references}, about 2 s
    python render_examples.py --check sheet.png      # draws the landmarks and every pair, writes nothing else

The portraits come out of the sample data of two Python packages, so nothing is downloaded:
  skimage.data.astronaut()        Eileen Collins, NASA, public domain (stated in the function's notes)
  skimage.data.rocket()           DSCOVR on Falcon 9, SpaceX, released into the public domain (stated there too)
  matplotlib sample_data/grace_hopper.jpg   Commodore Grace Hopper, official US Navy portrait, a work of the US government
Masks are drawn by masks.py with fixed seeds; the landmarks of the two faces were placed by hand.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import skimage.data
from PIL import Image

import masks

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
JPEG_QUALITY = 85
NOISY_QUALITY = 83  # JPEG swallows part of the noise: sigma 24 before it, about 18 after

# 300-W order, pixels of the original pictures; read off enlargements with a grid, good to about 1.5 px.
COLLINS = np.array([
    (181, 99), (181, 111), (182, 123), (183.5, 135), (186, 147), (191.5, 158.5), (200, 168.5), (211, 175.5), (224, 178.5),
    (237, 176.5), (247.5, 169.5), (256, 160), (262, 149), (266, 137.5), (268.5, 126), (270, 114.5), (270.5, 103),
    (189, 92), (194, 89.5), (200, 88.5), (207, 90), (213, 92.5), (237, 94), (243, 92.5), (250, 92.5), (257, 93.5), (263, 96.5),
    (225, 101), (225, 108), (225, 115), (224.5, 122), (214, 129), (218.5, 130.5), (224, 132), (229.5, 131), (235, 130),
    (193, 100), (199, 97), (206, 97), (212, 102), (206, 104), (199, 103.5),
    (238, 105), (243.5, 100), (250, 100.5), (257.5, 104.5), (251, 106.5), (244, 107),
    (202.5, 139.5), (209, 140), (216, 140.5), (223, 141), (230, 140.5), (238, 140.5), (246, 140),
    (240, 147), (232, 152.5), (224, 154.5), (215, 152), (208, 146.5),
    (205, 140.5), (215, 142.5), (223, 143), (232, 142.5), (243, 141.5), (232, 148.5), (223, 150), (214, 147.5),
])  # [68, 2]
HOPPER = np.array([
    (176, 192), (178, 210), (181, 229), (185, 247), (190, 265), (196, 283), (205, 301), (226, 321), (265, 332),
    (300, 325), (322, 307), (332, 288), (337, 269), (341, 250), (345, 231), (348, 212), (350, 193),
    (184, 176), (195, 171), (209, 169), (224, 171), (240, 177), (288, 172), (300, 167), (314, 165), (328, 167), (340, 172),
    (266, 190), (266, 204), (266, 217), (266, 231), (246, 243), (256, 247), (268, 250), (280, 247), (291, 242),
    (206, 193), (215, 186), (226, 184), (237, 191), (227, 197), (215, 198),
    (292, 188), (301, 182), (313, 181), (322, 187), (313, 193), (302, 194),
    (229, 281), (243, 275), (257, 272), (267, 274), (278, 272), (293, 275), (308, 277),
    (294, 286), (280, 292), (267, 294), (254, 292), (241, 287),
    (233, 280.5), (256, 279), (267, 280), (279, 279), (304, 277.5), (279, 281.5), (267, 282.5), (256, 281.5),
])  # [68, 2]


@dataclass(frozen=True)
class Example:
    """One example photo. photo: uint8 [H, W, 3] RGB; reference: the same without masks and noise, or None where the photo
    wears none; orientation: EXIF orientation to store it under (1 = upright)."""

    name: str
    photo: np.ndarray
    reference: np.ndarray | None
    orientation: int = 1


def examples():
    """The example photos in the order of examples/README.md. Seeded: the same pixels on every run."""
    collins, hopper, rocket = skimage.data.astronaut()[..., :3], _hopper(), skimage.data.rocket()[..., :3]
    pair, pair_points = _beside(collins, COLLINS, hopper, HOPPER)
    turned, turned_points = _moved(collins, COLLINS, angle=-28, centre=(235, 180), scale=1.9, size=(512, 512), to=(256, 262))
    close, close_points = _moved(hopper, HOPPER, angle=0, centre=(264, 235), scale=2.4, size=(720, 720), to=(360, 375))
    tilted, tilted_points = _moved(hopper, HOPPER, angle=14, centre=(264, 235), scale=1.6, size=(560, 560), to=(280, 280))
    yield _example("frontal", collins, [(COLLINS, "surgical", "full", 11)])
    yield _example("rotated", turned, [(turned_points, "surgical", "full", 3)])
    yield _example("noisy", hopper, [(HOPPER, "cloth", "full", 8)], sigma=24)
    yield _example("two-faces", pair, [(pair_points[0], "cloth", "full", 4), (pair_points[1], "surgical", "full", 9)])
    yield _example("one-of-two-masked", pair, [(pair_points[0], "plain", "full", 2)])
    yield Example("bare", hopper, None)
    yield Example("no-face", rocket, None)
    yield _example("patterned", tilted, [(tilted_points, "printed", "full", 12)])
    yield _example("large-face", close, [(close_points, "respirator", "full", 13)])
    yield _example("under-nose", hopper, [(HOPPER, "surgical", "under-nose", 6)])
    yield _example("phone-portrait", collins, [(COLLINS, "surgical", "full", 12)], orientation=6)


def _example(name, reference, worn, sigma=0.0, orientation=1):
    photo = reference
    for points, family, wear, seed in worn:
        photo = masks.synthesise(photo, points, np.random.default_rng(seed), family, wear).image
    # The drawn fabric is sharper than the photo around it: soften a little, as the lens did.
    photo = _soften(photo, reference)
    if sigma:
        noise = np.random.default_rng(5).normal(0, sigma, photo.shape)
        photo = np.clip(np.round(photo + noise), 0, 255).astype(np.uint8)
    return Example(name, photo, reference, orientation)


def _soften(photo, reference):
    changed = np.any(photo != reference, 2).astype(np.float32)
    blend = np.minimum(1, 2 * cv2.GaussianBlur(changed, (0, 0), 1.0))[..., None]
    return np.round(photo * (1 - blend) + cv2.GaussianBlur(photo, (0, 0), 0.7) * blend).astype(np.uint8)


def _hopper():
    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return np.array(Image.open(path).convert("RGB"))


def _moved(picture, points, angle, centre, scale, size, to):
    """Turned by `angle` degrees (counter-clockwise) and scaled about `centre`, which lands on `to`; edges repeated."""
    move = cv2.getRotationMatrix2D(centre, angle, scale)
    move[:, 2] += np.array(to) - np.array(centre)
    warped = cv2.warpAffine(picture, move, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return warped, points @ move[:, :2].T + move[:, 2]


def _beside(left, left_points, right, right_points):
    """Two portraits as one photo, heads of like size: [512, 1024, 3]."""
    one, one_points = _moved(left, left_points, 0, (224, 130), 1.8, (512, 512), (256, 232))
    two, two_points = _moved(right, right_points, 0, (264, 240), 1.0, (512, 512), (264, 240))
    return np.hstack([one, two]), (one_points, two_points + np.array([512, 0]))


def _write(folder, name, picture, orientation, noisy=False):
    image = Image.fromarray(picture)
    extra = {}
    if orientation == 6:  # stored lying on its side; viewers turn it clockwise by 90 degrees
        image = image.transpose(Image.Transpose.ROTATE_90)
        extra["exif"] = Image.Exif()
        extra["exif"][0x0112] = 6
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / f"{name}.jpg", quality=NOISY_QUALITY if noisy else JPEG_QUALITY, optimize=True, **extra)


def main():
    parser = argparse.ArgumentParser(description="Renders the example photos and their references.")
    parser.add_argument("--check", metavar="PNG", help="write one contact sheet with the landmarks instead")
    options = parser.parse_args()
    if options.check:
        tiles = [_dotted(skimage.data.astronaut()[..., :3], COLLINS), _dotted(_hopper(), HOPPER)]
        tiles += [picture for example in examples() for picture in (example.photo,)]
        tiles = [cv2.resize(tile, (int(tile.shape[1] * 480 / tile.shape[0]), 480), interpolation=cv2.INTER_AREA) for tile in tiles]
        rows, row, width = [], [], 0
        for tile in tiles:
            if width + tile.shape[1] > 2000:
                rows.append(row)
                row, width = [], 0
            row.append(tile)
            width += tile.shape[1]
        rows.append(row)
        strips = [np.hstack(row) for row in rows]
        strips = [cv2.copyMakeBorder(strip, 0, 0, 0, 2000 - strip.shape[1], cv2.BORDER_CONSTANT) for strip in strips]
        Image.fromarray(np.vstack(strips)).save(options.check)
        return
    for example in examples():
        _write(EXAMPLES / "photos", example.name, example.photo, example.orientation, noisy=example.name == "noisy")
        if example.reference is not None:
            _write(EXAMPLES / "references", example.name, example.reference, example.orientation)


def _dotted(picture, points):
    out = picture.copy()
    for x, y in points:
        cv2.circle(out, (int(x * 16), int(y * 16)), 20, (0, 255, 0), -1, cv2.LINE_AA, 4)
    return out[30:360, 100:400]


if __name__ == "__main__":
    main()
