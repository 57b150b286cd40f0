"""What is drawn over the picture lies where the road is."""

from __future__ import annotations

import numpy as np
import pytest

from collision.roads import HEIGHT_M, frame, road
from lapdepth.camera import Intrinsics
from lapdepth.collision.frame import FrameResult, Level
from lapdepth.collision.ground import Ground
from lapdepth.collision.overlay import COLOURS, draw
from lapdepth.collision.settings import PathSettings
from lapdepth.collision.warner import CollisionWarner

GREY = np.full((480, 640, 3), 100, np.uint8)
CAMERA_480 = Intrinsics.from_focal(640, 480, 500)


def corridor_rows(horizon: float | None, range_m: float = 18.5) -> tuple[int, int]:
    """First and last row in the middle column that is tinted, between the bands of words."""
    result = FrameResult(0.0, Level.CLEAR, "x", range_m=range_m, camera_height_m=1.5, horizon=horizon)
    drawn = draw(GREY, result, CAMERA_480, PathSettings(), 1.5)
    rows = np.flatnonzero((drawn[60:440, 320] != 100).any(axis=1)) + 60
    return int(rows[0]), int(rows[-1])


@pytest.mark.parametrize(("horizon", "row"), [(None, 240), (0.5, 240), (0.6, 288), (0.45, 216)])
def test_the_corridor_ends_at_the_foot_of_the_obstacle_wherever_the_camera_looks(horizon, row):
    first, last = corridor_rows(horizon)
    assert first == pytest.approx(row + 500 * 1.5 / 20, abs=3)  # the foot of what is 20 m ahead of the camera
    assert last == 439


@pytest.mark.parametrize("pitch", [-0.05, 0.0, 0.04])
def test_the_horizon_of_a_tilted_plane(pitch):
    camera = Intrinsics.from_focal(640, 192, 371)
    plane = Ground(0.0, 1 / 1.5, pitch / 1.5, 1.0)
    assert plane.horizon(camera) == pytest.approx((96 - 371 * pitch) / 192)


def test_the_warning_reports_the_horizon_of_a_level_road():
    result = CollisionWarner()(frame(road(), image=None))
    assert result.camera_height_m == pytest.approx(HEIGHT_M, rel=0.01)
    assert result.horizon == pytest.approx(0.5, abs=0.01)
    assert '"horizon": 0.' in result.to_json()


@pytest.mark.parametrize("size", [(640, 192), (960, 540), (1242, 376), (540, 960), (320, 180)])
def test_long_words_are_not_cut_off(size):
    width, height = size
    words = "its picture does not grow as its range says: needs 0.45 g after 1.2 s, time to collision 3.0 s"
    health = ("own speed unknown: time to collision alone",)
    result = FrameResult(0.0, Level.CAUTION, words, range_m=58.4, closing_speed_mps=15.6, ttc_s=15.5, health=health)
    drawn = draw(np.zeros((height, width, 3), np.uint8), result, Intrinsics.from_focal(*size, 500), PathSettings(), 0.0)
    across = np.flatnonzero((drawn > 150).all(axis=2).any(axis=0))
    assert across[0] >= 1
    assert across[-1] <= width - 4
    assert across[-1] > 0.6 * width  # they use the room


def test_words_of_a_small_picture_are_as_large_as_can_be_read_and_stay_in_it():
    picture = np.zeros((192, 640, 3), np.uint8)
    words = "obstacle in the path can be avoided with ease"
    result = FrameResult(0.0, Level.CRITICAL, words, range_m=20.4, closing_speed_mps=20.0, ttc_s=1.02)
    drawn = draw(picture, result, Intrinsics.from_focal(640, 192, 371), PathSettings(), 1.5)
    bright = (drawn > 200).all(axis=2)
    foot = np.flatnonzero(bright[150:].any(axis=1))
    assert foot[-1] - foot[0] >= 9
    across = np.flatnonzero(bright.any(axis=0))
    assert across[0] > 4
    assert across[-1] < 600
    assert tuple(drawn[3, 3]) == COLOURS[Level.CRITICAL]
