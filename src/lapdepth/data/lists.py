"""The splits of the field, shipped as short text in `lists/`, and lists of pictures that users bring.

A shipped list has one drive or scene a line, then its numbers, as `7` or `7-12`:

    2011_09_26_drive_0001_sync 5-102

Sources: KITTI, Eigen et al. 2014 (train 23,158; test 697, of which 652 have the official annotated depth); NYU Depth V2, the
24,231 synchronised raw frames for training that most papers since 2019 use, and the official 654 labelled test pictures.
"""

from __future__ import annotations

import importlib.resources
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lapdepth.data.manifest import Row
from lapdepth.errors import ConfigError, ReadError

MAX_LINES = 2_000_000


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list asks for, as found on disk.

    Attributes:
        rows: Rows whose files are all there.
        missing: The first missing file of each other row.
    """

    rows: list[Row]
    missing: list[Path]

    def complete(self, allow_missing: bool) -> list[Row]:
        """The rows.

        Raises:
            ReadError: A file is missing and may not be, or no row is left.
        """
        if self.missing and not (allow_missing and self.rows):
            wanted = len(self.rows) + len(self.missing)
            raise ReadError(
                f"{len(self.missing)} of {wanted} rows lack a file, the first {self.missing[0]}; numbers on a part are not those "
                "of the whole list. Download the rest, or allow missing files (--partial)"
            )
        if not self.rows:
            raise ReadError("no picture goes with a depth map; a manifest needs one pair at least. Download the data again")
        return self.rows


class Files:
    """Which files there are: each folder is listed once, because asking file by file takes minutes on a network drive."""

    def __init__(self) -> None:
        self._names: dict[str, frozenset[str]] = {}

    def __contains__(self, path: Path) -> bool:
        """Whether its folder lists `path`."""
        folder, name = os.path.split(path)
        names = self._names.get(folder)
        if names is None:
            try:
                names = frozenset(os.listdir(folder or "."))  # noqa: PTH208 - names alone, not paths
            except (OSError, ValueError):  # ValueError: a zero byte in the name
                names = frozenset()
            self._names[folder] = names
        return name in names

    def first(self, paths: Sequence[Path]) -> Path:
        """The first that there is, or the first of all."""
        return next((path for path in paths if path in self), paths[0])


def read_list(name: str) -> dict[str, list[int]]:
    """Numbers of frames or pictures by drive or scene, both ascending, of the shipped list of that name.

    Example:
        >>> read_list("kitti_eigen_test")["2011_09_26_drive_0002_sync"][:3]
        [0, 3, 6]
    """
    text = (importlib.resources.files("lapdepth") / "data" / "lists" / f"{name}.txt").read_text(encoding="ascii")
    return {place: [number for part in parts for number in _numbers(part)] for place, *parts in map(str.split, text.splitlines())}


def read_pairs(path: Path) -> list[tuple[str, str, str | None]]:
    """A user's list: picture, depth and, optionally, filled-in depth, separated by blanks, one picture a line.

    A fourth or last word that is a number (a focal length, in some published lists) is passed over, as are lines whose depth is
    `None` (no truth) and a leading `/`.

    Raises:
        ReadError: The file cannot be read.
        ConfigError: A line has fewer than two words, or the list is empty or longer than `MAX_LINES`.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not a text file: {error}") from None
    if len(lines) > MAX_LINES:
        raise ConfigError(f"{path} has {len(lines):,} lines; expected at most {MAX_LINES:,}. Divide it into several lists")
    pairs: list[tuple[str, str, str | None]] = []
    for number, line in enumerate(lines, 1):
        words = [word.lstrip("/") for word in line.split()]
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 2:
            raise ConfigError(f"{path}:{number}: '{line.strip()}' has one word; expected a picture and its depth")
        if words[1] != "None":
            dense = words[2] if len(words) > 2 and words[2] != "None" and not _is_number(words[2]) else None
            pairs.append((words[0], words[1], dense))
    if not pairs:
        raise ConfigError(f"{path} names no picture with depth; expected lines of a picture and its depth")
    return pairs


def _numbers(part: str) -> range:
    first, _, last = part.partition("-")
    return range(int(first), int(last or first) + 1)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
