"""Corners of one picture found again in another.

Legend: N corners.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.collision.frame import Frame
from lapdepth.imaging import ByteArray

Places = npt.NDArray[np.float32]


def grey_of(frame: Frame) -> ByteArray | None:
    """(h, w) the picture of a frame in grey, its own: it is kept, and callers fill the same array again for the next frame.

    `None` where there is no picture, or one smaller than its depth map.
    """
    image, (height, width) = frame.image, frame.depth_m.shape
    if image is None or image.shape[0] < height or image.shape[1] < width:
        return None
    return image.copy() if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def follow_corners(
    first: ByteArray,
    second: ByteArray,
    count: int,
    apart_px: float,
    window_px: int,
    return_px: float,
    mask: ByteArray | None = None,
) -> tuple[Places, Places]:
    """Places of the same corners in both pictures, by pyramids of Lucas and Kanade; those that lead back alone.

    Args:
        first: (h, w) grey.
        second: (h, w) grey.
        count: So many corners of the first are looked for, at most.
        apart_px: Least distance between them.
        window_px: Side of the window around a corner.
        return_px: Followed there and back, a corner ends as near as this to where it began.
        mask: (h, w) not 0 where corners of the first may be.

    Returns:
        (N, 2) x and y in pixels in the first, and in the second.
    """
    found = cv2.goodFeaturesToTrack(first, count, 0.01, apart_px, mask=mask)
    if found is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    window = (window_px, window_px)
    there, seen, _ = cv2.calcOpticalFlowPyrLK(first, second, found, np.empty_like(found), winSize=window, maxLevel=3)
    back, again, _ = cv2.calcOpticalFlowPyrLK(second, first, there, np.empty_like(found), winSize=window, maxLevel=3)
    same = (seen[:, 0] > 0) & (again[:, 0] > 0) & (np.abs(back - found).max(axis=(1, 2)) < return_px)
    return np.asarray(found[same, 0], np.float32), np.asarray(there[same, 0], np.float32)
