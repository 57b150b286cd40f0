"""`lapdepth evaluate`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapdepth.cli.predict import EngineChoice

if TYPE_CHECKING:
    from lapdepth.camera import FloatArray, Intrinsics
    from lapdepth.evaluation.evaluate import Evaluation
    from lapdepth.imaging import ByteArray


def evaluate(
    manifest: Annotated[Path | None, typer.Option(help="CSV of pictures with measured depth.")] = None,
    protocol: Annotated[str | None, typer.Option(help="nyu-eigen, kitti-garg, kitti-lapdepth or plain.")] = None,
    dataset: Annotated[str | None, typer.Option(help="An official test in place of --manifest: kitti-eigen or nyu.")] = None,
    root: Annotated[Path | None, typer.Option(help="Of --dataset: its folder, as lapdepth data prepare leaves it.")] = None,
    model: Annotated[str, typer.Option(help="Embedded name, model folder, .onnx file or hub id.")] = "default",
    engine: Annotated[EngineChoice, typer.Option(help="What runs the model.")] = EngineChoice.AUTO,
    split: Annotated[str | None, typer.Option(help="Only rows of this split.")] = None,
    fold: Annotated[str | None, typer.Option(metavar="K/N", help="Only block K of N blocks of scenes, K from 0.")] = None,
    cap: Annotated[float | None, typer.Option(help="Farthest depth scored, in metres.")] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Average with the mirrored picture.")] = False,
    predictions: Annotated[
        Path | None, typer.Option(help="Score what another tool saved in this folder (PNG, NPZ, NPY), not a model.")
    ] = None,
    kind: Annotated[str, typer.Option(help="Of --predictions: depth or inverse.")] = "depth",
    units: Annotated[float | None, typer.Option(help="Of --predictions: values for one metre; 256 for KITTI's PNG.")] = None,
    align: Annotated[
        str, typer.Option(help="Of --predictions: none, median, scale or scale-shift, picture by picture.")
    ] = "none",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all numbers here.")] = None,
) -> None:
    """Score a model, which is given the manifest's focal lengths, or saved predictions, on pictures with measured depth."""
    import re

    from rich.console import Console
    from rich.progress import track

    from lapdepth.data.manifest import divide, load_sample, read_manifest
    from lapdepth.errors import ConfigError
    from lapdepth.evaluation.datasets import PROTOCOL_OF, test_rows
    from lapdepth.evaluation.evaluate import evaluate as score
    from lapdepth.evaluation.protocols import PROTOCOLS, find_protocol
    from lapdepth.io.files import write_json

    if (manifest is None) == (dataset is None) or (root is None) != (dataset is None):
        raise ConfigError("what shall be scored? Give --manifest FILE --protocol NAME, or --dataset NAME --root DIR")
    if dataset is not None and split is not None:
        raise ConfigError("--split is for manifests; --dataset is an official test, all of it")
    if manifest is not None and protocol is None:
        raise ConfigError(f"--manifest needs --protocol: one of {', '.join(PROTOCOLS)}")
    rules = find_protocol(protocol or PROTOCOL_OF.get(dataset or "", "plain"))
    if manifest is not None:
        rows, folder = read_manifest(manifest, split), manifest.parent
    else:
        assert dataset is not None
        assert root is not None
        rows, folder = test_rows(dataset, root), root
    if fold is not None:
        match = re.fullmatch(r"(\d{1,4})/(\d{1,4})", fold)
        if match is None:
            raise ConfigError(f"--fold is '{fold}'; expected K/N, such as 0/5")
        rows = divide(rows, int(match[1]), int(match[2]))[1]
    console = Console(stderr=True)
    shown = track(rows, "evaluating", console=console, transient=True, disable=not console.is_terminal)
    notes: dict[str, object] = {}
    if predictions is not None:
        from lapdepth.evaluation.saved import Coding, SavedPredictions

        if flip:
            raise ConfigError("--flip is for models; saved predictions are scored as they are")
        coding = Coding(kind, units, align)
        saved = SavedPredictions(predictions, rows, folder, coding, rules, cap)
        done, name = score(saved, saved.samples(shown), rules, cap), f"{predictions} ({coding})"
        notes = {"predictions": {"kind": kind, "units": units, "alignment": align}}
    else:
        from lapdepth.inference.predictor import DepthPredictor

        predictor = DepthPredictor.from_pretrained(model, engine.value)
        notes = {"engine": predictor.engine.name}

        def predict(image: ByteArray, camera: Intrinsics) -> tuple[FloatArray, FloatArray | None]:
            result = predictor(image, focal_px=camera.focal_px, flip=flip)
            return result.depth_m, result.confidence

        done, name = score(predict, (load_sample(row) for row in shown), rules, cap), predictor.config.name
    _print(done, name, flip)
    if json_file is not None:
        write_json(
            json_file,
            {
                "model": name,
                "protocol": done.protocol,
                "cap_m": done.cap_m if math.isfinite(done.cap_m) else None,
                "flip": flip,
                "images": len(done.per_image),
                "metrics": done.metrics,
                "confidence": _confidence(done),
                "per_image": done.per_image,
                **notes,
            },
        )


def _print(done: Evaluation, model: str, flip: bool) -> None:
    from lapdepth.evaluation.metrics import METRICS, bootstrap_intervals

    typer.echo(f"{model}, protocol {done.protocol}, cap {done.cap_m:g} m, flip {flip}, {len(done.per_image)} pictures")
    intervals = bootstrap_intervals(done.per_image)
    for name in METRICS:
        low, high = intervals[name]
        typer.echo(f"  {name:9} {done.metrics[name]:8.4f}   95 % over scenes {low:.4f} to {high:.4f}")
    if done.reliability is None or done.ranking is None:
        typer.echo("  no confidence: this model predicts none (--flip makes one from disagreement)")
        return
    typer.echo("  confidence   share   mean   right to 10 %")
    for i, (share, mean, right) in enumerate(done.reliability.bins):
        if share > 0:
            typer.echo(f"  {i / 10:.1f} to {(i + 1) / 10:.1f}   {share:5.3f}  {mean:5.3f}   {right:5.3f}")
    typer.echo(
        f"  expected calibration error {done.reliability.calibration_error:.4f} "
        f"({done.reliability.best_calibration_error:.4f} with error_scale times {done.reliability.best_scale:.2f})"
    )
    typer.echo(f"  sparsification error {done.ranking[0]:.4f} (random {done.ranking[1]:.4f}, oracle 0)")


def _confidence(done: Evaluation) -> dict[str, object] | None:
    if done.reliability is None or done.ranking is None:
        return None
    return {
        "expected_calibration_error": done.reliability.calibration_error,
        "best_error_scale_factor": done.reliability.best_scale,
        "bins": done.reliability.bins.tolist(),
        "sparsification_error": done.ranking[0],
        "sparsification_error_random": done.ranking[1],
    }
