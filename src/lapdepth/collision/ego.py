"""Own speed over time, from a number or a file."""

from __future__ import annotations

import bisect
import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lapdepth.errors import InputError
from lapdepth.io.files import read_bytes

LONGEST_AGE_S = 1.0
"""An own speed whose nearest measurement is older, or farther in the future, is unknown. [D]"""
FASTEST_MPS = 150.0


@dataclass(frozen=True, slots=True)
class EgoSpeed:
    """Own speed at any time.

    Attributes:
        times_s: When it was measured, rising; empty where it is one number for all times.
        speeds_mps: What was measured; empty where it is unknown.
    """

    times_s: tuple[float, ...] = ()
    speeds_mps: tuple[float, ...] = ()

    def at(self, time_s: float) -> float | None:
        """Metres a second, between two measurements in a straight line; `None` where unknown, as in a hole of a recording."""
        if not self.times_s:
            return self.speeds_mps[0] if self.speeds_mps else None
        after = bisect.bisect(self.times_s, time_s)
        around = slice(max(after - 1, 0), after + 1)
        if min(abs(measured_s - time_s) for measured_s in self.times_s[around]) > LONGEST_AGE_S:
            return None
        return float(np.interp(time_s, self.times_s[around], self.speeds_mps[around]))


def read_ego_speed(path: Path) -> EgoSpeed:
    """Own speed of a CSV file with the columns `time_s` (from the first frame) and `speed_mps`, as spreadsheets save it too.

    Raises:
        ReadError: The file cannot be read.
        InputError: A column is missing, a value is no speed, or the times do not rise.
    """
    text = read_bytes(path, "a CSV with the columns time_s and speed_mps").decode("utf-8-sig", errors="replace")
    lines = csv.DictReader(io.StringIO(text))
    lines.fieldnames = names = [name.strip() for name in lines.fieldnames or ()]
    if not {"time_s", "speed_mps"} <= set(names):
        raise InputError(f"{path} has the columns {', '.join(names)[:80]}; expected time_s and speed_mps")
    times: list[float] = []
    speeds: list[float] = []
    for number, line in enumerate(lines, 2):
        try:
            time_s, speed = float(line["time_s"]), float(line["speed_mps"])
        except (TypeError, ValueError):
            raise InputError(f"{path} line {number} is no pair of numbers; expected seconds and metres a second") from None
        if not (math.isfinite(time_s) and 0 <= speed <= FASTEST_MPS):
            raise InputError(f"{path} line {number} has {time_s} s, {speed} m/s; expected 0 to {FASTEST_MPS:g} m/s")
        if times and time_s <= times[-1]:
            raise InputError(f"{path} line {number}: time {time_s} s does not come after {times[-1]} s")
        times.append(time_s)
        speeds.append(speed)
    if not times:
        raise InputError(f"{path} has no lines; expected seconds and metres a second")
    return EgoSpeed(tuple(times), tuple(speeds))
