"""Manifests: what is read, what is refused, and how scenes are kept apart."""

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.pictures import CAMERA, write_dense, write_manifest, write_pictures
from lapdepth.data.manifest import COLUMNS, UNNAMED_GAP, Row, divide, load_sample, read_depth, read_manifest
from lapdepth.data.manifest import write_manifest as write_rows
from lapdepth.errors import ConfigError, OutputError, ReadError

GOOD = ["a.png", "a-depth.png", "256", "100", "101", "50", "40", "train", "street"]


def rows_of(scenes):
    return [Row(Path(f"{i}.png"), Path(f"{i}.png"), 256, 1, 1, 0, 0, "", scene) for i, scene in enumerate(scenes)]


def test_a_row_as_written(tmp_path):
    write_manifest(tmp_path / "m.csv", [GOOD])
    (row,) = read_manifest(tmp_path / "m.csv")
    assert row == Row(tmp_path / "a.png", tmp_path / "a-depth.png", 256.0, 100.0, 101.0, 50.0, 40.0, "train", "street")


def test_byte_order_mark_further_columns_and_another_order(tmp_path):
    text = "scene,split,note,cy_px,cx_px,fy_px,fx_px,units_per_metre,depth,image\nx,test,hi,4,3,2,1,1000,d.png,sub/i.png\n"
    (tmp_path / "m.csv").write_text("\ufeff" + text, encoding="utf-8")
    (row,) = read_manifest(tmp_path / "m.csv")
    assert row == Row(tmp_path / "sub" / "i.png", tmp_path / "d.png", 1000.0, 1.0, 2.0, 3.0, 4.0, "test", "x")


def test_scene_may_be_left_out(tmp_path):
    write_manifest(tmp_path / "m.csv", [GOOD[:-1]], "image,depth,units_per_metre,fx_px,fy_px,cx_px,cy_px,split")
    assert read_manifest(tmp_path / "m.csv")[0].scene == ""


def test_one_split_of_several(tmp_path):
    path = write_pictures(tmp_path, 5)
    assert [row.image.name for row in read_manifest(path, "train")] == ["1.png", "3.png"]
    assert len(read_manifest(path)) == 5
    with pytest.raises(ConfigError, match=r"no row of split 'val'; it has test, train"):
        read_manifest(path, "val")


def test_a_manifest_without_rows(tmp_path):
    write_manifest(tmp_path / "m.csv", [])
    with pytest.raises(ConfigError, match="has no rows below its header"):
        read_manifest(tmp_path / "m.csv")


def test_more_rows_than_are_read(tmp_path, monkeypatch):
    path = write_pictures(tmp_path, 3)
    monkeypatch.setattr("lapdepth.data.manifest.MAX_ROWS", 3)
    assert len(read_manifest(path)) == 3
    monkeypatch.setattr("lapdepth.data.manifest.MAX_ROWS", 2)
    with pytest.raises(ConfigError, match="has more than 2 rows; divide it"):
        read_manifest(path)


@pytest.mark.parametrize("column", ["image", "depth", "units_per_metre", "fx_px", "cy_px", "split"])
def test_a_missing_column_is_named(tmp_path, column):
    header = "image,depth,units_per_metre,fx_px,fy_px,cx_px,cy_px,split".replace(column, "other")
    write_manifest(tmp_path / "m.csv", [GOOD[:-1]], header)
    with pytest.raises(ConfigError, match=f"lacks the column {column};"):
        read_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize(
    ("place", "value", "match"),
    [
        (2, "many", "must be numbers"),
        (3, "", "must be numbers"),
        (2, "0", "positive and finite"),
        (3, "-1", "positive and finite"),
        (4, "nan", "fy_px nan; .* positive and finite"),
        (5, "inf", "cx_px inf; .* cx_px and cy_px finite"),
        (0, "", "image and depth must name files"),
        (1, "", "image and depth must name files"),
    ],
)
def test_a_wrong_cell_is_told_with_its_line(tmp_path, place, value, match):
    write_manifest(tmp_path / "m.csv", [GOOD, [*GOOD[:place], value, *GOOD[place + 1 :]]])
    with pytest.raises(ConfigError, match=rf"m\.csv:3: .*{match}"):
        read_manifest(tmp_path / "m.csv")


