"""Waiting for frames that do not come."""

import threading

import numpy as np

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
