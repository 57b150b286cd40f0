"""Networks by a word: an embedded model, a folder, or the published design around a timm encoder."""

from __future__ import annotations

from lapdepth.config import ModelConfig, check_settings
from lapdepth.errors import ConfigError, ModelError, ModelNotFoundError
from lapdepth.model.checkpoint import load_model
from lapdepth.model.network import LapDepth, build_network


def find_network(name: str) -> LapDepth:
    """The model of that name or folder; else the published network around the timm encoder `name`, with random weights.

    Raises:
        ModelError: It is neither.
    """
    try:
        return load_model(name)
    except ModelNotFoundError:
        if "/" in name or "\\" in name:
            raise
    settings = {"name": name, "encoder": name, "max_depth_m": 80.0, "working_size": (352, 1216)}
    try:
        return build_network(check_settings(settings, ModelConfig, "the published design"))
    except ConfigError as error:
        raise ModelError(f"'{name[:80]}' is no embedded model, no model folder and no encoder that fits: {error}") from None
