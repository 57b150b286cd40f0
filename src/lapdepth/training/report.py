"""What a run leaves to read: its settings, environment and git state, a log of losses, TensorBoard events, a progress bar."""

from __future__ import annotations

import json
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor
from torch.utils.tensorboard.writer import SummaryWriter

from lapdepth import __version__
from lapdepth.config import ModelConfig
from lapdepth.errors import LapDepthError, OutputError
from lapdepth.io.color import color_range, colorize
from lapdepth.io.files import write_bytes, write_json
from lapdepth.training.config import TrainConfig
from lapdepth.training.resume import Change, write_settings


class RunLog:
    """Opens a run's folder and logs each step; a context manager.

    Args:
        config: The run.
        first_step: Where it starts or goes on.
        changes: What was changed on the way.
        data: Digests of what it trains on.

    Raises:
        OutputError: The run's folder cannot be made or written.
    """

    def __init__(
        self, config: TrainConfig, first_step: int, changes: Sequence[Change] = (), data: Mapping[str, str] | None = None
    ) -> None:
        self.config = config
        try:
            config.output.mkdir(parents=True, exist_ok=True)
            write_settings(config, changes, data or {})
            write_json(config.output / "environment.json", environment())
            self.events = SummaryWriter(str(config.output / "tensorboard"), purge_step=first_step)
            self.log = _log_from(config.output / "log.jsonl", first_step)
        except LapDepthError:
            raise
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"cannot write the run's folder {config.output}: {reason}; choose another output") from None
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self.task = self.progress.add_task("training", total=config.steps, completed=first_step)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.progress.stop()
        self.events.close()
        self.log.close()

    def step(self, step: int, parts: dict[str, float]) -> None:
        """Log the losses of a step, every `log_every`-th to file."""
        total = sum(value for name, value in parts.items() if name.endswith("/total"))
        self.progress.update(self.task, advance=1, description=f"training, loss {total:.3f}")
        if step % self.config.log_every == 0 or step + 1 == self.config.steps:
            self.log.write(json.dumps({"step": step, **parts}) + "\n")
            self.log.flush()
            for name, value in parts.items():
                self.events.add_scalar(name, value, step)

    def picture(self, name: str, step: int, image: Tensor, truth_m: Tensor, predicted_m: Tensor) -> None:
        """Log a picture (3, H, W) over its prediction and its truth (H, W), both in the colours of the prediction's range."""
        predicted, truth = predicted_m.numpy(), truth_m.numpy()
        near_m, far_m = color_range(predicted, predicted > 0)
        rows = [(image.numpy().transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8)]
        rows += [colorize(depth_m, depth_m > 0, near_m, far_m) for depth_m in (predicted, truth)]
        self.events.add_image(f"{name}/picture, prediction, truth", np.concatenate(rows), step, dataformats="HWC")


def _log_from(path: Path, first_step: int) -> TextIO:
    """The log opened to go on at `first_step`, without the lines that a killed run wrote after its last checkpoint."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    before = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] < first_step]
    write_bytes(path, "".join(before).encode())
    return path.open("a", encoding="utf-8")


def licence(config: TrainConfig, start: ModelConfig | None = None) -> str:
    """The licence that a finished model names: what the settings give, or else that of the model it started from.

    What was trained on since then may have licences of its own, which nobody but its owner knows: it is named as well, so that a
    model from the free one does not say that it is free.
    """
    if start is None or config.model.licence != start.licence:
        return config.model.licence
    known = {name for text in start.provenance.values() for name in re.split(r"[,;=\s]+", text)}
    manifests = [source.name for group in config.groups for source in group.sources if source.manifest is not None]
    new = [name for name in dict.fromkeys(manifests) if name not in known]
    return f"{start.licence}; since then trained on {', '.join(new)}: see its own licence" if new else start.licence


def provenance(config: TrainConfig, changes: Sequence[Change] = (), start: ModelConfig | None = None) -> dict[str, str]:
    """What a finished model says of its making; texts in the settings' own provenance stay.

    Args:
        config: The run, as it ended.
        changes: What was changed on the way.
        start: The model that it started from; its data, and those of its own start, are named.
    """
    told = {} if start is None else start.provenance
    before = [text for key in ("trained_on", "start_trained_on") if (text := told.get(key))]
    sources = [source for group in config.groups for source in group.sources]
    made = {
        "trained_on": ", ".join(dict.fromkeys(source.name for source in sources)),
        "started_from": config.start_from or f"encoder weights: {config.encoder_weights}",
        **({"start_trained_on": "; ".join(dict.fromkeys(before))} if before else {}),
        "steps": str(config.steps),
        "seed": str(config.seed),
        **({"changed": "; ".join(map(str, changes))} if changes else {}),
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **{name: text for name, text in environment().items() if name in ("lapdepth", "torch", "device", "git")},
    }
    return {**config.model.provenance, **made}


def environment() -> dict[str, str]:
    """Versions, machine and the package's git state, as far as they can be found."""
    return {
        "lapdepth": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.platform(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} CPU threads",
        "git": _git_state(Path(__file__)),
    }


def _git_state(file: Path) -> str:
    """State of the repository that `file` is tracked in; an installed package may lie in one that knows nothing of it."""
    if not _git(file.parent, "ls-files", "--error-unmatch", file.name):
        return "unknown"
    return _git(file.parent, "describe", "--always", "--dirty") or "unknown"


def _git(folder: Path, *arguments: str) -> str:
    """What git prints in a folder; nothing where it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
