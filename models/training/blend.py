"""Weights between those of two networks, one trained on from the other or both from a third, with less of what either does wrong.

    python blend.py runs/natural.pt ../rescnn.onnx --share 0.5 --out runs/blended.pt                              # two refiners
    python blend.py ../rescnn-fidelity.onnx runs/complete.pt --part completer --share 0.5 --out runs/blended.pt

Between two refiners lies their sharpness (network interpolation, arXiv 1809.00219, section 3.4); the mean of two completers errs less
than either (model soups, arXiv 2203.05482). Batch norms are folded into the convolutions before them first, since statistics of two
networks have no mean that fits both. What comes out is a checkpoint for `--start` and, under the stage's name, for export.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

import network as nets
import thaw
from train import load_parts


def folded(network: nn.Module) -> dict[str, Tensor]:
    """The network's weights with batch norms that do nothing but add their bias."""
    state = {name: value.detach().clone() for name, value in network.state_dict().items()}
    for convolution, norm in thaw.folded_norms(network):
        layer = network.get_submodule(norm)
        scale = (layer.weight / (layer.running_var + layer.eps).sqrt()).detach()
        weight = state[f"{convolution}.weight"]
        state[f"{convolution}.weight"] = weight * scale.view(-1, *[1] * (weight.ndim - 1))
        state[f"{norm}.bias"] = (layer.bias - layer.running_mean * scale).detach()
        state[f"{norm}.weight"] = torch.ones_like(scale)
        state[f"{norm}.running_mean"] = torch.zeros_like(scale)
        state[f"{norm}.running_var"] = torch.full_like(scale, thaw.IDLE_VARIANCE)
    return state


def blend(first: nn.Module, second: nn.Module, share: float, part: str) -> dict[str, Tensor]:
    """`share` of the second's part, the rest of the first's."""
    one, other = folded(first), folded(second)
    return {
        name: torch.lerp(value, other[name], share) if value.is_floating_point() else value
        for name, value in one.items()
        if name.startswith(f"{part}.")
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, help="checkpoint or exported .onnx")
    parser.add_argument("second", type=Path, help="checkpoint or exported .onnx")
    parser.add_argument("--part", choices=("segmenter", "completer", "refiner"), default="refiner")
    parser.add_argument("--share", type=float, default=0.5, help="of the second, 0 to 1; below 0 takes away what it learned, above 1 goes on beyond it")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", choices=sorted(nets.PRESETS), default="small")
    options = parser.parse_args(arguments)
    networks = [nets.Unmasker(nets.PRESETS[options.preset]) for _ in range(2)]
    for network, path in zip(networks, (options.first, options.second)):
        load_parts(network, path)
    made = blend(*networks, options.share, options.part)
    torch.save({"parts": (options.part,), "preset": options.preset, "average": made, "scores": {}, "share": options.share}, options.out)


if __name__ == "__main__":
    main()
