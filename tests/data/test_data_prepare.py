"""From archives to manifests, on small archives in the layout of the official ones."""

import logging
import tarfile
import zipfile

import numpy as np
import pytest

from data.trees import NYU_SIZE, codes, kitti_frame, noise, nyu_labeled, nyu_sync, tum_sequence
from lapdepth.data.kitti_calibration import RAW_LIDAR_WARNING
from lapdepth.data.manifest import load_sample, read_manifest
from lapdepth.data.prepare import find_archives, prepare_kitti, prepare_kitti_selection, prepare_nyu, prepare_tum
from lapdepth.errors import ConfigError, OutputError, ReadError

TRAIN, TEST = "2011_09_26_drive_0001_sync", "2011_09_26_drive_0002_sync"
LISTS = {
    "kitti_eigen_train": {TRAIN: [5, 6]},
    "kitti_eigen_test": {TEST: [69]},
    "kitti_eigen_test_unannotated": {TEST: [0]},
    "nyu_train": {"kitchen_0028b": [45], "office_0001": [3]},
    "nyu_test": {"bathroom": [1]},
}
DESK = "rgbd_dataset_freiburg1_desk"


@pytest.fixture(autouse=True)
def short_lists(monkeypatch):
    for module in ("kitti", "nyu", "prepare"):
        monkeypatch.setattr(
            f"lapdepth.data.{module}.read_list", lambda name: {place: list(some) for place, some in LISTS[name].items()}
        )


def pack(tree, archive, below=""):
    """Everything in `tree` as a ZIP, names relative to it."""
    archive.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted((tree / below).rglob("*")):
            file.write(path, path.relative_to(tree))


@pytest.fixture
def kitti(tmp_path):
    """The downloads: a ZIP for each drive, one for the calibration, one for the annotated depth."""
    tree, downloads = tmp_path / "tree", tmp_path / "downloads"
    for number in (4, 5, 6):  # the list leaves 4 out
        kitti_frame(tree, TRAIN, number, part="train")
        kitti_frame(tree, TRAIN, number, "image_03", part="train")
    kitti_frame(tree, TEST, 69, part="val", sweep=[[9.5, 1, 0.1, 0.3]])
    kitti_frame(tree, TEST, 0, annotated=False, sweep=[[19.5, 2.055, 0.21, 0]])
    pack(tree / "data_depth_annotated", downloads / "data_depth_annotated.zip")
    for drive in (TRAIN, TEST):
        pack(tree, downloads / f"{drive}.zip", f"2011_09_26/{drive}")
    with zipfile.ZipFile(downloads / "2011_09_26_calib.zip", "w") as file:
        for name in ("calib_cam_to_cam.txt", "calib_velo_to_cam.txt"):
            file.write(tree / "2011_09_26" / name, f"2011_09_26/{name}")
    (downloads / "notes.txt").write_text("not an archive")
    return downloads


def test_kitti(kitti, tmp_path):
    root, seen = tmp_path / "kitti", []
    made = prepare_kitti([kitti], root, watch=lambda *told: seen.append(told))
    assert list(made) == [root / "manifest.csv"]
    rows = read_manifest(root / "manifest.csv")
    assert [(row.image.stem, row.split, row.scene) for row in rows] == [
        ("0000000005", "train", TRAIN),
        ("0000000006", "train", TRAIN),
        ("0000000069", "test", TEST),
    ]
    assert [load_sample(row).depth_m.max() for row in rows] == [6, 7, 70]
    assert len(list(root.rglob("image_0*/data/*.png"))) == 3  # neither frame 4 nor the right camera
    assert not list(root.rglob("*.bin"))
    assert ("unpacking data_depth_annotated.zip", 3, 3) in seen


def test_kitti_with_the_right_camera(kitti, tmp_path):
    prepare_kitti([kitti], tmp_path / "kitti", cameras=("image_02", "image_03"))
    rows = read_manifest(tmp_path / "kitti/manifest.csv")
    assert [row.image.parts[-3] for row in rows] == ["image_02", "image_03", "image_02", "image_03", "image_02"]


def test_kitti_with_raw_lidar_says_what_it_is(kitti, tmp_path, caplog):
    root = tmp_path / "kitti"
    with caplog.at_level(logging.WARNING):
        made = prepare_kitti([kitti], root, truth="lidar")
    assert [record.message for record in caplog.records] == [RAW_LIDAR_WARNING]
    assert list(made) == [root / "manifest_lidar.csv"]
    rows = read_manifest(root / "manifest_lidar.csv")
    assert [(row.image.stem, row.split) for row in rows] == [("0000000000", "test"), ("0000000069", "test")]
    far, near = (load_sample(row).depth_m for row in rows)
    # As in the test of the projection.
    assert (np.argwhere(far).tolist(), far.max()) == ([[15, 50]], 20)
    assert (np.argwhere(near).tolist(), near.max()) == ([[14, 49]], 10)


