"""The way of a picture through the predictor, with an engine whose depths are known."""

import logging
import math

import numpy as np
import pytest
from PIL import Image

from inference.fake_engine import FakeEngine, by_brightness, by_column, make_config, noise
from lapdepth.camera import Intrinsics
from lapdepth.errors import InputError, ModelError, ReadError
from lapdepth.inference.predictor import NATIVE_BUDGET_BYTES, DepthPredictor, check_native_size

PICTURE = noise(96, 128)  # twice the working size of 48x64 in each direction
SMALL = noise(48, 64)


def predict(engine, image=SMALL, **options):
    return DepthPredictor(engine)(image, **({} if "fov_deg" in options else {"focal_px": 50.0}) | options)


def constant(result):
    value = float(result.depth_m.flat[0])
    np.testing.assert_array_equal(result.depth_m, np.full(result.depth_m.shape, value, np.float32))
    return value


# --- metres follow the camera


@pytest.mark.parametrize(
    ("focal_px", "native", "working_size", "metres"),
    [
        (100, False, (48, 64), 2),  # seen at half size with 50 px, as in training
        (200, False, (48, 64), 4),  # twice the focal length, twice as far
        (50, False, (48, 64), 1),
        (100, False, (96, 128), 4),  # seen at full size with 100 px
        (100, True, (48, 64), 4),
        (100, False, (48, 256), 4),  # as many pixels as the picture has
    ],
)
def test_metres_are_proportional_to_the_focal_length_that_the_network_sees(focal_px, native, working_size, metres):
    engine = FakeEngine(2.0, working_size=working_size)
    result = predict(engine, PICTURE, focal_px=focal_px, native=native)
    assert (result.depth_m.shape, result.depth_m.dtype) == ((96, 128), np.float32)
    assert constant(result) == pytest.approx(metres)


def test_a_picture_half_as_large_of_the_same_camera_gives_the_same_metres():
    half = PICTURE[::2, ::2].copy()
    large, small = (predict(FakeEngine(3.0), image, fov_deg=70) for image in (PICTURE, half))
    assert constant(large) == pytest.approx(constant(small))


def test_a_model_without_focal_length_does_not_follow_the_camera():
    result = predict(FakeEngine(2.0, focal_px=None), PICTURE, focal_px=1234)
    assert constant(result) == 2
    assert result.metadata()["metres_follow_focal"] is False


def test_network_input_is_the_picture():
    engine = FakeEngine()
    result = predict(engine, noise(40, 60), native=True)
    (seen,) = engine.seen
    assert seen.shape == (1, 3, 48, 64)
    np.testing.assert_array_equal(np.rint(seen[0, :, :40, :60].transpose(1, 2, 0) * 255), noise(40, 60))
    assert (result.network_size, result.engine) == ((40, 60), "fake")


def test_padding_is_cut_off():
    result = predict(FakeEngine(by_column), noise(40, 60), native=True)
    np.testing.assert_array_equal(result.depth_m, np.broadcast_to(np.arange(1, 61, dtype=np.float32), (40, 60)))


# --- where the focal length comes from


def jpeg_with_focal(path, focal_35mm, size=(64, 48)):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = focal_35mm
    Image.new("RGB", size).save(path, exif=exif)
    return path


def test_focal_px_as_given():
    result = predict(FakeEngine(), focal_px=77)
    assert (result.intrinsics, result.focal_source) == (Intrinsics.from_focal(64, 48, 77), "option")


def test_field_of_view_as_given():
    result = predict(FakeEngine(2.0), fov_deg=90)
    assert result.intrinsics.focal_px == pytest.approx(32)  # half of 64 over tan 45
    assert result.focal_source == "option"
    assert constant(result) == pytest.approx(2 * 32 / 50)


def test_exif(tmp_path, caplog):
    path = jpeg_with_focal(tmp_path / "a.jpg", 28)
    result = DepthPredictor(FakeEngine(2.0))(path)
    # The picture's diagonal is 80 px, that of film 43.2666 mm.
    assert result.intrinsics.focal_px == pytest.approx(28 * 80 / 43.2666, rel=1e-4)
    assert (result.focal_source, result.path, caplog.records) == ("exif", path, [])


