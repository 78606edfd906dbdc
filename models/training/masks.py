"""Mask synthesis: draws a worn face mask onto an upright or tilted face from its 68 landmarks.

    python masks.py sheet --data ../../../shared/data --out sheet.png       # contact sheet, for looking at
    python masks.py time                                                    # milliseconds of CPU time per call on this machine
    pytest test_masks.py

Everything here is made at load time, seeded by the generator the caller passes, and scales with the landmarks, so the
same code serves a 64 px thumbnail and a 1024 px portrait. Two promises hold for every family:

* inside the outline the fabric hides the face completely (alpha exactly 1), so a network cannot learn to un-blend;
* `region` covers every pixel the garment changes (fabric, feathered edge, straps); outside it only the contact shadow differs.

Colour order RGB, coordinates in pixels with integers at pixel centres, landmarks in 300-W order (68 points, x then y).
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

FAMILIES = ("surgical", "cloth", "plain", "respirator", "printed", "gaiter", "bandana", "template")
HELD_OUT = ("bandana", "template")
"""Never drawn unless asked for by name: the two families that evaluation uses as masks nobody has trained on."""

TRAINED = tuple(family for family in FAMILIES if family not in HELD_OUT)
FAMILY_WEIGHTS = {"surgical": 0.32, "cloth": 0.14, "plain": 0.13, "respirator": 0.14, "printed": 0.21, "gaiter": 0.06}
WEARS = ("full", "under-nose", "chin-out", "on-chin")
WEAR_WEIGHTS = {"full": 0.88, "under-nose": 0.06, "chin-out": 0.06, "on-chin": 0.0}
"""`on-chin` (pulled below the mouth, face bare) only on request: it is a detector's case, there is little to complete."""

HIDDEN_SHARE = 0.3  # of short masks' straps end before the ear: what is an ear's rim and what a strap must be seen, not guessed


@dataclass(frozen=True)
class MaskedFace:
    """A face with a mask drawn on it.

    image: uint8 [H, W, 3] RGB. region: bool [H, W], every pixel that differs because of the garment (not its shadow).
    fabric: bool [H, W], the part of region where the garment covers half of a pixel or more: the mask as an eye sees it and a hand
    outlines it; beyond it lies its feathered edge. solid: bool [H, W], the part of region that hides the face completely.
    family: one of FAMILIES. wear: one of WEARS.
    """

    image: np.ndarray
    region: np.ndarray
    family: str
    wear: str
    fabric: np.ndarray
    solid: np.ndarray


DISTRACTORS = ("hand", "microphone", "scarf", "phone")


@dataclass(frozen=True)
class Outline:
    """Where the fabric lies. polygon: float32 [N, 2] pixels; knots: float32 [K, 4] of (x, y, u, v) with u -1..1 across
    the face (0 on the nose line) and v 0..1 from the upper to the lower edge; straps: list of (float32 [M, 2], width px);
    unit: pixels between the eyes of a frontal head of this size.
    """

    polygon: np.ndarray
    knots: np.ndarray
    straps: tuple
    unit: float


@dataclass(frozen=True)
class Distracted:
    """A bare face with something else over or near its mouth. image: uint8 [H, W, 3] RGB; kind: one of DISTRACTORS;
    covered: bool [H, W], the thing's pixels. None of them is a mask: the picture counts as a face without one."""

    image: np.ndarray
    covered: np.ndarray
    kind: str


def synthesise(face, landmarks, rng, family=None, wear=None, templates=None, short=False):
    """Draws one mask onto a face, about 6 ms at 256x256 on one CPU core.

    face: uint8 [H, W, 3] RGB. landmarks: float [68, 2] pixels, may lie outside the picture. rng: numpy Generator, the only
    source of chance. family: one of FAMILIES, default drawn from the trained ones. wear: one of WEARS, default drawn.
    templates: folder of RGBA mask pictures (data/mask-templates), needed for family "template" only. short: the mask ends well
    before the ears, most on the near side of a turned head, and its loops or bands cross the bare cheek, up to the hair.
    Returns MaskedFace. Raises ValueError for an unknown family or wear, a wrong shape, or a missing template folder.
    """
    landmarks = _checked(face.shape, landmarks, family, wear)
    family = family or _weighted(rng, FAMILY_WEIGHTS)
    wear = wear or _weighted(rng, WEAR_WEIGHTS)
    outline = _outline(landmarks, family, wear, rng, short)
    light = _illumination(face, landmarks, outline, rng)
    if family == "template":
        solid, fabric, box = _template_layer(face.shape, landmarks, outline, light, rng, templates)
    else:
        solid, fabric, box = _fabric_layer(face.shape, outline, family, light, rng)
    return _compose(face, outline, solid, fabric, box, light, family, wear, rng)


def distract(face, landmarks, rng, kind=None):
    """Puts a thing that is not a mask in front of a bare face: hard negatives for a detector or a segmenter.

    face, landmarks, rng as in `synthesise`. kind: one of DISTRACTORS, default drawn. Returns Distracted.
    """
    points = _checked(face.shape, landmarks, None, None)
    kind = kind or DISTRACTORS[int(rng.integers(len(DISTRACTORS)))]
    draw = {"hand": _hand, "microphone": _microphone, "scarf": _scarf, "phone": _phone}
    if kind not in draw:
        raise ValueError(f"Expected one of {DISTRACTORS} for kind but received {kind!r}")
    image, covered = draw[kind](face, points, rng)
    return Distracted(image, covered, kind)


def draw_region(landmarks, shape, rng, short=False):
    """The region a mask would cover, without painting it: the same outlines and straps as `synthesise`, about 0.5 ms.

    landmarks: float [68, 2] pixels. shape: (H, W) or (H, W, 3). short: as in `synthesise`. Returns bool [H, W].
    """
    landmarks = _checked(shape, landmarks, None, None)
    family, wear = _weighted(rng, FAMILY_WEIGHTS), _weighted(rng, WEAR_WEIGHTS)
    outline = _outline(landmarks, family, wear, rng, short)
    region = np.zeros(shape[:2], np.uint8)
    _fill(region, outline.polygon)
    grow = int(round(rng.uniform(0, 3) * outline.unit / 60))
    if grow:
        region = cv2.dilate(region, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8))
    for points, width in outline.straps:
        _stroke(region, points, width + 1.5)
    return region > 0


# ---------------------------------------------------------------------------------------------------------------------
# Geometry: landmarks -> outline


# Ranges per family. bridge: top edge on the nose, 0 = between the eyes, 1 = nose tip. side: jaw landmark (fractional) where
# the upper corner lies; inset: how far corners stay inside the face contour, in half face widths; low: jaw landmark of the
# lower corner; chin: how far below the chin, in eye distances; dip: how far the upper edge sags between nose and corner,
# in eye distances; notch: 0 = the edge arches over the nose, 1 = it follows the nose's sides down.
_SHAPES = {
    "surgical": dict(bridge=(0.0, 0.6), side=(0.8, 2.3), inset=(-0.02, 0.16), low=(3.3, 4.9), chin=(0.0, 0.26), dip=(0.0, 0.13), notch=(0.0, 0.7)),
    "cloth": dict(bridge=(0.0, 0.65), side=(0.9, 2.6), inset=(-0.04, 0.13), low=(3.0, 4.8), chin=(-0.02, 0.22), dip=(0.04, 0.24), notch=(0.1, 0.9)),
    "plain": dict(bridge=(0.05, 0.7), side=(0.8, 2.7), inset=(-0.06, 0.14), low=(2.8, 5.0), chin=(-0.05, 0.2), dip=(0.0, 0.24), notch=(0.0, 1.0)),
    "respirator": dict(bridge=(0.0, 0.55), side=(1.6, 3.0), inset=(0.02, 0.28), low=(3.7, 5.2), chin=(-0.03, 0.26), dip=(0.08, 0.28), notch=(0.1, 0.9)),
    "printed": dict(bridge=(0.0, 0.65), side=(0.8, 2.6), inset=(-0.04, 0.16), low=(3.0, 5.0), chin=(-0.02, 0.24), dip=(0.0, 0.22), notch=(0.0, 0.9)),
    "gaiter": dict(bridge=(0.1, 0.9), side=(0.4, 2.0), inset=(-0.12, 0.0), low=(4.0, 5.0), chin=(0.5, 1.3), dip=(0.0, 0.15), notch=(0.0, 0.6)),
    "bandana": dict(bridge=(0.1, 0.8), side=(0.6, 2.0), inset=(-0.1, 0.02), low=(3.0, 4.6), chin=(0.4, 1.1), dip=(0.0, 0.12), notch=(0.0, 0.6)),
    "template": dict(bridge=(0.0, 0.5), side=(1.2, 2.4), inset=(0.0, 0.12), low=(3.8, 5.0), chin=(0.0, 0.2), dip=(0.05, 0.2), notch=(0.0, 0.9)),
}


