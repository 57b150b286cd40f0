"""Settings of the collision warning. Each number says where it comes from.

Marks, as in the project's collision specification: [S] read in a source text or code, [Q] quoted second-hand, [C] commonly
quoted and not checked against the regulation's own text, [D] a design decision of this project, tried on its test track.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lapdepth.config import Settings
from lapdepth.errors import InputError

GRAVITY_MPS2 = 9.81

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class GroundSettings(Settings):
    """The ground plane and the camera's height.

    Attributes:
        samples: Pixels that the fit looks at. [D]
        tries: Triples of pixels that are tried. [D]
        tolerance: A pixel lies on the plane within this relative depth. [D] two sigma of 3 % noise and some curvature.
        max_depth_m: Ground farther away is not used. [D]
        max_roll: Largest tilt to the side, as a slope. [D]
        max_pitch: Largest tilt up or down, as a slope. [D]
        min_share: Least share of samples on the plane. [D] in a queue between lorries little more than a fifth is road
        max_below: Largest share of samples below the plane: nothing can be seen through a road. [D]
        min_height_m: Least plausible height of the camera above the road. [D] low robots
        max_height_m: Largest plausible height. [D] cabs of lorries, 3 m, and a scale fault of 1.4
        min_factor: Least scale correction. [D] faults of 1 / 1.4 must lie inside
        max_factor: Largest scale correction. [D] faults of 1 / 0.7 must lie inside
        flag_factor: A correction beyond this, or its inverse, is flagged. [D] above the 10 % that noisy depth may be off
        memory_s: The height's reference is a mean that forgets over this time. [D]
        hold_s: So long a plane that is lost is still used. [D] under the 0.5 s for "degraded"
    """

    samples: Annotated[int, Field(ge=100, le=20000)] = 2000
    tries: Annotated[int, Field(ge=4, le=1000)] = 48
    tolerance: Positive = 0.07
    max_depth_m: Positive = 60.0
    max_roll: Positive = 0.15
    max_pitch: Positive = 0.2
    min_share: Share = 0.2
    max_below: Share = 0.3
    min_height_m: Positive = 0.2
    max_height_m: Positive = 4.5
    min_factor: Positive = 0.5
    max_factor: Positive = 2.0
    flag_factor: Positive = 1.2
    memory_s: Positive = 30.0
    hold_s: Positive = 0.4


class PathSettings(Settings):
    """The corridor and what counts as an obstacle in it.

    Attributes:
        half_width_m: Half of the corridor: half a car and a margin. [D] specification, 0.9 + 0.2 m
        measure_half_width_m: An obstacle's range is measured on what of it is seen this far to the side. [D] two half cars
        horizon_m: Farthest range. [D] specification
        horizon_s: Farthest range in seconds at the own speed. [D] specification
        min_horizon_m: The horizon at a standstill. [D]
        max_curvature_1pm: Curvature beyond which the yaw rate is not believed. [D] a radius of 5 m
        curve_margin_m: Sideways error that a curve's far end may have. [D] from a car parked beside the lane to the corridor
        curve_depth_error: Relative error of depth that is reckoned with there. [D] specification, constant scale error
        lowest_m: An obstacle begins this high above the ground. [D] specification
        highest_m: What is higher can be driven under. [D] specification
        bin: Width of a bin of the histogram of log depth. [D]
        spread: Half of the log depth that one obstacle takes. [D] 2.7 sigma of 3 % noise
        min_area_m2: Least area seen of an obstacle. [D] a third of the specification's patch of 1.4 x 0.9 m
        min_area_boxed_m2: The same where a detector's box says that there is something. [D]
        min_rise_m: Least extent upwards. [D] trench plates, kerbs
        max_lean: Largest change of range with height: a road that rises is no obstacle. [D] a slope of 25 %
        max_obstacles: Obstacles followed at a time, nearest first. [D]
        min_confidence: Pixels of less confidence are not used. [D]
    """

    half_width_m: Positive = 1.1
    measure_half_width_m: Positive = 1.9
    horizon_m: Positive = 80.0
    horizon_s: Positive = 4.5
    min_horizon_m: Positive = 20.0
    max_curvature_1pm: Positive = 0.2
    curve_margin_m: Positive = 0.7
    curve_depth_error: Positive = 0.1
    lowest_m: Positive = 0.35
    highest_m: Positive = 2.2
    bin: Positive = 0.04
    spread: Positive = 0.08
    min_area_m2: Positive = 0.42
    min_area_boxed_m2: Positive = 0.15
    min_rise_m: Positive = 0.3
    max_lean: Positive = 4.0
    max_obstacles: Annotated[int, Field(ge=1, le=20)] = 3
    min_confidence: Share = 0.1


class TrackSettings(Settings):
    """The filter that follows an obstacle.

    Attributes:
        confirm_hits: Sightings that confirm a track. [D] specification, 3 of 5
        confirm_of: Among this many frames. [D] specification
        far_m: Beyond this range every one of `confirm_of` frames must see it. [D] specification, 60 m
        steady_s: How often a track was seen is a mean that forgets over this time, and begins at nothing. [D]
        steady_share: An alert needs a mean of this at `steady_m` and beyond, which a thing never missed reaches in 0.8 s. [D]
        steady_m: Nearer, it needs less in proportion, at least half: there is no time to lose, and depth is surer. [D]
        lost_s: A track not seen for so long is dropped. [D]
        floor: Least relative error of a range. [D]
        floor_grown: The same where the growth of its picture is known, which tells closing better than depth that is off by a
            share that changes slowly. [D]
        anchor_s: Time in which depth then draws range and closing speed to itself, both by one factor. [D]
        prior: Relative error of a range before the source has shown its own. [D] specification, 3 %
        gate: Sightings beyond this many standard deviations belong to something else. [D]
        gate_log: And never farther than this in log depth. [D]
        lead_speed_mps: Standard deviation of an obstacle's speed before it was followed, at least. [D]
        lead_acceleration_mps2: The same of its acceleration. [D]
        settle_s: In a track's first time so long, its jerk grows from nothing: speed is learnt first. [D]
        jerk: Root of the spectral density of its jerk, m/s2 per root second. [D] full braking within a second
        acceleration_s: Time in which an acceleration fades. [D] braking to a standstill takes about this long
        history: Sightings from which the noise is judged. [D]
        sighting_s: Sightings that follow each other faster are worth no more than one in this time. [D] the test track's rate
        young_s: A track's own noise is believed after this time; what has just appeared has shown little of it. [D]
    """

    confirm_hits: Annotated[int, Field(ge=1, le=20)] = 3
    confirm_of: Annotated[int, Field(ge=1, le=20)] = 5
    far_m: Positive = 60.0
    steady_s: Positive = 0.5
    steady_share: Share = 0.8
    steady_m: Positive = 30.0
    lost_s: Positive = 0.5
    floor: Positive = 0.0004
    floor_grown: Positive = 0.03
    anchor_s: Positive = 0.4
    prior: Positive = 0.03
    gate: Positive = 4.0
    gate_log: Positive = 0.25
    lead_speed_mps: Positive = 5.0
    lead_acceleration_mps2: Positive = 0.5
    settle_s: Positive = 1.5
    jerk: Positive = 2.5
    acceleration_s: Positive = 4.0
    history: Annotated[int, Field(ge=4, le=200)] = 20
    sighting_s: Positive = 0.1
    young_s: Positive = 1.0


class DecisionSettings(Settings):
    """When to warn.

    Attributes:
        reaction_s: Time from the alert to the brakes. [C] driver model of the protocols
        alert_mps2: Deceleration required after it that raises a warning. [D] near the
            specification's 0.45 g, less what a braking lead is believed late; [S] ISO 15623 allows up to 0.68 g
        caution_mps2: The same for caution. [D]
        critical_mps2: The same for critical. [S] ISO 15623's upper bound, 0.68 g
        floor_slow_s: Time to collision that raises a warning at `slow_mps` and below. [D] specification, 2.0 s
        floor_fast_s: The same at `fast_mps` and above. [D] specification, 3.0 s
        slow_mps: 30 km/h. [D] specification
        fast_mps: 45 mph. [D] specification
        floor_unscaled_s: The floor where the own speed or the scale is unknown. [Q] about the NCAP's 2.4 s, with a margin
        caution_more_s: Caution comes this much above the floor. [D]
        critical_s: Time to collision that is critical. [D] under it braking alone seldom helps at speed
        earliest_s: No warning at a longer time to collision. [Q] FMVSS 127 starts its tests at 5.0 s
        sigmas: A condition must hold at the bound this many standard deviations to the safe side. [D]
        wander_sigmas: The lead's braking counts less this many standard deviations of what noise alone makes of it. [D]
        on_frames: Frames that raise a level. [D] specification; [S] openpilot needs more than 2
        on_s: And they span at least this time, whatever the rate. [D] three frames of the test track
        off_s: Time without the condition that lowers it. [D] specification, 0.8 s; [S] NADS 768 ms
        silent_below_mps: No warning below this own speed. [Q] FMVSS 127 begins at 10 km/h
        silent_closing_mps: No warning below this closing speed. [D] specification, 1 m/s
        warm_up_s: Healthy frames before the first "clear". [D]
    """

    reaction_s: Positive = 1.2
    alert_mps2: Positive = 0.4 * GRAVITY_MPS2
    caution_mps2: Positive = 0.3 * GRAVITY_MPS2
    critical_mps2: Positive = 0.68 * GRAVITY_MPS2
    floor_slow_s: Positive = 2.0
    floor_fast_s: Positive = 3.0
    slow_mps: Positive = 30 / 3.6
    fast_mps: Positive = 20.1
    floor_unscaled_s: Positive = 2.6
    caution_more_s: Positive = 0.7
    critical_s: Positive = 1.2
    earliest_s: Positive = 4.8
    sigmas: NotNegative = 0.3
    wander_sigmas: NotNegative = 0.5
    on_frames: Annotated[int, Field(ge=1, le=30)] = 3
    on_s: NotNegative = 0.2
    off_s: Positive = 0.8
    silent_below_mps: NotNegative = 10 / 3.6
    silent_closing_mps: NotNegative = 1.0
    warm_up_s: Positive = 0.5


class HealthSettings(Settings):
    """When the input is not to be trusted.

    Attributes:
        frozen_s: A picture that stays the same for so long is frozen. [D] video repeats single frames
        moving_mps: Below this own speed nothing need change. [D]
        surely_moving_mps: From this own speed on a picture changes in the large within `frozen_s`. [D]
        frozen_share: By at least this share of its contrast, in the mean over blocks. [D] twice what a frozen one does
        speed_s: An own speed that is missing in single frames is taken to be the last one for so long. [D]
        dark_level: Mean grey level of a dark picture. [D]
        bright_level: Grey level that the brightest hundredth of a dark picture stays under: lamps at night exceed it. [D]
        detail: Least mean step between neighbouring pixels, in grey levels, of a block that shows something. [D]
        blind_share: Largest share of blocks of the lower half that show nothing. [D]
        invalid_share: Largest share of the lower half that may be without depth. [D]
        nan_share: Largest share of the lower half that may be no number. [D]
        max_gap_s: Longest time between two frames. [D] under the 0.5 s for "degraded"
        jitter: Largest spread of the times between frames over their median; the largest of them is left out, as a frame
            may be dropped. [D]
        recover_s: Healthy time that ends "degraded". [D]
    """

    frozen_s: Positive = 0.3
    moving_mps: NotNegative = 1.0
    surely_moving_mps: NotNegative = 5.0
    frozen_share: Positive = 0.01
    speed_s: NotNegative = 1.0
    dark_level: NotNegative = 12.0
    bright_level: NotNegative = 40.0
    detail: NotNegative = 0.8
    blind_share: Share = 0.6
    invalid_share: Share = 0.6
    nan_share: Share = 0.02
    max_gap_s: Positive = 0.45
    jitter: Positive = 0.35
    recover_s: Positive = 0.5


class TurningSettings(Settings):
    """The own turning, from pictures, where no yaw rate is given.

    Attributes:
        corners: Corners that are followed from one picture to the next. [D]
        apart_px: And lie so far apart at least, at the size of the depth map. [D]
        window_px: Side of the window around a corner that is looked for. [D]
        return_px: A corner that is looked for backwards comes back as near as this. [D]
        corner_px: Noise of a corner's place. [D]
        depth_error: Relative error of depth that is reckoned with. [D] a network's, far away
        max_heading: The vehicle heads within this slope of the optical axis. [D]
        nearest_m: Nearer corners are not used: the own bonnet stands still in every picture. [D]
        min_corners: So many agree on the motion, or it is not believed. [D]
        min_share: And so large a share of all. [D]
        memory_s: The yaw rate is a mean that forgets over this time. [D]
        hold_s: And is believed for so long after the last picture that gave one. [D]
        least_rps: Slower turning does not tell what stands from what drives. [D]
        standing_share: What stands moves sideways as it should within this share of the turning; the share is, for a thing in the
            own path, that of its speed in the own speed. [D]
        standing_s: How fast such a thing comes nearer is remembered for so long. [D]
    """

    corners: Annotated[int, Field(ge=20, le=2000)] = 160
    apart_px: Positive = 6.0
    window_px: Annotated[int, Field(ge=5, le=41)] = 13
    return_px: Positive = 0.5
    corner_px: Positive = 0.15
    depth_error: Positive = 0.7
    max_heading: Positive = 0.1
    nearest_m: NotNegative = 6.0
    min_corners: Annotated[int, Field(ge=6)] = 30
    min_share: Share = 0.4
    memory_s: Positive = 0.3
    hold_s: Positive = 0.5
    least_rps: Positive = 0.015
    standing_share: Positive = 0.35
    standing_s: Positive = 1.0


class LoomingSettings(Settings):
    """The growth of an obstacle's picture.

    Attributes:
        over_s: From this long ago until now. [D] a thing 3 s away grows by a tenth
        least_s: And from no less. [D]
        corners: Corners of it that are followed, at most. [D]
        window_px: Side of the window around a corner. [D]
        return_px: Followed there and back, a corner ends as near as this to where it began. [D]
        margin_px: It is looked for at least so far around where it is now. [D]
        agree_px: Corners agree on its growth and shift within this. [D]
        corner_px: Noise of a corner's place, at least. [D]
        min_corners: So many agree, or the growth is not believed. [D]
        min_share: And so large a share of all. [D]
        rate_sigma: Relative error of a growth that corners on other things may bring. [D]
        gate: A growth beyond this many standard deviations from what was expected is not believed. [D]
        history: Growths of a thing from which their scatter is judged. [D]
        least_history: From so many on; before it is taken to be `prior`. [D]
        prior: Scatter of the first growths. [D]
        agreed_share: A growth of less than this share of what is expected speaks against a thing. [D]
        backed_s: A thing that has been seen for so long must have come nearer by its depth too, for an alert. [D]
        backed_share: By this share of what its growth says, at a bound of one standard deviation. [D] a network makes far
            changes too small
        agreed_often: So many of them must not, for an alert, at `steady_m` and beyond; nearer fewer in proportion. [D]
    """

    over_s: Positive = 0.3
    least_s: Positive = 0.15
    corners: Annotated[int, Field(ge=6, le=500)] = 40
    window_px: Annotated[int, Field(ge=5, le=41)] = 11
    return_px: Positive = 0.5
    margin_px: Positive = 24.0
    agree_px: Positive = 1.0
    corner_px: Positive = 0.1
    min_corners: Annotated[int, Field(ge=4)] = 5
    min_share: Share = 0.6
    rate_sigma: NotNegative = 0.05
    gate: Positive = 4.0
    history: Annotated[int, Field(ge=1, le=100)] = 10
    least_history: Annotated[int, Field(ge=1, le=100)] = 3
    prior: Positive = 0.015
    backed_s: Positive = 1.0
    backed_share: Share = 0.4
    agreed_share: Share = 0.5
    agreed_often: Share = 0.75


class WarnerSettings(Settings):
    """All settings of a `CollisionWarner`.

    Attributes:
        camera_height_m: Height of the camera above the road, where known: corrects the scale of the metres.
        camera_to_front_m: From the camera forward to the front of the vehicle: range and time to collision count from there.
        ground: The ground plane.
        path: Corridor and obstacles.
        track: The filter.
        decision: When to warn.
        turning: The own turning, where no yaw rate is given.
        looming: The growth of an obstacle's picture.
        health: When the input is not to be trusted.
    """

    camera_height_m: Annotated[float, Field(ge=0.2, le=4.5)] | None = None
    camera_to_front_m: NotNegative = 0.0
    ground: GroundSettings = GroundSettings()
    path: PathSettings = PathSettings()
    track: TrackSettings = TrackSettings()
    decision: DecisionSettings = DecisionSettings()
    turning: TurningSettings = TurningSettings()
    looming: LoomingSettings = LoomingSettings()
    health: HealthSettings = HealthSettings()


def warner_settings(camera_height_m: float | None, camera_to_front_m: float) -> WarnerSettings:
    """Settings of a vehicle, the rest as they are.

    Raises:
        InputError: A length is out of range.
    """
    if camera_height_m is not None and not 0.2 <= camera_height_m <= 4.5:
        raise InputError(f"camera_height_m is {camera_height_m}; expected 0.2 to 4.5 metres above the road")
    if not 0 <= camera_to_front_m <= 10:
        raise InputError(f"camera_to_front_m is {camera_to_front_m}; expected 0 to 10 metres")
    return WarnerSettings(camera_height_m=camera_height_m, camera_to_front_m=camera_to_front_m)