@pytest.mark.parametrize("option", [{"focal_px": 10}, {"fov_deg": 100}])
def test_options_go_before_exif(tmp_path, option):
    result = DepthPredictor(FakeEngine())(jpeg_with_focal(tmp_path / "a.jpg", 28), **option)
    assert result.focal_source == "option"


def test_assumption_is_told_once(caplog):
    predictor = DepthPredictor(FakeEngine(2.0, fov_deg=90))
    with caplog.at_level(logging.INFO, "lapdepth"):
        results = predictor([SMALL, SMALL, PICTURE])
    assert [result.focal_source for result in results] == ["assumed field of view"] * 3
    assert [result.intrinsics.focal_px for result in results] == pytest.approx([32, 32, 64])
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "assuming a field of view of 90 degrees" in record.getMessage()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"focal_px": 50, "fov_deg": 60}, "both focal_px and fov_deg are given"),
        ({"focal_px": 0}, "fx_px is 0"),
        ({"focal_px": -5}, "fx_px is -5"),
        ({"focal_px": math.nan}, "fx_px is nan"),
        ({"fov_deg": 0}, "field of view is 0"),
        ({"fov_deg": 180}, "field of view is 180"),
    ],
)
def test_impossible_cameras_are_refused_before_the_network_runs(options, match):
    engine = FakeEngine()
    with pytest.raises(InputError, match=match):
        DepthPredictor(engine)(SMALL, **options)
    assert engine.seen == []


# --- flip


def test_flip_averages_with_the_mirror_turned_back():
    # 60 columns in a network input of 64. Column c tells c + 1; turned back, column c of the mirror tells 60 - c.
    result = predict(FakeEngine(by_column), noise(40, 60), native=True, flip=True)
    assert constant(result) == 30.5


def test_flip_mirrors_the_picture_and_not_its_padding():
    engine = FakeEngine()
    predict(engine, noise(40, 60), native=True, flip=True)
    first, second = engine.seen
    np.testing.assert_array_equal(second[..., :60], first[..., 59::-1])
    # Both are padded by their own last column.
    np.testing.assert_array_equal(second[..., 60:], np.repeat(first[..., :1], 4, axis=3))
    np.testing.assert_array_equal(first[..., 60:], np.repeat(first[..., 59:60], 4, axis=3))


def test_flip_of_an_engine_that_looks_at_the_picture_changes_nothing():
    image = noise(40, 60)
    once, twice = (predict(FakeEngine(by_brightness), image, native=True, flip=flip) for flip in (False, True))
    np.testing.assert_allclose(once.depth_m, twice.depth_m, rtol=1e-6)
    assert np.ptp(once.depth_m) > 0.3


# --- confidence


@pytest.mark.parametrize(
    ("scale", "confidence"),
    [(1.0, 1 - 1 / 1.1), (0.5, 1 - 1 / 1.21), (math.log(1.1), 1 - math.exp(-1)), (1e-4, 1.0), (1e4, 0.0)],
)
def test_confidence_of_a_laplace_scale(scale, confidence):
    result = predict(FakeEngine(2.0, log_scale=math.log(scale)))
    assert result.confidence.dtype == np.float32
    np.testing.assert_allclose(result.confidence, np.full((48, 64), confidence), atol=1e-4)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.6, 3.0])
def test_confidence_of_a_model_with_an_error_scale(factor):
    def scales(image):
        return np.log(0.02 * by_column(image))

    result = predict(FakeEngine(2.0, log_scale=scales, error_scale=factor), flip=True)
    # The probability that a Laplace error of scale factor * b is below ln 1.1: 1 - exp(-ln(1.1) / (factor * b)).
    expected = [1 - 1.1 ** (-1 / (factor * 0.02 * column)) for column in range(1, 65)]
    np.testing.assert_allclose(result.confidence, np.broadcast_to(expected, (48, 64)), atol=1e-6)
    assert constant(result) == 2


def test_confidence_stays_at_its_pixels():
    result = predict(FakeEngine(2.0, log_scale=lambda image: by_column(image) / 10), noise(40, 60), native=True)
    expected = 1 - 1.1 ** -np.exp(-np.arange(1, 61) / 10)
    np.testing.assert_allclose(result.confidence, np.broadcast_to(expected, (40, 60)), atol=1e-6)


