"""The contact sheet: which rows, where their colours are, what the histogram counts."""

import cv2
import numpy as np
import pytest

from data.pictures import write_manifest, write_pictures
from data.trees import codes, noise
from lapdepth.data.manifest import Row, read_manifest
from lapdepth.data.preview import BINS, SHEET_WIDTH, choose, contact_sheet, depth_histogram
from lapdepth.errors import ConfigError, ReadError
from lapdepth.io.color import INVALID_RGB


def test_rows_are_spread_evenly():
    rows = [Row(f"{i}.png", "", 1, 1, 1, 0, 0, "", "") for i in range(10)]
    assert [row.image for row in choose(rows, 5)] == ["0.png", "2.png", "4.png", "6.png", "8.png"]
    assert [row.image for row in choose(rows, 3)] == ["0.png", "3.png", "6.png"]
    assert choose(rows, 50) == rows
    for count in (0, -1, 101):
        with pytest.raises(ConfigError, match=f"{count} pictures asked for; expected 1 to 100"):
            choose(rows, count)


def test_histogram_counts_every_measured_pixel():
    maps = [np.array([[0, 1, 2]], np.float32), np.array([[100, 1.01, 0]], np.float32)]
    counts, edges_m = depth_histogram(maps)
    assert counts.shape == (BINS,)
    assert counts.sum() == 4
    np.testing.assert_allclose(edges_m[[0, 30, 60]], [1, 10, 100], rtol=1e-6)
    # Bins are 100 ** (1 / 60) wide: 2 m lies in bin floor(60 * ln 2 / ln 100) = 9.
    assert np.flatnonzero(counts).tolist() == [0, 9, 59]
    assert counts[0] == 2


@pytest.mark.parametrize("depth_m", [0.0, 3.0])
def test_histogram_of_one_depth_or_none(depth_m):
    counts, edges_m = depth_histogram([np.full((2, 2), depth_m, np.float32)])
    assert counts.sum() == (4 if depth_m else 0)
    assert (np.diff(edges_m) > 0).all()


def test_near_is_red_and_far_is_blue(tmp_path):
    rows = read_manifest(write_pictures(tmp_path, 2, 160, 160))
    sheet = contact_sheet(rows)
    assert sheet.shape[1] == SHEET_WIDTH
    # Tiles are 320 wide with the depth in their right half, 6 pixels apart.
    near, far = sheet[80, 240].astype(int), sheet[80, 326 + 240].astype(int)
    assert near[0] > near[2] + 50
    assert far[2] > far[0]
    original = cv2.imread(str(tmp_path / "0.png"))[..., ::-1]
    assert np.array_equal(sheet[:160, :160], original)


def test_single_points_show(tmp_path):
    noise(tmp_path / "a.png", 1, (800, 800))
    made = np.zeros((800, 800), np.uint16)
    made[400, 402], made[400, 401] = 5000, 1000
    cv2.imwrite(str(tmp_path / "d.png"), made)
    write_manifest(tmp_path / "m.csv", [["a.png", "d.png", 1000, 700, 700, 400, 400, "train", ""]])
    sheet = contact_sheet(read_manifest(tmp_path / "m.csv"))
    depth = sheet[:160, 160:320].astype(int)
    shown = np.argwhere((depth != INVALID_RGB).any(axis=2))
    assert len(shown) >= 1
    assert np.abs(shown - 80).max() <= 2
    y, x = shown[0]
    assert depth[y, x, 0] > depth[y, x, 2]  # the nearer of the two


def test_pictures_of_all_shapes_fill_shelves(tmp_path):
    lines = []
    for i, size in enumerate([(60, 300), (300, 60), (60, 80), (60, 80), (60, 300), (9, 9)]):
        noise(tmp_path / f"{i}.png", i, size)
        codes(tmp_path / f"{i}-d.png", 1000, size)
        lines.append([f"{i}.png", f"{i}-d.png", 1000, 70, 70, 5, 5, "train", "scene"])
    write_manifest(tmp_path / "m.csv", lines)
    sheet = contact_sheet(read_manifest(tmp_path / "m.csv"))
    assert sheet.dtype == np.uint8
    assert sheet.shape[2] == 3


def test_a_row_that_cannot_be_read(tmp_path):
    path = write_pictures(tmp_path, 2)
    (tmp_path / "1.png").unlink()
    with pytest.raises(ReadError, match=r"1.png"):
        contact_sheet(read_manifest(path))
