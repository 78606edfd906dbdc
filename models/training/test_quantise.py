"""Convolutions in 8 bits: which ones, how exactly, and that ONNX Runtime really computes them so."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

import export
import network as nets
import quantise
import thaw
from test_export import checkpoint
from test_network import SMALL

WIDE = replace(SMALL, completer=(8, 64, 64), dilations=(1,))


@pytest.fixture
def unmasker(monkeypatch):
    monkeypatch.setitem(nets.PRESETS, "wide", WIDE)
    torch.manual_seed(3)
    network = nets.Unmasker(WIDE).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1)
    nn.init.normal_(network.completer.head.weight, 0, 0.05)
    network.completer.fill.basis.normal_(0, 0.05)
    network.completer.fill.mean.fill_(0.5)
    nn.init.normal_(network.segmenter.head.weight, 0, 0.3)
    return network


@pytest.fixture
def given():
    ramps = torch.from_numpy(np.concatenate([export.ramp(seed) for seed in range(1, 5)]))
    return export.Judges(ramps, ramps, 1 - ramps)


@pytest.fixture
def runs(unmasker, tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    for stage, part in (("segment", "segmenter"), ("complete", "completer"), ("refine", "refiner")):
        checkpoint(unmasker, (part,), "regionPsnr", folder / f"{stage}.pt")
        saved = torch.load(folder / f"{stage}.pt", weights_only=False)
        torch.save(saved | {"preset": "wide"}, folder / f"{stage}.pt")
    return folder


def fidelity():
    return next(choice for choice in export.EXPORTS if choice.name == "rescnn-fidelity")


def eight_bit(network: nn.Module) -> set[str]:
    return {name for name, module in network.named_modules() if isinstance(module, quantise.Int8Conv)}


def test_only_the_wide_convolutions_of_the_part_compute_in_8_bits(unmasker, given):
    rounded = export.deployable(unmasker, "completer", given.seen)
    assert eight_bit(rounded) == {
        "completer.down1.1.first.0", "completer.down1.1.second.0", "completer.down2.0.0", "completer.down2.1.first.0",
        "completer.down2.1.second.0", "completer.up2.conv", "completer.mix2.first.0", "completer.mix2.second.0",
    }  # fmt: skip
    assert eight_bit(export.deployable(unmasker)) == set()
    with pytest.raises(ValueError, match="Expected convolutions of 64 channels or more in segmenter but found none"):
        export.deployable(unmasker, "segmenter", given.seen)


def test_what_is_computed_in_8_bits_stays_near_what_it_was(unmasker, given):
    exact, rounded = export.deployable(unmasker), export.deployable(unmasker, "completer", given.seen)
    image, region = given.seen[:1], torch.zeros(1, 1, 256, 256)
    region[..., 100:200, 80:180] = 1
    error = (exact.complete(image, region) - rounded.complete(image, region))[region.expand(-1, 3, -1, -1) > 0]
    assert 1e-5 < error.square().mean().sqrt() < 0.01


def test_two_products_fit_into_16_bits_and_the_bias_into_the_step_of_their_sum(unmasker, given):
    rounded = export.deployable(unmasker, "completer", given.seen)
    for name in eight_bit(rounded):
        module = rounded.get_submodule(name)
        whole, scale = module.integers()["weight"]
        assert abs(whole.astype(int)).max(axis=(1, 2, 3)).tolist() == [64] * len(whole) and 2 * 255 * 64 < 2**15
        assert torch.allclose(module.weight, torch.from_numpy(whole * scale.reshape(-1, 1, 1, 1)))
        counted, step = module.integers()["bias"]
        assert torch.allclose(module.bias, torch.from_numpy(counted * step).float(), atol=1e-6)


def test_a_range_is_not_made_coarse_by_its_rarest_values():
    values = torch.cat([torch.randn(1_000_000), torch.tensor([-8.0, 12.0])])
    seen = quantise.Range()
    seen.see(values)
    seen.choose()
    error = (seen.round(values) - values).square().mean()
    assert error < 0.7 * (20 / 255) ** 2 / 12  # what codes from -8 to 12 would err
    assert (seen.round(torch.tensor([0.0])) == 0).all()  # what is nothing stays nothing


def kinds_run(model, tmp_path) -> list[str]:
    """What ONNX Runtime makes of a file's nodes."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    ort.InferenceSession(str(model), options)
    return [node.op_type for node in onnx.load(str(tmp_path / "optimised.onnx")).graph.node]


