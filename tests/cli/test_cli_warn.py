"""`lapdepth warn` on videos made here, with a model whose depth is known."""

import dataclasses
import errno
import json
import signal
import threading
import time

import cv2
import numpy as np
import pytest

from lapdepth.cli.warn import warn
from lapdepth.collision import run as running
from lapdepth.collision.ego import EgoSpeed, read_ego_speed
from lapdepth.collision.pipeline import warn_frames
from lapdepth.collision.run import Options, run
from lapdepth.collision.settings import HealthSettings, WarnerSettings
from lapdepth.collision.warner import CollisionWarner
from lapdepth.errors import InputError, OutputError, ReadError
from lapdepth.io import read_ahead, video_writer
from lapdepth.io.video import FrameSource, VideoFrame, open_frames
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
    monkeypatch.setattr(running, "open_predictor", lambda model: Road())


@pytest.fixture
def video(tmp_path):
    rng = np.random.default_rng(0)
    with write_video(tmp_path / "drive.mp4", 20) as add:
        for i in range(20):
            add(i / 20, np.repeat(np.repeat(rng.integers(0, 256, (24, 48, 3), dtype=np.uint8), 4, 0), 4, 1))
    return tmp_path / "drive.mp4"


def noise(seed):
    picture = np.random.default_rng(seed).integers(0, 256, (24, 48, 3), dtype=np.uint8)
    return np.repeat(np.repeat(picture, 4, 0), 4, 1)


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


