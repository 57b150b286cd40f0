import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lapdepth.camera import Intrinsics
from lapdepth.errors import InputError
from lapdepth.imaging import MIN_SIDE, fit, pad_to_stride


def black(height, width):
    return np.zeros((height, width, 3), np.uint8)


def ramp(size, of, across, down):
    """`across` per column and `down` per row of a map of size `of`, seen on a grid of `size` with the same outer edges."""
    rows = (np.arange(size[0]) + 0.5) * of[0] / size[0] - 0.5
    columns = (np.arange(size[1]) + 0.5) * of[1] / size[1] - 0.5
    return (100 + down * rows[:, None] + across * columns).astype(np.float32)


SIDE = st.integers(15, 300)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(SIDE, SIDE, st.sampled_from([(64, 96), (100, 100), (33, 180)]), st.sampled_from([16, 32]))
def test_fit_keeps_aspect_and_the_number_of_pixels(height, width, working_size, stride):
    fitted = fit(black(height, width), stride, working_size)
    new_height, new_width = fitted.size
    assume(min(fitted.size) > MIN_SIDE)
    # One scale gives both sides by rounding, and it is the one for so many pixels or up to 5 % less.
    wanted = math.sqrt(working_size[0] * working_size[1] / (height * width))
    low = max((new_height - 0.5) / height, (new_width - 0.5) / width, 0.95 * wanted)
    high = min((new_height + 0.5) / height, (new_width + 0.5) / width, wanted)
    assert low <= high * (1 + 1e-12)
    # The focal length goes along, with the geometric mean of both sides.
    assert fitted.scale == pytest.approx(math.sqrt(new_height / height * new_width / width))
    assert fitted.original_size == (height, width)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(SIDE, SIDE, st.sampled_from([None, (64, 96)]), st.sampled_from([16, 32]))
def test_padding_is_to_the_next_multiple_of_the_stride(height, width, working_size, stride):
    fitted = fit(black(height, width), stride, working_size)
    batch, channels, padded_height, padded_width = fitted.tensor.shape
    assert (batch, channels, fitted.tensor.dtype) == (1, 3, np.float32)
    assert (padded_height % stride, padded_width % stride) == (0, 0)
    assert 0 <= padded_height - fitted.size[0] < stride
    assert 0 <= padded_width - fitted.size[1] < stride


def test_fit_by_hand():
    # 96x128 to as many pixels as 48x64: exactly half, which needs no padding.
    fitted = fit(black(96, 128), 16, (48, 64))
    assert (fitted.size, fitted.scale, fitted.tensor.shape) == ((48, 64), 0.5, (1, 3, 48, 64))


def test_fit_shrinks_a_little_where_padding_would_be_wasted():
    # 1000 * sqrt(64 * 64 / 1e6) = 64 fits; for 65 * 65 the side of 65 would be padded to 80, 64 is 1.5 % smaller.
    assert fit(black(100, 100), 16, (65, 65)).size == (64, 64)
    # 70 is 8.6 % above 64: too much to give away.
    assert fit(black(100, 100), 16, (70, 70)).size == (70, 70)


def test_native_keeps_the_pixels():
    image = np.random.default_rng(0).integers(0, 256, (20, 37, 3), dtype=np.uint8)
    fitted = fit(image, 16, None)
    assert (fitted.size, fitted.original_size, fitted.scale) == ((20, 37), (20, 37), 1.0)
    assert fitted.tensor.shape == (1, 3, 32, 48)
    np.testing.assert_array_equal(np.rint(fitted.tensor[0, :, :20, :37] * 255), image.transpose(2, 0, 1))
    assert (fitted.tensor.min() >= 0, fitted.tensor.max() <= 1) == (True, True)


def test_padding_repeats_the_last_row_and_column():
    image = np.arange(10 * 9 * 3, dtype=np.uint8).reshape(10, 9, 3)
    padded = pad_to_stride(image, 16)
    rows, columns = np.minimum(np.arange(16), 9), np.minimum(np.arange(16), 8)
    np.testing.assert_array_equal(padded, image[rows][:, columns])
    assert pad_to_stride(padded, 16) is padded


