"""Pictures of an evaluation as small JPEG inside of HTML: picture, truth, prediction and error.

Legend: H, W height and width of the picture; h, w of what is drawn.
"""

from __future__ import annotations

import base64

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray
from lapdepth.data.preview import SPARSE, nearest_within
from lapdepth.evaluation.gallery import Seen
from lapdepth.evaluation.protocols import MIN_TRUTH_M, BoolArray
from lapdepth.imaging import ByteArray
from lapdepth.io.color import color_range, colorize

TILE_PIXELS = 75_000
"""About as many has a picture as drawn."""
FULL_COLOUR = 0.25
"""Relative error from which the error's colour is full."""
NEAR_RGB, RIGHT_RGB, FAR_RGB, UNKNOWN_RGB = (178, 24, 43), (247, 247, 247), (33, 102, 172), (70, 74, 80)
"""Predicted too near, right, too far, and not scored. ColorBrewer RdBu"""
QUALITY = 85


def colour_span(seen: Seen) -> tuple[float, float]:
    """Metres at the warm and at the cold end of a picture's colours, those of its truth."""
    return color_range(seen.truth_m, seen.truth_m > 0)


def shared_tiles(seen: Seen) -> tuple[str, str]:
    """Picture and truth, which all models share, as data URIs."""
    near_m, far_m = colour_span(seen)
    size, reach = _size(seen), _reach(seen)
    truth_m = _resized(nearest_within(seen.truth_m, reach) if reach else seen.truth_m, size)
    picture = np.asarray(cv2.resize(seen.image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return data_uri(picture), data_uri(colorize(truth_m, truth_m > 0, near_m, far_m))


def model_tiles(seen: Seen) -> tuple[str, str]:
    """Prediction, in the colours of the truth, and error of one model as data URIs."""
    near_m, far_m = colour_span(seen)
    size, reach = _size(seen), _reach(seen)
    predicted_m = _resized(seen.predicted_m, size)
    errors = error_colours(seen.predicted_m, seen.truth_m, seen.mask, reach)
    drawn = np.asarray(cv2.resize(errors, size, interpolation=cv2.INTER_AREA if not reach else cv2.INTER_NEAREST), np.uint8)
    return data_uri(colorize(predicted_m, predicted_m > 0, near_m, far_m)), data_uri(drawn)


def error_colours(predicted_m: FloatArray, truth_m: FloatArray, mask: BoolArray, reach: int = 0) -> ByteArray:
    """Red where predicted too near, blue where too far, white where right, dark where not scored.

    Args:
        predicted_m: (H, W) metres; 0 counts as the least depth.
        truth_m: (H, W) metres.
        mask: (H, W) bool, scored pixels.
        reach: For sparse truth, side of the square over which a pixel's mean error is spread.

    Returns:
        (H, W, 3) uint8 RGB. Colour goes with the logarithm of prediction / truth and is full from 25 % on.
    """
    ratio = np.zeros(mask.shape, np.float32)
    ratio[mask] = np.log(np.maximum(predicted_m[mask], MIN_TRUTH_M)) - np.log(truth_m[mask])
    ratio = np.clip(ratio / np.log1p(FULL_COLOUR), -1, 1).astype(np.float32)
    known = mask.astype(np.float32)
    if reach:
        box = (reach, reach)
        ratio, known = (
            np.asarray(cv2.boxFilter(part, -1, box, borderType=cv2.BORDER_CONSTANT), np.float32) for part in (ratio, known)
        )
        ratio = np.divide(ratio, known, out=np.zeros_like(ratio), where=known > 1e-6)
    amount = np.abs(ratio)[..., None]
    ends = np.where((ratio < 0)[..., None], np.array(NEAR_RGB, np.float32), np.array(FAR_RGB, np.float32))
    rgb = np.array(RIGHT_RGB, np.float32) * (1 - amount) + ends * amount
    rgb[known <= 1e-6] = UNKNOWN_RGB
    return np.asarray(np.rint(rgb), np.uint8)


def data_uri(rgb: ByteArray) -> str:
    """(h, w, 3) uint8 RGB as a JPEG that an HTML file holds itself."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def _size(seen: Seen) -> tuple[int, int]:
    """Width and height as drawn."""
    height, width = seen.truth_m.shape
    scale = min((TILE_PIXELS / (height * width)) ** 0.5, 1.0)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _reach(seen: Seen) -> int:
    """Side of the blot that a measured pixel becomes where few are measured; 0 where many are."""
    if (seen.truth_m > 0).mean() >= SPARSE:
        return 0
    width: int = seen.truth_m.shape[1]
    return 2 * max(round(width / _size(seen)[0]), 1) + 1


def _resized(depth_m: npt.NDArray[np.floating], size: tuple[int, int]) -> FloatArray:
    return np.asarray(cv2.resize(depth_m.astype(np.float32), size, interpolation=cv2.INTER_NEAREST), np.float32)
