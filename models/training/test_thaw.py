"""Export -> thaw gives the same network back, in training mode too, and it can go on learning."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import export
import network as nets
import thaw
from test_export import runs  # noqa: F401
from test_network import SMALL
from train import load_parts


@pytest.fixture
def exported(runs, tmp_path):  # noqa: F811
    export.main(["--runs", str(runs), "--models", str(tmp_path / "models")])
    return tmp_path / "models"


def photos(seed: int) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([export.ramp(seed + i) for i in range(4)]))


def test_thawed_weights_compute_what_the_export_computes(exported):
    network = nets.Unmasker(SMALL)
    thaw.load_onnx(network, exported / "rescnn-fidelity.onnx")
    running = export.session(exported / "rescnn-fidelity.onnx")
    assert export.parity(network.eval(), running, [export.ramp(1), export.ramp(2)]) < export.PARITY


def test_woken_norms_compute_the_same_with_the_statistics_of_the_batch(exported):
    network = nets.Denoiser()
    thaw.load_onnx(network, exported / "denoiser.onnx")
    before = network.eval()(photos(1))
    thaw.wake_norms(network, lambda: network(photos(1)))
    assert torch.allclose(network.eval()(photos(1)), before, atol=1e-4)
    assert torch.allclose(network.train()(photos(1)), before, atol=1e-3)  # batch statistics: the same batch
    norm = next(m for m in network.modules() if isinstance(m, nets.nn.BatchNorm2d))
    assert norm.weight.detach().std() > 0  # no longer the ones of a folded norm


def test_another_network_is_refused_by_name(exported):
    with pytest.raises(ValueError, match="Expected the weights of Unmasker in .*denoiser.onnx but these differ"):
        thaw.load_onnx(nets.Unmasker(SMALL), exported / "denoiser.onnx")
    with pytest.raises(ValueError, match="these differ: .*completer"):
        thaw.load_onnx(nets.Unmasker(), exported / "rescnn-fidelity.onnx")


def test_only_one_of_file_and_network_may_have_a_texture(exported):
    image, region = torch.rand(1, 3, 256, 256), torch.zeros(1, 1, 256, 256)
    region[..., 100:150, 100:150] = 1
    plain, textured = nets.Unmasker(SMALL).eval(), nets.Unmasker(SMALL, textured=True).eval()
    for network in (plain, textured):
        thaw.load_onnx(network, exported / "rescnn-fidelity.onnx")
    assert textured.texture.strength.bias.max() == 0
    thaw.load_onnx(textured, exported / "rescnn.onnx")
    assert textured.texture.strength.bias.max() == 0.5
    textured.texture = None
    thaw.load_onnx(plain, exported / "rescnn.onnx")
    assert torch.equal(textured.complete(image, region), plain.complete(image, region))


def test_a_wider_network_begins_with_what_a_narrower_one_learned(runs):  # noqa: F811
    narrow, wide = nets.Unmasker(SMALL).eval(), nets.Unmasker(replace(SMALL, completer=(8, 8, 24))).eval()
    for network in (narrow, wide):
        load_parts(network, runs / "segment.pt")
        load_parts(network, runs / "complete.pt")
    assert wide.completer.up2.conv.weight.shape[1] == 24
    erased, region = torch.rand(2, 3, 128, 128), (torch.rand(2, 1, 128, 128) > 0.5).float()
    assert torch.equal(wide.completer(erased, region)[0], narrow.completer(erased, region)[0])
    load_parts(wide.train(), runs / "complete.pt")
    wide.completer(erased, region)[0].sum().backward()
    assert wide.completer.up2.conv.weight.grad[:, 16:].abs().max() > 0  # what is new can learn


def test_a_narrower_network_cannot_take_a_wider_ones_weights():
    with pytest.raises(ValueError, match="Expected a of at most .4, 4. but received .4, 5."):
        thaw.widened({"a": torch.zeros(4, 5)}, {"a": torch.zeros(4, 4)})
