"""Readers, alignment and samples, on faces made up here."""

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import data


def made_up_faces(count: int = 8, seed: int = 0) -> data.Faces:
    """Smooth ovals with eyes and a mouth where the mean landmarks are: enough of a face for code, of nobody."""
    rng = np.random.default_rng(seed)
    images, landmarks = [], []
    for _ in range(count):
        back, skin, lips = rng.integers(30, 220, (3, 3))
        image = np.full((256, 256, 3), back, np.uint8)
        cv2.ellipse(image, (129, 140), (64, 88), 0, 0, 360, skin.tolist(), -1)
        for x in (98, 158):
            cv2.circle(image, (x, 118), 7, (20, 20, 30), -1)
        cv2.ellipse(image, (129, 185), (26, 8), 0, 0, 360, lips.tolist(), -1)
        images.append(cv2.GaussianBlur(image, (0, 0), 2))
        landmarks.append(data.MEAN_SHAPE)
    names = [f"{i}.jpg" for i in range(count)]
    return data.Faces(images, np.stack(landmarks), names, ["made-up"] * count, [""] * count)


def test_alignment_puts_the_eyes_where_the_contract_says():
    eyes = np.array([[40.0, 80.0], [90.0, 60.0]])
    matrix = data.alignment(eyes)
    moved = eyes @ matrix[:, :2].T + matrix[:, 2]
    assert np.allclose(moved, [[98, 118], [158, 118]])


def test_a_turned_head_is_scaled_by_its_box_not_by_its_narrow_eyes():
    eyes = np.array([[100.0, 100.0], [120.0, 100.0]])
    matrix = data.alignment(eyes, box_height=200)
    assert np.hypot(matrix[0, 0], matrix[0, 1]) == pytest.approx(60 / 72)


def test_completion_learns_from_turned_heads_and_is_measured_on_heads_as_they_are(monkeypatch):
    asked: list[float] = []
    turn = data.turn
    monkeypatch.setattr(data, "BORROW_SHARE", 0.0)  # one face a sample: a borrowed light comes from a second one
    monkeypatch.setattr(data, "turn", lambda image, landmarks, degrees: asked.append(degrees) or turn(image, landmarks, degrees))
    faces, rng = made_up_faces(2), np.random.default_rng(3)
    for _ in range(60):
        data.completion_sample(faces, rng, 128)
    assert 0.2 < len(asked) / 60 < 0.6 and 0 < min(asked) < 12 and 20 < max(asked) <= data.TURNING.turn
    asked.clear()
    plain = data.held_out_sample(faces, 0, 128)
    data.fit_subspace(faces, 4)
    assert not asked
    turned = data.held_out_sample(faces, 0, 128, turned=25)
    assert asked == [25]
    eyes = [[np.argmin(sample["image"][0, 57:61, half].mean(0)) for half in (slice(30, 64), slice(64, 98))] for sample in (plain, turned)]
    assert np.abs(np.subtract(*eyes)).max() <= 2  # px: the eyes lie where they belong


