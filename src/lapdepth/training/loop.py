"""The training loop: one batch a step of every group that is in, checkpoints that resume exactly.

Legend: B batch, H and W height and width of a group's crop.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Generator
from contextlib import nullcontext
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel

from lapdepth.data.loader import Batch, CounterDataset, DrawnSource, Source, batches
from lapdepth.data.manifest import divide, read_depth, read_manifest
from lapdepth.errors import ConfigError, LapDepthError
from lapdepth.model.checkpoint import load_model, save_model
from lapdepth.model.encoder import check_pretrained_parts
from lapdepth.model.network import LapDepth, build_network
from lapdepth.training.config import GroupSettings, TrainConfig
from lapdepth.training.depthwise import use_float32_gradients
from lapdepth.training.losses import (
    gradient_loss,
    guess_loss,
    l1_loss,
    log_error,
    scale_invariant_loss,
    sky_loss,
    sobel_loss,
    uncertainty_loss,
)
from lapdepth.training.ranks import (
    count,
    gathering,
    joined,
    plain,
    rank,
    same_everywhere,
    share_norms,
    share_of,
    together,
    total,
)
from lapdepth.training.report import RunLog, licence, provenance
from lapdepth.training.resume import Change, changes_of, check_data, digests
from lapdepth.training.scenes import drawn_source
from lapdepth.training.schedule import learning_rate
from lapdepth.training.state import clear_unfinished, load_newest_state, save_state
from lapdepth.zoo import find_model, read_config

logger = logging.getLogger("lapdepth")

SKY_SHARE = 0.9
"""Sky is taught to lie beyond this share of the model's range."""
MIN_FILLED = 0.3
"""Least share of measured pixels with which the published gradient loss is of use: LiDAR has 5 to 20 %, a depth camera 70 %."""


class TrainingStoppedError(LapDepthError, RuntimeError):
    """The loss, the gradient or the weights became NaN or infinite; no checkpoint has them."""


def train(config: TrainConfig, resume: bool = False) -> Path:
    """Run a training, or go on with one; alone, or together with the processes that `torchrun` started.

    Args:
        config: The run.
        resume: Go on from the newest checkpoint in the run's folder; start where there is none.

    Returns:
        The folder of the finished model.

    Raises:
        ConfigError: The run's folder holds a run and `resume` is off, or one with other settings; or data do not fit.
        ReadError: A manifest or a picture cannot be read.
        TrainingStoppedError: The loss, the gradient or the weights became NaN or infinite.
    """
    with joined() as device:
        return _run(config, resume, device)


def _run(config: TrainConfig, resume: bool, device: torch.device) -> Path:
    torch.manual_seed(config.seed)
    # All that can be refused is looked at before the run's folder is made.
    sources = [make_sources(group, config) for group in config.groups]
    if config.loss.sobel:
        _check_filled(sources)
    # Read now: when the run is done, the model that it started from may be gone.
    start = None if config.start_from is None else read_config(find_model(config.start_from))
    network = share_norms(starting_network(config), device).to(device).to(memory_format=torch.channels_last)
    network.encoder.freeze(config.freeze)
    average = AveragedModel(network, avg_fn=warm_average(config.ema)) if config.ema else None
    optimizer = make_optimizer(network, config)
    state = load_newest_state(config.output) if config.output.is_dir() else None
    if state is not None and not resume:
        raise ConfigError(f"{config.output} holds a run; go on with --resume, or choose another output")
    first_step, changes, data = 0, list[Change](), digests(config, sources)
    if state is not None:
        first_step = _restore(state, network, average, optimizer)
        changes = changes_of(config, first_step)
        check_data(config, data)
    same_everywhere("checkpoints of the steps", first_step)
    if device.type == "cpu" and config.precision == "bfloat16":
        if not _has_bfloat16():
            logger.warning(
                "this processor has no instructions for bfloat16, and steps may take ten times as long as in float32; "
                "stop and add --set precision=float32, in another output"
            )
        use_float32_gradients(network)
    trained = together(network, device)
    streams = [_stream(group, drawn, config, first_step) for group, drawn in zip(config.groups, sources, strict=True)]
    if rank() == 0:
        clear_unfinished(config.output)
    with RunLog(config, first_step, changes, data) if rank() == 0 else nullcontext() as log:
        for step in range(first_step, config.steps):
            step_batches = [
                (group, next(stream)) for group, stream in zip(config.groups, streams, strict=True) if group.trains_at(step)
            ]
            for group, stream in zip(config.groups, streams, strict=True):
                if step + 1 == group.last_step:
                    stream.close()  # else its processes would stay to the end of the run
            parts = _step(step, trained, optimizer, step_batches, config, device)
            if average is not None:
                average.update_parameters(network)
            if log is not None:
                log.step(step, parts)
            if (step + 1) % config.checkpoint_every and step + 1 < config.steps:
                continue
            _check_weights(network, average, step + 1)
            if log is not None:
                save_state(config.output, step + 1, _state(network, average, optimizer))
                for group, batch in step_batches:
                    log.picture(group.name, step, *_first_example(network, _to(batch, device), config))
    _check_weights(network, average, config.steps)  # a run that was finished already took no step
    finished: nn.Module = network if average is None else average.module
    assert isinstance(finished, LapDepth)
    finished.config = config.model.model_copy(
        update={"licence": licence(config, start), "provenance": provenance(config, changes, start)}
    )
    if rank() == 0:
        save_model(finished.to("cpu").to(memory_format=torch.contiguous_format), config.output / "model")
    return config.output / "model"


