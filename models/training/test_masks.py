"""Properties of the mask synthesis. Needs no data folder; the template tests skip where UNMASK_DATA is not set.

    pytest test_masks.py
    UNMASK_DATA=../../../shared/data pytest test_masks.py
"""

import os
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

import data
import masks

DATA = Path(os.environ.get("UNMASK_DATA", "/nonexistent"))
DRAWN = [family for family in masks.FAMILIES if family != "template"]
needs_templates = pytest.mark.skipif(not (DATA / "mask-templates").is_dir(), reason="UNMASK_DATA does not name a data folder: mask templates are not tested")


@lru_cache
def a_face(seed=0, size=256):
    """Skin-like noise: no two pixels of two seeds agree, so anything that shines through is seen."""
    rng = np.random.default_rng(seed)
    face = np.clip(rng.normal((190, 150, 130), 25, (size, size, 3)), 0, 255).astype(np.uint8)
    face.flags.writeable = False
    return face


def moved(points, scale=1.0, turn=0.0, shift=(0, 0)):
    c, s = np.cos(np.radians(turn)) * scale, np.sin(np.radians(turn)) * scale
    return (points - 128) @ np.array([[c, s], [-s, c]]) + np.array(shift) + 128


def templates():
    return DATA / "mask-templates"


@pytest.mark.parametrize("family", DRAWN)
@pytest.mark.parametrize("seed", range(3))
def test_fabric_hides_the_face_completely(family, seed):
    assert_hides(lambda face: masks.synthesise(face, masks.EXAMPLE_LANDMARKS, np.random.default_rng(seed), family))


@pytest.mark.parametrize("family", DRAWN)
def test_the_same_seed_draws_the_same_mask(family):
    one, two = (masks.synthesise(a_face(), masks.EXAMPLE_LANDMARKS, np.random.default_rng(9), family) for _ in range(2))
    assert np.array_equal(one.image, two.image) and np.array_equal(one.region, two.region)


def test_another_seed_draws_another_mask():
    one, two = (masks.synthesise(a_face(), masks.EXAMPLE_LANDMARKS, np.random.default_rng(seed), "cloth") for seed in (1, 2))
    assert not np.array_equal(one.region, two.region)


def test_a_short_mask_bares_the_near_cheek_of_a_turned_head_and_its_straps_cross_it():
    _, points = data.turn(np.asarray(a_face()), masks.EXAMPLE_LANDMARKS, 30)
    assert points[30, 0] > points[[0, 16], 0].mean() + 20  # px, turned to the right: the near cheek is on the left

    def left_ends(short):
        drawn = [masks.synthesise(a_face(), points, np.random.default_rng(seed), "surgical", "full", short=short) for seed in range(20)]
        fabric = [cv2.morphologyEx(one.fabric.astype(np.uint8), cv2.MORPH_OPEN, np.ones((9, 9))) > 0 for one in drawn]
        return [np.mean([np.nonzero(shape.any(0))[0][0] for shape in shapes]) for shapes in (fabric, [one.region for one in drawn])]

    (fabric, region), (short_fabric, short_region) = left_ends(False), left_ends(True)
    assert short_fabric > fabric + 8 and short_region < region - 2  # px: the fabric ends sooner, its straps go farther


def test_some_straps_of_short_masks_end_before_the_ear(monkeypatch):
    def reached(share):  # px, from the mask's corner to where the upper strap ends
        monkeypatch.setattr(masks, "HIDDEN_SHARE", share)
        outlines = [masks._outline(masks.EXAMPLE_LANDMARKS, "surgical", "full", np.random.default_rng(seed), short=True) for seed in range(30)]
        return np.array([np.hypot(*(points[-1] - points[0])) for outline in outlines for points, _ in outline.straps[:1]])

    drawn, never, always = (reached(share) for share in (masks.HIDDEN_SHARE, 0.0, 1.0))
    assert 0.4 < always.mean() / never.mean() < 0.8
    assert always.mean() + 2 < drawn.mean() < never.mean() - 1


