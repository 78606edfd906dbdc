"""Tests of the mask detector. No data folder needed; about 30 s on one core."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import dataclasses
import math

import numpy as np
import pytest
import torch

import thaw
from detect_data import Face, NOTHING, Photo, Picture, Studio, batch_of, face_from_landmarks, letterbox, mirror, move_face, similarity, warp, within
from evaluate_detector import Found, area_under_curve, calibrated_temperature, match, precision_area, remembering, roll_degrees, suppress
from export_detector import export, ramp, run
from masks import EXAMPLE_LANDMARKS
from network import Detector, DetectorConfig, ExportedDetector
from train_detector import BACKGROUND, IGNORED, TrainConfig, assign, detector_loss, tensor_of

SMALL = DetectorConfig(stem=(8, 16), widths=(24, 32), blocks=(1, 1), neck=24, head=1)
UPRIGHT = Face(np.array([40.0, 30.0, 80.0, 80.0]), np.array([50.0, 45.0, 70.0, 45.0]), 0.0)


def row(box, eyes=NOTHING, masked=1.0, ignored=0.0):
    return [*box, *eyes, masked, ignored]


def test_a_small_face_is_asked_of_the_nearest_cell_and_no_other():
    owners = assign(torch.tensor([row((4, 4, 18, 18))]), 32, (8, 16))
    fine = owners[:16].reshape(4, 4)
    assert (fine >= 0).nonzero().tolist() == [[1, 1]]  # centre (11, 11): the cell centred at (11.5, 11.5)
    assert (owners[16:] == BACKGROUND).all()


def test_of_two_faces_at_one_cell_the_smaller_wins():
    owners = assign(torch.tensor([row((0, 0, 31, 31)), row((6, 6, 17, 17))]), 32, (8,)).reshape(4, 4)
    assert owners[1, 1] == 1
    assert owners[1, 2] == 0 and owners[2, 2] == 0


def test_a_face_in_the_overlap_of_two_reaches_is_asked_of_both_levels():
    owners = assign(torch.tensor([row((14, 14, 49, 49))]), 64, (8, 16))
    assert (owners[:64] == 0).any() and (owners[64:] == 0).any()


def test_nothing_is_asked_inside_an_ignored_face():
    owners = assign(torch.tensor([row((0, 0, 16, 16), ignored=1.0)]), 32, (8,)).reshape(4, 4)
    assert (owners[:2, :2] == IGNORED).all()
    assert (owners[2:] == BACKGROUND).all()


def test_a_cell_says_offsets_in_strides_and_log_half_sizes():
    raw = torch.zeros(1, 10, 2, 2)
    raw[0, :, 0, 1] = torch.tensor([0.5, -0.25, math.log(2), 0.0, -0.5, 0, 0.5, 0.25, 3.0, -2.0])
    told = Detector._decode(raw, 8)
    # cell 1 is centred at (11.5, 3.5): centre (15.5, 1.5), half sizes 16 and 8, eyes 16 px per unit
    assert told.boxes[0, 1].tolist() == pytest.approx([-0.5, -6.5, 31.5, 9.5])
    assert told.eyes[0, 1].tolist() == pytest.approx([3.5, 3.5, 19.5, 7.5])
    assert told.face_logits[0, 1] == 3 and told.mask_logits[0, 1] == -2
    assert told.boxes[0, 0].tolist() == pytest.approx([-4.5, -4.5, 11.5, 11.5])


@pytest.mark.parametrize("roll", [0, 45, 90, -90, 135, 179])
def test_the_persons_right_eye_stays_first_under_rotation(roll):
    assert roll_degrees(move_face(UPRIGHT, similarity(1.5, roll, (60, 50), (100, 100))).eyes) == pytest.approx(roll)


def test_a_turned_by_180_degrees_face_has_its_right_eye_on_the_right_of_the_picture():
    turned = move_face(UPRIGHT, similarity(1, 180, (60, 55), (60, 55)))
    assert turned.eyes.tolist() == pytest.approx([70, 65, 50, 65])
    assert turned.box.tolist() == pytest.approx([40, 30, 80, 80])


def test_a_quarter_turn_swaps_the_sides_of_the_box():
    box = move_face(UPRIGHT, similarity(1, 90, (60, 55), (60, 55))).box
    assert box.tolist() == pytest.approx([35, 35, 85, 75])


def test_the_mirror_keeps_the_right_eye_first_and_pixels_with_labels():
    raster = np.zeros((100, 120, 3), np.uint8)
    raster[45, 50] = 255
    flipped = mirror(Picture(raster, (UPRIGHT,)))
    assert flipped.faces[0].eyes.tolist() == [49, 45, 69, 45]
    assert flipped.raster[45, 69].tolist() == [255, 255, 255]
    assert flipped.faces[0].box.tolist() == [39, 30, 79, 80]


def test_a_warp_moves_pixels_as_it_moves_points():
    raster = np.zeros((400, 400, 3), np.uint8)
    raster[198:203, 98:103] = 255
    matrix = similarity(0.25, 30, (100, 200), (40, 50))
    small = warp(raster, matrix, 100, value=(0, 0, 0))
    ys, xs = np.mgrid[0:100, 0:100]
    weight = small[..., 0] / small[..., 0].sum(dtype=float)
    assert ((xs * weight).sum(), (ys * weight).sum()) == pytest.approx((40, 50), abs=0.15)


def test_a_face_mostly_outside_the_frame_is_ignored_and_its_eyes_unknown():
    seen = within(move_face(UPRIGHT, similarity(1, 0, (0, 0), (-65, 0))), 100)
    assert seen.ignored and np.isnan(seen.eyes).all()
    assert seen.box[0] == 0


def test_the_box_runs_from_above_the_brows_to_the_chin():
    face = face_from_landmarks(EXAMPLE_LANDMARKS)
    assert face.box[1] < EXAMPLE_LANDMARKS[17:27, 1].min()
    assert face.box[3] == EXAMPLE_LANDMARKS[:17, 1].max()
    assert face.eyes[0] < face.eyes[2]


def test_the_letterbox_is_top_left_grey_and_never_enlarges_beyond_four():
    box, scale = letterbox(np.full((50, 100, 3), 9, np.uint8))
    assert scale == 4 and (box[:200, :400] == 9).all() and (box[200:] == 128).all() and (box[:, 400:] == 128).all()
    assert letterbox(np.zeros((1280, 320, 3), np.uint8))[1] == 0.5


def test_only_the_best_of_overlapping_boxes_is_kept():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]], float)
    assert suppress(boxes, np.array([0.6, 0.9, 0.5]), 0.4).tolist() == [1, 2]


def test_a_remembered_photo_is_looked_at_once_and_cut_at_the_threshold_asked_for():
    looked = []

    def localise(raster, threshold):
        looked.append(threshold)
        return Found(np.zeros((2, 4)), np.zeros((2, 4)), np.array([0.9, 0.3]), np.zeros(2))

    memory, raster = remembering(localise), np.zeros((4, 4, 3), np.uint8)
    assert len(memory(raster, 0.5).scores) == 1 and len(memory(raster, 0.1).scores) == 2
    assert len(looked) == 1


def test_average_precision_of_right_wrong_right_takes_precision_at_its_best_to_come():
    assert precision_area([(0.9, True), (0.8, False), (0.7, True)], 2) == pytest.approx((1 + 2 / 3) / 2)


def test_small_faces_count_neither_as_missed_nor_as_wrong():
    boxes, scores = np.array([[0, 0, 10, 10], [50, 50, 90, 90.0], [200, 0, 240, 40]]), np.array([0.9, 0.8, 0.7])
    assert match(boxes, scores, [np.array([0, 0, 10, 10.0]), np.array([50, 50, 90, 90.0])], 24) == [(0.8, True), (0.7, False)]


def test_ties_count_half_in_the_area_under_the_curve():
    assert area_under_curve(np.array([[0.9, 1], [0.5, 1], [0.5, 0], [0.1, 0]])) == pytest.approx(0.875)


def test_overconfident_logits_get_a_temperature_above_one():
    sure = np.array([[0.99, 1]] * 8 + [[0.99, 0]] * 2 + [[0.01, 0]] * 8 + [[0.01, 1]] * 2)
    assert calibrated_temperature(sure) == pytest.approx(math.log(99) / math.log(4), rel=0.02)


def test_folding_changes_nothing_and_leaves_no_norm():
    torch.manual_seed(0)
    detector = Detector(SMALL)
    detector(torch.rand(2, 3, 64, 64))  # moves the running statistics
    photo = torch.rand(1, 3, 64, 64)
    detector.eval()
    with torch.no_grad():
        before = detector(photo)
        after = detector.fold()(photo)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in detector.modules())
    for one, other in zip(before, after):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_an_exported_detector_equals_the_network_and_applies_its_temperature(tmp_path):
    torch.manual_seed(0)
    detector = Detector(dataclasses.replace(SMALL, temperature=2.0)).eval()
    torch.nn.init.normal_(detector.out.weight, std=0.3)
    assert export(detector, tmp_path / "detector.onnx", size=64) < 1e-4
    boxes, eyes, scores, masks = run(tmp_path / "detector.onnx", ramp(1, 64))
    assert boxes.shape == eyes.shape == (1, 80, 4) and scores.shape == masks.shape == (1, 80)
    with torch.no_grad():
        logits = detector.look(torch.from_numpy(ramp(1, 64))).mask_logits
    np.testing.assert_allclose(masks, (logits / 2).sigmoid().numpy(), atol=1e-4)
    assert isinstance(ExportedDetector(detector).temperature, float)


def test_an_exported_detector_goes_on_learning_from_where_it_was(tmp_path):
    torch.manual_seed(0)
    detector = Detector(SMALL)
    for _ in range(3):
        detector(torch.rand(2, 3, 64, 64))  # moves the running statistics
    torch.nn.init.normal_(detector.out.weight, std=0.3)
    for norm in detector.smooth.norms:
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    export(detector.eval(), tmp_path / "detector.onnx", size=64)
    thawed, photos = Detector(SMALL), torch.rand(4, 3, 64, 64)
    thaw.load_levels(thawed, tmp_path / "detector.onnx")
    with torch.no_grad():
        wanted = detector(photos)
        for told, truth in zip(thawed.eval()(photos), wanted):
            torch.testing.assert_close(told, truth, atol=2e-3, rtol=1e-3)
        thaw.wake_norms(thawed, lambda: thawed(photos))
        for told, truth in zip(thawed.train()(photos), wanted):
            torch.testing.assert_close(told, truth, atol=1e-2, rtol=1e-2)
    with pytest.raises(ValueError, match="Expected the weights of Detector in .* but these differ: .*"):
        thaw.load_levels(Detector(), tmp_path / "detector.onnx")


def painted(x, y, side, masked, background):
    """A made-up face: a bright disc, two dark eyes, and a blue lower half when masked."""
    import cv2

    raster = np.full((64, 64, 3), background, np.uint8)
    cv2.circle(raster, (x, y), side // 2, (230, 180, 150), -1)
    if masked:
        raster[y + 1 : y + side // 2, x - side // 3 : x + side // 3] = (60, 90, 220)
    eyes = np.array([x - side / 5, y - side / 6, x + side / 5, y - side / 6])
    for ex, ey in eyes.reshape(2, 2):
        cv2.circle(raster, (int(round(ex)), int(round(ey))), 2, (10, 10, 10), -1)
    box = np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2])
    return Picture(raster, (Face(box, np.round(eyes), float(masked)),))


def test_it_learns_two_made_up_pictures_by_heart():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    batch = batch_of([painted(22, 24, 28, True, 40), painted(40, 38, 30, False, 90)])
    detector = Detector(SMALL)
    optimiser = torch.optim.Adam(detector.parameters(), 5e-3)
    photos = tensor_of(batch, torch.device("cpu"))
    for _ in range(160):
        terms = detector_loss(detector(photos), batch, 64, SMALL.strides, TrainConfig())
        optimiser.zero_grad()
        terms["total"].backward()
        optimiser.step()
    found = detector(photos)
    best = found.face_logits.argmax(1)
    for picture in (0, 1):
        truth = batch.faces[picture][0]
        assert found.face_logits[picture, best[picture]] > 0
        np.testing.assert_allclose(found.boxes[picture, best[picture]].detach(), truth[:4], atol=3)
        np.testing.assert_allclose(found.eyes[picture, best[picture]].detach(), truth[4:8], atol=2)
        assert (found.mask_logits[picture, best[picture]] > 0) == bool(truth[8])


def test_unlisted_faces_of_incomplete_pictures_are_not_punished():
    picture = dataclasses.replace(painted(22, 24, 28, True, 40), complete=False)
    detector = Detector(SMALL)
    for complete in (True, False):
        batch = batch_of([dataclasses.replace(picture, complete=complete)])
        found = detector(tensor_of(batch, torch.device("cpu")))
        sure = found._replace(face_logits=torch.full_like(found.face_logits, 4.0))
        loss = detector_loss(sure, batch, 64, SMALL.strides, TrainConfig())["face"]
        if complete:
            strict = loss
    assert loss < 0.7 * strict


def test_a_studio_repeats_itself_and_keeps_labels_inside_the_frame():
    import cv2

    face = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    code = cv2.imencode(".png", face)[1].tobytes()
    bare = Photo("a.png", "made-up", code, (face_from_landmarks(EXAMPLE_LANDMARKS),), True, EXAMPLE_LANDMARKS)
    scene = Photo("b.png", "scenes", code, (Face(np.array([90.0, 80, 150, 150]), NOTHING, 1.0),), True)
    studios = [Studio([scene], [dataclasses.replace(scene, complete=False)], [bare], np.random.default_rng(7)) for _ in range(2)]
    for _ in range(12):
        one, other = (studio.picture(96) for studio in studios)
        assert (one.raster == other.raster).all() and one.raster.shape == (96, 96, 3)
        for seen in one.faces:
            assert seen.box.min() >= 0 and seen.box.max() <= 95
