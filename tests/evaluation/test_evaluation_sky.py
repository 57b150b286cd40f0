"""Sky that is near, far or left out, as the data tell it and by its looks."""

import numpy as np
import pytest

from lapdepth.camera import Intrinsics
from lapdepth.data.sample import Sample
from lapdepth.evaluation.evaluate import evaluate, evaluate_part, summed
from lapdepth.evaluation.protocols import PROTOCOLS
from lapdepth.evaluation.sky import Sky, SkyCounter

PLAIN, GARG, LAPDEPTH = (PROTOCOLS[name] for name in ("plain", "kitti-garg", "kitti-lapdepth"))
KITTI_SIZE = (375, 1242)


def counted(predicted_m, truth_m, sky, by_looks=False):
    counter = SkyCounter()
    counter.add(np.array([predicted_m], np.float32), np.array([truth_m], np.float32), np.array([sky], bool), by_looks)
    return counter


def test_near_far_and_left_out():
    # Sky at 5, 30, 80 and 200 m, and left out; the median of what was measured is 20 m.
    found = counted([5, 30, 80, 200, np.inf, 1, 1, 1], [0, 0, 0, 0, 0, 10, 20, 60], [1, 1, 1, 1, 1, 0, 0, 0]).result()
    assert found == Sky(1, 0, pixels=5, near=2 / 5, before_median=1 / 5, inner_pixels=5, inner_near=2 / 5)
    assert found.source == "sky as the data tell it"


def test_nothing_measured_is_nothing_to_be_before():
    assert counted([5, 5], [0, 0], [1, 0]).result() == Sky(1, 0, 1, near=1.0, before_median=0.0, inner_pixels=1, inner_near=1.0)


def test_no_sky():
    assert SkyCounter().result() is None
    assert counted([5, 5], [10, 10], [0, 0]).result() is None


def test_every_pixel_counts_the_same_and_parts_add_up():
    one = counted([5, 5, 100, 1], [0, 0, 0, 9], [1, 1, 1, 0])
    one.merge(counted([100, 1], [0, 9], [1, 0], by_looks=True))
    found = one.result()
    assert found == Sky(2, 1, 4, near=0.5, before_median=0.5, inner_pixels=4, inner_near=0.5)
    assert found.source == "sky by its looks in 1 of 2 pictures, an estimate"
    assert counted([5, 5], [0, 9], [1, 0], by_looks=True).result().source == "sky by its looks, an estimate"


def square_in_sky(near_px):
    """Sky round a square of 40 pixels, near up to `near_px` from its sides. 1/200 of the picture's width is 2 pixels."""
    sky = np.ones((200, 400), bool)
    sky[80:120, 80:120] = False
    predicted_m = np.full(sky.shape, 100, np.float32)
    predicted_m[80 - near_px : 120 + near_px, 80:120] = predicted_m[80:120, 80 - near_px : 120 + near_px] = 10
    counter = SkyCounter()
    counter.add(predicted_m, np.where(sky, np.float32(0), np.float32(9)), sky, by_looks=False)
    return counter.result()


def test_near_sky_along_an_edge_is_the_rim_and_any_more_is_not():
    found = square_in_sky(2)
    pixels = 200 * 400 - 40 * 40
    rim = 4 * 2 * 40 + 4  # along the sides, and one pixel at each corner, 1.4 away
    assert (found.pixels, found.inner_pixels, found.inner_near) == (pixels, pixels - rim, 0)
    assert found.near == 4 * 2 * 40 / pixels
    assert square_in_sky(3).inner_near == 4 * 40 / (pixels - rim)


def test_a_picture_of_sky_alone_has_no_rim_and_a_thin_strip_nothing_else():
    counter = SkyCounter()
    everywhere = np.ones((200, 400), bool)
    counter.add(np.full((200, 400), 5, np.float32), np.zeros((200, 400), np.float32), everywhere, by_looks=False)
    assert (counter.result().inner_pixels, counter.result().inner_near) == (200 * 400, 1)
    strip = np.zeros((200, 400), bool)
    strip[50:52] = True
    counter = SkyCounter()
    counter.add(np.full((200, 400), 5, np.float32), np.zeros((200, 400), np.float32), strip, by_looks=False)
    assert (counter.result().near, counter.result().inner_pixels, counter.result().inner_near) == (1, 0, None)


# --- within an evaluation


