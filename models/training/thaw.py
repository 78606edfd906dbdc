"""Published ONNX weights back into a network that can go on learning.

    python train.py complete --data DATA --out runs --start ../rescnn-fidelity.onnx

Export folds every batch norm into the convolution before it and rounds weights to fp16 or int8; the optimiser's state is gone for good.
`load_onnx` puts weights, slopes and buffers back, the folded norms as norms that do nothing; `wake_norms` then gives each norm
the statistics of a real batch and the scale and shift that undo them, so that it computes the same in training mode, too.
`widened` puts weights into a wider network of the same shape, which then computes the same and has room to learn more.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from network import ConvNorm, Detector, EyeLocator

IDLE_VARIANCE = 1 - nn.BatchNorm2d(1).eps  # with a mean of 0 and a scale of 1 the norm then only adds its bias; a new norm has 1


def load_onnx(network: nn.Module, path: Path) -> None:
    """Fills `network` with the weights of its own export. Only one of both may have a texture: the file's is left out, the network's
    stays as it began.

    Raises ValueError when the file is of another network.
    """
    state = network.state_dict()
    held = {name: value for name, value in weights_of(path).items() if name in state or not is_texture(name)}
    wanted = {name for name in state if not name.endswith("num_batches_tracked")}
    for convolution, norm in folded_norms(network):
        state[f"{norm}.weight"] = torch.ones_like(state[f"{norm}.weight"])
        state[f"{norm}.bias"] = held.pop(f"{convolution}.bias", None)
        state[f"{norm}.running_mean"] = torch.zeros_like(state[f"{norm}.running_mean"])
        state[f"{norm}.running_var"] = torch.full_like(state[f"{norm}.running_var"], IDLE_VARIANCE)
        wanted -= {f"{norm}.{name}" for name in ("weight", "bias", "running_mean", "running_var")}
    wanted -= {name for name in wanted if name not in held and is_texture(name)}
    refuse_differing(network, path, held, {name: state[name] for name in wanted})
    network.load_state_dict(state | held)


def is_texture(name: str) -> bool:
    return name.startswith("texture.")


def load_levels(network: Detector | EyeLocator, path: Path) -> None:
    """Fills `network` with the weights of its own export, where a convolution that levels share lies once for each level.

    A folded convolution of a level is the shared one times that level's norm: level 0 gives the shared one, norms the ratio.
    Raises ValueError when the file is of another network.
    """
    held = {name.partition(".")[2]: value for name, value in weights_of(path).items()}  # less the name that the exported graph has for it
    state, taken = network.state_dict(), {}
    for module_name, module in network.named_modules():
        if not isinstance(module, ConvNorm):
            continue
        shared = held.get(f"{module_name}.convs.0.weight", torch.zeros(0, 0, 0, 0))
        taken[f"{module_name}.convs.0.weight"] = shared
        for level, norm in enumerate(module.norms):
            weight = held.pop(f"{module_name}.convs.{level}.weight", shared)
            to = f"{module_name}.norms.{level}"
            taken[f"{to}.weight"] = (weight * shared).sum((1, 2, 3)) / shared.square().sum((1, 2, 3)).clamp(min=1e-12)
            taken[f"{to}.bias"] = held.pop(f"{module_name}.convs.{level}.bias", torch.zeros(0))
            taken[f"{to}.running_mean"] = torch.zeros_like(norm.running_mean)
            taken[f"{to}.running_var"] = torch.full_like(norm.running_var, 1 - norm.eps)
    taken |= held
    wanted = {name for name in state if not name.endswith("num_batches_tracked")}
    refuse_differing(network, path, taken, {name: state[name] for name in wanted})
    network.load_state_dict(state | taken)


def refuse_differing(network: nn.Module, path: Path, held: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Raises ValueError that names the first weights that the file lacks, has over or has in another shape."""
    differing = sorted(name for name in set(wanted) | set(held) if shape_in(held, name) != shape_in(wanted, name))[:3]
    if differing:
        raise ValueError(f"Expected the weights of {type(network).__name__} in {path} but these differ: {differing}")


