"""The time line: where things are when, against formulas written out again."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

pytest.importorskip("torch", reason="the renderer needs the torch extra")

from lapdepth.errors import ConfigError
from lapdepth.synthetic.motion import camera_pose, object_pose, place_at, road_place, travelled, walked_m
from lapdepth.synthetic.render import Renderer
from lapdepth.synthetic.scene import Arc, Camera, Ground, Key, Leg, Motion, Road, Scene, Thing, load_scene

FLAT = Ground()


def test_constant_speed_and_braking_to_a_stop():
    motion = Motion(speed_mps=20, legs=(Leg(duration_s=2), Leg(duration_s=10, acceleration_mps2=-4)))
    assert travelled(motion, 1.5) == pytest.approx((30, 20))
    assert travelled(motion, 4.0) == pytest.approx((40 + 40 - 8, 12))
    assert travelled(motion, 7.0) == pytest.approx((40 + 50, 0))  # stops after 20 / 4 s and 50 m
    assert travelled(motion, 60.0) == pytest.approx((90, 0))
    assert travelled(motion, -1.0) == pytest.approx((-20, 20))


def test_accelerating_goes_on_at_the_speed_reached():
    motion = Motion(speed_mps=5, legs=(Leg(duration_s=3, acceleration_mps2=2),))
    assert travelled(motion, 5.0) == pytest.approx((15 + 9 + 22, 11))


def test_circle_in_the_world():
    """A quarter of a circle of 50 m to the right ends 50 m ahead and 50 m to the right, heading right."""
    motion = Motion(speed_mps=10, curvature_per_m=1 / 50)
    assert place_at(motion, None, 25 * math.pi / 10) == pytest.approx((50, 50, math.pi / 2))


def test_road_bends_and_goes_on_straight():
    road = Road(arcs=(Arc(length_m=100), Arc(length_m=25 * math.pi, curvature_per_m=-1 / 50)))
    assert road_place(road, 60, 2) == pytest.approx((2, 60, 0))
    assert road_place(road, -10, 2) == pytest.approx((2, -10, 0))
    end = 100 + 25 * math.pi
    assert road_place(road, end) == pytest.approx((-50, 150, -math.pi / 2))
    assert road_place(road, end + 30, 3) == pytest.approx((-80, 153, -math.pi / 2))  # to the right of leftwards is ahead


def test_lane_change_is_half_way_at_half_time():
    motion = Motion(z_m=5, speed_mps=10, sway=((1, 0), (3, 3.5)))
    assert place_at(motion, None, 0.5) == pytest.approx((0, 10, 0))
    x, z, yaw = place_at(motion, None, 2)
    assert (x, z) == pytest.approx((1.75, 25))
    assert math.tan(yaw) == pytest.approx(3.5 / 2 * math.pi / 2 / 10)
    assert place_at(motion, None, 9) == pytest.approx((3.5, 95, 0))


def test_keys_are_joined_by_straight_lines():
    motion = Motion(keys=(Key(time_s=0), Key(time_s=2, x_m=1, z_m=4, yaw_deg=90, pitch_deg=20)))
    assert place_at(motion, None, 1) == pytest.approx((0.5, 2, math.pi / 4))
    assert place_at(motion, None, 5) == pytest.approx((1, 4, math.pi / 2))
    pose = camera_pose(Camera(motion=motion), FLAT, None, 5)
    assert pose[1, 2] == pytest.approx(math.sin(math.radians(20)))  # looks down


def test_lead_vehicle_is_where_it_should_be():
    """Ego at 20 m/s, lead at 10 m/s from 42 m ahead with a face 2 m before its middle: 40 - 10 t metres."""
    lead = Thing(kind="box", size_m=(1.8, 1.5, 4), motion=Motion(z_m=42, speed_mps=10))
    camera = Camera(width=64, height=48, focal_px=50, height_m=1.2, motion=Motion(speed_mps=20))
    renderer = Renderer(Scene(camera=camera, objects=(lead,), duration_s=3))
    for time_s in (0.0, 0.7, 2.0, 3.0):
        depth_m, ids = renderer.depth(time_s)
        assert ids[24, 32] == 2
        assert depth_m[24, 32] == pytest.approx(40 - 10 * time_s, rel=1e-6)


def test_lead_on_a_bend_keeps_its_distance_along_the_road():
    road = Road(arcs=(Arc(length_m=50), Arc(length_m=200, curvature_per_m=0.01)))
    ego, lead = Motion(on="road", x_m=1.75, speed_mps=10), Motion(on="road", x_m=1.75, z_m=30, speed_mps=10)
    x0, z0, yaw0 = place_at(ego, road, 10)
    x1, z1, yaw1 = place_at(lead, road, 10)
    assert yaw1 - yaw0 == pytest.approx(0.3)
    assert math.hypot(x1 - x0, z1 - z0) == pytest.approx(2 * (100 - 1.75) * math.sin(0.15))


def test_standing_upright_or_with_the_slope():
    ground = Ground(grade=0.1)
    car = object_pose(Thing(kind="box", motion=Motion(z_m=10)), ground, None, 0)
    pole = object_pose(Thing(kind="pole", motion=Motion(z_m=10)), ground, None, 0)
    assert car[1, 3] == pole[1, 3] == pytest.approx(-1)
    np.testing.assert_allclose(pole[:3, :3], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(car[:3, 2], np.array([0, -0.1, 1]) / math.hypot(0.1, 1), atol=1e-12)
    for pose in (car, pole):
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)


def test_frames_of_a_time_line():
    assert Scene(duration_s=2, frames_per_s=10).frames == 21
    assert Scene().frames == 1
    assert Scene(duration_s=9999.9, frames_per_s=10).frames == 100_000
    for duration_s, frames_per_s in ((10_000, 10), (1e300, 1e300)):
        with pytest.raises(ValidationError, match="is more than 100000 pictures"):
            Scene(duration_s=duration_s, frames_per_s=frames_per_s)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 3", "unknown key 'colour'"),
        ("[camera]\nfocal_px = -1", "camera.focal_px: Input should be greater than or equal to 0.1, got '-1'"),
        ("[[objects]]\nkind = 'dragon'", "objects.0.kind: .*got 'dragon'"),
        ("[[objects]]\nkind = 'prism'", "a prism has an outline_m of three corners"),
        ("[[objects]]\nkind = 'mesh'\nvertices_m = [[0, 0, 0]]\nfaces = [[0, 1, 2]]", "faces must number the vertices"),
        ("[[objects]]\nkind = 'box'\nmotion = { on = 'road' }", "the scene has no road"),
        ("[camera]\nmotion = { sway = [[2, 0], [1, 3]] }", "times of sway must rise"),
        ("[camera]\nmotion = { speed_mps = 3, keys = [{ time_s = 0 }] }", "keys stand in place of speed_mps"),
        ("name = '../up'", "name: "),
        ("[camera]\nfocal_px = 1e-300", "camera.focal_px: .*greater than or equal to 0.1"),
        ("[camera]\ncx_px = 1e308", "camera.cx_px: .*less than or equal to 1000000"),
        ("[camera]\nmotion = { speed_mps = 1e308 }", "camera.motion.speed_mps: .*less than or equal to 1000"),
        ("[camera]\nmotion = { speed_mps = 1, curvature_per_m = 1e308 }", "curvature_per_m: .*less than or equal to 10,"),
        ("[camera]\nmotion = { keys = [{ time_s = 0, x_m = 1e308 }, { time_s = 1, x_m = -1e308 }] }", "keys.0.x_m: .*and 1 more"),
        ("frames_per_s = 1e-300", "frames_per_s: .*greater than or equal to 0.001"),
        ("[ground]\nwaves = [{ amplitude_m = 1e308, length_m = 50 }]", "waves.0.amplitude_m: .*less than or equal to 1000"),
        ("[road]\narcs = [{ length_m = 1e308 }]", "road.arcs.0.length_m: .*less than or equal to 100000"),
        ("[road]\narcs = [{ length_m = 6e4 }, { length_m = 6e4 }]", "arcs have 120000 m; expected at most 100000 m together"),
        (
            "[road]\narcs = [{ length_m = 2e4 }]\n[ground]\nwaves = [{ amplitude_m = 1, length_m = 50 }]",
            "arcs have 20000 m; expected at most 10000 m together where the ground has waves",
        ),
        ("[[objects]]\nkind = 'tree'\nsize_m = [1e-300, 1, 1]", "size_m.0: .*greater than or equal to 0.001"),
        ("[[objects]]\nkind = 'rail'\nsize_m = [0.1, 1, 1e12]", "size_m.2: .*less than or equal to 10000"),
        ("[[objects]]\nkind = 'cupboard'\nsize_m = [400, 400, 1]", "size_m of a cupboard .* expected at most 20 m each way"),
        ("[[objects]]\nkind = 'house'\nsize_m = [9, 9, 3000]", "size_m of a house .* expected at most 200 m each way"),
        ("name = ", "is not TOML"),
    ],
)
def test_bad_scene_is_one_clear_line(tmp_path, text, message):
    path = tmp_path / "scene.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_scene(path)
    assert "\n" not in str(caught.value)


def test_scene_is_frozen_and_the_same_from_its_own_json():
    scene = Scene(objects=(Thing(kind="box", motion=Motion(z_m=3)),), road=Road())
    with pytest.raises(ValidationError):
        scene.seed = 3
    assert Scene.model_validate_json(scene.model_dump_json()) == scene


def test_walkers_feet_stay_on_the_ground_and_swing():
    """Over a stride the lowest point of somebody who walks keeps to the ground, and its legs swing."""
    thing = Thing(kind="pedestrian", size_m=(0.5, 1.8, 0.5), motion=Motion(speed_mps=1.5))
    renderer = Renderer(Scene(objects=(thing,)))
    world = renderer.world
    owner, corners = world.owner.numpy(), world.corners.numpy()
    mine, left_foot = world.instance.numpy()[owner] == 2, owner == 3
    ahead = []
    for time_s in np.linspace(0, 1, 21):
        poses = renderer._poses(float(time_s)).numpy()
        points = np.einsum("fij,fcj->fci", poses[owner][:, :3, :3], corners) + poses[owner][:, None, :3, 3]
        up = -points[..., 1]
        assert abs(up[mine].min()) < 0.035
        assert up[mine].max() == pytest.approx(1.8, abs=0.06)
        ahead.append(points[left_foot][..., 2].mean() - 1.5 * time_s)
    assert np.ptp(ahead) > 0.3  # the knee


def test_who_stands_has_no_limbs_of_their_own():
    standing = Renderer(Scene(objects=(Thing(kind="pedestrian"),))).world
    assert not standing.walkers
    assert standing.instance.tolist() == [1, 2]


def test_distance_walked_through_keys():
    motion = Motion(keys=(Key(time_s=0), Key(time_s=2, x_m=3, z_m=4), Key(time_s=3, x_m=3, z_m=5)))
    assert [walked_m(motion, time_s) for time_s in (-1, 1, 2.5, 9)] == pytest.approx([0, 2.5, 5.5, 6])
    assert walked_m(Motion(speed_mps=2), 3) == pytest.approx(6)
