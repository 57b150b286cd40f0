"""Pictures in: every file that Pillow decodes safely becomes (H, W, 3) uint8 RGB, the right way up.

Only formats that Pillow and its own libraries decode are opened: EPS would start Ghostscript.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, TiffImageFile

from lapdepth.errors import InputError, LapDepthError, ReadError
from lapdepth.imaging import MIN_SIDE, ByteArray
from lapdepth.io import exif
from lapdepth.io.files import read_bytes

MAX_PIXELS = 100_000_000
"""Larger pictures are refused by their header: a small file can claim any size (decompression bomb)."""

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM", "GIF")
"""Pillow's names. Its JPEG covers MPO, the format of phones that store several pictures in one file."""

_EXPECTED = f"a picture ({', '.join(FORMATS)})"
_WARNINGS = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded picture.

    Attributes:
        rgb: (H, W, 3) uint8 RGB, the right way up.
        path: Where it came from, a file or a URL; `None` if from neither.
        focal_px: Focal length in pixels of this very picture, from EXIF; `None` if EXIF does not tell.
    """

    rgb: ByteArray
    path: Path | str | None
    focal_px: float | None


def read_image(path: Path) -> Picture:
    """Read a picture file; of several frames the first.

    Args:
        path: JPEG, PNG, WebP, TIFF, BMP, PPM, PGM, GIF or MPO, recognised by content.

    Raises:
        ReadError: The file is missing, not permitted, empty, damaged, not a picture or larger than `MAX_PIXELS`.
        InputError: The picture is too small, or its values do not fit 16 bits.
    """
    return decode_image(read_bytes(path, _EXPECTED), path)


def decode_image(data: bytes, path: Path | str) -> Picture:
    """The picture in a file's bytes.

    Args:
        data: The whole file.
        path: What it is called, for messages and `Picture.path`.

    Raises:
        ReadError: As `read_image`.
        InputError: As `read_image`.
    """
    try:
        with _quiet():
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ReadError(f"{path} is not a picture: it begins with {data[:12]!r}; expected {_EXPECTED}") from error
    except Image.DecompressionBombError as error:
        raise ReadError(f"{path} is too large: {error}; expected at most {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # decoders raise anything on hostile bytes; the caller gets one type
        raise _damaged(str(path), error) from error
    with image:
        if image.width * image.height > MAX_PIXELS:
            raise ReadError(f"{path} is {image.width}x{image.height}; expected at most {MAX_PIXELS:,} pixels")
        return _picture(image, str(path), path)


def from_pil(image: Image.Image) -> Picture:
    """A picture that the caller opened or made with Pillow.

    Raises:
        ReadError: Its pixels cannot be decoded.
        InputError: It is not a Pillow picture, too small, too large, or its values do not fit 16 bits.
    """
    if not isinstance(image, Image.Image):
        raise InputError(f"got {type(image).__name__}; expected a PIL.Image.Image")
    if image.width * image.height > MAX_PIXELS:
        raise InputError(f"picture is {image.width}x{image.height}; expected at most {MAX_PIXELS:,} pixels")
    return _picture(image, "picture", None)


def _picture(image: Image.Image, name: str, path: Path | str | None) -> Picture:
    if min(image.size) < MIN_SIDE:
        raise InputError(f"{name} is {image.width}x{image.height}; both sides must be at least {MIN_SIDE} pixels")
    try:
        with _quiet() if image.format == "TIFF" else nullcontext():  # only TIFF warns here: keep the others parallel
            image.load()
        # Read after decoding: Pillow itself turns a TIFF and then clears the tag, and a PNG may end with its EXIF.
        how, tags = _exif(image)
        rgb = exif.orient(_to_rgb(image, name), how)
    except LapDepthError:
        raise
    except Exception as error:  # decoders raise anything on hostile bytes; the caller gets one type
        raise _damaged(name, error) from error
    height, width = rgb.shape[:2]
    return Picture(rgb, path, _focal_px(tags, width, height))


def _to_rgb(image: Image.Image, name: str) -> ByteArray:
    """Stored pixels of any mode as (H, W, 3) uint8."""
    if image.mode.startswith(("I", "F")):
        return np.repeat(_to_8_bit(_of_tiff(image), name)[..., None], 3, axis=2)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.array(image.convert("RGB"), np.uint8)


def _of_tiff(image: Image.Image) -> npt.NDArray[Any]:
    """Grey values as they are, but of a TIFF 65535 for white: Pillow leaves 12 bits, and files where white is 0, as they are."""
    values = np.asarray(image)
    if not isinstance(image, TiffImageFile) or values.dtype.kind != "u":
        return values
    white = 2 ** int(image.tag_v2.get(BITSPERSAMPLE, (16,))[0]) - 1
    light = white - values.astype(np.uint32) if image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0 else values.astype(np.uint32)
    return np.asarray((light * 65535 + white // 2) // white)


def _to_8_bit(values: npt.NDArray[Any], name: str) -> ByteArray:
    """Grey values (H, W) of more than 8 bits as (H, W) uint8; 65535 is white."""
    if values.dtype.kind != "u":
        low, high = float(values.min()), float(values.max())
        whole = values.dtype.kind == "i" or np.array_equal(values, np.rint(values))
        if not (whole and low >= 0 and high <= 65535) or (values.dtype.kind == "f" and high == 1):
            raise InputError(
                f"{name} holds {values.dtype} values from {low:g} to {high:g}; expected 8 or 16 bits a channel, "
                "that is whole numbers from 0 to 65535. Convert it first"
            )
    return np.asarray((values.astype(np.uint32) + 128) // 257, np.uint8)


def _exif(image: Image.Image) -> tuple[int, Image.Exif | None]:
    """Orientation and tags. Damaged EXIF is no reason to refuse a picture that can be seen."""
    try:
        with _quiet():
            tags = image.getexif()
            tags.get_ifd(0x8769)  # parsed on first use: warn now, while nobody listens
            return exif.orientation(tags), tags
    except Exception:
        return 1, None


def _focal_px(tags: Image.Exif | None, width: int, height: int) -> float | None:
    try:
        return None if tags is None else exif.focal_px(tags, width, height)
    except Exception:  # as above
        return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's warnings from the user: what is wrong with a file is raised or does not matter.

    The list of filters belongs to the whole process, so that two threads must not save and restore it at once.
    """
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _damaged(name: str, error: Exception) -> ReadError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return ReadError(f"cannot decode {name}: {reason}; the file is damaged or incomplete, expected {_EXPECTED}")