def widened(held: dict[str, Tensor], state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a narrower network as weights of a wider one that computes the same (Net2Net, arXiv 1511.05641, in spirit).

    held: the narrower; state: the wider as it was initialised. New channels keep their start; what was there before does not
    listen to them yet. Raises ValueError when a weight is larger in the narrower network or has another rank.
    """
    result = {}
    for name, value in held.items():
        wide = state.get(name)
        if wide is None or wide.shape == value.shape:
            result[name] = value
            continue
        if wide.ndim != value.ndim or any(w < v for w, v in zip(wide.shape, value.shape)):
            raise ValueError(f"Expected {name} of at most {tuple(wide.shape)} but received {tuple(value.shape)}")
        wide = wide.clone()
        if wide.ndim > 1:
            wide[: len(value), value.shape[1] :] = 0
        wide[tuple(slice(0, n) for n in value.shape)] = value
        result[name] = wide
    return result


def shape_in(values: dict[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(values[name].shape) if name in values else None


def weights_of(path: Path) -> dict[str, Tensor]:
    """Weights and slopes of an export, by the parameter names of the network it was made from."""
    graph = onnx.load(str(path)).graph
    values = {
        initializer.name.removesuffix("_half").removesuffix("_int8"): torch.from_numpy(
            np.array(onnx.numpy_helper.to_array(initializer), np.float32)
        )
        for initializer in graph.initializer
    }
    for name in [name for name in values if name.endswith("_scale")]:
        value = values[name.removesuffix("_scale")]
        value *= values.pop(name).view(-1, *[1] * (value.ndim - 1))
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in values:  # of parameters with equal values a file keeps one
            values[node.output[0]] = values[node.input[0]]
        if node.op_type == "LeakyRelu":
            slope = next(attribute.f for attribute in node.attribute if attribute.name == "alpha")
            values[f"{module_path(node.name)}.slope"] = torch.tensor(slope)
    return {name: value for name, value in values.items() if "/" not in name and "." in name}


def module_path(node: str) -> str:
    """"/completer/down1/down1.0/down1.0.2/LeakyRelu" -> "completer.down1.0.2": what names its parent again replaces it."""
    parts: list[str] = []
    for part in node.strip("/").split("/")[:-1]:
        if parts and part.startswith(parts[-1] + "."):
            parts.pop()
        parts.append(part)
    return ".".join(parts)


def folded_norms(network: nn.Module) -> list[tuple[str, str]]:
    """Names of every convolution and the batch norm right after it, which export folds."""
    pairs = []
    for path, module in network.named_modules():
        if isinstance(module, nn.Sequential):
            names = list(module._modules)
            for before, after in zip(names, names[1:]):
                if isinstance(module[int(before)], nn.Conv2d) and isinstance(module[int(after)], nn.BatchNorm2d):
                    pairs.append((f"{path}.{before}", f"{path}.{after}"))
    return pairs


def asleep(network: nn.Module) -> bool:
    """Whether some batch norm does nothing, as after `load_onnx` and `blend.py`: in training mode it would begin to, and ruin the network."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    return any(not norm.running_mean.any() and bool((norm.running_var == torch.tensor(IDLE_VARIANCE)).all()) for norm in norms)


@torch.no_grad()
def wake_norms(network: nn.Module, run: Callable[[], object]) -> None:
    """Gives every batch norm that `run` passes the statistics it sees there, and the scale and shift that undo them."""

    def wake(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        variance, mean = torch.var_mean(inputs[0].float(), (0, 2, 3), correction=0)
        change = mean - norm.running_mean
        scale = (variance + norm.eps).sqrt() / (norm.running_var + norm.eps).sqrt()
        norm.bias.add_(change * norm.weight / (norm.running_var + norm.eps).sqrt())
        norm.weight.mul_(scale)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)

    hooks = [module.register_forward_pre_hook(wake) for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    was_training = network.training
    network.eval()
    run()
    network.train(was_training)
    for hook in hooks:
        hook.remove()