def _has_bfloat16() -> bool:
    """Whether oneDNN, which convolves on processors, works in bfloat16 on this one: on x86 from AVX-512 on."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def starting_network(config: TrainConfig) -> LapDepth:
    """The network before the first step: from another model, or with a pretrained encoder.

    Raises:
        ConfigError: The starting model differs in architecture, or the encoder's file cannot be used.
    """
    if config.start_from is not None:
        start = load_model(config.start_from)
        network = build_network(config.model)
        try:
            network.load_state_dict(start.state_dict(), strict=True)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(f"start_from {config.start_from} is of another architecture: {reason}") from None
        return network
    network = build_network(config.model, pretrained=config.encoder_weights == "timm")
    if config.encoder_weights not in ("timm", "none"):
        path = config.data_root / config.encoder_weights
        try:
            weights = load_file(path)
        except (OSError, SafetensorError) as error:
            raise ConfigError(f"encoder_weights: cannot read {path}: {error}") from None
        network.encoder.load_state_dict(check_pretrained_parts(network.encoder, weights))
    return network


def make_optimizer(network: LapDepth, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW with the encoder's and the decoder's own weight decay and rate."""
    settings = config.optimizer
    return torch.optim.AdamW(
        [
            {
                "params": [p for p in network.encoder.parameters() if p.requires_grad],
                "weight_decay": settings.encoder_weight_decay,
                "factor": settings.encoder_lr_factor,
            },
            {
                "params": list(network.decoder.parameters()),
                "weight_decay": settings.decoder_weight_decay,
                "factor": 1.0,
            },
        ],
        lr=settings.lr,
        eps=settings.eps,
    )


