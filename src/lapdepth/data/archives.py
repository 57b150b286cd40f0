"""Archives as downloaded, unpacked so that nothing in them can do harm and an interrupted run goes on where it stopped.

ZIP, TAR and compressed TAR. The whole list of members is checked before the first file is written, members that are not wanted
too: names that climb out of the folder, links, devices, encryption and sizes that no data set has refuse the archive. A file
appears under its name when it is complete; one that is there with the right size is left alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from lapdepth.data.archive_formats import damage, list_heads, open_members
from lapdepth.errors import OutputError, ReadError
from lapdepth.io.files import atomic_path, clear_scratch


@dataclass(frozen=True, slots=True)
class Limits:
    """What no archive of a data set exceeds; the largest known, KITTI's annotated depth, has 14 GB in 93,000 members.

    Attributes:
        members: Number of members.
        member_bytes: Size of one, unpacked.
        total_bytes: Size of all, unpacked.
        ratio: Unpacked size over the size of the archive; pictures hardly compress.
        free_bytes: Unpacked size below which the ratio does not matter.
    """

    members: int = 1_000_000
    member_bytes: int = 2**30
    total_bytes: int = 2**38
    ratio: float = 100.0
    free_bytes: int = 2**26


LIMITS = Limits()

PlaceOf = Callable[[str], str | None]
"""Name in the archive to the place below the output folder, or `None` for what is not wanted."""


@dataclass(frozen=True, slots=True)
class Member:
    """A wanted file: its name in the archive, its place in the output folder, its size unpacked."""

    name: str
    place: str
    size_bytes: int


def list_members(
    archive: Path, place_of: PlaceOf, limits: Limits = LIMITS, watch: Callable[[int, int], None] = lambda done, total: None
) -> list[Member]:
    """The wanted members of an archive, all of whose members are harmless.

    Args:
        archive: The archive. A compressed TAR has no list: all of it is unpacked to find its members, which takes its time.
        place_of: What is wanted, and where it goes.
        limits: What is refused.
        watch: Called with the bytes of the archive that are read, and with all.

    Raises:
        ReadError: The archive cannot be read, is damaged, or holds something that no data set holds.
    """
    found: list[Member] = []
    places: set[str] = set()
    count = total_bytes = 0
    with damage(archive):
        archive_bytes = archive.stat().st_size
        watch(0, archive_bytes)
        for name, size_bytes, fault in list_heads(archive, lambda done: watch(done, archive_bytes)):
            count, total_bytes = count + 1, total_bytes + size_bytes
            fault = fault or _name_fault(name)
            if fault is None and size_bytes < 0:  # it would lead back to a header that was read, again and again
                fault = "its size is negative"
            if fault is None and (count > limits.members or size_bytes > limits.member_bytes or total_bytes > limits.total_bytes):
                fault = "there is more in the archive than in any data set"
            if fault is None and total_bytes > max(limits.ratio * archive_bytes, limits.free_bytes):
                fault = f"it unpacks to more than {limits.ratio:g} times its size"
            if fault is not None:
                raise ReadError(
                    f"{archive} is refused: {name[:200]!r}: {fault}; nothing was unpacked. Download it from its source"
                )
            place = place_of(name) if size_bytes else None
            if place is not None:
                if place in places:
                    raise ReadError(f"{archive} is refused: two members go to {place}; nothing was unpacked")
                places.add(place)
                found.append(Member(name, place, size_bytes))
        watch(archive_bytes, archive_bytes)
    return found


def unpack(archive: Path, members: list[Member], output: Path) -> Iterator[bool]:
    """Write members below `output`, in the order of the archive; for each, whether it had to be written.

    Args:
        archive: The archive.
        members: Of `list_members`.
        output: An existing folder.

    Raises:
        ReadError: The archive is damaged, or was changed since it was listed.
        OutputError: A file cannot be written, or the disk is too small for all of them.
    """
    missing = [member for member in members if not _is_there(output / member.place, member.size_bytes)]
    needed_bytes, free_bytes = sum(member.size_bytes for member in missing), shutil.disk_usage(output).free
    if needed_bytes > free_bytes:
        raise OutputError(
            f"{archive} needs {needed_bytes / 1e9:.1f} GB in {output}, {free_bytes / 1e9:.1f} GB are free; make room"
        )
    for _ in range(len(members) - len(missing)):
        yield False
    wanted = {member.name: member for member in missing}
    for folder in {(output / member.place).parent for member in missing}:
        clear_scratch(folder)
    with damage(archive), closing(open_members(archive, wanted)) as streams:
        for name, stream in streams:
            member = wanted.pop(name)
            target = output / member.place
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"cannot make the folder {target.parent}: {error.strerror}") from None
            _write(archive, stream, member, target)
            yield True
    if wanted:
        raise ReadError(f"{archive} changed while it was read: {next(iter(wanted))} is gone; run again")


def _write(archive: Path, stream: IO[bytes], member: Member, target: Path) -> None:
    with atomic_path(target) as temporary, temporary.open("wb") as file:
        left = member.size_bytes
        while block := _read(archive, stream, min(left + 1, 2**20)):
            left -= len(block)
            if left < 0:
                break
            file.write(block)
        if left:
            raise ReadError(
                f"{archive}: {member.name} does not have the {member.size_bytes} bytes that it claims; download it again"
            )


def _read(archive: Path, stream: IO[bytes], count: int) -> bytes:
    """Errors of reading, told from those of writing."""
    with damage(archive):
        return stream.read(count)


def _is_there(path: Path, size_bytes: int) -> bool:
    try:
        return path.is_file() and path.stat().st_size == size_bytes
    except OSError:
        return False


def _name_fault(name: str) -> str | None:
    if not name or name.startswith("/") or ".." in PurePosixPath(name).parts:
        return "its name leads out of the folder"
    if "\\" in name or ":" in name or not name.isprintable():
        return "its name has a backslash, a colon or a control character"
    if len(name) > 1000:
        return "its name is too long"
    return None
