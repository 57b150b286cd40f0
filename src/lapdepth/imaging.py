"""Pure geometry of pictures: scale, pad and undo, always with the camera that goes along.

The network sees (1, 3, H', W') float32 RGB in [0, 1], H' and W' multiples of its stride. `fit` makes that of a picture and
remembers how; `Fitted.restore` brings a map that the network made back to the picture's own size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray
from lapdepth.errors import InputError

ByteArray = npt.NDArray[np.uint8]

MIN_SIDE = 8
"""Pictures with a shorter side hold nothing to see depth in."""

MAX_ASPECT = 20
"""Of longer and thinner pictures the working size would leave a strip too narrow for the network."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A picture made ready for the network.

    Attributes:
        tensor: (1, 3, H', W') float32 RGB in [0, 1], padded at the right and bottom.
        size: (height, width) of the picture inside `tensor`, before padding.
        original_size: (height, width) of the picture as given.
        scale: What the focal length was multiplied by.
    """

    tensor: FloatArray
    size: tuple[int, int]
    original_size: tuple[int, int]
    scale: float

    def restore(self, values: FloatArray) -> FloatArray:
        """A map of the network's (H', W') to (H, W) of the picture as given, bilinear."""
        height, width = self.size
        values = values[:height, :width]
        if self.size == self.original_size:
            return np.ascontiguousarray(values)
        original_height, original_width = self.original_size
        return np.asarray(cv2.resize(values, (original_width, original_height), interpolation=cv2.INTER_LINEAR), np.float32)


def fit(image: ByteArray, stride: int, working_size: tuple[int, int] | None) -> Fitted:
    """Scale a picture to the working size, aspect kept, and pad it to the stride.

    The working size is a number of pixels rather than a box, so that one model takes wide and tall pictures alike at the
    same cost.

    Args:
        image: (H, W, 3) uint8 RGB.
        stride: The network's stride.
        working_size: (height, width) whose product is the number of pixels aimed at; `None` keeps the picture's own size.

    Raises:
        InputError: Not an (H, W, 3) uint8 array, or a side is too short.
    """
    check_rgb(image)
    height, width = image.shape[:2]
    new_height, new_width = (height, width) if working_size is None else _scaled_size(height, width, working_size, stride)
    if (new_height, new_width) != (height, width):
        shrinks = new_width < width
        image = np.asarray(
            cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR),
            np.uint8,
        )
    padded = pad_to_stride(image, stride)
    tensor = padded.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    scale = math.sqrt(new_width / width * new_height / height)
    return Fitted(np.ascontiguousarray(tensor), (new_height, new_width), (height, width), scale)


def pad_to_stride(image: ByteArray, stride: int) -> ByteArray:
    """Repeat the last column and row until both sides are multiples of `stride`."""
    height, width = image.shape[:2]
    bottom, right = -height % stride, -width % stride
    if not bottom and not right:
        return image
    return np.asarray(cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8)


def check_rgb(image: ByteArray) -> None:
    """Raise `InputError` unless `image` is (H, W, 3) uint8 with sides of at least `MIN_SIDE` pixels, neither far longer."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"picture is {got}; expected an (H, W, 3) uint8 RGB array (lapdepth.io.images.read_image makes one)")
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise InputError(f"picture is {height}x{width}; both sides must be at least {MIN_SIDE} pixels")
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise InputError(f"picture is {height}x{width}; no side may be over {MAX_ASPECT} times the other. Cut it into pieces")


def _scaled_size(height: int, width: int, working_size: tuple[int, int], stride: int) -> tuple[int, int]:
    """The size with the wanted number of pixels, or up to 5 % smaller a side where that wastes less on padding."""
    scale = math.sqrt(working_size[0] * working_size[1] / (height * width))
    scales = [scale] + [side * scale // stride * stride / side for side in (height, width)]
    sizes = [
        (max(MIN_SIDE, round(height * smaller)), max(MIN_SIDE, round(width * smaller)))
        for smaller in scales
        if smaller >= 0.95 * scale
    ]

    def share_used(size: tuple[int, int]) -> float:
        return math.prod(side / (math.ceil(side / stride) * stride) for side in size)

    return max(sizes, key=share_used)
