"""KITTI: the lists, the layout, the camera, and Velodyne points where a hand puts them."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data.trees import kitti_calibration, kitti_frame
from lapdepth.data.kitti import eigen_frames, eigen_rows, place_of
from lapdepth.data.kitti_calibration import project_sweep, read_calibration, read_sweep, velodyne_projection
from lapdepth.data.lists import Listing, read_list, read_pairs
from lapdepth.data.manifest import load_sample, read_manifest, write_manifest
from lapdepth.errors import ConfigError, ReadError

TRAIN, TEST = "2011_09_26_drive_0001_sync", "2011_09_26_drive_0002_sync"
SPLITS = Path(__file__).parents[3] / "shared" / "spec" / "splits"


# --- lists


def test_sizes_of_the_published_lists():
    assert len(list(eigen_frames("train"))) == 23_158
    assert len(list(eigen_frames("train", cameras=("image_02", "image_03")))) == 2 * 23_158
    assert len(list(eigen_frames("test"))) == 652
    assert len(list(eigen_frames("test", "lidar", ("image_02", "image_03")))) == 697
    assert sum(map(len, read_list("nyu_train").values())) == 24_231
    assert sum(map(len, read_list("nyu_test").values())) == 654


def test_no_drive_is_in_training_and_test():
    assert not {frame[0] for frame in eigen_frames("train")} & {frame[0] for frame in eigen_frames("test", "lidar")}


def test_first_frames_of_a_drive_have_no_annotated_depth():
    unannotated = set(eigen_frames("test", "lidar")) - set(eigen_frames("test"))
    assert len(unannotated) == 45
    assert (TEST, "image_02", 0) not in set(eigen_frames("test")) or (TEST, "image_02", 0) in unannotated
    assert min(frame[2] for frame in eigen_frames("train")) == 5


@pytest.mark.skipif(not SPLITS.is_dir(), reason=f"needs the published lists in {SPLITS}")
def test_lists_are_those_of_the_specification():
    for part in ("train", "test"):
        with (SPLITS / f"kitti_eigen_{part}.csv").open() as file:
            told = Counter((row["drive"], row["camera"], int(row["frame"])) for row in csv.DictReader(file))
        assert told == Counter(eigen_frames(part, "lidar"))
        with (SPLITS / f"kitti_eigen_{part}.csv").open() as file:
            annotated = {
                (row["drive"], row["camera"], int(row["frame"]))
                for row in csv.DictReader(file)
                if int(row["has_annotated_depth"])
            }
        assert annotated == set(eigen_frames(part))
        with (SPLITS / f"nyu_{part}.csv").open() as file:
            told = Counter((row["scene"], int(row["index"])) for row in csv.DictReader(file))
        assert told == Counter((scene, index) for scene, indices in read_list(f"nyu_{part}").items() for index in indices)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("/a/rgb_1.jpg /a/depth_1.png 518.8579\n", [("a/rgb_1.jpg", "a/depth_1.png", None)]),
        ("a.png d.png f.png 7\n\n# c d\nb.png None 721.5\n", [("a.png", "d.png", "f.png")]),
        ("a.png d.png None 721.5377", [("a.png", "d.png", None)]),
    ],
)
def test_lists_of_others(tmp_path, text, pairs):
    (tmp_path / "list.txt").write_text(text)
    assert read_pairs(tmp_path / "list.txt") == pairs


@pytest.mark.parametrize(("text", "reason"), [("a.png d.png\nb.png\n", "list.txt:2: 'b.png' has one word"), ("\n", "no picture")])
def test_unusable_lists(tmp_path, text, reason):
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(ConfigError, match=reason):
        read_pairs(tmp_path / "list.txt")
    with pytest.raises(ReadError, match="No such file"):
        read_pairs(tmp_path / "none.txt")


# --- rows


FEW = {"kitti_eigen_train": {TRAIN: [5, 6, 7]}, "kitti_eigen_test": {TEST: [69]}, "kitti_eigen_test_unannotated": {TEST: [0]}}


@pytest.fixture
def few(monkeypatch):
    """Lists of a few frames: asking for all of the published ones takes seconds."""
    monkeypatch.setattr("lapdepth.data.kitti.read_list", lambda name: {drive: list(x) for drive, x in FEW[name].items()})


@pytest.mark.parametrize("part", ["train", "val"])
def test_rows(few, tmp_path, part):
    kitti_frame(tmp_path, TRAIN, 7, part=part)
    found = eigen_rows(tmp_path, "train")
    assert (len(found.rows), len(found.missing)) == (1, 2)
    (row,) = found.rows
    assert (row.fx_px, row.fy_px, row.cx_px, row.cy_px) == (72.15377, 73, 60, 17)
    assert (row.split, row.scene, row.units_per_metre) == ("train", TRAIN, 256)
    sample = load_sample(row)
    assert sample.image.shape == (60, 100, 3)
    assert sample.depth_m[0, 0] == 0
    assert np.unique(sample.depth_m).tolist() == [0, 8]


def test_both_cameras_and_pictures_turned_into_jpeg(few, tmp_path):
    for camera in ("image_02", "image_03"):
        kitti_frame(tmp_path, TRAIN, 5, camera)
    image = tmp_path / "2011_09_26" / TRAIN / "image_03/data/0000000005.png"
    image.rename(image.with_suffix(".jpg"))
    rows = eigen_rows(tmp_path, "train", cameras=("image_02", "image_03")).rows
    assert [(row.image.parts[-3], row.image.suffix, row.cx_px) for row in rows] == [
        ("image_02", ".png", 60),
        ("image_03", ".jpg", 61),
    ]


def test_annotated_depth_beside_the_raw_days(few, tmp_path):
    kitti_frame(tmp_path, TEST, 69)
    (tmp_path / "data_depth_annotated" / "train").rename(tmp_path / "val")
    (row,) = eigen_rows(tmp_path, "test").rows
    assert row.depth == tmp_path / "val" / TEST / "proj_depth/groundtruth/image_02/0000000069.png"


def test_a_manifest_of_rows_reads_back(few, tmp_path):
    kitti_frame(tmp_path / "kitti", TRAIN, 5)
    rows = eigen_rows(tmp_path / "kitti", "train").rows
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "m.csv"
    write_manifest(path, rows)
    assert "../kitti/2011_09_26/" in path.read_text()
    (row,) = read_manifest(path)
    assert (row.fx_px, row.scene, row.dense_depth) == (72.15377, TRAIN, None)
    assert load_sample(row).depth_m[1, 1] == 6


def test_missing_files_are_an_error_unless_allowed(few, tmp_path):
    kitti_frame(tmp_path, TRAIN, 5)
    found = eigen_rows(tmp_path, "train")
    with pytest.raises(ReadError, match=r"2 of 3 rows lack a file, the first .*0000000006.png; .*--partial"):
        found.complete(allow_missing=False)
    assert found.complete(allow_missing=True) == found.rows
    with pytest.raises(ReadError, match="lack a file"):
        Listing([], found.missing).complete(allow_missing=True)


def test_without_calibration_the_row_is_missing(few, tmp_path):
    kitti_frame(tmp_path, TRAIN, 5)
    (tmp_path / "2011_09_26/calib_cam_to_cam.txt").unlink()
    found = eigen_rows(tmp_path, "train")
    assert found.rows == []
    assert tmp_path / "2011_09_26/calib_cam_to_cam.txt" in found.missing


def test_cameras_that_there_are_not():
    for cameras in ((), ("image_00",)):
        with pytest.raises(ConfigError, match="choose of image_02, image_03"):
            next(eigen_frames("train", cameras=cameras))


# --- where members of the archives go


@pytest.mark.parametrize(
    ("name", "place"),
    [
        (f"2011_09_26/{TRAIN}/image_02/data/0000000005.png", f"2011_09_26/{TRAIN}/image_02/data/0000000005.png"),
        (f"2011_09_26/{TRAIN}/image_02/data/0000000006.png", None),
        (f"2011_09_26/{TRAIN}/image_00/data/0000000005.png", None),
        (f"2011_09_26/{TRAIN}/velodyne_points/data/0000000005.bin", f"2011_09_26/{TRAIN}/velodyne_points/data/0000000005.bin"),
        (f"2011_09_26/{TRAIN}/velodyne_points/data/0000000006.bin", None),
        (
            f"train/{TRAIN}/proj_depth/groundtruth/image_02/0000000005.png",
            f"data_depth_annotated/train/{TRAIN}/proj_depth/groundtruth/image_02/0000000005.png",
        ),
        (
            f"data_depth_annotated/val/{TRAIN}/proj_depth/groundtruth/image_02/0000000005.png",
            f"data_depth_annotated/val/{TRAIN}/proj_depth/groundtruth/image_02/0000000005.png",
        ),
        ("2011_09_26/calib_cam_to_cam.txt", "2011_09_26/calib_cam_to_cam.txt"),
        ("2011_09_26/calib_imu_to_velo.txt", None),
        (f"2011_09_26/{TRAIN}/oxts/data/0000000005.txt", None),
    ],
)
def test_places(name, place):
    assert place_of(name, frozenset({(TRAIN, "image_02", 5)}), frozenset({(TRAIN, 5)})) == place


# --- Velodyne


def test_projection_by_hand(tmp_path):
    kitti_calibration(tmp_path, "d")
    cameras, scanner = (read_calibration(tmp_path / "d" / f"calib_{name}.txt") for name in ("cam_to_cam", "velo_to_cam"))
    matrix = velodyne_projection(cameras, scanner, "image_02")
    # The scanner's x is the camera's z, its y and z are minus the camera's x and y. P adds (4.5, 0.2, 0.5) to (u z, v z, z).
    points = np.array(
        [
            [9.5, 1, 0.1],  # z 10; u (-72.15377 + 9.5 * 60 + 4.5) / 10 = 50.23, v (-7.3 + 9.5 * 17 + 0.2) / 10 = 15.44
            [19.5, 2.055, 0.21],  # z 20; u (-148.276 + 1170 + 4.5) / 20 = 51.31, v (-15.33 + 331.5 + 0.2) / 20 = 15.82
            [19.5, 2.355, 0.29],  # z 20; u (-169.92 + 1174.5) / 20 = 50.23, v (-21.17 + 331.7) / 20 = 15.53
            [39.5, 4.84, 0.81],  # z 40; u (-349.2 + 2374.5) / 40 = 50.63, v (-59.1 + 671.7) / 40 = 15.3
            [-9.5, 0, 0],  # behind
            [0.2, 9, 0],  # beyond the left edge
        ],
        np.float32,
    )
    depth_m = project_sweep(points, matrix, (60, 100))
    expected = np.zeros((60, 100), np.float32)
    expected[14, 49] = 10  # round(15.44) - 1, round(50.23) - 1
    expected[15, 50] = 20
    expected[15, 49] = 20
    expected[14, 50] = 40
    assert np.argwhere(depth_m).tolist() == np.argwhere(expected).tolist()
    np.testing.assert_allclose(depth_m, expected, rtol=1e-6)


def test_the_nearest_of_two_points_in_a_pixel(tmp_path):
    matrix = np.array([[100.0, 0, 20, 0], [0, 100, 10, 0], [0, 0, 1, 0]]) @ np.array(
        [[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    )
    points = np.array([[10, 1, -0.5], [20, 2, -1], [5, 0.5, -0.25], [40, 4, -2]], np.float32)
    depth_m = project_sweep(points, matrix, (20, 30))
    assert np.argwhere(depth_m).tolist() == [[14, 9]]
    assert depth_m[14, 9] == 5


def test_edges_of_the_picture():
    matrix = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0]])  # u = -y / x, v = -z / x
    points = np.array([[1, -1, -1], [1, -5, -4], [1, -6, -4], [1, -5, -5], [1, 0, -1]], np.float32)
    assert np.argwhere(project_sweep(points, matrix, (4, 5))).tolist() == [[0, 0], [3, 4]]


def test_an_empty_sweep_projects_to_nothing():
    assert not project_sweep(np.zeros((0, 3), np.float32), np.eye(3, 4), (4, 5)).any()


def test_reading_a_sweep(tmp_path):
    path = tmp_path / "s.bin"
    path.write_bytes(np.array([[1, 2, 3, 0.5], [4, 5, 6, 0.1]], "<f4").tobytes())
    assert read_sweep(path).tolist() == [[1, 2, 3], [4, 5, 6]]
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ReadError, match="28 bytes; expected rows of 16 bytes"):
        read_sweep(path)
    path.write_bytes(np.full((1, 4), np.nan, "<f4").tobytes())
    with pytest.raises(ReadError, match="not finite"):
        read_sweep(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("P_rect_02: 1 2 3\n", "P_rect_02: 3 values; expected 12"),
        ("S_rect_02: 1 2\n", "P_rect_02: no such line"),
        ("P_rect_02: -1 0 0 0 0 1 0 0 0 0 1 0\n", "focal lengths of image_02 are -1.0 and 1.0"),
        ("P_rect_02: nan 0 0 0 0 1 0 0 0 0 1 0\n", "12 values; expected 12 finite"),
    ],
)
def test_damaged_calibration(tmp_path, text, reason):
    (tmp_path / "c.txt").write_text(text)
    with pytest.raises(ReadError, match=reason):
        read_calibration(tmp_path / "c.txt").intrinsics("image_02")


def test_sizes_in_the_calibration(tmp_path):
    (tmp_path / "c.txt").write_text("S_rect_02: 1.242e+03 3.75e+02\nS_rect_03: 1e9 3\n")
    assert read_calibration(tmp_path / "c.txt").size("image_02") == (375, 1242)
    with pytest.raises(ReadError, match="1000000000x3"):
        read_calibration(tmp_path / "c.txt").size("image_03")