def _outline(points, family, wear, rng, short=False):
    shape = {name: rng.uniform(*limits) for name, limits in _SHAPES[family].items()}
    left_eye, right_eye = points[36:42].mean(0), points[42:48].mean(0)
    nose_root, nose_tip, chin, lip = points[27], points[30], points[8], points[57]
    drop = chin - nose_root
    length = max(float(np.hypot(*drop)), 1e-3)
    unit = max(float(np.hypot(*(right_eye - left_eye))), 0.55 * length)  # a turned head has close eyes but a full height
    down = drop / length
    across = np.array([-down[1], down[0]]) * -1.0  # to the image's right on an upright face

    top = nose_root + (nose_tip - nose_root) * shape["bridge"]
    if wear == "under-nose":
        top = points[33] + (points[51] - points[33]) * rng.uniform(-0.1, 0.5)
        shape["dip"] *= 0.3
        shape["side"] = max(shape["side"], 2.2)
    bottom = chin + down * unit * shape["chin"]
    if wear == "chin-out":
        bottom = lip + (chin - lip) * rng.uniform(0.25, 0.75)
        shape["low"] = min(shape["low"], 4.2)
    if wear == "on-chin":
        top = lip + (chin - lip) * rng.uniform(0.15, 0.6)
        shape["side"], shape["dip"] = rng.uniform(3.0, 4.2), -0.05
        shape["low"] = rng.uniform(5.0, 6.0)
        bottom = chin + down * unit * rng.uniform(0.1, 0.45)

    axis = (top + bottom) / 2
    # -1 (the nose tip lies over the left end of the jaw) .. 0 (frontal) .. 1 (over the right end)
    turned = float(np.clip(2 * ((nose_tip - points[0]) @ (points[16] - points[0])) / max(float((points[16] - points[0]) @ (points[16] - points[0])), 1e-6) - 1, -1, 1))
    # by how much, in half face widths, the mask may end before the ear on either side
    bare = [min(0.45, 0.1 + 0.8 * max(0.0, towards)) if short else 0.0 for towards in (turned, -turned)]
    sides = []
    for flip in (False, True):
        jaw = points[16::-1][:9] if flip else points[:9]
        jitter = rng.normal(0, 0.02, 3)
        upper = _along(jaw, shape["side"] + 4 * jitter[0])
        lower = _along(jaw, shape["low"] + 4 * jitter[1])
        middle = _along(jaw, (shape["side"] + shape["low"]) / 2)
        inset = shape["inset"] + jitter[2]
        if short:
            inset += rng.uniform(0.0, bare[flip])
        # The fabric is stiff: in profile it stands off the cheek instead of following every landmark into the face.
        upper = upper + (_project(axis, upper, down) - upper) * inset
        lower = lower + (_project(axis, lower, down) - lower) * inset
        middle = middle + (_project(axis, middle, down) - middle) * (inset + rng.uniform(-0.02, 0.08))
        chinward = _along(jaw, min(7.0, shape["low"] + rng.uniform(1.2, 2.2)))
        chinward = chinward + down * unit * shape["chin"] * rng.uniform(0.35, 0.8)
        if wear == "chin-out":
            chinward = lower + (bottom - lower) * 0.55 + down * unit * rng.uniform(0.0, 0.08)
        if family in ("gaiter", "bandana"):
            spread = rng.uniform(0.55, 1.0) if family == "gaiter" else rng.uniform(0.3, 0.65)
            chinward = bottom + (lower - _project(axis, lower, down)) * spread - down * unit * (0.0 if family == "gaiter" else 0.35) * spread
        outward = (-across if not flip else across) * unit
        # On a turned head the fabric stands out beyond the far cheek, past the contour of the face.
        overhang = rng.uniform(0.0, 0.5) * max(0.0, (turned if flip else -turned) - 0.12)
        upper, middle = upper + outward * overhang * 0.4, middle + outward * overhang
        lower = lower + outward * (rng.uniform(0.0, 0.06) + overhang)
        chinward = chinward + outward * (rng.uniform(0.0, 0.14) + 0.6 * overhang)
        # The upper edge runs from the corner to the nose as an arch (level with the top until late) or as a saddle.
        cheek_at, beside_at = rng.uniform(0.4, 0.55), rng.uniform(0.1, 0.17)
        arch = (1 - shape["notch"]) * 0.5 * max(0.0, float((upper - top) @ down))
        cheek = top + (upper - top) * cheek_at + down * (unit * shape["dip"] - arch * 0.6)
        beside = top + (upper - top) * beside_at + down * (unit * shape["dip"] * shape["notch"] * rng.uniform(0.2, 0.7) - arch * 0.2)
        sides.append((beside, cheek, upper, middle, lower, chinward))
    (nl, cl, ul, ml, ll, bl), (nr, cr, ur, mr, lr, br) = sides

    upper_edge = _spline(np.array([ul, cl, nl, top, nr, cr, ur]), 4)
    lower_edge = _spline(np.array([lr, br, bottom, bl, ll]), 5)
    right_edge = _spline(np.array([ur, mr, lr]), 3)
    left_edge = _spline(np.array([ll, ml, ul]), 3)
    polygon = np.concatenate([upper_edge[:-1], right_edge[:-1], lower_edge[:-1], left_edge[:-1]])
    roundness = {"respirator": 3, "plain": 1, "cloth": 1}.get(family, 0) * rng.uniform(0.3, 1.0)
    polygon = _rounded(polygon, roundness).astype(np.float32)

    tip = points[33] + down * unit * 0.1
    if wear != "full":
        tip = axis
    knots = [(*ul, -1, 0), (*cl, -0.5, 0), (*nl, -0.15, 0), (*top, 0, 0), (*nr, 0.15, 0), (*cr, 0.5, 0), (*ur, 1, 0), (*ml, -1, 0.5), (*mr, 1, 0.5)]
    knots += [(*ll, -1, 0.8), (*lr, 1, 0.8), (*bl, -0.55, 0.97), (*br, 0.55, 0.97), (*bottom, 0, 1), (*tip, 0, 0.45)]
    knots += [(*(0.5 * (ml + tip)), -0.5, 0.48), (*(0.5 * (mr + tip)), 0.5, 0.48), (*(0.5 * (tip + bottom)), 0, 0.73)]
    straps = () if family in ("gaiter", "bandana") else _straps(points, sides, down, across, unit, family, rng, bare)
    return Outline(polygon, np.array(knots, np.float32), straps, unit)


