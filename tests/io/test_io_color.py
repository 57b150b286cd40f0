import math

import cv2
import numpy as np
import pytest

from lapdepth.errors import InputError, OutputError
from lapdepth.io.color import INVALID_RGB, color_codes, color_range, colorize, compare, write_codes, write_picture


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def ramp(near_m=1.0, far_m=100.0, size=(10, 101)):
    depth_m = np.geomspace(near_m, far_m, size[1], dtype=np.float32)[None].repeat(size[0], 0)
    return depth_m, np.ones(size, bool)


def test_range_is_the_2nd_to_98th_percentile_of_valid():
    depth_m = np.arange(1, 102, dtype=np.float32)[None]
    valid = np.ones_like(depth_m, bool)
    assert color_range(depth_m, valid) == (3, 99)  # 101 values, so that percentile p is 1 + p
    depth_m[0, :50] = np.nan
    valid[0, :51] = False
    assert color_range(depth_m, valid) == pytest.approx((52.98, 100.02))  # 52 to 101: 52 + 0.02 * 49


@pytest.mark.parametrize(
    ("near_m", "far_m", "expected"),
    [
        (2.0, 50.0, (2, 50)),
        (200.0, None, (200, 220)),
        (None, 0.11, (0.1, 0.11)),
    ],
)
def test_given_range(near_m, far_m, expected):
    assert color_range(*ramp(), near_m, far_m) == pytest.approx(expected)


def test_flat_wall_and_nothing_valid_have_a_range_too():
    wall = np.full((4, 4), 5, np.float32)
    assert color_range(wall, wall > 0) == pytest.approx((5, 5.5))
    near_m, far_m = color_range(wall, wall < 0)
    assert 0 < near_m < far_m
    assert (colorize(wall, wall < 0) == INVALID_RGB).all()


@pytest.mark.parametrize(("near_m", "far_m"), [(0, 1), (-1, 1), (5, 5), (5, 1), (math.nan, 1), (1, math.inf)])
def test_nonsense_range(near_m, far_m):
    with pytest.raises(InputError, match=r"near_m|far_m"):
        colorize(*ramp(), near_m, far_m)


def test_near_is_warm_far_is_cold():
    rgb = colorize(*ramp(), 1, 100).astype(int)
    red, green, blue = rgb[0, 5], rgb[0, 50], rgb[0, 85]
    assert red[0] > red[2] + 60
    assert green[1] > max(green[0], green[2])
    assert blue[2] > blue[0] + 60


def test_colour_is_turbo_of_log_depth():
    turbo = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_TURBO)[:, 0, ::-1]
    depth_m = np.array([[1.0, 10.0, 100.0, 0.5, 1000.0]], np.float32)
    rgb = colorize(depth_m, depth_m > 0, 1, 100)
    codes = [255, 128, 0, 255, 0]  # ends are kept beyond the range
    assert rgb[0].tolist() == turbo[codes].tolist()


def test_fixed_range_keeps_a_colour_from_frame_to_frame():
    a, b = ramp(), ramp(5, 20)
    a[0][0, 0] = b[0][0, 0] = 7
    assert (colorize(*a, 1, 80)[0, 0] == colorize(*b, 1, 80)[0, 0]).all()


def test_invalid_is_grey_whatever_it_holds():
    depth_m, valid = ramp()
    depth_m[0, :3] = (np.nan, np.inf, -1)
    valid[0, :3] = False
    assert (colorize(depth_m, valid)[0, :3] == INVALID_RGB).all()


@pytest.mark.parametrize(("size", "wide"), [((100, 200), False), ((100, 202), True), ((60, 20), False), ((8, 8), False)])
def test_compare_layout(size, wide):
    height, width = size
    image = np.full((*size, 3), 10, np.uint8)
    colored = np.full((*size, 3), 200, np.uint8)
    sheet = compare(image, colored, 1, 50)
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] == (width if wide else 2 * width)
    assert sheet.shape[0] > (2 * height if wide else height)
    assert (sheet[:height, :width] == 10).all()
    second = sheet[height : 2 * height] if wide else sheet[:height, width:]
    assert (second == 200).all()


def test_bar_has_the_colours_of_its_ends_and_labels():
    image = np.zeros((240, 320, 3), np.uint8)
    bar = compare(image, image, 2, 50)[240:]
    depths_m = np.array([[2.0, 10.0, 50.0]], np.float32)
    near, middle, far = colorize(depths_m, depths_m > 0, 2, 50)[0]
    assert bar[0, [0, -1]].tolist() == [near.tolist(), far.tolist()]
    np.testing.assert_allclose(bar[0, 320].astype(int), middle, atol=6)
    assert (bar[-bar.shape[0] // 2 :] > 150).any()


@pytest.mark.parametrize("ends", [(1, 80), (0.3, 4), (5, 5.5), (0.001, 1000), (60, 66)])
def test_bar_of_any_range(ends):
    image = np.zeros((100, 150, 3), np.uint8)
    assert (compare(image, image, *ends)[110:] > 150).any()


def test_compare_refuses():
    image = np.zeros((10, 10, 3), np.uint8)
    with pytest.raises(InputError, match="one size for both"):
        compare(image, image[:5], 1, 2)
    with pytest.raises(InputError, match="colored is float64"):
        compare(image, image / 2, 1, 2)
    for ends in ((0, 1), (2, 1), (1, math.inf), (math.nan, 1)):
        with pytest.raises(InputError, match="colours run from"):
            compare(image, image, *ends)


def test_write_picture(tmp_path):
    rgb = np.full((16, 16, 3), (250, 100, 20), np.uint8)
    for name, error in (("a.png", 0), ("a.JPG", 4), ("a.jpeg", 4)):
        write_picture(tmp_path / name, rgb)
        read = cv2.imread(str(tmp_path / name))[..., ::-1].astype(int)
        assert np.abs(read - rgb).max() <= error
    assert names(tmp_path) == ["a.JPG", "a.jpeg", "a.png"]


def test_written_codes_are_the_pixels_of_the_colours(tmp_path):
    depth_m, valid = ramp()
    valid[3, 3:9] = False
    write_codes(tmp_path / "a.png", color_codes(depth_m, valid, 2, 50))
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png"))[..., ::-1], colorize(depth_m, valid, 2, 50))
    assert (color_codes(depth_m, valid, 2, 50) == 0).sum() == 6


def test_write_picture_refuses(tmp_path):
    rgb = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(InputError, match=r"suffix is '\.gif'; expected one of \.png, \.jpg, \.jpeg"):
        write_picture(tmp_path / "a.gif", rgb)
    with pytest.raises(InputError, match="picture is float64"):
        write_picture(tmp_path / "a.png", rgb / 2)
    with pytest.raises(OutputError, match="does not exist"):
        write_picture(tmp_path / "none" / "a.png", rgb)
    with pytest.raises(OutputError, match=r"cannot write .*a\.jpg"):  # JPEG ends at 65500 pixels
        write_picture(tmp_path / "a.jpg", np.zeros((1, 70_000, 3), np.uint8))
    assert names(tmp_path) == []
