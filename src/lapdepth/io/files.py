"""Files in and out: what the user named, reading whole files, and writing with nothing half-written left behind."""

from __future__ import annotations

import glob
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.errors import InputError, LapDepthError, OutputError, ReadError

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm"})
"""What counts as a picture when a folder or pattern is searched. A file named outright is taken whatever its suffix."""

MAX_BYTES = 2**30
"""Larger files are refused: 100 megapixels of 16-bit RGBA without compression take 0.8 GB."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:// is a drive


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, which becomes `path` when the block ends well and vanishes when it does not.

    A link is followed, so that it stays a link. The temporary file is made by the writer, with the permissions that any
    new file gets.

    Args:
        path: Where the result shall be.

    Yields:
        A path that does not exist yet, with the suffix of `path`.

    Raises:
        OutputError: The folder is missing, `path` is a folder or a device, the writer wrote nothing, or any `OSError`.
    """
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".lapdepth-{secrets.token_hex(8)}{path.suffix}"
    try:
        if not target.parent.is_dir():
            raise OutputError(f"cannot write {path}: the folder {path.parent} does not exist; make it first")
        if target.exists() and not target.is_file():  # replacing /dev/null would break the machine
            raise OutputError(f"cannot write {path}: it is a folder or a device; give the name of a file")
        yield temporary
        if not temporary.exists():
            raise OutputError(f"cannot write {path}: the encoder wrote nothing; try another file format")
        temporary.replace(target)
    except LapDepthError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file at once, or raise `OutputError` and leave what was there."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_encoded(path: Path, pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16], params: Sequence[int] = ()) -> None:
    """Encode pixels with OpenCV by the suffix of `path`, and write them.

    Args:
        path: Where to; its suffix chooses the format.
        pixels: (H, W) grey or (H, W, 3) BGR.
        params: Pairs for `cv2.imencode`.

    Raises:
        OutputError: OpenCV cannot encode these pixels, or the file cannot be written.
    """
    try:
        done, data = cv2.imencode(path.suffix, pixels, list(params))
    except cv2.error as error:
        raise OutputError(f"cannot write {path}: {error.err or 'OpenCV failed to encode it'}") from error
    if not done:
        raise OutputError(f"cannot write {path}: OpenCV failed to encode {pixels.dtype} {pixels.shape} as {path.suffix}")
    write_bytes(path, data.tobytes())


def write_json(path: Path, data: object) -> None:
    """Write JSON: keys sorted, indented by two, ended by a newline.

    Raises:
        InputError: Not JSON: a NaN, an infinity or an object of another kind (NumPy numbers too) is inside.
        OutputError: The file cannot be written.
    """
    try:
        text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"cannot write {path}: {error}; only finite numbers, text, lists and dicts are JSON") from error
    write_bytes(path, (text + "\n").encode())


def read_bytes(path: Path, expected: str) -> bytes:
    """Read a whole file.

    Args:
        path: The file.
        expected: What it should hold, for messages, such as "a picture".

    Raises:
        ReadError: Missing, not permitted, a folder or a device, empty, or over `MAX_BYTES`.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise ReadError(f"cannot read {path}: {_reason(error)}; expected {expected}") from error
    if stat.S_ISDIR(status.st_mode):
        raise ReadError(f"{path} is a folder; expected {expected}")
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise ReadError(f"{path} is a pipe or a device; expected {expected} in an ordinary file")
    if status.st_size == 0:
        raise ReadError(f"{path} is empty; expected {expected}")
    if status.st_size > MAX_BYTES:
        raise ReadError(f"{path} has {status.st_size:,} bytes; expected {expected} of at most {MAX_BYTES:,} bytes")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReadError(f"cannot read {path}: {_reason(error)}; expected {expected}") from error


def expand_inputs(inputs: Sequence[str]) -> list[Path]:
    """Files, folders and patterns to picture files, each once, in the order given.

    Folders are searched with all below them, sorted; hidden files are left out. A plain file is returned even when
    it is missing, so that a batch can report it and go on.

    Args:
        inputs: What the user typed; patterns such as `drive/**/*.png` are for shells that leave them alone.

    Raises:
        InputError: An input is empty or a URL.
        ReadError: A folder is missing or unreadable, or it or a pattern holds no pictures.
    """
    found: dict[str, Path] = {}
    for text in inputs:
        for path in _expand(text):
            found.setdefault(os.path.abspath(path), path)  # noqa: PTH100 - Path.absolute keeps ".."
    return list(found.values())


def _expand(text: str) -> list[Path]:
    if not text:
        raise InputError("an input is empty text; expected a picture, a folder or a pattern such as 'photos/*.jpg'")
    if _URL.match(text):
        raise InputError(f"{text} is a URL; download it first and give the name of the file")
    path = Path(text)
    if path.is_dir():
        pictures = _pictures_below(path)
    elif not path.exists() and glob.has_magic(text):  # a real file may be called "[1].jpg"
        matches = glob.glob(text, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        pictures = sorted(match for match in map(Path, matches) if _is_picture(match) and match.is_file())
    elif text.endswith(("/", os.sep)):
        raise ReadError(f"cannot read the folder {text}: it does not exist")
    else:
        return [path]
    if not pictures:
        suffixes = " ".join(sorted(suffix[1:] for suffix in PICTURE_SUFFIXES))
        raise ReadError(f"no pictures in {text}; expected files with one of the suffixes {suffixes}")
    return pictures


def _pictures_below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for top, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [path for path in (Path(top) / name for name in names) if _is_picture(path) and path.is_file()]
    return sorted(found)


def _is_picture(path: Path) -> bool:
    # Hidden ones are the "._" companions that macOS leaves, and files that another run is writing now.
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def _unreadable(error: OSError) -> None:
    raise ReadError(f"cannot read the folder {error.filename}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
