"""Checkpoints to ONNX, with the proof that both compute the same: models/<name>.onnx, models.json, fixtures/parity.json.

    D="--data ../../shared/data"
    python export.py --runs runs $D                        # every model whose checkpoints are in the folder
    python export.py --runs runs $D --only rescnn denoiser
    python export.py --runs runs $D --scores scores.json   # {"rescnn": {"regionPsnr": ...}, ...} as measured by evaluate.py

Batch norm is folded into the convolutions, shared slopes become LeakyRelu constants, weights are stored as fp16, those of
the largest convolutions as int8 with a scale for every output channel (all are cast back when a session loads). Fails when ONNX Runtime
differs from PyTorch by more than 1e-4 anywhere in any output, or when a file is over 12 MB. With `--data` (or `--celeba`) the wide
convolutions of a completer then compute in 8 bits (quantise.py); that file is held to 1e-4 as well, by the codes it chose, and it fails when
it costs validation faces more than 0.1 dB. models.json is merged by name, other entries stay.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # private photos: before the first session

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

import data as faces_data
import network as nets
import train
from network import CROP
from quantise import Int8Conv, quantise

OPSET = 17
PARITY = 1e-4  # largest difference of any value of any output
LOSS = 0.1  # dB in the region that computing in 8 bits may cost
ROUNDED = 0.01  # of 1: root mean square by which two processors may differ in 8 bits, told to the fixture; .004 on the ramp
JUDGES = 64  # training crops that choose the 8-bit ranges, and validation faces that the loss is measured on
BYTES_LIMIT = 12_000_000
LARGE = 200_000  # numbers; a convolution of more is stored as int8
MODELS = Path(__file__).resolve().parent.parent
RESEARCH = (
    "Research weights: trained on photos licensed for research or without a stated licence (see the model card); "
    "retrain on your own photos for any other use. The code is under the project's licence."
)


@dataclass(frozen=True)
class Export:
    """How one model is put together. checkpoints: stages to load in order, each a choice of which the first present counts."""

    name: str
    task: str
    build: Callable[[str], nn.Module]
    checkpoints: tuple[tuple[str, ...], ...]
    outputs: tuple[tuple[str, int, str], ...]  # name, channels, meaning
    parameters: Callable[[nn.Module], dict]
    trained_on: str
    int8: str = ""  # the part whose wide convolutions compute in 8 bits


UNMASK_OUTPUTS = (
    ("unmasked", 3, "RGB 0..1, clipped; known pixels, those outside the region, are the input's"),
    ("region", 1, "0 or 1: the pixels that were erased and completed"),
    ("maskProbability", 1, "probability of garment per pixel, before threshold and dilation"),
)
FACES = (
    "6,545 aligned faces with masks drawn onto them at load time, two mask families kept out for the evaluation; "
    "the mask region also on 1,071 worn masks in photos, outlined automatically, with straps and ears by hand on 456 photos"
)


def unmask_parameters(network: nn.Module) -> dict:
    config = getattr(network, "unmasker", None) or network.config
    return {
        "threshold": config.threshold,
        "grow": config.grow,
        "shrink": config.shrink,
        "minimumArea": config.minimum_area,
    }


EXPORTS = (
    Export(
        "rescnn",
        "unmask",
        lambda preset: nets.Unmasker(nets.PRESETS[preset], textured=True),
        (("segment",), ("natural-coarse", "complete"), ("natural", "refine", "complete"), ("texture",)),
        UNMASK_OUTPUTS,
        unmask_parameters,
        FACES + "; least error first, then an adversarial stage for a natural look, "
        "which keeps dots off 1,071 photos of worn masks, whose truth nobody knows.",
        int8="completer",
    ),
    Export(
        "rescnn-fidelity",
        "unmask",
        lambda preset: nets.Unmasker(nets.PRESETS[preset]),
        (("segment",), ("complete",), ("refine", "complete")),
        UNMASK_OUTPUTS,
        unmask_parameters,
        FACES + "; least error.",
        int8="completer",
    ),
    Export(
        "rescnn-56",
        "unmask",
        lambda preset: nets.Rescnn56(unmasker=nets.PRESETS[preset]),
        (("segment",), ("plain",)),
        UNMASK_OUTPUTS,
        unmask_parameters,
        FACES + "; mean squared error, as published.",
    ),
    Export(
        "denoiser",
        "denoise",
        lambda preset: nets.Denoiser(),
        (("denoise",),),
        (("denoised", 3, "RGB 0..1, clipped"),),
        lambda network: {"sigmaThreshold": 4.0, "overlap": 32},
        "Patches of 6,545 faces with Gaussian and Poisson noise, sigma 0 to 55 of 255.",
    ),
)


def ramp(seed: int, side: int = CROP, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    """The parity input that any language can rebuild from integers. -> float32 [1, 3, side, side]

    byte(c, y, x) = (x (3 + c) + y (5 + 2c) + ((x y) >> 4) (c + 1) + 29 seed) & 255, then (byte / 255 - mean) / std.
    """
    y, x = np.mgrid[:side, :side]
    planes = [(x * (3 + c) + y * (5 + 2 * c) + ((x * y) >> 4) * (c + 1) + 29 * seed) & 255 for c in range(3)]
    return ((np.stack(planes)[None] / np.float32(255) - np.float32(mean)) / np.float32(std)).astype(np.float32)


class Judges(NamedTuple):
    """seen: masked training crops; worn, bare: validation faces with a mask and without. Each [N, 3, 256, 256], float 0..1"""

    seen: Tensor
    worn: Tensor
    bare: Tensor


def judges(training: faces_data.Faces, validation: faces_data.Faces) -> Judges:
    rng = np.random.default_rng(0)
    seen = [faces_data.mask_sample(training, rng) for _ in range(JUDGES)]
    chosen = np.linspace(0, len(validation) - 1, JUDGES).round().astype(int)
    worn = [faces_data.worn_sample(validation, np.random.default_rng(int(i)), CROP, int(i)) for i in chosen]
    return Judges(*(torch.from_numpy(np.stack([s[k] for s in samples])) / 255 for samples, k in ((seen, "image"), (worn, "image"), (worn, "truth"))))


def deployable(network: nn.Module, int8_part: str = "", seen: Tensor | None = None) -> nn.Module:
    """A copy for inference: batch norm folded, slopes constant, weights rounded as the file stores them (and held as fp32).

    Wide convolutions of `int8_part` compute in 8 bits, in the ranges of what they do with `seen` [N, 3, 256, 256].
    """
    network = copy.deepcopy(network).float().cpu().eval()
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential):
            for before, after in zip(list(module._modules), list(module._modules)[1:]):
                if isinstance(module._modules[before], nn.Conv2d) and isinstance(module._modules[after], nn.BatchNorm2d):
                    module._modules[before] = fuse_conv_bn_eval(module._modules[before], module._modules[after])
                    module._modules[after] = nn.Identity()
        for name, child in list(module.named_children()):
            if isinstance(child, nets.SharedSlope):
                setattr(module, name, nn.LeakyReLU(child.slope.item()))
    if int8_part:
        quantise(network, int8_part, seen)
    rounded = {id(module.weight) for module in network.modules() if isinstance(module, Int8Conv)}
    for tensor in [*network.parameters(), *network.buffers()]:
        if tensor.is_floating_point() and tensor.ndim > 1 and id(tensor) not in rounded:
            tensor.data = int8(tensor.data)[0] if is_large(tensor) else tensor.data.half().float()
    return network.requires_grad_(False)


def is_large(tensor: torch.Tensor | np.ndarray) -> bool:
    """Whether it is the weight of a convolution of more than LARGE numbers."""
    return tensor.ndim == 4 and tensor.size > LARGE if isinstance(tensor, np.ndarray) else is_large(tensor.detach().numpy())


def int8(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A convolution's weight [O, I, h, w] as int8 would hold it, the whole numbers -127..127, and the scale [O, 1, 1, 1]."""
    scale = weight.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-8) / 127
    whole = (weight / scale).round()
    return whole * scale, whole, scale


