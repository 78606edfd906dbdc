"""A blend lies between its two networks, at both ends it is one of them."""

import pytest
import torch
from torch import nn

import blend
import network as nets
from test_network import SMALL, square_region
from train import load_parts


@torch.no_grad()
def noisy_copy(network: nn.Module) -> nets.Unmasker:
    """A network trained on from `network`, as it were: other weights, and norms with other statistics."""
    copy = nets.Unmasker(SMALL).eval()
    copy.load_state_dict(network.state_dict())
    for module in copy.refiner.modules():
        if isinstance(module, nn.Conv2d):
            module.weight += 0.05 * torch.randn_like(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return copy


@torch.no_grad()
def test_a_blend_computes_what_lies_between(tmp_path, monkeypatch):
    monkeypatch.setitem(nets.PRESETS, "tiny", SMALL)
    torch.manual_seed(3)
    first = nets.Unmasker(SMALL).eval()
    first.completer.fill.mean.fill_(0.5)
    nn.init.normal_(first.refiner.head.weight, 0, 0.05)
    second = noisy_copy(first)
    paths = [tmp_path / "first.pt", tmp_path / "second.pt"]
    for network, path in zip((first, second), paths):
        torch.save({"parts": ("refiner",), "average": network.state_dict()}, path)
    image, region = torch.rand(1, 3, 256, 256), square_region()

    def answer(share: float) -> torch.Tensor:
        out = tmp_path / f"{share}.pt"
        blend.main([*map(str, paths), "--share", str(share), "--out", str(out), "--preset", "tiny"])
        network = nets.Unmasker(SMALL).eval()
        network.completer.load_state_dict(first.completer.state_dict())
        load_parts(network, out)
        return network.complete(image, region)

    one, other = first.complete(image, region), second.complete(image, region)
    apart = (one - other).square().mean()
    assert torch.allclose(answer(0.0), one, atol=1e-5) and torch.allclose(answer(1.0), other, atol=1e-5)
    assert 0 < (answer(0.1) - one).square().mean() < 0.05 * apart
    assert (answer(0.5) - one).square().mean() == pytest.approx(apart / 4, rel=0.5)


@pytest.mark.parametrize("part", ["segmenter", "completer"])
def test_only_the_part_asked_for_is_blended(part):
    torch.manual_seed(3)
    first = nets.Unmasker(SMALL).eval()
    second = noisy_copy(first)
    one, other = (network.get_submodule(part).head.weight for network in (first, second))
    nn.init.normal_(other)
    made = blend.blend(first, second, 0.5, part)
    assert {name.split(".")[0] for name in made} == {part}
    assert torch.allclose(made[f"{part}.head.weight"], (one + other) / 2)
