r"""Cross-validate a recipe over scenes: leave out each block of scenes in turn, train, and score the model on that block.

Every picture is scored by a model that never saw its scene. Each manifest named with ``--hold-out`` is divided into ``--folds``
blocks of scenes; run `k` leaves out the `k`-th block of all of them, from every group, and what any other manifest has of a scene
of the same name. Where a group comes in late, the part of the run before it is the same for all blocks: give a checkpoint from
before with ``--shared``, and each run starts there.

    python scripts/cross_validate.py configs/default.toml --folds 5 --output runs/folds \
        --hold-out nyu_labeled_train/manifest.csv=nyu-eigen --hold-out kitti_stereo_2015/manifest.csv=kitti-garg

Run it again to go on after an interruption, or with ``--flip`` to score the same models anew, averaged with the mirrored picture.
Writes report.json in the output folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.data.manifest import divide, load_sample, read_manifest
from lapdepth.errors import ConfigError, LapDepthError
from lapdepth.evaluation.evaluate import Evaluation, evaluate
from lapdepth.evaluation.metrics import bootstrap_intervals, mean_metrics
from lapdepth.evaluation.protocols import BoolArray, find_protocol
from lapdepth.imaging import ByteArray
from lapdepth.inference.predictor import DepthPredictor
from lapdepth.io.files import write_json
from lapdepth.training.config import SourceSettings, TrainConfig, load_train_config
from lapdepth.training.loop import make_sources, train
from lapdepth.training.resume import changes_of


def protocols_of(pairs: list[str], config: TrainConfig) -> dict[Path, str]:
    """What `--hold-out` asks for, by manifest; a mistake is told before the first fold is trained, not after it."""
    splits: dict[Path, set[str | None]] = {}
    for group in config.groups:
        for source in group.sources:
            if source.manifest is not None:
                splits.setdefault(source.manifest, set()).add(source.split)
    asked = {}
    for pair in pairs:
        name, equals, protocol = pair.rpartition("=")
        if not equals or Path(name) not in splits:
            raise ConfigError(
                f"--hold-out is '{pair}'; expected MANIFEST=PROTOCOL with a manifest of the configuration: "
                f"{', '.join(map(str, splits))}"
            )
        if len(splits[Path(name)]) > 1:
            raise ConfigError(f"--hold-out {name}: its groups take different splits of it, so that blocks would overlap")
        asked[Path(name)] = find_protocol(protocol).name
    return asked


def held_out(config: TrainConfig, manifests: Collection[Path], fold: int, folds: int) -> TrainConfig:
    """The configuration without block `fold` of each of the manifests, in every group."""

    def without(source: SourceSettings) -> SourceSettings:
        if source.manifest not in manifests:
            return source
        return source.model_copy(update={"fold": fold, "folds": folds})

    groups = tuple(one.model_copy(update={"sources": tuple(map(without, one.sources))}) for one in config.groups)
    return config.model_copy(update={"groups": groups, "output": config.output / f"fold-{fold}-of-{folds}"})


def check_shared(shared: Path, base: TrainConfig, divided: TrainConfig) -> None:
    """Refuse a checkpoint from after a group came in that draws from what the fold holds out."""
    try:
        step = int(torch.load(shared, map_location="cpu", weights_only=True)["step"])
    except Exception as error:  # PyTorch raises a dozen types on what is no checkpoint
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"--shared {shared} cannot be read: {reason}; expected a checkpoint that a training run left") from None
    for before, after in zip(base.groups, divided.groups, strict=True):
        if before.first_step < step and make_sources(before, base) != make_sources(after, divided):
            raise ConfigError(
                f"--shared {shared} is of step {step}, and group '{before.name}' came in at {before.first_step} with scenes "
                "that are held out; give a checkpoint from before"
            )


def score(
    predictor: DepthPredictor, config: TrainConfig, manifests: Collection[Path], protocol: str, flip: bool = False
) -> Evaluation:
    """Score a model on everything of the manifests that its run held out, or its mean with that of the mirrored picture."""
    sources = {one.manifest: one for group in config.groups for one in group.sources}
    rows = [
        row
        for manifest in manifests
        for row in divide(
            read_manifest(config.data_root / manifest, sources[manifest].split), sources[manifest].fold, sources[manifest].folds
        )[1]
    ]

    def predict(image: ByteArray, camera: Intrinsics) -> tuple[FloatArray, FloatArray | None, BoolArray]:
        result = predictor(image, focal_px=camera.focal_px, flip=flip)
        return result.depth_m, result.confidence, result.valid

    return evaluate(predict, (load_sample(row) for row in rows), find_protocol(protocol))


def main(
    config_file: Path,
    folds: Annotated[int, typer.Option(min=2, help="Into so many blocks of scenes.")],
    hold_out: Annotated[list[str], typer.Option(help="MANIFEST=PROTOCOL to divide and to score with, one or more.")],
    output: Annotated[Path, typer.Option(help="Folder for the runs and the report.")],
    shared: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Checkpoint that all runs start from.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="As for lapdepth train.")] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Average with the mirrored picture.")] = False,
) -> None:
    """Train and score each fold, print a table, write report.json."""
    try:
        base = load_train_config(config_file, changes).model_copy(update={"output": output})
        protocol_of = protocols_of(hold_out, base)
        found: dict[str, list[Evaluation]] = {protocol: [] for protocol in protocol_of.values()}
        for fold in range(folds):
            config = held_out(base, protocol_of, fold, folds)
            if (config.output / "model").is_dir():
                # Refuses a fold of other settings, which may have trained on what is held out now.
                changes_of(config, config.steps)
            else:
                if shared is not None and not any(config.output.glob("checkpoint-*.pt")):
                    check_shared(shared, base, config)
                    config.output.mkdir(parents=True, exist_ok=True)
                    shutil.copy(shared, config.output / "checkpoint-00000000.pt")
                train(config, resume=True)
            predictor = DepthPredictor.from_pretrained(str(config.output / "model"))
            for protocol, evaluations in found.items():
                done = score(predictor, config, [name for name, its in protocol_of.items() if its == protocol], protocol, flip)
                evaluations.append(done)
                typer.echo(f"fold {fold}, {protocol}: delta1 {done.metrics['delta1']:.4f}, abs_rel {done.metrics['abs_rel']:.4f}")
    except LapDepthError as error:
        typer.echo(f"cross_validate: {error}", err=True)
        raise typer.Exit(1) from None
    report = {protocol: pooled(evaluations) | {"flip": flip} for protocol, evaluations in found.items()}
    write_json(output / "report.json", report)


def pooled(evaluations: list[Evaluation]) -> dict[str, object]:
    """Print and return the numbers of all folds together."""
    per_image = [image for done in evaluations for image in done.per_image]
    metrics = mean_metrics(
        [{key: float(value) for key, value in image.items() if key not in ("name", "scene")} for image in per_image]
    )
    intervals = bootstrap_intervals(per_image)
    typer.echo(f"{evaluations[0].protocol}: {len(per_image)} scores of pictures held out")
    for metric, (low, high) in intervals.items():
        typer.echo(f"  {metric:9} {metrics[metric]:8.4f}   95 % over scenes {low:.4f} to {high:.4f}")
    report: dict[str, object] = {
        "metrics": metrics,
        "intervals": intervals,
        "per_image": per_image,
    }
    report["reliability"] = [
        asdict(done.reliability) | {"bins": done.reliability.bins.tolist()}
        for done in evaluations
        if done.reliability is not None
    ]
    for done in evaluations:
        if done.reliability is not None and done.ranking is not None:
            typer.echo(
                f"  calibration error {done.reliability.calibration_error:.4f}, {done.reliability.best_calibration_error:.4f} "
                f"with error_scale times {done.reliability.best_scale:.2f}; sparsification error {done.ranking[0]:.4f}, "
                f"random {done.ranking[1]:.4f}"
            )
    return report


if __name__ == "__main__":
    typer.run(main)