def to_onnx(network: nn.Module, outputs: list[str], path: Path, side: int = CROP, name: str = "image") -> None:
    """Writes an ONNX graph with a fixed [1, 3, side, side] input and weights stored as fp16 and int8."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, side, side),),
            str(path),
            input_names=[name],
            output_names=outputs,
            opset_version=OPSET,
            do_constant_folding=False,  # it would store the transposed basis again for every use
            dynamo=False,
        )
    graph = onnx.load(str(path))
    store_integers(network, graph)
    store_small(graph)
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, str(path))


def store_integers(network: nn.Module, model: onnx.ModelProto) -> None:
    """Weights of 8-bit convolutions become int8, biases int32, each with the DequantizeLinear that ONNX Runtime fuses into a QLinearConv."""
    graph, array = model.graph, onnx.numpy_helper.from_array
    for path, module in network.named_modules():
        for part, (whole, scale) in module.integers().items() if isinstance(module, Int8Conv) else ():
            name = f"{path}.{part}"
            stale = [held for held in graph.initializer if held.name == name]
            copies = [node for node in graph.node if node.op_type == "Identity" and node.output[0] == name]  # of equal values a file keeps one
            for found, kept in ((stale, graph.initializer), (copies, graph.node)):
                for item in found:
                    kept.remove(item)
            inputs = [name + "_int8", name + "_scale", f"/{name}_zero"]
            values = whole, scale, np.zeros_like(scale, whole.dtype)
            graph.initializer.extend(array(value, key) for key, value in zip(inputs, values))
            graph.node.insert(0, onnx.helper.make_node("DequantizeLinear", inputs, [name], axis=0))


def store_small(model: onnx.ModelProto, smallest: int = 256) -> None:
    """Weights of `smallest` numbers or more become fp16 or int8, with a Cast (and a Mul) to fp32 in front of their use."""
    graph, numpy_helper, node = model.graph, onnx.numpy_helper, onnx.helper.make_node
    back, scales = [], []
    for initializer in graph.initializer:
        values, name = numpy_helper.to_array(initializer), initializer.name
        if values.dtype != np.float32 or values.size < smallest or values.ndim < 2:
            continue
        if is_large(values):
            _, whole, scale = int8(torch.from_numpy(values.copy()))
            initializer.CopyFrom(numpy_helper.from_array(whole.numpy().astype(np.int8), name + "_int8"))
            scales.append(numpy_helper.from_array(scale.numpy(), name + "_scale"))
            back.append(node("Cast", [name + "_int8"], [name + "_whole"], to=onnx.TensorProto.FLOAT))
            back.append(node("Mul", [name + "_whole", name + "_scale"], [name]))
        else:
            initializer.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + "_half"))
            back.append(node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    graph.initializer.extend(scales)
    nodes = [*back, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def session(model: Path | bytes) -> ort.InferenceSession:
    """An ONNX Runtime session on one thread, of a file or of what one holds."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"])


