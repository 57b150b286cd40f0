"""Every kind of bad input becomes "degraded" within half a second, and never a "clear" or an alert."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from collision.roads import CAMERA, board, frame, noisy, road
from lapdepth.collision.frame import Frame, Level
from lapdepth.collision.health import check_picture
from lapdepth.collision.settings import HealthSettings
from lapdepth.collision.warner import CollisionWarner
from lapdepth.errors import InputError

FAULT_FROM = 20
STEP_S = 0.1


def picture(index, low=60, high=180):
    return np.random.default_rng(index).integers(low, high, (48, 160), dtype=np.uint8)


def good(index, depth=None, **known):
    depth = noisy(road(), index, 0.01) if depth is None else depth
    known.setdefault("image", picture(index))
    return frame(depth, index * STEP_S, **known)


def nan(index):
    return good(index, np.full((96, 320), np.nan, np.float32))


def some_nan(index):
    depth = noisy(road(), index, 0.01)
    depth[60:, 100:200] = np.nan
    return good(index, depth)


def no_depth(index):
    depth = road()
    return Frame(depth, index * STEP_S, CAMERA, ego_speed_mps=15.0, valid=np.zeros(depth.shape, bool), image=picture(index))


def infinite(index):
    return good(index, np.full((96, 320), np.inf, np.float32))


def zero(index):
    return good(index, np.zeros((96, 320), np.float32))


def frozen(index):
    return good(index, noisy(road(), FAULT_FROM, 0.01), image=picture(FAULT_FROM))


def frozen_without_picture(index):
    return good(index, noisy(road(), FAULT_FROM, 0.01), image=None)


def covered(index):
    return good(index, image=(np.random.default_rng(index).integers(0, 2, (48, 160)) + 90).astype(np.uint8))


def dirty(index):
    image = picture(index)
    image[20:, 20:150] = 100 + index % 2
    return good(index, image=image)


def dark(index):
    return good(index, image=picture(index, 0, 12))


def wall(index):
    return good(index, noisy(np.full((96, 320), 8, np.float32), index, 0.01))


def nonsense(index):
    return good(index, np.exp(np.random.default_rng(index).uniform(0, 4, (96, 320))).astype(np.float32))


def mast(index):
    return good(index, noisy(road(height_m=9.0), index, 0.01))


def back(index):
    return frame(noisy(road(), index, 0.01), (2 * FAULT_FROM - index) * STEP_S, image=picture(index))


def still(index):
    return frame(noisy(road(), index, 0.01), FAULT_FROM * STEP_S, image=picture(index))


def jumps(index):
    return frame(noisy(road(), index, 0.01), index * STEP_S + 2.0 * (index - FAULT_FROM + 1), image=picture(index))


def jitter(index):
    off = (0.4, -0.35, 0.45, -0.4, 0.0)[index % 5]
    return frame(noisy(road(), index, 0.01), (index + off) * STEP_S, image=picture(index))


def time_nan(index):
    return frame(noisy(road(), index, 0.01), float("nan"), image=picture(index))


FAULTS = [
    nan, some_nan, no_depth, infinite, zero, frozen, frozen_without_picture, covered, dirty, dark, wall, nonsense, mast,
    back, still, jumps, jitter, time_nan,
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_degraded_within_half_a_second(fault):
    warner = CollisionWarner()
    source = good if fault is not frozen_without_picture else lambda index: good(index, image=None)
    for index in range(FAULT_FROM):
        result = warner(source(index))
    assert result.level is Level.CLEAR
    results = [warner(fault(index)) for index in range(FAULT_FROM, FAULT_FROM + 15)]
    levels = [one.level for one in results]
    assert not any(level.alert for level in levels)
    assert levels[5] is Level.DEGRADED  # sixth bad frame: 0.5 s after the first
    first = levels.index(Level.DEGRADED)
    assert set(levels[first:]) == {Level.DEGRADED}
    assert all(level is Level.CLEAR for level in levels[:first])  # what it was before, not a new verdict
    assert results[first].health
    assert results[first].range_m is None


@pytest.mark.parametrize("fault", [one for one in FAULTS if one is not frozen_without_picture], ids=lambda fault: fault.__name__)
def test_bad_from_the_start_is_never_clear(fault):
    warner = CollisionWarner()
    levels = [warner(fault(index)).level for index in range(FAULT_FROM, FAULT_FROM + 15)]
    assert Level.CLEAR not in levels
    assert levels[5] is Level.DEGRADED
    assert not any(level.alert for level in levels)


def test_fault_before_an_obstacle_raises_no_alert():
    warner = CollisionWarner()
    for index in range(40):
        depth = board(noisy(road(), index, 0.01), max(60 - 1.5 * index, 5))
        result = warner(frame(depth if index < 10 else np.full_like(depth, np.nan), index * STEP_S, image=picture(index)))
        assert not result.level.alert


def test_recovers_after_half_a_second():
    warner = CollisionWarner()
    for index in range(10):
        warner(good(index))
    warner(nan(10))
    levels = [warner(good(index)).level for index in range(11, 20)]
    assert levels[:5] == [Level.DEGRADED] * 5
    assert levels[-1] is Level.CLEAR


def test_starts_unknown():
    warner = CollisionWarner()
    levels = [warner(good(index)).level for index in range(8)]
    assert levels[:5] == [Level.UNKNOWN] * 5
    assert levels[-1] is Level.CLEAR


def test_one_frame_repeated_or_dropped_is_no_fault():
    warner = CollisionWarner()
    order = [0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 10, 11, 12, 13]
    levels = []
    for place, index in enumerate(order):
        again = good(index)
        levels.append(warner(frame(again.depth_m, (place if index < 10 else index) * STEP_S, image=again.image)).level)
    assert Level.DEGRADED not in levels


def test_standing_still_is_not_frozen():
    warner = CollisionWarner()
    levels = [warner(good(index, road(), image=picture(0), ego_speed_mps=0.0)).level for index in range(20)]
    assert levels[-1] is Level.CLEAR


@pytest.mark.parametrize(
    ("words", "image", "fault"),
    [
        ("a street", picture(0), None),
        ("the same in colour", np.repeat(picture(0)[..., None], 3, axis=2), None),
        ("night with lamps", np.where(picture(0) > 175, 255, picture(1, 0, 12)).astype(np.uint8), None),
        ("lens cap", np.zeros((48, 160), np.uint8), "picture is dark"),
        ("white sheet", np.full((48, 160, 3), 240, np.uint8), "lens covered or dirty"),
        ("too small to tell", picture(0)[:4, :8], None),
    ],
)
def test_picture(words, image, fault):
    assert check_picture(image, HealthSettings()) == fault, words


def test_wrong_sizes_are_the_callers_fault():
    with pytest.raises(InputError, match=r"depth_m is \(10, 10\)"):
        Frame(np.ones((10, 10), np.float32), 0.0, CAMERA)
    with pytest.raises(InputError, match="image is float32"):
        Frame(road(), 0.0, CAMERA, image=np.ones((4, 4), np.float32))


def moving(shift_px):
    """A street of blocks that runs by."""
    picture = cv2.resize(np.random.default_rng(0).integers(0, 256, (24, 80, 3), np.uint8), (1280, 384))
    return np.ascontiguousarray(picture[:, shift_px : shift_px + 640])


@pytest.mark.parametrize("noise", [0, 2])
def test_a_frozen_picture_that_is_coded_anew_is_frozen(noise):
    """What a compressed video makes of it differs from frame to frame in details, not in the large."""
    rng, warner, levels = np.random.default_rng(1), CollisionWarner(), []
    for i in range(30):
        picture = moving(8 * min(i, 15))
        coded = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90 + i % 3])[1], cv2.IMREAD_COLOR)
        coded = np.clip(coded + rng.normal(0, noise, coded.shape), 0, 255).astype(np.uint8)
        result = warner(replace(frame(road(), i / 10), image=coded, ego_speed_mps=20.0))
        levels.append(result.level)
    assert Level.DEGRADED not in levels[:16]
    assert levels[20:] == [Level.DEGRADED] * 10
    assert result.reason == "picture is frozen"


@pytest.mark.parametrize("speed", [-15.0, 1e6, 1e300, float("nan")])
def test_an_own_speed_that_no_vehicle_has_is_unknown(speed):
    warner = CollisionWarner()
    for i in range(8):
        result = warner(replace(frame(noisy(road(), i, 0.01), i / 10), ego_speed_mps=speed))
    assert result.scale_free
    assert result.health[0].startswith("own speed unknown")


def test_a_speed_that_is_missing_for_a_moment_is_the_last_one():
    whole, holes = CollisionWarner(), CollisionWarner()
    for i in range(25):
        seen = frame(board(road(), 40 - 1.5 * i), i / 10)
        steady = whole(replace(seen, ego_speed_mps=15.0))
        broken = holes(replace(seen, ego_speed_mps=None if i % 5 == 3 else 15.0))
        assert (steady.level, steady.ttc_s) == (broken.level, broken.ttc_s)
    assert broken.ttc_s is not None


def test_a_speed_that_is_lost_leaves_the_time_to_collision():
    warner, times = CollisionWarner(), []
    for i in range(34):
        seen = frame(board(road(), 60 - 1.5 * i), i / 10)
        result = warner(replace(seen, ego_speed_mps=15.0 if i < 12 else None))
        times.append((result.ttc_s, (60 - 1.5 * i) / 15))
    assert result.scale_free
    for got_s, true_s in times[12:]:
        assert got_s == pytest.approx(true_s, rel=0.1)
