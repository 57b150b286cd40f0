"""NYU Depth V2: the labelled file as MATLAB writes it, and the synchronised frames."""

import cv2
import numpy as np
import pytest

from data.trees import NYU_SIZE, nyu_labeled, nyu_sync
from lapdepth.data import nyu
from lapdepth.data.manifest import load_sample, read_depth
from lapdepth.errors import MissingExtraError, OutputError, ReadError

h5py = pytest.importorskip("h5py")


@pytest.fixture
def mat(tmp_path, monkeypatch):
    """Two pictures, the second of which is for test."""
    monkeypatch.setattr(nyu, "PICTURES", 2)
    monkeypatch.setattr(nyu, "read_list", lambda name: {"bathroom": [1]})
    raw = np.zeros((2, *NYU_SIZE), np.float32)
    raw[0, 10, 20], raw[0, 11, 20] = 1.2344, 9.9996
    raw[1] = 3
    filled = np.full((2, *NYU_SIZE), 2.5, np.float32)
    images = np.zeros((2, *NYU_SIZE, 3), np.uint8)
    images[0, 10, 20] = (200, 100, 50)
    images[1, 479, 0] = (1, 2, 3)
    path = tmp_path / "nyu_depth_v2_labeled.mat"
    nyu_labeled(path, ["kitchen_0004", "bathroom_0001"], raw, filled, images)
    return path


def test_official_split_is_654_and_795():
    assert {i for numbers in nyu.read_list("nyu_test").values() for i in numbers} <= set(range(nyu.PICTURES))
    assert nyu.PICTURES - 654 == 795


def test_pixels_are_where_matlab_had_them(mat, tmp_path):
    seen = []
    rows = nyu.prepare_labeled(mat, tmp_path / "nyu", lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    assert [(row.image.name, row.split, row.scene) for row in rows] == [
        ("00000.png", "train", "kitchen_0004"),
        ("00001.png", "test", "bathroom_0001"),
    ]
    first = load_sample(rows[0])
    assert first.image[10, 20].tolist() == [200, 100, 50]
    assert np.argwhere(first.image.any(axis=2)).tolist() == [[10, 20]]
    assert np.argwhere(first.depth_m).tolist() == [[10, 20], [11, 20]]
    assert (first.depth_m[10, 20], first.depth_m[11, 20]) == (np.float32(1.234), 10)
    assert np.unique(first.dense_m).tolist() == [2.5]
    assert (first.intrinsics.fx_px, first.intrinsics.cy_px) == (518.8579, 253.7362)
    assert load_sample(rows[1]).image[479, 0].tolist() == [1, 2, 3]


def test_an_interrupted_run_goes_on(mat, tmp_path):
    root = tmp_path / "nyu"

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nyu.prepare_labeled(mat, root, stop)
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    assert files == ["labeled/depth_filled/00000.png", "labeled/depth_raw/00000.png", "labeled/rgb/00000.png"]
    cv2.imwrite(str(root / "labeled/rgb/00000.png"), np.full((*NYU_SIZE, 3), 9, np.uint8))  # to see that it is left alone
    (root / "labeled/depth_raw/00001.png").write_bytes((root / "labeled/depth_raw/00000.png").read_bytes())  # one of three
    rows = nyu.prepare_labeled(mat, root)
    assert load_sample(rows[0]).image[0, 0].tolist() == [9, 9, 9]
    assert np.unique(read_depth(rows[1].depth, 1000)).tolist() == [3]


def test_depth_that_is_no_number_is_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(nyu, "PICTURES", 1)
    raw = np.full((1, *NYU_SIZE), 2, np.float32)
    raw[0, 0, :3] = (np.nan, np.inf, -1)
    nyu_labeled(tmp_path / "a.mat", ["x"], raw, raw)
    (row,) = nyu.prepare_labeled(tmp_path / "a.mat", tmp_path)
    assert read_depth(row.depth, 1000)[0, :5].tolist() == [0, 0, 0, 2, 2]


def test_unusable_files(mat, tmp_path, monkeypatch):
    def refused(path, reason):
        with pytest.raises(ReadError, match=reason):
            nyu.prepare_labeled(path, tmp_path / "out")
        assert not list((tmp_path / "out").rglob("*.png"))

    refused(tmp_path / "none.mat", "cannot read .*none.mat")
    (tmp_path / "text.mat").write_text("MATLAB 5.0")
    refused(tmp_path / "text.mat", "Download it again")
    (tmp_path / "half.mat").write_bytes(mat.read_bytes()[:100_000])
    refused(tmp_path / "half.mat", "Download it again")
    with h5py.File(mat, "a") as file:
        file["rawDepths"][0, 5, 5] = 1234
    with pytest.raises(ReadError, match=r"rawDepths, picture 0: depth up to 1234 m; expected metres"):
        nyu.prepare_labeled(mat, tmp_path / "other")
    with h5py.File(mat, "a") as file:
        del file["rawDepths"]
    refused(mat, "rawDepths: no such array; expected float32")
    monkeypatch.setattr(nyu, "PICTURES", 1449)
    refused(mat, r"images: uint8 \(2, 3, 640, 480\); expected uint8 \(1449, 3, 640, 480\)")


def make_external(file, folder):
    """The pictures' bytes are to be those of another file on this machine."""
    (folder / "secret.bin").write_bytes(b"S" * 2 * 3 * NYU_SIZE[0] * NYU_SIZE[1])
    shape = file["images"].shape
    del file["images"]
    file.create_dataset("images", shape, np.uint8, external=[(str(folder / "secret.bin"), 0, h5py.h5f.UNLIMITED)])


def make_virtual(file, folder):
    shape = file["images"].shape
    del file["images"]
    layout = h5py.VirtualLayout(shape, np.uint8)
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "images", shape)
    file.create_virtual_dataset("images", layout)