def parity(network: nn.Module, running: ort.InferenceSession, inputs: list[np.ndarray]) -> float:
    """Largest difference between the network and its export over all inputs and outputs."""
    worst = 0.0
    for values in inputs:
        with torch.no_grad():
            expected = network(torch.from_numpy(values))
        expected = expected if isinstance(expected, tuple) else (expected,)
        received = running.run(None, {running.get_inputs()[0].name: values})
        worst = max(worst, *(float(np.abs(e.numpy() - r).max()) for e, r in zip(expected, received)))
    return worst


def rounded_parity(network: nn.Module, path: Path, inputs: list[np.ndarray]) -> float:
    """`parity` of a file that computes in 8 bits: largest difference of any output or of any value from what its code stands for.

    A value half-way between two codes may be rounded either way, after which whole networks differ. So PyTorch is told the codes
    that ONNX Runtime chose, shows that every one of them is right, and goes on from them.
    """
    wide = {name: module for name, module in network.named_modules() if isinstance(module, Int8Conv)}
    model = onnx.load(str(path))
    made = {output: node for node in model.graph.node for output in node.output}
    rounds = {node.input[0]: node for node in model.graph.node if node.op_type == "QuantizeLinear"}
    convolutions = {node.input[1]: node for node in model.graph.node if node.op_type == "Conv"}
    codes = []
    for name in wide:
        node = convolutions[f"{name}.weight"]
        codes += [made[node.input[0]].input[0], rounds[node.output[0]].output[0]]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in codes)
    running, worst = session(model.SerializeToString()), 0.0
    for values in inputs:
        received = running.run(None, {"image": values})
        told = [torch.from_numpy(held) for held in received[-len(codes) :]]
        for index, module in enumerate(wide.values()):
            module.told = told[2 * index], told[2 * index + 1]
        with torch.no_grad():
            expected = network(torch.from_numpy(values))
        worst = max(worst, *(float(np.abs(e.numpy() - r).max()) for e, r in zip(expected, received)), *(m.apart for m in wide.values()))
    for module in wide.values():
        module.told = None
    return worst