def test_a_lens_without_distortion_is_read(tmp_path):
    header = "image,depth,units_per_metre,fx_px,fy_px,cx_px,cy_px,split,scene,k1,k2,p1,p2,k3"
    write_manifest(tmp_path / "m.csv", [[*GOOD, 0.0, "0", "-0.0", "", ""], GOOD], header)
    assert len(read_manifest(tmp_path / "m.csv")) == 2


@pytest.mark.parametrize(
    ("lens", "match"),
    [
        (["-0.2", "0", "0", "0", "0"], r"the lens distorts \(k1 -0\.2\); expected the picture of a pinhole"),
        (["0", "0", "1e-3", "0", "0.5"], r"the lens distorts \(p1 0\.001, k3 0\.5\)"),
        (["nan", "0", "0", "0", "0"], "the lens distorts"),
        (["much", "0", "0", "0", "0"], "must be numbers"),
    ],
)
def test_a_lens_that_distorts_is_refused(tmp_path, lens, match):
    header = "image,depth,units_per_metre,fx_px,fy_px,cx_px,cy_px,split,scene,k1,k2,p1,p2,k3"
    write_manifest(tmp_path / "m.csv", [[*GOOD, *"00000"], [*GOOD, *lens]], header)
    with pytest.raises(ConfigError, match=rf"m\.csv:3: .*{match}"):
        read_manifest(tmp_path / "m.csv")


@pytest.mark.parametrize("kept", [1, 3, 6])
def test_a_row_cut_short(tmp_path, kept):
    write_manifest(tmp_path / "m.csv", [GOOD, GOOD[:kept]])
    with pytest.raises(ConfigError, match=r"m\.csv:3: .*must be numbers"):
        read_manifest(tmp_path / "m.csv")


def test_a_row_cut_short_where_the_picture_comes_last(tmp_path):
    write_manifest(
        tmp_path / "m.csv", [["d.png", 1, 1, 1, 1, 1, "a"]], "depth,units_per_metre,fx_px,fy_px,cx_px,cy_px,split,image"
    )
    with pytest.raises(ConfigError, match="image and depth must name files"):
        read_manifest(tmp_path / "m.csv")


def test_files_that_are_no_manifest(tmp_path):
    with pytest.raises(ReadError, match=r"cannot read .*none\.csv"):
        read_manifest(tmp_path / "none.csv")
    with pytest.raises(ReadError, match="cannot read"):
        read_manifest(tmp_path)
    (tmp_path / "b.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff\xfe")
    with pytest.raises(ConfigError, match=r"b\.csv"):
        read_manifest(tmp_path / "b.csv")
    (tmp_path / "e.csv").write_bytes(b"")
    with pytest.raises(ConfigError, match="lacks the column image"):
        read_manifest(tmp_path / "e.csv")


def test_codes_become_metres(tmp_path):
    cv2.imwrite(str(tmp_path / "16.png"), np.array([[0, 1, 256, 65535]], np.uint16))
    cv2.imwrite(str(tmp_path / "8.png"), np.array([[0, 1, 50, 255]], np.uint8))
    assert read_depth(tmp_path / "16.png", 256.0).tolist() == [[0, 1 / 256, 1, 65535 / 256]]
    # An 8-bit code v stands for the values from v to v + 1.
    np.testing.assert_allclose(read_depth(tmp_path / "8.png", 25.5), [[0, 1.5 / 25.5, 50.5 / 25.5, 255.5 / 25.5]], rtol=1e-6)
    assert read_depth(tmp_path / "8.png", 25.5).dtype == np.float32


def test_a_sample_has_its_picture_depth_and_camera(tmp_path):
    rows = read_manifest(write_pictures(tmp_path, 3))
    sample = load_sample(rows[2])
    assert sample.image.shape == (80, 120, 3)
    assert np.array_equal(sample.image, cv2.imread(str(tmp_path / "2.png"))[..., ::-1])
    assert (sample.depth_m == 3.0).all()
    camera = sample.intrinsics
    assert (camera.width, camera.height, camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px) == (120, 80, *CAMERA)
    assert (sample.name, sample.scene) == ("2", "scene1")