def _straps(points, sides, down, across, unit, family, rng, bare):
    """Two ear loops a side, or head bands. A side turned away from the camera has no room for a strap and gets none."""
    style = rng.uniform()
    bands = family == "respirator" and style < 0.45
    ties = family == "surgical" and style < 0.06
    width = unit / 60 * (rng.uniform(0.7, 2.4) if not bands else rng.uniform(1.5, 4.0))
    if rng.uniform() < 0.06:
        return ()  # hidden behind hair
    straps = []
    ends = ((sides[0], points[0], points[2], -across, bare[0]), (sides[1], points[16], points[14], across, bare[1]))
    for (_, _, upper, _, lower, _), jaw0, jaw2, outward, cheek in ends:
        room = float((jaw0 - points[27]) @ outward)
        if room < 0.45 * unit:
            continue
        ear = jaw0 + outward * unit * rng.uniform(0.02, 0.14)
        above = ear + down * unit * rng.uniform(-0.12, 0.22)
        below = jaw2 + outward * unit * rng.uniform(0.04, 0.14) - down * unit * rng.uniform(-0.05, 0.3)
        if bands:
            above = ear - down * unit * rng.uniform(0.1, 0.5)
            below = jaw2 + outward * unit * rng.uniform(0.05, 0.2) + down * unit * rng.uniform(-0.3, 0.3)
        if cheek:  # the ear of a near cheek lies farther back than any landmark, and bands go on over the hair
            back = outward * unit * rng.uniform(0.0, cheek)
            above, below = above + back, below + back
            if bands:
                above = above - down * unit * rng.uniform(0.0, 0.8)
        if cheek and rng.uniform() < HIDDEN_SHARE:  # under hair, or behind an ear that the head is turned to show
            seen = rng.uniform(0.3, 0.9)
            above, below = upper + (above - upper) * seen, lower + (below - lower) * seen
        if ties:
            above = above - down * unit * 0.4
            below = jaw2 + outward * unit * 0.1 + down * unit * 0.4
        sag = unit * rng.uniform(-0.03, 0.06)
        straps.append((_arc(upper, above, down * sag), width))
        if rng.uniform() < 0.88:
            straps.append((_arc(lower, below, down * sag), width))
    return tuple(straps)


def _along(polyline, position):
    index = int(np.clip(math.floor(position), 0, len(polyline) - 2))
    return polyline[index] + (polyline[index + 1] - polyline[index]) * (position - index)


def _project(origin, point, direction):
    """The point of the line through origin along direction that is nearest to point: the face's middle at that height."""
    return origin + direction * float((point - origin) @ direction)


def _arc(start, end, sag):
    t = np.linspace(0, 1, 9)[:, None]
    return (start + (end - start) * t + sag * (4 * t * (1 - t))).astype(np.float32)


@lru_cache(maxsize=None)
def _spline_basis(knots, steps):
    """Catmull-Rom weights as one matrix [(knots - 1) * steps + 1, knots]; ends repeat the end point."""
    t = np.linspace(0, 1, steps, endpoint=False)
    cubic = np.stack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3], 1) / 2
    basis = np.zeros(((knots - 1) * steps + 1, knots))
    for span in range(knots - 1):
        for k in range(4):
            basis[span * steps : (span + 1) * steps, min(max(span + k - 1, 0), knots - 1)] += cubic[:, k]
    basis[-1, -1] = 1
    return basis


def _spline(points, steps):
    return _spline_basis(len(points), steps) @ points


def _rounded(polygon, amount):
    for _ in range(int(math.ceil(amount))):
        blend = min(1.0, amount) * 0.5
        polygon = polygon * (1 - blend) + blend * 0.5 * (np.roll(polygon, 1, 0) + np.roll(polygon, -1, 0))
        amount -= 1
    return polygon


# ---------------------------------------------------------------------------------------------------------------------
# Painting


def _fabric_layer(shape, outline, family, light, rng):
    """Solid pixels and painted fabric in the window that holds the outline: uint8 [h, w], float32 [h, w, 3], window."""
    box = _window(outline.polygon, 2, shape)
    corner = np.array(box[:2], np.float32)
    solid = np.zeros((max(box[3] - box[1], 1), max(box[2] - box[0], 1)), np.uint8)
    _fill(solid, outline.polygon - corner)
    u, v = _surface(outline.knots, corner, solid.shape)
    return solid, _fabric(family, u, v, solid, outline.unit, light, corner, rng), box


def _compose(face, outline, solid, fabric, box, light, family, wear, rng):
    """Contact shadow, then straps, then fabric, onto a copy of the face."""
    height, width = face.shape[:2]
    unit = outline.unit
    every = np.concatenate([outline.polygon, np.array(box, np.float32).reshape(2, 2), *(points for points, _ in outline.straps)])
    x0, y0, x1, y1 = _window(every, 0.3 * unit + 4, face.shape)
    region = np.zeros((height, width), bool)
    if x1 - x0 < 2 or y1 - y0 < 2 or box[2] <= box[0] or box[3] <= box[1]:
        return MaskedFace(face.copy(), region, family, wear, region.copy(), region.copy())
    corner = np.array([x0, y0], np.float32)
    inner = np.s_[box[1] - y0 : box[3] - y0, box[0] - x0 : box[2] - x0]
    whole = np.zeros((y1 - y0, x1 - x0), np.uint8)
    whole[inner] = solid
    alpha = _feathered(whole, rng.uniform(0.35, 1.3) * max(unit / 60, 0.5) if rng.uniform() < 0.85 else 0)
    strap_alpha, strap_colour = _strap_layer(outline, whole.shape, corner, family, light, rng)
    painted = np.zeros((*whole.shape, 3), np.float32)
    painted[inner] = fabric
    top, bottom, left, right = inner[0].start, whole.shape[0] - inner[0].stop, inner[1].start, whole.shape[1] - inner[1].stop
    if min(top, bottom, left, right) >= 0 and max(top, bottom, left, right) > 0:
        painted = cv2.copyMakeBorder(fabric, top, bottom, left, right, cv2.BORDER_REPLICATE)

    crop = face[y0:y1, x0:x1].astype(np.float32)
    crop *= _contact_shadow(np.maximum(alpha, 0.8 * strap_alpha), unit, light, rng)[..., None]
    for colour, cover in ((strap_colour, strap_alpha[..., None]), (painted, alpha[..., None])):
        crop *= 1 - cover  # not crop += (colour - crop) * cover: where cover is 1, nothing of the face may survive rounding
        crop += colour * cover
    image = face.copy()
    image[y0:y1, x0:x1] = np.clip(crop + 0.5, 0, 255).astype(np.uint8)
    covered = np.zeros((height, width), np.float32)
    covered[y0:y1, x0:x1] = np.maximum(alpha, strap_alpha)
    return MaskedFace(image, covered > 0, family, wear, covered >= 0.5, covered == 1)


def _window(points, margin, shape):
    """Integer box x0, y0, x1, y1 around the points, cut to the picture."""
    low, high = points.min(0) - margin, points.max(0) + margin + 1
    x0, y0 = int(np.clip(low[0], 0, shape[1])), int(np.clip(low[1], 0, shape[0]))
    return x0, y0, int(np.clip(high[0], 0, shape[1])), int(np.clip(high[1], 0, shape[0]))


def _fill(canvas, polygon):
    fixed = np.round(polygon * 16).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], 255, cv2.LINE_8, 4)


def _stroke(canvas, points, width, line=cv2.LINE_8):
    fixed = np.round(points * 16).astype(np.int32)
    cv2.polylines(canvas, [fixed], False, 255, max(1, int(round(width))), line, 4)


def _feathered(solid, sigma):
    """Alpha that is exactly 1 on the solid pixels and fades outwards within about 3 sigma px."""
    alpha = solid.astype(np.float32) * (1 / 255)
    if sigma > 0.2:
        alpha = np.minimum(1, 2 * cv2.GaussianBlur(alpha, (0, 0), sigma))
        alpha[alpha < 0.02] = 0
        alpha[solid > 0] = 1
    return alpha


@dataclass(frozen=True)
class Light:
    """What visible skin says about the light. level: exposure 0.3..1.2; slope: change of level per pixel (x, y) around
    `origin`; tint: RGB factors; grey: the photo has no colour; direction: unit vector, towards the light, z to the camera."""

    level: float
    slope: np.ndarray
    origin: np.ndarray
    tint: np.ndarray
    grey: bool
    direction: np.ndarray