def test_confidence_with_flip_is_still_the_models():
    result = predict(FakeEngine(2.0, log_scale=0.0), flip=True)
    np.testing.assert_allclose(result.confidence, np.full((48, 64), 1 - 1 / 1.1), rtol=1e-5)


def test_no_confidence_of_a_model_without():
    assert predict(FakeEngine(2.0)).confidence is None


def test_confidence_from_flip():
    # The left column tells 1 m and its mirror 60 m: b = ln 60. The middle columns tell 30 and 31.
    confidence = predict(FakeEngine(by_column), noise(40, 60), native=True, flip=True).confidence
    assert confidence.shape == (40, 60)
    expected = {0: math.log(60), 59: math.log(60), 10: math.log(50 / 11), 29: math.log(31 / 30)}
    for column, scale in expected.items():
        np.testing.assert_allclose(confidence[:, column], 1 - math.exp(-math.log(1.1) / scale), rtol=1e-4)


def test_agreement_alone_is_no_certainty():
    # b is at least 0.02: 1 - exp(-0.0953102 / 0.02) = 0.99148
    confidence = predict(FakeEngine(2.0), flip=True).confidence
    np.testing.assert_allclose(confidence, np.full((48, 64), 0.99148), atol=1e-5)


# --- validity


@pytest.mark.parametrize("focal_px", [50, 100])
def test_valid_ends_at_far_m_whatever_the_camera(focal_px):
    # Columns tell 1 to 64 m at the training camera; beyond 40 there it is sky, also where it is scaled to 80.
    result = predict(FakeEngine(by_column, far_m=40.0), focal_px=focal_px)
    assert result.valid.dtype == np.bool_
    np.testing.assert_array_equal(result.valid, np.broadcast_to(np.arange(1, 65) < 40, (48, 64)))
    assert result.range_m[1] == 40 * focal_px / 50
    assert np.isfinite(result.depth_m).all()


@pytest.mark.parametrize("focal_px", [50, 100])
@pytest.mark.parametrize("flip", [False, True])
def test_sky_is_left_out_or_at_the_far_end(focal_px, flip):
    # Rows tell 1 to 48 m at the training camera, which a mirror does not change; beyond 40 there is sky.
    def by_row(image):
        return 1.0 + np.arange(image.shape[2], dtype=np.float32)[:, None]

    left_out, far = (predict(FakeEngine(by_row, far_m=40.0), focal_px=focal_px, flip=flip, sky=sky) for sky in ("invalid", "far"))
    sky = np.broadcast_to(np.arange(1, 49)[:, None] >= 40, (48, 64))
    for result in (left_out, far):
        np.testing.assert_array_equal(result.sky, sky)
        assert (result.depth_m[sky] >= result.range_m[1]).all()
    np.testing.assert_array_equal(left_out.valid, ~sky)
    assert far.valid.all()
    assert (far.depth_m.dtype, far.valid.dtype, far.sky.dtype) == (np.float32, np.bool_, np.bool_)
    np.testing.assert_array_equal(far.depth_m, np.where(sky, np.float32(40 * focal_px / 50), left_out.depth_m))


@pytest.mark.parametrize("image", [SMALL, [SMALL]])
def test_an_unknown_kind_of_sky(image):
    engine = FakeEngine()
    with pytest.raises(InputError, match="sky is 'blue'; expected invalid or far"):
        predict(engine, image, sky="blue")
    assert engine.seen == []


@pytest.mark.parametrize("sky", ["invalid", "far"])
def test_without_far_m_all_is_valid(sky):
    result = predict(FakeEngine(99.9), sky=sky)
    assert result.valid.all()
    assert not result.sky.any()
    assert result.depth_m.max() == np.float32(99.9)
    assert result.range_m[1] == pytest.approx(100 / (1 + math.exp(-5)))


