"""Time other depth networks beside ours, on the CPU with the best engine that takes each, or on a GPU compiled in half precision.

Needs the torch, openvino and benchmark extras. Networks are built from their configurations with random
weights, on which speed does not depend, so nothing is downloaded. Each is timed in turns with ours at 640x192, and its ratio is
of that run. What --json holds already is not timed again, so a run that was stopped goes on.

    python scripts/benchmark_peers.py --json peers.json --plot docs/images/peers.svg
    python scripts/benchmark_peers.py --busy --repeats 1    # beside other work: one thread, its processor time
    python scripts/benchmark_peers.py --device cuda --batches 1 8    # eager float32 beside compiled half precision
    python scripts/benchmark_peers.py --device cpu --compiled --tiny    # rehearses the line above without a GPU
"""

from __future__ import annotations

import argparse
import copy
import html
import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import onnxruntime
import openvino
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    BeitConfig,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
    GLPNConfig,
    GLPNForDepthEstimation,
    ZoeDepthConfig,
    ZoeDepthForDepthEstimation,
)

from lapdepth.benchmark.large import large_network
from lapdepth.benchmark.speed import engines_of, interleaved
from lapdepth.inference.engine import open_engine
from lapdepth.io.files import atomic_path, write_json
from lapdepth.io.plots import GREY, standalone
from lapdepth.model.checkpoint import load_model
from lapdepth.zoo import find_model

OURS = "LapDepth default"
LARGE = "LapDepth ResNeXt101"
OUR_SIZE = (192, 640)
Action = Callable[[], object]


class Depth(nn.Module):
    """Any of these networks with only its depth given out."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) to its depth, in whatever unit and shape."""
        out = self.network(image)
        if isinstance(out, Tensor):
            return out
        depth: Tensor = out.predicted_depth if hasattr(out, "predicted_depth") else out.depth_m
        return depth


class Unit(nn.Module):
    """Residual convolution unit of MiDaS."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1), nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        more: Tensor = self.convs(x)
        return x + more


class MidasSmall(nn.Module):
    """A network of the class of MiDaS v2.1 small (Ranftl et al., arXiv 1907.01341): EfficientNet-Lite3, fusion of four levels."""

    def __init__(self, encoder: str = "tf_efficientnet_lite3") -> None:
        super().__init__()
        features: Any = timm.create_model(encoder, features_only=True, out_indices=(1, 2, 3, 4))
        self.encoder, channels, widths = features, features.feature_info.channels(), (64, 128, 256, 512)
        self.reduce = nn.ModuleList(nn.Conv2d(a, b, 3, 1, 1, bias=False) for a, b in zip(channels, widths, strict=True))
        self.inner = nn.ModuleList(Unit(width) for width in widths[:-1])
        self.outer = nn.ModuleList(Unit(width) for width in widths)
        self.out = nn.ModuleList(nn.Conv2d(width, max(width // 2, 64), 1) for width in widths)
        self.near = nn.Conv2d(64, 32, 3, 1, 1)
        self.head = nn.Sequential(nn.Conv2d(32, 32, 3, 1, 1), nn.ReLU(), nn.Conv2d(32, 1, 1), nn.ReLU())

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, 1, H, W)."""
        features = [reduce(x) for reduce, x in zip(self.reduce, self.encoder(image), strict=True)]
        x = features[3]
        for level in (3, 2, 1, 0):
            if level < 3:
                x = x + self.inner[level](features[level])
            x = self.out[level](F.interpolate(self.outer[level](x), scale_factor=2.0, mode="bilinear", align_corners=True))
        depth: Tensor = self.head(F.interpolate(self.near(x), scale_factor=2.0, mode="bilinear", align_corners=False))
        return depth


