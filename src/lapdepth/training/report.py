"""What a run leaves to read: its settings, environment and git state, a log of losses, TensorBoard events, a progress bar."""

from __future__ import annotations

import json
import platform
import subprocess
from types import TracebackType
from typing import Self

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch.utils.tensorboard.writer import SummaryWriter

from lapdepth.io.files import write_json
from lapdepth.training.config import TrainConfig


class RunLog:
    """Opens a run's folder and logs each step; a context manager.

    Args:
        config: The run.
        first_step: Where it starts or goes on.
    """

    def __init__(self, config: TrainConfig, first_step: int) -> None:
        self.config = config
        config.output.mkdir(parents=True, exist_ok=True)
        write_json(config.output / "config.json", json.loads(config.model_dump_json()))
        write_json(config.output / "environment.json", environment())
        self.events = SummaryWriter(str(config.output / "tensorboard"), purge_step=first_step)
        self.log = (config.output / "log.jsonl").open("a", encoding="utf-8")
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


def environment() -> dict[str, str]:
    """Versions, machine and git state, as far as they can be found."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.platform(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} CPU threads",
        "git": _git("describe", "--always", "--dirty"),
    }


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"
