"""What goes into the warning with each picture, and what comes out.

Legend: H, W height and width of the depth map, h, w of the picture, which may be of another size.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.errors import InputError


class Level(StrEnum):
    """State of the warning; `docs/collision.md` has the table of when each is entered and left."""

    CLEAR = "clear"
    CAUTION = "caution"
    WARNING = "warning"
    CRITICAL = "critical"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"

    @property
    def alert(self) -> bool:
        """Whether the driver is alerted."""
        return self in (Level.WARNING, Level.CRITICAL)


@dataclass(frozen=True, slots=True)
class Box:
    """What a detector saw, in pixels of the depth map, right and bottom excluded.

    Attributes:
        left: First column.
        top: First row.
        right: Column after the last.
        bottom: Row after the last.
        label: Name of the kind, such as "car".
    """

    left: float
    top: float
    right: float
    bottom: float
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture's depth and what is known of the own vehicle at that time.

    Attributes:
        depth_m: (H, W) float32, metres along the optical axis.
        time_s: When the picture was taken, by any clock that runs evenly.
        intrinsics: Camera of the depth map.
        focal_known: False where the focal length is a guess: metres are then not to be trusted.
        ego_speed_mps: Own speed forward, `None` where unknown; below 0 or above 150 m/s it counts as unknown.
        yaw_rate_rps: Own rate of turning in radians a second, positive to the left (ISO 8855); `None` where unknown: it is then
            taken from `image`.
        valid: (H, W) bool, false in the sky and where there is no depth; `None`: wherever depth is finite and positive.
        confidence: (H, W) float32 in [0, 1], `None` where there is none.
        image: (h, w) or (h, w, 3) uint8 RGB of the same view, for the health of the camera and, if no smaller than
            the depth map, for closing speed and the own turning; `None` where there is none.
        boxes: From any detector; with them less of an obstacle needs to be seen.
        driver_braking: The driver brakes already: no new alert is raised.
    """

    depth_m: FloatArray
    time_s: float
    intrinsics: Intrinsics
    focal_known: bool = True
    ego_speed_mps: float | None = None
    yaw_rate_rps: float | None = None
    valid: npt.NDArray[np.bool_] | None = None
    confidence: FloatArray | None = None
    image: npt.NDArray[np.uint8] | None = None
    boxes: tuple[Box, ...] = ()
    driver_braking: bool = False

    def __post_init__(self) -> None:
        """Check sizes: wrong ones are a fault of the program, not of the camera.

        Raises:
            InputError: Depth, camera, mask, confidence or picture do not fit each other, or are of another type.
        """
        size = (self.intrinsics.height, self.intrinsics.width)
        for name in ("depth_m", "valid", "confidence"):
            array = getattr(self, name)
            if array is not None and not isinstance(array, np.ndarray):
                raise InputError(f"{name} is {type(array).__name__}; expected a NumPy array {size}")
            if array is not None and array.shape != size:
                raise InputError(f"{name} is {array.shape}, the camera is for {size}; bring both to one size")
            if array is not None and array.dtype.kind != ("b" if name == "valid" else "f"):
                raise InputError(f"{name} is {array.dtype}; expected {'bool' if name == 'valid' else 'float32'}")
        if self.image is not None and (
            self.image.dtype != np.uint8 or self.image.size == 0 or self.image.shape[2:] not in ((), (3,)) or self.image.ndim < 2
        ):
            raise InputError(f"image is {self.image.dtype} {self.image.shape}; expected uint8 (h, w) or (h, w, 3)")


@dataclass(frozen=True, slots=True)
class FrameResult:
    """What the warning says about one frame. `None` stands for what is not known or does not apply.

    Attributes:
        time_s: Of the frame.
        level: State.
        reason: Why, in words.
        range_m: From the front of the vehicle to the nearest obstacle in the path; `None` where metres are not known.
        closing_speed_mps: How fast it comes nearer.
        lead_acceleration_mps2: Its own acceleration, or relative to the own vehicle where the own speed is unknown.
        ttc_s: Range over closing speed; `None` where it does not come nearer.
        ttc_low_s: Lower bound of that, one standard deviation.
        ttc_high_s: Upper bound.
        ttc_braking_s: Time to collision if the obstacle keeps its acceleration while braking.
        required_mps2: Deceleration required after the reaction time; `None` without own speed.
        scale_free: Whether it runs on time to collision alone, for want of own speed or focal length.
        scale_factor: What depth was multiplied by to agree with the camera's height; 1 where that is not given.
        camera_height_m: Height of the camera above the ground as depth shows it, before correction.
        horizon: Row where the road straight ahead would end if it went on as it is, as a share of the picture's height.
        curvature_1pm: Of the own path, in the corrected metres of the depth, positive to the left.
        label: What a detector called the obstacle.
        box: Left, top, right and bottom of what is seen of the obstacle in and beside the path, as shares of the picture's width
            and height.
        health: Faults and remarks, empty where all is well.
    """

    time_s: float
    level: Level
    reason: str
    range_m: float | None = None
    closing_speed_mps: float | None = None
    lead_acceleration_mps2: float | None = None
    ttc_s: float | None = None
    ttc_low_s: float | None = None
    ttc_high_s: float | None = None
    ttc_braking_s: float | None = None
    required_mps2: float | None = None
    scale_free: bool = False
    scale_factor: float = 1.0
    camera_height_m: float | None = None
    horizon: float | None = None
    curvature_1pm: float = 0.0
    label: str | None = None
    box: tuple[float, float, float, float] | None = None
    health: tuple[str, ...] = ()

    def to_json(self) -> str:
        """One line of JSON, numbers rounded to four places; what is not finite becomes null."""
        return json.dumps({name: _plain(getattr(self, name)) for name in self.__slots__}, allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, np.generic):  # as numbers of an array or of a bus recording are
        value = value.item()
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
