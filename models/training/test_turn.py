"""Turned heads, on a head made up here: green before blue, its columns told by their red."""

import cv2
import numpy as np
import pytest

from data import eyes_of
from turn import DEPTH, FOLLOWS, HEAD, MEAN_SHAPE, MIDDLE, silhouette, turn

COLUMNS = np.broadcast_to(np.arange(256, dtype=np.uint8), (256, 256))
HEAD_ON_PHOTO = silhouette(HEAD + [*MIDDLE, 0], 256, 256)
PHOTO = np.stack([COLUMNS, np.where(HEAD_ON_PHOTO, 255, 0), np.where(HEAD_ON_PHOTO, 0, 255)], -1).astype(np.uint8)


def facing(side: int) -> np.ndarray:
    """Mean landmarks, the tip of the nose 3 px beside the middle."""
    return (MEAN_SHAPE + [3 * side, 0] * (np.arange(68) == 30)[:, None]).astype(np.float32)


def at(image: np.ndarray, points: np.ndarray, across: float = 0.0) -> np.ndarray:
    x, y = (points + [across, 0]).round().astype(int).T
    return image[y, x].astype(float)


def nose_place(points: np.ndarray) -> float:
    """0 where the face ends on the image's left, 1 at the other end."""
    left, right = points[:17, 0].min(), points[:17, 0].max()
    return float((points[30, 0] - left) / (right - left))


@pytest.mark.parametrize("degrees", [10, 30])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_head_is_turned_further_to_the_side_it_faces(side, degrees):
    before = facing(side)
    photo = np.stack([COLUMNS, COLUMNS.T, 255 - COLUMNS], -1)
    turned, points = turn(photo, before, degrees)
    assert np.array_equal(turned[..., 1], photo[..., 1])  # rows stay
    inner = [point for point in range(17, 68) if point != (26 if side > 0 else 17)]  # the end of the far brow and the far jaw come to be hidden
    assert np.abs(at(turned, points[inner])[:, 0] - before[inner, 0]).max() < 2.5  # every landmark lies on the pixel it lay on before
    assert side * (nose_place(points) - nose_place(before)) == pytest.approx(0.013 * degrees, rel=0.1)
    aside = side * (points[30, 0] - points[27, 0])  # of the bridge, which lies 20 mm deeper
    assert aside == pytest.approx((DEPTH[30] - DEPTH[27]) * 60 / 63 * np.sin(np.deg2rad(degrees)) + 3 * np.cos(np.deg2rad(degrees)), abs=2)
    apart = [np.subtract(*eyes_of(p)[::-1])[0] for p in (before, points)]
    assert apart[1] == pytest.approx(apart[0] * np.cos(np.deg2rad(degrees)), rel=0.02)


def test_a_head_turned_by_nothing_stays_as_it_is():
    turned, points = turn(PHOTO, facing(1), 0.0)
    assert np.abs(turned.astype(int) - PHOTO).max() <= 1
    assert np.abs(points - facing(1)).max() < 1e-3


@pytest.mark.parametrize("side", [-1, 1])
def test_what_lies_behind_something_nearer_is_hidden(side):
    photo = PHOTO.copy()
    ears = [(MEAN_SHAPE[16] - [4, 0]).round().astype(int), (MEAN_SHAPE[0] + [4, 0]).round().astype(int)]
    for ear, colour in zip(ears, ((255, 255, 255), (0, 0, 0)) if side > 0 else ((0, 0, 0), (255, 255, 255))):
        cv2.circle(photo, ear.tolist(), 5, colour, -1)  # white on the far side, black on the near one
    turned, _ = turn(photo, facing(side), 40)
    white, black = (turned.min(-1) > 200).sum(), (turned.max(-1) < 30).sum()
    assert (photo.min(-1) > 200).sum() > 50 and white == 0 and black > 30


@pytest.mark.parametrize("degrees", [15, 40])
def test_the_far_half_of_the_jaw_is_where_the_face_is_seen_to_end(degrees):
    turned, points = turn(PHOTO, facing(1), degrees)
    far = points[10:15]
    inside, beyond = at(turned, far, -3), at(turned, far, 12)
    assert (inside[:, 1] > 200).all() and (beyond[:, 2] > 200).all()


def test_the_photo_far_from_the_head_stays_and_what_is_beside_it_follows_without_gaps():
    turned, _ = turn(PHOTO, facing(1), 40)
    far = cv2.distanceTransform(1 - HEAD_ON_PHOTO.astype(np.uint8), cv2.DIST_L2, 5) > FOLLOWS
    assert far.sum() > 300 and np.array_equal(turned[far], PHOTO[far])
    beside = turned[150, :, 2] > 250  # the background of one row, left and right of the head
    for part in (beside & (COLUMNS[0] < 100), beside & (COLUMNS[0] > 150)):
        steps = np.diff(turned[150, part, 0].astype(int))
        assert part.sum() > 20 and steps.min() >= 0 and steps.max() <= 3
