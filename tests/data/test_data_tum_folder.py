"""TUM RGB-D: what goes with what in time. One's own folder: what goes with what by name."""

import numpy as np
import pytest

from data.trees import codes, noise, tum_sequence
from lapdepth.data.folder import Recording, folder_rows, list_rows
from lapdepth.data.manifest import load_sample, read_manifest, write_manifest
from lapdepth.data.tum import associate, place_of, read_times, tum_rows
from lapdepth.errors import ConfigError, ReadError

DESK, HOUSE = "rgbd_dataset_freiburg1_desk", "rgbd_dataset_freiburg3_long_office_household"
MILLIMETRES = Recording(1000, (50, 50))


@pytest.mark.parametrize(
    ("images_s", "depths_s", "pairs"),
    [
        ([1.0, 2.0], [2.01, 0.99], [(0, 1), (1, 0)]),
        ([1.0, 1.01], [1.006], [(1, 0)]),  # the closer picture gets the one depth
        ([1.0, 1.01], [1.006, 1.016], [(0, 1), (1, 0)]),  # then the other takes what is left, within 20 ms
        ([1.0], [1.03, 0.97], []),
        ([], [1.0], []),
    ],
)
def test_association(images_s, depths_s, pairs):
    assert associate(np.array(images_s), np.array(depths_s)) == pairs


def test_sequences(tmp_path):
    tum_sequence(tmp_path, DESK, ["10.00", "10.04"], ["10.05", "10.01"])
    tum_sequence(tmp_path, HOUSE, ["20.00"], ["20.001"], millimetres=3000)
    found = tum_rows(tmp_path, test=[HOUSE])
    assert found.missing == []
    assert [(row.image.name, row.depth.name, row.split, row.scene, row.fx_px) for row in found.rows] == [
        ("10.00.png", "10.01.png", "train", DESK, 517.3),
        ("10.04.png", "10.05.png", "train", DESK, 517.3),
        ("20.00.png", "20.001.png", "test", HOUSE, 535.4),
    ]
    assert [load_sample(row).depth_m[5, 5] for row in found.rows] == [2, 2, 3]


def test_a_missing_picture_of_a_sequence(tmp_path):
    tum_sequence(tmp_path, DESK, ["10.00"], ["10.01"])
    (tmp_path / DESK / "depth/10.01.png").unlink()
    assert tum_rows(tmp_path).missing == [tmp_path / DESK / "depth/10.01.png"]


def test_sequences_of_which_no_picture_goes_with_a_depth(tmp_path):
    tum_sequence(tmp_path, DESK, ["10.00"], ["10.50"])
    with pytest.raises(ReadError, match="no picture goes with a depth map"):
        tum_rows(tmp_path).complete(allow_missing=True)


def test_unusable_sequences(tmp_path):
    with pytest.raises(ReadError, match="no sequence in"):
        tum_rows(tmp_path)
    tum_sequence(tmp_path, DESK, ["10.00"], ["10.01"])
    with pytest.raises(ConfigError, match=f"no sequence nosuch in .*; there are {DESK}"):
        tum_rows(tmp_path, ["nosuch"])
    (tmp_path / DESK / "rgb.txt").write_text("# a\n10.00 ../../secret.png\n")
    with pytest.raises(ReadError, match=r"rgb.txt:2: '10.00 ../../secret.png'; expected a time"):
        read_times(tmp_path / DESK / "rgb.txt")
    (tmp_path / DESK).rename(tmp_path / "rgbd_dataset_freiburg9_desk")
    with pytest.raises(ConfigError, match="the camera of 'freiburg9' is unknown"):
        tum_rows(tmp_path)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        (f"{DESK}/rgb/1305031452.791720.png", f"{DESK}/rgb/1305031452.791720.png"),
        (f"./{DESK}/depth.txt", f"{DESK}/depth.txt"),
        (f"{DESK}/groundtruth.txt", None),
        (f"{DESK}/rgb/notes.txt", None),
    ],
)
def test_places(name, place):
    assert place_of(name) == place


def test_ones_own_folder(tmp_path):
    for place in ("kitchen/1.jpg", "hall/1.png", "2.png"):
        noise(tmp_path / "rgb" / place, len(place))
        codes((tmp_path / "depth" / place).with_suffix(".png"), 1250)
    noise(tmp_path / "rgb" / "hall/2.png", 1)
    found = folder_rows(tmp_path, MILLIMETRES)
    assert found.missing == [tmp_path / "depth/hall/2.png"]
    assert [(row.image.relative_to(tmp_path).as_posix(), row.scene) for row in found.rows] == [
        ("rgb/2.png", ""),
        ("rgb/hall/1.png", "hall"),
        ("rgb/kitchen/1.jpg", "kitchen"),
    ]
    assert {(row.fx_px, row.cx_px, row.cy_px, row.split) for row in found.rows} == {(50, 49.5, 29.5, "train")}
    write_manifest(tmp_path / "manifest.csv", found.rows)
    assert load_sample(read_manifest(tmp_path / "manifest.csv")[0]).depth_m[9, 9] == 1.25


def test_a_list_of_ones_own(tmp_path):
    noise(tmp_path / "hall/a.png", 1)
    codes(tmp_path / "hall/d.png", 1250)
    codes(tmp_path / "hall/f.png", 1500)
    (tmp_path / "list.txt").write_text("/hall/a.png /hall/d.png /hall/f.png\nhall/b.png hall/d.png 518\n")
    found = list_rows(tmp_path / "list.txt", tmp_path, Recording(1000, (50, 50), (1.5, 2.5), "test"))
    assert found.missing == [tmp_path / "hall/b.png"]
    (row,) = found.rows
    assert (row.cx_px, row.cy_px, row.split, row.scene) == (1.5, 2.5, "test", "hall")
    write_manifest(tmp_path / "manifest.csv", found.rows)
    assert load_sample(read_manifest(tmp_path / "manifest.csv")[0]).dense_m[9, 9] == 1.5


def test_a_name_with_a_zero_byte_is_that_of_no_file(tmp_path):
    (tmp_path / "list.txt").write_text("a\0b/c.png d.png\n")
    assert list_rows(tmp_path / "list.txt", tmp_path, MILLIMETRES).missing == [tmp_path / "a\0b/c.png"]


def test_a_list_longer_than_is_read(tmp_path, monkeypatch):
    (tmp_path / "list.txt").write_text("a.png b.png\n" * 3)
    monkeypatch.setattr("lapdepth.data.lists.MAX_LINES", 2)
    with pytest.raises(ConfigError, match="has 3 lines; expected at most 2"):
        list_rows(tmp_path / "list.txt", tmp_path, MILLIMETRES)


def test_unusable_folders(tmp_path):
    with pytest.raises(ReadError, match="does not exist"):
        folder_rows(tmp_path, MILLIMETRES)
    noise(tmp_path / "rgb/a.png", 1)
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth/a.png").write_text("no")
    with pytest.raises(ReadError, match="it is not a PNG"):
        folder_rows(tmp_path, MILLIMETRES)
