"""Score a model on rendered roads that no training has seen: metres, focal lengths, edges, confidence, sky.

    python scripts/evaluate_rendered.py default --count 24

Every road is rendered at several factors of a base focal length, and the focal length is given to the model. Printed are

- the median over pixels of |predicted - true| / true where the truth is 5 to 40 m, and of predicted / true, at each factor: the
  mean over pictures, with a 95 % bootstrap interval over them (every picture is of a scene of its own);
- the boundary F1, the calibration error and the share of the sky that is near, all at the base focal length itself.

Boundary F1 is that of `lapdepth.evaluation.edges`: sky is infinitely far in the truth, and in the prediction where it is not
valid.

The calibration error is that of `lapdepth.evaluation.confidence`, over pixels whose truth is up to 80 m. The sky is near where
the model calls it valid and gives it less than 80 m.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np
import typer

from lapdepth.errors import InputError, LapDepthError
from lapdepth.evaluation.confidence import ReliabilityCounter
from lapdepth.evaluation.edges import boundary_f1
from lapdepth.evaluation.sky import SkyCounter
from lapdepth.imaging import ByteArray
from lapdepth.inference.predictor import DepthPredictor
from lapdepth.inference.result import DepthResult
from lapdepth.synthetic.dataset import HELD_OUT_SEED, DatasetSettings, draw_scene
from lapdepth.synthetic.render import Frame, Renderer

Predict = Callable[[ByteArray, float], DepthResult]
"""(H, W, 3) uint8 RGB and its focal length in pixels to a result."""

NEAREST_M, FARTHEST_M = 5.0, 40.0
"""Depths at which the metres are scored."""
CAP_M = 80.0
"""Farthest truth for the confidence."""
FACTORS = (1.0, 0.6, 0.8, 1.3, 1.8)
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean over pictures.

    Attributes:
        mean: Of the pictures' values.
        low: Lower end of the 95 % bootstrap interval.
        high: Upper end.
        pictures: How many had a value.
    """

    mean: float
    low: float
    high: float
    pictures: int


@dataclass(frozen=True, slots=True)
class AtFocal:
    """The metres at one focal length.

    Attributes:
        factor: On the base focal length.
        focal_px: Focal length.
        error: Median relative error of the pixels at 5 to 40 m.
        ratio: Median of predicted / true of the same pixels.
    """

    factor: float
    focal_px: float
    error: Mean
    ratio: Mean


@dataclass(frozen=True, slots=True)
class Report:
    """All that is printed.

    Attributes:
        pictures: At each focal length.
        width: Of a picture, in pixels.
        height: Of a picture, in pixels.
        seed: Of the roads.
        at_focal: Metres by focal length.
        boundary_f1: At the first of them; `None` where no road had an edge.
        calibration_error: At the first of them; `None` for models without confidence.
        sky_pixels: Number of pixels of sky, at the first of them.
        near_sky_share: Share of them that is valid and nearer than 80 m; `None` without sky.
        inner_near_sky_share: The same off the rim, as `lapdepth.evaluation.sky` defines it.
    """

    pictures: int
    width: int
    height: int
    seed: int
    at_focal: tuple[AtFocal, ...]
    boundary_f1: Mean | None
    calibration_error: float | None
    sky_pixels: int
    near_sky_share: float | None
    inner_near_sky_share: float | None


def evaluate_roads(
    predict: Predict,
    settings: DatasetSettings,
    factors: tuple[float, ...] = FACTORS,
    device: str = "cpu",
    progress: Callable[[int], None] = lambda done: None,
) -> Report:
    """Render roads and score predictions of them.

    Args:
        predict: The model.
        settings: Which roads, with one view each; its smallest focal length is the base.
        factors: On the base focal length; edges, confidence and sky are scored at the first.
        device: Of PyTorch, for the renderer.
        progress: Called with the number of roads done.
    """
    errors: list[list[tuple[float, float]]] = [[] for _ in factors]
    edges: list[float] = []
    counter = ReliabilityCounter()
    sky = SkyCounter()
    for number in range(settings.count):
        for place, factor in enumerate(factors):
            frame = _frame(settings, number, factor, device)
            result = predict(frame.image, frame.intrinsics.focal_px)
            scored = (frame.depth_m >= NEAREST_M) & (frame.depth_m <= FARTHEST_M)
            if scored.any():
                ratios = result.depth_m[scored] / frame.depth_m[scored]
                errors[place].append((float(np.median(np.abs(ratios - 1))), float(np.median(ratios))))
            if place:
                continue
            far_where_none_m = np.where(result.valid, result.depth_m, np.float32(np.inf))
            f1 = boundary_f1(far_where_none_m, frame.depth_m)
            edges += [] if f1 is None else [f1]
            in_sky = frame.ids == 0
            sky.add(far_where_none_m, np.where(in_sky, np.float32(0), frame.depth_m), in_sky, by_looks=False)
            known = frame.depth_m <= CAP_M
            if result.confidence is not None and known.any():
                counter.add(result.confidence[known], result.depth_m[known], frame.depth_m[known])
        progress(number + 1)
    at_focal = []
    for factor, pairs in zip(factors, errors, strict=True):
        if not pairs:
            raise InputError(f"no road has a pixel at {NEAREST_M:g} to {FARTHEST_M:g} m; render more or larger pictures")
        error, ratio = (_mean(list(values)) for values in zip(*pairs, strict=True))
        at_focal.append(AtFocal(factor, settings.focal_px[0] * factor, error, ratio))
    reliability, found = counter.result(), sky.result()
    return Report(
        pictures=settings.count,
        width=settings.size[0],
        height=settings.size[1],
        seed=settings.seed,
        at_focal=tuple(at_focal),
        boundary_f1=_mean(edges) if edges else None,
        calibration_error=None if reliability is None else reliability.calibration_error,
        sky_pixels=0 if found is None else found.pixels,
        near_sky_share=None if found is None else found.near,
        inner_near_sky_share=None if found is None else found.inner_near,
    )


