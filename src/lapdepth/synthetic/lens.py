"""What a camera and a file do to light: exposure, white balance, blur, noise, tone curve, JPEG. NumPy and OpenCV, no PyTorch."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray
from lapdepth.imaging import ByteArray
from lapdepth.synthetic.scene import Lens

KEY = 0.25
"""What automatic exposure makes of the mean brightness."""
MOST_GAIN = 60.0
"""Of automatic exposure, so that the night stays dark."""


def develop(light: FloatArray, lens: Lens, seed: int, rain: float = 0.0) -> ByteArray:
    """Make a picture of light.

    Args:
        light: (H, W, 3) float32, linear.
        lens: What to do.
        seed: Of the noise; give each frame its own.
        rain: Strength of the streaks of falling rain.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    rng = np.random.default_rng(seed)
    height, width = light.shape[:2]
    mean = float(np.exp(np.log(np.minimum(light, 2.0).mean(-1) + 1e-3).mean()))
    gain = min(KEY / mean, MOST_GAIN) * 2.0**lens.exposure_ev
    image: npt.NDArray[np.floating[Any]] = light * np.float32(gain)
    if rain:
        image = image + _streaks(height, width, rain, rng) * np.float32(0.35 * gain * np.minimum(light, 1.5).mean())
    if lens.blur_px:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), lens.blur_px), np.float32)
    if lens.vignette:
        y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        image = image * np.asarray(1 - lens.vignette * (x * x + y * y) / 2, np.float32)[..., None]
    image = image * np.array([1 + lens.warmth / 2, 1, 1 - lens.warmth / 2], np.float32)
    image = 1.4 * image**1.15  # a toe
    image = image * (1 + image / 9) / (1 + image)  # a shoulder: 9 times the light is white
    if lens.noise:
        spread = lens.noise * np.sqrt(0.25 + 3 * image)  # photons: more noise in more light, less than in proportion
        image = image + spread * rng.standard_normal(image.shape, np.float32) * min(gain**0.25, 3.0)
    image = np.clip(image * 1.3, 0, 1)
    image = np.where(image <= 0.0031308, 12.92 * image, 1.055 * image ** (1 / 2.4) - 0.055)
    picture = np.rint(image * 255).astype(np.uint8)
    if lens.jpeg_quality is not None:
        _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, lens.jpeg_quality])
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
    return np.ascontiguousarray(picture)


def _streaks(height: int, width: int, rain: float, rng: np.random.Generator) -> FloatArray:
    """(H, W, 1) brightness of falling drops."""
    drops = (rng.random((height, width)) < 0.004 * rain).astype(np.float32)
    length = max(3, height // 12) | 1
    kernel = np.zeros((length, length), np.float32)
    kernel[np.arange(length), length // 2 + (np.arange(length) - length // 2) // 6] = 1.0
    return np.asarray(cv2.GaussianBlur(cv2.filter2D(drops, -1, kernel), (0, 0), 0.5), np.float32)[..., None]
