"""Depth from poses against walls of known depth, seen by a camera that moves sideways and ahead."""

import importlib.util
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from lapdepth.data.manifest import load_sample, read_manifest

FOCAL_PX, CX_PX, CY_PX, WIDTH, HEIGHT = 200.0, 95.5, 63.5, 192, 128
NEAR_M, FAR_M = 6.0, 14.0


def script():
    spec = importlib.util.spec_from_file_location("depth_from_poses", Path(__file__).parents[2] / "scripts/depth_from_poses.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texture(seed):
    """Grey levels of a wall, 40 to the metre, from (-20 m, -20 m) on."""
    noise = np.random.default_rng(seed).integers(0, 255, (1600, 1600)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2.0).astype(np.float32) * 3 - 255


def picture(x_m, z_m):
    """The far wall, and before its right half the near one, from a camera at (x, z) that looks along z."""
    columns, rows = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    right, down = (columns - CX_PX) / FOCAL_PX, (rows - CY_PX) / FOCAL_PX

    def wall(depth_m, seed):
        x, y = x_m + right * (depth_m - z_m), down * (depth_m - z_m)
        return x, cv2.remap(texture(seed), (x + 20) * 40, (y + 20) * 40, cv2.INTER_LINEAR)

    x, near = wall(NEAR_M, 1)
    _, far = wall(FAR_M, 2)
    return np.clip(np.where(x > 0, near, far), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """Eight pictures, 0.25 m sideways and 0.15 m ahead from each to the next."""
    folder = tmp_path_factory.mktemp("drive")
    (folder / "rgb").mkdir()
    lines = []
    for i in range(8):
        x_m, z_m = 0.25 * i - 1, 0.15 * i
        cv2.imwrite(str(folder / "rgb" / f"{i:06}.png"), picture(x_m, z_m))
        lines.append(f"1 0 0 {x_m} 0 1 0 0 0 0 1 {z_m}")
    (folder / "poses.txt").write_text("\n".join(lines))
    return folder


def options(drive, output, *more):
    intrinsics = f"{FOCAL_PX},{FOCAL_PX},{CX_PX},{CY_PX}"
    return [str(drive / "rgb"), "--poses", str(drive / "poses.txt"), "--intrinsics", intrinsics, "--output", str(output), *more]


@pytest.fixture
def app():
    app = typer.Typer()
    app.command()(script().main)
    return app


def test_walls_are_found_at_their_depths(drive, app, tmp_path):
    result = CliRunner().invoke(app, options(drive, tmp_path / "out", "--skip", "2"))
    assert result.exit_code == 0, result.output
    rows = read_manifest(tmp_path / "out" / "manifest.csv")
    assert [row.image.stem for row in rows] == ["000002", "000004", "000006"]
    for number, row in zip((2, 4, 6), rows, strict=True):
        sample = load_sample(row)
        assert sample.intrinsics.fx_px == FOCAL_PX
        assert sample.image.shape == (HEIGHT, WIDTH, 3)
        z_m, x_m = 0.15 * number, 0.25 * number - 1
        border = CX_PX - x_m / (NEAR_M - z_m) * FOCAL_PX
        far, near = sample.depth_m[:, 10 : int(border) - 10], sample.depth_m[:, int(border) + 10 : -10]
        for part, depth_m in ((far, FAR_M), (near, NEAR_M)):
            known = part > 0
            assert known.mean() > 0.5
            assert np.median(part[known]) == pytest.approx(depth_m - z_m, rel=0.02)
            assert (np.abs(part[known] / (depth_m - z_m) - 1) < 0.1).mean() > 0.97


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--intrinsics": "200,200"}, "--intrinsics is '200,200'; expected FX,FY,CX,CY"),
        ({"--intrinsics": "200,200,nan,60"}, "--intrinsics is '200,200,nan,60'; expected finite FX,FY,CX,CY"),
        ({"--intrinsics": "0,200,95,60"}, "the first two positive"),
        ({"--skip": "7"}, "--skip 7 leaves out all of 8 pictures; expected at most 6"),
        ({"--poses": "short.txt"}, "8 pictures, .* 1 poses"),
        ({"--poses": "wide.txt"}, "has 4 numbers a line; expected 12"),
        ({"--poses": "nan.txt"}, r"nan.txt: pose 0 is \[1.0, 0.0, 0.0, nan, .*; expected a rotation and metres, all finite"),
        ({"--poses": "lost.txt"}, r"lost.txt: pose 0 is \[0.0, .*; expected a rotation"),
        ({"--poses": "stretched.txt"}, "stretched.txt: pose 0 is .*; expected a rotation"),
        ({"--poses": "words.txt"}, "is not a file of poses"),
        ({"--poses": "none.txt"}, "none.txt"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(drive, app, tmp_path, change, message):
    (tmp_path / "short.txt").write_text("1 0 0 0 0 1 0 0 0 0 1 0\n")
    (tmp_path / "wide.txt").write_text("1 0 0 0\n" * 8)
    (tmp_path / "words.txt").write_text("north\n")
    (tmp_path / "nan.txt").write_text("1 0 0 nan 0 1 0 0 0 0 1 0\n" * 8)
    (tmp_path / "lost.txt").write_text("0 0 0 0 0 0 0 0 0 0 0 0\n" * 8)
    (tmp_path / "stretched.txt").write_text("2 0 0 0 0 2 0 0 0 0 2 0\n" * 8)
    arguments = options(drive, tmp_path / "out")
    for option, value in change.items():  # the last one counts
        arguments += [option, str(tmp_path / value) if option == "--poses" else value]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert re.search(message, result.output)
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("000001.jpeg", (HEIGHT, WIDTH), "000001.jpeg and .*000001.png would share a depth map"),
        ("000009.png", (64, 96), "000009.png is 96x64, .*000000.png 192x128; expected pictures of one size"),
    ],
)
def test_pictures_that_do_not_go_together_are_refused_in_one_line(drive, app, tmp_path, name, size, message):
    shutil.copytree(drive, tmp_path / "drive")
    cv2.imwrite(str(tmp_path / "drive" / "rgb" / name), np.zeros(size, np.uint8))
    with (tmp_path / "drive" / "poses.txt").open("a") as file:
        file.write("\n1 0 0 2 0 1 0 0 0 0 1 2")
    result = CliRunner().invoke(app, options(tmp_path / "drive", tmp_path / "out"))
    assert result.exit_code == 1
    assert re.search(message, result.output)
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
