"""The warning over time: a table of scenes in words and SI units, driven in the closed loop with exact and with noisy depth."""

import json
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest

from collision.roads import CAMERA, board, frame, road
from lapdepth.camera import Intrinsics
from lapdepth.collision.frame import Box, FrameResult, Level
from lapdepth.collision.proving.loop import run
from lapdepth.collision.proving.scenarios import SCENARIOS
from lapdepth.collision.proving.sources import ExactSource, NoisySource
from lapdepth.collision.settings import WarnerSettings
from lapdepth.collision.warner import CollisionWarner

SETTINGS = WarnerSettings(camera_to_front_m=1.5)


def drive(name, source=None, settings=SETTINGS, seed=0):
    return run(SCENARIOS[name], source or ExactSource(seed), CollisionWarner(settings), seed)


@pytest.mark.parametrize(
    ("name", "least_s", "most_s"),
    [
        ("T1", 2.1, 5.0),
        ("T2", 2.4, 9.0),
        ("T3", 2.0, 5.0),
        ("CCRs-15-+100", 1.0, 3.0),
        ("CCRs-50--50", 1.2, 4.0),
        ("CCRs-70-+75", 1.2, 4.5),
        ("CCRm-80", 1.2, 5.0),
        ("cyclist-40", 1.2, 5.0),
        ("motorcycle-60", 1.2, 5.0),
    ],
)
@pytest.mark.parametrize("noise", [False, True])
def test_alert_in_time(name, least_s, most_s, noise):
    done = drive(name, NoisySource(3) if noise else None)
    assert done.collided_s is None
    assert least_s <= done.alert.gap_m / done.alert.closing_mps <= most_s
    assert done.alert.result.reason


@pytest.mark.parametrize(("name", "most_s"), [("CCRb-12m-6", 0.7), ("CCRb-12m-2", 1.8), ("CCRb-40m-6", 1.6), ("CCRb-40m-2", 3.9)])
def test_braking_lead_raises_the_alert_soon(name, most_s):
    assert 0 < drive(name).alert.time_s - SCENARIOS[name].onset_s <= most_s


@pytest.mark.parametrize("name", [one.name for one in SCENARIOS.values() if not one.alarm])
@pytest.mark.parametrize("noise", [False, True])
def test_no_false_alert(name, noise):
    done = drive(name, NoisySource(1) if noise else None)
    assert done.alert is None
    assert done.steps[-1].result.level in (Level.CLEAR, Level.CAUTION)


def test_parked_cars_beside_a_curve_need_the_yaw_rate():
    """What the documentation says of a vehicle that does not know how it turns."""

    class Blind:
        def __init__(self):
            self.warner = CollisionWarner(SETTINGS)

        def __call__(self, one):
            return self.warner(frame(one.depth_m, one.time_s, ego_speed_mps=one.ego_speed_mps, image=one.image))

    done = run(SCENARIOS["curve-parked"], ExactSource(0), Blind())
    assert done.alert is not None


class Faulty:
    """Exact depth times a factor."""

    def __init__(self, factor):
        self.exact, self.factor = ExactSource(0), np.float32(factor)

    def __call__(self, view, camera):
        seen = self.exact(view, camera)
        return type(seen)(seen.depth_m * self.factor, seen.valid, seen.image)


@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_scale_fault_is_corrected_and_flagged(factor):
    given = WarnerSettings(camera_to_front_m=1.5, camera_height_m=1.5)
    right, wrong = drive("T1", settings=given), drive("T1", Faulty(factor), given)
    assert abs(right.alert.time_s - wrong.alert.time_s) < 0.3
    assert wrong.alert.result.scale_factor == pytest.approx(1 / factor, rel=0.01)
    assert any("scale of depth is off" in remark for remark in wrong.alert.result.health)
    assert right.alert.result.health == ()


@pytest.mark.parametrize("factor", [0.6, 1.6])
def test_without_speed_it_runs_on_time_alone(factor):
    """A wrong scale changes nothing then."""
    alerts = []
    for scale in (1.0, factor):
        warner = CollisionWarner()
        for index in range(50):
            z = 50 - 10 * index * 0.1
            result = warner(frame(board(road(), z) * np.float32(scale), index * 0.1, ego_speed_mps=None))
            if result.level.alert:
                break
        alerts.append(z / 10)
        assert result.scale_free
        assert "own speed unknown: time to collision alone" in result.health
        assert result.ttc_s == pytest.approx(z / 10, rel=0.05)
    assert alerts[0] == pytest.approx(alerts[1], abs=0.21)
    assert 2.0 < alerts[0] < 3.0


