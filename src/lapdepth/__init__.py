"""Depth in metres from one ordinary camera, and collision warning.

The names below are the public interface; each is imported when it is first used, so that `import lapdepth` is quick and
needs neither PyTorch nor any other heavy package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lapdepth.camera import Intrinsics as Intrinsics
    from lapdepth.errors import LapDepthError as LapDepthError
    from lapdepth.inference.predictor import DepthPredictor as DepthPredictor
    from lapdepth.inference.result import DepthResult as DepthResult
    from lapdepth.model.checkpoint import load_model as load_model

__version__ = "0.1.0"

_HOMES = {
    "DepthPredictor": "lapdepth.inference.predictor",
    "DepthResult": "lapdepth.inference.result",
    "Intrinsics": "lapdepth.camera",
    "LapDepthError": "lapdepth.errors",
    "load_model": "lapdepth.model.checkpoint",
}

__all__ = ["DepthPredictor", "DepthResult", "Intrinsics", "LapDepthError", "__version__", "load_model"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'lapdepth' has no attribute '{name}'")
    try:
        return getattr(importlib.import_module(home), name)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "timm", "safetensors", "torchvision"):
            raise
        from lapdepth.errors import MissingExtraError

        raise MissingExtraError(f"lapdepth.{name}", "torch") from error


def __dir__() -> list[str]:
    return sorted(__all__)
