"""Frames from videos, folders and cameras, and MP4 out. Videos are made here; no camera is needed."""

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from lapdepth.errors import InputError, OutputError, ReadError
from lapdepth.io.read_ahead import ReadAhead
from lapdepth.io.video import FrameSource, VideoFrame, _decoded, open_frames
from lapdepth.io.video_writer import write_video


def picture(number, height=48, width=64):
    """One grey level, which survives compression."""
    return np.full((height, width, 3), 20 + 10 * number, np.uint8)


def levels(frames):
    return [round((float(frame.rgb.mean()) - 20) / 10) for frame in frames]


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "clip.mp4"
    with write_video(path, 12.5) as add:
        for i in range(10):
            add(100 + i * 0.08, picture(i))
    return path


def test_frames_come_with_their_time_stamps(video):
    with open_frames(str(video)) as source:
        frames = list(source)
    assert (source.fps, source.count, source.live) == (12.5, 10, False)
    assert levels(frames) == list(range(10))
    assert [frame.time_s for frame in frames] == pytest.approx([i * 0.08 for i in range(10)])


def test_frames_are_red_green_blue(tmp_path):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    with write_video(tmp_path / "red.mp4", 10) as add:
        add(0.0, red)
    with open_frames(str(tmp_path / "red.mp4")) as source:
        (frame,) = source
    assert frame.rgb[..., 0].mean() > 150
    assert frame.rgb[..., 2].mean() < 50


def test_a_written_frame_stays_until_the_next_ones_time(tmp_path):
    with write_video(tmp_path / "a.mp4", 10) as add:
        for i, time_s in enumerate((0.0, 0.1, 0.13, 0.4, 1e9, 1e9 + 0.1)):
            add(time_s, picture(i))
    with open_frames(str(tmp_path / "a.mp4")) as source:
        assert levels(source) == [0, 2, 2, 2, *[3] * 10, 4, 5]


@pytest.mark.parametrize("fps", [0.1, 0.5, 29.97, 59.94, 66.667, 119.123, 119.88])
def test_every_frame_of_any_rate_is_kept(tmp_path, fps):
    with write_video(tmp_path / "a.mp4", fps) as add:
        for i in range(8):
            add(i / fps, picture(i))
    with open_frames(str(tmp_path / "a.mp4")) as source:
        assert list(dict.fromkeys(levels(source))) == list(range(8))


def test_nothing_is_left_of_a_video_that_failed(tmp_path):
    def two_sizes():
        with write_video(tmp_path / "a.mp4", 10) as add:
            add(0.0, picture(0))
            add(0.1, picture(1, width=32))

    with pytest.raises(InputError, match="has one size"):
        two_sizes()
    with pytest.raises(OutputError, match="no frame"), write_video(tmp_path / "a.mp4", 10):
        pass
    with pytest.raises(InputError, match=r"expected \.mp4"), write_video(tmp_path / "a.avi", 10):
        pass
    assert list(tmp_path.iterdir()) == []


class Cut:
    """An encoder that loses the end of its file to a full disk, and tells nobody."""

    lost = 0
    real = cv2.VideoWriter
    fourcc = staticmethod(cv2.VideoWriter.fourcc)

    def __init__(self, path, *how):
        self.path, self.writer = Path(path), self.real(path, *how)

    def release(self):
        self.writer.release()
        self.path.write_bytes(self.path.read_bytes()[: -self.lost])

    def __getattr__(self, name):
        return getattr(self.writer, name)


@pytest.mark.parametrize("lost", [100, 1000])  # a part of the index, or all of it
def test_a_video_that_the_encoder_could_not_finish_is_an_error(tmp_path, monkeypatch, lost):
    def write():
        with write_video(tmp_path / "a.mp4", 10) as add:
            for i in range(10):
                add(i / 10, picture(i))

    monkeypatch.setattr(cv2, "VideoWriter", Cut)
    monkeypatch.setattr(Cut, "lost", lost)
    with pytest.raises(OutputError, match=r"a\.mp4: .*64x48.*is the disk full"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_takes_a_rate_or_time_stamps(tmp_path):
    for i in (2, 0, 1):
        cv2.imwrite(str(tmp_path / f"{i:03}.png"), picture(i))
    with open_frames(str(tmp_path), fps=4) as source:
        frames = list(source)
    assert levels(frames) == [0, 1, 2]
    assert [frame.time_s for frame in frames] == [0, 0.25, 0.5]
    stamps = tmp_path / "times.txt"
    stamps.write_text("2011-09-26 13:02:25.964389445\n2011-09-26 13:02:26.064389445\n2011-09-26 13:02:26.3\n")
    with open_frames(str(tmp_path), timestamps=stamps) as source:
        times_s = [frame.time_s for frame in source]
    assert np.diff(times_s) == pytest.approx([0.1, 0.2356], abs=1e-4)
    assert source.fps == pytest.approx(2 / 0.3356, rel=1e-3)


@pytest.mark.parametrize(
    ("stamps", "message"),
    [("0\n1\n", "2 time stamps for 3 pictures"), ("0\n1\nnan\n", "line 3 is 'nan'"), ("a\n1\n2\n", "line 1 is 'a'")],
)
def test_bad_time_stamps_are_named(tmp_path, stamps, message):
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i:03}.png"), picture(i))
    (tmp_path / "times.txt").write_text(stamps)
    with pytest.raises(InputError, match=message):
        open_frames(str(tmp_path), timestamps=tmp_path / "times.txt")