def test_samples_are_the_same_for_the_same_seed():
    faces = made_up_faces()
    first, second = (data.completion_sample(faces, np.random.default_rng(5), 128) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_another_lamp_lights_skin_smoothly_and_the_mask_has_no_say_in_it():
    image, ratios = np.full((256, 256, 3), 120, np.uint8), []
    for seed in range(40):
        lit = data.relight(image, np.random.default_rng(seed)).astype(float) / 120
        assert np.abs(np.diff(lit, axis=0)).max() < 0.04 and np.abs(np.diff(lit, axis=1)).max() < 0.04  # no edge
        ratios.append(lit[200, 128].mean() / lit[60, 128].mean())  # chin over brow
    assert 0.05 < np.std(np.log(ratios)) < 0.3 and abs(np.mean(np.log(ratios))) < 0.08


def test_a_face_takes_the_broad_light_of_another_and_keeps_its_detail():
    y, x = np.indices((256, 256))
    image = np.repeat((120 + 20 * ((x // 2 + y // 2) % 2))[..., None], 3, 2).astype(np.uint8)
    other = np.repeat(np.clip(60 + 0.6 * x, 0, 255)[..., None], 3, 2).astype(np.uint8)  # a lamp on the right
    other[:, :60] = 255  # a window behind

    def lit(share: float, place: int) -> float:
        return float(data.borrow_light(image, other, share)[110:150, place - 8 : place + 8].mean())

    assert data.borrow_light(image, other, 0.0) == pytest.approx(image.astype(int), abs=1)
    whole = data.borrow_light(image, other, 1.0).astype(float)
    for place in (100, 128, 156):
        assert lit(1.0, place) == pytest.approx(60 + 0.6 * place, abs=6)
        assert lit(0.5, place) == pytest.approx(np.sqrt(130 * (60 + 0.6 * place)), abs=6)
        checks = whole[110:150, place - 8 : place + 8, 0]
        assert checks.std() / checks.mean() == pytest.approx(10 / 130, rel=0.25)
    assert whole[:, :40].mean() < 140  # the window behind that other face is no light on this one's hair


def test_a_completion_sample_has_a_region_of_zeros_and_ones_on_the_lower_face():
    faces = made_up_faces()
    sample = data.completion_sample(faces, np.random.default_rng(1), 128)
    assert sample["image"].shape == (3, 128, 128) and sample["image"].dtype == np.uint8
    assert set(np.unique(sample["region"])) == {0, 1}
    assert 0.05 < sample["region"].mean() < 0.5
    assert sample["region"][0, 64:].sum() > sample["region"][0, :64].sum()


def test_a_softened_photo_keeps_its_size_and_colour_and_loses_its_detail():
    image, rng = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8), np.random.default_rng(4)
    for _ in range(8):
        soft = data.soften(image, rng)
        assert soft.shape == image.shape and soft.dtype == np.uint8
        assert np.allclose(soft.mean((0, 1)), image.mean((0, 1)), atol=2)
        assert soft.std() < 0.75 * image.std()


@pytest.mark.parametrize("seed", range(24))
def test_a_photo_that_ends_repeats_its_edge_and_keeps_the_eyes(seed):
    y, x = np.indices((256, 256))
    image = np.stack([x, y, (x + y) // 2], -1).astype(np.uint8)
    cut, mask = data.cut_off(np.random.default_rng(seed), image, np.ones((256, 256), np.uint8))
    changed = (cut != image).any(2)
    assert 0.005 < changed.mean() < 0.85 and mask.all()
    rows, columns = np.nonzero(changed)
    away = np.hypot(*(cut[rows, columns, :2].astype(float) - np.stack([columns, rows], 1)).T)
    nearest = cv2.distanceTransform(changed.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[rows, columns]
    assert np.abs(away - nearest).max() < 2  # the colour of the nearest pixel of the photo, as in a crop aligned from a smaller one
    for eye in data.EYES.astype(int):
        assert not changed[eye[1], eye[0]]


def test_photos_end_on_one_side_and_on_all():
    corners = np.zeros((256, 256), np.uint8)
    corners[:2], corners[-2:], corners[:, :2], corners[:, -2:] = 1, 2, 3, 4
    sides = [4 - len({1, 2, 3, 4} & set(np.unique(data.cut_off(np.random.default_rng(seed), corners)[0]))) for seed in range(60)]
    assert {1, 2, 3, 4} <= set(sides)


def test_what_a_region_hides_does_not_show_where_the_photo_has_ended(monkeypatch):
    hidden = np.indices((256, 256))[0] >= 140
    for name, value in {"CUT_SHARE": 1.0, "REMAINS_SHARE": 0.0, "SOFT_SHARE": 0.0}.items():
        monkeypatch.setattr(data, name, value)
    monkeypatch.setattr(data, "loosen", lambda region, rng: hidden)
    monkeypatch.setattr(data, "recolour", lambda image, rng: np.where(hidden[..., None], np.uint8([250] * 3), np.uint8([10] * 3)))
    for seed in range(12):
        sample = data.completion_sample(made_up_faces(1), np.random.default_rng(seed))
        assert np.array_equal(sample["image"][0] > 128, sample["region"][0] == 1)


def test_of_a_held_out_photo_that_ends_only_what_lies_in_it_counts():
    faces, beyond = made_up_faces(), 0
    for index in range(8):
        whole, cut = (data.held_out_sample(faces, index, cut=ends) for ends in (False, True))
        counts = cut["counts"] == 1
        assert np.array_equal(whole["counts"], whole["region"])
        assert counts.any() and (cut["region"] >= counts).all() and (whole["region"] >= counts).all()
        assert np.array_equal(cut["image"][:, counts[0]], whole["image"][:, counts[0]])
        beyond += (cut["region"] > counts).sum()
    assert beyond > 5000


def test_remains_of_a_mask_lie_just_outside_the_region_and_never_under_it():
    image, region = np.full((256, 256, 3), 90, np.uint8), np.zeros((256, 256), bool)
    region[140:210, 80:180] = True
    changed = [(data.leave_remains(image, region, np.random.default_rng(seed)) != image).any(2) for seed in range(20)]
    near = cv2.dilate(region.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    assert all(not (change & region).any() and not (change & ~near).any() for change in changed)
    assert sum(change.any() for change in changed) >= 18
    assert (image == 90).all()


def test_a_worn_sample_differs_from_the_truth_only_under_the_garment_and_its_shadow():
    sample = data.worn_sample(made_up_faces(), np.random.default_rng(2), 256, index=0)
    differs = (sample["image"].astype(int) - sample["truth"]).__abs__().max(0) > 40
    assert (differs & (sample["region"][0] == 0)).mean() < 0.01
    assert differs.mean() > 0.02


def test_some_segmenter_samples_hold_no_mask():
    rng, faces = np.random.default_rng(0), made_up_faces()
    empty = [data.mask_sample(faces, rng)["region"].sum() == 0 for _ in range(40)]
    assert 0 < sum(empty) < 30


@pytest.mark.parametrize("seed", range(8))
def test_a_blended_mask_comes_near_the_skin_above_it_and_nothing_else_changes(seed):
    face = np.full((256, 256, 3), (200, 150, 130), np.uint8)
    region = np.zeros((256, 256), bool)
    region[140:230, 70:190] = True
    face[region] = (30, 60, 220)
    face[region & (np.arange(256) % 8 == 0)] = (60, 90, 250)  # a pattern
    blended = data.blend_in(face, region, np.random.default_rng(seed))
    skin = np.array((200, 150, 130))
    before, after = (np.abs(image[region].mean(0) - skin).mean() for image in (face, blended))
    assert after < 0.6 * before
    assert blended[region].std(0).mean() > 5  # the pattern stays
    assert np.array_equal(blended[~region], face[~region])


def test_a_mask_with_no_face_above_it_is_left_as_it_is():
    face = np.full((256, 256, 3), 90, np.uint8)
    assert np.array_equal(data.blend_in(face, np.ones((256, 256), bool), np.random.default_rng(0)), face)


def test_a_source_in_the_table_gets_its_share_whatever_its_size():
    faces = made_up_faces(10)
    faces.sources[:] = ["aaf"] * 9 + ["other"]
    weights = faces.weights()
    assert weights[:9].sum() == pytest.approx(data.SOURCE_SHARES["aaf"])
    assert weights.sum() == pytest.approx(1)


def test_a_turned_head_is_drawn_more_often():
    faces = made_up_faces(4)
    for index, aside in enumerate((0, 0.14, 0.2, 0.3)):
        faces.landmarks[index, 30, 0] = faces.landmarks[index, [0, 16], 0] @ (0.5 - aside, 0.5 + aside)
    weights = faces.weights()
    assert weights / weights[0] == pytest.approx([1, 1, 2, data.TURNED_TIMES], rel=1e-3)
    assert weights.sum() == pytest.approx(1)


def test_a_pixel_the_region_touches_belongs_to_the_smaller_region():
    region = np.zeros((4, 4), bool)
    region[1, 2] = True
    assert data.region_to_size(region, 2).tolist() == [[False, True], [False, False]]


def test_the_subspace_explains_the_faces_it_was_fitted_on():
    faces = made_up_faces(12)
    fitted = data.fit_subspace(faces, components=8, draws=1)
    assert fitted["mean"].shape == fitted["precision"].shape == (1, 3072)
    assert fitted["basis"].shape == (3072, 8)
    assert torch.isfinite(fitted["basis"]).all() and (fitted["precision"] > 0).all()


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    """Three made-up photos in CelebA's layout, 178x218, one per published split."""
    (tmp_path / "img_align_celeba").mkdir()
    for number in (1, 2, 3):
        cv2.imwrite(str(tmp_path / "img_align_celeba" / f"00000{number}.jpg"), np.full((218, 178, 3), 60 * number, np.uint8))
    names = [f"00000{n}.jpg" for n in (1, 2, 3)]
    points = "69 109 106 113 77 142 73 152 108 154"
    (tmp_path / "list_landmarks_align_celeba.txt").write_text(
        "3\nlefteye_x lefteye_y ...\n" + "".join(f"{name}  {points}\n" for name in names)
    )
    (tmp_path / "identity_CelebA.txt").write_text("".join(f"{name} {100 + i}\n" for i, name in enumerate(names)))
    (tmp_path / "list_eval_partition.txt").write_text("".join(f"{name} {i}\n" for i, name in enumerate(names)))
    return tmp_path


def test_celeba_is_read_by_its_published_split_with_identities(celeba):
    for index, split in enumerate(("train", "val", "test")):
        faces = data.read_celeba(celeba, split)
        assert faces.names == [f"00000{index + 1}.jpg"]
        assert faces.identities == [str(100 + index)]
        assert faces.images[0].shape == (218, 178, 3)


def test_five_points_become_68_whose_eyes_are_the_given_eyes(celeba):
    eyes = data.eyes_of(data.read_celeba(celeba, "train").landmarks[0])
    assert np.allclose(eyes, [[69, 109], [106, 113]], atol=4)


def test_a_split_without_faces_is_an_error_that_says_so(tmp_path):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "index.csv").write_text("file,source,identity,split\n")
    with pytest.raises(ValueError, match="faces of split 'val'"):
        data.read_faces(tmp_path, "val")


def test_real_masked_faces_are_aligned_on_the_eyes_that_are_seen_and_else_by_their_box(tmp_path):
    photo = np.full((300, 300, 3), 120, np.uint8)
    for channel, eye in enumerate(np.array([[190, 110], [235, 130]])):  # rolled by 24 degrees
        cv2.circle(photo, eye.tolist(), 5, [255 * (i == channel) for i in range(3)], -1)
    (tmp_path / "masked").mkdir()
    cv2.imwrite(str(tmp_path / "masked" / "0.png"), photo[..., ::-1])
    row = "0.png,made-up,train,real,300,300,150,60,270,200"
    (tmp_path / "masked" / "index.csv").write_text(f"file,source,split,kind,width,height,face_xmin,face_ymin,face_xmax,face_ymax\n{row}\n")

    def dots(image: np.ndarray) -> np.ndarray:
        excess = [image[..., c].astype(int) - image[..., 1 - c] > 80 for c in (0, 1)]
        return np.array([[axis.mean() for axis in np.nonzero(mine)[::-1]] for mine in excess])

    def looking(presence: float) -> np.ndarray:
        (found,) = data.worn_photos(tmp_path, "train", lambda window: (dots(window).reshape(4), presence))
        assert found.image.shape == (256, 256, 3) and not found.inside.all() and found.inside[data.CROP // 2, data.CROP // 2]
        assert np.allclose(found.to_crop, data.alignment(dots(photo), 140), atol=1.5) == (presence > 0.5)
        return dots(found.image)

    assert looking(0.9) == pytest.approx(data.EYES, abs=1.5)
    guessed = looking(0.1)
    assert np.abs(guessed - data.EYES).max() > 8 and guessed[0, 1] < guessed[1, 1]  # still rolled


def test_large_masked_faces_of_scenes_are_learned_from_too(tmp_path, monkeypatch):
    photo = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    boxes = {
        "masked": ["file,split,kind,face_xmin,face_ymin,face_xmax,face_ymax", "a.png,train,real,60,50,160,180", "a.png,train,synthetic,9,9,99,99"],
        "scenes": [
            "file,xmin,ymin,xmax,ymax,label,split",
            "a.png,10,20,80,90,with_mask,train",
            "a.png,100,20,180,90,mask_worn_incorrectly,train",
            "a.png,100,120,180,190,without_mask,train",
            "a.png,10,120,80,179,with_mask,train",
            "a.png,10,20,80,90,with_mask,val",
        ],
    }
    for folder, rows in boxes.items():
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "a.png"), photo)
        (tmp_path / folder / {"masked": "index.csv", "scenes": "annotations.csv"}[folder]).write_text("\n".join(rows))

    def found(**how) -> list[tuple[str, float]]:
        return [(path.parent.name, box[0]) for path, box in data.worn_boxes(tmp_path, "train", **how)]

    assert found(scenes=False) == [("masked", 60)]
    assert found(scenes=True) == [("masked", 60), ("scenes", 10), ("scenes", 100)]
    some = np.arange(256) < 50
    monkeypatch.setattr(data, "weak_outline", lambda crop, _: (np.tile(some, (256, 1)), np.ones((256, 256), bool)))
    assert len(data.read_worn(tmp_path, "train", lambda window: (np.array([20.0, 20, 40, 20]), 0.9), lambda crop: crop[..., 0])) == 3
    (tmp_path / "scenes" / "annotations.csv").unlink()
    assert found(scenes=True) == [("masked", 60)]


def worn_face() -> tuple[np.ndarray, np.ndarray]:
    """A made-up face behind a plain blue mask. -> uint8 [256, 256, 3], bool [256, 256]"""
    faces = made_up_faces(1)
    image, garment = faces.images[0].copy(), np.zeros((256, 256), np.uint8)
    cv2.ellipse(garment, (128, 180), (55, 42), 0, 0, 360, 1, -1)
    image[garment > 0] = (90, 150, 220)
    return image, garment > 0


def test_a_mask_the_segmenter_missed_is_outlined_from_where_masks_always_are():
    image, garment = worn_face()
    outline, known = data.weak_outline(image, np.zeros((256, 256)))
    assert (outline & garment).sum() / (outline | garment).sum() > 0.9
    assert known[185, 128]
    assert not known[222, 128]  # on the edge itself


def test_where_segmenter_and_outline_disagree_nothing_is_known():
    image, _ = worn_face()
    probability = np.zeros((256, 256))
    probability[200:230, 10:40] = 0.8  # an alarm in the background
    outline, known = data.weak_outline(image, probability)
    assert not outline[215, 25] and not known[215, 25]


def test_skin_that_the_segmenter_took_for_mask_is_known_not_to_be():
    image, garment = worn_face()
    image[~garment] = (205, 160, 140)
    taken = garment.copy()
    taken[140:176, 176:196] = True  # a cheek between mask and ear
    outline, known = data.weak_outline(image, np.where(taken, 0.99, 0.01))
    cheek = taken & ~cv2.dilate(garment.astype(np.uint8), np.ones((9, 9))).astype(bool)
    assert cheek.sum() > 200
    assert (known & ~outline)[cheek].mean() > 0.9
    assert (outline & garment).sum() / (outline | garment).sum() > 0.9


def test_a_strap_that_the_segmenter_missed_is_not_known_to_be_skin():
    image, garment = worn_face()
    image[~garment] = (205, 160, 140)
    strap = cv2.line(np.zeros((256, 256), np.uint8), (188, 140), (220, 110), 1, 4) > 0
    image[strap] = (240, 240, 240)
    outline, known = data.weak_outline(image, np.where(garment, 0.99, 0.01))
    assert not (known & ~outline)[strap].any()
    beside = np.roll(strap, 30, 1)
    assert (known & ~outline)[beside].mean() > 0.9


def under_nose_face() -> tuple[np.ndarray, np.ndarray]:
    """A face of one colour of skin above a mask that begins at the upper lip. -> uint8 [256, 256, 3], bool [256, 256]"""
    image, garment = worn_face()
    below = garment & (np.arange(256)[:, None] > 162)
    image[~below] = (205, 160, 140)
    return image, below


def test_eyes_that_the_segmenter_took_for_mask_are_known_not_to_be():
    image, garment = under_nose_face()
    taken = garment | ((np.abs(np.arange(256) - 128) < 50) & (np.abs(np.arange(256)[:, None] - 136) < 28))  # brows to lip
    outline, known = data.weak_outline(image, np.where(taken, 0.99, 0.01))
    for x, y in data.EYES.astype(int):
        at = np.s_[y - 6 : y + 6, x - 9 : x + 9]
        assert known[at].all() and not outline[at].any()
    assert not (outline & known)[126:152, 90:166].any()  # nor does it learn that cheeks and nose are mask
    assert (outline & known)[190:205, 110:146].all()


def test_a_mask_of_the_colour_of_skin_is_no_skin():
    image, garment = worn_face()
    image[~garment], image[garment] = (205, 160, 140), (208, 164, 146)
    assert not data.plainly_skin(image[::2, ::2], garment[::2, ::2].astype(np.float32)).any()


def test_a_print_that_the_segmenter_missed_belongs_to_the_mask():
    image, garment = worn_face()
    printed = cv2.circle(np.zeros((256, 256), np.uint8), (150, 180), 12, 1, -1) > 0
    image[printed] = (240, 60, 60)
    outline, known = data.weak_outline(image, np.where(garment & ~printed, 0.99, 0.01))
    assert (outline & known)[printed].all()


def marked_photo(straps: list, ears: list, bare: list = ()) -> tuple[data.WornPhoto, dict]:
    inside = np.ones((256, 256), bool)
    inside[:, 226:] = False
    photo = data.WornPhoto("ab", np.zeros((256, 256, 3), np.uint8), inside, np.eye(2, 3))
    return photo, {name: [np.array(line, float) for line in lines] for name, lines in (("straps", straps), ("ears", ears), ("bare", bare))}


def test_a_marked_strap_is_mask_and_a_marked_ear_is_not():
    garment = np.zeros((256, 256), bool)
    garment[150:220, 80:180] = True
    known = np.ones((256, 256), bool)
    known[100:160, 178:] = False  # what nobody knew: strap, ear and cheek
    photo, outline = marked_photo([[[182, 150], [222, 110]]], [[[176, 120], [250, 120], [250, 158], [176, 158]]])
    marks = data.marks_of(outline, photo)
    outlined, counts = data.as_marked(garment, known, marks)
    strap = np.array([[x + y == 332 and 182 <= x <= 222 for x in range(256)] for y in range(256)])
    assert marks.straps[strap].all() and outlined[strap].all() and (counts[strap] == 1).all()
    beside = np.roll(strap, 4, 0) & ~garment
    assert not counts[beside].any() and not outlined[beside].any()  # how wide it is nobody said
    assert (counts[140:150, 205:220] == data.EAR_WEIGHT).all() and not outlined[140:150, 205:220].any()
    assert not counts[120:158, 230:].any()  # beyond the end of the photo nothing is seen
    assert not counts[152:158, 181:182].any()  # an ear at the fabric may be covered
    assert (outlined == garment)[160:].all() and (counts == known)[165:].all()


def test_what_is_marked_as_bare_is_no_mask_even_before_it():
    garment = np.zeros((256, 256), bool)
    garment[150:220, 80:180] = True
    photo, outline = marked_photo([], [], [[[100, 190], [130, 190], [130, 250], [100, 250]], [[200, 100], [250, 100], [250, 140], [200, 140]]])
    marks = data.marks_of(outline, photo)
    outlined, counts = data.as_marked(garment, np.ones_like(garment), marks)
    hand = np.s_[190:251, 100:131]
    assert marks.bare[hand].all() and not outlined[hand].any() and (counts[hand] == data.BARE_WEIGHT).all()
    assert not counts[190:220, 97:100].any() and not counts[187:190, 100:131].any()  # how far a hand goes on nobody said
    assert (counts[100:141, 200:226] == data.BARE_WEIGHT).all() and not marks.bare[:, 226:].any()  # beyond the end of the photo nothing is seen
    elsewhere = cv2.dilate(marks.bare.astype(np.uint8), np.ones((9, 9))) == 0
    assert (outlined == garment)[elsewhere].all() and (counts[elsewhere] == 1).all()


def test_a_strap_that_comes_near_no_fabric_of_this_face_is_a_neighbours():
    garment = np.zeros((256, 256), bool)
    garment[150:220, 80:180] = True
    photo, outline = marked_photo([[[182, 150], [222, 110]], [[10, 40], [40, 100]]], [])
    marks = data.marks_of(outline, photo)
    outlined, counts = data.as_marked(garment, np.ones_like(garment), marks)
    own, other = marks.straps[:, 128:], marks.straps[:, :128]
    assert own.sum() == 41 and other.sum() == 61
    assert outlined[:, 128:][own].all() and not outlined[:, :128][other].any() and not counts[:, :128][other].any()


def test_marks_are_found_by_the_photo_and_not_by_its_name(tmp_path, monkeypatch):
    marked = {"file": "train/1.jpg", "digest": "ab", "straps": [[10, 10, 40, 10]]}
    (tmp_path / "marks.json").write_text(json.dumps({"outlines": [marked]}))
    monkeypatch.setattr(data, "MARKS", tmp_path / "marks.json")
    photo, _ = marked_photo([], [])
    (_, first), (_, second) = data.read_marks(iter([photo, dataclasses.replace(photo, digest="cd")]))
    assert first.straps.sum() == 31 and not (first.ears | first.bare).any() and second is None
    away = np.array([[1.0, 0, 300], [0, 1, 0]])  # of another face in the same photo
    ((_, none),) = data.read_marks(iter([dataclasses.replace(photo, to_crop=away)]))
    assert none is None


def test_photos_with_marks_are_drawn_more_often():
    plain = np.zeros((256, 256), bool)
    worn = [data.Worn(np.full((256, 256, 3), 250 * (i == 7), np.uint8), plain, plain.astype(np.uint8), marked=i == 7) for i in range(20)]
    rng = np.random.default_rng(0)
    drawn = np.mean([data.worn_crop_sample(worn, rng, 64)["image"].mean() > 100 for _ in range(200)])
    assert drawn == pytest.approx(data.MARKED_SHARE + (1 - data.MARKED_SHARE) / 20, abs=0.1)


def test_real_crops_come_with_what_counts():
    image, garment = worn_face()
    counts = np.ones(garment.shape, np.uint8)
    counts[:, :100], counts[:60, 160:] = 0, data.EAR_WEIGHT
    sample = data.worn_crop_sample([data.Worn(image, garment, counts)], np.random.default_rng(0), 128)
    assert sample["image"].shape == (3, 128, 128)
    assert set(np.unique(sample["counts"])) == {0, 1, data.EAR_WEIGHT}
    assert 0.1 < (sample["counts"] > 0).mean() < 0.95
    assert sample["region"].sum() > 500
