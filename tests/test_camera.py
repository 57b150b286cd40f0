import math

import numpy as np
import pytest

from lapdepth.camera import Intrinsics, back_project, distance_from_depth
from lapdepth.errors import InputError

CAMERA = Intrinsics(width=4, height=3, fx_px=2.0, fy_px=4.0, cx_px=1.0, cy_px=2.0)


def test_rays_by_hand():
    rays = CAMERA.rays()
    assert (rays.shape, rays.dtype) == ((3, 4, 3), np.float32)
    assert rays[0, 0].tolist() == [-0.5, -0.5, 1]  # (0 - 1) / 2, (0 - 2) / 4
    assert rays[2, 1].tolist() == [0, 0, 1]
    assert rays[1, 3].tolist() == [1, -0.25, 1]


def test_back_projection_by_hand():
    depth_m = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
    points = back_project(depth_m, CAMERA)
    assert points.dtype == np.float32
    assert points[0, 0].tolist() == [-0.5, -0.5, 1]
    assert points[1, 3].tolist() == [8, -2, 8]
    np.testing.assert_array_equal(points[..., 2], depth_m)


def test_projecting_back_returns_the_pixels():
    camera = Intrinsics(7, 5, 11.0, 13.0, 2.7, 1.9)
    depth_m = np.random.default_rng(0).uniform(0.5, 50, (5, 7)).astype(np.float32)
    x, y, z = np.moveaxis(back_project(depth_m, camera).astype(np.float64), -1, 0)
    rows, columns = np.mgrid[:5, :7]
    np.testing.assert_allclose(x / z * 11 + 2.7, columns, atol=1e-5)
    np.testing.assert_allclose(y / z * 13 + 1.9, rows, atol=1e-5)


def test_distance_by_hand():
    # A 3-4-5 triangle: the pixel lies 3 focal lengths to the side at 4 of depth.
    camera = Intrinsics(width=4, height=1, fx_px=4.0, fy_px=4.0, cx_px=0.0, cy_px=0.0)
    distance_m = distance_from_depth(np.full((1, 4), 8, np.float32), camera)
    assert distance_m.dtype == np.float32
    assert distance_m[0, 0] == 8
    assert distance_m[0, 3] == 10


def test_distance_is_the_length_of_the_point():
    camera = Intrinsics(9, 6, 5.0, 6.0, 3.3, 2.2)
    depth_m = np.random.default_rng(1).uniform(1, 9, (6, 9)).astype(np.float32)
    x, y, z = np.moveaxis(back_project(depth_m, camera), -1, 0)
    np.testing.assert_allclose(distance_from_depth(depth_m, camera), np.sqrt(x**2 + y**2 + z**2), rtol=1e-6)


def test_from_focal_looks_through_the_middle():
    camera = Intrinsics.from_focal(5, 4, 7.0)
    assert camera == Intrinsics(5, 4, 7.0, 7.0, 2.0, 1.5)
    rays = camera.rays()
    np.testing.assert_array_equal(rays[:, ::-1, 0], -rays[..., 0])
    np.testing.assert_array_equal(rays[::-1, :, 1], -rays[..., 1])


@pytest.mark.parametrize(("fov_deg", "focal_px"), [(90, 320.0), (2 * math.degrees(math.atan(0.5)), 640.0), (60, 554.2563)])
def test_from_fov(fov_deg, focal_px):
    camera = Intrinsics.from_fov(640, 480, fov_deg)
    assert camera.fx_px == pytest.approx(focal_px, rel=1e-6)
    assert camera.fy_px == camera.fx_px
    assert camera.fov_deg == pytest.approx(fov_deg)


def test_focal_px_is_the_geometric_mean():
    assert Intrinsics(10, 10, 4.0, 9.0, 0, 0).focal_px == 6


def test_resized_by_hand():
    # Outer edges stay where they are: the edge left of column 0 is at -0.5 before and after.
    assert CAMERA.resized(8, 9) == Intrinsics(8, 9, 4.0, 12.0, 2.5, 7.0)  # (1 + .5) 2 - .5; (2 + .5) 3 - .5
    assert Intrinsics.from_focal(640, 480, 500.0).resized(320, 240) == Intrinsics.from_focal(320, 240, 250.0)


def test_resized_there_and_back():
    back = CAMERA.resized(31, 17).resized(4, 3)
    for name in ("fx_px", "fy_px", "cx_px", "cy_px"):
        assert getattr(back, name) == pytest.approx(getattr(CAMERA, name))


def test_halved_picture_sees_the_mean_of_two_rays():
    camera = Intrinsics(8, 6, 5.0, 7.0, 3.0, 1.0)
    blocks = camera.rays().reshape(3, 2, 4, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(camera.resized(4, 3).rays(), blocks, atol=1e-6)


def test_cropped_keeps_each_pixels_ray():
    camera = Intrinsics(8, 6, 5.0, 7.0, 3.0, 1.0)
    cropped = camera.cropped(left=2, top=1, width=4, height=3)
    assert (cropped.cx_px, cropped.cy_px) == (1.0, 0.0)
    np.testing.assert_array_equal(cropped.rays(), camera.rays()[1:4, 2:6])


def test_negative_crop_pads():
    padded = CAMERA.cropped(left=-2, top=-1, width=7, height=5)
    np.testing.assert_array_equal(padded.rays()[1:4, 2:6], CAMERA.rays())


def test_flipped_turns_each_ray_around():
    turned = CAMERA.flipped().rays()[:, ::-1]
    np.testing.assert_array_equal(turned, CAMERA.rays() * np.array([-1, 1, 1], np.float32))
    assert CAMERA.flipped().flipped() == CAMERA


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ((0, 3, 1, 1, 0, 0), "camera is 3x0"),
        ((3, 0, 1, 1, 0, 0), "camera is 0x3"),
        ((3, 3, 0, 1, 0, 0), "fx_px is 0"),
        ((3, 3, 1, -1, 0, 0), "fy_px is -1"),
        ((3, 3, math.nan, 1, 0, 0), "fx_px is nan"),
        ((3, 3, 1, math.inf, 0, 0), "fy_px is inf"),
        ((3, 3, 1, 1, math.nan, 0), "principal point"),
        ((3, 3, 1, 1, 0, math.inf), "principal point"),
    ],
)
def test_impossible_cameras(values, match):
    with pytest.raises(InputError, match=match):
        Intrinsics(*values)


@pytest.mark.parametrize("fov_deg", [0, 0.99, 179.01, 360, -60, math.nan, math.inf])
def test_impossible_field_of_view(fov_deg):
    with pytest.raises(InputError, match="field of view is"):
        Intrinsics.from_fov(10, 10, fov_deg)


@pytest.mark.parametrize("function", [back_project, distance_from_depth])
def test_map_of_another_size(function):
    with pytest.raises(InputError, match=r"depth map is \(4, 3\), the camera is for \(3, 4\)"):
        function(np.ones((4, 3), np.float32), CAMERA)
