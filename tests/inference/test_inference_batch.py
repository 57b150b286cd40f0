"""File names of a batch, and the formats of one picture."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from inference.fake_engine import FakeEngine, by_column, noise
from lapdepth.errors import InputError, MissingExtraError, OutputError
from lapdepth.inference.batch import FORMATS, check_extras, is_done, is_earlier_result, output_names, parse_formats, write_result
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


def notes(path):
    return json.loads(path.read_bytes())


@pytest.fixture
def far():
    """Too far for the PNG."""
    return DepthPredictor(FakeEngine(10.0))(noise(48, 64), focal_px=5000)


def test_a_format_that_fails_does_not_cost_the_others(tmp_path, far):
    with pytest.raises(InputError, match="does not fit 16 bits"):
        write_result(far, tmp_path / "a", ["png16", "npz", "color"])
    assert names(tmp_path) == ["a.json", "a_color.png", "a_depth.npz"]
    assert notes(tmp_path / "a.json")["formats"] == ["npz", "color"]
    assert notes(tmp_path / "a.json")["png_units_per_metre"] is None


def test_memory_runs_out_for_one_format(tmp_path, result, monkeypatch):
    def full(*_):
        raise MemoryError

    monkeypatch.setattr("lapdepth.inference.batch.compare", full)
    with pytest.raises(MemoryError):
        write_result(result, tmp_path / "a", ["compare", "png16"])
    assert names(tmp_path) == ["a.json", "a_depth.png"]


def test_no_sidecar_without_a_result(tmp_path, far):
    with pytest.raises(InputError, match="does not fit 16 bits"):
        write_result(far, tmp_path / "a", ["png16"])
    assert names(tmp_path) == []


def test_sidecar_tells_the_scale_of_the_png(tmp_path, result):
    write_result(result, tmp_path / "a", ["color"], 1000.0)
    assert notes(tmp_path / "a.json")["png_units_per_metre"] is None
    write_result(result, tmp_path / "a", ["png16"], 500.0)
    assert notes(tmp_path / "a.json")["png_units_per_metre"] == 500
    expected = set(result.metadata()) | {"formats", "other_formats", "png_units_per_metre"}
    assert set(notes(tmp_path / "a.json")) == expected


def test_sidecar_lists_what_earlier_runs_left(tmp_path, result):
    write_result(result, tmp_path / "a", ["png16", "color"], 500.0)
    write_result(result, tmp_path / "a", ["npz"])
    assert notes(tmp_path / "a.json")["formats"] == ["png16", "npz", "color"]
    assert notes(tmp_path / "a.json")["png_units_per_metre"] == 500
    (tmp_path / "a_depth.png").unlink()
    write_result(result, tmp_path / "a", ["npz"])
    assert notes(tmp_path / "a.json")["formats"] == ["npz", "color"]
    assert notes(tmp_path / "a.json")["png_units_per_metre"] is None


def test_sidecar_does_not_tell_of_a_map_that_other_settings_made(tmp_path, result):
    other = DepthPredictor(FakeEngine(10.0))(result.image, focal_px=2 * result.intrinsics.focal_px)
    write_result(other, tmp_path / "a", ["png16", "npz"], 500.0)
    write_result(result, tmp_path / "a", ["npz", "color"])
    told = notes(tmp_path / "a.json")
    assert (told["formats"], told["other_formats"], told["png_units_per_metre"]) == (["npz", "color"], ["png16"], None)
    assert told["focal_px"] == result.intrinsics.focal_px
    assert not is_done(tmp_path / "a", ["png16"], told["image"], told["model"])
    assert is_earlier_result(tmp_path, tmp_path, tmp_path / "a_depth.png")
    write_result(result, tmp_path / "a", ["png16"])
    assert notes(tmp_path / "a.json")["formats"] == ["png16", "npz", "color"]
    assert notes(tmp_path / "a.json")["other_formats"] == []


def test_killed_between_map_and_sidecar_it_tells_of_no_map(tmp_path, result, monkeypatch):
    class KilledError(BaseException):
        pass

    def kill(*_):
        raise KilledError

    write_result(result, tmp_path / "a", ["png16", "npz"], 500.0)
    monkeypatch.setattr("lapdepth.inference.batch.color_codes", kill)
    with pytest.raises(KilledError):
        write_result(result, tmp_path / "a", ["png16", "color"], 100.0)
    told = notes(tmp_path / "a.json")
    assert (told["formats"], told["other_formats"], told["png_units_per_metre"]) == (["npz"], ["png16"], None)
    assert not is_done(tmp_path / "a", ["png16"], told["image"], told["model"], 500.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"formats": ["png16"]}',
        '{"predicted_at": 1, "formats": 5}',
        '{"predicted_at": 1, "formats": [["png16"], "color"]}',
        '{"predicted_at": 1, "formats": ["png16"], "other_formats": 5}',
        '{"predicted_at": 1, "formats": ["png16"], "png_units_per_metre": NaN}',
        '{"predicted_at": 1, "formats": ["png16"], "png_units_per_metre": "a"}',
        '{"predicted_at": 1e999, "formats": ["png16"]}',
        "\udcff",
        "[" * 10**5,
    ],
)
def test_sidecar_of_another_program(tmp_path, result, text):
    (tmp_path / "a.json").write_bytes(text.encode(errors="surrogateescape"))
    (tmp_path / "a_depth.png").write_bytes(b"")
    assert not is_earlier_result(tmp_path, tmp_path, tmp_path / "a_depth.png")
    write_result(result, tmp_path / "a", ["color"])
    assert notes(tmp_path / "a.json")["formats"] == ["color"]


@pytest.mark.parametrize(
    ("output", "top", "path", "expected"),
    [
        ("p/out", "p", "p/x.png", False),
        ("p/out", "p", "p/out/x.png", True),
        ("p/out", "p", "p/out/deep/x.png", True),
        ("p/out", "p", "p/output/x.png", False),
        ("p/out", "p/q/..", "p/out/../out/x.png", True),
        ("p", "p", "p/x.png", False),
        ("p", "p", "p/a_depth.png", True),
        ("p", "p", "p/a_color.png", True),
        ("p", "p", "p/a_compare.png", False),  # not listed in the sidecar
        ("p", "p", "p/b_depth.png", False),  # no sidecar
        ("p", "p", "p/a.png", False),
        ("p", "p/q", "p/q/a_depth.png", True),
        ("p", "p/q", "p/q/x.png", False),
        ("elsewhere", "p", "p/a_depth.png", False),
    ],
)
def test_earlier_results(tmp_path, result, output, top, path, expected):
    for stem in ("p/a", "p/q/a"):
        write_result(result, tmp_path / stem, ["png16", "color"])
    assert is_earlier_result(tmp_path / output, tmp_path / top, tmp_path / path) is expected


def test_missing_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    check_extras(["png16", "npz"])
    with pytest.raises(MissingExtraError, match="needs the 'exr' extra"):
        check_extras(["png16", "exr"])