def test_a_folder_needs_time(tmp_path):
    cv2.imwrite(str(tmp_path / "0.png"), picture(0))
    with pytest.raises(InputError, match="give fps"):
        open_frames(str(tmp_path))
    with pytest.raises(InputError, match="over 0"):
        open_frames(str(tmp_path), fps=float("nan"))


def test_what_is_no_video_is_refused(tmp_path, video):
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\n{video}\n")
    with pytest.raises(ReadError, match="not a video"):
        open_frames(str(playlist))
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(video.read_bytes()[:40] + b"\0" * 500)
    with pytest.raises(ReadError, match="damaged"), open_frames(str(damaged)) as source:
        list(source)
    for name in ("missing.mp4", "/dev/null", "bad\0name", "http://127.0.0.1/a.mp4", ""):
        with pytest.raises(ReadError):
            open_frames(name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match="no pictures"):
        open_frames(str(tmp_path / "empty"), fps=1)
    with pytest.raises(InputError, match="for a folder"):
        open_frames(str(video), fps=10)


def test_a_truncated_video_gives_its_frames_and_then_says_so(truncated_video):
    frames = []
    with (
        open_frames(str(truncated_video)) as source,
        pytest.raises(ReadError, match=r"truncated\.avi: only 1\d of 20 frames can be decoded"),
    ):
        frames.extend(source)
    assert 10 <= len(frames) < 18


class Uneven:
    """A capture of ten frames, ten a second, in which two seconds are missing: its header makes 30 of them."""

    def __init__(self, times_s):
        self.times_s = list(times_s)

    def grab(self):
        self.time_s = self.times_s.pop(0) if self.times_s else None
        return self.time_s is not None

    def get(self, what):
        return {cv2.CAP_PROP_POS_MSEC: 1000 * (self.time_s or 0)}.get(what, 64)

    def retrieve(self):
        return True, np.zeros((64, 64, 3), np.uint8)


def test_only_a_header_is_wrong_where_the_frames_reach_the_end(caplog):
    frames = _decoded(Uneven([*(i / 10 for i in range(5)), *(2.5 + i / 10 for i in range(5))]), "made", 10.0, 30)
    assert len(list(frames)) == 10
    assert "only 10 of 30 frames" in caplog.text


def source_of(frames, live):
    return FrameSource("made", live, None, None, frames, lambda: None)


def test_reading_ahead_keeps_every_frame_of_a_file(video):
    with ReadAhead(open_frames(str(video))) as ahead:
        assert levels(ahead) == list(range(10))
    assert ahead.dropped == 0


def test_reading_ahead_of_a_live_source_gives_the_newest_frame():
    first_taken, all_come = threading.Event(), threading.Event()

    def frames():
        yield VideoFrame(0.0, picture(0))
        first_taken.wait(10)
        for i in range(1, 6):
            yield VideoFrame(float(i), picture(i))
        all_come.set()

    with ReadAhead(source_of(frames(), live=True)) as ahead:
        taken = iter(ahead)
        assert next(taken).time_s == 0
        first_taken.set()
        assert all_come.wait(10)
        assert [frame.time_s for frame in taken] == [5]
        assert ahead.dropped == 4


def test_an_error_while_reading_ahead_comes_after_the_frames_before_it():
    def frames():
        yield VideoFrame(0.0, picture(0))
        raise ReadError("gone")

    with ReadAhead(source_of(frames(), live=False)) as ahead:
        taken = iter(ahead)
        next(taken)
        with pytest.raises(ReadError, match="gone"):
            next(taken)


def test_reading_ahead_can_be_left_early(video):
    before = threading.active_count()
    with ReadAhead(open_frames(str(video))) as ahead:
        next(iter(ahead))
    assert threading.active_count() == before