@pytest.mark.parametrize(
    ("changes", "nearest_m", "farthest_m"),
    [
        # Five levels: the residuals add up to between -4 and 5.
        ({}, 100 / (1 + math.exp(4)), 100 / (1 + math.exp(-5))),
        ({"levels": 6}, 100 / (1 + math.exp(5)), 100 / (1 + math.exp(-6))),
        ({"depth_scale": "log", "min_depth_m": 0.5}, 0.5 * 200 ** (1 / (1 + math.exp(4))), 0.5 * 200 ** (1 / (1 + math.exp(-5)))),
    ],
)
def test_range_is_what_the_head_reaches_and_follows_the_camera(changes, nearest_m, farthest_m):
    range_m = predict(FakeEngine(**changes), focal_px=100).range_m
    assert range_m == pytest.approx((2 * nearest_m, 2 * farthest_m))


def test_portrait_and_landscape_are_taken_with_one_camera():
    predictor = DepthPredictor(FakeEngine())
    upright, turned = predictor(SMALL), predictor(np.ascontiguousarray(SMALL.transpose(1, 0, 2)))
    assert upright.focal_source == "assumed field of view"
    assert upright.intrinsics.focal_px == turned.intrinsics.focal_px


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 0.0, -1.0])
@pytest.mark.parametrize("flip", [False, True])
def test_an_engine_that_gives_no_depth(wrong, flip):
    def one_wrong(image):
        depth = np.ones((1, 1, *image.shape[2:]), np.float32)
        depth[0, 0, 3, 5] = wrong
        return depth

    with pytest.raises(ModelError, match="model 'fake' gave NaN or a depth that is not positive"):
        predict(FakeEngine(one_wrong), flip=flip)


# --- what can be given


def test_path_pil_and_array_are_one(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(PICTURE).save(path)
    results = [predict(FakeEngine(by_brightness), image) for image in (PICTURE, Image.fromarray(PICTURE), path, str(path))]
    for result in results:
        np.testing.assert_array_equal(result.depth_m, results[0].depth_m)
        np.testing.assert_array_equal(result.image, PICTURE)
    assert [result.path for result in results] == [None, None, path, path]


def test_list_in_list_out():
    predictor = DepthPredictor(FakeEngine(by_brightness))
    images = [SMALL, noise(50, 50, seed=1), noise(96, 128, seed=2)]
    for sequence in (images, tuple(images)):
        results = predictor(sequence, fov_deg=60, flip=True)
        assert isinstance(results, list)
        for image, result in zip(images, results, strict=True):
            np.testing.assert_array_equal(result.depth_m, predictor(image, fov_deg=60, flip=True).depth_m)
    assert predictor([]) == []


@pytest.mark.parametrize(
    ("image", "match"),
    [
        (None, "picture is NoneType; expected a path"),
        (42, "picture is int"),
        (b"bytes", "picture is bytes"),
        (np.zeros((48, 64), np.uint8), r"\(48, 64\); expected an \(H, W, 3\)"),
        (np.zeros((48, 64, 3)), "float64"),
        (np.zeros((4, 64, 3), np.uint8), "at least 8 pixels"),
    ],
)
def test_what_is_no_picture(image, match):
    with pytest.raises(InputError, match=match):
        predict(FakeEngine(), image)


def test_missing_file(tmp_path):
    with pytest.raises(ReadError, match="No such file"):
        predict(FakeEngine(), tmp_path / "a.png")


# --- native size


def test_native_over_budget_is_refused_before_the_network_runs():
    engine = FakeEngine()
    with pytest.raises(InputError, match=r"1200x1200 would take about 4\.1 GiB .* the 4 GiB allowed; leave native off"):
        predict(engine, np.zeros((1200, 1200, 3), np.uint8), native=True)
    assert engine.seen == []
    assert predict(engine, np.zeros((1200, 1200, 3), np.uint8)).depth_m.shape == (1200, 1200)


def test_native_budget_by_hand():
    # Published decoders: 12 maps of 64 float32 channels, 3072 bytes a pixel.
    most = NATIVE_BUDGET_BYTES // 3072
    check_native_size((1, most), make_config())
    with pytest.raises(InputError, match="allowed"):
        check_native_size((1, most + 1), make_config())
    slim = {"widths": (32, 16, 8, 8, 8), "heads": ((), (), (), (), ()), "aspp_width": 16}
    check_native_size((8, most), make_config(decoder=slim))
    with pytest.raises(InputError, match="allowed"):
        check_native_size((8, most + 1), make_config(decoder=slim))
