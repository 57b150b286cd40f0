"""Times and decelerations from formulas of motion; levels and their hysteresis."""

import numpy as np
import pytest

from lapdepth.collision.decision import Hysteresis, assess, floor_s, judge, required_mps2, time_to_collision_s
from lapdepth.collision.frame import Level
from lapdepth.collision.settings import DecisionSettings

SETTINGS = DecisionSettings()


def one(value):
    return np.array([float(value)])


@pytest.mark.parametrize(
    ("gap", "ego", "lead", "lead_mps2", "seconds"),
    [
        (40, 20, 0, 0, 2.0),
        (40, 20, 10, 0, 4.0),
        (40, 20, 20, 0, 20.0),  # not closing: the longest
        (40, 20, -20, 0, 1.0),  # comes towards
        (27, 15, 15, -6, 3.05),  # the lead stands after 2.5 s and 18.75 m: (27 + 18.75) / 15
        (9, 15, 15, -2, 3.0),  # 9 = t^2, while it still drives
    ],
)
def test_time_to_collision(gap, ego, lead, lead_mps2, seconds):
    got = time_to_collision_s(one(gap), one(ego - lead), one(lead), one(lead_mps2))
    assert got[0] == pytest.approx(seconds)


def test_times_of_the_ncap_test_with_a_braking_lead():
    """As the specification computed them: plain 2.4 s at 2.71 s, counting the braking at 2.12 s after the onset."""
    brakes = 0.3 * 9.81
    for after_s, lead_mps2 in ((2.71, 0.0), (2.12, -brakes)):
        gap, closing = 30 - brakes * after_s**2 / 2, brakes * after_s
        got = time_to_collision_s(one(gap), one(closing), one(20.1 - closing), one(lead_mps2))
        assert got[0] == pytest.approx(2.4, abs=0.01)


@pytest.mark.parametrize(
    ("gap", "ego", "lead", "lead_mps2"),
    [(60, 20, 0, 0), (60, 20, 0, -3), (30, 20, 10, 0), (30, 20, 18, -2), (30, 20, 20, -6), (25, 14, 10, -5), (40, 14, 6, -5.5)],
)
def test_required_deceleration_just_avoids(gap, ego, lead, lead_mps2):
    """Driven in small steps, braking as required comes within a hand of the lead, and never into it."""
    needed = required_mps2(one(gap), ego, one(lead), one(lead_mps2), 1.2)[0]
    step, time_s, own, other, distance, least = 0.001, 0.0, float(ego), float(lead), float(gap), float(gap)
    while own > 0 and time_s < 30:
        faster, moved = own, other
        own = max(own - (needed * step if time_s >= 1.2 else 0), 0)
        other = max(other + lead_mps2 * step, 0) if other > 0 else other
        distance += ((moved + other) - (faster + own)) / 2 * step
        least = min(least, distance)
        time_s += step
    assert least == pytest.approx(0, abs=0.1)


def test_required_deceleration_for_what_comes_towards():
    """At 5 m/s towards 20 m/s: after 1.2 s the gap is 80 - 30 m, and 25^2 / (2 x 50) is left."""
    assert required_mps2(one(80), 20, one(-5), one(0), 1.2)[0] == pytest.approx(6.25)


def test_required_deceleration_of_what_cannot_be_avoided_and_what_need_not():
    assert required_mps2(one(10), 20, one(0), one(0), 1.2)[0] == 20
    assert required_mps2(one(10), 20, one(25), one(0), 1.2)[0] == 0
    assert required_mps2(one(30), 20, one(20), one(3), 1.2)[0] == 0


@pytest.mark.parametrize(("kmh", "seconds"), [(10, 2.0), (30, 2.0), (72.36, 3.0), (130, 3.0)])
def test_floor(kmh, seconds):
    assert floor_s(kmh / 3.6, SETTINGS) == pytest.approx(seconds)


