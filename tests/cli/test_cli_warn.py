"""`lapdepth warn` on videos made here, with a model whose depth is known."""

import json

import cv2
import numpy as np
import pytest

from lapdepth.collision import run as running
from lapdepth.collision.ego import EgoSpeed, read_ego_speed
from lapdepth.collision.pipeline import warn_frames
from lapdepth.collision.run import Options, run
from lapdepth.collision.settings import WarnerSettings
from lapdepth.collision.warner import CollisionWarner
from lapdepth.errors import InputError
from lapdepth.io.video import VideoFrame, open_frames
from lapdepth.io.video_writer import write_video


class Result:
    confidence = None

    def __init__(self, rgb, focal_px):
        height, width = rgb.shape[:2]
        rows = np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2
        road = np.where(rows > 0, 1.5 * focal_px / np.maximum(rows, 1e-3), 200.0)
        self.depth_m = np.broadcast_to(road, (height, width)).astype(np.float32)
        self.valid = self.depth_m < 120


class Road:
    """A predictor that sees an empty road from 1.5 m."""

    class config:
        working_size = (64, 128)

    def __call__(self, rgb, focal_px):
        return Result(rgb, focal_px)


@pytest.fixture(autouse=True)
def road(monkeypatch):
    monkeypatch.setattr(running.DepthPredictor, "from_pretrained", lambda model: Road())


@pytest.fixture
def video(tmp_path):
    rng = np.random.default_rng(0)
    with write_video(tmp_path / "drive.mp4", 20) as add:
        for i in range(20):
            add(i / 20, np.repeat(np.repeat(rng.integers(0, 256, (24, 48, 3), dtype=np.uint8), 4, 0), 4, 1))
    return tmp_path / "drive.mp4"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_frame_gives_a_line_and_the_overlay_a_frame(video, tmp_path):
    told = []
    options = Options(str(video), focal_px=150, ego_speed_mps=15, output=tmp_path / "o.mp4", events=tmp_path / "e.jsonl")
    words = run(options, WarnerSettings(camera_height_m=1.5), told.append)
    frames = [json.loads(text) for text in told]
    assert [frame["time_s"] for frame in frames] == pytest.approx([i / 20 for i in range(20)])
    assert frames[-1]["level"] == "clear"
    assert not frames[-1]["scale_free"]
    assert lines(tmp_path / "e.jsonl") == []
    with open_frames(str(tmp_path / "o.mp4")) as source:
        assert len(list(source)) == 20
    assert "20 frames" in words
    assert "0 alerts" in words
    assert "metres corrected by 1.0" in words


def test_without_speed_and_focal_length_it_says_so(video):
    told = []
    words = run(Options(str(video)), WarnerSettings(), told.append)
    assert json.loads(told[-1])["scale_free"]
    assert "own speed unknown: time to collision alone; focal length unknown" in words


def test_interrupted_its_files_are_complete(video, tmp_path, monkeypatch):
    def interrupted(*args):
        for i, warned in enumerate(warn_frames(*args)):
            if i == 5:
                raise KeyboardInterrupt
            yield warned

    monkeypatch.setattr(running, "warn_frames", interrupted)
    options = Options(str(video), output=tmp_path / "o.mp4", frames=tmp_path / "f.jsonl")
    assert run(options, WarnerSettings(), lambda text: None).startswith("stopped: 5 frames")
    assert len(lines(tmp_path / "f.jsonl")) == 5
    assert cv2.VideoCapture(str(tmp_path / "o.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 5


def test_a_live_frame_is_judged_before_the_next_is_taken():
    taken = []

    def frames():
        for i in range(3):
            taken.append(i)
            yield VideoFrame(float(i), np.full((48, 96, 3), 100, np.uint8))

    found = warn_frames(frames(), Road(), CollisionWarner(), EgoSpeed(), None, live=True)
    first = next(found)
    assert taken == [0]
    assert first.latency_s is not None


def test_options_that_cannot_be_used(video, tmp_path):
    speed = tmp_path / "speed.csv"
    speed.write_text("time_s,speed_mps\n0,10\n2,20\n")
    for options, message in (
        (Options(str(video), ego_speed_mps=1, ego_speed_csv=speed), "both ego_speed"),
        (Options(str(video), ego_speed_mps=float("nan")), "ego_speed_mps is nan"),
        (Options(str(video), focal_px=-1), "focal length"),
        (Options(str(video), output=video), "different files"),
    ):
        with pytest.raises(InputError, match=message):
            run(options, WarnerSettings(), print)


def test_own_speed_of_a_file(tmp_path):
    path = tmp_path / "speed.csv"
    path.write_text("time_s,speed_mps\n0,10\n2,20\n")
    ego = read_ego_speed(path)
    assert [ego.at(time_s) for time_s in (1.0, 2.5, 3.5, -2.0)] == [15, 20, None, None]
    for text, message in (("a,b\n1,2\n", "columns"), ("time_s,speed_mps\n0,x\n", "line 2"), ("time_s,speed_mps\n", "no lines")):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_ego_speed(path)
    path.write_text("time_s,speed_mps\n1,5\n1,5\n")
    with pytest.raises(InputError, match="does not come after"):
        read_ego_speed(path)
