"""Exports the mask detector: calibrates it, writes mask-detector.onnx, proves that it equals the network, records its scores.

    python export_detector.py --data ../../../shared/data --checkpoint runs/detector/checkpoint.pt --models ..
    python export_detector.py ... --quick        # weights and parity only, scores of the validation scenes

The temperature of P(mask) is fitted on validation photos of real people, masked and bare; nothing is fitted on the test split.
Full scores take about 3 minutes on one idle core.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import argparse
import copy
import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import torch

from detect_data import HELD_OUT_FACES, HELD_OUT_MASKED, read_faces, read_masked, read_scenes
from evaluate_detector import INPUT, NMS_IOU, area_under_curve, average_precisions, calibrated_temperature, evaluate, onnx_localiser, torch_localiser, verdicts
from export import ramp as shared_ramp
from network import Detector, ExportedDetector
from train_detector import load_detector

NAME, VERSION, OPSET = "mask-detector", "0.4.1", 17
MEAN = STD = 0.5  # of the input: byte / 255 becomes -1..1
SCORE_THRESHOLD = 0.55
"""For precision, since a false face gets painted: on validation .976 at .5 and 1.000 at .55, recall .90 and .88 of faces of 24 px and more."""

OUTPUTS = {
    "boxes": ([4], "x1, y1, x2, y2 in input pixels, decoded; no suppression of doubles"),
    "eyes": ([4], "x, y of the person's right eye, then of the left, in input pixels, at any roll"),
    "scores": ([], "0..1, face"),
    "maskProbabilities": ([], "0..1, calibrated P(mask)"),
}


def calibrate(detector: Detector, data: Path) -> tuple[Detector, dict]:
    """The detector with the temperature that fits real validation photos; what it was fitted on.

    Masked: data/masked and scenes; bare: data/faces and scenes; sources held out of training are not used here either.
    """
    plain = _with_temperature(detector, 1.0)
    photos = (
        read_scenes(data, "val") + read_masked(data, "val", HELD_OUT_MASKED)
        + [photo for photo in read_faces(data, "val", HELD_OUT_FACES) if photo.source != "aaf"][:60] + [p for p in read_faces(data, "val") if p.source == "aaf"][:60]
    )
    told = verdicts(torch_localiser(plain), photos, 0.3)
    temperature = round(calibrated_temperature(told), 3)
    return _with_temperature(detector, temperature), {"temperature": temperature, "n": len(told), "auc_val": round(area_under_curve(told), 4)}


def _with_temperature(detector: Detector, temperature: float) -> Detector:
    other = copy.deepcopy(detector)
    other.config = dataclasses.replace(detector.config, temperature=temperature)
    return other


def export(detector: Detector, path: Path, size: int = INPUT) -> float:
    """Writes the folded graph for photos [1, 3, size, size] -> greatest difference between onnxruntime and PyTorch.

    Boxes and eyes are compared in units of the input's side. Raises AssertionError above 1e-4.
    """
    graph = ExportedDetector(copy.deepcopy(detector).fold()).eval()
    torch.onnx.export(
        graph, (torch.zeros(1, 3, size, size),), str(path), input_names=["image"], output_names=list(OUTPUTS), opset_version=OPSET, dynamo=False
    )
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    worst = 0.0
    for seed in (1, 2):
        tensor = ramp(seed, size)
        with torch.inference_mode():
            wanted = ExportedDetector(detector).eval()(torch.from_numpy(tensor))
        for name, told, truth in zip(OUTPUTS, run(path, tensor), wanted):
            unit = size if name in ("boxes", "eyes") else 1.0
            worst = max(worst, float(np.abs(told - truth.numpy()).max()) / unit)
    assert worst < 1e-4, f"Expected onnxruntime to equal PyTorch to 1e-4 but they differ by {worst:.2e}"
    return worst


def run(path: Path, tensor: np.ndarray) -> list[np.ndarray]:
    """The file's four outputs for one tensor [1, 3, S, S]."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(list(OUTPUTS), {"image": tensor})


