"""The scripts that play recordings: on made-up drives whose every range is known, and on truths that are known by hand."""

import importlib.util
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer

from collision.roads import CAMERA, HEIGHT_M, board, road
from lapdepth.collision.frame import FrameResult, Level
from lapdepth.collision.settings import PathSettings, warner_settings
from lapdepth.data.manifest import Row, write_manifest
from lapdepth.errors import ConfigError
from lapdepth.io.video import VideoFrame


def load(name):
    path = Path(__file__).parents[2] / "scripts" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


scoring, playing, timing = load("score_lead_car"), load("play_guesses"), load("time_warning")


class Depth:
    """A predictor that gives the depth of one drive, frame by frame."""

    class config:
        working_size = (CAMERA.height, CAMERA.width)

    def __init__(self, depths):
        self.left = list(depths)

    def __call__(self, image, /, *, focal_px):
        class Result:
            depth_m = self.left.pop(0)
            valid = depth_m < 120
            confidence = None

        return Result


def drive(folder, ranges_m):
    """Pictures of noise, LiDAR of the road and of a car's back, and the depth a perfect model gives."""
    rng = np.random.default_rng(0)
    rows, depths = [], []
    for i, range_m in enumerate(ranges_m):
        depths.append(board(road(), range_m))
        picture, lidar = folder / f"{i}.png", folder / f"{i}-depth.png"
        cv2.imwrite(str(picture), rng.integers(0, 256, (CAMERA.height, CAMERA.width, 3), dtype=np.uint8))
        cv2.imwrite(str(lidar), np.where(depths[-1] < 100, depths[-1] * 256, 0).astype(np.uint16))
        rows.append(Row(picture, lidar, 256, CAMERA.fx_px, CAMERA.fy_px, CAMERA.cx_px, CAMERA.cy_px, "test", ""))
    write_manifest(folder / "manifest.csv", rows)
    return folder / "manifest.csv", depths


def test_a_perfect_model_scores_without_error(tmp_path):
    manifest, depths = drive(tmp_path, [20 - 0.2 * i for i in range(20)])  # 2 m/s at 10 frames a second
    found = scoring.score(manifest, Depth(depths), warner_settings(HEIGHT_M, 0.0), 10)
    assert (found.frames, found.leads, found.alerts, found.degraded) == (20, 20, 0, 0)
    assert found.seen >= 15
    assert np.abs(found.range_errors).max() < 0.03
    assert abs(found.closing_errors_mps[-1]) < 0.3


def test_a_scale_error_shows(tmp_path):
    manifest, depths = drive(tmp_path, [20.0] * 12)
    depths = [board(road(), 22.0) for _ in depths]
    found = scoring.score(manifest, Depth(depths), warner_settings(HEIGHT_M, 0.0), 10)
    assert np.median(found.range_errors) == pytest.approx(0.1, abs=0.02)


def test_the_road_alone_is_no_lead_and_without_a_height_there_is_no_truth(tmp_path):
    assert scoring.true_range_m(np.where(road() < 80, road(), 0), CAMERA, HEIGHT_M, PathSettings()) is None
    manifest, depths = drive(tmp_path, [20.0])
    with pytest.raises(ConfigError, match="height"):
        scoring.score(manifest, Depth(depths), warner_settings(None, 0.0), 10)


def test_alerts_are_counted_as_they_begin_and_bad_input_as_degraded():
    levels = [Level.CLEAR, Level.WARNING, Level.CRITICAL, Level.CLEAR, Level.WARNING, Level.DEGRADED]
    found = scoring.compare([FrameResult(i / 10, level, "") for i, level in enumerate(levels)], [None] * 6)
    assert (found.alerts, found.degraded, found.leads) == (2, 1, 0)
    assert "no frame to judge" in found.lines()[1]
    assert "degraded 1 of 6 frames (17%)" in found.lines()


def test_guesses_share_one_prediction_and_count_alerts(monkeypatch):
    """Towards a car that stands every guess alerts that has a speed or none; each frame is predicted once for a focal length."""
    monkeypatch.setattr(playing, "SPEEDS_MPS", (None, 20.0))
    monkeypatch.setattr(playing, "HEIGHTS_M", (None, HEIGHT_M))
    rng = np.random.default_rng(0)
    depths = [board(road(), 70 - 2.0 * i) for i in range(32)]
    frames = [VideoFrame(i / 10, rng.integers(0, 256, (*depths[0].shape, 3), dtype=np.uint8)) for i in range(32)]
    found = list(playing.play(frames, Depth(depths), CAMERA.fx_px))  # a second prediction of a frame would find no depth
    assert [(speed, height) for speed, height, _ in found] == [(None, None), (20.0, None), (None, HEIGHT_M), (20.0, HEIGHT_M)]
    assert all(len(alerts) == 1 and alerts[0].reason for _, _, alerts in found)


def test_cost_of_the_warning_is_printed(monkeypatch, capsys):
    monkeypatch.setattr(timing, "PICTURE_CAMERA", CAMERA)
    timing.main(1)
    assert re.search(r"warning stage: [0-9.]+ ms of processor time a frame of 320x96", capsys.readouterr().out)


def test_a_recording_that_is_none_is_one_line(tmp_path, capsys):
    (tmp_path / "drive.mp4").write_bytes(b"no video")
    with pytest.raises(typer.Exit) as stopped:
        timing.main(1, tmp_path / "drive.mp4")
    assert stopped.value.exit_code == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("time_warning: ")
    assert "drive.mp4" in lines[-1]
