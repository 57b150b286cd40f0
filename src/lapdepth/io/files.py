"""Files in and out: what the user named, reading whole files, and writing with nothing half-written left behind."""

from __future__ import annotations

import glob
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.errors import InputError, LapDepthError, OutputError, ReadError

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm"})
"""What counts as a picture when a folder or pattern is searched. A file named outright is taken whatever its suffix."""

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".flv", ".ogv", ".wmv"})
"""What counts as a video among the inputs; whether it is one is told by its content when it is opened."""

MAX_BYTES = 2**30
"""Larger files are refused: 100 megapixels of 16-bit RGBA without compression take 0.8 GB."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # two letters at least: C:// is a drive


def check_folder(path: Path) -> None:
    """Raise `OutputError` where a file's folder is missing, or its name is a folder's or device's, before long work for it."""
    target = Path(os.path.realpath(path))
    if not os.path.isdir(target.parent):  # noqa: PTH112 - Path.is_dir raises for names that are too long
        raise OutputError(f"cannot write {path}: the folder {path.parent} does not exist; make it first")
    if os.path.exists(target) and not target.is_file():  # noqa: PTH110 - as above; replacing /dev/null would break the machine
        raise OutputError(f"cannot write {path}: it is a folder or a device; give the name of a file")


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
        OutputError: The folder is missing, `path` is a folder or a device, the writer wrote nothing or
            cannot take the name, or any `OSError`.
    """
    target = Path(os.path.realpath(path))
    temporary = target.parent / f".lapdepth-{secrets.token_hex(8)}{path.suffix}"
    try:
        check_folder(path)
        yield temporary
        if not temporary.exists():
            raise OutputError(f"cannot write {path}: the encoder wrote nothing; try another file format")
        temporary.replace(target)
    except LapDepthError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    except UnicodeEncodeError as error:  # OpenEXR takes no folder whose name is not UTF-8
        raise OutputError(f"cannot write {path}: its name is not UTF-8; choose another folder") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def line_writer(path: Path) -> Iterator[Callable[[str], None]]:
    """A file of lines that appears under its name when the block ends well.

    Yields:
        A function that takes a line without its end. Where one cannot be written (the disk is full), it raises `OutputError`, and
        the file holds the whole lines before: a block that then ends well keeps them.

    Raises:
        OutputError: As `atomic_path`.
    """
    with atomic_path(path) as temporary, temporary.open("wb", buffering=0) as file:  # a buffer could fail once more at the end

        def add(text: str) -> None:
            whole, data = file.tell(), (text + "\n").encode()
            try:
                while data:  # a disk that is nearly full takes a part
                    data = data[file.write(data) :]
            except OSError as error:
                file.seek(whole)
                file.truncate()
                raise OutputError(f"cannot write {path}: {error.strerror or error}") from error

        yield add


def clear_scratch(folder: Path, suffix: str = "") -> None:
    """Remove what a program that was killed inside `atomic_path` left in a folder, of one suffix or all.

    Only for folders that one program at a time writes to.
    """
    for path in folder.glob(f".lapdepth-*{suffix}"):
        with suppress(OSError):
            path.unlink()


def is_url(text: str) -> bool:
    """Whether a text begins as `s3://`, `file://` and the like do."""
    return _URL.match(text) is not None


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
    r"""Write JSON: keys sorted, indented by two, ended by a newline.

    Bytes of a file name that are no UTF-8 are written as JSON's own escapes, such as `\udcff`.

    Raises:
        InputError: Not JSON: a NaN, an infinity or an object of another kind (NumPy numbers too) is inside.
        OutputError: The file cannot be written.
    """
    try:
        text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"cannot write {path}: {error}; only finite numbers, text, lists and dicts are JSON") from error
    write_bytes(path, (text + "\n").encode(errors="backslashreplace"))


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


def expand_inputs(
    inputs: Sequence[str], skip: Callable[[Path, Path], bool] = lambda top, path: False
) -> tuple[list[Path], list[LapDepthError]]:
    """Files, folders and patterns to picture files, each once, in the order given.

    Folders are searched with all below them, those that links lead to too, each folder once; hidden files are left out. What is
    found is sorted. A plain file is returned even when
    it is missing, so that a batch can report it and go on; for the same reason errors are returned, not raised.

    Args:
        inputs: What the user typed; patterns such as `drive/**/*.png` are for shells that leave them alone.
        skip: Called with the folder searched (of a pattern, the part before the first wildcard) and a picture found in it;
            true leaves the picture out. Files named outright are always taken.

    Returns:
        The pictures, and an `InputError` for each input that is empty or a URL, a `ReadError` for each folder that is missing
        or unreadable and each folder or pattern that holds no pictures.
    """
    found: dict[str, Path] = {}
    errors: list[LapDepthError] = []
    for text in inputs:
        try:
            for path in _expand(text, skip, errors):
                found.setdefault(os.path.abspath(path), path)  # noqa: PTH100 - Path.absolute keeps ".."
        except LapDepthError as error:
            errors.append(error)
    return list(found.values()), errors


def _expand(text: str, skip: Callable[[Path, Path], bool], errors: list[LapDepthError]) -> list[Path]:
    """The pictures of one input; folders below it that cannot be read go to `errors`."""
    if not text:
        raise InputError("an input is empty text; expected a picture, a folder or a pattern such as 'photos/*.jpg'")
    if is_url(text):
        raise InputError(f"{text} is a URL; download it first and give the name of the file, or predict it with --cluster ray")
    top = Path(text)
    known = len(errors)
    if os.path.isdir(text):  # noqa: PTH112 - Path.is_dir raises for names that are too long
        pictures = _pictures_below(top, errors)
    elif glob.has_magic(text) and not os.path.exists(text):  # noqa: PTH110 - as above; a real file may be called "[1].jpg"
        top = Path(*takewhile(lambda part: not glob.has_magic(part), top.parts))
        matches = map(Path, glob.glob(text, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        pictures = sorted(match for match in matches if _is_picture(match))
    elif text.endswith(("/", os.sep)):
        raise ReadError(f"cannot read the folder {text}: it does not exist")
    else:
        return [top]
    if not pictures and len(errors) == known:
        suffixes = " ".join(sorted(suffix[1:] for suffix in PICTURE_SUFFIXES))
        raise ReadError(f"no pictures in {text}; expected files with one of the suffixes {suffixes}")
    return [path for path in pictures if not skip(top, path)]


def _pictures_below(top: Path, errors: list[LapDepthError]) -> list[Path]:
    def unreadable(error: OSError) -> None:
        errors.append(ReadError(f"cannot read the folder {error.filename}: {_reason(error)}"))

    found: list[Path] = []
    searched: set[str] = set()
    to_search = [top]
    for start in to_search:  # links come last, so that a folder keeps its own name, and may lead in circles
        for folder, folders, names in os.walk(start, onerror=unreadable):
            real = os.path.realpath(folder)
            if real in searched:
                folders.clear()
                continue
            searched.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            to_search += [path for path in (Path(folder) / name for name in folders) if os.path.islink(path)]  # noqa: PTH114 - as above
            found += [path for path in (Path(folder) / name for name in names) if _is_picture(path)]
    return sorted(found)


def _is_picture(path: Path) -> bool:
    # Hidden ones are the "._" companions that macOS leaves, and files that another run is writing now.
    if path.suffix.lower() not in PICTURE_SUFFIXES or path.name.startswith("."):
        return False
    try:
        return path.is_file()
    except OSError:  # its folder may be listed, not entered: reading the file will tell
        return True


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
