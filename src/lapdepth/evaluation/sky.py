"""How near is the sky painted? LiDAR never measures it, so that the depth metrics cannot tell.

Where the data set says what is sky, that is taken. Where it does not, sky is found by its looks, on roads alone: bright, smooth,
not warm in colour, reaching the picture's top edge, nothing measured near or above it (`lapdepth.data.sky.bright_sky`). That is
an estimate: dark clouds and sky between leaves are missed, a pale wall above the highest measurement may be taken for sky.

Legend: H, W height and width of the part of a picture that the model was shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray
from lapdepth.data.sample import Sample
from lapdepth.data.sky import bright_sky
from lapdepth.evaluation.protocols import BoolArray, Protocol

NEAR_M = 80.0
"""What sky must not be nearer than: the farthest that driving sets measure. One for all caps, so that they can be compared."""

RIM = 1 / 200
"""Of a picture's width, how far sky is from what is no sky for it not to be the rim: three pixels in one of 640."""


@dataclass(frozen=True, slots=True)
class Sky:
    """Pixels of sky of all pictures, each counting the same.

    Attributes:
        pictures: How many show sky.
        by_looks: In how many of them it was found by its looks, an estimate.
        pixels: How many.
        near: Share of them that is valid and predicted nearer than `NEAR_M`.
        before_median: Share that is valid and predicted nearer than the median measured depth of its picture: sky that stands
            before half of what was measured, which on roads is mostly the road.
        inner_pixels: How many of them are farther than `RIM` from what is no sky.
        inner_near: Share of those that is valid and predicted nearer than `NEAR_M`: what is left of `near` without the rim, where
            an edge of depth is smeared; `None` where there are none.
    """

    pictures: int
    by_looks: int
    pixels: int
    near: float
    before_median: float
    inner_pixels: int
    inner_near: float | None

    @property
    def source(self) -> str:
        """In words, where the sky is known from."""
        if not self.by_looks:
            return "sky as the data tell it"
        part = f" in {self.by_looks} of {self.pictures} pictures" if self.by_looks < self.pictures else ""
        return f"sky by its looks{part}, an estimate"


class SkyCounter:
    """Adds up pictures."""

    def __init__(self) -> None:
        self._sums: npt.NDArray[np.int64] = np.zeros(7, np.int64)

    def add(self, predicted_m: FloatArray, truth_m: FloatArray, sky: BoolArray, by_looks: bool) -> None:
        """Count one picture.

        Args:
            predicted_m: (H, W) metres, infinite where nothing valid was predicted.
            truth_m: (H, W) metres, 0 where nothing was measured.
            sky: (H, W), where there is sky.
            by_looks: Whether it was found by its looks.
        """
        if not sky.any():
            return
        measured_m = truth_m[truth_m > 0]
        median_m = np.median(measured_m) if measured_m.size else 0
        found_m = predicted_m[sky]
        inner_m = predicted_m[_without_rim(sky)]
        near = [(found_m < NEAR_M).sum(), (found_m < median_m).sum(), inner_m.size, (inner_m < NEAR_M).sum()]
        self._sums += np.array([1, by_looks, found_m.size, *near], np.int64)

    def merge(self, other: SkyCounter) -> None:
        """Add what another counted."""
        self._sums += other._sums

    def result(self) -> Sky | None:
        """What was counted; `None` where no sky was."""
        pictures, by_looks, pixels, near, before, inner, inner_near = self._sums.tolist()
        if not pixels:
            return None
        return Sky(pictures, by_looks, pixels, near / pixels, before / pixels, inner, inner_near / inner if inner else None)


def _without_rim(sky: BoolArray) -> BoolArray:
    """(H, W): sky that is farther than `RIM` from what is no sky. The picture's border is no edge."""
    if sky.all():
        return sky
    inside_px = cv2.distanceTransform(sky.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(inside_px > RIM * sky.shape[1], np.bool_)


def sky_of(sample: Sample, protocol: Protocol) -> BoolArray | None:
    """Where the whole picture shows sky, by the data or, on roads, by its looks; `None` where neither can tell.

    A room's white wall looks like sky: off the road nothing is guessed.
    """
    if sample.sky is not None:
        return sample.sky
    return bright_sky(sample.image, sample.depth_m) if protocol.on_roads else None