@pytest.mark.parametrize("name", ["rescnn", "rescnn-fidelity"])
def test_the_published_unmaskers_compute_23_convolutions_in_8_bits(name, tmp_path):
    assert kinds_run(export.MODELS / f"{name}.onnx", tmp_path).count("QLinearConv") == 23


def test_onnx_runtime_computes_them_as_integers(runs, given, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LOSS", 1.0)
    export.export_model(fidelity(), runs, tmp_path, "1.0.0", given=given)
    kinds = kinds_run(tmp_path / "rescnn-fidelity.onnx", tmp_path)
    assert kinds.count("QLinearConv") == 8 and kinds.count("QLinearLeakyRelu") == 3
    expected = json.loads((tmp_path / "fixtures" / "parity.json").read_text())["rescnn-fidelity"]["outputs"]
    assert expected["unmasked"]["rms"] == export.ROUNDED and "rms" not in expected["maskProbability"]


def test_a_loss_that_shows_is_refused(runs, given, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LOSS", -100.0)
    with pytest.raises(ValueError, match="Expected rescnn-fidelity.onnx in 8 bits to lose at most -100.0 dB but received"):
        export.export_model(fidelity(), runs, tmp_path, "1.0.0", given=given)
    assert not (tmp_path / "models.json").exists()


def test_a_file_that_computes_something_else_is_refused(runs, given, tmp_path, monkeypatch):
    written = export.to_onnx

    def other(network, outputs, path):
        written(network, outputs, path)
        if eight_bit(network):
            with torch.no_grad():
                network.completer.head.bias[0] += 3e-4

    monkeypatch.setattr(export, "to_onnx", other)
    with pytest.raises(ValueError, match="Expected rescnn-fidelity.onnx in 8 bits within 0.0001 of PyTorch but received [23]"):
        export.export_model(fidelity(), runs, tmp_path, "1.0.0", given=given)
    assert not (tmp_path / "models.json").exists()


@pytest.mark.parametrize("wrong", ["nothing", "weight", "bias", "leaving", "residue"])
def test_the_file_in_8_bits_is_pytorch_but_for_ties_and_nothing_else_is(unmasker, given, tmp_path, wrong):
    rounded, path = export.deployable(unmasker, "completer", given.seen), tmp_path / "rounded.onnx"
    export.to_onnx(rounded, ["unmasked", "region", "maskProbability"], path)
    one, before = rounded.completer.down2[1].first[0], export.parity(rounded, export.session(path), [export.ramp(1)])
    with torch.no_grad():
        if wrong == "weight":
            one.weight[0, 0, 1, 1] += 8 * one.integers()["weight"][1][0]  # of 64 steps
        if wrong == "bias":
            one.bias[3] += 0.01
        if wrong == "leaving":
            one.leaving.scale *= 1.001
        if wrong == "residue":
            rounded.completer.head.bias[0] += 2e-4
    apart = export.rounded_parity(rounded, path, [export.ramp(1), export.ramp(2)])
    assert (apart < 1e-6) if wrong == "nothing" else (apart > 1e-5)
    if wrong == "nothing":
        assert before > 5e-5  # what ties alone make of two runtimes
        assert rounded.completer.down2[1].first[0].told is None


def test_training_goes_on_from_weights_in_8_bits(unmasker, runs, given, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LOSS", 1.0)
    export.export_model(fidelity(), runs, tmp_path, "1.0.0", given=given)
    thawed = nets.Unmasker(WIDE).eval()
    thaw.load_onnx(thawed, tmp_path / "rescnn-fidelity.onnx")
    image, region = given.seen[:1], torch.zeros(1, 1, 256, 256)
    region[..., 100:200, 80:180] = 1
    assert torch.allclose(thawed.complete(image, region), unmasker.complete(image, region), atol=0.03)