def road(told=False, size=KITTI_SIZE, seed=0):
    """A white sky in the upper third, textured ground below it, measured in every fourth row and column, 5 to 30 m."""
    height, width = size
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 120, (height, width, 3)).astype(np.uint8)
    horizon = height // 3
    image[:horizon] = 250
    depth_m = np.zeros(size, np.float32)
    down = np.linspace(30, 5, height - horizon - 20, dtype=np.float32)
    depth_m[horizon + 20 :: 4, ::4] = down[::4, None]
    sky = np.zeros(size, bool)
    sky[:horizon] = True
    return Sample(
        f"road {seed}", f"road {seed}", image, depth_m, Intrinsics.from_focal(width, height, 700.0), None, sky if told else None
    )


def painted(sky_m, valid=True):
    """Predicts `sky_m` where it is white and 12 m on the ground; the sky counts if `valid`."""

    def predict(image, camera):
        sky = image[..., 0] == 250
        return np.where(sky, np.float32(sky_m), np.float32(12)), None, ~sky | valid

    return predict


@pytest.mark.parametrize(
    ("sky_m", "valid", "near", "before"), [(9, True, 1, 1), (60, True, 1, 0), (90, True, 0, 0), (9, False, 0, 0)]
)
@pytest.mark.parametrize(("told", "protocol"), [(False, GARG), (False, LAPDEPTH), (True, GARG), (True, PLAIN)])
def test_sky_of_a_road(told, protocol, sky_m, valid, near, before):
    found = evaluate(painted(sky_m, valid), [road(told)], protocol).sky
    assert (found.near, found.before_median) == (near, before)
    assert found.by_looks == (not told)
    rows, columns = (125, 1242) if protocol is PLAIN else (125 - 23, 1216)  # what is cut off the top was not shown
    assert found.pixels == pytest.approx(rows * columns, rel=0 if told else 0.05)


def test_sky_does_not_change_the_metrics():
    done = [evaluate(painted(m, valid), [road()], GARG) for m, valid in ((9, True), (90, True), (9, False))]
    assert done[0].metrics == done[1].metrics == done[2].metrics


def test_no_other_cap_moves_what_is_near():
    assert evaluate(painted(60), [road()], GARG, cap_m=20).sky == evaluate(painted(60), [road()], GARG).sky


def test_a_wall_is_no_sky():
    assert evaluate(painted(3), [road()], PLAIN).sky is None
    indoors = road(size=(480, 640))
    indoors.depth_m[indoors.depth_m > 0] /= 10
    assert evaluate(painted(3), [indoors], PROTOCOLS["nyu-eigen"]).sky is None


def test_a_pale_wall_that_ends_below_the_picture_s_top_is_no_sky():
    """It reaches the top of the window that the model was shown, which begins in row 23."""
    walled = road()
    walled.image[:10] = 60
    assert evaluate(painted(3), [walled], GARG).sky is None


def test_processes_share_sky_and_edges():
    """The truth of these has edges between the measured ground and the sky that is told."""
    samples = [road(told=True, size=(60, 80), seed=i) for i in range(5)]
    for one in samples:
        one.depth_m[~one.sky] = 8
    alone = evaluate(painted(60), samples, PLAIN)
    parts = [evaluate_part(painted(60), [(i, samples[i]) for i in places], PLAIN) for places in ((0, 2, 4), (1, 3))]
    shared = summed(parts, PLAIN)
    assert shared.sky == alone.sky
    assert shared.boundary_f1 == alone.boundary_f1
    assert (alone.boundary_f1.mean, alone.boundary_f1.pictures) == (1, 5)


def test_sky_that_the_model_leaves_out_is_far_for_edges():
    told = road(told=True, size=(60, 80))
    told.depth_m[~told.sky] = 8
    assert evaluate(painted(12, valid=False), [told], PLAIN).boundary_f1.mean == 1
    assert evaluate(painted(12), [told], PLAIN).boundary_f1.mean == 0


def test_edges_are_scored_in_the_window_that_was_shown():
    """NYU's frame is not shown: an edge there is none."""
    room = road(size=(480, 640))
    room.depth_m[:] = 2
    room.depth_m[:30] = 4
    assert evaluate(painted(3), [room], PROTOCOLS["nyu-eigen"]).boundary_f1 is None
    room.depth_m[:100] = 4
    assert evaluate(painted(3), [room], PROTOCOLS["nyu-eigen"]).boundary_f1.mean == 0


def test_sky_found_by_its_looks_is_no_truth_for_edges():
    assert evaluate(painted(3), [road()], GARG).boundary_f1 is None
