"""Every kind of object is a solid of the size asked for; makers draw the same scene from the same seed."""

import math
from typing import get_args

import numpy as np
import pytest

from lapdepth.errors import ConfigError, InputError
from lapdepth.synthetic.catalogue import BUILDERS, build
from lapdepth.synthetic.makers import MAKERS, find_scene
from lapdepth.synthetic.mesh import Material, Mesh, box, cylinder, ellipsoid, extrude, limb, moved, wedge
from lapdepth.synthetic.scene import Kind, Scene, Thing, load_scene
from lapdepth.synthetic.vehicles import HEAD, TAIL

MATERIAL = Material()
OVERHANG = {
    "house": 1.2,
    "room": 0.7,
    "gantry": 0.6,
    "plant": 0.5,
    "tree": 1.0,
    "bush": 0.8,
    "wall": 0.2,
    "sofa": 0.3,
    "bed": 0.3,
}
"""Metres that a kind may stick out: eaves, walls around a room, leaves."""
SIZES = {
    "house": (8, 7, 10),
    "gantry": (14, 5, 0.5),
    "room": (4, 2.5, 5),
    "tree": (4, 7, 4),
    "truck": (2.5, 3.5, 8),
    "pedestrian": (0.5, 1.7, 0.5),
    "plant": (0.6, 1.1, 0.6),
}


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.corners.transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize(
    ("mesh", "expected"),
    [
        (box((2, 3, 4), MATERIAL, (5, 6, 7)), 24),
        (wedge((2, 3, 4), MATERIAL), 12),
        (cylinder((2, 3, 2), MATERIAL, 64), 3 * math.pi),
        (cylinder((2, 3, 2), MATERIAL, 64, 0.0), math.pi),
        (ellipsoid((2, 4, 6), MATERIAL, detail=3), 4 / 3 * math.pi * 6),
        (extrude([(0, 0), (2, 0), (2, 2), (1, 1), (0, 2)], 3, MATERIAL), 9),
        (extrude([(0, 2), (1, 1), (2, 2), (2, 0), (0, 0)], 3, MATERIAL), 9),
        (moved(box((1, 1, 1), MATERIAL), (3, 2, 1), 30, 40, 50), 1),
        (limb((1, 1, 1), (1, 1, 3), (0.5, 0.5), MATERIAL, 64), math.pi / 2),
    ],
)
def test_solids_are_closed_and_face_outwards(mesh, expected):
    assert volume(mesh) == pytest.approx(expected, rel=0.02)


def test_outline_that_crosses_itself_is_refused():
    with pytest.raises(InputError, match="outline of 4 corners crosses itself"):
        extrude([(0, 0), (1, 1), (1, 0), (0, 1)], 1, MATERIAL)


def test_every_kind_has_a_builder():
    assert set(BUILDERS) == set(get_args(Kind))


@pytest.mark.parametrize("kind", sorted(set(BUILDERS) - {"prism", "mesh", "sign", "picture", "lamp", "rail", "pole", "bridge"}))
def test_kinds_keep_their_size(kind):
    size = SIZES.get(kind, (0.9, 1.7, 1.9))
    for seed in range(3):
        mesh = build(Thing(kind=kind, size_m=size, seed=seed))
        points = mesh.corners.reshape(-1, 3)
        slack = OVERHANG.get(kind, 0.12) + (1.4 if kind == "gantry" else 0)
        assert np.isfinite(points).all()
        assert np.ptp(points, axis=0)[[0, 2]] == pytest.approx(np.array(size)[[0, 2]], abs=2 * slack)
        assert points[:, 1].max() == pytest.approx(size[1], abs=slack + 0.35)
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize("kind", ["car", "van", "truck"])
def test_lamps_of_vehicles_reach_into_the_body(kind):
    for seed in range(6):
        mesh = build(Thing(kind=kind, seed=seed))
        for lamp in (HEAD, TAIL):
            own = np.isin(mesh.material, [number for number, material in enumerate(mesh.palette) if material == lamp])
            points = mesh.corners[own].reshape(-1, 3)
            inner_m = np.abs(points[:, 2]).min()
            for side in (-1, 1):
                inner = points[(np.sign(points[:, 0]) == side) & (np.abs(np.abs(points[:, 2]) - inner_m) < 1e-6)]
                assert covered(mesh.corners[~own], inner.mean(0)), (seed, lamp, side)