@pytest.mark.parametrize("family", DRAWN)
@pytest.mark.parametrize("seed", range(2))
def test_outside_the_region_only_a_shadow_falls(family, seed):
    face = a_face(2)
    worn = masks.synthesise(face, masks.EXAMPLE_LANDMARKS, np.random.default_rng(seed), family)
    before, after = face[~worn.region].astype(int), worn.image[~worn.region].astype(int)
    assert np.all(after <= before)  # never lighter
    assert np.all(after >= before * 0.45 - 1)  # never opaque
    hue = (after + 1) / (before + 1)
    assert np.abs(hue - hue.mean(1, keepdims=True)).max() < 0.03  # a shadow has no colour of its own


def test_far_from_the_mask_nothing_changes():
    face = a_face(3)
    worn = masks.synthesise(face, masks.EXAMPLE_LANDMARKS, np.random.default_rng(0), "surgical")
    far = cv2.dilate(worn.region.astype(np.uint8), np.ones((61, 61), np.uint8)) == 0
    assert far.any() and np.array_equal(worn.image[far], face[far])


def test_the_face_is_not_written_to():
    face = a_face()
    before = face.copy()
    masks.synthesise(face, masks.EXAMPLE_LANDMARKS, np.random.default_rng(0))
    masks.photometric(face, np.random.default_rng(0))
    masks.distract(face, masks.EXAMPLE_LANDMARKS, np.random.default_rng(0))
    assert np.array_equal(face, before)


def test_held_out_families_are_never_drawn_by_default():
    rng = np.random.default_rng(0)
    drawn = {masks.synthesise(a_face(), masks.EXAMPLE_LANDMARKS, rng).family for _ in range(60)}
    assert drawn == set(masks.TRAINED)
    assert drawn.isdisjoint(masks.HELD_OUT) and len(masks.HELD_OUT) == 2


@pytest.mark.parametrize("seed", range(6))
def test_a_full_mask_covers_the_mouth_and_leaves_the_eyes(seed):
    points = masks.EXAMPLE_LANDMARKS
    for family in masks.TRAINED:
        region = masks.synthesise(a_face(), points, np.random.default_rng(seed), family, "full").region
        assert all(region[int(y), int(x)] for x, y in points[48:68])
        assert not any(region[int(y), int(x)] for x, y in points[36:48])


def test_under_the_nose_the_nose_stays_free_and_chin_out_the_chin():
    points = masks.EXAMPLE_LANDMARKS
    for seed in range(8):
        nose = masks.synthesise(a_face(), points, np.random.default_rng(seed), "surgical", "under-nose").region
        chin = masks.synthesise(a_face(), points, np.random.default_rng(seed), "surgical", "chin-out").region
        assert not nose[int(points[30][1]), int(points[30][0])] and nose[186, 128]
        assert not chin[int(points[8][1]) - 2, int(points[8][0])] and chin[186, 128]


def test_a_mask_grows_with_the_face():
    small, large = masks.EXAMPLE_LANDMARKS / 2, masks.EXAMPLE_LANDMARKS * 2
    areas = [masks.synthesise(a_face(size=size), points, np.random.default_rng(3), "cloth", "full").region.mean() for size, points in ((128, small), (256, masks.EXAMPLE_LANDMARKS), (512, large))]
    assert np.allclose(areas, areas[1], rtol=0.15)


def test_a_tilted_head_wears_a_tilted_mask():
    points = masks.EXAMPLE_LANDMARKS
    upright = masks.synthesise(a_face(), points, np.random.default_rng(5), "plain", "full").region
    tilted = masks.synthesise(a_face(), moved(points, turn=30), np.random.default_rng(5), "plain", "full").region
    expected = cv2.warpAffine(upright.astype(np.uint8), cv2.getRotationMatrix2D((128, 128), -30, 1), (256, 256)) > 0
    assert (tilted & expected).sum() / (tilted | expected).sum() > 0.9


