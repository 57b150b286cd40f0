"""The warning, frame by frame: depth in, level and reason out. It touches no file and no network.

health      is the input fit to be judged?
ground      plane and camera height      -> scale of the metres
turning     own yaw rate, where none is given
corridor    own path                     -> where to look
obstacle    nearest upright things in it
tracker     range, speed, acceleration
decision    can it still be avoided?     -> level, with hysteresis
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lapdepth.collision.corners import grey_of
from lapdepth.collision.corridor import curvature_1pm, horizon_m
from lapdepth.collision.decision import LONGEST_S, Hysteresis, Threat, assess, judge
from lapdepth.collision.ego import FASTEST_MPS
from lapdepth.collision.frame import Frame, FrameResult, Level
from lapdepth.collision.ground import Ground, fit_ground
from lapdepth.collision.health import Watch, check_depth, check_picture, usable, watch_on
from lapdepth.collision.looming import LoomingEye
from lapdepth.collision.obstacle import Obstacle, find_obstacles
from lapdepth.collision.scale import HeightHistory
from lapdepth.collision.settings import WarnerSettings
from lapdepth.collision.tracker import Track, follow
from lapdepth.collision.turning import TurningEye, stands
from lapdepth.imaging import ByteArray


class CollisionWarner:
    """Forward collision warning from depth. Evidence from simulation and recordings; not a certified safety system.

    Example:
        >>> from lapdepth.camera import Intrinsics
        >>> camera = Intrinsics.from_focal(64, 32, 40)
        >>> warner = CollisionWarner()
        >>> frame = Frame(np.full((32, 64), np.nan, np.float32), time_s=0.0, intrinsics=camera, ego_speed_mps=10)
        >>> warner(frame).level.value
        'degraded'
    """

    def __init__(self, settings: WarnerSettings | None = None) -> None:
        """Begin with nothing seen."""
        self.settings = settings or WarnerSettings()
        self.reset()

    def reset(self) -> None:
        """Forget everything, as for another drive."""
        self._watch = Watch()
        self._heights = HeightHistory()
        self._speed = (-math.inf, 0.0)
        self._forget()

    def _forget(self) -> None:
        """Forget what hangs on an unbroken row of frames."""
        self._ground: Ground | None = None
        self._ground_s = -math.inf
        self._tracks: list[Track] = []
        self._relative = False
        self._standing = (-math.inf, 0.0)
        self._curvature = 0.0
        self._looming = LoomingEye(self.settings.looming)
        self._turning = TurningEye(self.settings.turning)
        self._hysteresis = Hysteresis()
        self._healthy_since_s: float | None = None
        self._was_degraded = False
        self._raw_reason = "nothing in the path"
        self._alert_reason = self._caution_reason = ""

    def __call__(self, frame: Frame) -> FrameResult:
        """Judge one frame; frames come in the order of their time.

        Args:
            frame: Depth, time, camera, and what is known of the own motion.

        Returns:
            The level with its reason and numbers.
        """
        frame = self._plausible(frame)
        self._watch, fault, repeated = watch_on(self._watch, frame, self.settings.health)
        good = usable(frame, self.settings.path.min_confidence)
        fault = fault or check_depth(frame.depth_m, good, self.settings.health)
        if fault is None and frame.image is not None:
            fault = check_picture(frame.image, self.settings.health)
        if fault is None and not repeated:
            fault = self._update_ground(frame, good)
        if fault is not None:
            self._forget()
            self._was_degraded = True
            return FrameResult(frame.time_s, Level.DEGRADED, fault, scale_free=_scale_free(frame), health=(fault,))
        if self._healthy_since_s is None:
            self._healthy_since_s = frame.time_s
        if not repeated and self._ground is not None:
            self._update_tracks(frame, good, self._ground)
        return self._result(frame, *self._decide(frame, repeated))

    def _plausible(self, frame: Frame) -> Frame:
        """A speed or yaw rate that no vehicle has is unknown; a speed that is missing for a moment is the last one."""
        speed, yaw = frame.ego_speed_mps, frame.yaw_rate_rps
        if speed is not None and not 0 <= speed <= FASTEST_MPS:  # a NaN too
            speed = None
        if speed is not None:
            self._speed = (frame.time_s, speed)
        elif 0 <= frame.time_s - self._speed[0] <= self.settings.health.speed_s:
            speed = self._speed[1]
        return replace(frame, ego_speed_mps=speed, yaw_rate_rps=yaw if yaw is not None and math.isfinite(yaw) else None)

    def _update_ground(self, frame: Frame, good: npt.NDArray[np.bool_]) -> str | None:
        """The plane of this frame; a lost one is kept for a moment. Returns the fault, if any."""
        settings = self.settings.ground
        ground = fit_ground(frame.depth_m, good, frame.intrinsics, settings, self._ground)
        if ground is not None:
            self._ground, self._ground_s = ground, frame.time_s
            self._heights = self._heights.add(frame.time_s, ground.camera_height_m, settings)
            return None
        return "no plausible ground" if frame.time_s - self._ground_s > settings.hold_s else None

    def _update_tracks(self, frame: Frame, good: npt.NDArray[np.bool_], ground: Ground) -> None:
        """Obstacles of this frame into tracks."""
        settings, ego = self.settings, frame.ego_speed_mps
        factor = self._heights.factor(settings.camera_height_m, settings.ground)
        grey, yaw_rate = grey_of(frame), frame.yaw_rate_rps
        if grey is not None:
            self._looming.look(frame.time_s, grey)
            if yaw_rate is None:
                yaw_rate = self._turning.look(frame, grey, good)
        self._curvature = curvature_1pm(yaw_rate, self._apparent_speed(frame, yaw_rate), settings.path)
        obstacles = find_obstacles(
            frame.depth_m if factor == 1 else frame.depth_m * np.float32(factor),
            good,
            frame.intrinsics,
            replace(ground, a=ground.a / factor, b=ground.b / factor, c=ground.c / factor),
            settings.path,
            curvature=self._curvature,
            horizon=horizon_m(ego, self._curvature, settings.path) + settings.camera_to_front_m,
            camera_height_m=self._heights.height_m * factor,
            boxes=frame.boxes,
        )
        if grey is not None:
            obstacles = [self._grown(one, grey, frame) for one in obstacles]
        speed = _scaled_speed(frame)
        self._relate(speed)
        ego_mps = speed or 0.0  # 0 makes all speeds relative
        self._tracks = follow(self._tracks, obstacles, frame.time_s, ego_mps, self._heights, settings.track, settings.looming)

    def _relate(self, speed_mps: float | None) -> None:
        """Where the own speed becomes known or unknown, the tracks' speeds become those over ground or relative ones."""
        if (speed_mps is None) == self._relative:
            return
        self._relative = speed_mps is None
        shifts = [-track.ego_mps if speed_mps is None else speed_mps for track in self._tracks]
        self._tracks = [
            replace(track, state=track.state + np.array([0.0, shift, 0.0]), ego_mps=track.ego_mps + shift)
            for track, shift in zip(self._tracks, shifts, strict=True)
        ]

    def _apparent_speed(self, frame: Frame, yaw_rate_rps: float | None) -> float | None:
        """Own speed in the metres of the depth where the path leads.

        A network that puts far things at half their distance makes a bend look half as bent. What stands ahead comes nearer at
        half the own speed then, which puts that right; and without own speed there is nothing else to go by.
        """
        settings, ego = self.settings, frame.ego_speed_mps
        nearest = next((track for track in self._tracks if track.confirmed(settings.track)), None)
        if yaw_rate_rps is not None and nearest is not None and nearest.seen.growth is not None:
            right = ((nearest.seen.box[0] + nearest.seen.box[2]) / 2 - frame.intrinsics.cx_px) / frame.intrinsics.fx_px
            if stands(nearest.seen.growth, right, yaw_rate_rps, settings.turning):
                self._standing = (frame.time_s, nearest.ego_mps - float(nearest.state[1]))
        seen_s, closing = self._standing
        if frame.time_s - seen_s > settings.turning.standing_s or closing <= 0:
            return ego
        return closing if ego is None else min(closing, ego)

    def _grown(self, obstacle: Obstacle, grey: ByteArray, frame: Frame) -> Obstacle:
        """The obstacle with the growth of its picture, which may be larger than the depth map."""
        tall, wide = grey.shape[0] / frame.depth_m.shape[0], grey.shape[1] / frame.depth_m.shape[1]
        left, top, right, bottom = obstacle.box
        found = self._looming.growth(left * wide, top * tall, right * wide, bottom * tall, frame.intrinsics.fx_px * wide)
        return replace(obstacle, growth=found)

    def _decide(self, frame: Frame, repeated: bool) -> tuple[Track | None, Threat | None]:
        """The nearest confirmed track and its threat; the level goes into the hysteresis."""
        settings = self.settings
        nearest = next((track for track in self._tracks if track.confirmed(settings.track)), None)
        threat, asked, self._raw_reason = None, Level.CLEAR, "nothing in the path"
        if nearest is not None:
            speed = _scaled_speed(frame)
            wander = math.sqrt(nearest.noise[2, 2])
            front_m = settings.camera_to_front_m
            threat = assess(nearest.state, nearest.covariance, speed, front_m, settings.decision, wander)
            asked, self._raw_reason = judge(threat, frame.ego_speed_mps, not _scale_free(frame), settings.decision)
            if asked.alert and not nearest.sure(settings.track):
                asked, self._raw_reason = Level.CAUTION, f"not seen steadily enough to warn: {self._raw_reason}"
            elif asked.alert and not nearest.grows(settings.track, settings.looming):
                asked, self._raw_reason = Level.CAUTION, f"its picture does not grow as its range says: {self._raw_reason}"
        if asked.alert:
            self._alert_reason = self._raw_reason
        elif self._hysteresis.level.alert:  # an alert that is held says what it was raised for
            self._raw_reason = f"a moment ago: {self._alert_reason}"
        if asked is Level.CAUTION:
            self._caution_reason = self._raw_reason
        elif asked is Level.CLEAR and self._hysteresis.level is Level.CAUTION:
            self._raw_reason = f"a moment ago: {self._caution_reason}"
        if not repeated:
            self._hysteresis = self._hysteresis.add(asked, frame.time_s, settings.decision, not frame.driver_braking)
        return nearest, threat

    def _result(self, frame: Frame, nearest: Track | None, threat: Threat | None) -> FrameResult:
        """Level with hysteresis, and the numbers of the nearest obstacle."""
        settings, since = self.settings, self._healthy_since_s
        healthy_s = 0.0 if since is None else frame.time_s - since
        level, reason = self._hysteresis.level, self._raw_reason
        if self._was_degraded and healthy_s < settings.health.recover_s:
            level, reason = Level.DEGRADED, "input was bad a moment ago"
        elif healthy_s < settings.decision.warm_up_s and level is Level.CLEAR:
            level, reason = Level.UNKNOWN, "too few frames yet"
        factor = self._heights.factor(settings.camera_height_m, settings.ground)
        result = FrameResult(
            frame.time_s,
            level,
            reason,
            scale_free=_scale_free(frame),
            scale_factor=factor,
            camera_height_m=self._heights.height_m,
            horizon=None if self._ground is None else self._ground.horizon(frame.intrinsics),
            curvature_1pm=self._curvature,
            health=self._remarks(frame, factor),
        )
        if nearest is None or threat is None:
            return result
        metres = frame.focal_known
        approaching = threat.ttc_s < LONGEST_S
        return replace(
            result,
            range_m=threat.gap_m if metres else None,
            closing_speed_mps=threat.closing_mps if metres else None,
            lead_acceleration_mps2=float(nearest.state[2]) if metres else None,
            ttc_s=threat.ttc_s if approaching else None,
            ttc_low_s=threat.ttc_low_s if approaching else None,
            ttc_high_s=threat.ttc_high_s if approaching else None,
            ttc_braking_s=threat.ttc_braking_s if threat.ttc_braking_s < LONGEST_S else None,
            required_mps2=threat.required_mps2,
            label=nearest.seen.label,
            box=_shares(nearest.seen.box, frame),
        )

    def _remarks(self, frame: Frame, factor: float) -> tuple[str, ...]:
        remarks = []
        if frame.ego_speed_mps is None:
            remarks.append("own speed unknown: time to collision alone")
        if not frame.focal_known:
            remarks.append("focal length unknown: time to collision alone")
        if abs(math.log(factor)) > math.log(self.settings.ground.flag_factor):
            remarks.append(f"scale of depth is off: corrected by {factor:.2f}")
        return tuple(remarks)


def _scaled_speed(frame: Frame) -> float | None:
    """Own speed, where depth is in metres that it can be set against."""
    return frame.ego_speed_mps if frame.focal_known else None


def _scale_free(frame: Frame) -> bool:
    return frame.ego_speed_mps is None or not frame.focal_known


def _shares(box: tuple[float, float, float, float], frame: Frame) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    width, height = frame.intrinsics.width, frame.intrinsics.height
    return left / width, top / height, right / width, bottom / height