def loss(exact: ort.InferenceSession, rounded: ort.InferenceSession, given: Judges) -> float:
    """dB that `rounded` is below `exact` in the region, mean over the validation faces in which a mask is found."""
    lost = []
    for worn, bare in zip(given.worn, given.bare):
        inputs = {"image": worn[None].numpy()}
        (ours, region, _), theirs = (tuple(torch.from_numpy(output) for output in s.run(None, inputs)) for s in (exact, rounded))
        if region.any():
            lost += (train.region_psnr(ours, bare[None], region) - train.region_psnr(theirs[0], bare[None], region)).tolist()
    return float(np.mean(lost))


def telling_seed(running: ort.InferenceSession, task: str) -> int:
    """The ramp in which an unmasker finds a region nearest to a fifth of the crop, so that its fixture shows kept and completed pixels."""
    if task != "unmask":
        return 1
    areas = {seed: float(running.run(["region"], {"image": ramp(seed)})[0].mean()) for seed in range(1, 9)}
    return min(areas, key=lambda seed: abs(areas[seed] - 0.2))


def fixture(running: ort.InferenceSession, values: np.ndarray, seed: int, count: int = 64) -> dict:
    """Expected outputs at `count` places spread over each output."""
    outputs = {}
    for output, result in zip(running.get_outputs(), running.run(None, {running.get_inputs()[0].name: values})):
        flat = result.ravel()
        indices = np.unique(np.linspace(0, flat.size - 1, count).astype(int) + np.arange(count) % 5)
        indices = indices[indices < flat.size]
        outputs[output.name] = {"indices": indices.tolist(), "values": [round(float(v), 7) for v in flat[indices]]}
    return {"input": {"kind": "ramp", "seed": seed}, "outputs": outputs}


def merge_json(path: Path, change: Callable[[dict], None], empty: dict) -> None:
    """Reads, changes and rewrites a JSON file, so that entries of others stay."""
    held = json.loads(path.read_text()) if path.exists() else empty
    change(held)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(held, indent=2, ensure_ascii=False) + "\n")


def register(entry: dict, expected: dict, models: Path = MODELS) -> None:
    """Puts one model into models.json and its fixture into fixtures/parity.json, by name."""

    def place(held: dict) -> None:
        others = [model for model in held["models"] if model["name"] != entry["name"]]
        held["models"] = sorted([*others, entry], key=lambda model: model["name"])

    merge_json(models / "models.json", place, {"schemaVersion": 1, "models": []})
    merge_json(models / "fixtures" / "parity.json", lambda held: held.update({entry["name"]: expected}), {})


def assemble(export: Export, runs: Path) -> tuple[nn.Module, dict] | None:
    """The network with its checkpoints' averaged weights, and their scores; None when a checkpoint is missing."""
    found = [next((runs / f"{stage}.pt" for stage in choice if (runs / f"{stage}.pt").exists()), None) for choice in export.checkpoints]
    if None in found:
        return None
    preset = torch.load(found[-1], map_location="cpu", weights_only=False)["preset"]
    network, scores = export.build(preset), {}
    for path in dict.fromkeys(found):
        saved = train.load_parts(network, path)
        scores |= {f"validation{name[0].upper()}{name[1:]}": round(value, 4) for name, value in saved["scores"].items()}
    return network, scores


