"""Pictures in and results out of object stores, by URL: `s3://`, `gs://`, `abfs://`, `hdfs://`, and `file://`.

Credentials are those of the environment, as each store's own tools take them; what else a store needs stands in the URL, such as
`s3://bucket/pictures?region=eu-west-1&endpoint_override=localhost:9000`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

from pyarrow import ArrowException, fs

from lapdepth.config import as_line
from lapdepth.errors import InputError, OutputError, ReadError
from lapdepth.io.files import MAX_BYTES, PICTURE_SUFFIXES, is_url


def join(url: str, name: str) -> str:
    """The URL of a file below another one; what stands behind `?` stays at the end.

    Raises:
        InputError: The name is not UTF-8, as names in stores are.
    """
    try:
        return extend(url, f"/{quote(name)}")
    except UnicodeEncodeError:
        raise InputError(f"{as_line(name)} is no UTF-8, as names below {url} must be; rename it") from None


def extend(url: str, end: str) -> str:
    """A URL with a few letters at the end of its path."""
    place, mark, options = url.partition("?")
    return f"{place.rstrip('/')}{end}{mark}{options}"


def as_path(url: str) -> Path:
    """A URL as a path, whose folders and name are the same."""
    scheme, _, rest = url.partition("?")[0].partition("://")
    return Path("/", scheme, unquote(rest).strip("/"))


def local_url(path: Path) -> str:
    """The `file://` URL of a path on this machine, links followed."""
    return Path(os.path.realpath(path)).as_uri()


def check_not_overwriting(urls: Sequence[str], stems: Sequence[str], ends: Iterable[str]) -> None:
    """Raise `InputError` where a result would replace one of the pictures it is made from."""
    pictures = set(map(as_path, urls))
    for file in (extend(stem, end) for stem in stems for end in ends):
        if as_path(file) in pictures:
            raise InputError(f"{file} is one of the inputs and would be overwritten; choose another --output")


def pictures_below(url: str, but: str) -> list[str]:
    """URLs of the pictures below a URL, sorted; the URL itself if it is a file. Hidden ones are left out.

    Args:
        url: Folder or file.
        but: URL, or path, of a folder below it that is left out: there are the results of earlier runs.

    Raises:
        InputError: The pictures lie in the folder of the results.
        ReadError: There is nothing, no picture, no such store, or no permission.
    """
    if is_url(but) and as_path(url).is_relative_to(as_path(but)):
        raise InputError(f"the pictures of {url} lie in the --output {but}; choose another one, such as {join(url, 'depth')}")
    try:
        store, top = fs.FileSystem.from_uri(url)
        kind = store.get_file_info(top).type
        if kind == fs.FileType.File:
            return [url]
        if kind == fs.FileType.NotFound:
            raise ReadError(f"cannot read {url}: there is nothing of that name; expected a picture or a folder of pictures")
        found = store.get_file_info(fs.FileSelector(top, recursive=True))
    except (OSError, ArrowException) as error:
        raise _failed(url, error) from error
    below = [PurePosixPath(file.path).relative_to(top) for file in found if file.type == fs.FileType.File]
    pictures = [
        path for path in below if path.suffix.lower() in PICTURE_SUFFIXES and not any(p.startswith(".") for p in path.parts)
    ]
    if not pictures:
        raise ReadError(f"no pictures in {url}; expected files with one of the suffixes {' '.join(sorted(PICTURE_SUFFIXES))}")
    urls = [join(url, str(path)) for path in sorted(pictures)]
    return [found for found in urls if not (is_url(but) and as_path(found).is_relative_to(as_path(but)))]


def read_url(url: str) -> bytes:
    """A whole file.

    Raises:
        ReadError: It is missing, not permitted, empty or over `MAX_BYTES`.
    """
    try:
        store, path = fs.FileSystem.from_uri(url)
        with store.open_input_file(path) as file:
            size = file.size()
            if not 0 < size <= MAX_BYTES:
                raise ReadError(f"{url} has {size:,} bytes; expected a picture of 1 to {MAX_BYTES:,} bytes")
            data: bytes = file.read()
            return data
    except (OSError, ArrowException) as error:
        raise _failed(url, error) from error


def write_url(url: str, data: bytes) -> None:
    """Write a whole file, so that it is seen when it is complete; raises `OutputError`."""
    try:
        store, path = fs.FileSystem.from_uri(url)
        renames = store.type_name in ("local", "hdfs")  # object stores show nothing of a file before its end
        folder = PurePosixPath(path).parent
        target = str(folder / f".lapdepth-{secrets.token_hex(8)}") if renames else path
        store.create_dir(str(folder), recursive=True)
        try:
            with store.open_output_stream(target) as file:
                file.write(data)
            if renames:
                store.move(target, path)
        finally:
            if renames:  # gone where it was moved
                with suppress(OSError, ArrowException):
                    store.delete_file(target)
    except (OSError, ArrowException) as error:
        raise OutputError(f"cannot write {url}: {_first_line(error)}") from error


def _failed(url: str, error: Exception) -> ReadError:
    return error if isinstance(error, ReadError) else ReadError(f"cannot read {url}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
