"""Lens distortion after Brown and Conrady, with the coefficients and the order of OpenCV: k1, k2, p1, p2, k3. NumPy, no PyTorch.

Points are (x, y) at depth 1: ideal ones of a pinhole, and where a lens puts them. Legend: N points.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lapdepth.errors import InputError

Coordinates = npt.NDArray[np.float64]
Coefficients = tuple[float, float, float, float, float]

STEPS = 100
CLOSE = 1e-10
WIDEST = 3.0
"""An ideal picture may be so many times as wide or as high as the distorted one."""


def distorted(x: Coordinates, y: Coordinates, lens: Coefficients) -> tuple[Coordinates, Coordinates]:
    """Where a lens puts ideal points, of any shape.

    Source: the model of `cv2.projectPoints`.
    """
    k1, k2, p1, p2, k3 = lens
    squared = x * x + y * y
    radial = 1 + squared * (k1 + squared * (k2 + squared * k3))
    return (
        x * radial + 2 * p1 * x * y + p2 * (squared + 2 * x * x),
        y * radial + p1 * (squared + 2 * y * y) + 2 * p2 * x * y,
    )


def ideal(x: Coordinates, y: Coordinates, lens: Coefficients) -> tuple[Coordinates, Coordinates]:
    """The ideal points that a lens puts at (x, y), of any shape: the inverse of `distorted`, by fixed-point iteration.

    Raises:
        InputError: The lens folds its picture before it reaches one of them, or draws it out without end.
    """
    u, v, off = x, y, np.inf
    with np.errstate(all="ignore"):  # a lens that folds may take it anywhere
        for _ in range(STEPS):
            there_x, there_y = distorted(u, v, lens)
            off = max(float(np.abs(there_x - x).max()), float(np.abs(there_y - y).max()))
            if off < CLOSE:
                break
            stretch = (there_x * u + there_y * v) / np.maximum(u * u + v * v, 1e-12)
            stretch = np.where(stretch > 0.05, stretch, 1.0)
            u, v = u + (x - there_x) / stretch, v + (y - there_y) / stretch
        k1, k2, _, _, k3 = lens
        squared = u * u + v * v
        rises = 1 + squared * (3 * k1 + squared * (5 * k2 + squared * 7 * k3)) > 0
    if (
        not (off < CLOSE and rises.all())
        or np.abs(u).max() > WIDEST * np.abs(x).max()
        or np.abs(v).max() > WIDEST * np.abs(y).max()
    ):
        raise InputError(f"distortion {list(lens)} folds or tears the picture; give weaker coefficients or a longer focal length")
    return u, v
