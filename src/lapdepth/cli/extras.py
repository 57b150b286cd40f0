"""Clear words for a missing extra, before a command imports what it needs."""

from __future__ import annotations

import importlib.util

from lapdepth.errors import MissingExtraError

NETWORK = ("torch", "timm", "safetensors")
"""Packages of the torch extra that every command with a network imports."""

ALSO = {"export": ("onnx", "onnxscript"), "train": ("tensorboard",)}
"""What a command imports beyond these."""


def needs_torch(command: str) -> None:
    """Raise `MissingExtraError` where a package of the torch extra that the command imports is not installed."""
    if any(importlib.util.find_spec(package) is None for package in (*NETWORK, *ALSO.get(command, ()))):
        raise MissingExtraError(f"lapdepth {command}", "torch")
