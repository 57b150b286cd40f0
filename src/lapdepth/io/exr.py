"""Depth maps out as OpenEXR, for compositing. The only file that imports OpenEXR."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lapdepth.camera import FloatArray
from lapdepth.errors import MissingExtraError, OutputError
from lapdepth.io.depth import BoolArray, check_depth
from lapdepth.io.files import atomic_path


def write_exr(path: Path, depth_m: FloatArray, valid: BoolArray) -> None:
    """Write depth as 32-bit float OpenEXR with the one channel "Z", without loss.

    Args:
        path: An `.exr` file.
        depth_m: (H, W) float32, metres.
        valid: (H, W) bool. Invalid pixels are written as NaN: the format has no mask, and 0 or infinity are depths
            that a compositing program would believe.

    Raises:
        MissingExtraError: OpenEXR is not installed.
        InputError: The arrays do not fit each other.
        OutputError: The file cannot be written.
    """
    try:
        import OpenEXR
    except ImportError:
        raise MissingExtraError("writing EXR", "exr") from None
    check_depth(depth_m, valid)
    channels = {"Z": np.where(valid, depth_m, np.nan).astype(np.float32)}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with atomic_path(path) as temporary:
        try:
            OpenEXR.File(header, channels).write(str(temporary))
        except RuntimeError as error:  # what the library makes of a full disk
            raise OutputError(f"cannot write {path}: {str(error).splitlines()[0]}") from error
