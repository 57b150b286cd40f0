"""Is one picture another one, saved anew? A perceptual hash that outlives JPEG, resizing and a change of brightness.

The hash is the sign of the lowest frequencies (discrete cosine transform) of the grey picture at 64x64, against their median.
Two pictures that have nothing in common differ in half of the bits.

Legend: N, M pictures; K = `BITS`.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.imaging import ByteArray

SIDE = 16
BITS = SIDE * SIDE - 1
"""All low frequencies but the mean."""
ALIKE_BITS = 45
"""Pictures that differ in at most so many bits count as one.

On 690 pictures of roads and rooms (2026-11-23): copies saved as JPEG of quality 50, halved, squeezed or darkened differ in at
most 32, with 2 % cut off each side in 26 to 64, neighbours at 10 Hz in 8 to 16, pictures of different places in 84 or more.
"""

Hashes = npt.NDArray[np.bool_]

_CHUNK = 1024


def picture_hash(image: ByteArray) -> Hashes:
    """Hash (K,) bool of a picture (H, W, 3) uint8 RGB.

    A picture without any structure gives all zeros: `find_alike` leaves it out.
    """
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(grey)[:SIDE, :SIDE].ravel()[1:]
    if np.abs(low).max() < 1:
        return np.zeros(BITS, np.bool_)
    return np.asarray(low > np.median(low), np.bool_)


def find_alike(hashes: Hashes, others: Hashes, limit: int = ALIKE_BITS) -> Iterator[tuple[int, int, int]]:
    """For each hash, the most alike of the others, if within the limit.

    Args:
        hashes: (N, K) bool.
        others: (M, K) bool.
        limit: Most bits that may differ.

    Yields:
        Index, index of the other, number of bits that differ; in the order of `hashes`.
    """
    kept = np.flatnonzero(others.any(axis=1))
    if not len(kept):
        return
    # As +1 and -1, the product of two hashes is K minus twice the number of bits that differ.
    signs = np.where(others[kept], np.float32(1), np.float32(-1)).T
    for start in range(0, len(hashes), _CHUNK):
        chunk = hashes[start : start + _CHUNK]
        different = (hashes.shape[1] - np.where(chunk, np.float32(1), np.float32(-1)) @ signs) / 2
        nearest = different.argmin(axis=1)
        for i in np.flatnonzero((different.min(axis=1) <= limit) & chunk.any(axis=1)):
            yield start + int(i), int(kept[nearest[i]]), round(float(different[i, nearest[i]]))