@pytest.mark.parametrize("shift", [(-300, 0), (150, 0), (0, 160), (0, -400), (5000, 5000)])
def test_a_face_that_leaves_the_picture_is_no_error(shift):
    for seed in range(6):
        worn = masks.synthesise(a_face(), moved(masks.EXAMPLE_LANDMARKS, shift=shift), np.random.default_rng(seed))
        assert worn.image.shape == (256, 256, 3) and worn.region.shape == (256, 256)


def test_regions_without_painting_look_like_painted_ones():
    rng = np.random.default_rng(0)
    drawn = [masks.draw_region(masks.EXAMPLE_LANDMARKS, (256, 256), rng).mean() for _ in range(60)]
    painted = [masks.synthesise(a_face(), masks.EXAMPLE_LANDMARKS, rng).region.mean() for _ in range(60)]
    assert abs(np.mean(drawn) - np.mean(painted)) < 0.025


@pytest.mark.parametrize("kind", masks.DISTRACTORS)
def test_a_distractor_changes_what_it_covers(kind):
    face = a_face(4)
    changed = masks.distract(face, masks.EXAMPLE_LANDMARKS, np.random.default_rng(1), kind)
    assert changed.kind == kind and changed.covered.any()
    assert np.abs(changed.image[changed.covered].astype(int) - face[changed.covered]).mean() > 3


def test_photometric_keeps_shape_and_type_and_is_seeded():
    face = cv2.GaussianBlur(a_face(), (0, 0), 3)
    for seed in range(20):
        one, two = (masks.photometric(face, np.random.default_rng(seed)) for _ in range(2))
        assert one.shape == face.shape and one.dtype == np.uint8 and np.array_equal(one, two)
    assert np.array_equal(masks.photometric(face, np.random.default_rng(0), strength=0), face)


@pytest.mark.parametrize("wrong", [dict(family="veil"), dict(wear="upside-down")])
def test_unknown_words_are_refused(wrong):
    with pytest.raises(ValueError, match="Expected one of"):
        masks.synthesise(a_face(), masks.EXAMPLE_LANDMARKS, np.random.default_rng(0), **wrong)


def test_templates_need_their_folder():
    with pytest.raises(ValueError, match="folder"):
        masks.synthesise(a_face(), masks.EXAMPLE_LANDMARKS, np.random.default_rng(0), "template")


@pytest.mark.parametrize("family", ["plain", "surgical", "respirator"])
def test_fabric_lets_at_most_half_of_the_face_through_and_the_rim_more(family):
    face = a_face(1).astype(int)

    def put_on(picture):
        return masks.synthesise(picture.clip(0, 255).astype(np.uint8), masks.EXAMPLE_LANDMARKS, np.random.default_rng(4), family)

    worn = put_on(face)
    rim = worn.region & ~worn.fabric
    brighter = put_on(face + 40 * worn.region[..., None])
    passed = (brighter.image.astype(int) - worn.image)[..., 1] / 40
    assert worn.fabric.sum() > 5 * rim.sum() > 0
    assert passed[worn.fabric].max() <= 0.55
    assert passed[rim].mean() > 0.4 > 2 * passed[worn.fabric & ~worn.solid].mean() > 0


@needs_templates
@pytest.mark.parametrize("seed", range(6))
def test_photographed_masks_hide_the_face_too(seed):
    worn = assert_hides(lambda face: masks.synthesise(face, masks.EXAMPLE_LANDMARKS, np.random.default_rng(seed), "template", templates=templates()))
    assert all(worn.region[int(y), int(x)] for x, y in masks.EXAMPLE_LANDMARKS[60:68])


def assert_hides(put_on):
    """Negating the face under the fabric changes no pixel there, and all of the region but its rim is fabric."""
    face = a_face(1)
    worn = put_on(face)
    other = np.where(worn.solid[..., None], 255 - face, face)
    assert np.array_equal(put_on(other).image[worn.solid], worn.image[worn.solid])
    assert worn.solid.sum() > 0.75 * worn.region.sum() > 1000 and not np.any(worn.solid & ~worn.fabric) and not np.any(worn.fabric & ~worn.region)
    return worn
