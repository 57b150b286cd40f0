"""Where models come from: embedded in the package, a path, or a hub id; with a word on the licence of each.

Row 1 of the layers: names to folders and files, nothing of what is in them.
"""

from __future__ import annotations

import importlib.util
import logging
import re
from importlib import resources
from pathlib import Path

from lapdepth.errors import MissingExtraError, ModelError

EMBEDDED = ("default",)
"""Names of the models in the package."""

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
ONNX_FILE = "model.onnx"

logger = logging.getLogger("lapdepth")
_told: set[str] = set()


def find_model(model: str | Path) -> Path:
    """The folder or file of a model.

    Args:
        model: Name of an embedded model, path of a model folder or `.onnx` file, or a hub id `owner/name`.

    Raises:
        ModelError: There is no such model.
        MissingExtraError: It is a hub id and `huggingface_hub` is not installed.
    """
    if isinstance(model, str) and model in EMBEDDED:
        return Path(str(resources.files("lapdepth"))) / "weights" / model
    path = Path(model)
    if path.is_dir() or path.is_file():
        return path
    if isinstance(model, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", model) and not path.parent.exists():
        return _download(model)
    raise ModelError(f"no model '{model}'; give {', '.join(EMBEDDED)}, a model folder, an .onnx file or a hub id")


def tell_licence_once(name: str, licence: str) -> None:
    """Say under which licence a model's weights are, the first time that the process loads it."""
    if name not in _told:
        _told.add(name)
        logger.warning("model '%s': %s", name, licence)


def _download(hub_id: str) -> Path:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingExtraError(f"model '{hub_id}' from the hub", "hub")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, allow_patterns=[CONFIG_FILE, WEIGHTS_FILE, ONNX_FILE]))
    except Exception as error:  # the hub's client raises many kinds, none of them documented as complete
        raise ModelError(f"cannot get model '{hub_id}' from the hub: {str(error).splitlines()[0]}") from None
