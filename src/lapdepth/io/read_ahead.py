"""Frames decoded in a thread of their own."""

from __future__ import annotations

import threading
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
        self._changed = threading.Condition()
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._decode, name="decode", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[VideoFrame]:
        """The frames, as the source gives and raises them."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._frames or self._ended)
                if not self._frames:
                    break
                frame = self._frames.popleft()
                self._changed.notify_all()
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
                    self._changed.notify_all()
        except Exception as error:  # raised again where the frames are taken
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
