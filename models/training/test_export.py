"""Checkpoint -> ONNX -> ONNX Runtime gives what PyTorch gives, and models.json says so."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import export
import network as nets
import thaw
from test_network import SMALL


def checkpoint(network: nn.Module, parts: tuple[str, ...], score: str, path) -> None:
    torch.save(
        {"average": network.state_dict(), "parts": parts, "preset": "tiny", "scores": {score: 20.0}}, path
    )


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Random checkpoints of a tiny unmasker and denoiser."""
    monkeypatch.setitem(nets.PRESETS, "tiny", SMALL)
    torch.manual_seed(1)
    unmasker = nets.Unmasker(SMALL, textured=True)
    for module in unmasker.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0, 0.15)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    unmasker.completer.fill.basis.normal_(0, 0.05)
    nn.init.constant_(unmasker.texture.strength.bias, 0.5)
    folder = tmp_path / "runs"
    folder.mkdir()
    checkpoint(unmasker, ("segmenter",), "iou", folder / "segment.pt")
    checkpoint(unmasker, ("completer",), "regionPsnr", folder / "complete.pt")
    checkpoint(unmasker, ("refiner",), "regionPsnr", folder / "natural.pt")
    checkpoint(unmasker, ("texture",), "regionPsnr", folder / "texture.pt")
    checkpoint(nets.Denoiser(), (), "psnr25", folder / "denoise.pt")
    return folder


def test_every_model_with_checkpoints_is_exported_and_registered(runs, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    other = {"name": "mask-detector", "task": "localise"}
    (models / "models.json").write_text(json.dumps({"schemaVersion": 1, "models": [other]}))
    entries = export.main(["--runs", str(runs), "--models", str(models)])
    assert {entry["name"] for entry in entries} == {"rescnn", "rescnn-fidelity", "denoiser"}
    held = json.loads((models / "models.json").read_text())
    assert other in held["models"] and len(held["models"]) == 4
    for entry in entries:
        content = (models / entry["file"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest() and entry["bytes"] == len(content)
        assert entry["inputs"][0]["shape"] == [1, 3, 256, 256]


def test_the_fixture_is_what_the_shipped_file_answers(runs, tmp_path):
    models = tmp_path / "models"
    export.main(["--runs", str(runs), "--models", str(models), "--only", "rescnn"])
    expected = json.loads((models / "fixtures" / "parity.json").read_text())["rescnn"]
    running = export.session(models / "rescnn.onnx")
    results = running.run(None, {"image": export.ramp(expected["input"]["seed"])})
    for output, result in zip(running.get_outputs(), results):
        told = expected["outputs"][output.name]
        assert np.allclose(result.ravel()[told["indices"]], told["values"], atol=1e-5)
        assert len(told["indices"]) >= 48


def test_folding_keeps_the_network_and_leaves_no_batch_norm():
    torch.manual_seed(0)
    network = nets.Denoiser(replace(nets.DenoiserConfig(), layers=5, width=8))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    nn.init.normal_(network.net.stack[-1].weight, 0, 0.05)
    network.eval()
    folded = export.deployable(network)
    image = torch.rand(1, 3, 32, 32)
    assert not any(isinstance(m, (nn.BatchNorm2d, nets.SharedSlope)) for m in folded.modules())
    assert torch.allclose(network(image), folded(image), atol=2e-3)  # fp16 rounding of the weights


def test_the_ramp_is_the_formula_of_the_contract():
    ramp = export.ramp(seed=2)
    x, y, c = 200, 77, 1
    assert ramp[0, c, y, x] == np.float32((x * 4 + y * 7 + ((x * y) >> 4) * 2 + 58) & 255) / np.float32(255)
    assert ramp.shape == (1, 3, 256, 256) and ramp.dtype == np.float32


def test_a_missing_checkpoint_exports_nothing(tmp_path):
    (tmp_path / "runs").mkdir()
    assert export.main(["--runs", str(tmp_path / "runs"), "--models", str(tmp_path)]) == []
    assert not (tmp_path / "models.json").exists()


def test_large_convolutions_are_stored_as_int8_and_come_back(runs, tmp_path, monkeypatch):
    sizes = {}
    for large in (10**9, 500):
        monkeypatch.setattr(export, "LARGE", large)
        export.main(["--runs", str(runs), "--models", str(tmp_path), "--only", "rescnn-fidelity"])  # parity is proven inside
        sizes[large] = (tmp_path / "rescnn-fidelity.onnx").stat().st_size
        held = thaw.weights_of(tmp_path / "rescnn-fidelity.onnx")
    assert sizes[500] < sizes[10**9] - 20_000
    weight = held["completer.up2.conv.weight"]
    steps = (weight / weight.abs().amax((1, 2, 3), keepdim=True) * 127).abs()
    assert weight.shape == (32, 16, 3, 3) and (steps - steps.round()).abs().max() < 1e-3
    thaw.load_onnx(nets.Unmasker(SMALL), tmp_path / "rescnn-fidelity.onnx")