def test_colour_and_brightness_survive_scaling():
    image = np.full((50, 70, 3), (255, 51, 0), np.uint8)
    for working_size in ((32, 48), (96, 128)):
        tensor = fit(image, 16, working_size).tensor
        np.testing.assert_allclose(tensor.reshape(3, -1).T, np.broadcast_to([1, 0.2, 0], (tensor[0, 0].size, 3)), atol=1e-6)


@pytest.mark.parametrize("size", [(90, 130), (30, 40), (48, 64)], ids=["shrunk", "enlarged", "as it is"])
def test_restore_inverts(size):
    fitted = fit(black(*size), 16, (48, 64))
    inside = ramp(fitted.size, fitted.size, 0.7, -0.3)
    values = np.full(fitted.tensor.shape[2:], 1e6, np.float32)  # what lies in the padding must not leak in
    values[: fitted.size[0], : fitted.size[1]] = inside
    restored = fitted.restore(values)
    assert (restored.shape, restored.dtype) == (size, np.float32)
    # Bilinear interpolation is exact for a ramp, but for the outermost pixels, where there is nothing to look at beyond.
    expected = ramp(size, fitted.size, 0.7, -0.3)
    margin = math.ceil(max(size[0] / fitted.size[0], size[1] / fitted.size[1]))
    inner = (slice(margin, -margin), slice(margin, -margin))
    np.testing.assert_allclose(restored[inner], expected[inner], rtol=1e-4)
    np.testing.assert_allclose(restored, expected, atol=1.0)


def test_restore_of_native_is_the_map_itself():
    fitted = fit(black(20, 37), 16, None)
    values = np.random.default_rng(1).random((32, 48)).astype(np.float32)
    np.testing.assert_array_equal(fitted.restore(values), values[:20, :37])


@pytest.mark.parametrize("size", [(8, 8), (8, 160), (160, 8), (9, 170)])
def test_thin_and_tiny_pictures(size):
    fitted = fit(black(*size), 32, (96, 128))
    assert min(fitted.size) >= MIN_SIDE
    assert (fitted.tensor.shape[2] % 32, fitted.tensor.shape[3] % 32) == (0, 0)
    assert fitted.restore(np.ones(fitted.tensor.shape[2:], np.float32)).tolist() == np.ones(size).tolist()


def test_the_camera_goes_along():
    fitted = fit(black(90, 130), 16, (48, 64))
    camera = Intrinsics.from_focal(130, 90, 200.0)
    height, width = fitted.size
    inside = camera.resized(width, height)
    assert inside.focal_px == pytest.approx(200 * fitted.scale)
    assert inside.fov_deg == pytest.approx(camera.fov_deg)


@pytest.mark.parametrize("size", [(8, 161), (161, 8), (8, 200_000)])
def test_strips_are_refused(size):
    with pytest.raises(InputError, match="no side may be over 20 times the other"):
        fit(black(*size), 32, (96, 128))


@pytest.mark.parametrize(
    ("image", "match"),
    [
        (np.zeros((20, 20), np.uint8), r"uint8 \(20, 20\); expected an \(H, W, 3\) uint8"),
        (np.zeros((20, 20, 4), np.uint8), r"\(20, 20, 4\)"),
        (np.zeros((1, 20, 20, 3), np.uint8), r"\(1, 20, 20, 3\)"),
        (np.zeros((3, 20, 20), np.uint8), r"\(3, 20, 20\)"),
        (np.zeros((20, 20, 3), np.float32), "float32"),
        (np.zeros((20, 20, 3), np.uint16), "uint16"),
        ([[[0, 0, 0]]], "picture is list"),
        (None, "picture is NoneType"),
        (np.zeros((7, 20, 3), np.uint8), "picture is 7x20; both sides must be at least 8"),
        (np.zeros((20, 7, 3), np.uint8), "picture is 20x7"),
        (np.zeros((0, 20, 3), np.uint8), "picture is 0x20"),
    ],
)
def test_unfit_pictures(image, match):
    with pytest.raises(InputError, match=match):
        fit(image, 16, (48, 64))
