"""Make the default model again: the stages that its model card lists, one after the other.

    python scripts/train_default.py --data-root DATA --output OUT
    python scripts/package_model.py OUT/model default      # as it is shipped: norms absorbed, half precision, ONNX

DATA and the encoder's weights beside it are as the head of configs/default.toml says. Killed at any moment and called again with
the same options, it goes on where it was; only the confidence, minutes, is begun anew.

Every stage learns from everything. The shipped weights were kept from what the card measures until the fourth stage, which added
it: `--held-out` does so too, and OUT/3/model is then the network to measure. The confidence is in both cases taught as
configs/confidence.toml says, without a fifth of NYU and eight scenes of KITTI, as the shipped one was.

The training code of the shipped weights is that from before commit f168fd2 clamped truth to the network's range; a rerun
therefore differs slightly. So does one on another machine or PyTorch.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lapdepth.errors import LapDepthError
from lapdepth.model.checkpoint import load_model, save_model
from lapdepth.training.config import load_train_config

CONFIGS = Path(__file__).parents[1] / "configs"
HELD_OUT = ("groups.0.sources.0.fold=2", "groups.0.sources.0.folds=5", "groups.1.sources.0.split=train")
"""Leaves out what the card measures."""
ERROR_SCALE = 1.6
"""The card's: most honest on held-out pictures. A network that saw everything has none left to measure its own on."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of the recipe, which starts from the one before.

    Attributes:
        config: Its file in `CONFIGS`.
        changes: As for `lapdepth train --set`.
        keeps_out: With `--held-out` it is kept from what the card measures.
    """

    config: str
    changes: tuple[str, ...] = ()
    keeps_out: bool = True


STAGES = (
    Stage("default.toml"),
    Stage("default-real.toml"),
    Stage("default-real.toml", ("steps=800", "seed=3")),
    Stage("default-real.toml", ("steps=500", "seed=4", "optimizer.lr=4e-4"), keeps_out=False),
)
CONFIDENCE = Stage("confidence.toml", keeps_out=False)


def settings(stage: Stage, start: Path | None, changes: list[str], held_out: bool, steps_scale: float) -> list[str]:
    """A stage's `key=value`: its own, those asked for, where it starts, and its number of steps, scaled.

    Raises:
        ConfigError: A setting is unknown or out of range.
        ModelError: There is no model `start`.
    """
    own = [*stage.changes, *(HELD_OUT if held_out and stage.keeps_out else ()), *changes]
    if start is not None:
        own.append(_quoted("start_from", start))
    steps = load_train_config(CONFIGS / stage.config, own).steps
    return [*own, f"steps={max(1, round(steps * steps_scale))}"]


def _quoted(key: str, path: Path) -> str:
    """`key=value` of a path, which without quotes might be read as a number."""
    return f"{key}={json.dumps(str(path))}"


def _run(title: str, stage: Stage, *command: str, changes: list[str]) -> None:
    """Run a stage as one would by hand, in a process of its own: nothing of the stages before is left in its memory."""
    typer.echo(f"{title}: {' '.join((stage.config, *stage.changes))}")
    options = [part for change in changes for part in ("--set", change)]
    done = subprocess.run([sys.executable, *command, *options], check=False)
    if done.returncode:  # it said why
        raise typer.Exit(1)


def main(
    data_root: Annotated[Path, typer.Option(help="Folder of the data sets.")],
    output: Annotated[Path, typer.Option(help="Folder of the runs, and of the model.")],
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change every stage.")] = None,
    held_out: Annotated[bool, typer.Option("--held-out", help="Keep stages 1 to 3 from what the card measures.")] = False,
    steps_scale: Annotated[float, typer.Option(min=0.0, max=1.0, help="Factor on the steps, to rehearse the whole.")] = 1.0,
) -> None:
    """Train all stages, or go on with them, and write OUT/model."""
    everywhere = [*(changes or []), _quoted("data_root", data_root)]
    model: Path | None = None
    try:
        for number, stage in enumerate(STAGES, 1):
            folder = output / str(number)
            own = [*settings(stage, model, everywhere, held_out, steps_scale), _quoted("output", folder)]
            _run(f"stage {number}", stage, "-m", "lapdepth", "train", str(CONFIGS / stage.config), "--resume", changes=own)
            model = folder / "model"
        own, taught = settings(CONFIDENCE, model, everywhere, held_out, steps_scale), output / "confidence"
        teach = Path(__file__).with_name("train_confidence.py"), CONFIGS / CONFIDENCE.config, model, "--output", taught
        _run("confidence", CONFIDENCE, *map(str, teach), changes=own)
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
