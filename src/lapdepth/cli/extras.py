"""Clear words for a missing extra, before a command imports what it needs."""

from __future__ import annotations

import importlib.util

from lapdepth.errors import MissingExtraError


def needs_torch(command: str) -> None:
    """Raise `MissingExtraError` where PyTorch is not installed."""
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("timm") is None:
        raise MissingExtraError(f"lapdepth {command}", "torch")