def export_model(export: Export, runs: Path, models: Path, version: str, scores: dict | None = None, given: Judges | None = None) -> dict | None:
    """Exports one model, proves parity, registers it. Returns its models.json entry, None when it has no checkpoint.

    With `given` its wide convolutions compute in 8 bits. Raises ValueError when parity, the loss or the size limit is broken.
    """
    assembled = assemble(export, runs)
    if assembled is None:
        return None
    trained, validation = assembled
    network = deployable(trained)
    path = models / f"{export.name}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [name for name, _, _ in export.outputs]
    to_onnx(network, names, path)
    running = session(path)
    seed = telling_seed(running, export.task)
    noise = np.random.default_rng(0).random((1, 3, CROP, CROP), np.float32)
    inputs = [ramp(seed), ramp(seed + 1), noise, np.full_like(noise, 0.5)]
    worst = parity(network, running, inputs)
    if worst > PARITY:
        raise ValueError(f"Expected {path.name} within {PARITY} of PyTorch but received {worst:.2e}")
    proof, expected = f"parity {worst:.1e}", fixture(running, ramp(seed), seed)
    if given and export.int8:
        network = deployable(trained, export.int8, given.seen)
        to_onnx(network, names, path)
        exact, running = running, session(path)
        apart = rounded_parity(network, path, inputs)
        if apart > PARITY:
            raise ValueError(f"Expected {path.name} in 8 bits within {PARITY} of PyTorch but received {apart:.2e}")
        lost = loss(exact, running, given)
        if not lost <= LOSS:
            raise ValueError(f"Expected {path.name} in 8 bits to lose at most {LOSS} dB but received {lost:.3f} dB")
        proof += f", {export.int8} in 8 bits {apart:.1e}, {-lost:+.3f} dB"
        expected = fixture(running, ramp(seed), seed)
        expected["outputs"][names[0]]["rms"] = ROUNDED
    content = path.read_bytes()
    if len(content) > BYTES_LIMIT:
        raise ValueError(f"Expected {path.name} of at most {BYTES_LIMIT} bytes but received {len(content)}")
    shape = [1, 3, CROP, CROP]
    entry = {
        "name": export.name,
        "task": export.task,
        "version": version,
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "opset": OPSET,
        "inputs": [
            {"name": "image", "shape": shape, "layout": "NCHW", "type": "float32", "channels": "RGB", "range": [0, 1],
             "mean": [0, 0, 0], "std": [1, 1, 1]}
        ],
        "outputs": [{"name": name, "shape": [1, c, CROP, CROP], "meaning": meaning} for name, c, meaning in export.outputs],
        "parameters": export.parameters(network),
        "scores": scores or validation,
        "trainedOn": export.trained_on,
        "licence": RESEARCH,
        "card": f"README.md#{export.name}",
    }  # fmt: skip
    register(entry, expected, models)
    print(f"{export.name}: {len(content) / 1e6:.2f} MB, {proof}, {export.task}, {entry['scores']}", flush=True)
    return entry


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", default="runs", help="folder with <stage>.pt checkpoints")
    parser.add_argument("--models", default=str(MODELS), help="where models.json is")
    parser.add_argument("--only", nargs="*", help="names to export")
    parser.add_argument("--data", help="folder with faces/: the unmaskers then compute in 8 bits where that costs nothing")
    parser.add_argument("--celeba", help="the same from a CelebA folder")
    parser.add_argument("--scores", help="JSON of measured scores by model name; validation scores stand in")
    parser.add_argument("--version", default="0.12.0")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> list[dict]:
    options = parse(arguments)
    measured = json.loads(Path(options.scores).read_text()) if options.scores else {}
    given = None
    if options.data or options.celeba:
        source = argparse.Namespace(data=options.data, celeba=options.celeba, limit=0)
        given = judges(train.read(source, "train"), train.read(source, "val"))
    entries = []
    for export in EXPORTS:
        if not options.only or export.name in options.only:
            scores = measured.get(export.name)
            entry = export_model(export, Path(options.runs), Path(options.models), options.version, scores, given)
            entries += [entry] if entry else []
            if entry is None:
                print(f"{export.name}: no checkpoint in {options.runs}", flush=True)
    return entries


if __name__ == "__main__":
    main(sys.argv[1:])
