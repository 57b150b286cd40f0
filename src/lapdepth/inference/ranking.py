"""Which engine ran which model fastest on this machine: written by `lapdepth benchmark`, read by `--engine auto`.

One JSON file in the user's cache folder. An entry counts only for the same file of the model, release of LapDepth and number
of cores; whatever else is found there is as good as nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lapdepth import __version__
from lapdepth.errors import OutputError
from lapdepth.io.files import write_json

FOLDER_VARIABLE = "LAPDEPTH_CACHE"
"""Environment variable that names the cache folder in place of the system's own."""
WORTH = 0.95
"""Another engine is taken where it needs at most so much of ONNX Runtime's time: less is noise, and it starts up first."""


def ranking_file() -> Path:
    """Where the ranking is: in the folder that the system keeps for such."""
    if os.environ.get(FOLDER_VARIABLE):
        return Path(os.environ[FOLDER_VARIABLE]) / "engines.json"
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "lapdepth" / "engines.json"


def remember(onnx_file: Path, milliseconds: Mapping[str, float]) -> None:
    """Keep what was measured of a model, in place of what was known of it.

    Args:
        onnx_file: The model.
        milliseconds: Of one prediction, by engine; those that compute float32 as the model says.

    Raises:
        OutputError: The file cannot be written.
    """
    path = ranking_file()
    known = _read(path)
    entry = {"stamp": _stamp(onnx_file), "milliseconds": dict(milliseconds), "date": time.strftime("%Y-%m-%d")}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path.parent}: {error.strerror}") from None
    write_json(path, {**known, str(onnx_file.resolve()): entry})


def fastest(onnx_file: Path) -> tuple[str, str] | None:
    """The fastest engine of a model and the day that it was measured; `None` where nothing fit is known."""
    entry = _read(ranking_file()).get(str(onnx_file.resolve()))
    try:
        if entry is None or entry["stamp"] != _stamp(onnx_file):
            return None
        milliseconds = {str(name): float(value) for name, value in entry["milliseconds"].items()}
        best = min(milliseconds, key=milliseconds.__getitem__)
        near = milliseconds[best] > WORTH * milliseconds.get("onnx", float("inf"))
        return ("onnx" if near else best), str(entry["date"])
    except (KeyError, TypeError, ValueError, AttributeError):  # written by another release, or by hand
        return None


def _stamp(onnx_file: Path) -> list[object]:
    status = onnx_file.stat()
    return [__version__, os.cpu_count(), status.st_size, status.st_mtime_ns]


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
