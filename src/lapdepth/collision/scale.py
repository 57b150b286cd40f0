"""The camera's height over time: it does not change, so what changes in it is the depth's own error.

Against the known mounting height its mean gives the scale of the metres; its swing from frame to frame is noise that the obstacle
in front may share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lapdepth.collision.settings import GroundSettings

LONGEST_STEP_S = 1.0
"""After a longer pause the mean goes on as if it had been this long. [D]"""
RECENT = 20
"""Heights from which the swing is judged. [D]"""
APART_S = 0.075
"""Noise is judged from values at least so far apart: at more frames a second neighbours share much of their error. [D]"""


@dataclass(frozen=True, slots=True)
class HeightHistory:
    """What was seen of the camera's height.

    Attributes:
        log_reference: Slow mean of the log height.
        seen_s: Time over which it was seen.
        time_s: Of the last frame.
        log_heights: The last ones, `APART_S` apart.
        swing: How far the last frame's log height is from the reference.
        kept_s: Time of the last of `log_heights`.
    """

    log_reference: float = 0.0
    seen_s: float = 0.0
    time_s: float | None = None
    log_heights: tuple[float, ...] = ()
    swing: float = 0.0
    kept_s: float = -math.inf

    def add(self, time_s: float, height_m: float, settings: GroundSettings) -> HeightHistory:
        """One more frame. The mean forgets over `memory_s`, and takes all that there is before that time is full."""
        log_height = math.log(height_m)
        if self.time_s is None:
            return HeightHistory(log_height, 0.0, time_s, (log_height,), 0.0, time_s)
        step = min(max(time_s - self.time_s, 0.0), LONGEST_STEP_S)
        seen = self.seen_s + step
        gain = step / min(max(seen + step, 1e-9), settings.memory_s)
        reference = self.log_reference + gain * (log_height - self.log_reference)
        kept, kept_s = self.log_heights, self.kept_s
        if not 0 <= time_s - kept_s < APART_S:  # also where the clock was set back, as by a recording that begins anew
            kept, kept_s = (*kept, log_height)[-RECENT:], time_s
        return HeightHistory(reference, seen, time_s, kept, log_height - reference, kept_s)

    @property
    def height_m(self) -> float:
        """The reference as a height."""
        return math.exp(self.log_reference)

    @property
    def slow_noise(self) -> float:
        """Standard deviation of the last log heights."""
        return float(np.std(self.log_heights)) if self.log_heights else 0.0

    def factor(self, given_m: float | None, settings: GroundSettings) -> float:
        """What depth is to be multiplied by, bounded; 1 where the height is not given."""
        if given_m is None or not self.log_heights:
            return 1.0
        return min(max(given_m / self.height_m, settings.min_factor), settings.max_factor)


def frame_noise(values: tuple[float, ...]) -> float | None:
    """Standard deviation of what changes from frame to frame at random, from second differences, which steady motion leaves out.

    Returns:
        `None` for fewer than 6 values.
    """
    if len(values) < 6:
        return None
    return 1.4826 * float(np.median(np.abs(np.diff(values, 2)))) / math.sqrt(6)
