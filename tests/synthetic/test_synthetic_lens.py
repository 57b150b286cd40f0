"""Distortion and an open shutter: depth against closed forms on rays that OpenCV gives, colour against the blur's length."""

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="the renderer needs the torch extra")

from lapdepth.errors import ConfigError, InputError
from lapdepth.synthetic.distortion import distorted, ideal
from lapdepth.synthetic.render import render, render_depth
from lapdepth.synthetic.scene import Camera, Ground, Lens, Light, Motion, Scene, Thing, load_scene

BARREL = (-0.28, 0.09, 0.0008, -0.0005, -0.012)
PINCUSHION = (0.12, 0.02, -0.001, 0.0007, 0.0)
SMALL = Camera(width=96, height=64, focal_px=60, height_m=1.5)
PLAIN = Lens(noise=0, blur_px=0, vignette=0)


def rays(camera):
    """(x, y) (H, W) at depth 1 of each pixel's centre, by OpenCV."""
    matrix = np.array([[camera.focal_px, 0, (camera.width - 1) / 2], [0, camera.focal_px, (camera.height - 1) / 2], [0, 0, 1]])
    v, u = np.mgrid[: camera.height, : camera.width].astype(float)
    points = np.stack([u.ravel(), v.ravel()], 1)[:, None]
    lens = np.array(camera.distortion)
    ray = cv2.undistortPoints(points, matrix, lens)
    for _ in range(30):  # its own iteration stops early: give back what is left over
        there, _ = cv2.projectPoints(np.insert(ray, 2, 1, axis=2), np.zeros(3), np.zeros(3), matrix, lens)
        step = (points - there) / camera.focal_px
        ray = ray + step
    assert abs(step).max() < 1e-9
    return ray.reshape(camera.height, camera.width, 2).transpose(2, 0, 1)


@pytest.mark.parametrize("lens", [BARREL, PINCUSHION])
def test_points_go_where_opencv_puts_them_and_come_back(lens):
    x, y = np.random.default_rng(0).uniform(-0.7, 0.7, (2, 200))
    u, v = distorted(x, y, lens)
    expected, _ = cv2.projectPoints(np.stack([x, y, np.ones_like(x)], 1), np.zeros(3), np.zeros(3), np.eye(3), np.array(lens))
    np.testing.assert_allclose(np.stack([u, v], 1), expected[:, 0], atol=1e-12)
    np.testing.assert_allclose(ideal(u, v, lens), (x, y), atol=1e-9)


@pytest.mark.parametrize("lens", [BARREL, PINCUSHION])
def test_depth_is_that_of_the_distorted_ray(lens):
    camera = SMALL.model_copy(update={"distortion": lens})
    box = Thing(kind="box", size_m=(2.1, 1.1, 1), motion=Motion(x_m=0.6, z_m=6.5))
    depth_m, ids = render_depth(Scene(camera=camera, objects=(box,), ground=Ground(reach_m=20000)))
    x, y = rays(camera)
    face = (abs(6 * x - 0.6) < 1.05) & (6 * y < 1.5) & (6 * y > 0.4)
    assert face.sum() > 150
    assert ((ids == 2) == (face | (ids == 2) & (depth_m > 6.001))).all()  # the rest of it is its top and side, further away
    np.testing.assert_allclose(depth_m[face], 6, rtol=1e-6)
    ground = (ids == 1) & (y > 0.01)
    assert ground.sum() > 1000
    np.testing.assert_allclose(depth_m[ground], 1.5 / y[ground], rtol=1e-6)
    assert (ids[y < -1e-3][np.isinf(depth_m[y < -1e-3])] == 0).all()
    assert np.isinf(depth_m[(y < -1e-3) & (ids != 2)]).all()


def test_thin_things_take_no_depth_of_the_sky():
    """A fence of bars thinner than a pixel: every depth is a bar's or the ground's."""
    bars = tuple(Thing(kind="box", size_m=(0.02, 3, 0.02), motion=Motion(x_m=k / 7 - 2, z_m=5)) for k in range(28))
    camera = SMALL.model_copy(update={"distortion": BARREL})
    depth_m, ids = render_depth(Scene(camera=camera, objects=bars))
    on_bar = ids >= 2
    assert on_bar.sum() > 50
    assert ((depth_m[on_bar] > 4.98) & (depth_m[on_bar] < 5.02)).all()


def test_colour_and_depth_agree_under_distortion():
    """A dark box in front of the sky: pixels that are all box are dark, and all sky bright, wherever depth says so."""
    camera = SMALL.model_copy(update={"distortion": BARREL})
    box = Thing(kind="box", size_m=(3, 9, 1), colour=(0.02, 0.02, 0.02), motion=Motion(x_m=1, z_m=6))
    frame = render(Scene(camera=camera, objects=(box,), light=Light(clouds=0), lens=PLAIN))
    assert frame.distortion == BARREL
    grey = frame.image.astype(float).mean(-1)
    core = cv2.erode((frame.ids == 2).astype(np.uint8), np.ones((3, 3))) == 1
    sky = cv2.erode((frame.ids == 0).astype(np.uint8), np.ones((3, 3))) == 1
    assert core.sum() > 300
    assert sky.sum() > 300
    assert grey[core].max() < grey[sky].min() - 30


def test_lens_that_folds_is_refused(tmp_path):
    with pytest.raises(InputError, match="folds or tears the picture"):
        ideal(np.array([1.0]), np.array([0.8]), (-0.9, 0, 0, 0, 0))
    path = tmp_path / "scene.toml"
    path.write_text("[camera]\nfocal_px = 200\ndistortion = [-0.9, 0, 0, 0, 0]\n")
    with pytest.raises(ConfigError, match="folds or tears the picture"):
        load_scene(path)


def test_open_shutter_blurs_colour_and_not_depth():
    """A bright wall that moves 0.8 m to the right while the shutter is open, at 8 m and 60 px: its edge is 6 px wide."""
    wall = Thing(kind="box", size_m=(4, 20, 1), colour=(0, 0, 0), motion=Motion(x_m=-2, z_m=8.5, yaw_deg=90, speed_mps=8))
    wall = wall.model_copy(update={"size_m": (1, 20, 4)})  # it faces its way
    scene = Scene(camera=SMALL, ground=Ground(surface="plain"), objects=(wall,), light=Light(clouds=0), lens=PLAIN)
    sharp, open_ = render(scene), render(scene.model_copy(update={"lens": PLAIN.model_copy(update={"shutter_s": 0.1})}))
    assert (sharp.depth_m == open_.depth_m).all()
    assert (sharp.ids == open_.ids).all()
    widths = []
    for frame in (sharp, open_):
        row = frame.image.astype(float).mean(-1)[5]
        low, high = row[30], row[60]
        widths.append(((row > low + 8) & (row < high - 8))[30:60].sum())
    assert widths[0] <= 1
    assert widths[1] == pytest.approx(0.8 / 8 * 60, abs=2)
