"""Networks by a word: an embedded model, a folder, or the published design around a timm encoder."""

from __future__ import annotations

from lapdepth.config import ModelConfig
from lapdepth.errors import ConfigError, ModelError
from lapdepth.model.checkpoint import load_model
from lapdepth.model.network import LapDepth, build_network


def find_network(name: str) -> LapDepth:
    """The model of that name or folder; else the published network around the timm encoder `name`, with random weights.

    Raises:
        ModelError: It is neither.
    """
    try:
        return load_model(name)
    except ModelError as error:
        if "/" in name or "\\" in name or not str(error).startswith("no model"):
            raise
    config = ModelConfig(name=name, encoder=name, max_depth_m=80.0, working_size=(352, 1216))
    try:
        return build_network(config)
    except ConfigError as error:
        raise ModelError(f"'{name}' is no embedded model, no model folder and no encoder that fits: {error}") from None
