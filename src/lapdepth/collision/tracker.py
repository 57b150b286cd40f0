"""Following obstacles: a Kalman filter on range, the obstacle's own speed and its own acceleration.

The own speed goes in as known, so that braking oneself does not look like a lead that speeds up. Where it is unknown it counts as
0, and speed and acceleration are relative. The noise of a range is judged from the track's own history, and from the swing of the
camera's height where both show the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lapdepth.collision.looming import Growth
from lapdepth.collision.obstacle import Obstacle
from lapdepth.collision.scale import APART_S, HeightHistory, frame_noise
from lapdepth.collision.settings import LoomingSettings, TrackSettings

Doubles = npt.NDArray[np.float64]

STANDING_JERK, FREE_SPEED_MPS = 0.15, 6.0
"""What stands seldom starts off: share of the jerk at a standstill, and the speed from which on all of it counts. [D]"""

BRAKING_BOUND = 0.5
"""Standard deviations by which a lead's braking counts less, where it excuses that depth has not shrunk for long. [D]"""
NEAREST_M = 0.1
"""No depth is less. [D]"""
SIGHTS_S = 1.2
"""Sightings of this time are remembered. [D]"""
SHARED_WEIGHT = 3
"""Frames of 1 % noise that the first guess, half of the swing shared, weighs. [D]"""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One obstacle over time.

    Attributes:
        state: (3,) depth in metres, own speed in m/s, own acceleration in m/s2.
        covariance: (3, 3) of the state.
        noise: (3, 3), what of that comes from the noise of the sightings alone: how far the state wanders where nothing happens.
        born_s: Time of the first sighting.
        time_s: The state is of this time.
        ego_mps: Own speed at that time.
        seen_s: Time of the last sighting.
        hits: For the last frames, whether it was seen.
        history: (log depth, swing of the log camera height) of the last sightings, `APART_S` apart.
        kept_s: Time of the last of `history`.
        seen: The last sighting.
        sights: (time, log depth) of the sightings of the last moment.
        grown_s: Time of the last growth of its picture that was taken in.
        surprises: How far the last growths were from what was expected, one after the other.
        agreed: For the last growths, whether they were not far below what was expected.
        steady: How often it was seen of late, 0 to 1.
    """

    state: Doubles
    covariance: Doubles
    noise: Doubles
    born_s: float
    time_s: float
    ego_mps: float
    seen_s: float
    hits: tuple[bool, ...]
    history: tuple[tuple[float, float], ...]
    kept_s: float
    seen: Obstacle
    sights: tuple[tuple[float, float], ...] = ()
    grown_s: float = -math.inf
    surprises: tuple[float, ...] = ()
    agreed: tuple[bool, ...] = ()
    steady: float = 0.0

    def confirmed(self, settings: TrackSettings) -> bool:
        """Whether it was seen often enough; far away, every time."""
        needed = settings.confirm_of if self.state[0] > settings.far_m else settings.confirm_hits
        return sum(self.hits) >= needed

    def sure(self, settings: TrackSettings) -> bool:
        """Whether it was seen steadily enough for an alert: a heap of bad depth far away comes and goes."""
        return self.steady >= settings.steady_share * min(max(float(self.state[0]) / settings.steady_m, 0.5), 1.0)

    def grows(self, settings: TrackSettings, looming: LoomingSettings) -> bool:
        """Whether its picture grows as its range says, where enough is known of that: a heap of bad depth does now and then."""
        if len(self.agreed) < looming.least_history:
            return True
        times, log_depths = np.array(self.sights).T
        if len(times) > 2 and times[-1] - times[0] >= looming.backed_s:
            # A stretch of road always about as far ahead grows as what is there does, and comes no nearer.
            (slope, _), errors = np.polyfit(times - times[0], log_depths, 1, cov=True)
            nearer = -float(slope) - math.sqrt(float(errors[0, 0]))
            if nearer < looming.backed_share * self._nearing_rps(times):
                return False
        return float(np.mean(self.agreed)) >= looming.agreed_often * min(float(self.state[0]) / settings.steady_m, 1.0)

    def _nearing_rps(self, times_s: Doubles) -> float:
        """How fast the log depth should have shrunk over these times: of a lead that has just begun to brake, hardly yet."""
        depth, speed, acceleration = self.state.tolist()
        ago_s = times_s[-1] - times_s
        # Where it was; of a lead that surely brakes the own vehicle came nearer to it more slowly then.
        braking = min(acceleration + BRAKING_BOUND * math.sqrt(float(self.covariance[2, 2])), 0.0)
        then_m = depth + (self.ego_mps - speed + braking * ago_s / 2) * ago_s
        slope, _ = np.polyfit(times_s - times_s[0], np.log(np.maximum(then_m, NEAREST_M)), 1)
        return -float(slope)


def start(obstacle: Obstacle, time_s: float, ego_speed_mps: float, swing: float, settings: TrackSettings) -> Track:
    """A track of one sighting: a lead may do any speed from none to the own one."""
    speed = ego_speed_mps / 2
    spread = math.hypot(ego_speed_mps / 2, settings.lead_speed_mps)
    covariance = np.diag([(settings.prior * obstacle.depth_m) ** 2, spread**2, settings.lead_acceleration_mps2**2])
    depth = obstacle.depth_m * math.exp(-swing / 2)
    history = ((math.log(obstacle.depth_m), swing),)
    state = np.array([depth, speed, 0.0])
    noise = np.diag([covariance[0, 0], 0.0, 0.0])
    return Track(state, covariance, noise, time_s, time_s, ego_speed_mps, time_s, (True,), history, time_s, obstacle)


def predict(track: Track, time_s: float, ego_speed_mps: float, settings: TrackSettings) -> Track:
    """The track at a later time, at the own speed given."""
    step = time_s - track.time_s
    fade = math.exp(-step / settings.acceleration_s)
    move = np.array([[1, step, step**2 / 2], [0, 1, step], [0, 0, fade]])
    spread = np.array(
        [
            [step**5 / 20, step**4 / 8, step**3 / 6],
            [step**4 / 8, step**3 / 3, step**2 / 2],
            [step**3 / 6, step**2 / 2, step],
        ]
    )
    freedom = min(1.0, STANDING_JERK + abs(float(track.state[1])) / FREE_SPEED_MPS)
    # What is seen now and then may be one thing after another, such as parked cars: that teaches no acceleration.
    certain = min(1.0, (time_s - track.born_s) / settings.settle_s) * sum(track.hits) / len(track.hits)
    jerk = settings.jerk * freedom * certain
    state = move @ track.state - np.array([(track.ego_mps + ego_speed_mps) / 2 * step, 0, 0])
    covariance = move @ track.covariance @ move.T + jerk**2 * spread
    wander = move @ track.noise @ move.T
    return replace(track, state=state, covariance=covariance, noise=wander, time_s=time_s, ego_mps=ego_speed_mps)


def correct(track: Track, obstacle: Obstacle, heights: HeightHistory, settings: TrackSettings) -> Track | None:
    """The track with one more sighting at its own time.

    Returns:
        `None` where the sighting is too far from what was expected to be of the same thing.
    """
    history, kept_s = track.history, track.kept_s
    if track.time_s - kept_s >= APART_S:
        history, kept_s = (*history, (math.log(obstacle.depth_m), heights.swing))[-settings.history :], track.time_s
    shared = shared_swing(history)
    own = frame_noise(tuple(log_depth - shared * swing for log_depth, swing in history))
    if own is None:
        ground = frame_noise(heights.log_heights)
        own = settings.prior if ground is None else ground
    young = settings.prior * max(0.0, 1 - (track.time_s - track.born_s) / settings.young_s)
    floor = settings.floor_grown if track.time_s - track.grown_s < settings.lost_s else settings.floor
    sigma = math.sqrt(floor**2 + max(own, young) ** 2 + ((1 - shared) * heights.slow_noise) ** 2)
    depth = obstacle.depth_m * math.exp(-shared * heights.swing)
    off = depth - track.state[0]
    # Sightings that follow each other faster share their error: together they say no more than one.
    variance = (sigma * depth) ** 2 * max(1.0, settings.sighting_s / (track.time_s - track.seen_s))
    total = track.covariance[0, 0] + variance
    if abs(off) > settings.gate * math.sqrt(total) or abs(math.log(depth / max(track.state[0], NEAREST_M))) > settings.gate_log:
        return None
    gain = track.covariance[:, 0] / total
    keep = np.eye(3) - np.outer(gain, [1.0, 0.0, 0.0])
    covariance = keep @ track.covariance @ keep.T + variance * np.outer(gain, gain)  # Joseph's form stays symmetric
    return replace(
        track,
        state=track.state + gain * off,
        covariance=covariance,
        noise=keep @ track.noise @ keep.T + variance * np.outer(gain, gain),
        seen_s=track.time_s,
        history=history,
        kept_s=kept_s,
        seen=obstacle,
        sights=(*(one for one in track.sights if track.time_s - one[0] <= SIGHTS_S), (track.time_s, math.log(obstacle.depth_m))),
    )


def grow(track: Track, growth: Growth, settings: LoomingSettings) -> Track:
    """The track with what the growth of its picture says of closing speed over range; as it was where that fits nothing.

    The logarithm of Z' / Z, where Z' = Z + (own speed - speed + acceleration t / 2) t is the depth a time t ago.
    """
    depth, speed, acceleration = track.state
    over = growth.over_s
    then = depth + (track.ego_mps - speed + acceleration * over / 2) * over
    if depth <= 0 or then <= 0:
        return track
    slope = np.array([1 / then - 1 / depth, -over / then, over**2 / (2 * then)])
    # Growths whose times overlap share their error: together they say no more than one.
    shared = max(1.0, over / max(track.time_s - track.grown_s, 1e-3))
    expected = math.log(then / depth)
    off = growth.log_growth - expected
    surprises = (*track.surprises, off)[-settings.history :]
    enough = growth.log_growth > settings.agreed_share * expected
    track = replace(track, surprises=surprises, agreed=(*track.agreed, enough)[-settings.history :])
    # Corners that slide along lines agree with each other better than with the truth; their growth wavers.
    scatter = float(np.var(surprises)) if len(surprises) >= settings.least_history else settings.prior**2
    variance = shared * max(growth.sigma**2 + (settings.rate_sigma * growth.log_growth) ** 2, scatter)
    total = float(slope @ track.covariance @ slope) + variance
    if abs(off) > settings.gate * math.sqrt(total):
        return track
    gain = track.covariance @ slope / total
    keep = np.eye(3) - np.outer(gain, slope)
    own = variance * np.outer(gain, gain)
    return replace(
        track,
        state=track.state + gain * off,
        covariance=keep @ track.covariance @ keep.T + own,
        noise=keep @ track.noise @ keep.T + own,
        grown_s=track.time_s,
    )


def anchor(track: Track, depth_m: float, step_s: float, settings: TrackSettings) -> Track:
    """The track drawn to the depth that is seen, by one factor on depth and closing speed, which leaves their ratio as it is."""
    factor = (depth_m / float(track.state[0])) ** min(step_s / settings.anchor_s, 1.0)
    depth, speed, acceleration = track.state
    return replace(track, state=np.array([depth * factor, track.ego_mps - (track.ego_mps - speed) * factor, acceleration]))


def shared_swing(history: tuple[tuple[float, float], ...]) -> float:
    """Share of the camera height's swing, 0 to 1, that the obstacle's depth goes along with.

    Least squares of the one's second differences on the other's, with a first guess of one half.

    Args:
        history: (log depth, swing) of one sighting after the other.
    """
    weight = 6 * SHARED_WEIGHT * 0.01**2
    if len(history) < 3:
        return 0.5
    depth, swing = np.diff(np.array(history), 2, axis=0).T
    return float(np.clip((depth @ swing + 0.5 * weight) / (swing @ swing + weight), 0, 1))


def follow(
    tracks: list[Track],
    obstacles: list[Obstacle],
    time_s: float,
    ego_speed_mps: float,
    heights: HeightHistory,
    settings: TrackSettings,
    looming: LoomingSettings,
) -> list[Track]:
    """All tracks one frame on, nearest first; each takes the sighting nearest in log depth, older tracks before younger ones.

    A sighting that the gate keeps out starts a track; with its wide uncertainty it would otherwise take the sightings after it.
    """
    left = list(obstacles)
    followed: list[Track] = []
    for track in sorted(tracks, key=lambda track: track.born_s):
        expected = predict(track, time_s, ego_speed_mps, settings)
        best = min(left, key=lambda one: abs(math.log(one.depth_m / max(expected.state[0], NEAREST_M))), default=None)
        corrected = correct(expected, best, heights, settings) if best is not None else None
        if corrected is not None and best is not None:
            left.remove(best)
            if best.growth is not None:
                corrected = grow(corrected, best.growth, looming)
            if time_s - corrected.grown_s < settings.lost_s:
                corrected = anchor(corrected, best.depth_m, time_s - track.time_s, settings)
        current = corrected if corrected is not None else expected
        keep = math.exp(-(time_s - track.time_s) / settings.steady_s)
        steady = keep * track.steady + (1 - keep) * (corrected is not None)
        current = replace(current, hits=(*current.hits, corrected is not None)[-settings.confirm_of :], steady=steady)
        if time_s - current.seen_s <= settings.lost_s and current.state[0] > 0:
            followed.append(current)
    followed += [start(obstacle, time_s, ego_speed_mps, heights.swing, settings) for obstacle in left]
    return sorted(followed, key=lambda track: float(track.state[0]))