def depth_anything(tiny: bool) -> nn.Module:
    """Depth Anything V2 Small: configuration of depth-anything/Depth-Anything-V2-Small-hf."""
    layers = [1, 2, 3, 4] if tiny else [3, 6, 9, 12]
    backbone = Dinov2Config(
        hidden_size=384, num_attention_heads=6, num_hidden_layers=layers[-1], image_size=518, patch_size=14,
        out_indices=layers, apply_layernorm=True, reshape_hidden_states=False,
    )  # fmt: skip
    network: nn.Module = DepthAnythingForDepthEstimation(
        DepthAnythingConfig(
            backbone_config=backbone, reassemble_hidden_size=384, neck_hidden_sizes=[48, 96, 192, 384], fusion_hidden_size=64
        )
    )
    return network


def dpt(tiny: bool) -> nn.Module:
    """DPT-Large: configuration of Intel/dpt-large."""
    layers = [0, 1, 2, 3] if tiny else [5, 11, 17, 23]
    network: nn.Module = DPTForDepthEstimation(
        DPTConfig(
            hidden_size=1024, num_hidden_layers=layers[-1] + 1, num_attention_heads=16, intermediate_size=4096, image_size=384,
            patch_size=16, backbone_out_indices=layers, neck_hidden_sizes=[256, 512, 1024, 1024], fusion_hidden_size=256,
        )
    )  # fmt: skip
    return network


def glpn(tiny: bool) -> nn.Module:
    """GLPN: configuration of vinvino02/glpn-nyu."""
    depths = [1, 1, 1, 1] if tiny else [3, 8, 27, 3]
    config = GLPNConfig(depths=depths, hidden_sizes=[64, 128, 320, 512], decoder_hidden_size=64)
    network: nn.Module = GLPNForDepthEstimation(config)
    return network


def zoedepth(tiny: bool) -> nn.Module:
    """ZoeDepth: configuration of Intel/zoedepth-nyu."""
    layers = [1, 2, 3, 4] if tiny else [6, 12, 18, 24]
    backbone = BeitConfig(
        image_size=384, num_hidden_layers=layers[-1], hidden_size=1024, intermediate_size=4096, num_attention_heads=16,
        use_relative_position_bias=True, reshape_hidden_states=False, out_features=[f"stage{i}" for i in layers],
    )  # fmt: skip
    network: nn.Module = ZoeDepthForDepthEstimation(ZoeDepthConfig(backbone_config=backbone))
    return network


PEERS: dict[str, tuple[Callable[[bool], nn.Module], tuple[int, int], tuple[int, int]]] = {
    "MiDaS small class": (lambda tiny: MidasSmall("mobilenetv2_050" if tiny else "tf_efficientnet_lite3"), (256, 256), OUR_SIZE),
    "Depth Anything V2 Small": (depth_anything, (518, 518), (196, 644)),
    "GLPN": (glpn, (480, 640), OUR_SIZE),
    "DPT-Large": (dpt, (384, 384), (352, 352)),
    "ZoeDepth": (zoedepth, (384, 512), OUR_SIZE),
}
"""How each is built, its own standard size, and the nearest that it takes to ours: DPT takes squares alone, of as many pixels."""


def eager(network: nn.Module, image: Tensor) -> Action:
    """The plain network."""

    def run() -> object:
        with torch.inference_mode():
            return network(image)

    return run


def ours_on_cpu(network: nn.Module, image: Tensor, threads: int) -> dict[str, Action]:
    """The plain network, and our engines."""
    array = image.numpy()
    names = [name for name in engines_of(find_model("default")) if name != "torch"]
    return {"torch eager": eager(network, image)} | {
        name: partial(open_engine("default", name, threads=threads), array) for name in names
    }


