"""Frames decoded in a thread of their own."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Self

from lapdepth.errors import ReadError
from lapdepth.io.video import FrameSource, VideoFrame

FIRST_FRAME_S = 10.0
"""A live source that has given no frame for so long after it was opened gives none. Slow cameras need about 3 s."""
LEAVE_S = 2.0
"""A live source that does not come back with a frame within this time is left as it is, not waited for at the end."""


class ReadAhead:
    """Decodes in a thread of its own while the caller works on the frame before.

    Of a source that is live only the newest frame is kept, so that a slow caller sees the present, not a growing past; of any
    other all frames come, at most two ahead.

    Attributes:
        dropped: Frames of a live source that were replaced before anybody took them.
    """

    def __init__(self, source: FrameSource) -> None:
        """Begin to decode."""
        self.dropped = 0
        self._source = source
        self._frames: deque[VideoFrame] = deque()
        self._came_s = time.monotonic()
        self._changed = threading.Condition()
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._decode, name="decode", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[VideoFrame]:
        """The frames, as the source gives and raises them."""
        return (frame for frame in self.within(None) if frame is not None)

    def within(self, longest_s: float | None) -> Iterator[VideoFrame | None]:
        """The frames, as the source gives and raises them, and `None` each time that none has come for so long.

        Args:
            longest_s: Counted from when the last frame came, or from the last `None`; `None`: wait without end.

        Raises:
            ReadError: A live source gives no first frame.
        """
        since_s, step_s = self._came_s, math.inf if longest_s is None else longest_s
        first_until_s = since_s + FIRST_FRAME_S if self._source.live else math.inf
        while True:
            with self._changed:
                until_s = min(since_s + step_s, first_until_s)
                left_s = None if math.isinf(until_s) else until_s - time.monotonic()
                self._changed.wait_for(lambda: self._frames or self._ended, left_s)
                if self._frames:
                    frame, since_s, first_until_s = self._frames.popleft(), self._came_s, math.inf
                    self._changed.notify_all()
                elif self._ended:
                    break
                elif until_s == first_until_s:
                    silent = f"camera {self._source.name} is open but gave no frame in {FIRST_FRAME_S:g} s"
                    raise ReadError(f"{silent}; is another program using it?")
                else:
                    frame, since_s = None, since_s + step_s
            yield frame
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop decoding, then close the source; one that hangs is left open, as it cannot be closed while it is read."""
        with self._changed:
            self._ended = True
            self._frames.clear()
            self._changed.notify_all()
        self._thread.join(LEAVE_S if self._source.live else None)
        if not self._thread.is_alive():
            self._source.close()

    def _decode(self) -> None:
        room = 1 if self._source.live else 2
        try:
            for frame in self._source:
                with self._changed:
                    if self._source.live and self._frames:
                        self._frames.popleft()
                        self.dropped += 1
                    self._changed.wait_for(lambda: len(self._frames) < room or self._ended)
                    if self._ended:
                        return
                    self._frames.append(frame)
                    self._came_s = time.monotonic()
                    self._changed.notify_all()
        except Exception as error:  # raised again where the frames are taken
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
