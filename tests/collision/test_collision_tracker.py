"""The filter, against motion that is known, and the judgement of noise."""

import numpy as np
import pytest

from lapdepth.collision.obstacle import Obstacle
from lapdepth.collision.scale import HeightHistory, frame_noise
from lapdepth.collision.settings import GroundSettings, LoomingSettings, TrackSettings
from lapdepth.collision.tracker import follow, shared_swing

SETTINGS = TrackSettings()


def thing(depth_m):
    return Obstacle(depth_m, 0.01, 2.0, 0.0)


def followed(depths, ego_mps, heights=None, step_s=0.1):
    """Tracks after one sighting a frame; `None` is a frame without."""
    tracks, history = [], HeightHistory()
    for index, depth in enumerate(depths):
        height = 1.5 if heights is None else heights[index]
        history = history.add(index * step_s, height, GroundSettings())
        ego = ego_mps[index] if np.ndim(ego_mps) else ego_mps
        seen = [] if depth is None else [thing(d) for d in np.atleast_1d(depth)]
        tracks = follow(tracks, seen, index * step_s, ego, history, SETTINGS, LoomingSettings())
    return tracks


TIMES = np.arange(20) * 0.1


def test_car_that_stands():
    track = followed(60 - 20 * TIMES, 20.0)[0]
    assert track.state == pytest.approx([60 - 20 * 1.9, 0, 0], abs=0.1)


def test_lead_that_brakes():
    # From equal speeds, 4 m/s2: gap 30 - 2 t^2, own speed of the lead 20 - 4 t.
    track = followed(30 - 2 * TIMES**2, 20.0)[0]
    assert track.state[1] == pytest.approx(20 - 4 * 1.9, abs=0.3)
    assert track.state[2] == pytest.approx(-4, abs=0.4)


def test_own_braking_is_not_the_leads():
    # The lead keeps 15 m/s, the own vehicle brakes from 20 with 5 m/s2.
    ego = 20 - 5 * TIMES
    track = followed(40 - 5 * TIMES + 2.5 * TIMES**2, ego)[0]
    assert track.state[1] == pytest.approx(15, abs=0.1)
    assert abs(track.state[2]) < 0.2


def test_noise_shared_with_the_ground_is_taken_out():
    flicker = np.exp(np.random.default_rng(0).normal(0, 0.04, 60))
    times = np.arange(60) * 0.1
    with_ground = followed((70 - 10 * times) * flicker, 20.0, 1.5 * flicker)[0]
    alone = followed((70 - 10 * times) * flicker, 20.0)[0]
    assert with_ground.state[1] == pytest.approx(10, abs=0.5)
    assert with_ground.covariance[1, 1] < alone.covariance[1, 1] / 2


def test_shared_swing():
    rng = np.random.default_rng(1)
    swing, own = rng.normal(0, 0.04, 20), rng.normal(0, 0.04, 20)
    assert shared_swing(tuple(zip(3 + swing, swing, strict=True))) > 0.95
    assert shared_swing(tuple(zip(3 + own, swing, strict=True))) < 0.35
    assert shared_swing(((3.0, 0.0),)) == 0.5


def test_frame_noise_leaves_motion_out():
    steady = tuple(np.log(60 - 15 * TIMES))
    assert frame_noise(steady) < 0.002
    noisy = tuple(np.log(60 - 15 * TIMES) + np.random.default_rng(0).normal(0, 0.03, 20))
    assert frame_noise(noisy) == pytest.approx(0.03, rel=0.4)
    assert frame_noise(noisy[:5]) is None


@pytest.mark.parametrize(
    ("seen", "confirmed"), [([20, 20], False), ([20, None, 20, None, 20], True), ([70] * 4, False), ([70] * 5, True)]
)
def test_confirmation(seen, confirmed):
    tracks = followed(seen, 0.0)
    assert tracks[0].confirmed(SETTINGS) is confirmed


def test_an_alert_needs_steady_sightings():
    settings = SETTINGS
    assert not followed([45.0] * 8, 0.0)[0].sure(settings)
    assert followed([45.0] * 11, 0.0)[0].sure(settings)
    assert not followed([45.0, 45.0, None] * 10, 0.0)[0].sure(settings)
    assert followed([12.0] * 5, 0.0)[0].sure(settings)  # near, there is no time


def test_wandering_of_a_fast_camera_is_no_braking():
    """A heap at 45 m that wanders by 4 % within a second, at 25 frames a second: neighbours hardly differ, yet it is noise."""
    rng, wandering = np.random.default_rng(3), [0.0]
    for _ in range(149):
        wandering.append(0.96 * wandering[-1] + float(rng.normal(0, 0.04 * np.sqrt(1 - 0.96**2))))
    slow = [followed(45 * np.exp(wandering[: n + 1]), 20.0, step_s=0.04)[0].state[2] for n in range(60, 150, 5)]
    assert min(slow) > -4


def test_noise_alone_is_told_from_what_may_yet_happen():
    times = np.arange(60) * 0.1
    quiet = followed(40 - 0.01 * times, 20.0)[0]
    loud = followed((40 - 0.01 * times) * np.exp(np.random.default_rng(0).normal(0, 0.02, 60)), 20.0)[0]
    assert quiet.noise[2, 2] < 0.6 * loud.noise[2, 2]
    assert loud.noise[2, 2] < loud.covariance[2, 2]


@pytest.mark.parametrize("seed", range(8))
def test_a_sighting_that_is_off_does_not_replace_the_track(seed):
    off = np.exp(np.random.default_rng(seed).normal(0, 0.04, 60))
    assert [track.born_s for track in followed((40 - 0.01 * np.arange(60) * 0.1) * off, 20.0)][:1] == [0.0]


def test_lost_track_is_dropped_after_half_a_second():
    assert len(followed([20, 20, 20] + [None] * 5, 0.0)) == 1
    assert followed([20, 20, 20] + [None] * 6, 0.0) == []


def test_outlier_starts_a_track_of_its_own():
    tracks = followed([20] * 10 + [12], 0.0)
    assert [round(float(track.state[0])) for track in tracks] == [12, 20]


def test_two_things_are_kept_apart():
    depths = [np.array([20 - 0.5 * t, 45 - 0.2 * t]) for t in range(15)]
    near, far = followed(depths, 0.0)
    assert (near.state[1], far.state[1]) == pytest.approx((-5, -2), abs=0.3)


def test_height_gives_a_bounded_factor():
    settings, history = GroundSettings(), HeightHistory()
    for index in range(10):
        history = history.add(index * 0.1, 1.05, settings)
    assert history.height_m == pytest.approx(1.05)
    assert history.factor(1.5, settings) == pytest.approx(1 / 0.7)
    assert history.factor(None, settings) == 1
    assert history.factor(4.5, settings) == 2  # bounded


def test_noise_of_the_height_is_followed_anew_where_the_clock_is_set_back():
    settings, history = GroundSettings(), HeightHistory()
    for index in range(40):
        history = history.add(1000 + index * 0.1, 1.5, settings)
    assert history.slow_noise == pytest.approx(0)
    for index in range(40):
        history = history.add(index * 0.1, 1.5 * (1.1 if index % 10 < 5 else 0.9), settings)
    assert history.slow_noise > 0.05


def test_height_is_a_plain_mean_at_first():
    history = HeightHistory()
    values = np.exp(np.random.default_rng(0).normal(0, 0.05, 100))
    for index, value in enumerate(values):
        history = history.add(index * 0.1, float(value), GroundSettings())
    assert history.log_reference == pytest.approx(float(np.mean(np.log(values))), abs=0.003)
