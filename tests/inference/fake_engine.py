"""An engine whose depths are known, so that all that stands around it can be checked exactly."""

import numpy as np

from lapdepth.config import ModelConfig


def make_config(**changes):
    """Stride 16; a camera of 50 px at 48x64."""
    settings = {
        "name": "fake",
        "encoder": "none",
        "max_depth_m": 100.0,
        "working_size": (48, 64),
        "focal_px": 50.0,
        "fov_deg": 90.0,
        "licence": "free",
    }
    return ModelConfig(**(settings | changes))


class FakeEngine:
    """`depth` and `log_scale` are numbers, or functions of the network's input (1, 3, H', W')."""

    name = "fake"

    def __init__(self, depth=2.0, log_scale=None, **changes):
        self.config = make_config(**changes)
        self.seen = []
        self._depth, self._log_scale = depth, log_scale

    def __call__(self, image):
        assert image.dtype == np.float32
        assert image.shape[:2] == (1, 3)
        self.seen.append(image.copy())
        return _map(self._depth, image), None if self._log_scale is None else _map(self._log_scale, image)


def _map(value, image):
    made = np.zeros((1, 1, *image.shape[2:]), np.float32)
    made[:] = value(image) if callable(value) else value
    return made


def by_column(image):
    """1 m in the first column, 2 m in the second and so on."""
    return 1.0 + np.arange(image.shape[3], dtype=np.float32)


def by_brightness(image):
    """1 m where black, 2 m where white."""
    return 1 + image.mean(axis=1, keepdims=True)


def noise(height, width, seed=0):
    """A picture (H, W, 3) that looks like nothing."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
