"""What is in a ZIP, a TAR or a compressed TAR: one way to list and to read all of them.

Nothing here decides what is harmless or writes a file; see `archives`.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, cast

from lapdepth.errors import OutputError, ReadError

SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")

_DECODERS: dict[str, Callable[[IO[bytes]], Any]] = {".tgz": gzip.open, ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_MAX_PIECE = 2**24
_DECODING = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError, RecursionError, ValueError, IndexError, OSError),
)


def is_archive(path: Path) -> bool:
    """Whether a file's name is that of an archive."""
    return path.name.lower().endswith(SUFFIXES)


def list_heads(archive: Path, watch: Callable[[int], None]) -> Iterator[tuple[str, int, str | None]]:
    """Name, unpacked size (of a folder 0) and fault, if any, of each member.

    Args:
        archive: The archive.
        watch: Called with the bytes of the archive that are read; for a ZIP never, since its list stands in one place.
    """
    if _is_zip(archive):
        with zipfile.ZipFile(archive) as file:
            for info in file.infolist():
                fault = None
                if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                    fault = "a link or a device"
                elif info.flag_bits & 1:
                    fault = "it is encrypted"
                # ZipFile cuts names at a zero byte; what stood there decides.
                yield info.orig_filename, 0 if info.is_dir() else info.file_size, fault
        return
    with _open_tar(archive) as (tar, file):
        for member in _members(tar):
            watch(file.tell())
            plain = member.isdir() or (member.isreg() and not member.issparse())
            yield member.name, 0 if member.isdir() else member.size, None if plain else "a link or a device"
        # Without this, a plain TAR that broke off between two members looks whole.
        tar.fileobj.seek(tar.offset)
        if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it has no end")


def open_members(archive: Path, wanted: Collection[str]) -> Generator[tuple[str, IO[bytes]], None, None]:
    """Open streams of the wanted members, in the order of the archive; `wanted` shrinks meanwhile."""
    if not wanted:
        return
    if _is_zip(archive):
        with zipfile.ZipFile(archive) as file:
            for info in file.infolist():
                if info.orig_filename in wanted:
                    with file.open(info) as stream:
                        yield info.orig_filename, stream
        return
    with _open_tar(archive) as (tar, _):
        for member in _members(tar):
            if member.isreg() and member.name in wanted and (found := tar.extractfile(member)) is not None:
                with found:
                    yield member.name, found


@contextmanager
def damage(archive: Path) -> Iterator[None]:
    """What the decoders raise on damaged or foreign bytes becomes one `ReadError`."""
    try:
        yield
    except (ReadError, OutputError):
        raise
    except _DECODING as error:
        reason = str(getattr(error, "strerror", None) or error) or type(error).__name__
        raise ReadError(f"cannot read {archive}: {reason.splitlines()[0]}; download it again") from error


def _is_zip(archive: Path) -> bool:
    return archive.name.lower().endswith(".zip")


class _Bounded:
    """An unpacked TAR of which little is read in one go: tarfile keeps what describes a member, and that may be of any length."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._read_bytes = file, 0
        self.tell, self.close = file.tell, file.close

    def read(self, count: int) -> bytes:
        if not 0 <= count <= _MAX_PIECE:
            raise tarfile.ReadError(f"a header of {count:,} bytes")
        self._read_bytes += count
        if self._read_bytes > _MAX_PIECE:
            raise tarfile.ReadError(f"headers of more than {_MAX_PIECE:,} bytes for one member")
        return self._file.read(count)

    def seek(self, place: int) -> int:
        """As before every piece of a member's own bytes."""
        self.begin()
        return self._file.seek(place)

    def begin(self) -> None:
        """Count anew."""
        self._read_bytes = 0


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        cast("_Bounded", tar.fileobj).begin()
        yield member


@contextmanager
def _open_tar(archive: Path) -> Iterator[tuple[tarfile.TarFile, IO[bytes]]]:
    """What is in the archive, and the file itself, whose place tells how much of it is read."""
    decode = _DECODERS.get(archive.suffix.lower())
    with (
        archive.open("rb") as packed,
        closing(_Bounded(cast("IO[bytes]", decode(packed) if decode else packed))) as unpacked,
        tarfile.open(fileobj=cast("IO[bytes]", unpacked), mode="r:") as tar,
    ):
        yield tar, packed