def make_link(file, folder):
    del file["images"]
    file["images"] = h5py.ExternalLink(str(folder / "other.h5"), "images")


def make_huge_chunk(file, folder):
    shape = file["images"].shape
    del file["images"]
    file.create_dataset("images", shape, np.uint8, chunks=(300, 3, 640, 480), maxshape=(None, 3, 640, 480), compression="gzip")


def make_group(file, folder):
    del file["images"]
    file.create_group("images")


def make_long_scene(file, folder):
    file["scenes"][0, 0] = file.create_dataset("long", (10**11, 1), np.uint16, chunks=(1000, 1)).ref


def make_scene_by_path(file, folder):
    """A path, which leads into another file, in place of a reference."""
    del file["scenes"]
    file["link"] = h5py.ExternalLink(str(folder / "other.h5"), "secret")
    file.create_dataset("scenes", data=np.array([["link", "link"]], object), dtype=h5py.string_dtype())


def make_strange_scene(file, folder):
    file["scenes"][0, 0] = file.create_dataset("strange", data=np.array([[104], [10], [0]], np.uint16)).ref


def make_scene_of_no_character(file, folder):
    file["scenes"][0, 0] = file.create_dataset("large", data=np.array([[2**40]], np.uint64)).ref


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (make_external, "images does not lie in the file itself"),
        (make_virtual, "images does not lie in the file itself"),
        (make_link, "images does not lie in the file itself"),
        (make_huge_chunk, "images does not lie in the file itself"),
        (make_group, "Download it again"),
        (make_long_scene, "a name of 100000000000 characters"),
        (make_scene_of_no_character, "expected nyu_depth_v2_labeled.mat, whole"),
        (make_scene_by_path, "the scene of picture 0 is no reference"),
        (make_strange_scene, r"the scene of picture 0 is 'h\\n\\x00'"),
    ],
)
def test_hostile_files(mat, tmp_path, spoil, reason):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["images"] = np.zeros((2, 3, 640, 480), np.uint8)
        file["secret"] = np.array([[ord(letter)] for letter in "secret"], np.uint16)
    with h5py.File(mat, "a") as file:
        spoil(file, tmp_path)
    with pytest.raises(ReadError, match=reason):
        nyu.prepare_labeled(mat, tmp_path / "out")


def test_without_h5py(mat, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"lapdepth\[hdf5\]"):
        nyu.prepare_labeled(mat, tmp_path / "nyu")


def test_where_no_folder_can_be_made(mat, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make a folder"):
        nyu.prepare_labeled(mat, tmp_path / "file")


def test_synchronised_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(nyu, "read_list", {"nyu_train": {"kitchen_0028b": [45, 46]}}.__getitem__)
    nyu_sync(tmp_path, "kitchen_0028b", 45)
    found = nyu.sync_rows(tmp_path)
    assert found.missing == [tmp_path / "sync/kitchen_0028b/rgb_00046.jpg"]
    (row,) = found.rows
    assert (row.split, row.scene, row.fx_px) == ("train", "kitchen_0028b", 518.8579)
    assert load_sample(row).depth_m[5, 5] == 1.5


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("sync/kitchen_0028b/rgb_00045.jpg", "sync/kitchen_0028b/rgb_00045.jpg"),
        ("kitchen_0028b/sync_depth_00045.png", "sync/kitchen_0028b/sync_depth_00045.png"),
        ("sync/kitchen_0028b/rgb_00046.jpg", None),
        ("sync/kitchen_0028b/notes.txt", None),
    ],
)
def test_places(name, place):
    assert nyu.sync_place_of(name, frozenset({("kitchen_0028b", 45)})) == place