def test_kitti_goes_on_after_an_interruption(kitti, tmp_path):
    root = tmp_path / "kitti"

    def stop(what, done, total):
        if what.startswith("unpacking") and "0001" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_kitti([kitti], root, watch=stop)
    assert not (root / "manifest.csv").exists()
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.*") if path.is_file()}
    assert len(before) == 3  # two of calibration, and one picture
    prepare_kitti([kitti], root)
    assert len(read_manifest(root / "manifest.csv")) == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_kitti_that_is_unpacked_already(tmp_path):
    kitti_frame(tmp_path, TRAIN, 5)
    with pytest.raises(ReadError, match=r"2 of 3 rows lack a file"):
        prepare_kitti([], tmp_path)
    assert not (tmp_path / "manifest.csv").exists()
    prepare_kitti([], tmp_path, allow_missing=True)
    assert len(read_manifest(tmp_path / "manifest.csv")) == 1


def test_kitti_with_a_published_list(kitti, tmp_path):
    """Frame 4 is on no shipped list; depth stands below data_depth_annotated, with and without its part."""
    root, inside = tmp_path / "kitti", "proj_depth/groundtruth/image_02"
    codes(root / "dense/4.png", 256 * 9)
    picture = f"2011_09_26/{TRAIN}/image_02/data"
    (tmp_path / "list.txt").write_text(
        f"{picture}/0000000004.jpg {TRAIN}/{inside}/0000000004.png dense/4.png\n"
        f"{picture}/0000000006.png train/{TRAIN}/{inside}/0000000006.png None 721.5\n"
    )
    prepare_kitti([kitti], root, list_file=tmp_path / "list.txt")
    rows = read_manifest(root / "manifest.csv")
    assert [(row.image.stem, row.split, row.scene) for row in rows] == [
        ("0000000004", "train", TRAIN),
        ("0000000006", "train", TRAIN),
        ("0000000069", "test", TEST),
    ]
    assert [row.dense_depth and row.dense_depth.name for row in rows] == ["4.png", None, None]
    assert len({row.fx_px for row in rows}) == 1
    assert load_sample(rows[0]).dense_m.max() == 9


@pytest.mark.parametrize(
    ("line", "truth", "message"),
    [
        ("rgb/1.png depth/1.png", "annotated", r"'rgb/1.png' is no picture of a drive"),
        ("rgb/1.png depth/1.png", "lidar", r"raw LiDAR is of the test alone"),
    ],
)
def test_kitti_with_a_list_that_does_not_fit(kitti, tmp_path, line, truth, message):
    (tmp_path / "list.txt").write_text(line + "\n")
    with pytest.raises(ConfigError, match=message):
        prepare_kitti([kitti], tmp_path / "kitti", truth=truth, list_file=tmp_path / "list.txt")
    assert not list((tmp_path / "kitti").rglob("manifest*.csv"))


def test_kitti_with_a_list_and_cameras_is_refused(kitti, tmp_path):
    (tmp_path / "list.txt").write_text(f"2011_09_26/{TRAIN}/image_02/data/0000000005.png a.png\n")
    with pytest.raises(ConfigError, match=r"cameras are image_03, and .*list\.txt names the camera of each picture; leave one"):
        prepare_kitti([kitti], tmp_path / "kitti", cameras=["image_03"], list_file=tmp_path / "list.txt")
    assert not (tmp_path / "kitti").exists()


def test_kitti_with_raw_lidar_and_cameras_is_refused(kitti, tmp_path):
    with pytest.raises(ConfigError, match=r"cameras are image_03, of training pictures, and raw LiDAR is of the test alone"):
        prepare_kitti([kitti], tmp_path / "kitti", cameras=["image_03"], truth="lidar")
    assert not (tmp_path / "kitti").exists()


def test_a_hostile_archive_among_others(kitti, tmp_path):
    with zipfile.ZipFile(kitti / "z.zip", "w") as file:
        file.writestr("../../evil.png", "x")
    with pytest.raises(ReadError, match="is refused"):
        prepare_kitti([kitti], tmp_path / "kitti")
    assert list((tmp_path / "kitti").rglob("*")) == []


def test_kitti_selection(tmp_path):
    folder = tmp_path / "tree/depth_selection"
    noise(folder / f"val_selection_cropped/image/{TRAIN}_image_0000000005_image_02.png", 1)
    codes(folder / f"val_selection_cropped/groundtruth_depth/{TRAIN}_groundtruth_depth_0000000005_image_02.png", 2560)
    codes(folder / f"val_selection_cropped/velodyne_raw/{TRAIN}_velodyne_raw_0000000005_image_02.png", 2560)
    noise(folder / "test_depth_prediction_anonymous/image/0000000000.png", 1)
    noise(folder / "test_depth_completion_anonymous/image/0000000000.png", 1)
    (folder / "val_selection_cropped/intrinsics").mkdir()
    (folder / f"val_selection_cropped/intrinsics/{TRAIN}_image_0000000005_image_02.txt").write_text("72 0 60 0 73 17 0 0 1")
    pack(tmp_path / "tree", tmp_path / "data_depth_selection.zip")
    root = tmp_path / "kitti"
    prepare_kitti_selection([tmp_path / "data_depth_selection.zip"], root)
    (row,) = read_manifest(root / "manifest_selection.csv")
    assert (row.split, row.fy_px, load_sample(row).depth_m.max()) == ("val", 73, 10)
    assert (root / "depth_selection/test_depth_prediction_anonymous/image/0000000000.png").is_file()
    assert len([path for path in root.rglob("*") if path.is_file()]) == 5


