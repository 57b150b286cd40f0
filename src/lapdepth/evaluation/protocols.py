"""Named protocols: what part of a picture the model sees, and which pixels count. Numbers of two protocols never mix.

Windows are (top, left, height, width) in pixels. Sources: the crop of Garg et al. 2016, the Eigen crop of Eigen et al. 2014, the
"KB crop" of the KITTI depth benchmark, as LapDepth (2021) and BTS (2019) apply them.

Legend: H, W height and width of the whole picture; h, w of the part that is predicted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray
from lapdepth.errors import ConfigError, InputError

Window = tuple[int, int, int, int]
BoolArray = npt.NDArray[np.bool_]

MIN_TRUTH_M = 1e-3
GARG = (0.40810811, 0.99189189, 0.03594771, 0.96405229)
"""Shares of the height (top, bottom) and width (left, right) that Garg et al. score."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a data set is scored.

    Attributes:
        name: As the command line takes it.
        cap_m: Depths beyond are not scored, and predictions are clamped to it, unless another cap is given.
        seen: (H, W) to the window that the model is shown.
        scored: (H, W) to the window whose pixels count, in the whole picture.
        words: The two in words.
        on_roads: Whether all pictures are taken on roads by day, where sky can be found by its looks.
    """

    name: str
    cap_m: float
    seen: Callable[[int, int], Window]
    scored: Callable[[int, int], Window]
    words: str = ""
    on_roads: bool = False

    def mask(self, truth_m: FloatArray, cap_m: float) -> BoolArray:
        """(H, W) bool, measured pixels that count: inside the scored window, between 1 mm and the cap."""
        top, left, height, width = self.scored(*truth_m.shape)
        inside = np.zeros(truth_m.shape, bool)
        inside[top : top + height, left : left + width] = True
        return np.asarray(inside & (truth_m > MIN_TRUTH_M) & (truth_m < cap_m), np.bool_)

    def paste(self, predicted_m: FloatArray, size: tuple[int, int]) -> FloatArray:
        """A prediction (h, w) for the seen window, at its place in the whole picture (H, W); 0 elsewhere."""
        top, left, height, width = self.seen(*size)
        whole = np.zeros(size, np.float32)
        whole[top : top + height, left : left + width] = predicted_m
        return whole


def _whole(height: int, width: int) -> Window:
    return 0, 0, height, width


def _kb_crop(height: int, width: int) -> Window:
    if height < 352 or width < 1216:
        raise InputError(f"picture is {height}x{width}; the KITTI protocols take 352x1216 at the bottom middle. Use 'plain'")
    return height - 352, (width - 1216) // 2, 352, 1216


def _garg(height: int, width: int) -> Window:
    top, bottom, left, right = int(GARG[0] * height), int(GARG[1] * height), int(GARG[2] * width), int(GARG[3] * width)
    return top, left, bottom - top, right - left


def _garg_in_kb_crop(height: int, width: int) -> Window:
    top, left, crop_height, crop_width = _kb_crop(height, width)
    inner_top, inner_left, inner_height, inner_width = _garg(crop_height, crop_width)
    return top + inner_top, left + inner_left, inner_height, inner_width


def _nyu(window: Window) -> Callable[[int, int], Window]:
    def fixed(height: int, width: int) -> Window:
        if (height, width) != (480, 640):
            raise InputError(f"picture is {height}x{width}; the NYU protocol takes 480x640. Use 'plain'")
        return window

    return fixed


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            *("nyu-eigen", 10.0, _nyu((42, 40, 432, 576)), _nyu((45, 41, 426, 560))),
            words="the network sees the 576x432 crop; scored in the Eigen crop of the full frame",
        ),
        Protocol(
            *("kitti-garg", 80.0, _kb_crop, _garg),
            words="the network sees the 1216x352 crop; pasted back and scored in the crop of Garg et al. of the full frame",
            on_roads=True,
        ),
        Protocol(
            *("kitti-lapdepth", 80.0, _kb_crop, _garg_in_kb_crop),
            words="the network sees the 1216x352 crop; scored in the crop of Garg et al. of that crop, as LapDepth's release did",
            on_roads=True,
        ),
        Protocol(*("plain", float("inf"), _whole, _whole), words="the network sees the whole picture, all of which is scored"),
    )
}


def find_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        ConfigError: There is none; the message lists them.
    """
    if name not in PROTOCOLS:
        raise ConfigError(f"protocol '{name}' is unknown; choose of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