def warm_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Exponential moving average that forgets faster while it is young, so that the first weights do not linger in it."""

    def update(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        young = (1 + float(count)) / (10 + float(count))
        return torch.lerp(averaged, current, 1 - min(decay, young))

    return update


def group_loss(
    network: nn.Module, batch: Batch, config: TrainConfig, step: int = 0, error_factor: float = 1.0
) -> dict[str, Tensor]:
    """The losses of one batch at a step by name, `total` weighted.

    The truth is brought to the training focal length, the only camera that the network knows: a point at depth z seen with
    focal length f looks as one at z * f_train / f. What is then farther than the network can say counts as the farthest it can,
    as published.
    """
    with torch.autocast(batch.image.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
        out = network(batch.image)
    predicted_m = out.depth_m.float()
    error, mask = log_error(predicted_m, _at_training_focal(batch.depth_m, batch, config))
    losses = {"si": scale_invariant_loss(error, mask, config.loss.variance_focus)}
    weights = {
        "si": config.loss.si,
        "l1": config.loss.l1,
        "gradient": config.loss.gradient,
        "sobel": config.loss.sobel if step >= config.loss.sobel_from * config.steps else 0.0,
        "uncertainty": config.loss.uncertainty,
        "sky": config.loss.sky,
        "guess": config.loss.guess,
    }
    if weights["l1"]:
        losses["l1"] = l1_loss(error, mask)
    if weights["gradient"]:
        losses["gradient"] = gradient_loss(error, mask)
    if weights["sobel"]:
        losses["sobel"] = sobel_loss(predicted_m, _at_training_focal(batch.dense_m, batch, config), mask, config.loss.sobel_band)
    if weights["uncertainty"] and out.log_scale is not None:
        losses["uncertainty"] = uncertainty_loss(error_factor * error, mask, out.log_scale.float())
    if weights["sky"] and bool(total(batch.sky) > 0):
        losses["sky"] = sky_loss(predicted_m, batch.sky, SKY_SHARE * config.model.max_depth_m)
    if weights["guess"] and bool(total(batch.guess_m > 0) > 0):
        losses["guess"] = guess_loss(*log_error(predicted_m, _at_training_focal(batch.guess_m, batch, config)))
    losses["total"] = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
    return losses


def _at_training_focal(depth_m: Tensor, batch: Batch, config: TrainConfig) -> Tensor:
    """Depths (B, 1, H, W) as a camera of the training focal length would have them, at most the network's farthest."""
    if config.model.focal_px is not None:
        depth_m = depth_m * (config.model.focal_px / batch.focal_px).view(-1, 1, 1, 1)
    # What is infinite is a fault of the data, and stops the run.
    return torch.where(torch.isfinite(depth_m), depth_m.clamp(max=config.model.max_depth_m), depth_m)


