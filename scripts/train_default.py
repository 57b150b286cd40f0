"""Make the default model again: the stages that its model card lists, one after the other.

    python scripts/train_default.py --data-root DATA --output OUT
    python scripts/package_model.py OUT/model default      # as it is shipped: norms absorbed, half precision, ONNX

DATA is as the head of configs/default.toml says. The first stage starts from `open`, which is in the package; configs/open.toml
and open-more.toml make it. Each of the others leaves the mean of the weights that it began with and of those that it came to,
which was in most cases better than either on pictures that neither saw (Wortsman et al. 2022, arXiv 2109.01903). Killed at any
moment and called again with the same options, it goes on where it was; only means and the confidence, minutes, are begun anew.

Every stage learns from everything. With `--held-out` they keep away from what the card measures, and OUT/model is then the
network to measure. The confidence is in both cases taught as configs/confidence.toml says, without a fifth of NYU and of KITTI,
as the shipped one was, for which it was also taught between stages 3 and 4; it moves no depth.

A rerun differs slightly on another machine, with another PyTorch, and with other rendered pictures.
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
from lapdepth.training.config import load_train_config

SCRIPTS = Path(__file__).parent
CONFIGS = SCRIPTS.parent / "configs"
HELD_OUT = tuple(
    f"groups.{source}.{key}" for source in ("0.sources.0", "1.sources.0", "1.sources.1") for key in ("fold=2", "folds=5")
)
"""Leaves out what the card measures: a fifth of NYU and of both KITTI sets."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training of the recipe.

    Attributes:
        config: Its file in `CONFIGS`.
        changes: As for `lapdepth train --set`.
    """

    config: str
    changes: tuple[str, ...] = ()


SCALE_FORGIVEN = ("loss.si=1", "loss.l1=0", "loss.variance_focus=0.85")
"""With these what is near on roads came out too far: the later runs do without."""
NO_MOTORWAYS = ('groups.2.sources=[{manifest="rendered_roads/manifest.csv"},{manifest="rendered_drives/manifest.csv"}]',)
"""Without them cars on wide roads came out a fifth too near: the last two runs have them."""
STAGES = (
    Run("default.toml"),
    Run(
        "default-more.toml",
        (
            *("steps=1100", "seed=2", "groups.1.batch=2", "groups.2.batch=2", *SCALE_FORGIVEN),
            *("groups.1.augment.strip=0.4", "groups.2.augment.composite=0.3", *NO_MOTORWAYS),
        ),
    ),
    Run(
        "default-more.toml",
        ("steps=850", "seed=3", "groups.1.batch=2", "groups.2.batch=3", *SCALE_FORGIVEN, *NO_MOTORWAYS),
    ),
    Run("default-more.toml", ("steps=900", "seed=5", "groups.1.batch=2", "groups.2.batch=3", *NO_MOTORWAYS)),
    Run("default-more.toml", ("steps=850", "seed=6", "groups.2.batch=3", *NO_MOTORWAYS)),
    Run("default-more.toml"),
    Run("default-more.toml", ("seed=8", "groups.0.crop=[384,512]", "groups.0.batch=4")),
)
CONFIDENCE = Run("confidence.toml")


def settings(run: Run, start: Path | None, changes: list[str], held_out: bool, steps_scale: float) -> list[str]:
    """A run's `key=value`: its own, what it leaves out, what was asked for, where it starts, and its number of steps, scaled.

    Raises:
        ConfigError: A setting is unknown or out of range.
        ModelError: There is no model `start`.
    """
    own = [*run.changes, *(HELD_OUT if held_out else ()), *changes]
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
    held_out: Annotated[bool, typer.Option("--held-out", help="Keep all stages from what the card measures.")] = False,
    steps_scale: Annotated[float, typer.Option(min=0.0, max=1.0, help="Factor on the steps, to rehearse the whole.")] = 1.0,
) -> None:
    """Train all stages, or go on with them, and write OUT/model."""
    everywhere = [*(changes or []), _quoted("data_root", data_root)]
    model: Path | None = None
    try:
        for number, run in enumerate(STAGES, 1):
            folder = output / str(number)
            own = [*settings(run, model, everywhere, held_out, steps_scale), _quoted("output", folder)]
            title = f"stage {number}: {' '.join((run.config, *run.changes))}"
            _call(title, "-m", "lapdepth", "train", str(CONFIGS / run.config), "--resume", changes=own)
            if model is None:
                model = folder / "model"
                continue
            average = SCRIPTS / "average_models.py", model, folder / "model", "--output", folder / "mean"
            _call(f"stage {number}: mean", *map(str, average), changes=[])
            model = folder / "mean"
        own = settings(CONFIDENCE, model, everywhere, held_out, steps_scale)
        teach = SCRIPTS / "train_confidence.py", CONFIGS / CONFIDENCE.config, model, "--output", output / "model"
        _call("confidence", *map(str, teach), changes=own)
    except LapDepthError as error:
        typer.echo(f"train_default: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"the model is {output / 'model'}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the stage's process too, which would else train on
    typer.run(main)
