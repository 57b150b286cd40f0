"""Checkpoints of a run: written beside the old one, made safe on the disk and renamed; read by PyTorch's restricted reader."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from lapdepth.errors import ModelError, OutputError
from lapdepth.io.files import atomic_path, clear_scratch

PATTERN = "checkpoint-*.pt"
KEEP = 2
"""Checkpoints kept, so that one remains should the newest be damaged."""


def save_state(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write the state after `step` steps and drop all but the newest `KEEP`.

    Raises:
        OutputError: It cannot be written; the older ones are kept.
    """
    path = folder / f"checkpoint-{step:08d}.pt"
    with atomic_path(path) as scratch:
        try:
            torch.save({"step": step, **state}, scratch)
        except RuntimeError as error:  # what PyTorch makes of a full disk
            reason = " ".join(str(error).split())[:200]
            raise OutputError(f"cannot write {path}: {reason}; make room and go on with --resume") from None
        with scratch.open("rb+") as file:  # else a machine that loses power may keep the name and not what is in the file
            os.fsync(file.fileno())
    for old in sorted(folder.glob(PATTERN))[:-KEEP]:
        old.unlink()
    return path


def load_newest_state(folder: Path) -> dict[str, Any] | None:
    """The newest readable checkpoint of a run, or `None` where there is none.

    Raises:
        ModelError: There are checkpoints, and none can be read.
    """
    paths = sorted(folder.glob(PATTERN), reverse=True)
    for path in paths:
        try:
            with zipfile.ZipFile(path) as archive:
                if archive.testzip() is not None:  # PyTorch itself does not look at the checksums
                    continue
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except Exception:  # PyTorch raises a dozen types on damaged bytes
            continue
        return state
    if paths:
        raise ModelError(f"no checkpoint in {folder} can be read; start again in another folder")
    return None


def clear_unfinished(folder: Path) -> None:
    """Remove what a run that was killed while it wrote a checkpoint left behind: it would fill the disk, kill by kill."""
    clear_scratch(folder, ".pt")