def test_without_focal_length_there_are_no_metres():
    warner = CollisionWarner()
    for index in range(40):
        result = warner(frame(board(road(), 60 - index), index * 0.1, ego_speed_mps=10.0, focal_known=False))
    assert (result.range_m, result.closing_speed_mps, result.required_mps2) == (None, None, None)
    assert result.ttc_s == pytest.approx(21 / 10, rel=0.05)
    assert result.level.alert
    assert "focal length unknown: time to collision alone" in result.health


def test_speed_that_is_no_number_is_unknown():
    result = CollisionWarner()(frame(road(), 0.0, ego_speed_mps=float("nan"), yaw_rate_rps=float("inf")))
    assert result.scale_free
    assert result.level is Level.UNKNOWN


def test_no_alert_while_the_driver_brakes():
    warner = CollisionWarner()
    for index in range(40):
        result = warner(frame(board(road(), 60 - index), index * 0.1, ego_speed_mps=10.0, driver_braking=True))
        assert not result.level.alert


def test_alert_ends_when_the_danger_does():
    warner = CollisionWarner()
    levels = []
    for index in range(60):
        depth = board(road(), 50 - 1.5 * index) if index < 20 else road()
        levels.append(warner(frame(depth, index * 0.1, ego_speed_mps=15.0, image=picture(index))).level)
    assert levels[19].alert
    assert levels[-1] is Level.CLEAR


def picture(index):
    return np.random.default_rng(index).integers(60, 180, (48, 160), dtype=np.uint8)


def test_label_and_front():
    warner = CollisionWarner(SETTINGS)
    for index in range(6):
        result = warner(frame(board(road(), 30 - index), index * 0.1, boxes=(Box(130, 30, 190, 70, "car"),)))
    assert result.label == "car"
    assert result.range_m == pytest.approx(25 - 1.5, abs=0.1)


def test_json_line():
    warner = CollisionWarner(SETTINGS)
    for index in range(20):
        line = warner(frame(board(road(), 40 - index), index * 0.1)).to_json()
    data = json.loads(line)
    assert "\n" not in line
    assert set(data) == {one.name for one in fields(FrameResult)}
    assert data["level"] in {level.value for level in Level}
    assert data["range_m"] == pytest.approx(21 - 1.5, abs=0.1)
    assert json.loads(FrameResult(float("nan"), Level.DEGRADED, "no time").to_json())["time_s"] is None


def test_json_of_numbers_from_arrays():
    times_s, rate_rps = np.arange(20, dtype=np.float32) * np.float32(0.1), np.float32(0.02)
    warner = CollisionWarner(SETTINGS)
    for index, time_s in enumerate(times_s):
        one = frame(board(road(), 40 - index), time_s, ego_speed_mps=np.float32(10), yaw_rate_rps=rate_rps)
        line = warner(one).to_json()
    assert json.loads(line)["time_s"] == pytest.approx(1.9)
    assert json.loads(FrameResult(np.int64(3), Level.CLEAR, "").to_json())["time_s"] == 3


def test_reset_forgets():
    warner = CollisionWarner()
    first = [warner(frame(road(), index * 0.1)).to_json() for index in range(3)]
    warner.reset()
    assert [warner(frame(road(), index * 0.1)).to_json() for index in range(3)] == first


def test_any_picture_size():
    camera = Intrinsics.from_focal(64, 48, 50)
    warner = CollisionWarner()
    for index in range(10):
        depth = board(road(camera), 12 - index * 0.5, camera=camera)
        result = warner(frame(depth, index * 0.1, camera=camera, ego_speed_mps=5.0))
    assert result.range_m == pytest.approx(7.5, abs=0.2)


def test_imports_neither_torch_nor_onnxruntime():
    code = (
        "import sys, lapdepth.collision.warner, lapdepth.collision.proving.loop; "
        "sys.exit(bool({'torch', 'onnxruntime'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert CAMERA.width == 320