def covered(triangles, point):
    """Whether a plumb line through a point has some of these triangles above it and below it."""
    flat = triangles[..., [0, 2]]

    def twice_area(a, b, c):
        return (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])

    a, b, c = flat.transpose(1, 0, 2)
    weights = np.stack([twice_area(point[[0, 2]], b, c), twice_area(a, point[[0, 2]], c), twice_area(a, b, point[[0, 2]])], -1)
    whole = weights.sum(-1, keepdims=True)
    met = ((weights * whole >= 0).all(-1)) & (np.abs(whole[:, 0]) > 1e-12)
    heights = (weights[met] / whole[met] * triangles[met, :, 1]).sum(-1)
    return bool((heights > point[1]).any() and (heights < point[1]).any())


@pytest.mark.parametrize("maker", sorted(MAKERS))
def test_a_seed_makes_one_scene_that_survives_a_file(maker, tmp_path):
    scene = find_scene(f"{maker}:3")
    assert scene == find_scene(f"{maker}:3")
    assert scene != find_scene(f"{maker}:4")
    assert Scene.model_validate_json(scene.model_dump_json()) == scene


def test_cars_of_one_lane_do_not_touch():
    for seed in range(20):
        scene = find_scene(f"road:{seed}")
        lanes = {}
        for thing in scene.objects:
            if thing.motion.on == "road" and thing.kind in ("car", "van", "truck") and thing.motion.speed_mps:
                lanes.setdefault((thing.motion.x_m, thing.motion.yaw_deg), []).append(thing.motion.z_m)
        for along in lanes.values():
            assert (np.diff(sorted(along)) > 10).all()


def test_scene_from_a_toml_file(tmp_path):
    path = tmp_path / "scene.toml"
    path.write_text('name = "lead"\n[[objects]]\nkind = "car"\nmotion = { z_m = 20, speed_mps = 5 }\n')
    scene = load_scene(path, ["camera.focal_px=500", "light.night=true"])
    assert (scene.name, scene.objects[0].motion.speed_mps, scene.camera.focal_px, scene.light.night) == ("lead", 5, 500, True)
    for name in ("moor:3", "road:x", "road:-1"):
        with pytest.raises(ConfigError, match=f"no scene '{name}'; expected a TOML file, or road, drive"):
            find_scene(name)
    for name, message in (
        ("a:" + "x" * 300, "no scene 'a:x+'; expected"),
        ("road:" + "1" * 5000, "seed of road:1+ is too large"),
    ):
        with pytest.raises(ConfigError, match=message):
            find_scene(name)
    assert find_scene("road:" + "0" * 5000 + "7") == find_scene("road:7")


@pytest.mark.parametrize("maker", sorted(MAKERS))
def test_a_setting_of_a_drawn_scene_changes_nothing_else(maker):
    scene = find_scene(f"{maker}:3")
    changed = find_scene(f"{maker}:3", ["light.night=true", "camera.focal_px=500"])
    assert (changed.light.night, changed.camera.focal_px) == (True, 500)
    own = {"light": scene.light.model_copy(update={"night": True}), "camera": scene.camera.model_copy(update={"focal_px": 500.0})}
    assert changed == scene.model_copy(update=own)


def test_a_wrong_setting_of_a_drawn_scene_is_named():
    with pytest.raises(ConfigError, match=r"road:3: unknown key 'light\.moon'"):
        find_scene("road:3", ["light.moon=true"])
