"""Frames decoded in a thread of their own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Self

from lapdepth.io.video import FrameSource, VideoFrame


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
        """
        since_s = self._came_s
        while True:
            with self._changed:
                left_s = None if longest_s is None else since_s + longest_s - time.monotonic()
                self._changed.wait_for(lambda: self._frames or self._ended, left_s)
                if self._frames:
                    frame, since_s = self._frames.popleft(), self._came_s
                    self._changed.notify_all()
                elif self._ended:
                    break
                else:
                    frame, since_s = None, since_s + (longest_s or 0.0)
            yield frame
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop decoding, then close the source."""
        with self._changed:
            self._ended = True
            self._frames.clear()
            self._changed.notify_all()
        self._thread.join()
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
