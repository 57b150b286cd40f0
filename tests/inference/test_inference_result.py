"""What a prediction can tell and write."""

import json
import re
from datetime import datetime

import numpy as np
import pytest

from inference.fake_engine import FakeEngine, by_column, noise
from lapdepth.errors import InputError, OutputError
from lapdepth.inference.predictor import DepthPredictor
from lapdepth.io.depth import read_npz, read_png16

IMAGE = noise(48, 64)
KEYS = {
    "image",
    "units",
    "range_min_m",
    "range_max_m",
    "height",
    "width",
    "network_height",
    "network_width",
    "focal_px",
    "focal_source",
    "metres_follow_focal",
    "valid_share",
    "sky",
    "sky_share",
    "model",
    "model_licence",
    "engine",
    "predicted_at",
}


@pytest.fixture
def result():
    """Columns at 1 to 64 m, sky from 33 m on, a camera of 50 px."""
    return DepthPredictor(FakeEngine(by_column, log_scale=0.0, far_m=33.0))(IMAGE, focal_px=50)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_points(result):
    points = result.points()
    assert (points.shape, points.dtype) == ((48, 64, 3), np.float32)
    # Column 0 is at 1 m and 31.5 px left of the middle, row 0 at 23.5 px above it; column 31 at 32 m and half a pixel left.
    np.testing.assert_allclose(points[0, 0], [-31.5 / 50, -23.5 / 50, 1], rtol=1e-6)
    np.testing.assert_allclose(points[47, 31], [32 * -0.5 / 50, 32 * 23.5 / 50, 32], rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(points).any(axis=-1), ~result.valid)
    assert np.isnan(points[:, 32:]).all()


def test_distance(result):
    distance_m = result.distance_m()
    assert distance_m.shape == (48, 64)
    assert distance_m[0, 0] == pytest.approx(np.sqrt(1 + 0.63**2 + 0.47**2))
    assert distance_m[24, 31] == pytest.approx(32 * np.sqrt(1 + 2 * 0.01**2))


def test_metadata(result):
    notes = result.metadata()
    assert set(notes) == KEYS
    assert datetime.fromisoformat(notes.pop("predicted_at")).utcoffset().total_seconds() == 0
    assert notes == {
        "image": None,
        "units": "metres along the optical axis",
        "range_min_m": 1.7986,  # 100 / (1 + e^4)
        "range_max_m": 33.0,
        "height": 48,
        "width": 64,
        "network_height": 48,
        "network_width": 64,
        "focal_px": 50.0,
        "focal_source": "option",
        "metres_follow_focal": True,
        "valid_share": 0.5,
        "sky": "invalid",
        "sky_share": 0.5,
        "model": "fake",
        "model_licence": "free",
        "engine": "fake",
    }


def test_save_npz(tmp_path, result):
    result.save(tmp_path / "a.npz")
    read = read_npz(tmp_path / "a.npz")
    np.testing.assert_array_equal(read.depth_m, np.where(result.valid, result.depth_m, 0))
    np.testing.assert_array_equal(read.valid, result.valid)
    np.testing.assert_array_equal(read.confidence, result.confidence)
    assert read.intrinsics == result.intrinsics
    assert set(read.metadata) == KEYS


def test_save_png(tmp_path, result):
    result.save(str(tmp_path / "a.png"))
    depth_m, valid = read_png16(tmp_path / "a.png")
    np.testing.assert_array_equal(valid, result.valid)
    np.testing.assert_array_equal(depth_m[valid], result.depth_m[valid])


def test_save_png_with_a_scale(tmp_path, result):
    result.save(tmp_path / "a.PNG", png_scale=1000)
    depth_m, valid = read_png16(tmp_path / "a.PNG", 1000)
    np.testing.assert_allclose(depth_m[valid], result.depth_m[valid], atol=0.0005)


def test_save_png_with_sky_far(tmp_path, result):
    far = DepthPredictor(FakeEngine(by_column, far_m=33.0))(IMAGE, focal_px=50, sky="far")
    far.save(tmp_path / "a.png")
    depth_m, valid = read_png16(tmp_path / "a.png")
    assert valid.all()
    np.testing.assert_array_equal(depth_m, np.where(result.valid, result.depth_m, np.float32(33)))
    assert np.isfinite(far.points()).all()
    notes = far.metadata()
    assert (notes["sky"], notes["sky_share"], notes["valid_share"]) == ("far", 0.5, 1.0)


def test_save_exr(tmp_path, result):
    exr = pytest.importorskip("OpenEXR")
    result.save(tmp_path / "a.exr")
    stored = exr.File(str(tmp_path / "a.exr")).channels()["Z"].pixels
    np.testing.assert_array_equal(stored, np.where(result.valid, result.depth_m, np.nan))


def test_save_ply(tmp_path, result):
    result.save(tmp_path / "a.ply")
    data = (tmp_path / "a.ply").read_bytes()
    assert int(re.search(rb"element vertex (\d+)", data)[1]) == 48 * 32
    body = np.frombuffer(data.split(b"end_header\n", 1)[1], np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)]))
    np.testing.assert_array_equal(body["rgb"], IMAGE[:, :32].reshape(-1, 3))
    np.testing.assert_array_equal(body["xyz"], result.points()[:, :32].reshape(-1, 3))


def test_save_json(tmp_path, result):
    result.save(tmp_path / "a.json")
    stored = json.loads((tmp_path / "a.json").read_text())
    assert stored | {"predicted_at": ""} == result.metadata() | {"predicted_at": ""}


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.tiff", "a.npy"])
def test_unknown_suffix(tmp_path, result, name):
    with pytest.raises(InputError, match=r"cannot save as '.*'; use \.npz, \.png, \.exr, \.ply or \.json"):
        result.save(tmp_path / name)
    assert names(tmp_path) == []


def test_folder_that_does_not_exist(tmp_path, result):
    with pytest.raises(OutputError, match="does not exist; make it first"):
        result.save(tmp_path / "no" / "a.npz")
    assert names(tmp_path) == []


def test_png_that_overflows_leaves_nothing(tmp_path):
    far = DepthPredictor(FakeEngine(10.0))(IMAGE, focal_px=5000)  # 1000 m
    with pytest.raises(InputError, match=r"from 1000 to 1000 m does not fit 16 bits at 256 .* use 64 units per metre"):
        far.save(tmp_path / "a.png")
    assert names(tmp_path) == []
    far.save(tmp_path / "a.png", png_scale=64)
    assert read_png16(tmp_path / "a.png", 64)[0].max() == 1000
