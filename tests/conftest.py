"""What all tests share."""

import atexit
import errno
import io
import os
import sys
import tempfile
from pathlib import Path

import pytest

# Tests run side by side, one process a core; threads inside each would only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What lapdepth benchmark has found on this machine shall not choose the engines of tests.
_cache = tempfile.TemporaryDirectory(prefix="lapdepth-tests-")
atexit.register(_cache.cleanup)
os.environ["LAPDEPTH_CACHE"] = _cache.name
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def truncated_video(tmp_path):
    """A video of which a third is cut off: its header still counts 20 frames."""
    import cv2  # here, as it and NumPy must find what is set above
    import numpy as np

    path = tmp_path / "truncated.avi"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 10, (192, 96))
    for picture in np.random.default_rng(0).integers(0, 256, (20, 24, 48, 3), dtype=np.uint8):
        writer.write(np.repeat(np.repeat(picture, 4, 0), 4, 1))
    writer.release()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    return path


@pytest.fixture
def full_disk(monkeypatch):
    """A function that makes files of lines on a path whose name ends so take a number of bytes and no more."""

    def fill(end, room):
        opened = Path.open

        class Full(io.FileIO):
            left = room

            def write(self, data):
                if not self.left:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                done = super().write(data[: self.left])
                self.left -= done
                return done

        def open_full(path, mode="r", *args, **kwargs):
            if mode == "wb" and path.name.endswith(end):
                return Full(path, mode)
            return opened(path, mode, *args, **kwargs)

        monkeypatch.setattr(Path, "open", open_full)

    return fill
