r"""Cross-validate a recipe over scenes: leave out each block of scenes in turn, train, and score the model on that block.

Every picture is scored by a model that never saw its scene. Manifests that a group of the configuration holds a block out of
are held out of every group, with that block; the manifests of the group named with ``--group`` are divided into ``--folds``
blocks of scenes. Where a group comes in late, the part of the run before it is the same for all blocks: give a checkpoint from
before with ``--shared``, and each run starts there.

    python scripts/cross_validate.py configs/default.toml --group roads --folds 3 --score roads=kitti-garg \
        --score rooms=nyu-eigen --output runs/folds

Run it again to go on after an interruption. Writes report.json in the output folder.
"""

from __future__ import annotations

import shutil
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
from lapdepth.evaluation.protocols import find_protocol
from lapdepth.imaging import ByteArray
from lapdepth.inference.predictor import DepthPredictor
from lapdepth.io.files import write_json
from lapdepth.training.config import GroupSettings, SourceSettings, TrainConfig, load_train_config
from lapdepth.training.loop import train


def held_out(config: TrainConfig, group: str, fold: int, folds: int) -> TrainConfig:
    """The configuration without block `fold` of the group's manifests, and without what any group holds out."""
    if group not in [one.name for one in config.groups]:
        raise ConfigError(f"--group is '{group}'; the configuration has {', '.join(one.name for one in config.groups)}")
    blocks = {source.manifest: (source.fold, source.folds) for one in config.groups for source in one.sources if source.folds}
    blocks |= {source.manifest: (fold, folds) for one in config.groups if one.name == group for source in one.sources}

    def without(source: SourceSettings) -> SourceSettings:
        if source.manifest is None:  # scenes drawn for training: none is ever scored
            return source
        own_fold, own_folds = blocks.get(source.manifest, (0, 0))
        return source.model_copy(update={"fold": own_fold, "folds": own_folds})

    groups = tuple(one.model_copy(update={"sources": tuple(map(without, one.sources))}) for one in config.groups)
    return config.model_copy(update={"groups": groups, "output": config.output / f"fold-{fold}-of-{folds}"})


def protocols_of(pairs: list[str], config: TrainConfig) -> dict[str, str]:
    """What `--score` asks for, by group; a mistake is told before the first fold is trained, not after it."""
    holding = [one.name for one in config.groups if any(source.folds for source in one.sources)]
    asked = {}
    for pair in pairs:
        name, equals, protocol = pair.partition("=")
        if not equals or name not in holding:
            raise ConfigError(f"--score is '{pair}'; expected GROUP=PROTOCOL with a group that holds out: {', '.join(holding)}")
        asked[name] = find_protocol(protocol).name
    return asked


def check_shared(shared: Path, base: TrainConfig, divided: TrainConfig) -> None:
    """Refuse a checkpoint from after a group came in that draws from what the fold holds out."""
    step = int(torch.load(shared, map_location="cpu", weights_only=True)["step"])
    for before, after in zip(base.groups, divided.groups, strict=True):
        if before.first_step < step and before.sources != after.sources:
            raise ConfigError(
                f"--shared {shared} is of step {step}, and group '{before.name}' came in at {before.first_step} with scenes "
                "that are held out; give a checkpoint from before"
            )


def score(predictor: DepthPredictor, config: TrainConfig, group: GroupSettings, protocol: str) -> Evaluation:
    """Score a model on everything that its run held out of a group."""
    rows = [
        row
        for source in group.sources
        if source.folds and source.manifest is not None
        for row in divide(read_manifest(config.data_root / source.manifest, source.split), source.fold, source.folds)[1]
    ]

    def predict(image: ByteArray, camera: Intrinsics) -> tuple[FloatArray, FloatArray | None]:
        result = predictor(image, focal_px=camera.focal_px)
        return result.depth_m, result.confidence

    return evaluate(predict, (load_sample(row) for row in rows), find_protocol(protocol))


def main(
    config_file: Path,
    group: Annotated[str, typer.Option(help="Its manifests are divided.")],
    folds: Annotated[int, typer.Option(min=2, help="Into so many blocks of scenes.")],
    score_with: Annotated[list[str], typer.Option("--score", help="GROUP=PROTOCOL, one or more.")],
    output: Annotated[Path, typer.Option(help="Folder for the runs and the report.")],
    shared: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Checkpoint that all runs start from.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="As for lapdepth train.")] = None,
) -> None:
    """Train and score each fold, print a table, write report.json."""
    try:
        base = load_train_config(config_file, changes).model_copy(update={"output": output})
        protocols = protocols_of(score_with, held_out(base, group, 0, folds))
        found: dict[str, list[Evaluation]] = {name: [] for name in protocols}
        for fold in range(folds):
            config = held_out(base, group, fold, folds)
            if not (config.output / "model").is_dir():
                if shared is not None and not any(config.output.glob("checkpoint-*.pt")):
                    config.output.mkdir(parents=True, exist_ok=True)
                    check_shared(shared, base, config)
                    shutil.copy(shared, config.output / "checkpoint-00000000.pt")
                train(config, resume=True)
            predictor = DepthPredictor.from_pretrained(str(config.output / "model"))
            for name, protocol in protocols.items():
                its_group = next(one for one in config.groups if one.name == name)
                done = score(predictor, config, its_group, protocol)
                found[name].append(done)
                typer.echo(f"fold {fold}, {name}: delta1 {done.metrics['delta1']:.4f}, abs_rel {done.metrics['abs_rel']:.4f}")
    except LapDepthError as error:
        typer.echo(f"cross_validate: {error}", err=True)
        raise typer.Exit(1) from None
    write_json(output / "report.json", {name: pooled(name, evaluations) for name, evaluations in found.items()})


def pooled(name: str, evaluations: list[Evaluation]) -> dict[str, object]:
    """Print and return the numbers of all folds together."""
    per_image = [image for done in evaluations for image in done.per_image]
    metrics = mean_metrics(
        [{key: float(value) for key, value in image.items() if key not in ("name", "scene")} for image in per_image]
    )
    intervals = bootstrap_intervals(per_image)
    typer.echo(f"{name}, {evaluations[0].protocol}: {len(per_image)} scores of pictures held out")
    for metric, (low, high) in intervals.items():
        typer.echo(f"  {metric:9} {metrics[metric]:8.4f}   95 % over scenes {low:.4f} to {high:.4f}")
    report: dict[str, object] = {
        "protocol": evaluations[0].protocol,
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
