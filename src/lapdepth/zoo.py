"""Where models come from: embedded in the package, a path, or a hub id; with a word on the licence of each.

Row 1 of the layers: names to folders and files, and of what is in them only the configuration.
"""

from __future__ import annotations

import importlib.util
import logging
import re
import stat
from importlib import resources
from pathlib import Path

from lapdepth.config import ModelConfig
from lapdepth.errors import MissingExtraError, ModelError, ModelNotFoundError

MAX_CONFIG_BYTES = 2**20
EMBEDDED = ("default", "open")
"""Names of the models in the package."""

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
ONNX_FILE = "model.onnx"

logger = logging.getLogger("lapdepth")
_told: set[tuple[str, str]] = set()


def find_model(model: str | Path) -> Path:
    """The folder or file of a model.

    Args:
        model: Name of an embedded model, path of a model folder or `.onnx` file, or a hub id `owner/name`.

    Raises:
        ModelNotFoundError: There is no such model.
        ModelError: It is a hub id and cannot be got.
        MissingExtraError: It is a hub id and `huggingface_hub` is not installed.
    """
    if isinstance(model, str) and model in EMBEDDED:
        return Path(str(resources.files("lapdepth"))) / "weights" / model
    path = Path(model)
    try:
        if path.is_dir() or path.is_file():
            return path
        is_hub_id = isinstance(model, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", model) and not path.parent.exists()
    except OSError as error:  # a name longer than any file's, or a folder that may not be looked into
        raise ModelNotFoundError(f"no model '{str(model)[:80]}': {error.strerror}") from None
    if is_hub_id:
        return _download(str(model))
    raise ModelNotFoundError(f"no model '{model}'; give {', '.join(EMBEDDED)}, a model folder, an .onnx file or a hub id")


def read_config(folder: Path) -> ModelConfig:
    """The configuration in a model folder.

    Raises:
        ModelError: There is none, or it is not one that this release reads.
    """
    path = folder / CONFIG_FILE
    try:
        status = path.stat()
        # Opening a pipe would wait for ever.
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_CONFIG_BYTES:
            raise ModelError(f"{path} is no file of at most {MAX_CONFIG_BYTES:,} bytes; a model folder holds {CONFIG_FILE}")
        text = path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}; a model folder holds {CONFIG_FILE}") from None
    return ModelConfig.from_json(text, str(path))


def tell_licence_once(name: str, licence: str) -> None:
    """Say under which licence a model's weights are, the first time that the process loads it."""
    if (name, licence) not in _told:
        _told.add((name, licence))
        logger.warning("model '%s': %s", name, licence)


def _download(hub_id: str) -> Path:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingExtraError(f"model '{hub_id}' from the hub", "hub")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, allow_patterns=[CONFIG_FILE, WEIGHTS_FILE, ONNX_FILE]))
    except Exception as error:  # the hub's client raises many kinds, none of them documented as complete
        raise ModelError(f"cannot get model '{hub_id}' from the hub: {str(error).splitlines()[0]}") from None
