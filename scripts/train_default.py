"""Make the default model again: the stages that its model card lists, one after the other.

    python scripts/train_default.py --data-root DATA --output OUT
    python scripts/package_model.py OUT/model default      # as it is shipped: norms absorbed, half precision, ONNX

DATA is as the head of configs/default.toml says. The first stage starts from `open`, which is in the package; configs/open.toml
and open-more.toml make it. Killed at any moment and called again with the same options, it goes on where it was; only averages
and the confidence, minutes, are begun anew.

Every stage learns from everything. The shipped weights were kept from what the card measures until the last stage, which added
it: `--held-out` does so too, and OUT/4/average is then the network to measure. The confidence is in both cases taught as
configs/confidence.toml says, without a fifth of NYU and of KITTI, as the shipped one was.

A rerun differs slightly on another machine, with another PyTorch, and with other rendered pictures.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import Annotated

import typer

from lapdepth.errors import LapDepthError
from lapdepth.model.checkpoint import load_model, save_model
from lapdepth.training.config import load_train_config

SCRIPTS = Path(__file__).parent
CONFIGS = SCRIPTS.parent / "configs"
HELD_OUT = tuple(
    f"groups.{source}.{key}" for source in ("0.sources.0", "1.sources.0", "1.sources.1") for key in ("fold=2", "folds=5")
)
"""Leaves out what the card measures: a fifth of NYU and of both KITTI sets."""
WIDE = (
    *(f"groups.{group}.augment.{name}" for group in (0, 1) for name in ("brightness=0.4", "gamma=0.4", "channel_gain=0.25")),
    *(f"groups.{group}.augment.{name}" for group in (0, 1) for name in ("saturation=0.8", "probability=0.7")),
    *(f"groups.0.augment.{name}" for name in ("scale=[0.8,1.9]", "rotate_deg=5", "noise=10", "blur_px=1.5")),
    "groups.1.augment.scale=[0.9,1.9]",
)
"""Pictures changed farther."""
ERROR_SCALE = 1.6
"""The card's: most honest on held-out pictures. A network that saw everything has none left to measure its own on."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training of the recipe.

    Attributes:
        config: Its file in `CONFIGS`.
        changes: As for `lapdepth train --set`.
        keeps_out: With `--held-out` it is kept from what the card measures.
    """

    config: str
    changes: tuple[str, ...] = ()
    keeps_out: bool = True


LAST = ("steps=360", "optimizer.lr=3e-4", "ema=0.98")
STAGES = (
    (Run("default-real.toml", ("start_from=open", "steps=600")),),
    (Run("default-real.toml", ("steps=400", "loss.gradient=10", "optimizer.lr=4e-4", "ema=0.99")),),
    (
        Run(
            "default-sharp.toml",
            (
                *("steps=800", "seed=5", "optimizer.lr=4e-4", "ema=0.99", "loss.si=0", "loss.l1=1", "loss.gradient=10"),
                *("groups.0.augment.composite=0.6", "groups.1.augment.composite=0", "groups.1.augment.strip=0"),
            ),
        ),
    ),
    (Run("default-sharp.toml"), Run("default-sharp.toml", ("steps=1450", "seed=7", *WIDE))),
    (
        Run("default-sharp.toml", (*LAST, "seed=8"), keeps_out=False),
        Run("default-sharp.toml", (*LAST, "seed=9", *WIDE), keeps_out=False),
    ),
)
"""Runs of one stage start from the stage before, and the average of their weights goes on."""
CONFIDENCE = Run("confidence.toml", keeps_out=False)


def settings(run: Run, start: Path | None, changes: list[str], held_out: bool, steps_scale: float) -> list[str]:
    """A run's `key=value`: its own, those asked for, where it starts, and its number of steps, scaled.

    Raises:
        ConfigError: A setting is unknown or out of range.
        ModelError: There is no model `start`.
    """
    own = [*run.changes, *(HELD_OUT if held_out and run.keeps_out else ()), *changes]
    if start is not None:
        own.append(_quoted("start_from", start))
    steps = load_train_config(CONFIGS / run.config, own).steps
    return [*own, f"steps={max(1, round(steps * steps_scale))}"]


def _quoted(key: str, path: Path) -> str:
    """`key=value` of a path, which without quotes might be read as a number."""
    return f"{key}={json.dumps(str(path))}"


def _call(title: str, *command: str, changes: list[str]) -> None:
    """Do a part as one would by hand, in a process of its own: nothing of the parts before is left in its memory."""
    typer.echo(title)
    options = [part for change in changes for part in ("--set", change)]
    done = subprocess.run([sys.executable, *command, *options], check=False)
    if done.returncode:  # it said why
        raise typer.Exit(1)


def main(
    data_root: Annotated[Path, typer.Option(help="Folder of the data sets.")],
    output: Annotated[Path, typer.Option(help="Folder of the runs, and of the model.")],
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change every stage.")] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Keep all but the last stage from what the card measures.")
    ] = False,
    steps_scale: Annotated[float, typer.Option(min=0.0, max=1.0, help="Factor on the steps, to rehearse the whole.")] = 1.0,
) -> None:
    """Train all stages, or go on with them, and write OUT/model."""
    everywhere = [*(changes or []), _quoted("data_root", data_root)]
    model: Path | None = None
    try:
        for number, stage in enumerate(STAGES, 1):
            start, made = model, list[Path]()
            for letter, run in zip(ascii_lowercase, stage, strict=False):
                folder = output / str(number) / (letter if len(stage) > 1 else "")
                own = [*settings(run, start, everywhere, held_out, steps_scale), _quoted("output", folder)]
                title = f"stage {number}: {' '.join((run.config, *run.changes))}"
                _call(title, "-m", "lapdepth", "train", str(CONFIGS / run.config), "--resume", changes=own)
                made.append(folder / "model")
            model = made[0]
            if len(made) > 1:
                model = output / str(number) / "average"
                average = SCRIPTS / "average_models.py", *made, "--output", model
                _call(f"stage {number}: average", *map(str, average), changes=[])
        own, taught = settings(CONFIDENCE, model, everywhere, held_out, steps_scale), output / "confidence"
        teach = SCRIPTS / "train_confidence.py", CONFIGS / CONFIDENCE.config, model, "--output", taught
        _call("confidence", *map(str, teach), changes=own)
        network = load_model(taught)
        network.config = network.config.model_copy(update={"error_scale": ERROR_SCALE})
        save_model(network, output / "model")
    except LapDepthError as error:
        typer.echo(f"train_default: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"the model is {output / 'model'}, its error_scale {ERROR_SCALE}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the stage's process too, which would else train on
    typer.run(main)