@pytest.mark.parametrize(("kind", "sky_code", "metres"), [(np.uint8, 255, 4.05), (np.uint16, 65535, 4.0), (np.uint16, 400, 0)])
def test_sky_is_no_distance_in_either_map(tmp_path, kind, sky_code, metres):
    (row,) = read_manifest(write_pictures(tmp_path, 1))
    codes = np.full((80, 120), 40 if kind is np.uint8 else 400, kind)
    codes[:20] = np.iinfo(kind).max
    for path in (row.depth, tmp_path / "0-dense.png"):
        cv2.imwrite(str(path), codes)
    units = 10 if kind is np.uint8 else 100
    write_manifest(tmp_path / "m.csv", [[*GOOD, "0-dense.png", sky_code]], f"{','.join(COLUMNS)},scene,dense_depth,sky_code")
    (found,) = read_manifest(tmp_path / "m.csv")
    sample = load_sample(replace(found, image=row.image, depth=row.depth, units_per_metre=units))
    sky = codes == sky_code
    assert np.array_equal(sample.sky, sky)
    for depth_m in (sample.depth_m, sample.dense_m):
        assert not depth_m[sky].any()
        np.testing.assert_allclose(depth_m[40:], metres, rtol=1e-6)


@pytest.mark.parametrize("code", ["nan", "inf", "-5", "0", "0.5", "65536", "1e400"])
def test_a_code_for_sky_that_no_map_can_hold(tmp_path, code):
    write_manifest(tmp_path / "m.csv", [[*GOOD, "65535"], [*GOOD, code]], f"{','.join(COLUMNS)},scene,sky_code")
    with pytest.raises(ConfigError, match=rf"m\.csv:3: sky_code is {code}; expected a code of the depth map, from 1 to 65535"):
        read_manifest(tmp_path / "m.csv")


def test_a_code_for_sky_is_written_as_read(tmp_path):
    path = write_pictures(tmp_path, 1)
    rows = [replace(row, sky_code=65535) for row in read_manifest(path)]
    write_rows(path, rows)
    assert read_manifest(path) == rows


def test_pictures_of_one_name_in_two_folders_are_no_scene(tmp_path):
    for name in ("a", "b"):
        write_pictures(tmp_path / name, 1)
    lines = [[f"{name}/0.png", f"{name}/0-depth.png", *GOOD[2:8], ""] for name in ("a", "b")]
    write_manifest(tmp_path / "m.csv", lines)
    rows = read_manifest(tmp_path / "m.csv")
    assert [load_sample(row).scene for row in rows] == ["a/0.png", "b/0.png"]
    assert [row.scene for row in rows] == ["", ""]  # so that folds keep their gap


def test_paths_lead_out_of_the_folder_that_a_link_stands_for(tmp_path):
    """The list lies in a folder whose real place is deeper than the link to it; pictures below it may be linked too."""
    rows = read_manifest(write_pictures(tmp_path / "frames", 1))
    (tmp_path / "disk" / "deep" / "lists").mkdir(parents=True)
    lists = tmp_path / "lists"
    lists.symlink_to(tmp_path / "disk" / "deep" / "lists")
    (lists / "linked").symlink_to(tmp_path / "frames")
    inside = [replace(row, image=lists / "linked" / "0.png") for row in rows]
    write_rows(lists / "m.csv", rows + inside)
    found = read_manifest(lists / "m.csv")
    assert [row.listed for row in found] == ["../../../frames/0.png", "linked/0.png"]
    assert [load_sample(row).depth_m[0, 0] for row in found] == [1, 1]


def test_a_name_that_is_not_utf8_is_not_written(tmp_path):
    path = write_pictures(tmp_path, 2)
    before = path.read_bytes()
    rows = read_manifest(path)
    rows[1] = replace(rows[1], image=tmp_path / os.fsdecode(b"bad\xff.png"))
    with pytest.raises(OutputError, match=r"a name is not UTF-8 in the row 'bad\\udcff.png,1-depth.png,.*'; rename the file"):
        write_rows(path, rows)
    assert path.read_bytes() == before