def _illumination(face, points, outline, rng):
    """Plane fitted to the brightness of skin patches that the mask leaves visible (forehead, temples, cheekbones)."""
    height, width = face.shape[:2]
    root, brows = points[27], points[17:27].mean(0)
    rise = (brows - root) * 1.0
    spots = np.array([points[19] + rise, points[24] + rise, points[21] * 0.5 + points[22] * 0.5 + rise * 1.3, root + rise * 0.6,
                      points[0] * 0.75 + points[36] * 0.25, points[16] * 0.75 + points[45] * 0.25])
    half = max(1, int(outline.unit * 0.04))
    samples = []
    straps = np.concatenate([np.full((1, 2), np.inf), *(line for line, _ in outline.straps)])
    for x, y in np.round(spots).astype(int):
        if half <= x < width - half and half <= y < height - half and np.abs(straps - (x, y)).max(1).min() > half + 0.12 * outline.unit:
            if cv2.pointPolygonTest(outline.polygon, (float(x), float(y)), True) < -half * 2 - outline.unit * 0.12:
                samples.append((x, y, *cv2.mean(face[y - half : y + half + 1, x - half : x + half + 1])[:3]))
    direction = np.array([rng.normal(0, 0.25), -abs(rng.normal(0.45, 0.25)), 1.0])
    if len(samples) < 3:
        return Light(rng.uniform(0.55, 1.05), np.zeros(2), points[30], np.ones(3), False, direction / np.linalg.norm(direction))
    samples = np.array(samples)
    luma = samples[:, 2:] @ np.array([0.299, 0.587, 0.114])
    keep = luma > 0.4 * np.median(luma)  # hair
    samples, luma = samples[keep], luma[keep]
    origin = samples[:, :2].mean(0)
    offset = (samples[:, :2] - origin) / outline.unit
    ridge = offset.T @ offset + 0.8 * np.eye(2)
    mean = max(float(luma.mean()), 8.0)
    slope = np.clip(np.linalg.solve(ridge, offset.T @ (luma - mean)) / mean, -0.35, 0.35)
    direction[:2] += slope * 2.0
    # Dark skin in good light and light skin in poor light look alike: the exposure is drawn around both readings.
    level = float(np.clip((mean / 165) ** 0.6 * rng.uniform(0.8, 1.2), 0.3, 1.15))
    colour = samples[:, 2:].mean(0)
    grey = float(np.ptp(colour)) < 6
    cast = colour / mean / np.array([1.22, 0.94, 0.76])  # average skin's own colour taken out
    tint = np.ones(3) if grey else np.clip(cast ** rng.uniform(0.0, 0.5), 0.8, 1.25)
    return Light(level, slope / outline.unit, origin, tint, grey, direction / np.linalg.norm(direction))


def _plane(light, shape, corner):
    """How the light on the face changes over the window: float32 [h, w] around 1."""
    x = (np.arange(shape[1], dtype=np.float32) + float(corner[0]) - float(light.origin[0])) * float(light.slope[0])
    y = (np.arange(shape[0], dtype=np.float32) + float(corner[1]) - float(light.origin[1])) * float(light.slope[1])
    return np.clip(1 + x[None] + y[:, None], 0.55, 1.35)


def _surface(knots, shift, shape):
    """Fabric coordinates u, v of every pixel of the window: a cubic fitted through the outline's knots."""
    centre, scale = knots[:, :2].mean(0), float(np.abs(knots[:, :2] - knots[:, :2].mean(0)).max()) + 1e-6
    local = (knots[:, :2] - centre) / scale
    weights = np.linalg.lstsq(_cubic(local[:, 0], local[:, 1]).T, knots[:, 2:], rcond=1e-3)[0].astype(np.float32)
    x = ((np.arange(shape[1], dtype=np.float32) + shift[0] - centre[0]) / scale)[None]
    y = ((np.arange(shape[0], dtype=np.float32) + shift[1] - centre[1]) / scale)[:, None]
    out = []
    for k in range(2):
        w = weights[:, k]
        # Horner in x with coefficients that are columns in y: three passes over the window instead of ten.
        c0 = w[0] + y * (w[2] + y * (w[5] + y * w[9]))
        c1 = w[1] + y * (w[4] + y * w[8])
        c2 = w[3] + y * w[7]
        out.append(((w[6] * x + c2) * x + c1) * x + c0)
    return out


def _cubic(x, y):
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3])