def level(gap, ego, lead, lead_mps2=0.0, scale_known=True, std=(0.01, 0.01, 0.01)):
    threat = assess(np.array([gap, lead, lead_mps2]), np.diag(np.square(std)), ego, 0.0, SETTINGS)
    return judge(threat, ego, scale_known, SETTINGS)[0]


@pytest.mark.parametrize(
    ("words", "numbers", "expected"),
    [
        ("far", (79, 20, 10), Level.CLEAR),
        ("3.5 s before a car that stands at 72 km/h", (70, 20, 0), Level.WARNING),
        ("4.2 s before it", (84, 20, 0), Level.CAUTION),
        ("1.1 s before it", (22, 20, 0), Level.CRITICAL),
        ("close behind, same speed", (8, 20, 20), Level.CLEAR),
        ("0.75 s behind, lead brakes hard", (15, 20, 18.5, -6), Level.CRITICAL),
        ("1.5 s behind, lead brakes hard", (30, 20, 16, -5), Level.WARNING),
        ("walking pace", (1, 2.5, 0), Level.CLEAR),
        ("closing at 0.8 m/s", (1, 20, 19.2), Level.CLEAR),
    ],
)
def test_level(words, numbers, expected):
    assert level(*numbers) is expected, words


def test_uncertain_speed_waits():
    assert level(50, 20, 3, std=(1, 0.1, 1)) is Level.WARNING
    assert level(50, 20, 3, std=(1, 12.0, 1)) is Level.CLEAR


def test_braking_counts_less_what_noise_makes_of_it():
    """A lead that seems to brake with 4 m/s2 where noise alone makes 3 of it."""
    known = (np.array([30.0, 18.0, -4.0]), np.eye(3) * 1e-4, 20.0, 0.0, SETTINGS)
    sure, doubtful = assess(*known), assess(*known, wander_mps2=3.0)
    softer = assess(np.array([30.0, 18.0, -4 + 3 * SETTINGS.wander_sigmas]), *known[1:])
    assert doubtful.required_mps2 == pytest.approx(softer.required_mps2)
    assert doubtful.ttc_braking_s > sure.ttc_braking_s
    speeds_up = (np.array([30.0, 18.0, 1.0]), *known[1:])
    assert assess(*speeds_up, wander_mps2=3.0) == assess(*speeds_up)


def test_bounds_of_the_time_to_collision():
    threat = assess(np.array([40.0, 0, 0]), np.diag([1e-6, 2.0**2, 1e-6]), 20.0, 0.0, SETTINGS)
    assert (threat.ttc_low_s, threat.ttc_s, threat.ttc_high_s) == pytest.approx((40 / 22, 2.0, 40 / 18), rel=1e-3)


def test_front_of_the_vehicle_counts():
    threat = assess(np.array([41.5, 0, 0]), np.eye(3) * 1e-6, 20.0, 1.5, SETTINGS)
    assert (threat.gap_m, threat.ttc_s) == pytest.approx((40, 2), rel=1e-3)


def levels(asked, step_s=0.1, may_raise=True):
    state, out = Hysteresis(), []
    for index, wanted in enumerate(asked):
        state = state.add(wanted, index * step_s, SETTINGS, may_raise)
        out.append(state.level)
    return out


C, W = Level.CLEAR, Level.WARNING


def test_three_frames_on():
    assert levels([W, W, C, W, W, W, W]) == [C, C, C, C, C, W, W]


def test_three_frames_of_a_fast_camera_are_not_enough():
    assert levels([W] * 5, step_s=0.04) == [C] * 5
    assert levels([W] * 6, step_s=0.04)[-1] is W


def test_eight_tenths_of_a_second_off():
    got = levels([W, W, W] + [C] * 10)
    assert got[2:] == [W] * 9 + [C] * 2  # asked for last at 0.2 s, on until 1.0 s


def test_critical_counts_for_warning_too():
    assert levels([W, Level.CRITICAL, W])[-1] is W


def test_no_new_alert_while_the_driver_brakes():
    assert set(levels([W] * 6, may_raise=False)) == {C}
