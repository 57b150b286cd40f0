"""KITTI's depth prediction benchmark: the selection's layout, and a ZIP that reads back as metres."""

import io
import zipfile

import cv2
import numpy as np
import pytest

from data.trees import codes, noise
from lapdepth.data import kitti_benchmark
from lapdepth.data.kitti_benchmark import SIZE, encode_depth, read_camera, selection_rows, write_submission
from lapdepth.data.manifest import load_sample
from lapdepth.errors import InputError, ReadError

DRIVE = "2011_09_26_drive_0002_sync"
CAMERA = "7.215377e+02 0 5.96e+02 0 7.21e+02 1.5e+02 0 0 1\n"


@pytest.fixture
def selection(tmp_path):
    folder = tmp_path / "depth_selection/val_selection_cropped"
    (folder / "intrinsics").mkdir(parents=True)
    for camera in ("image_02", "image_03"):
        noise(folder / f"image/{DRIVE}_image_0000000005_{camera}.png", 1, SIZE)
        codes(folder / f"groundtruth_depth/{DRIVE}_groundtruth_depth_0000000005_{camera}.png", 2560, SIZE)
        (folder / f"intrinsics/{DRIVE}_image_0000000005_{camera}.txt").write_text(CAMERA)
    return tmp_path


@pytest.fixture
def test_set(tmp_path, monkeypatch):
    monkeypatch.setattr(kitti_benchmark, "TEST_PICTURES", 2)
    folder = tmp_path / "depth_selection/test_depth_prediction_anonymous"
    (folder / "intrinsics").mkdir(parents=True)
    for i in range(2):
        noise(folder / f"image/{i:010}.png", i, SIZE)
        (folder / f"intrinsics/{i:010}.txt").write_text(CAMERA)
    return tmp_path


def test_validation_selection(selection):
    found = selection_rows(selection)
    assert (len(found.rows), found.missing) == (2, [])
    assert [(row.split, row.scene, row.fx_px, row.cy_px) for row in found.rows] == [("val", DRIVE, 721.5377, 150)] * 2
    assert load_sample(found.rows[0]).depth_m.max() == 10
    (selection / f"depth_selection/val_selection_cropped/intrinsics/{DRIVE}_image_0000000005_image_03.txt").unlink()
    assert [path.suffix for path in selection_rows(selection).missing] == [".txt"]


def test_a_submission_reads_back_as_metres(test_set, tmp_path):
    seen = []

    def predict(image, camera):
        seen.append((image.shape, camera.fx_px, camera.cx_px))
        return np.full(SIZE, 12.5 * len(seen), np.float32)

    assert write_submission(test_set, predict, tmp_path / "s.zip") == 2
    assert seen == [((*SIZE, 3), 721.5377, 596)] * 2
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert archive.namelist() == ["0000000000.png", "0000000001.png"]
        maps = [cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_UNCHANGED) for name in archive.namelist()]
    assert [(one.dtype, one.shape) for one in maps] == [(np.uint16, SIZE)] * 2
    assert [np.unique(one).tolist() for one in maps] == [[3200], [6400]]


def test_codes_stay_within_what_a_png_holds():
    depth_m = np.full(SIZE, 10, np.float32)
    depth_m[0, :3] = (1e-4, 300, 0.0059)
    got = cv2.imdecode(np.frombuffer(io.BytesIO(encode_depth(depth_m, "a")).read(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert got[0, :4].tolist() == [1, 65535, 2, 2560]


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf])
def test_predictions_without_a_depth(value):
    depth_m = np.full(SIZE, 10, np.float32)
    depth_m[5, 5] = value
    with pytest.raises(InputError, match="not positive and finite"):
        encode_depth(depth_m, "a")


def test_what_is_no_submission(test_set, tmp_path, monkeypatch):
    def predict(image, camera):
        return np.ones((5, 5), np.float32)

    with pytest.raises(InputError, match=r"is \(5, 5\); the benchmark takes \(352, 1216\)"):
        write_submission(test_set, predict, tmp_path / "s.zip")
    with pytest.raises(InputError, match=r"ends in .zip"):
        write_submission(test_set, predict, tmp_path / "s.tar")
    monkeypatch.setattr(kitti_benchmark, "TEST_PICTURES", 500)
    with pytest.raises(ReadError, match="has 2 pictures, the benchmark 500"):
        write_submission(test_set, predict, tmp_path / "s.zip")
    with pytest.raises(ReadError, match="no pictures in"):
        write_submission(tmp_path / "nosuch", predict, tmp_path / "s.zip")
    assert not (tmp_path / "s.zip").exists()


def test_a_picture_of_another_size(test_set, tmp_path, monkeypatch):
    noise(test_set / "depth_selection/test_depth_prediction_anonymous/image/0000000000.png", 1, (375, 1242))
    with pytest.raises(ReadError, match=r"is \(375, 1242\); the pictures of the benchmark are \(352, 1216\)"):
        write_submission(test_set, lambda *_: None, tmp_path / "s.zip")


@pytest.mark.parametrize("text", ["1 2 3", "a b c d e f g h i", "0 0 0 0 0 0 0 0 0"])
def test_a_damaged_camera(tmp_path, text):
    (tmp_path / "c.txt").write_text(text)
    with pytest.raises(ReadError, match="expected the nine numbers"):
        read_camera(tmp_path / "c.txt")
