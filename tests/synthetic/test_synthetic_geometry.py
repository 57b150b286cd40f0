"""Rendered depth against closed forms, at pixel centres."""

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="the renderer needs the torch extra")

from lapdepth.camera import Intrinsics
from lapdepth.synthetic.render import Renderer, render_depth
from lapdepth.synthetic.scene import Camera, Ground, Motion, Road, Scene, Thing, Wave

SMALL = Camera(width=64, height=48, focal_px=50, height_m=1.5)


def columns_rows(camera):
    """(x, y) of each pixel's centre at depth 1, written out again."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    return (u - (camera.width - 1) / 2) / camera.focal_px, (v - (camera.height - 1) / 2) / camera.focal_px


@pytest.mark.parametrize(("pitch_deg", "roll_deg"), [(0, 0), (12, 0), (-9, 0), (0, 20), (7, -15), (90, 0)])
def test_plane_under_a_tilted_camera(pitch_deg, roll_deg):
    camera = SMALL.model_copy(update={"pitch_deg": pitch_deg, "roll_deg": roll_deg})
    depth_m, ids = render_depth(Scene(camera=camera, ground=Ground(reach_m=20000)))
    x, y = columns_rows(camera)
    p, r = math.radians(pitch_deg), math.radians(roll_deg)
    # the camera's right side goes down by the roll, its axis down by the pitch: the part of each axis that points down
    down = x * math.sin(r) * math.cos(p) + y * math.cos(r) * math.cos(p) + math.sin(p)
    sees = down > 1.5 / 5000  # the sheet ends somewhere
    np.testing.assert_allclose(depth_m[sees], 1.5 / down[sees], rtol=2e-6)
    assert (ids[sees] == 1).all()
    sky = down < 0
    assert np.isinf(depth_m[sky]).all()
    assert (ids[sky] == 0).all()


def test_slope_carries_the_camera_along():
    """On a slope all round, ground and camera lean alike: but for the height, taken vertically, nothing changes."""
    flat, _ = render_depth(Scene(camera=SMALL))
    slope, _ = render_depth(Scene(camera=SMALL, ground=Ground(grade=0.2)))
    near = flat < 200
    np.testing.assert_allclose(slope[near], flat[near] * math.cos(math.atan(0.2)), rtol=1e-5)


def test_box_face_at_its_distance():
    camera = SMALL.model_copy(update={"height_m": 1.52})
    thing = Thing(kind="box", size_m=(2.1, 1.1, 4.2), motion=Motion(x_m=0.6, z_m=12.1))
    depth_m, ids = render_depth(Scene(camera=camera, objects=(thing,)))
    x, y = columns_rows(SMALL)
    on_face = (abs(x * 10 - 0.6) <= 1.05) & (y * 10 <= 1.52) & (y * 10 >= 0.42)
    assert on_face.sum() == 60
    np.testing.assert_allclose(depth_m[on_face], 10, rtol=1e-6)
    # its top is 0.42 m under the camera
    top = 0.42 / np.where(y > 0, y, np.inf)
    on_top = (top > 10) & (top < 14.2) & (abs(x * top - 0.6) <= 1.05)
    np.testing.assert_allclose(depth_m[on_top], top[on_top], rtol=1e-6)
    assert ((ids == 2) == (on_face | on_top)).all()


def test_turned_box_shows_its_corner():
    """Turned by 45 degrees, the nearest edge stands half a diagonal before the middle, and depth grows with |x|."""
    camera = SMALL.model_copy(update={"width": 65})
    thing = Thing(kind="box", size_m=(2, 3, 2), motion=Motion(z_m=8, yaw_deg=45))
    depth_m, _ = render_depth(Scene(camera=camera, objects=(thing,)))
    x = (np.arange(65) - 32) / 50
    near_m = 8 - math.sqrt(2)
    expected = near_m / (1 - abs(x))  # z = near + |x| z
    seen = abs(x * expected) < math.sqrt(2) - 1e-6
    np.testing.assert_allclose(depth_m[20, seen], expected[seen], rtol=1e-6)


def test_yaw_turns_to_the_right():
    thing = Thing(kind="box", size_m=(0.2, 3, 6), motion=Motion(z_m=10, yaw_deg=30))
    depth_m, ids = render_depth(Scene(camera=SMALL, objects=(thing,)))
    columns = np.nonzero(ids[24] == 2)[0]
    # its middle line goes from (-1.5, 7.4) to (1.5, 12.6)
    assert columns[0] == pytest.approx(31.5 - 1.5 / 7.4 * 50, abs=1)
    assert columns[-1] == pytest.approx(31.5 + 1.5 / 12.6 * 50, abs=1)
    assert depth_m[24, columns[0] + 1] < 8
    assert depth_m[24, columns[-1]] > 12


def test_cylinder_within_its_polygon():
    thing = Thing(kind="cylinder", size_m=(2, 3, 2), motion=Motion(z_m=6))
    depth_m, ids = render_depth(Scene(camera=SMALL, objects=(thing,)))
    x, _ = columns_rows(SMALL)
    a, b, c = 1 + x**2, -12.0, 36.0 - 1.0  # x^2 t^2 + (t - 6)^2 = 1
    root = b**2 - 4 * a * c
    surely = (root > 0.5) & (ids == 2)
    assert surely.sum() > 400
    expected = (-b - np.sqrt(np.maximum(root, 0))) / (2 * a)
    # a prism of 32 sides lies inside the circle by at most r (1 - cos(pi / 32)), seen at a slant
    sag = 1 - math.cos(math.pi / 32)
    error = (depth_m - expected)[surely]
    assert error.min() > -1e-5
    assert error.max() < sag * 4
    assert error[abs(x[surely]) < 0.05].max() < sag * 1.1


def test_wedge_rises_ahead():
    camera = SMALL.model_copy(update={"height_m": 3.0, "pitch_deg": 15})
    thing = Thing(kind="wedge", size_m=(4, 1, 6), motion=Motion(z_m=8))  # from (z 5, up 0) to (z 11, up 1)
    depth_m, ids = render_depth(Scene(camera=camera, objects=(thing,)))
    x, y = columns_rows(camera)
    p = math.radians(15)
    down, ahead = y * math.cos(p) + math.sin(p), math.cos(p) - y * math.sin(p)
    expected = (3 + 5 / 6) / (down + ahead / 6)  # 3 - t down = (t ahead - 5) / 6
    inside = (expected * ahead > 5.01) & (expected * ahead < 10.99) & (abs(x * expected) < 1.99)
    assert inside.sum() > 100
    np.testing.assert_allclose(depth_m[inside], expected[inside], rtol=1e-6)
    assert (ids[inside] == 2).all()


def test_nearer_hides_farther_in_any_order():
    near = Thing(kind="box", size_m=(1, 3, 1), motion=Motion(z_m=5.5))
    far = Thing(kind="box", size_m=(8, 3, 1), motion=Motion(z_m=9.5))
    for objects, near_id, far_id in (((near, far), 2, 3), ((far, near), 3, 2)):
        depth_m, ids = render_depth(Scene(camera=SMALL, objects=objects))
        assert depth_m[24, 31] == pytest.approx(5)
        assert ids[24, 31] == near_id
        assert depth_m[24, 20] == pytest.approx(9)
        assert ids[24, 20] == far_id


def test_what_begins_behind_the_camera():
    """A beam along the left, from behind to 20 m ahead, is neither lost nor mirrored."""
    thing = Thing(kind="box", size_m=(1, 4, 40), motion=Motion(x_m=-2, z_m=0))
    depth_m, ids = render_depth(Scene(camera=SMALL, objects=(thing,)))
    x, y = columns_rows(SMALL)
    side = -1.5 / np.where(x < 0, x, -np.inf)
    beam = (x < 0) & (side < 20) & (y * side < 1.499) & (y * side > -2.499)
    np.testing.assert_allclose(depth_m[beam], side[beam], rtol=1e-6)
    assert (ids[beam] == 2).all()
    assert (ids[:, 32:] != 2).all()


def test_neighbouring_triangles_leave_no_gap():
    """A relief of thousands of triangles covers every pixel below the horizon."""
    camera = Camera(width=320, height=200, focal_px=150, height_m=6, pitch_deg=55, roll_deg=3.3)
    ground = Ground(waves=(Wave(amplitude_m=1, length_m=40, heading_deg=23),), reach_m=3000)
    depth_m, ids = render_depth(Scene(camera=camera, ground=ground))
    assert (ids == 1).all()
    assert np.isfinite(depth_m).all()


def test_relief_is_where_the_sine_says():
    """Points of the back-projected depth lie on the sine, within what a square of 8 m cuts off."""
    wave = Wave(amplitude_m=2, length_m=150, phase_deg=40)
    scene = Scene(camera=SMALL.model_copy(update={"pitch_deg": 10}), ground=Ground(waves=(wave,)))
    depth_m, _ = render_depth(scene)
    pose = Renderer(scene).pose(0)
    x, y = columns_rows(SMALL)
    points = np.stack([x, y, np.ones_like(x)], -1)[depth_m < 60] * depth_m[depth_m < 60][:, None]
    world = points @ pose[:3, :3].T + pose[:3, 3]
    phase = math.radians(40)
    height = 2 * (np.sin(2 * math.pi * world[:, 2] / 150 + phase) - math.sin(phase))
    assert len(world) > 500
    assert abs(-world[:, 1] - height).max() < 2 * (2 * math.pi / 150) ** 2 * 8**2 / 8 + 1e-6


def test_pixel_centres_follow_the_toolkits_camera():
    """Depth at half the size equals depth of a camera made by `Intrinsics.resized`, not every second pixel."""
    scene = Scene(camera=SMALL)
    half, _ = render_depth(scene, size=(24, 32))
    small = Intrinsics.from_focal(64, 48, 50).resized(32, 24)
    y = (np.arange(24) - small.cy_px) / small.fy_px
    np.testing.assert_allclose(half[y > 0.01, 16], 1.5 / y[y > 0.01], rtol=1e-6)


def test_prism_and_mesh_stand_where_told():
    corner = Thing(kind="prism", size_m=(1, 2, 1), outline_m=((-1, -1), (1, -1), (1, 1), (0, 0), (-1, 1)), motion=Motion(z_m=7))
    depth_m, _ = render_depth(Scene(camera=SMALL, objects=(corner,)))
    assert depth_m[24, 31] == pytest.approx(6)
    behind = Motion(z_m=7, yaw_deg=180)  # the notch now faces the camera: 7 m at the middle, 6 at the sides
    depth_m, _ = render_depth(Scene(camera=SMALL, objects=(corner.model_copy(update={"motion": behind}),)))
    x = (31 - 31.5) / 50
    assert depth_m[24, 31] == pytest.approx(7 / (1 + abs(x)), rel=1e-6)
    sail = Thing(kind="mesh", vertices_m=((-1, 0, 0), (1, 0, 0), (0, 3, 0)), faces=((0, 1, 2),), motion=Motion(z_m=5))
    depth_m, ids = render_depth(Scene(camera=SMALL, objects=(sail,)))
    assert depth_m[24, 31] == pytest.approx(5)
    assert (ids == 2).sum() == pytest.approx(3 * (50 / 5) ** 2, rel=0.05)


def test_road_lies_on_the_plane():
    scene = Scene(camera=SMALL, road=Road(pavement_m=2.0))
    depth_m, ids = render_depth(scene)
    x, y = columns_rows(SMALL)
    t = 1.5 / np.where(y > 0.005, y, np.inf)
    asphalt = (t > 0) & (abs(x * t) < 3.9) & (t < 350)
    np.testing.assert_allclose(depth_m[asphalt], t[asphalt], rtol=1e-6)
    raised = 1.38 / np.where(y > 0.02, y, np.inf)
    pavement = (raised > 0) & (abs(x * raised) > 4.2) & (abs(x * raised) < 6)
    np.testing.assert_allclose(depth_m[pavement], raised[pavement], rtol=1e-6)
    assert (ids[asphalt | pavement] == 1).all()
