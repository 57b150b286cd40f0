"""Scenes drawn by a seed, and what only they have: junctions, overpasses, open ground."""

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="the renderer needs the torch extra")

from lapdepth.synthetic.drives import drive_scene
from lapdepth.synthetic.fields import NEAR_M, open_scene
from lapdepth.synthetic.motion import place_at, road_place
from lapdepth.synthetic.motorways import motorway_scene
from lapdepth.synthetic.render import render_depth
from lapdepth.synthetic.roads import road_scene
from lapdepth.synthetic.scene import Camera, Junction, Motion, Road, Scene, Thing

SEEDS = range(60)
SMALL = Camera(width=64, height=48, focal_px=50, height_m=1.5)


@pytest.fixture(scope="module")
def drives():
    return [drive_scene(seed) for seed in SEEDS]


def test_a_seed_is_a_scene():
    assert drive_scene(3) == drive_scene(3) != drive_scene(4)
    assert open_scene(3) == open_scene(3) != open_scene(4)
    assert motorway_scene(3) == motorway_scene(3) != motorway_scene(4)


def test_a_drive_is_the_road_of_its_seed_and_more(drives):
    for seed, drive in zip(SEEDS, drives, strict=True):
        road = road_scene(seed)
        assert drive.road.model_copy(update={"junctions": ()}) == road.road
        assert (drive.camera, drive.light, drive.duration_s) == (road.camera, road.light, road.duration_s)
        assert {thing for thing in road.objects if thing.motion.moves and thing.kind != "pedestrian"} <= set(drive.objects)
    assert any(drive.road.junctions for drive in drives)
    assert any(thing.kind == "bridge" for drive in drives for thing in drive.objects)
    assert any(len(drive.ground.waves) > len(road_scene(seed).ground.waves) for seed, drive in zip(SEEDS, drives, strict=True))


def test_nothing_stands_on_a_side_road(drives):
    seen = 0
    for drive in drives:
        for junction in drive.road.junctions:
            for thing in drive.objects:
                if thing.kind in ("car", "van", "pedestrian", "bridge") or thing.motion.moves:
                    continue
                own_x, own_z, _ = place_at(thing.motion, drive.road, 0.0)
                for side, edge in ((-1, drive.road.edges_m[0]), (1, drive.road.edges_m[1])):
                    for out in range(0, int(junction.length_m), 2) if junction.meets(side) else ():
                        x, z, _ = road_place(drive.road, junction.along_m, edge + side * out)
                        assert math.hypot(own_x - x, own_z - z) > junction.width_m / 2
                        seen += 1
    assert seen > 1000


def test_on_a_motorway_somebody_drives_ahead_and_nothing_stands_in_the_way():
    lanes = set()
    for scene in map(motorway_scene, SEEDS):
        road, own = scene.road, scene.camera.motion
        lanes.add((road.lanes_left, road.lanes_right))
        low, high = road.edges_m
        assert 0 < own.x_m < road.lane_width_m * road.lanes_right
        ahead = [
            thing.motion.z_m
            for thing in scene.objects
            if thing.motion.moves and abs(thing.motion.x_m - own.x_m) < 0.61 and not thing.motion.yaw_deg
        ]
        assert 8 <= min(ahead) <= 70
        for thing in scene.objects:
            if thing.motion.moves:
                assert low < thing.motion.x_m < high
                assert (thing.motion.yaw_deg == 180) == (thing.motion.x_m < 0)  # the left lanes come towards
            elif thing.kind not in ("gantry", "bridge"):
                half = thing.size_m[0] / 2 if thing.size_m else 0.5
                assert not low < thing.motion.x_m + half * math.copysign(1, -thing.motion.x_m) < high
    assert {left for left, _ in lanes} == {0, 1, 2}
    assert max(right for _, right in lanes) == 4
    kinds = {thing.kind for seed in SEEDS for thing in motorway_scene(seed).objects}
    assert kinds == {"car", "van", "truck", "motorcycle", "rail", "tree", "bush", "pole", "house", "gantry", "bridge"}


def test_a_side_road_lies_on_the_plane_and_lets_the_pavement_down():
    x, y = np.meshgrid((np.arange(64) - 31.5) / 50, (np.arange(48) - 23.5) / 50)
    plane_m = 1.5 / np.where(y > 0.02, y, np.inf)
    beside = (plane_m > 0) & (abs(x * plane_m) > 4.3) & (abs(x * plane_m) < 5.8)
    mouth = beside & (abs(plane_m - 12) < 3)
    plain, _ = render_depth(Scene(camera=SMALL, road=Road(pavement_m=2.0)))
    met, _ = render_depth(Scene(camera=SMALL, road=Road(pavement_m=2.0, junctions=(Junction(along_m=12, width_m=7),))))
    one, _ = render_depth(
        Scene(camera=SMALL, road=Road(pavement_m=2.0, junctions=(Junction(along_m=12, width_m=7, sides="left"),)))
    )
    assert mouth.sum() > 4
    np.testing.assert_allclose(met[mouth], plane_m[mouth], rtol=0.004)  # 4 mm above it
    assert (plain[mouth] < 0.95 * plane_m[mouth]).all()  # without a junction the pavement is 12 cm nearer
    np.testing.assert_array_equal(one[mouth & (x > 0)], plain[mouth & (x > 0)])
    np.testing.assert_array_equal(one[mouth & (x < 0)], met[mouth & (x < 0)])


def test_a_bridge_is_open_below_and_shut_above():
    camera = SMALL.model_copy(update={"pitch_deg": 0})
    bridge = Thing(kind="bridge", size_m=(18, 5, 9), motion=Motion(z_m=20))
    depth_m, ids = render_depth(Scene(camera=camera, objects=(bridge,)))
    y = (np.arange(48) - 23.5) / 50
    front_m = 20 - 9 / 2
    deck = (-y * front_m + 1.5 > 5) & (-y * front_m + 1.5 < 6)  # its face, 5 to 6 m above the ground
    np.testing.assert_allclose(depth_m[deck, 32], front_m, rtol=1e-5)
    assert np.isinf(depth_m[23, 32])  # through it, just over the horizon
    assert not (ids[24:, 28:36] == 2).any()


def test_open_ground_keeps_the_way_clear():
    kinds = set()
    for seed in SEEDS:
        scene = open_scene(seed)
        assert scene.road is None
        kinds |= {thing.kind for thing in scene.objects}
        assert all(math.hypot(thing.motion.x_m, thing.motion.z_m) > NEAR_M for thing in scene.objects)
    assert {"tree", "box", "wedge", "pedestrian", "wall"} <= kinds