def on_cpu(network: nn.Module, image: Tensor, folder: Path, threads: int) -> dict[str, Action]:
    """PyTorch eager, ONNX Runtime and OpenVINO; an engine that does not take the network is left out, and that is printed."""
    found: dict[str, Action] = {"torch eager": eager(network, image)}
    file = folder / "model.onnx"
    array = image.numpy()
    try:
        torch.onnx.export(network, (image,), file, dynamo=True, input_names=["image"], output_names=["depth"], verbose=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        found["onnx"] = lambda: session.run(None, {"image": array})
        session.run(None, {"image": array})
    except Exception as error:  # whatever the exporter or the engine cannot do
        print(f"  no onnx: {str(error).splitlines()[0][:100]}")
        found.pop("onnx", None)
    for name, precision in (("openvino", "f32"), ("openvino-bf16", "bf16")):
        try:
            settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
            if threads:
                settings["INFERENCE_NUM_THREADS"] = threads
            request = openvino.Core().compile_model(str(file), "CPU", settings).create_infer_request()
            request.infer({"image": array})
            found[name] = partial(request.infer, {"image": array})
        except Exception as error:
            print(f"  no {name}: {str(error).strip().splitlines()[-1][:100]}")
    return found


def compiled(network: nn.Module, image: Tensor, half: torch.dtype) -> dict[str, Action]:
    """PyTorch eager in float32, and compiled in half precision with static graphs."""
    static = torch.compile(copy.deepcopy(network).to(half).to(memory_format=torch.channels_last), mode="max-autotune")
    short = image.to(half).to(memory_format=torch.channels_last)

    def run(module: Callable[[Tensor], object], tensor: Tensor) -> object:
        with torch.inference_mode():
            out = module(tensor)
        if tensor.is_cuda:
            torch.cuda.synchronize()
        return out

    return {"torch eager": partial(run, network, image), "compiled half": partial(run, static, short)}


def ours(large: bool, tiny: bool) -> nn.Module:
    """The default model, or the published large network with random weights."""
    if large:
        return large_network("mobilenetv2_100.ra_in1k", OUR_SIZE) if tiny else large_network()
    return load_model("default")


def measure(options: argparse.Namespace, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a network, size, batch and engine, added to those known; the file is written after each network."""
    jobs: list[tuple[str, tuple[int, int], Callable[[], nn.Module]]] = [
        (name, size, partial(build, options.tiny))
        for name, (build, standard, near) in PEERS.items()
        for size in dict.fromkeys((standard, near))
    ]
    if options.compiled:
        jobs.insert(0, (LARGE, (352, 1216), partial(ours, True, options.tiny)))
    threads = 1 if options.busy else 0
    half = torch.float16 if options.device.startswith("cuda") else torch.bfloat16
    for batch in options.batches:
        for name, (height, width), build in jobs:
            if options.models and name not in options.models:
                continue
            size = (height // 4 // 14 * 14, width // 4 // 14 * 14) if options.tiny and "Anything" in name else (height, width)
            size = (64, 64) if options.tiny and "Anything" not in name else size
            if any((row["model"], row["height"], row["width"], row["batch"]) == (name, *size, batch) for row in rows):
                continue
            print(f"{name} at {size[1]}x{size[0]}, batch {batch}", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                actions: dict[str, Action] = {}
                for what, make, shape in ((OURS, partial(ours, False, options.tiny), OUR_SIZE), (name, build, size)):
                    network = Depth(make()).eval().requires_grad_(False).to(options.device)
                    image = torch.rand(batch, 3, *shape, device=options.device)
                    if options.compiled:
                        found = compiled(network, image, half)
                    elif what == OURS:
                        found = ours_on_cpu(network, image, threads)
                    else:
                        found = on_cpu(network, image, Path(folder), threads)
                    actions |= {f"{what}|{engine}": action for engine, action in found.items()}
                seconds = interleaved(actions, options.repeats, *((0, time.process_time) if options.busy else ()))
            rows += _rows(seconds, name, size, batch)
            if options.json is not None:
                write_json(options.json, rows)
    return rows


def _rows(seconds: Mapping[str, float], name: str, size: tuple[int, int], batch: int) -> list[dict[str, Any]]:
    exact = {key: value for key, value in seconds.items() if key.startswith(OURS) and not key.endswith("bf16")}
    fastest = min(exact.values())
    rows = []
    for key, value in seconds.items():
        what, engine = key.split("|")
        height, width = OUR_SIZE if what == OURS else size
        eager = seconds[f"{what}|torch eager"]
        row = {"model": what, "beside": name, "height": height, "width": width, "batch": batch, "engine": engine}
        row |= {"ms": round(1000 * value, 2), "pictures_per_s": round(batch / value, 3)}
        rows.append(row | {"times_eager": round(eager / value, 2), "times_our_best": round(value / fastest, 2)})
        print(
            f"  {what:24} {width}x{height} {engine:14} {1000 * value:9.1f} ms {batch / value:8.2f} a second "
            f"{eager / value:5.2f} x eager {value / fastest:7.2f} x our best"
        )
    return rows


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Bars, on a scale of ratios, of how many times as long as ours each takes: float32, the best engine of each."""
    best: dict[str, float] = {f"{OURS}, 640x192": 1.0}
    for row in rows:
        if row["model"] != OURS and row["engine"] not in ("openvino-bf16", "compiled half") and row["batch"] == rows[0]["batch"]:
            label = f"{row['model']}, {row['width']}x{row['height']}"
            best[label] = min(best.get(label, math.inf), row["times_our_best"])
    left, across, top, step = 230, 300, 46, 20
    low, high = min(1.0, *best.values()) / 2, max(best.values())
    bars = ""
    for i, (label, ratio) in enumerate(best.items()):
        y, width = top + i * step, across * math.log(ratio / low) / math.log(high / low)
        bars += (
            f"<text x='{left - 8}' y='{y + 11}' text-anchor='end'>{html.escape(label)}</text>"
            f"<rect class='f{GREY if i else 0}' x='{left}' y='{y}' width='{width:.0f}' height='14' rx='2'/>"
            f"<text x='{left + width + 6:.0f}' y='{y + 11}'>{ratio:.3g}</text>"
        )
    title = "Time of one picture, in times of ours"
    below = "float32, best engine of each, random weights; the scale is logarithmic"
    size = (left + across + 60, top + len(best) * step + 10)
    one = (
        f"<svg class='plot' role='img' aria-label='{title}' width='{size[0]}' height='{size[1]}'>"
        f"<text class='title' x='10' y='18'>{title}</text><text x='10' y='34'>{below}</text>{bars}</svg>"
    )
    with atomic_path(path) as scratch:
        scratch.write_text(standalone([one], size=size), encoding="utf-8")


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, or cuda: eager float32 beside compiled float16")
    parser.add_argument("--compiled", action="store_true", help="as with cuda, but in bfloat16 where the device is the CPU")
    parser.add_argument("--tiny", action="store_true", help="small networks and pictures, to rehearse")
    parser.add_argument(
        "--busy", action="store_true", help="one thread, and its processor time: for a machine that does other work"
    )
    parser.add_argument("--models", nargs="*", choices=[*PEERS, LARGE], help="only these")
    parser.add_argument("--batches", type=int, nargs="+", default=[1], help="pictures at a time")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write all numbers here, and go on from what it holds")
    parser.add_argument("--plot", type=Path, help="draw the ratios in this SVG file")
    options = parser.parse_args()
    options.compiled = options.compiled or options.device != "cpu"
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("PyTorch finds no CUDA device; rehearse with: --device cpu --compiled --tiny")
    for path in (options.json, options.plot):
        if path is not None and not path.parent.is_dir():
            parser.error(f"cannot write {path}: the folder {path.parent} does not exist; make it first")
    if options.busy and options.compiled:
        parser.error("--busy is for the engines on the CPU; leave it out with --compiled and --device")
    torch.manual_seed(0)
    if options.busy:
        torch.set_num_threads(1)
    start = time.perf_counter()
    known = json.loads(options.json.read_bytes()) if options.json is not None and options.json.is_file() else []
    rows = measure(options, known)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {time.perf_counter() - start:.0f} s")
    if options.plot is not None:
        draw(rows, options.plot)


if __name__ == "__main__":
    main()