def test_picture_and_depth_of_different_size_are_refused(tmp_path):
    rows = read_manifest(write_pictures(tmp_path, 1))
    cv2.imwrite(str(rows[0].depth), np.ones((40, 60), np.uint16))
    with pytest.raises(ReadError, match=r"\(40, 60\), its picture \(80, 120\)"):
        load_sample(rows[0])


def test_a_column_of_filled_in_depth(tmp_path):
    header = "image,depth,units_per_metre,fx_px,fy_px,cx_px,cy_px,split,scene,dense_depth"
    write_manifest(tmp_path / "m.csv", [[*GOOD, "dense/a.png"], [*GOOD, ""], GOOD], header)
    filled, empty, short = read_manifest(tmp_path / "m.csv")
    assert filled.dense_depth == tmp_path / "dense" / "a.png"
    assert (empty.dense_depth, short.dense_depth) == (None, None)
    assert empty == short == Row(tmp_path / "a.png", tmp_path / "a-depth.png", 256.0, 100.0, 101.0, 50.0, 40.0, "train", "street")


def test_a_sample_has_its_filled_in_depth_in_metres(tmp_path):
    _, row = read_manifest(write_dense(tmp_path, 2))
    sample = load_sample(row)
    assert set(np.unique(sample.depth_m)) == {0.0, 2.0}
    assert (sample.dense_m == 52.0).all()
    assert (sample.dense_m.shape, sample.dense_m.dtype) == ((80, 120), np.float32)
    assert load_sample(read_manifest(write_pictures(tmp_path / "plain", 1))[0]).dense_m is None


def test_filled_in_depth_of_another_size_is_refused(tmp_path):
    (row,) = read_manifest(write_dense(tmp_path, 1))
    cv2.imwrite(str(row.dense_depth), np.ones((40, 60), np.uint16))
    with pytest.raises(ReadError, match=r"0-dense\.png is \(40, 60\), its picture \(80, 120\)") as caught:
        load_sample(row)
    assert len(str(caught.value).splitlines()) == 1
    row.dense_depth.unlink()
    with pytest.raises(ReadError, match=r"0-dense\.png"):
        load_sample(row)


SCENES = [f"room{i // 3}" for i in range(20)]


@pytest.mark.parametrize("folds", [2, 3, 7])
def test_folds_of_named_scenes(folds):
    rows = rows_of(SCENES)
    held_out = []
    for fold in range(folds):
        train, test = divide(rows, fold, folds)
        assert {row.scene for row in train}.isdisjoint(row.scene for row in test)
        assert sorted(train + test, key=rows.index) == rows
        assert test
        held_out += test
    assert held_out == rows


def test_a_scene_that_comes_back_later_is_still_one_scene():
    rows = rows_of(["a", "b", "a", "c", "b", "d"])
    train, test = divide(rows, 0, 2)
    assert [row.image.stem for row in test] == ["0", "1", "2", "4"]
    assert [row.image.stem for row in train] == ["3", "5"]


@pytest.mark.parametrize("folds", [2, 4, 5])
def test_folds_without_scenes_keep_a_gap(folds):
    rows = rows_of([""] * 100)
    held_out = []
    for fold in range(folds):
        train, test = divide(rows, fold, folds)
        places = [int(row.image.stem) for row in test]
        assert places == list(range(places[0], places[0] + 100 // folds))
        near = range(places[0] - UNNAMED_GAP, places[-1] + UNNAMED_GAP + 1)
        assert [int(row.image.stem) for row in train] == [i for i in range(100) if i not in near]
        held_out += test
    assert held_out == rows


def test_a_named_scene_is_not_divided_even_where_others_have_no_name():
    rows = rows_of(["street" if i % 2 else "" for i in range(100)])
    train, test = divide(rows, 1, 4)
    assert {row.scene for row in test} == {"street", ""}
    assert {row.scene for row in train} == {""}


@pytest.mark.parametrize(("fold", "folds"), [(2, 2), (-1, 2), (0, 0)])
def test_a_fold_that_is_none(fold, folds):
    with pytest.raises(ConfigError, match=f"fold is {fold} of {folds}"):
        divide(rows_of(SCENES), fold, folds)


def test_more_folds_than_scenes():
    with pytest.raises(ConfigError, match="7 scenes cannot be divided into 8 folds"):
        divide(rows_of(SCENES), 0, 8)