def _noise(u, v, rng, fu, fv, angle=0.0, octaves=1):
    """Smooth random field of the fabric's coordinates, about -1..1, fu and fv waves across a unit of u and v."""
    total, weight = 0, 1.0
    c, s = math.cos(angle), math.sin(angle)
    for _ in range(octaves):
        grid = rng.standard_normal((32, 32)).astype(np.float32)
        a = ((c * u + s * v) * (fu * 2) + rng.uniform(0, 32)).astype(np.float32)
        b = ((c * v - s * u) * (fv * 2) + rng.uniform(0, 32)).astype(np.float32)
        total = total + weight * cv2.remap(grid, a, b, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
        weight, fu, fv = weight * 0.5, fu * 2, fv * 2
    return total


def _fabric(family, u, v, solid, unit, light, shift, rng):
    """The garment as it looks in this light: float32 [h, w, 3], defined on the whole window."""
    inside = cv2.distanceTransform(solid, cv2.DIST_L2, 3) / unit  # eye distances from the edge
    colour = _paint(family, u, v, inside, unit, rng)
    relief, crease = _relief(family, u, v, inside, rng)
    relief *= unit
    gx = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    gy = cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    lx, ly, lz = (float(n) for n in light.direction)
    shade = (lz - lx * gx - ly * gy) / np.sqrt(1 + gx * gx + gy * gy) / lz
    ambient = rng.uniform(0.15, 0.6)
    shade = (ambient + (1 - ambient) * np.clip(shade, 0, 1.7)) * (1 - crease)
    h, w = solid.shape
    shade *= _plane(light, solid.shape, shift) * light.level
    grain = rng.standard_normal((h // 2 + 1, w // 2 + 1)).astype(np.float32) * rng.uniform(0.0, 0.035)
    shade *= 1 + cv2.resize(grain, (w, h), interpolation=cv2.INTER_LINEAR)
    if light.grey:
        colour = np.broadcast_to((colour @ np.array([0.299, 0.587, 0.114], np.float32))[..., None], colour.shape)
    out = colour * shade[..., None] * light.tint.astype(np.float32)
    over = np.maximum(out - 225, 0)  # highlights roll off as in a camera
    return np.minimum(out, 225) + 30 * (1 - np.exp(-over / 30))


def _relief(family, u, v, inside, rng):
    """Height of the fabric in eye distances, and how dark its creases are (0..1): two float32 [h, w]."""
    dome = {"respirator": 0.5, "gaiter": 0.3, "bandana": 0.3}.get(family, 0.42) * rng.uniform(0.7, 1.3)
    below = np.maximum(v - 0.6, 0)
    relief = dome * (-0.9 * u * u - 1.1 * (v - 0.42) ** 2 - rng.uniform(0, 3.5) * below * below)
    relief -= dome * 0.35 * np.abs(u) * np.maximum(0.6 - v, 0)  # the ridge over the nose
    crease = np.zeros_like(u)
    folds = _FOLDS[family] * rng.uniform(0.3, 1.8)
    relief += _noise(u, v, rng, rng.uniform(0.4, 1.6), rng.uniform(0.8, 2.5), rng.normal(0, 0.6)) * folds
    if folds > 0.004:
        relief += _noise(u, v, rng, rng.uniform(0.5, 1.4), rng.uniform(2.5, 6), rng.normal(0, 0.5)) * folds * rng.uniform(0.1, 0.55)
    if family not in ("respirator", "gaiter") and rng.uniform() < 0.65:
        relief += _tension(u, v, rng) * folds
    if family == "surgical" or (family in ("printed", "plain") and rng.uniform() < 0.3):
        pleats, dark = _pleats(u, v, rng)
        relief += pleats
        crease += dark
    if family != "gaiter" and rng.uniform() < 0.7:
        relief += np.clip((rng.uniform(0.03, 0.08) - inside) * (1 / 0.012), 0, 1) * rng.uniform(0.003, 0.012)
    if family == "surgical":  # wire over the nose, pressed flat
        relief += np.exp(-(((v - 0.07) / 0.02) ** 2)) * np.exp(-((u / 0.5) ** 4)) * rng.uniform(0, 0.015)
    if family in ("respirator", "cloth", "plain", "printed") and rng.uniform() < (0.6 if family == "cloth" else 0.45):
        relief -= np.abs(u) * rng.uniform(0.03, 0.22)  # a seam or fold down the middle
        if rng.uniform() < 0.5:
            seam = np.exp(-((u * (1 / 0.02)) ** 2))
            relief += seam * rng.uniform(0, 0.008)
            crease += seam * rng.uniform(0, 0.3)
    if family == "respirator":
        relief += np.clip(inside / rng.uniform(0.08, 0.25), 0, 1) * rng.uniform(0.0, 0.1)  # stiff rim
        if rng.uniform() < 0.35:  # horizontal fold of a flat-fold respirator
            bend = v - rng.uniform(0.35, 0.62) - rng.normal(0, 0.08) * u * u
            relief -= np.abs(bend) * rng.uniform(0.1, 0.4)
    return relief, crease


_FOLDS = {"surgical": 0.016, "cloth": 0.022, "plain": 0.018, "respirator": 0.004, "printed": 0.022, "gaiter": 0.05, "bandana": 0.045}
"""Typical depth of folds in eye distances; each mask draws 0.3 to 1.8 times this."""


def _tension(u, v, rng):
    """Creases that run from a pulled corner into the fabric: a random field of the angle around that corner."""
    total = 0
    for side in (-1, 1):
        du, dv = 1.0 - side * u, v - rng.uniform(0.05, 0.8)
        turn = np.arctan2(dv, du + 0.15)
        total = total + _noise(turn, du * 0.2, rng, rng.uniform(2, 4.5), 1) * np.maximum(1 - du * rng.uniform(0.7, 1.4), 0)
    return total * rng.uniform(0.5, 1.6)


def _pleats(u, v, rng):
    """Two to four sawtooth folds across the front that meet the side seams: height and crease darkness."""
    count, bend, tilt = int(rng.integers(2, 5)), rng.uniform(-0.15, 0.45), 0.03 * rng.normal()
    first, last = rng.uniform(0.22, 0.4), rng.uniform(0.6, 0.85)
    depth, sharp, ink = rng.uniform(0.01, 0.045), rng.uniform(0.012, 0.035), rng.uniform(0.02, 0.26)
    bow = v - bend * (1 - u * u) * (v - 0.5) - tilt * u
    height, crease = np.zeros_like(v), np.zeros_like(v)
    for place in np.linspace(first, last, count):
        gap = rng.normal(0, 0.015)
        edge = bow - place - gap - rng.normal(0, 0.025) * u * u - rng.normal(0, 0.01) * u
        ahead = np.maximum(edge, 0)
        fade = np.exp(ahead * -9.0)
        size = rng.uniform(0.5, 1.4)
        height += depth * size * np.clip(edge * (0.5 / sharp) + 0.5, 0, 1) * fade
        crease += ink * size * np.clip(edge * (0.5 / sharp) + 0.5, 0, 1) * fade * fade * fade
    return -height, np.minimum(crease, 0.6)


_MEDICAL = np.array([[172, 208, 228], [140, 190, 222], [198, 220, 232], [238, 240, 242], [226, 230, 232], [160, 214, 206], [120, 196, 190], [205, 215, 225],
                     [40, 40, 44], [232, 190, 205], [186, 225, 215], [90, 150, 205], [120, 205, 225]], np.float32)


def any_colour(rng):
    """A colour that fabric comes in. -> float32 [3] RGB, 0 to 255, a little beyond now and then"""
    pick = rng.uniform()
    if pick < 0.26:
        return np.full(3, rng.uniform(14, 52), np.float32) + rng.normal(0, 3, 3).astype(np.float32)
    if pick < 0.44:
        return np.full(3, rng.uniform(195, 248), np.float32) + rng.normal(0, 4, 3).astype(np.float32)
    if pick < 0.56:
        return np.full(3, rng.uniform(60, 190), np.float32) + rng.normal(0, 6, 3).astype(np.float32)
    if pick < 0.66:  # skin-like and earthy: the hard ones to segment
        return np.array([rng.uniform(120, 235), 0, 0], np.float32)[0] * np.array([1, rng.uniform(0.68, 0.86), rng.uniform(0.5, 0.76)], np.float32)
    hsv = np.uint8([[[rng.integers(0, 180), rng.integers(60, 245), rng.integers(60, 245)]]])
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def _paint(family, u, v, inside, unit, rng):
    """Colour of the fabric before light: float32 [h, w, 3]."""
    base = any_colour(rng)
    if family == "surgical" and rng.uniform() < 0.85:
        base = _MEDICAL[rng.integers(len(_MEDICAL))] + rng.normal(0, 9, 3).astype(np.float32)
    if family == "respirator" and rng.uniform() < 0.72:
        base = np.full(3, rng.uniform(205, 248), np.float32) + rng.normal(0, 5, 3).astype(np.float32)
    colour = np.empty((*u.shape, 3), np.float32)
    colour[:] = base
    if family in ("printed", "gaiter", "bandana") and (family == "printed" or rng.uniform() < 0.55):
        colour = _pattern(u, v, base, rng)
    elif family != "respirator" and rng.uniform() < 0.35:  # weave or mottle
        colour *= 1 + 0.06 * rng.uniform() * _noise(u, v, rng, 7, 9, octaves=2)[..., None]
    if family == "surgical" and rng.uniform() < 0.6:  # white or darker binding at the edges
        trim = base * rng.uniform(0.86, 1.06) + rng.uniform(0, 12)
        band = np.clip((rng.uniform(0.05, 0.1) - inside) / 0.01, 0, 1)[..., None]
        colour += (trim - colour) * band * rng.uniform(0.3, 1)
    if family in ("surgical", "respirator") and rng.uniform() < 0.5:  # embossed dots along the binding
        dots = np.sin(u * rng.uniform(60, 110)) * np.exp(-(((inside - rng.uniform(0.03, 0.09)) / 0.012) ** 2))
        colour *= 1 - 0.12 * rng.uniform() * np.clip(dots, 0, 1)[..., None]
    if family in ("cloth", "printed", "plain") and rng.uniform() < 0.4:  # hem
        hem = np.exp(-(((inside - rng.uniform(0.04, 0.1)) / 0.008) ** 2))
        colour *= 1 - rng.uniform(0.05, 0.35) * hem[..., None]
    if family in ("cloth", "printed", "plain") and rng.uniform() < 0.12:  # border in another colour
        band = np.clip((rng.uniform(0.04, 0.1) - inside) / 0.01, 0, 1)[..., None]
        colour += (any_colour(rng) - colour) * band
    if family == "respirator":
        colour = _respirator_marks(colour, u, v, unit, rng)
    return colour


def _respirator_marks(colour, u, v, unit, rng):
    if rng.uniform() < 0.35:  # exhalation valve
        cu, cv_, size = rng.choice([-1, 1]) * rng.uniform(0.2, 0.4), rng.uniform(0.35, 0.65), rng.uniform(0.14, 0.24)
        if rng.uniform() < 0.3:
            cu = 0.0
        distance = np.sqrt((u - cu) ** 2 + ((v - cv_) * 1.0) ** 2)
        body = np.clip((size - distance) / 0.02, 0, 1)[..., None]
        ring = np.exp(-(((distance - size) / 0.02) ** 2)) + 0.6 * np.exp(-(((distance - size * 0.6) / 0.02) ** 2))
        tone = rng.choice([235.0, 200.0, 120.0, 40.0]) + rng.normal(0, 6, 3)
        colour = colour + (tone.astype(np.float32) - colour) * body
        colour = colour * (1 - 0.45 * np.clip(ring, 0, 1))[..., None]
    if rng.uniform() < 0.4:  # weld lines
        line = np.exp(-(((np.abs(u) + (v - rng.uniform(0.1, 0.3)) * rng.uniform(-0.6, 0.6) - rng.uniform(0.4, 0.7)) / 0.012) ** 2))
        line += np.exp(-(((v - rng.uniform(0.4, 0.75)) / 0.012) ** 2)) * (rng.uniform() < 0.5)
        colour = colour * (1 - rng.uniform(0.05, 0.2) * np.clip(line, 0, 1))[..., None]
    if rng.uniform() < 0.35:  # printed lettering
        tile = np.zeros((48, 96), np.uint8)
        for row in range(int(rng.integers(1, 4))):
            text = "".join(rng.choice(list("ABEHKMNPRSTUX0235789"), int(rng.integers(3, 9))))
            cv2.putText(tile, text, (2, 14 + 14 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.42, 255, 1, cv2.LINE_AA)
        cu, cv_ = rng.uniform(-0.5, 0.1), rng.uniform(0.45, 0.7)
        ink = cv2.remap(tile, ((u - cu) * 160).astype(np.float32), ((v - cv_) * 160).astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        colour = colour * (1 - rng.uniform(0.3, 0.8) * (ink.astype(np.float32) / 255))[..., None]
    return colour


def _pattern(u, v, base, rng):
    """Printed fabric: stripes, checks, dots, camouflage, blossoms, lettering, a tile of scribbles."""
    kind = rng.choice(["stripes", "checks", "dots", "camouflage", "blossoms", "bouquet", "scribble", "gradient", "badge", "painted", "glitter"])
    other = any_colour(rng)
    if kind == "painted":  # soft blots of three colours, as in a photo print
        a, b = (0.5 + 0.5 * np.tanh(_noise(u, v, rng, *rng.uniform(0.6, 3, 2), rng.normal(), octaves=3) * rng.uniform(0.8, 4))[..., None] for _ in range(2))
        blot = base + (other - base) * a
        return blot + (any_colour(rng) - blot) * b
    if kind == "glitter":
        grain = rng.standard_normal((u.shape[0], u.shape[1], 1)).astype(np.float32)
        return np.clip(base * (1 + rng.uniform(0.1, 0.4) * grain) + 160 * (grain > rng.uniform(1.6, 2.4)), 0, 255)
    angle = rng.uniform(-1.6, 1.6)
    c, s = math.cos(angle), math.sin(angle)
    a, b = c * u + s * v * 1.1, c * v * 1.1 - s * u
    if kind in ("stripes", "checks"):
        frequency = rng.uniform(6, 34)
        edge = rng.uniform(1, 8)
        wave = np.clip(np.sin(a * frequency + 0.4 * _noise(u, v, rng, 1, 1) * (rng.uniform() < 0.5)) * edge, -1, 1) * 0.5 + 0.5
        if kind == "checks":
            wave = 0.5 * (wave + np.clip(np.sin(b * frequency) * edge, -1, 1) * 0.5 + 0.5)
        return base + (other - base) * wave[..., None]
    if kind == "gradient":
        return base + (other - base) * np.clip(0.5 + 0.6 * a, 0, 1)[..., None]
    if kind == "camouflage":
        field = _noise(u, v, rng, rng.uniform(0.8, 2.5), rng.uniform(0.8, 2.5), octaves=2)
        colours = np.stack([base, other, any_colour(rng), base * 0.6])
        return colours[np.digitize(field, np.sort(rng.normal(0, 0.7, 3)))]
    size = 96
    tile = np.empty((size, size, 3), np.uint8)
    tile[:] = np.clip(base, 0, 255)
    inks = [other, any_colour(rng), base * 0.5 + other * 0.5]
    if kind == "bouquet":  # large flowers close together, every one of its own colour
        for _ in range(int(rng.integers(14, 34))):
            x, y, radius = *(int(n) for n in rng.integers(0, size, 2)), int(rng.integers(4, 13))
            ink, heart = any_colour(rng).tolist(), any_colour(rng).tolist()
            for petal in range(6):
                centre = (int(x + radius * math.cos(petal * 1.047 + x)), int(y + radius * math.sin(petal * 1.047 + x)))
                cv2.circle(tile, centre, max(2, int(radius * 0.6)), ink, -1, cv2.LINE_AA)
            cv2.circle(tile, (x, y), max(1, radius // 3), heart, -1, cv2.LINE_AA)
        scale = size / rng.uniform(0.6, 1.6)
    elif kind == "badge":
        x, y = rng.integers(20, 60, 2)
        cv2.putText(tile, "".join(rng.choice(list("AGHNRVWXYZ"), 2)), (int(x), int(y)), cv2.FONT_HERSHEY_DUPLEX, rng.uniform(0.5, 0.9), other.tolist(), int(rng.integers(1, 3)), cv2.LINE_AA)
        scale = size / 2.4
    else:
        for _ in range(int(rng.integers(5, 26))):
            x, y = (int(n) for n in rng.integers(0, size, 2))
            ink = inks[rng.integers(3)].tolist()
            radius = int(rng.integers(2, 11))
            for dx in (-size, 0, size) if x < 22 or x > size - 22 else (0,):
                for dy in (-size, 0, size) if y < 22 or y > size - 22 else (0,):
                    spot = (x + dx, y + dy)
                    if kind == "dots":
                        cv2.circle(tile, spot, max(2, radius // 2), ink, -1, cv2.LINE_AA)
                    elif kind == "blossoms":
                        for petal in range(5):
                            turn = petal * 72 + x
                            centre = (int(spot[0] + radius * math.cos(math.radians(turn))), int(spot[1] + radius * math.sin(math.radians(turn))))
                            cv2.circle(tile, centre, max(1, int(radius * 0.62)), ink, -1, cv2.LINE_AA)
                        cv2.circle(tile, spot, max(1, radius // 2), inks[0].tolist(), -1, cv2.LINE_AA)
                    else:
                        cv2.ellipse(tile, spot, (radius * 2, radius), x * 7 % 180, y * 5 % 360, y * 5 % 360 + 230, ink, max(1, radius // 4), cv2.LINE_AA)
        scale = size / rng.uniform(0.35, 1.4)
    return cv2.remap(tile, ((a * scale + 500 * 0.37) % size).astype(np.float32), ((b * scale + 137) % size).astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP).astype(np.float32)


def _strap_layer(outline, shape, shift, family, light, rng):
    alpha = np.zeros(shape, np.uint8)
    for points, width in outline.straps:
        _stroke(alpha, points - shift, width, cv2.LINE_AA)
    pick = rng.uniform()
    tone = np.array([236, 236, 236.0]) if pick < 0.62 else np.array([34, 34, 36.0]) if pick < 0.8 else np.array([225, 205, 60.0]) if pick < 0.88 and family == "respirator" else any_colour(rng)
    if light.grey:
        tone = np.full(3, tone.mean())
    alpha = alpha.astype(np.float32) / 255
    alpha[alpha < 0.02] = 0
    return alpha, (tone * light.level * rng.uniform(0.7, 1.05)).astype(np.float32)


def _contact_shadow(alpha, unit, light, rng):
    """Factor <= 1 per pixel: the garment's own outline, moved away from the light, blurred."""
    reach = unit * rng.uniform(0.02, 0.09)
    move = np.float32([[1, 0, -light.direction[0] * reach * 1.5], [0, 1, -light.direction[1] * reach * 1.5]])
    cast = cv2.warpAffine(alpha, move, alpha.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cast = cv2.GaussianBlur(cast, (0, 0), max(0.6, reach))
    return 1 - rng.uniform(0.08, 0.5) * cast


# ---------------------------------------------------------------------------------------------------------------------
# Photographed masks (data/mask-templates): a family of its own


@lru_cache(maxsize=4)
def _load_templates(folder):
    """{name: (RGB float32 with colours grown under transparent pixels, solid uint8, six anchor points)}, straps cut off."""
    templates = {}
    for path in sorted(Path(folder).glob("*.png")):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None or picture.ndim != 3 or picture.shape[2] != 4 or path.stem.startswith("gas"):
            continue
        opaque = (picture[..., 3] > 200).astype(np.uint8)
        body = cv2.morphologyEx(opaque, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (35, 35)))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(body)
        body = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
        ys, xs = np.nonzero(body)
        top, bottom, left, right = ys.min(), ys.max(), xs.min(), xs.max()
        turned = "left" if path.stem.endswith("_left") else "right" if path.stem.endswith("_right") else "front"
        nose = left + (right - left) * {"left": 0.36, "front": 0.5, "right": 0.64}[turned]
        column = np.nonzero(body[:, int(nose)])[0]
        anchors = [(nose, column.min()), (nose, column.max())]
        for height in (0.24, 0.68):
            row = np.nonzero(body[int(top + (bottom - top) * height)])[0]
            anchors += [(row.min(), top + (bottom - top) * height), (row.max(), top + (bottom - top) * height)]
        rgb = picture[..., 2::-1].astype(np.float32)
        weight = cv2.GaussianBlur(body.astype(np.float32), (0, 0), 9) + 1e-4
        grown = cv2.GaussianBlur(rgb * body[..., None], (0, 0), 9) / weight[..., None]
        templates[path.stem] = (np.where(body[..., None] > 0, rgb, grown), body * 255, np.array(anchors, np.float64), turned)
    if not templates:
        raise ValueError(f"Expected RGBA pictures of masks in {folder} but found none")
    return templates


def _template_layer(shape, points, outline, light, rng, folder):
    if folder is None:
        raise ValueError('Expected a folder of RGBA mask pictures for templates with family "template" but received None')
    templates = _load_templates(str(folder))
    # Turned heads: the nose tip comes nearer to one side of the jaw.
    axis = points[16] - points[0]
    place = float((points[30] - points[0]) @ axis) / max(float(axis @ axis), 1e-6)
    turned = "left" if place < 0.38 else "right" if place > 0.62 else "front"
    names = [name for name, (_, _, _, facing) in templates.items() if facing == turned] or list(templates)
    rgb, body, anchors, _ = templates[names[int(rng.integers(len(names)))]]
    knots = {(round(u, 2), round(v, 2)): (x, y) for x, y, u, v in outline.knots.tolist()}
    targets = np.array([knots[k] for k in ((0, 0), (0, 1), (-1, 0), (1, 0), (-1, 0.8), (1, 0.8))])
    flat = np.concatenate([anchors, np.ones((6, 1))], 1)
    affine = np.linalg.lstsq(flat, targets, rcond=None)[0].T  # [2, 3]
    frame = np.array([[0, 0, 1], [body.shape[1], 0, 1], [0, body.shape[0], 1], [body.shape[1], body.shape[0], 1]]) @ affine.T
    box = _window(frame, 2, shape)
    affine[:, 2] -= box[:2]
    size = (max(box[2] - box[0], 1), max(box[3] - box[1], 1))
    # A large template shrinks to a small face: blur first by what the reduction would alias.
    reduction = 1 / max(math.sqrt(abs(float(np.linalg.det(affine[:, :2])))), 1e-3)
    if reduction > 1.5:
        rgb = cv2.GaussianBlur(rgb, (0, 0), 0.35 * reduction)
    fabric = cv2.warpAffine(rgb, affine, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    solid = (cv2.warpAffine(body, affine, size, flags=cv2.INTER_LINEAR) > 127).astype(np.uint8) * 255
    if light.grey:
        fabric = np.repeat((fabric @ np.array([0.299, 0.587, 0.114], np.float32))[..., None], 3, 2)
    plane = _plane(light, size[::-1], box)
    return solid, np.clip(fabric * (plane * light.level * 1.05)[..., None] * light.tint.astype(np.float32), 0, 255), box


# ---------------------------------------------------------------------------------------------------------------------
# Distractors: not masks


def _skin(face, points):
    x, y = points[27] + (points[17:27].mean(0) - points[27]) * 1.6
    x, y = int(np.clip(x, 2, face.shape[1] - 3)), int(np.clip(y, 2, face.shape[0] - 3))
    return np.array(cv2.mean(face[y - 2 : y + 3, x - 2 : x + 3])[:3])


def _onto(face, covered, colour, sigma, rng, light=(-0.3, -0.6)):
    """Paints a rounded body: height from the distance to its own outline, light from above."""
    height = np.sqrt(np.minimum(cv2.distanceTransform(covered, cv2.DIST_L2, 5), sigma) * sigma)
    height = cv2.GaussianBlur(height, (0, 0), max(0.8, 0.12 * sigma))
    gx, gy = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=1 / 8)
    shade = 0.4 + 0.6 * np.clip((1 + light[0] * -gx + light[1] * -gy) / np.sqrt(1 + gx * gx + gy * gy), 0.2, 1.3)
    shade *= 1 + 0.04 * cv2.GaussianBlur(rng.standard_normal(covered.shape).astype(np.float32), (0, 0), 0.8)
    alpha = _feathered(covered, 0.7)[..., None]
    shadow = 1 - 0.35 * cv2.GaussianBlur((covered > 0).astype(np.float32), (0, 0), max(1.0, sigma * 0.4))[..., None]
    out = face * shadow
    out += (np.clip(np.asarray(colour) * shade[..., None], 0, 255) - out) * alpha
    return np.clip(out + 0.5, 0, 255).astype(np.uint8), alpha[..., 0] > 0


def _hand(face, points, rng):
    """Fingers across the mouth, chin or cheek, in the tone of the forehead."""
    unit = float(np.hypot(*(points[42:48].mean(0) - points[36:42].mean(0)))) + 1
    tone = _skin(face, points) * rng.uniform(0.85, 1.1)
    mouth = points[48:60].mean(0) + rng.normal(0, 0.15, 2) * unit
    turn = rng.uniform(0, 2 * math.pi)
    reach, side = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])
    image, covered = face, np.zeros(face.shape[:2], bool)
    wide = unit * rng.uniform(0.26, 0.36)
    for finger in range(int(rng.integers(2, 5))):
        tip = mouth + side * wide * (finger - 1.5) * 1.02 + reach * unit * rng.uniform(0.2, 0.6)
        knuckle = tip - reach * unit * rng.uniform(1.0, 1.4) + side * wide * rng.normal(0, 0.15)
        wrist = knuckle - reach * unit * 2.2
        shape = np.zeros(face.shape[:2], np.uint8)
        _stroke(shape, np.array([tip, knuckle, wrist]), wide, cv2.LINE_8)
        image, part = _onto(image, shape, tone * rng.uniform(0.94, 1.04), wide * 0.5, rng)
        covered |= part
    return image, covered


def _microphone(face, points, rng):
    unit = float(np.hypot(*(points[42:48].mean(0) - points[36:42].mean(0)))) + 1
    ball = points[57] + np.array([rng.normal(0, 0.4), rng.uniform(-0.1, 0.7)]) * unit
    radius = unit * rng.uniform(0.28, 0.5)
    turn = rng.normal(math.pi / 2, 0.5)
    away = np.array([math.cos(turn), math.sin(turn)])
    handle, head = np.zeros(face.shape[:2], np.uint8), np.zeros(face.shape[:2], np.uint8)
    _stroke(handle, np.array([ball, ball + away * unit * 4]), radius * rng.uniform(0.8, 1.2))
    cv2.circle(head, tuple(int(n * 16) for n in ball), int(radius * 16), 255, -1, cv2.LINE_8, 4)
    tone = rng.choice([25.0, 45.0, 90.0, 150.0])
    image, first = _onto(face, handle, np.full(3, tone * 0.8), radius * 0.5, rng)
    image, second = _onto(image, head, any_colour(rng) if rng.uniform() < 0.3 else np.full(3, tone), radius * 0.8, rng)
    return image, first | second


def _scarf(face, points, rng):
    """A scarf around the neck that leaves mouth and nose free."""
    outline = _outline(points, "gaiter", "on-chin", rng)
    light = _illumination(face, points, outline, rng)
    solid, fabric, box = _fabric_layer(face.shape, outline, "gaiter", light, rng)
    worn = _compose(face, outline, solid, fabric, box, light, "gaiter", "on-chin", rng)
    return worn.image, worn.region


def _phone(face, points, rng):
    unit = float(np.hypot(*(points[42:48].mean(0) - points[36:42].mean(0)))) + 1
    centre = points[48:60].mean(0) + np.array([rng.normal(0, 0.5), rng.normal(0.3, 0.3)]) * unit
    size = (unit * rng.uniform(0.9, 1.2), unit * rng.uniform(1.7, 2.3))
    corners = cv2.boxPoints(((float(centre[0]), float(centre[1])), (float(size[0]), float(size[1])), float(rng.normal(0, 25))))
    covered = np.zeros(face.shape[:2], np.uint8)
    _fill(covered, corners)
    return _onto(face, covered, any_colour(rng), unit * 0.05, rng)


# ---------------------------------------------------------------------------------------------------------------------
# Photometric chain


def photometric(image, rng, strength=1.0):
    """A camera, a network and a phone later: blur, reduction, noise, white balance, gamma and JPEG over the whole composite.

    image: uint8 [H, W, 3] RGB. strength 0 changes nothing, 1 is the training setting. Returns uint8 of the same shape.
    """
    if strength <= 0:
        return image.copy()
    height, width = image.shape[:2]
    out = image
    if rng.uniform() < 0.35 * strength:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.4, 0.4 + 1.1 * strength))
    if rng.uniform() < 0.3 * strength:
        factor = rng.uniform(max(0.35, 1 - 0.6 * strength), 0.95)
        small = cv2.resize(out, (max(8, int(width * factor)), max(8, int(height * factor))), interpolation=cv2.INTER_AREA)
        out = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC if rng.uniform() < 0.5 else cv2.INTER_LINEAR)
    if rng.uniform() < 0.6 * strength:
        gamma, gain = np.exp(rng.normal(0, 0.16 * strength)), np.exp(rng.normal(0, 0.06 * strength, 3))
        curve = 255 * np.clip(np.linspace(0, 1, 256)[:, None] ** gamma * gain, 0, 1)
        out = cv2.LUT(out, np.round(curve).astype(np.uint8)[None])
    if rng.uniform() < 0.4 * strength:
        sigma = rng.uniform(0.5, 0.5 + 7 * strength)
        noise = rng.standard_normal((height, width, 1 if rng.uniform() < 0.4 else 3), np.float32)
        out = np.clip(out + noise * np.float32(sigma) + 0.5, 0, 255).astype(np.uint8)
    if rng.uniform() < 0.7 * strength:
        quality = int(rng.integers(int(95 - 55 * min(1, strength)), 96))
        _, code = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        out = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return out if out is not image else image.copy()


# ---------------------------------------------------------------------------------------------------------------------


def _checked(shape, landmarks, family, wear):
    landmarks = np.asarray(landmarks, np.float64)
    if landmarks.shape != (68, 2):
        raise ValueError(f"Expected 68 landmarks of shape (68, 2) but received {landmarks.shape}")
    if family is not None and family not in FAMILIES:
        raise ValueError(f"Expected one of {FAMILIES} for family but received {family!r}")
    if wear is not None and wear not in WEARS:
        raise ValueError(f"Expected one of {WEARS} for wear but received {wear!r}")
    return landmarks


def _weighted(rng, weights):
    return _pick(tuple(weights), tuple(weights.values()), rng.uniform())


def _pick(names, weights, draw):
    draw *= sum(weights)
    for name, weight in zip(names, weights):
        draw -= weight
        if draw < 0:
            return name
    return names[0]


def _faces(data, split, count, seed):
    """`count` faces of a split with their landmarks: yields (uint8 RGB [256, 256, 3], float [68, 2], file)."""
    with open(Path(data) / "faces" / "landmarks.csv") as table:
        rows = [row for row in csv.reader(table) if row[0].startswith(split + "/")]
    for index in np.random.default_rng(seed).permutation(len(rows))[:count]:
        file, *values = rows[index]
        picture = cv2.cvtColor(cv2.imread(str(Path(data) / "faces" / file)), cv2.COLOR_BGR2RGB)
        yield picture, np.array(values, float).reshape(68, 2), file


def _sheet(options):
    tiles = []
    for index, (face, points, _) in enumerate(_faces(options.data, "val", options.count, options.seed)):
        rng = np.random.default_rng([options.seed, index])
        masked = synthesise(face, points, rng, family=options.family, wear=options.wear, templates=Path(options.data) / "mask-templates")
        picture = photometric(masked.image, rng) if options.photometric else masked.image
        if options.outline:
            edges = cv2.morphologyEx(masked.region.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
            picture = np.where(edges[..., None] > 0, np.uint8([255, 0, 255]), picture)
        tiles.append(cv2.resize(picture, (200, 200), interpolation=cv2.INTER_AREA))
    columns = 8
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    sheet = np.vstack([np.hstack(tiles[row : row + columns]) for row in range(0, len(tiles), columns)])
    cv2.imwrite(options.out, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def _time(options):
    cv2.setNumThreads(1)
    points, face = EXAMPLE_LANDMARKS, np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    for family in TRAINED:
        _clock(f"synthesise {family}", lambda rng: synthesise(face, points, rng, family=family))
    _clock("synthesise", lambda rng: synthesise(face, points, rng))
    _clock("draw_region", lambda rng: draw_region(points, (256, 256), rng))
    _clock("photometric", lambda rng: photometric(face, rng))


def _clock(name, call):
    rng = np.random.default_rng(1)
    call(rng)
    start, repeats = time.process_time(), 100
    for _ in range(repeats):
        call(rng)
    print(f"{name:24s} {(time.process_time() - start) / repeats * 1e3:6.2f} ms")


def _example_landmarks():
    """A symmetric adult face in the 256 px crop, drawn from plain curves: for timing and tests without any data."""
    t = np.linspace(math.pi, 0, 17)
    jaw = np.stack([128 + 62 * np.cos(t), 122 + 88 * np.sin(t) ** 1.1], 1)
    brow = np.stack([np.linspace(76, 114, 5), 103 - 7 * np.sin(np.linspace(0.3, 2.6, 5))], 1)
    bridge = np.stack([np.full(4, 128.0), np.linspace(118, 156, 4)], 1)
    nostrils = np.stack([np.linspace(114, 142, 5), [162, 165, 167, 165, 162]], 1)
    ring = np.linspace(math.pi, -math.pi, 6, endpoint=False)
    eye = np.stack([11 * np.cos(ring), -4 * np.sin(ring)], 1)
    lip = np.linspace(math.pi, -math.pi, 12, endpoint=False)
    outer = np.stack([128 + 24 * np.cos(lip), 186 - 9 * np.sin(lip)], 1)
    inner = np.stack([128 + 16 * np.cos(lip[::12 // 8 or 1][:8]), 186 - 3 * np.sin(np.linspace(math.pi, -math.pi, 8, endpoint=False))], 1)
    return np.concatenate([jaw, brow, brow[::-1] * [-1, 1] + [256, 0], bridge, nostrils, eye + [98, 118], eye + [158, 118], outer, inner])


EXAMPLE_LANDMARKS = _example_landmarks()


def main():
    parser = argparse.ArgumentParser(description="Mask synthesis: contact sheet or timing.")
    commands = parser.add_subparsers(required=True)
    sheet = commands.add_parser("sheet")
    sheet.add_argument("--data", required=True)
    sheet.add_argument("--out", default="sheet.png")
    sheet.add_argument("--count", type=int, default=48)
    sheet.add_argument("--seed", type=int, default=0)
    sheet.add_argument("--family", choices=FAMILIES)
    sheet.add_argument("--wear", choices=WEARS)
    sheet.add_argument("--photometric", action="store_true")
    sheet.add_argument("--outline", action="store_true")
    sheet.set_defaults(run=_sheet)
    commands.add_parser("time").set_defaults(run=_time)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