def test_terminated_its_files_are_complete(video, tmp_path, monkeypatch, capsys):
    def terminated(*args):
        for i, warned in enumerate(warn_frames(*args)):
            if i == 5:
                signal.raise_signal(signal.SIGTERM)
            yield warned

    monkeypatch.setattr(running, "warn_frames", terminated)
    before = signal.getsignal(signal.SIGTERM)
    warn(str(video), output=tmp_path / "o.mp4", frames=tmp_path / "f.jsonl", events=tmp_path / "e.jsonl")
    assert signal.getsignal(signal.SIGTERM) is before
    assert capsys.readouterr().err.startswith("stopped: 5 frames")
    assert len(lines(tmp_path / "f.jsonl")) == 5
    assert lines(tmp_path / "e.jsonl") == []
    assert cv2.VideoCapture(str(tmp_path / "o.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 5


@pytest.mark.parametrize("broken", [b"no picture", b"larger"])
def test_what_was_seen_before_a_picture_that_cannot_be_used_is_kept(tmp_path, broken):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(6):
        cv2.imwrite(str(folder / f"{i}.png"), noise(i))
    if broken == b"larger":
        cv2.imwrite(str(folder / "3.png"), np.repeat(noise(3), 2, 0))
    else:
        (folder / "3.png").write_bytes(broken)
    options = Options(str(folder), fps=20, output=tmp_path / "o.mp4", events=tmp_path / "e.jsonl", frames=tmp_path / "f.jsonl")
    with pytest.raises((ReadError, InputError), match=r"3\.png|a video has one size"):
        run(options, WarnerSettings(), print)
    assert [frame["time_s"] for frame in lines(tmp_path / "f.jsonl")][:3] == [0, 0.05, 0.1]
    assert lines(tmp_path / "e.jsonl") == []
    assert cv2.VideoCapture(str(tmp_path / "o.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 3


def test_what_can_be_decoded_of_a_truncated_video_is_kept(truncated_video, tmp_path):
    options = Options(str(truncated_video), output=tmp_path / "o.mp4", events=tmp_path / "e.jsonl", frames=tmp_path / "f.jsonl")
    with pytest.raises(ReadError, match=r"only 1\d of 20 frames"):
        run(options, WarnerSettings(), print)
    count = len(lines(tmp_path / "f.jsonl"))
    assert 10 <= count < 18
    assert lines(tmp_path / "e.jsonl") == []
    assert cv2.VideoCapture(str(tmp_path / "o.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == count


@pytest.mark.parametrize("outputs", ["video and events", "lines alone"])
def test_a_full_disk_keeps_what_was_written(video, tmp_path, full_disk, outputs):
    full_disk(".lines", 2000)  # about four frames
    options = Options(str(video), frames=tmp_path / "f.lines")
    if outputs == "video and events":
        options = dataclasses.replace(options, output=tmp_path / "o.mp4", events=tmp_path / "e.jsonl")
    with pytest.raises(OutputError, match=r"f\.lines: No space left on device$"):
        run(options, WarnerSettings(), print)
    count = len(lines(tmp_path / "f.lines"))
    assert 1 < count < 20
    if outputs == "video and events":
        assert lines(tmp_path / "e.jsonl") == []
        assert cv2.VideoCapture(str(tmp_path / "o.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == count
    assert len(list(tmp_path.iterdir())) == (4 if outputs == "video and events" else 2)  # the source is one of them


def test_a_disk_that_is_full_of_alerts_keeps_them(video, tmp_path, full_disk, monkeypatch):
    monkeypatch.setattr(running._Count, "add", lambda self, warned: self.warning_s.append(0.0) or True)
    full_disk(".events", 2000)
    options = Options(str(video), events=tmp_path / "e.events", frames=tmp_path / "f.jsonl")
    with pytest.raises(OutputError, match=r"e\.events: No space left on device$"):  # and not the other file
        run(options, WarnerSettings(), print)
    count = len(lines(tmp_path / "e.events"))
    assert 1 < count < 20
    assert len(lines(tmp_path / "f.jsonl")) == count + 1


def test_lines_that_nobody_takes_leave_the_files(video, tmp_path):
    left = [None] * 5

    def tell(text):
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        left.pop()

    with pytest.raises(OutputError, match="cannot write the lines of JSON: No space left"):
        run(Options(str(video), output=tmp_path / "o.mp4"), WarnerSettings(), tell)
    assert cv2.VideoCapture(str(tmp_path / "o.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 5


def test_an_overlay_that_could_not_be_finished_leaves_the_lines(video, tmp_path, monkeypatch):
    monkeypatch.setattr(video_writer._Writer, "close", lambda self: self._writer.release() or self.temporary.write_bytes(b"cut"))
    options = Options(str(video), output=tmp_path / "o.mp4", frames=tmp_path / "f.jsonl")
    with pytest.raises(OutputError, match=r"o\.mp4: .*is the disk full"):
        run(options, WarnerSettings(), print)
    assert len(lines(tmp_path / "f.jsonl")) == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drive.mp4", "f.jsonl"]


def test_without_a_frame_there_are_no_files(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "0.png").write_bytes(b"no picture")
    options = Options(str(folder), fps=20, output=tmp_path / "o.mp4", frames=tmp_path / "f.jsonl")
    with pytest.raises(ReadError, match=r"0\.png"):
        run(options, WarnerSettings(), print)
    assert list(tmp_path.iterdir()) == [folder]


def torn_off(folder, monkeypatch, frames, noting):
    """Lines of a live camera that gives no more frames in the end."""
    monkeypatch.setattr(running, "open_frames", lambda *args: FrameSource("0", True, 20.0, None, frames(), lambda: None))
    monkeypatch.setattr(running, "warn_frames", noting)
    settings = WarnerSettings(health=HealthSettings(max_gap_s=0.01))
    with pytest.raises(ReadError, match="no more frames"):
        run(Options("0", output=folder / "o.mp4", frames=folder / "f.jsonl"), settings, print)
    return lines(folder / "f.jsonl")


def test_a_camera_that_stalls_is_degraded_and_one_that_is_torn_off_leaves_its_files(tmp_path, monkeypatch):
    stalled = threading.Event()

    def frames():
        yield VideoFrame(0.0, noise(0))
        assert stalled.wait(30)
        yield VideoFrame(1.0, noise(1))
        raise ReadError("camera gives no more frames")

    def noting(*args):
        for warned in warn_frames(*args):
            if "no frame" in warned.result.reason:
                stalled.set()
            yield warned

    found = torn_off(tmp_path, monkeypatch, frames, noting)
    assert (found[0]["time_s"], found[-1]["time_s"]) == (0, 1)
    assert {(frame["level"], frame["reason"][:24]) for frame in found[1:-1]} == {("degraded", "no frame from the camera")}
    assert [frame["time_s"] for frame in found[1:-1]] == pytest.approx([0.01 * i for i in range(1, len(found) - 1)])
    assert "latency_s" in found[-1]
    assert (tmp_path / "o.mp4").exists()


def test_a_camera_that_never_gives_a_frame_is_degraded_and_then_ends(tmp_path, monkeypatch):
    over = threading.Event()

    def frames():
        over.wait(30)
        yield from ()

    monkeypatch.setattr(running, "open_frames", lambda *args: FrameSource("0", True, 20.0, None, frames(), lambda: None))
    monkeypatch.setattr(read_ahead, "FIRST_FRAME_S", 0.01)
    monkeypatch.setattr(read_ahead, "LEAVE_S", 0.01)
    told = []
    settings = WarnerSettings(health=HealthSettings(max_gap_s=0.004))
    with pytest.raises(ReadError, match="gave no frame"):
        run(Options("0", output=tmp_path / "o.mp4", events=tmp_path / "e.jsonl"), settings, told.append)
    over.set()
    assert [json.loads(text)["level"] for text in told] == ["degraded"] * 2
    assert list(tmp_path.iterdir()) == []


def test_a_camera_that_is_slow_to_begin_is_degraded_until_then(tmp_path, monkeypatch):
    waited = threading.Event()

    def frames():
        assert waited.wait(30)
        for i in range(2):
            yield VideoFrame(time.monotonic(), noise(i))
        raise ReadError("camera gives no more frames")

    def noting(*args):
        for warned in warn_frames(*args):
            waited.set()
            yield warned

    found = torn_off(tmp_path, monkeypatch, frames, noting)
    assert (found[0]["level"], found[0]["reason"]) == ("degraded", "no frame from the camera for 0.01 s")
    assert "latency_s" in found[-1]
    assert cv2.VideoCapture(str(tmp_path / "o.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) >= 1


@pytest.mark.parametrize(("ego", "scale_free"), [(EgoSpeed(), True), (EgoSpeed((), (15.0,)), False)])
def test_before_the_first_frame_only_time_and_level_are_known(ego, scale_free):
    before_s = time.monotonic()
    (first, second) = warn_frames(iter([None, None]), Road(), CollisionWarner(), ego, 150.0, live=True)
    assert before_s + 0.45 <= first.result.time_s < second.result.time_s
    assert (first.result.level.value, first.result.scale_free) == ("degraded", scale_free)
    assert first.camera is None


def test_each_wait_for_a_live_frame_is_degraded_until_one_comes():
    frames = iter([VideoFrame(5.0, noise(0)), None, None, VideoFrame(6.5, noise(1)), None])
    found = list(warn_frames(frames, Road(), CollisionWarner(), EgoSpeed(), None, live=True))
    assert [warned.frame.time_s for warned in found] == pytest.approx([5, 5.45, 5.9, 6.5, 6.95])
    stalls = [found[i].result for i in (1, 2, 4)]
    assert [stall.reason for stall in stalls] == [f"no frame from the camera for {late} s" for late in ("0.45", "0.90", "0.45")]
    assert {stall.level.value for stall in stalls} == {"degraded"}
    assert found[1].warning_s is None
    assert found[1].latency_s is None


def test_the_last_line_says_the_commonest_fault(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(8):
        cv2.imwrite(str(folder / f"{i}.png"), np.zeros((96, 192, 3), np.uint8) if 2 <= i < 4 else noise(i))
    times = tmp_path / "times.txt"
    times.write_text("".join(f"{time_s}\n" for time_s in (0, 0.1, 0.2, 0.3, 1.0, 1.8, 2.7, 2.8)))
    words = run(Options(str(folder), timestamps=times), WarnerSettings(), lambda text: None)
    assert "6 degraded (mostly: time stamp jumps)" in words
    assert "ms of wall time a frame" in words


def test_closed_early_it_does_not_wait_for_the_prediction_in_work():
    """The garbage collector closes what was left alone, and may do so where a wait for a thread never ends."""
    begun, closed, done = threading.Event(), threading.Event(), []

    class Slow(Road):
        def __call__(self, rgb, focal_px):
            if rgb[0, 0, 0] == 1:
                begun.set()
                done.append(closed.wait(10))
            return super().__call__(rgb, focal_px)

    frames = (VideoFrame(float(i), np.full((48, 96, 3), i, np.uint8)) for i in range(3))
    found = warn_frames(frames, Slow(), CollisionWarner(), EgoSpeed(), None, live=False)
    next(found)
    assert begun.wait(10)
    found.close()
    assert not done
    closed.set()


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
    (tmp_path / "link.mp4").symlink_to(video)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    cv2.imwrite(str(pictures / "0.png"), noise(0))
    times = tmp_path / "times.txt"
    times.write_text("0\n")
    kept = {path: path.read_bytes() for path in (video, speed, times, pictures / "0.png")}
    for options, message in (
        (Options(str(video), ego_speed_mps=1, ego_speed_csv=speed), "both ego_speed"),
        (Options(str(video), ego_speed_mps=float("nan")), "ego_speed_mps is nan"),
        (Options(str(video), focal_px=-1), "focal length"),
        (Options(str(video), output=video), "different files"),
        (Options(str(tmp_path / "pictures" / ".." / video.name), output=video), "different files"),
        (Options(str(tmp_path / "link.mp4"), output=video), "different files"),
        (Options(str(video), ego_speed_csv=speed, events=speed), "different files"),
        (Options(str(pictures), timestamps=times, frames=times), "different files"),
        (Options(str(pictures), fps=10, frames=pictures / "0.png"), "one of the source's pictures"),
    ):
        with pytest.raises(InputError, match=message):
            run(options, WarnerSettings(), print)
    assert {path: path.read_bytes() for path in kept} == kept


def test_own_speed_of_a_file_counts_from_the_first_frame():
    speed = EgoSpeed((0.0, 1.0), (10.0, 20.0))
    frames = [VideoFrame(1317042145.5 + 0.1 * i, noise(i)) for i in range(3)]
    found = list(warn_frames(iter(frames), Road(), CollisionWarner(), speed, 150.0, live=False))
    assert not any(one.result.scale_free for one in found)
    assert not any("own speed" in remark for one in found for remark in one.result.health)


def test_own_speed_of_a_file(tmp_path):
    path = tmp_path / "speed.csv"
    path.write_text("time_s,speed_mps\n0,10\n2,20\n")
    ego = read_ego_speed(path)
    assert [ego.at(time_s) for time_s in (1.0, 2.5, 3.5, -2.0)] == [15, 20, None, None]
    for text, message in (("a,b\n1,2\n", "columns"), ("time_s,speed_mps\n0,x\n", "line 2"), ("time_s,speed_mps\n", "no lines")):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_ego_speed(path)
    path.write_bytes(b"\xef\xbb\xbf time_s , speed_mps\r\n 0 , 10\r\n2, 20 \r\n")  # as spreadsheets save it
    assert read_ego_speed(path) == ego
    path.write_text("time_s,speed_mps\n1,5\n1,5\n")
    with pytest.raises(InputError, match="does not come after"):
        read_ego_speed(path)


def test_own_speed_is_unknown_in_a_hole_of_its_file():
    ego = EgoSpeed((0, 0.2, 60), (10, 10, 40))
    assert [ego.at(time_s) for time_s in (1.3, 30, 58.9)] == [None, None, None]
    assert ego.at(0.1) == 10
    assert ego.at(1.1) == pytest.approx(10, abs=0.5)
    assert ego.at(60.9) == 40
