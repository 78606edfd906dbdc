"""Weights made of those of two networks, one trained on from the other or both from a third.

    python blend.py runs/natural.pt ../rescnn.onnx --share 0.5 --out runs/blended.pt          # between two refiners
    python blend.py ../rescnn.onnx runs/complete.pt --since ../rescnn-fidelity.onnx --part completer --share 1 --out runs/started.pt

The first lies between their sharpness, with less of what either does wrong: network interpolation (arXiv 1809.00219, section 3.4).
The second gives a natural completer what the least-error completer that it came from has learnt since: task arithmetic
(arXiv 2212.04089). Batch norms are folded into the convolutions before them first, since statistics of two networks have no mean that
fits both. What comes out is a checkpoint for `--start` and, under the stage's name, for export.py.
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
        state[f"{norm}.running_var"] = torch.full_like(scale, 1 - layer.eps)
    return state


def blend(first: nn.Module, second: nn.Module, share: float, part: str, since: nn.Module | None = None) -> dict[str, Tensor]:
    """The first's weights of a part and `share` of what the second's differ by: from the first's or, if given, from those of `since`."""
    one, other, base = (folded(network) for network in (first, second, since or first))
    return {
        name: value + share * (other[name] - base[name]) if value.is_floating_point() else value
        for name, value in one.items()
        if name.startswith(f"{part}.")
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, help="checkpoint or exported .onnx")
    parser.add_argument("second", type=Path, help="checkpoint or exported .onnx")
    parser.add_argument("--since", type=Path, help="what the second was trained on from: only what it learnt since is added to the first")
    parser.add_argument("--part", choices=("completer", "refiner"), default="refiner")
    parser.add_argument("--share", type=float, default=0.5, help="of the second, 0 to 1")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", choices=sorted(nets.PRESETS), default="small")
    options = parser.parse_args(arguments)

    def read(path: Path) -> nn.Module:
        network = nets.Unmasker(nets.PRESETS[options.preset])
        load_parts(network, path)
        return network

    since = read(options.since) if options.since else None
    made = blend(read(options.first), read(options.second), options.share, options.part, since)
    torch.save({"parts": (options.part,), "preset": options.preset, "average": made, "scores": {}, "share": options.share}, options.out)


if __name__ == "__main__":
    main()