def test_nyu(tmp_path, monkeypatch):
    pytest.importorskip("h5py")
    monkeypatch.setattr("lapdepth.data.nyu.PICTURES", 2)
    depth_m = np.full((2, *NYU_SIZE), 2, np.float32)
    nyu_labeled(tmp_path / "downloads/nyu_depth_v2_labeled.mat", ["kitchen_0004", "bathroom_0001"], depth_m, depth_m)
    for scene, number in (("kitchen_0028b", 45), ("kitchen_0028b", 46), ("office_0001", 3)):
        nyu_sync(tmp_path / "tree", scene, number)
    pack(tmp_path / "tree", tmp_path / "downloads/sync.zip")
    (tmp_path / "downloads/splits.mat").write_bytes(b"MATLAB 5.0 MAT-file")  # the official split, downloaded along with them
    root = tmp_path / "nyu"
    made = prepare_nyu([tmp_path / "downloads"], root)
    assert [path.name for path in made] == ["manifest_labeled.csv", "manifest_sync.csv"]
    labelled, sync = (read_manifest(path) for path in made)
    assert [(row.split, row.dense_depth is not None) for row in labelled] == [("train", True), ("test", True)]
    assert [(row.scene, row.split, row.image.name) for row in sync] == [
        ("kitchen_0028b", "train", "rgb_00045.jpg"),
        ("office_0001", "train", "rgb_00003.jpg"),
    ]
    assert load_sample(sync[0]).depth_m.max() == 1.5
    assert len(list((root / "sync").rglob("*.*"))) == 4


def test_nyu_with_a_list_of_ones_own(tmp_path):
    nyu_sync(tmp_path / "tree", "kitchen_0028b", 46)
    pack(tmp_path / "tree", tmp_path / "sync.zip")
    (tmp_path / "list.txt").write_text("/kitchen_0028b/rgb_00046.jpg /kitchen_0028b/sync_depth_00046.png 518.8579\n")
    prepare_nyu([tmp_path / "sync.zip"], tmp_path / "nyu", tmp_path / "list.txt")
    (row,) = read_manifest(tmp_path / "nyu/manifest_sync.csv")
    assert (row.fx_px, row.fy_px, row.cx_px, row.scene) == (518.8579, 519.4696, 325.5824, "kitchen_0028b")
    assert load_sample(row).depth_m.max() == 1.5


def test_nyu_without_anything(tmp_path):
    with pytest.raises(ReadError, match=r"nothing to prepare in .*; give nyu_depth_v2_labeled.mat or sync.zip"):
        prepare_nyu([], tmp_path / "nyu")


def test_tum(tmp_path):
    tum_sequence(tmp_path / "tree", DESK, ["10.00"], ["10.01"])
    (tmp_path / "tree" / DESK / "groundtruth.txt").write_text("# poses")
    with tarfile.open(tmp_path / f"{DESK}.tgz", "w:gz") as file:
        file.add(tmp_path / "tree" / DESK, DESK)
    told = []
    prepare_tum([tmp_path / f"{DESK}.tgz"], tmp_path / "tum", test=[DESK], watch=lambda *what: told.append(what))
    assert told[0] == (f"reading {DESK}.tgz (MB)", 0, 1)
    assert told[-1] == (f"unpacking {DESK}.tgz", 4, 4)
    (row,) = read_manifest(tmp_path / "tum/manifest.csv")
    assert (row.split, load_sample(row).depth_m.max()) == ("test", 2)
    assert not (tmp_path / "tum" / DESK / "groundtruth.txt").exists()


def test_inputs_that_hold_no_archive(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    for path in (tmp_path, tmp_path / "notes.txt", tmp_path / "none.zip"):
        with pytest.raises(ReadError, match="no archive there; expected"):
            find_archives([path])


def test_a_folder_of_archives_with_what_macos_leaves(tmp_path):
    for name in ("a.zip", "._a.zip"):
        (tmp_path / name).write_bytes(b"")
    assert find_archives([tmp_path]) == [tmp_path / "a.zip"]
    assert find_archives([tmp_path / "._a.zip"]) == [tmp_path / "._a.zip"]  # named outright


def test_an_archive_whose_name_no_disk_takes(tmp_path):
    with pytest.raises(ReadError, match=r"cannot read .*: File name too long; expected an archive"):
        find_archives([tmp_path / f"{'a' * 300}.zip"])


def test_an_output_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make the folder"):
        prepare_tum([], tmp_path / "file")