def _first_example(network: LapDepth, batch: Batch, config: TrainConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Picture (3, H, W), truth (H, W) and prediction (H, W) of a batch's first example, to look at."""
    network.eval()
    with torch.no_grad():
        predicted_m = network(batch.image[:1]).depth_m
    return batch.image[0].cpu(), _at_training_focal(batch.depth_m, batch, config)[0, 0].cpu(), predicted_m[0, 0].float().cpu()


def _step(
    step: int,
    network: nn.Module,
    optimizer: torch.optim.AdamW,
    step_batches: list[tuple[GroupSettings, Batch]],
    config: TrainConfig,
    device: torch.device,
) -> dict[str, float]:
    network.train()
    if step >= config.freeze_norms_at * config.steps:
        for module in plain(network).decoder.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
    rate = learning_rate(step, config.steps, config.optimizer)
    for parameters in optimizer.param_groups:
        parameters["lr"] = rate * parameters["factor"]
    optimizer.zero_grad(set_to_none=True)
    parts = {"lr": rate}
    for group, batch in step_batches:
        with gathering(network, last=group is step_batches[-1][0]):
            losses = group_loss(network, _to(batch, device), config, step, group.error_factor)
            if not math.isfinite(losses["total"].item()):
                raise _stopped(f"the loss of group '{group.name}'", step, [(group, batch)], config)
            (losses["total"] * group.weight).backward()
        parts |= {f"{group.name}/{name}": loss.item() for name, loss in losses.items()}
    # The gradients are those of all ranks by now, so that all stop or none. An infinite norm clips nothing.
    largest_norm = math.inf if config.optimizer.clip_norm is None else config.optimizer.clip_norm
    parts["gradient_norm"] = float(nn.utils.clip_grad_norm_(network.parameters(), largest_norm))
    if not math.isfinite(parts["gradient_norm"]):
        raise _stopped("the gradient", step, step_batches, config)
    optimizer.step()
    return parts


def _stopped(what: str, step: int, step_batches: list[tuple[GroupSettings, Batch]], config: TrainConfig) -> TrainingStoppedError:
    """The error that stops the run; the batches that may be at fault go into a file, their tensors as `group/field`."""
    path = config.output / f"nan-step-{step:08d}{f'-rank-{rank()}' if count() > 1 else ''}.safetensors"
    save_file(
        {f"{group.name}/{field.name}": getattr(batch, field.name) for group, batch in step_batches for field in fields(Batch)},
        path,
    )
    return TrainingStoppedError(
        f"{what} is not finite at step {step}; what was trained on is in {path}. "
        "Look at it, lower optimizer.lr or set optimizer.clip_norm, and go on with --resume"
    )


def _check_weights(network: LapDepth, average: AveragedModel | None, steps_done: int) -> None:
    """Check what is about to be saved; all ranks have the same and decide alike.

    Raises:
        TrainingStoppedError: A weight or a statistic is not finite, or too large for the norm of all.
    """
    for module in (network, average):
        tensors = [] if module is None else [tensor for tensor in module.state_dict().values() if tensor.is_floating_point()]
        if not math.isfinite(float(nn.utils.get_total_norm(tensors))):
            raise TrainingStoppedError(
                f"the weights are not finite after {steps_done} steps, and were not saved; "
                "lower optimizer.lr or set optimizer.clip_norm, and go on with --resume"
            )


def _to(batch: Batch, device: torch.device) -> Batch:
    return Batch(
        batch.image.to(device, memory_format=torch.channels_last, non_blocking=True),
        batch.depth_m.to(device, non_blocking=True),
        batch.sky.to(device, non_blocking=True),
        batch.focal_px.to(device, non_blocking=True),
        batch.guess_m.to(device, non_blocking=True),
        batch.dense_m.to(device, non_blocking=True),
    )


def make_sources(group: GroupSettings, config: TrainConfig) -> list[Source | DrawnSource]:
    """What a group trains on: the rows of each manifest, without scenes held out, and how they are used; scenes to draw."""
    scenes, pictures = _held_out(config)
    sources: list[Source | DrawnSource] = []
    for settings in group.sources:
        if settings.manifest is None:
            sources.append(drawn_source(settings, group))
            continue
        rows = read_manifest(config.data_root / settings.manifest, settings.split)
        rows = [row for row in rows if row.scene not in scenes and os.path.realpath(row.image) not in pictures]
        sources.append(Source(rows, settings.repeat, settings.window, settings.sky))
    return sources


def _held_out(config: TrainConfig) -> tuple[set[str], set[str]]:
    """Scenes and pictures that a source of any group holds out: either may be in several data sets."""
    scenes, pictures = set[str](), set[str]()
    for settings in (source for group in config.groups for source in group.sources):
        if settings.manifest is None or not settings.folds:
            continue
        rows = read_manifest(config.data_root / settings.manifest, settings.split)
        kept, out = divide(rows, settings.fold, settings.folds)
        scenes |= {row.scene for row in out if row.scene}
        pictures |= {os.path.realpath(row.image) for row in rows} - {os.path.realpath(row.image) for row in kept}
    return scenes, pictures


def _check_filled(sources: list[list[Source | DrawnSource]]) -> None:
    """Raise `ConfigError` where the published gradient loss would have next to no pixel to look at."""
    for source in chain.from_iterable(sources):
        if isinstance(source, Source) and source.rows and not any(row.dense_depth for row in source.rows):
            first = source.rows[0]
            share = float((read_depth(first.depth, first.units_per_metre, first.sky_code) > 0).mean())
            if share < MIN_FILLED:
                raise ConfigError(
                    f"loss.sobel needs filled-in depth: {first.depth} has {share:.0%} of its pixels measured, and its manifest "
                    "has no column dense_depth; add one (docs/datasets.md)"
                )


def _stream(group: GroupSettings, sources: list[Source | DrawnSource], config: TrainConfig, first_step: int) -> Generator[Batch]:
    dataset = CounterDataset(sources, group.crop, group.augment, config.seed)
    last_step = config.steps if group.last_step is None else min(group.last_step, config.steps)
    first, last = (max(step - group.first_step, 0) for step in (first_step, last_step))
    return batches(dataset, group.batch, first, last, config.workers, share_of(group.batch))


def _state(network: LapDepth, average: AveragedModel | None, optimizer: torch.optim.AdamW) -> dict[str, Any]:
    return {
        "network": network.state_dict(),
        "average": average.state_dict() if average is not None else None,
        "optimizer": optimizer.state_dict(),
    }


def _restore(state: dict[str, Any], network: LapDepth, average: AveragedModel | None, optimizer: torch.optim.AdamW) -> int:
    # The optimizer's settings may have changed since; of the rates, the schedule gives each step its own.
    settings = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    try:
        network.load_state_dict(state["network"])
        if average is not None:
            average.load_state_dict(state["average"] or {})
        optimizer.load_state_dict(state["optimizer"])
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"the checkpoint is of another network, averaging or freezing than the settings: {reason}") from None
    for group, own in zip(optimizer.param_groups, settings, strict=True):
        group.update(own)
    return int(state["step"])
