"""Settings of a training run, as its TOML file gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lapdepth.config import ModelConfig, Positive, Settings, check_settings, read_toml
from lapdepth.data.augment import AugmentSettings
from lapdepth.data.loader import Window
from lapdepth.zoo import find_model, read_config

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=8, le=8192)]


class SourceSettings(Settings):
    """One manifest in a group, or scenes that are rendered while the network trains.

        [[groups.sources]]
        scene = "room"                # a new one for every example, none twice
        count = 500                   # as many an epoch, beside the rows of manifests
        focal_px = [220.0, 360.0]     # at `size`

    A scene takes `count`, `size` and `focal_px`, and nothing that is of a manifest. It is drawn on the CPU by the group's loader
    processes (`workers`); what is drawn follows from the run's `seed`, the group's name and the example's number alone.

    Attributes:
        manifest: CSV, relative to `data_root`.
        scene: Kind of the scenes to render, in place of a manifest.
        count: Examples of the scenes in an epoch.
        size: (height, width) of their pictures, before augmentation; `None` for the group's crop.
        focal_px: Smallest and largest focal length of their pictures; drawn evenly in the logarithm.
        split: Only rows of this split.
        fold: Held out of training: the `fold`-th of `folds` blocks of scenes. What other sources have of a scene of that name,
            or of the same pictures, is held out too.
        folds: Number of blocks; 0 trains on all.
        repeat: How often each row appears in an epoch.
        window: (left, top, width, height) of the part of the picture that may be used, or `kb`: 1216x352 at the bottom middle.
        sky: Look for sky and teach it to be far; guess what stands above the measured part from what is below.
    """

    manifest: Path | None = None
    scene: Literal["room", "road", "drive", "motorway", "open"] | None = None
    count: Count | None = None
    size: tuple[Side, Side] | None = None
    focal_px: tuple[Positive, Positive] | None = None
    split: str | None = None
    fold: Annotated[int, Field(ge=0)] = 0
    folds: Annotated[int, Field(ge=0)] = 0
    repeat: Count = 1
    window: Window = None
    sky: bool = False

    @property
    def name(self) -> str:
        """For reports."""
        return f"rendered {self.scene}s" if self.manifest is None else str(self.manifest)

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if (self.manifest is None) == (self.scene is None):
            raise ValueError("a source needs either manifest or scene")
        others = ("count", "size", "focal_px") if self.scene is None else ("split", "fold", "folds", "repeat", "window", "sky")
        if foreign := [name for name in others if getattr(self, name) != type(self).model_fields[name].default]:
            raise ValueError(f"{foreign[0]} is of a source with {'scene' if self.scene is None else 'manifest'}; leave it out")
        if self.scene is not None and (self.count is None or self.focal_px is None):
            raise ValueError("a source with scene needs count and focal_px")
        if self.focal_px is not None and self.focal_px[0] > self.focal_px[1]:
            raise ValueError(f"focal_px is {list(self.focal_px)}; expected two numbers in rising order")
        return self


class GroupSettings(Settings):
    """Sources that share a crop; every step takes one batch of every group that is in, and adds their losses.

    Attributes:
        name: For logs.
        crop: (height, width) of the network's input.
        batch: Examples a step.
        weight: Factor on this group's loss.
        error_factor: How much larger errors are on scenes that the network has not trained on than on this group's pictures; the
            uncertainty is taught as if they were as large. 2 where few pictures were learnt by heart.
        first_step: Step at which the group comes in, such as larger crops or another data set late in a run.
        last_step: Step before which it leaves; `None` keeps it to the end.
        sources: Manifests and scenes.
        augment: Augmentation.
    """

    name: str
    crop: tuple[Annotated[int, Field(ge=32)], Annotated[int, Field(ge=32)]]
    batch: Count
    weight: Positive = 1.0
    error_factor: Positive = 1.0
    first_step: Annotated[int, Field(ge=0)] = 0
    last_step: Count | None = None
    sources: Annotated[tuple[SourceSettings, ...], Field(min_length=1)]
    augment: AugmentSettings = AugmentSettings()

    def trains_at(self, step: int) -> bool:
        """Whether the group is in at a step."""
        return self.first_step <= step and (self.last_step is None or step < self.last_step)


class LossSettings(Settings):
    """Weights of the losses (see `lapdepth.training.losses`).

    Attributes:
        variance_focus: 0.85 as published: how much a common factor on the depth is forgiven.
        si: Weight of the scale-invariant loss.
        l1: Weight of the mean absolute error in log depth.
        gradient: Weight of the multi-scale gradient loss in log depth.
        sobel: Weight of the published gradient loss in metres, 0.1 there.
        sobel_from: Share of the steps after which it comes in: 15 of 25 epochs on KITTI, 20 of 35 on NYU.
        sobel_band: Shares of the height between which filled-in depth counts in full; (0.332, 0.992) on KITTI.
        uncertainty: Weight of the likelihood that teaches the uncertainty channel.
        sky: Weight of the loss that keeps sky far.
        guess: Weight of the loss that keeps guessed depths within a third.
    """

    variance_focus: Share = 0.85
    si: Annotated[float, Field(ge=0)] = 1.0
    l1: Annotated[float, Field(ge=0)] = 0.0
    gradient: Annotated[float, Field(ge=0)] = 0.0
    sobel: Annotated[float, Field(ge=0)] = 0.0
    sobel_from: Share = 0.0
    sobel_band: tuple[Share, Share] | None = None
    uncertainty: Annotated[float, Field(ge=0)] = 0.0
    sky: Annotated[float, Field(ge=0)] = 0.0
    guess: Annotated[float, Field(ge=0)] = 0.0


class OptimizerSettings(Settings):
    """AdamW and its schedule; the defaults are the published ones.

    Attributes:
        lr: Peak learning rate.
        final_lr: Learning rate at the end.
        encoder_lr_factor: Factor on the encoder's rate.
        encoder_weight_decay: Weight decay of the encoder.
        decoder_weight_decay: Weight decay of the decoder.
        eps: Of AdamW.
        schedule: `published`: polynomial of power 0.5, then the final rate for the last `tail` share; `cosine`: half a cosine;
            `flat`: the peak rate, then half a cosine over the last `tail` share, so that runs of other lengths can branch off
            from its checkpoints.
        warmup_steps: Linear rise at the start.
        tail: Share of the steps at the end that `published` spends at the final rate and `flat` on the way there.
        clip_norm: Largest norm of the gradient; `None` does not clip, as published.
    """

    lr: Positive = 1e-4
    final_lr: Positive = 1e-5
    encoder_lr_factor: Positive = 1.0
    encoder_weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    decoder_weight_decay: Annotated[float, Field(ge=0)] = 0.0
    eps: Positive = 1e-3
    schedule: Literal["published", "cosine", "flat"] = "published"
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    tail: Share = 0.2
    clip_norm: Positive | None = None


class TrainConfig(Settings):
    """A whole run.

    Attributes:
        model: The network.
        output: Folder of the run; checkpoints, logs and the finished model go there.
        data_root: Folder that manifests are relative to.
        encoder_weights: `timm` downloads timm's, `none` starts from noise, else a safetensors file by timm's names.
        start_from: Model name or folder to start from, in place of `encoder_weights`; `model` is then that model's, but for
            what the file changes.
        freeze: What of the encoder is held still (see `Encoder.freeze`).
        freeze_norms_at: Share of the steps after which the decoder's batch norms keep their statistics, so that a network
            trained on groups that differ is then trained as it will be used.
        groups: What to train on.
        loss: Weights of the losses.
        optimizer: Optimizer and schedule.
        steps: Optimizer steps.
        precision: `float32`, or `bfloat16` for the convolutions.
        ema: Decay of the averaged weights, which become the model; 0 averages nothing.
        seed: Of initial weights, order and augmentation.
        workers: Loader processes for each group.
        checkpoint_every: Steps between checkpoints.
        log_every: Steps between lines in the log.
    """

    model: ModelConfig
    output: Path
    data_root: Path = Path()
    encoder_weights: str = "timm"
    start_from: str | None = None
    freeze: Literal["none", "published", "published-syncbn", "early"] = "published"
    freeze_norms_at: Share = 1.0
    groups: Annotated[tuple[GroupSettings, ...], Field(min_length=1)]
    loss: LossSettings = LossSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    steps: Count
    precision: Literal["float32", "bfloat16"] = "float32"
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seed: Annotated[int, Field(ge=0)] = 0
    workers: Annotated[int, Field(ge=0)] = 1
    checkpoint_every: Count = 500
    log_every: Count = 20

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len({group.name for group in self.groups}) < len(self.groups):
            raise ValueError("two groups have one name, under which their losses are logged; name them apart")
        for group in self.groups:
            if group.crop[0] % self.model.stride or group.crop[1] % self.model.stride:
                raise ValueError(f"crop {group.crop} of group '{group.name}' must be multiples of {self.model.stride}")
            if group.last_step is not None and group.last_step <= group.first_step:
                raise ValueError(f"group '{group.name}': last_step {group.last_step} must be above first_step {group.first_step}")
        changes = {0, *(group.last_step for group in self.groups if group.last_step is not None)}
        for step in sorted(changes):
            if step < self.steps and not any(group.trains_at(step) for group in self.groups):
                raise ValueError(f"no group trains at step {step} of {self.steps}; change first_step or last_step of one")
        if self.loss.uncertainty and not self.model.uncertainty:
            raise ValueError("loss.uncertainty needs model.uncertainty = true")
        return self


def load_train_config(path: Path, overrides: list[str] | None = None) -> TrainConfig:
    """Read a run's TOML file. With `start_from`, `[model]` needs only what differs from that model.

    Raises:
        ReadError: The file cannot be read.
        ConfigError: A key is unknown or a value out of range.
        ModelError: There is no model `start_from`.
    """
    data = read_toml(path, overrides)
    if isinstance(start := data.get("start_from"), str) and isinstance(own := data.get("model", {}), dict):
        data["model"] = {**read_config(find_model(start)).model_dump(mode="json"), "provenance": {}, **own}
    return check_settings(data, TrainConfig, str(path))