def ramp(seed: int, size: int) -> np.ndarray:
    """The parity fixture's picture, rebuilt by the TypeScript test from the same formula: float32 [1, 3, size, size] in -1..1."""
    return shared_ramp(seed, size, MEAN, STD)


def fixture(path: Path, seed: int = 1, samples: int = 64) -> dict:
    """Expected outputs of the exported file on the ramp, `samples` flat indices spread over each output."""
    outputs = {}
    for name, told in zip(OUTPUTS, run(path, ramp(seed, INPUT))):
        indices = np.linspace(0, told.size - 1, samples).astype(int)
        outputs[name] = {"indices": indices.tolist(), "values": [float(f"{v:.7g}") for v in told.ravel()[indices]]}
    return {"input": {"kind": "ramp", "seed": seed}, "outputs": outputs}


def entry(path: Path, detector: Detector, scores: dict) -> dict:
    """The model's record in models.json."""
    count = sum((INPUT // stride) ** 2 for stride in detector.config.strides)
    content = path.read_bytes()
    return {
        "name": NAME, "task": "localise", "version": VERSION, "file": path.name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), "opset": OPSET,
        "inputs": [{"name": "image", "shape": [1, 3, INPUT, INPUT], "layout": "NCHW", "type": "float32", "channels": "RGB", "range": [0, 1], "mean": [MEAN] * 3, "std": [STD] * 3}],
        "outputs": [{"name": name, "shape": [1, count, *shape], "meaning": meaning} for name, (shape, meaning) in OUTPUTS.items()],
        "parameters": {"scoreThreshold": SCORE_THRESHOLD, "nmsIou": NMS_IOU, "maskThreshold": 0.5, "abstain": [0.35, 0.65]},
        "scores": scores,
        "trainedOn": "Photos with hand-drawn face boxes (Kaggle Face Mask Detection), real masked photos, and composites of aligned faces with and without synthetic masks.",
        "licence": "Research weights: several of the photo collections are licensed for research or non-commercial use only, or state no licence.",
        "card": f"README.md#{NAME}",
    }


def flat(scores: dict, prefix: str = "") -> dict[str, float]:
    """Nested scores under one level of names, as models.json has them: {"a": {"b": 1}} -> {"a b": 1}."""
    out = {}
    for name, value in scores.items():
        if isinstance(value, dict):
            out |= flat(value, f"{prefix}{name} ")
        else:
            out[prefix + name] = value
    return out


def merge_model(models: Path, record: dict) -> None:
    """Puts the record into models.json, replacing the one of the same name."""
    path = models / "models.json"
    known = json.loads(path.read_text()) if path.exists() else {"schemaVersion": 1, "models": []}
    others = [model for model in known["models"] if model["name"] != record["name"]]
    path.write_text(json.dumps({**known, "models": sorted([*others, record], key=lambda model: model["name"])}, indent=2) + "\n")


def merge_fixture(models: Path, name: str, record: dict) -> None:
    """Puts the parity fixture into fixtures/parity.json."""
    path = models / "fixtures" / "parity.json"
    path.parent.mkdir(exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, name: record}, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=Path(__file__).parent.parent)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    detector, checkpoint = load_detector(options.checkpoint)
    detector, fitted = calibrate(detector, options.data)
    print("calibration", fitted)
    path = options.models / f"{NAME}.onnx"
    print(f"parity {export(detector, path):.1e}, {path.stat().st_size / 1e6:.2f} MB, trained {checkpoint['images']} images in {checkpoint['seconds'] / 60:.0f} min")
    localise = onnx_localiser(path)
    measured = average_precisions(localise, read_scenes(options.data, "val")) if options.quick else evaluate(localise, options.data, "test", SCORE_THRESHOLD)
    scores = flat({**measured, "validation": fitted, "images_trained": checkpoint["images"]})
    merge_model(options.models, entry(path, detector, scores))
    merge_fixture(options.models, NAME, fixture(path))
    print(json.dumps(scores, indent=1))


if __name__ == "__main__":
    main()
