"""What every data set owes to training and evaluation, whatever its layout."""

import numpy as np
import pytest

from data.trees import NYU_SIZE, codes, kitti_frame, noise, nyu_labeled, nyu_sync, tum_sequence
from lapdepth.data.augment import AugmentSettings, augment
from lapdepth.data.check import check_rows
from lapdepth.data.folder import Recording, folder_rows
from lapdepth.data.kitti import eigen_rows
from lapdepth.data.kitti_benchmark import selection_rows
from lapdepth.data.manifest import load_sample, read_manifest, write_manifest
from lapdepth.data.nyu import prepare_labeled, sync_rows
from lapdepth.data.prepare import prepare_kitti
from lapdepth.data.tum import tum_rows

DRIVE, TEST = "2011_09_26_drive_0001_sync", "2011_09_26_drive_0002_sync"
LISTS = {
    "kitti_eigen_train": {DRIVE: [5, 6]},
    "kitti_eigen_test": {TEST: [69]},
    "kitti_eigen_test_unannotated": {},
    "nyu_train": {"kitchen_0028b": [45, 46]},
    "nyu_test": {"bathroom": [1]},
}


def kitti(root):
    for number in (5, 6):
        kitti_frame(root, DRIVE, number)
    return eigen_rows(root, "train").rows


def kitti_lidar(root):
    rng = np.random.default_rng(0)
    points = np.stack([rng.uniform(5, 40, 4000), rng.uniform(-20, 20, 4000), rng.uniform(-2, 1, 4000), np.zeros(4000)], axis=1)
    kitti_frame(root, TEST, 69, sweep=points)
    return next(iter(prepare_kitti([], root, truth="lidar").values()))


def kitti_selection(root):
    folder = root / "depth_selection/val_selection_cropped"
    noise(folder / f"image/{DRIVE}_image_0000000005_image_02.png", 1)
    codes(folder / f"groundtruth_depth/{DRIVE}_groundtruth_depth_0000000005_image_02.png", 2560)
    (folder / "intrinsics").mkdir()
    (folder / f"intrinsics/{DRIVE}_image_0000000005_image_02.txt").write_text("72 0 60 0 73 27 0 0 1")
    return selection_rows(root).rows


def nyu_official(root):
    pytest.importorskip("h5py")
    depth_m = np.full((2, *NYU_SIZE), 2, np.float32)
    images = np.random.default_rng(0).integers(0, 256, (2, *NYU_SIZE, 3), np.uint8)
    nyu_labeled(root / "a.mat", ["kitchen_0004", "bathroom_0001"], depth_m, depth_m, images)
    return prepare_labeled(root / "a.mat", root)


def nyu_frames(root):
    for number in (45, 46):
        nyu_sync(root, "kitchen_0028b", number)
    return sync_rows(root).rows


def tum(root):
    tum_sequence(root, "rgbd_dataset_freiburg2_desk", ["1.00", "1.03"], ["1.001", "1.031"])
    return tum_rows(root).rows


def own_folder(root):
    for place in ("a/1.png", "a/2.png"):
        noise(root / "rgb" / place, ord(place[2]))
        codes(root / "depth" / place, 3000)
    return folder_rows(root, Recording(1000, (90, 90))).rows


@pytest.mark.parametrize("make", [kitti, kitti_lidar, kitti_selection, nyu_official, nyu_frames, tum, own_folder])
def test_rows_are_samples(make, tmp_path, monkeypatch):
    for module in ("kitti", "nyu"):
        monkeypatch.setattr(f"lapdepth.data.{module}.read_list", LISTS.__getitem__)
    monkeypatch.setattr("lapdepth.data.nyu.PICTURES", 2)
    made = make(tmp_path)
    assert made
    write_manifest(tmp_path / "manifest.csv", made)
    rows = read_manifest(tmp_path / "manifest.csv")
    assert [(row.split, row.scene, row.units_per_metre) for row in rows] == [
        (row.split, row.scene, row.units_per_metre) for row in made
    ]
    for row in rows:
        assert row.scene
        sample = load_sample(row)
        height, width, _ = sample.image.shape
        assert sample.image.dtype == np.uint8
        assert sample.depth_m.dtype == np.float32
        assert sample.depth_m.shape == (height, width)
        assert (sample.depth_m >= 0).all()
        assert 0.5 < sample.depth_m.max() < 100
        assert (sample.intrinsics.height, sample.intrinsics.width) == (height, width)
        example = augment(sample, (32, 64), AugmentSettings(), np.random.default_rng(0))
        assert example.image.shape == (32, 64, 3)
        assert example.depth_m.any()
    wrong = {problem.kind for problem in check_rows(rows, jobs=1)}
    assert wrong <= {"camera"}  # the small pictures have the cameras of the real ones
