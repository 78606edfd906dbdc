"""The measures and fills of evaluate.py, on tiny pictures. Needs no data folder.

    pytest test_evaluate.py
"""

import csv
import hashlib
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import evaluate
import masks


def two_pictures(height=48, width=64):
    rng = np.random.default_rng(0)
    one = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), np.uint8), (0, 0), 2)
    two = np.clip(one + rng.normal(0, 12, one.shape), 0, 255).astype(np.uint8)
    return one, two


def test_psnr_equals_scikit_image():
    one, two = two_pictures()
    assert evaluate.psnr(one, two) == pytest.approx(peak_signal_noise_ratio(one, two, data_range=255), abs=1e-9)


def test_ssim_equals_scikit_image_with_wangs_settings():
    one, two = two_pictures()
    theirs = structural_similarity(one, two, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, channel_axis=2)
    assert evaluate.ssim_map(one, two).mean() == pytest.approx(theirs, abs=1e-9)


def test_identical_pictures_are_perfect():
    one, _ = two_pictures()
    assert evaluate.psnr(one, one) == math.inf and evaluate.ssim_map(one, one).min() == pytest.approx(1)


def test_whole_and_region_psnr_differ_by_the_area_alone():
    truth, _ = two_pictures()
    region = np.zeros(truth.shape[:2], bool)
    region[10:30, 20:50] = True
    result = np.where(region[..., None], truth // 2, truth)
    assert evaluate.psnr(result, truth) == pytest.approx(evaluate.psnr(result, truth, region) - 10 * math.log10(region.mean()), abs=1e-9)


def test_equation_8_differs_from_psnr_by_the_size_alone():
    one, two = two_pictures(128, 128)
    assert evaluate.psnr_eq8(one, two) - evaluate.psnr(one, two) == pytest.approx(-5.99, abs=0.005)


def test_gradient_energy_of_a_ramp_by_hand():
    ramp = np.repeat(np.arange(0, 40, 4)[None, :, None], 5, 0).repeat(3, 2)  # [5, 10, 3], 4 levels a pixel
    region = np.zeros((5, 10), bool)
    region[1:3, 2:5] = True  # 2 rows x 2 horizontal pairs x 16; vertical pairs are flat
    assert evaluate.gradient_energy(ramp, region) == pytest.approx(4 * 16)


def test_blurring_lowers_the_gradient_energy():
    one, _ = two_pictures()
    region = np.ones(one.shape[:2], bool)
    assert evaluate.gradient_energy(cv2.GaussianBlur(one, (0, 0), 2), region) < 0.6 * evaluate.gradient_energy(one, region)


def test_harmonic_fill_continues_a_ramp_exactly():
    y, x = np.mgrid[:32, :40]
    ramp = np.stack([2 * x + 3 * y, 5 * x - y + 40, 0 * x + 9], -1).astype(float)
    region = np.zeros((32, 40), bool)
    region[6:20, 8:31] = True
    region[12:25, 15:18] = True
    broken = ramp.copy()
    broken[region] = 255
    assert np.abs(evaluate.harmonic_fill(broken, region) - ramp).max() < 1e-9


def test_harmonic_fill_reaches_the_edge_of_the_picture():
    flat = np.full((20, 20, 3), 77.0)
    region = np.zeros((20, 20), bool)
    region[12:, 3:] = True
    broken = np.where(region[..., None], 0, flat)
    assert np.abs(evaluate.harmonic_fill(broken, region) - flat).max() < 1e-9


def test_fills_leave_known_pixels_alone():
    one, _ = two_pictures()
    region = np.zeros(one.shape[:2], bool)
    region[15:30, 20:40] = True
    for fill in (evaluate.harmonic_fill, evaluate.telea_fill):
        assert np.array_equal(fill(one, region)[~region], one[~region])


def test_the_interval_holds_the_mean_and_narrows_with_more_faces():
    values = np.random.default_rng(1).normal(20, 2, 400)
    low, high = evaluate.bootstrap_interval(values)
    few = evaluate.bootstrap_interval(values[:40])
    assert low < values.mean() < high and high - low < few[1] - few[0]
    assert evaluate.bootstrap_interval(values) == (low, high)


def test_a_similarity_maps_its_two_points():
    source, target = np.array([[10.0, 20], [50, 35]]), np.array([[98.0, 118], [158, 118]])
    assert np.allclose(evaluate.move(source, evaluate.similarity(source, target)), target)


def test_a_roll_is_undone_by_the_eyes():
    points = masks.EXAMPLE_LANDMARKS
    turned = evaluate.move(points, cv2.getRotationMatrix2D((127.5, 127.5), 33, 1.0))
    back = evaluate.move(turned, evaluate.similarity(evaluate.eyes_of(turned), evaluate.CROP_EYES))
    straight = evaluate.move(points, evaluate.similarity(evaluate.eyes_of(points), evaluate.CROP_EYES))
    assert np.allclose(back, straight)


def test_mirrored_landmarks_keep_their_names():
    points = evaluate._mirrored(masks.EXAMPLE_LANDMARKS)
    assert np.abs(points[:17, 0] - masks.EXAMPLE_LANDMARKS[:17, 0]).max() < 3  # left jaw still first
    assert np.all(points[36:42, 0].mean() < points[42:48, 0].mean())
    assert np.allclose(evaluate._mirrored(points), masks.EXAMPLE_LANDMARKS)


@pytest.fixture
def data(tmp_path):
    """Three drawn heads in the layout of data/faces."""
    (tmp_path / "faces" / "test").mkdir(parents=True)
    lines, index = [], []
    for k in range(3):
        face = np.full((256, 256, 3), (140, 160, 190), np.uint8)
        cv2.ellipse(face, (128, 130), (62, 86), 0, 0, 360, (120 + 10 * k, 150, 200), -1)
        cv2.ellipse(face, (128, 186), (22, 8), 0, 0, 360, (80, 80, 160), -1)
        cv2.imwrite(str(tmp_path / "faces" / "test" / f"{k}.jpg"), face)
        lines.append([f"test/{k}.jpg", *masks.EXAMPLE_LANDMARKS.ravel().round(2)])
        index.append([f"test/{k}.jpg", "drawn", "", "test", 100])
    with open(tmp_path / "faces" / "landmarks.csv", "w", newline="") as table:
        csv.writer(table).writerows([["file"], *lines])
    with open(tmp_path / "faces" / "index.csv", "w", newline="") as table:
        csv.writer(table).writerows([["file", "source", "identity", "split", "iod_src"], *index])
    return tmp_path


@pytest.fixture
def judge(data, tmp_path, monkeypatch):
    """Puts a file like test-people.json about the three drawn heads in its place."""

    def put(split="test"):
        index = hashlib.sha256((data / "faces" / "index.csv").read_bytes()).hexdigest()
        people = {"split": split, "index": index, "child": ["test/0.jpg"], "older": ["test/2.jpg"], "glasses": ["test/2.jpg"], "beard": []}
        (tmp_path / "people.json").write_text(json.dumps(people))
        monkeypatch.setattr(evaluate, "PEOPLE", tmp_path / "people.json")

    return put


def test_how_people_look_is_told_of_the_folder_that_was_judged_alone(data, judge):
    assert evaluate.load_people(data) == {}  # this folder is not the one that test-people.json speaks of
    judge()
    people = evaluate.load_people(data)
    assert people["test/0.jpg"] == {"age": "child", "glasses": 0, "beard": 0}
    assert people["test/1.jpg"]["age"] == "adult" and people["test/2.jpg"] == {"age": "older", "glasses": 1, "beard": 0}
    judge(split="val")
    assert evaluate.load_people(data) == {}


def test_what_was_judged_by_eye_survives_its_file(data, tmp_path, judge):
    judge()
    records = evaluate.evaluate_case("I", data, ["harmonic"], {}, None, {}, None, tmp_path / "sheet.png")
    evaluate._save(tmp_path, records)
    again = evaluate._load(tmp_path)
    assert [(record["age"], record["glasses"]) for record in again] == [("child", 0), ("adult", 0), ("older", 1)]


def test_groups_speak_of_age_glasses_and_mouth(data, judge):
    judge()
    facts = [sample.facts for _, sample in evaluate.samples(data, "I")]
    assert [fact["age"] for fact in facts] == ["child", "adult", "older"] and [fact["glasses"] for fact in facts] == [0, 0, 1]
    points = masks.EXAMPLE_LANDMARKS.copy()
    points[61:64], points[65:68] = points[61:64] * 0 + (128, 180), points[65:68] * 0 + (128, 192)  # 12 px apart
    eyes = evaluate.eyes_of(points)
    assert evaluate._looks(np.zeros((256, 256, 3), np.uint8), points)["mouth"] == pytest.approx(12 / np.linalg.norm(eyes[1] - eyes[0]), abs=1e-3)
    belong = {group: [fact["file"] for fact in facts if belongs(fact)] for group, belongs in evaluate._GROUPS.items()}
    assert belong["glasses"] == belong["older (from about 60, by eye)"] == ["test/2.jpg"]
    assert belong["beard, moustache or stubble"] == [] and len(belong["all"]) == 3


@pytest.mark.parametrize("case", ["I", "I-celeba", "II", "III-15", "IV"])
def test_a_case_measures_every_row_of_every_face(data, tmp_path, case):
    records = evaluate.evaluate_case(case, data, ["masked", "harmonic"], {}, None, {}, None, tmp_path / "sheet.png")
    assert [record["row"] for record in records] == ["masked", "harmonic"] * 3
    assert all(0.05 < record["area"] < 0.5 for record in records)
    assert np.mean([r["regionPsnr"] for r in records if r["row"] == "harmonic"]) > np.mean([r["regionPsnr"] for r in records if r["row"] == "masked"])
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    assert f"## Case {case}" in evaluate.summarise(records)


def test_the_same_mask_is_worn_in_cases_one_three_and_four(data):
    face = next(evaluate.load_faces(data, "test"))
    one, three, four = (evaluate.make_sample(face, case, None) for case in ("I", "III-25", "IV"))
    assert np.array_equal(one.region, three.region) and np.array_equal(one.region, four.region)
    assert np.array_equal(one.photo[~one.region], four.photo[~one.region])
    assert np.std(three.photo.astype(float) - one.photo) == pytest.approx(25, rel=0.15)


def test_a_photo_is_the_same_however_many_faces_a_run_takes(data):
    every = {face.file: sample.photo for face, sample in evaluate.samples(data, "II")}
    few = {face.file: sample.photo for face, sample in evaluate.samples(data, "II", 2)}
    assert len(every) == 3 and len(few) == 2
    assert all(np.array_equal(photo, every[file]) for file, photo in few.items())


def test_the_hand_drawn_outlines_are_sound():
    outlines = evaluate.load_outlines(Path(evaluate.__file__).parent / "real-outlines.json")
    assert len({outline["file"] for outline in outlines}) == len(outlines) >= 60
    for outline in outlines:
        to_crop = evaluate.similarity(outline["eyes"], evaluate.CROP_EYES)
        drawn = np.zeros((evaluate.CROP, evaluate.CROP), np.uint8)
        for polygon in outline["polygons"]:
            cv2.fillPoly(drawn, [np.round(evaluate.move(polygon, to_crop)).astype(np.int32)], 1)
        rows, columns = np.nonzero(drawn)
        assert 0.04 < drawn.mean() < 0.4, outline["file"]
        near = cv2.dilate(drawn.astype(np.uint8), np.ones((17, 17)))
        for strap in outline["straps"]:
            ends = np.clip(np.round(evaluate.move(strap, to_crop)).astype(int), 0, 255)
            assert near[ends[:, 1], ends[:, 0]].any(), outline["file"]  # it begins at the mask
        assert 125 < rows.mean() < 215 and 85 < columns.mean() < 171, outline["file"]
        for ear in outline["ears"]:
            (x, y), (width, height) = evaluate.move(ear, to_crop).mean(0), np.ptp(evaluate.move(ear, to_crop), 0)
            assert (x < 80 or x > 175) and 90 < y < 180 and 6 < width < 30 and 14 < height < 50, outline["file"]
    assert sum(len(outline["ears"]) for outline in outlines) == 27


def test_what_is_erased_beyond_a_real_mask_is_counted_in_areas_of_the_fabric(tmp_path, monkeypatch):
    (tmp_path / "masked").mkdir()
    cv2.imwrite(str(tmp_path / "masked" / "a.png"), np.full((256, 256, 3), 90, np.uint8))
    outline = {"file": "a.png", "eyes": [*map(float, evaluate.CROP_EYES.ravel())], "polygons": [[90, 150, 169, 150, 169, 199, 90, 199]], "ears": [[20, 100, 39, 100, 39, 139, 20, 139]]}
    (tmp_path / "outlines.json").write_text(json.dumps({"outlines": [outline]}))
    region = np.zeros((256, 256), bool)
    region[147:203, 87:173] = True  # 3 px more than the fabric on every side
    region[220:240, 100:130] = region[100:140, 20:40] = True  # a collar, and the ear
    monkeypatch.setattr(evaluate, "run_unmasker", lambda session, crop: (crop, region, region.astype(float)))
    (record,) = evaluate.evaluate_real(tmp_path, {"ours": None}, tmp_path / "outlines.json", tmp_path / "sheet.png")
    assert record["earsErased"] == 1 and record["leftOver"] == 0
    assert record["beyondErased"] == 20 * 30 / (80 * 50)
    assert "| 15.0% |" in evaluate.summarise([record])


def test_an_earlier_run_is_read_back_as_it_was_written(data, tmp_path):
    records = evaluate.evaluate_case("I", data, ["masked", "harmonic"], {}, None, {}, None, tmp_path / "sheet.png")
    evaluate._save(tmp_path, records)
    again = evaluate._load(tmp_path)
    assert [record["row"] for record in again] == [record["row"] for record in records]
    assert again[1]["regionPsnr"] == pytest.approx(records[1]["regionPsnr"])
    bases = {record["file"]: record["regionPsnr"] for record in again if record["row"] == "harmonic"}
    alone = evaluate.evaluate_case("I", data, ["telea"], {}, None, {}, None, tmp_path / "sheet.png", bases)
    assert alone[0]["aboveHarmonic"] == pytest.approx(alone[0]["regionPsnr"] - records[1]["regionPsnr"])