def _frame(settings: DatasetSettings, number: int, factor: float, device: str) -> Frame:
    """The same road at the same moment, whatever the focal length."""
    scene, times_s = draw_scene(settings, number)
    camera = scene.camera.model_copy(update={"focal_px": settings.focal_px[0] * factor})
    return Renderer(scene.model_copy(update={"camera": camera}), device).frame(times_s[0])


def _mean(values: list[float]) -> Mean:
    drawn = np.random.default_rng(0).choice(values, (DRAWS, len(values))).mean(axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Mean(float(np.mean(values)), float(low), float(high), len(values))


def _print(report: Report) -> None:
    print(f"{report.pictures} rendered roads of {report.width}x{report.height}, seed {report.seed}; 95 % intervals in brackets")
    for one in sorted(report.at_focal, key=lambda one: one.factor):
        ratio = f"predicted / true {one.ratio.mean:.3f} [{one.ratio.low:.3f}, {one.ratio.high:.3f}]"
        error = f"{100 * one.error.mean:.1f} % [{100 * one.error.low:.1f}, {100 * one.error.high:.1f}]"
        print(f"focal {one.factor:g} x ({one.focal_px:g} px), 5 to 40 m: median error {error}, {ratio}")
    print(f"edges, confidence and sky at focal {report.at_focal[0].factor:g} x:")
    edge = report.boundary_f1
    print("boundary F1 " + ("none: no edges" if edge is None else f"{edge.mean:.3f} [{edge.low:.3f}, {edge.high:.3f}]"))
    sure = report.calibration_error
    print("calibration error of the confidence " + ("none: the model has no confidence" if sure is None else f"{sure:.3f}"))
    share = "no sky" if report.near_sky_share is None else f"{100 * report.near_sky_share:.2f} %"
    inner = report.inner_near_sky_share
    off_rim = "" if inner is None else f", {100 * inner:.2f} % off the rim"
    print(f"sky that is valid and nearer than 80 m: {share} of {report.sky_pixels} pixels{off_rim}")


def main(
    model: Annotated[str, typer.Argument(help="Name of an embedded model, a folder or an .onnx file.")],
    count: Annotated[int, typer.Option(help="Roads.")] = 24,
    seed: Annotated[int, typer.Option(help=f"Which roads; {HELD_OUT_SEED} and above are kept out of training.")] = HELD_OUT_SEED,
    focal_px: Annotated[float, typer.Option("--focal", help="Base focal length in pixels.")] = 350.0,
    width: Annotated[int, typer.Option(help="Of the pictures.")] = 640,
    height: Annotated[int, typer.Option(help="Of the pictures.")] = 192,
    device: Annotated[str, typer.Option(help="Device of PyTorch for the renderer, such as cuda:0.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a model on rendered roads that no training has seen."""
    try:
        predictor = DepthPredictor.from_pretrained(model)
        settings = DatasetSettings("road", count, (width, height), (focal_px, focal_px), views=1, seed=seed)
        report = evaluate_roads(
            lambda image, focal_px: predictor(image, focal_px=focal_px),
            settings,
            device=device,
            progress=lambda done: typer.echo(f"\r{done} of {count} roads", err=True, nl=done == count),
        )
    except LapDepthError as error:
        typer.echo(f"evaluate_rendered: {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps({"model": model, **asdict(report)}, indent=2))
    else:
        _print(report)


if __name__ == "__main__":
    typer.run(main)
