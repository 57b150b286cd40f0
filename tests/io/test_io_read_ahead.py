"""Waiting for frames that do not come."""

import threading

import numpy as np
import pytest

from lapdepth.errors import ReadError
from lapdepth.io import read_ahead
from lapdepth.io.read_ahead import ReadAhead
from lapdepth.io.video import FrameSource, VideoFrame


def test_a_wait_for_a_frame_that_is_too_long_gives_none_and_the_frames_still_come():
    picture = np.zeros((16, 16, 3), np.uint8)
    waited = threading.Event()

    def frames():
        yield VideoFrame(0.0, picture)
        assert waited.wait(30)
        yield VideoFrame(1.0, picture)

    times_s, waits = [], 0
    with ReadAhead(FrameSource("made", True, None, None, frames(), lambda: None)) as ahead:
        for frame in ahead.within(0.01):
            if frame is not None:
                times_s.append(frame.time_s)
            elif times_s:
                waits += 1
                if waits == 2:
                    waited.set()
    assert times_s == [0, 1]
    assert waits >= 2


@pytest.fixture
def silent():
    """A camera that is open and gives no frame, and what notes that it was closed."""
    over, closed = threading.Event(), []

    def frames():
        over.wait(30)
        yield from ()

    yield FrameSource("7", True, None, None, frames(), lambda: closed.append(True)), closed
    over.set()


@pytest.mark.parametrize("longest_s", [None, 0.004])
def test_a_camera_that_never_gives_a_frame_ends_with_a_line_and_is_not_waited_for(silent, longest_s, monkeypatch):
    monkeypatch.setattr(read_ahead, "FIRST_FRAME_S", 0.01)
    monkeypatch.setattr(read_ahead, "LEAVE_S", 0.01)
    source, closed = silent
    waits = []
    with pytest.raises(ReadError, match=r"camera 7 is open but gave no frame in 0\.01 s"), ReadAhead(source) as ahead:
        waits.extend(ahead.within(longest_s))
    assert waits == [None] * (0 if longest_s is None else 2)
    assert not closed  # while its thread still reads


def test_a_file_that_is_slow_is_waited_for(monkeypatch):
    monkeypatch.setattr(read_ahead, "FIRST_FRAME_S", 0.0)
    monkeypatch.setattr(read_ahead, "LEAVE_S", 0.0)
    asked = threading.Event()

    def frames():
        assert asked.wait(30)
        yield VideoFrame(0.0, np.zeros((16, 16, 3), np.uint8))

    closed = []
    with ReadAhead(FrameSource("made", False, None, None, frames(), lambda: closed.append(True))) as ahead:
        for frame in ahead.within(0.01):
            asked.set()
            if frame is not None:
                assert frame.time_s == 0
    assert closed
