"""From a track to a level: can it still be avoided, and for how long? With hysteresis.

Legend: N points drawn around the track's state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapdepth.collision.frame import Level
from lapdepth.collision.settings import GRAVITY_MPS2, DecisionSettings

Doubles = npt.NDArray[np.float64]

LONGEST_S = 20.0
"""A longer time to collision counts as none. [D]"""
HARDEST_MPS2 = 20.0
"""A deceleration that no car reaches stands for all harder ones. [D]"""
RAISED = (Level.CAUTION, Level.WARNING, Level.CRITICAL)


def time_to_collision_s(gap_m: Doubles, closing_mps: Doubles, lead_mps: Doubles | None, lead_mps2: Doubles) -> Doubles:
    """Time until the gap is gone at the own present speed, at most `LONGEST_S`; all (N,).

    Args:
        gap_m: Distance.
        closing_mps: How fast it shrinks.
        lead_mps: The obstacle's own speed: braking, it stops there. `None` where only the relative motion is known.
        lead_mps2: Its acceleration, kept up until it stands; only braking counts.
    """
    braking = np.maximum(-lead_mps2, 0)
    gap = np.maximum(gap_m, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        root = closing_mps + np.sqrt(closing_mps**2 + 2 * braking * gap)
        moving = np.where(root > 0, 2 * gap / root, LONGEST_S)
        if lead_mps is None:
            return np.minimum(moving, LONGEST_S)
        lead = np.maximum(lead_mps, 0)
        stopped = lead < braking * moving
        standing = (gap + lead**2 / (2 * braking)) / (closing_mps + lead_mps)
    return np.minimum(np.where(stopped & (closing_mps + lead_mps > 0), standing, moving), LONGEST_S)


def required_mps2(gap_m: Doubles, ego_mps: float, lead_mps: Doubles, lead_mps2: Doubles, reaction_s: float) -> Doubles:
    """Steady deceleration, begun after the reaction time, that just avoids a collision, at most `HARDEST_MPS2`; all (N,).

    The lead keeps its braking until it stands; a lead that speeds up is taken to keep its speed.
    """
    braking = np.where(lead_mps > 0, np.maximum(-lead_mps2, 0), 0)  # what stands or comes towards does not brake
    with np.errstate(divide="ignore", invalid="ignore"):
        moving_s = np.where(braking > 0, np.minimum(lead_mps / braking, reaction_s), reaction_s)
        halted = (braking > 0) & (lead_mps <= braking * reaction_s)  # within the reaction time
        lead = np.where(halted, 0.0, lead_mps - braking * moving_s)
        gap = gap_m - ego_mps * reaction_s + (lead_mps + lead) / 2 * moving_s
        closing = np.maximum(ego_mps - lead, 0)
        while_moving = braking + closing**2 / (2 * gap)
        room = gap + np.where(lead > 0, lead**2 / (2 * braking), 0)
        to_standing = ego_mps**2 / (2 * room)
        stops_first = halted | ((lead > 0) & (braking > 0) & (while_moving * lead < braking * ego_mps))
    needed = np.where(stops_first, to_standing, np.where(closing > 0, while_moving, 0))
    return np.asarray(np.where(gap > 0, np.clip(needed, 0, HARDEST_MPS2), HARDEST_MPS2))


@dataclass(frozen=True, slots=True)
class Threat:
    """What one obstacle means for the own vehicle. Bounds are one standard deviation, times as in `FrameResult`."""

    gap_m: float
    closing_mps: float
    ttc_s: float
    ttc_low_s: float
    ttc_high_s: float
    ttc_braking_s: float
    ttc_braking_std_s: float
    required_mps2: float | None
    required_std_mps2: float


def assess(
    state: Doubles,
    covariance: Doubles,
    ego_mps: float | None,
    front_m: float,
    settings: DecisionSettings,
    wander_mps2: float = 0.0,
) -> Threat:
    """The threat of a track, with the spread that the uncertainty of range and speed gives it, from points around the state.

    Of the acceleration's uncertainty only what noise makes of it counts: the rest is what the obstacle may yet do, not what it
    was seen to do.

    Args:
        state: (3,) depth, own speed, own acceleration of the obstacle; relative ones where `ego_mps` is `None`.
        covariance: (3, 3) of the state.
        ego_mps: Own speed.
        front_m: From the camera to the front of the vehicle.
        settings: Reaction time.
        wander_mps2: How far noise alone moves the acceleration, one standard deviation.
    """
    root = np.zeros((2, 3))
    root[:, :2] = np.linalg.cholesky(covariance[:2, :2] + 1e-9 * np.eye(2)).T * math.sqrt(2)
    points = np.vstack([state, state + root, state - root])
    gap, lead = points[:, 0] - front_m, points[:, 1]
    acceleration = points[:, 2]
    acceleration = np.minimum(acceleration + settings.wander_sigmas * wander_mps2, np.maximum(acceleration, 0))  # of braking
    closing = (ego_mps or 0.0) - lead
    plain = time_to_collision_s(gap, closing, None, np.zeros_like(gap))
    braking = time_to_collision_s(gap, closing, None if ego_mps is None else lead, acceleration)
    rates = closing / np.maximum(gap, 0.1)  # unlike the time, the rate has a spread that is finite
    rate_std = _spread(rates)
    needed = None if ego_mps is None else required_mps2(gap, ego_mps, lead, acceleration, settings.reaction_s)
    return Threat(
        gap_m=float(gap[0]),
        closing_mps=float(closing[0]),
        ttc_s=float(plain[0]),
        ttc_low_s=_inverse(float(rates[0]) + rate_std),
        ttc_high_s=_inverse(float(rates[0]) - rate_std),
        ttc_braking_s=float(braking[0]),
        ttc_braking_std_s=_spread(braking),
        required_mps2=None if needed is None else float(needed[0]),
        required_std_mps2=0.0 if needed is None else _spread(needed),
    )


def _spread(values: Doubles) -> float:
    return float(math.sqrt(np.mean((values[1:] - values[0]) ** 2)))


def _inverse(rate: float) -> float:
    return min(1 / rate, LONGEST_S) if rate > 0 else LONGEST_S


def floor_s(ego_mps: float | None, settings: DecisionSettings) -> float:
    """Time to collision that raises a warning, by own speed."""
    if ego_mps is None:
        return settings.floor_unscaled_s
    share = (ego_mps - settings.slow_mps) / (settings.fast_mps - settings.slow_mps)
    return settings.floor_slow_s + min(max(share, 0.0), 1.0) * (settings.floor_fast_s - settings.floor_slow_s)


def judge(threat: Threat, ego_mps: float | None, scale_known: bool, settings: DecisionSettings) -> tuple[Level, str]:
    """Level of one frame alone, and the reason.

    Args:
        threat: Of the nearest obstacle.
        ego_mps: Own speed.
        scale_known: Whether metres are to be trusted, so that silence at low closing speed and required decelerations apply.
        settings: Thresholds.
    """
    ttc = threat.ttc_braking_s + settings.sigmas * threat.ttc_braking_std_s
    if ego_mps is not None and ego_mps < settings.silent_below_mps:
        return Level.CLEAR, "own speed too low to warn"
    if scale_known and threat.closing_mps < settings.silent_closing_mps:
        return Level.CLEAR, "obstacle in the path does not come nearer"
    floor = floor_s(ego_mps if scale_known else None, settings)
    needed = 0.0
    if scale_known and threat.required_mps2 is not None:
        needed = threat.required_mps2 - settings.sigmas * threat.required_std_mps2
    by_time = f"time to collision {threat.ttc_braking_s:.1f} s"
    by_brakes = f"needs {needed / GRAVITY_MPS2:.2f} g after {settings.reaction_s:.1f} s"
    if ttc < settings.earliest_s:
        if ttc < settings.critical_s or (needed > settings.critical_mps2 and ttc < floor):
            return Level.CRITICAL, f"{by_time}, {by_brakes}" if needed else by_time
        if needed > settings.alert_mps2:
            return Level.WARNING, f"{by_brakes}, {by_time}"
        if ttc < floor:
            return Level.WARNING, f"{by_time}, below {floor:.1f} s"
    if needed > settings.caution_mps2:
        return Level.CAUTION, by_brakes
    if ttc < floor + settings.caution_more_s:
        return Level.CAUTION, by_time
    return Level.CLEAR, "obstacle in the path can be avoided with ease"


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """Raises a level after some frames in a row, lowers it after some time without.

    Attributes:
        counts: Frames in a row that asked for each of `RAISED` or more.
        since_s: Time of the first of these.
        last_s: When each was last asked for.
        active: Which are on.
    """

    counts: tuple[int, ...] = (0, 0, 0)
    since_s: tuple[float, ...] = (math.inf,) * 3
    last_s: tuple[float, ...] = (-math.inf,) * 3
    active: tuple[bool, ...] = (False, False, False)

    def add(self, asked: Level, time_s: float, settings: DecisionSettings, may_raise: bool = True) -> Hysteresis:
        """One more frame; with `may_raise` false nothing is turned on that is not on already."""
        rank = RAISED.index(asked) + 1 if asked in RAISED else 0
        wants = tuple(rank > i for i in range(3))
        counts = tuple(count + 1 if want else 0 for count, want in zip(self.counts, wants, strict=True))
        since = tuple(min(begun, time_s) if want else math.inf for begun, want in zip(self.since_s, wants, strict=True))
        last = tuple(time_s if want else before for before, want in zip(self.last_s, wants, strict=True))
        active = tuple(
            (on and time_s - when <= settings.off_s)
            or (may_raise and count >= settings.on_frames and time_s - begun >= settings.on_s - 1e-6)
            for on, when, count, begun in zip(self.active, last, counts, since, strict=True)
        )
        return Hysteresis(counts, since, last, active)

    @property
    def level(self) -> Level:
        """The highest level that is on."""
        return next((level for level, on in zip(reversed(RAISED), reversed(self.active), strict=True) if on), Level.CLEAR)
