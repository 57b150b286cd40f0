"""File names of a batch, and the formats of one picture."""

from pathlib import Path

import numpy as np
import pytest

from inference.fake_engine import FakeEngine, by_column, noise
from lapdepth.errors import InputError, OutputError
from lapdepth.inference.batch import FORMATS, output_names, parse_formats, write_result
from lapdepth.inference.predictor import DepthPredictor


@pytest.fixture
def result():
    return DepthPredictor(FakeEngine(by_column))(noise(48, 64), focal_px=50)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([], []),
        (["photos/a.jpg"], ["a"]),
        (["photos/a.jpg", "photos/b.png"], ["a", "b"]),
        (["photos/a.jpg", "photos/x/a.jpg"], ["a", "x/a"]),
        (["p/a.jpg", "q/a.jpg"], ["p/a", "q/a"]),
        (["a.jpg", "a.png", "b.png"], ["a_jpg", "a_png", "b"]),
        (["a.b.jpg", "a.c.jpg"], ["a.b", "a.c"]),
        (["a.jpg", "a.JPG"], ["a_jpg", "a_JPG"]),
        (["a.jpg", "a.png", "a_jpg.png"], ["a_jpg", "a_png", "a_jpg_png"]),
        (["a_jpg.png", "a_jpg_png.bmp", "a.jpg", "a.png"], ["a_jpg_png", "a_jpg_png_bmp", "a_jpg", "a_png"]),
        (["x/../a.jpg", "a.png"], ["a_jpg", "a_png"]),
    ],
)
def test_output_names(paths, expected):
    found = output_names([Path(path) for path in paths])
    assert found == [Path(name) for name in expected]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("png16", ["png16"]),
        (" npz , png16,npz,", ["npz", "png16"]),
        ("png16,npz,exr,ply,color,compare", list(FORMATS)),
    ],
)
def test_formats(text, expected):
    assert parse_formats(text) == expected


@pytest.mark.parametrize(("text", "named"), [("jpg", "jpg"), ("png16,foo", "foo"), ("", ""), (",", ","), ("PNG16", "PNG16")])
def test_unknown_formats(text, named):
    with pytest.raises(InputError, match=f"format '{named}' is unknown; choose of png16, npz, exr, ply, color, compare"):
        parse_formats(text)


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        (["png16"], ["a.json", "a_depth.png"]),
        (["color"], ["a.json", "a_color.png"]),
        (["compare"], ["a.json", "a_compare.png"]),
        (["npz", "ply"], ["a.json", "a.ply", "a_depth.npz"]),
    ],
)
def test_only_what_was_asked_for_is_written(tmp_path, result, formats, expected):
    write_result(result, tmp_path / "a", formats)
    assert names(tmp_path) == expected


def test_dots_in_a_name_stay(tmp_path, result):
    write_result(result, tmp_path / "clip.0001", ["png16"])
    assert names(tmp_path) == ["clip.0001.json", "clip.0001_depth.png"]


def test_folders_are_made(tmp_path, result):
    write_result(result, tmp_path / "x" / "y" / "a", ["npz"])
    assert names(tmp_path / "x" / "y") == ["a.json", "a_depth.npz"]


def test_folder_that_is_a_file(tmp_path, result):
    (tmp_path / "x").write_text("")
    with pytest.raises(OutputError, match="cannot make the folder"):
        write_result(result, tmp_path / "x" / "a", ["npz"])
    assert names(tmp_path) == ["x"]


def test_colours_are_those_of_the_given_range(tmp_path, result):
    from lapdepth.io.color import colorize
    from lapdepth.io.images import read_image

    write_result(result, tmp_path / "a", ["color"], near_m=2.0, far_m=50.0)
    np.testing.assert_array_equal(
        read_image(tmp_path / "a_color.png").rgb, colorize(result.depth_m, result.valid, near_m=2.0, far_m=50.0)
    )
    write_result(result, tmp_path / "b", ["color"])
    np.testing.assert_array_equal(read_image(tmp_path / "b_color.png").rgb, colorize(result.depth_m, result.valid))


def test_later_formats_do_not_take_the_earlier_with_them(tmp_path):
    far = DepthPredictor(FakeEngine(10.0))(noise(48, 64), focal_px=5000)
    with pytest.raises(InputError, match="does not fit 16 bits"):
        write_result(far, tmp_path / "a", ["png16", "npz"])
    assert names(tmp_path) == ["a_depth.npz"]
