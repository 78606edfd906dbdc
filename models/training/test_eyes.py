"""pytest test_eyes.py: no data folder needed, about 20 s on one core."""

from types import SimpleNamespace

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

import thaw
import train_eyes
from data import MEAN_SHAPE
from detect_data import Photo, face_from_landmarks
from locate import SIDE, WINDOW, cut, locate_twice, published, window_matrix
from network import EyeLocator, EyeLocatorConfig, ExportedEyeLocator
from train_eyes import face_window, looks, loss_of, overlap, to_tensor

BOX = np.array([80.0, 60.0, 180.0, 200.0])
EYES = np.array([108.0, 112.0, 152.0, 112.0])


def made_up(eyes=EYES):
    """A grey face with a red dot for the person's right eye and a green one for the left: uint8 [256, 256, 3]."""
    image = np.full((256, 256, 3), 90, np.uint8)
    image[60:200, 80:180] = 140
    for channel, (x, y) in enumerate(eyes.reshape(2, 2).round().astype(int)):
        image[y - 2 : y + 3, x - 2 : x + 3] = 0
        image[y - 2 : y + 3, x - 2 : x + 3, channel] = 255
    return image


def dots(window):
    """Centres of the red and the green dot [4]."""
    found = []
    for channel in (0, 1):
        excess = window[..., channel].astype(float) - window[..., 1 - channel]
        ys, xs = np.nonzero(excess > 80)
        found += [xs.mean(), ys.mean()]
    return np.array(found)


def test_the_longer_side_of_the_box_times_the_margin_fills_the_window():
    matrix = window_matrix(BOX, 0)
    corners = np.array([[80, 60], [180, 200]]) @ matrix[:, :2].T + matrix[:, 2]
    assert corners[1, 1] - corners[0, 1] == pytest.approx(SIDE / WINDOW)
    assert corners.mean(0) == pytest.approx([(SIDE - 1) / 2] * 2)


@pytest.mark.parametrize("roll", [0, 30, -90, 180])
def test_eyes_move_as_the_pixels_do(roll):
    matrix = window_matrix(BOX, roll)
    moved = (EYES.reshape(2, 2) @ matrix[:, :2].T + matrix[:, 2]).reshape(4)
    assert dots(cut(made_up(), matrix)) == pytest.approx(moved, abs=0.8)


def test_a_mirrored_face_still_names_the_persons_right_eye_first():
    for seed in range(12):
        _, eyes, face = face_window(made_up(), EYES, BOX, 0.0, np.random.default_rng(seed))
        assert face == 1 and eyes[0] < eyes[2]


def test_heads_are_turned_away_and_their_eyes_and_box_go_along(monkeypatch):
    landmarks = MEAN_SHAPE.astype(float)
    eyes = face_from_landmarks(landmarks).eyes
    image = made_up(eyes)
    _, encoded = cv2.imencode(".png", image[..., ::-1])
    photo = Photo("made up", "", encoded.tobytes(), (face_from_landmarks(landmarks),), True, landmarks)
    monkeypatch.setattr(train_eyes, "synthesise", lambda image, landmarks, rng: SimpleNamespace(image=image))
    monkeypatch.setattr(train_eyes, "distract", lambda image, landmarks, rng: SimpleNamespace(image=image))
    narrowed = []
    for seed in range(60):
        turned, told, box = train_eyes.dress(photo, np.random.default_rng(seed))
        assert told == pytest.approx(dots(turned), abs=1.6) and box[0] < told[0] < told[2] < box[2]
        narrowed.append((told[2] - told[0]) / (eyes[2] - eyes[0]))
    away = np.array(narrowed) < 0.97
    assert 0.2 < away.mean() < 0.6 and min(narrowed) < 0.85
    assert np.array(narrowed)[~away] == pytest.approx(1, abs=0.05)


def test_overlap_is_the_share_of_the_smaller_box():
    assert overlap(np.array([0, 0, 10, 10]), np.array([5, 0, 105, 10])) == pytest.approx(0.5)
    assert overlap(np.array([0, 0, 10, 10]), np.array([20, 0, 30, 10])) == 0


def test_the_locator_learns_made_up_faces_and_finds_them_turned():
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    locator = EyeLocator(EyeLocatorConfig(widths=(8, 16, 24, 32)))
    optimiser = torch.optim.AdamW(locator.parameters(), 5e-3)
    matrices = [window_matrix(BOX + rng.normal(0, 4, 4), rng.uniform(-180, 180)) for _ in range(48)]
    windows = to_tensor(torch.from_numpy(np.stack([cut(made_up(), m) for m in matrices])), "cpu")
    eyes = torch.tensor(np.stack([(EYES.reshape(2, 2) @ m[:, :2].T + m[:, 2]).reshape(4) for m in matrices]), dtype=torch.float32)
    face = torch.ones(len(matrices))
    first = loss_of(locator, windows, eyes, face).item()
    for _ in range(140):
        optimiser.zero_grad()
        loss = loss_of(locator, windows, eyes, face)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.25 * first
    locator.eval()
    for roll in (0, 140):
        eyes, _ = locate_twice(looks(locator), made_up(), BOX, roll)
        assert np.abs(eyes - EYES).max() / 44 < 0.25


def test_the_exported_graph_computes_the_same(tmp_path):
    torch.manual_seed(2)
    locator = EyeLocator(EyeLocatorConfig(widths=(8, 8, 16, 16))).eval()
    picture = torch.rand(1, 3, SIDE, SIDE)
    with torch.inference_mode():
        eyes, presence = ExportedEyeLocator(locator)(picture)
    graph = ExportedEyeLocator(locator.fold()).eval()
    path = tmp_path / "eyes.onnx"
    torch.onnx.export(graph, (picture,), str(path), input_names=["image"], output_names=["eyes", "presence"], opset_version=17, dynamo=False)
    told = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"image": picture.numpy()})
    assert np.abs(told[0] - eyes.numpy()).max() < 1e-3
    assert np.abs(told[1] - presence.numpy()).max() < 1e-4
    windows = torch.rand(8, 3, SIDE, SIDE)
    with torch.inference_mode():
        wanted = locator(windows)
    thawed = EyeLocator(locator.config)
    thaw.load_levels(thawed, path)
    thaw.wake_norms(thawed, lambda: thawed(windows))
    for going_on in (False, True):  # then by the statistics of the batch
        with torch.no_grad():
            assert all(torch.allclose(ours, theirs, atol=1e-2) for ours, theirs in zip(thawed.train(going_on)(windows), wanted))
    with pytest.raises(ValueError, match="Expected the weights of EyeLocator in .*eyes.onnx but these differ"):
        thaw.load_levels(EyeLocator(), path)
    window = (picture[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    (eyes, present), (wanted, likely) = published(path)(window), looks(locator)(window)
    assert eyes == pytest.approx(wanted, abs=1e-3) and present == pytest.approx(likely, abs=1e-4)
    with pytest.raises(FileNotFoundError, match="eye locator"):
        published(tmp_path / "none.onnx")
