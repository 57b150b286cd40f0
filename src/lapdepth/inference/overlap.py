"""Many pictures: others are read and written while the engine works, and several are in work where that pays."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from lapdepth.errors import LapDepthError

Item = TypeVar("Item")
Read = TypeVar("Read")
Made = TypeVar("Made")

AHEAD = 2
"""Items that are read, or whose results are written, beside those in work. Memory does not grow with the number of items."""


def overlapped(
    items: Iterable[Item],
    read: Callable[[Item], Read],
    work: Callable[[Read], Made],
    write: Callable[[Item, Made], None],
    workers: int = 1,
    writers: int = 1,
) -> Generator[tuple[Item, LapDepthError | MemoryError | None]]:
    """Read, work and write each item in one of `workers` + 2 threads.

    Args:
        items: What there is to do, in order; taken in the caller's thread.
        read: First step.
        work: Second step, begun in order.
        write: Third step, begun in order.
        workers: Items in work at once.
        writers: Items written at once; 1 keeps them in order.

    Yields:
        Each item once it is done, in order, with what was raised for it of `LapDepthError` and `MemoryError`, or `None`. Other
        errors are raised. Closed early, it ends once what is in work is written; nothing more is begun.
    """
    working, writing = _Turns(workers), _Turns(writers)
    closed = threading.Event()

    def do(number: int, item: Item) -> None:
        try:
            picture = read(item)
            with working.turn(number):
                if closed.is_set():
                    return
                made = work(picture)
            with writing.turn(number):
                write(item, made)
        finally:
            working.skip(number)
            writing.skip(number)

    pending: deque[tuple[Item, Future[None]]] = deque()
    with ThreadPoolExecutor(workers + AHEAD, "picture") as pool:
        try:
            for number, item in enumerate(items):
                pending.append((item, pool.submit(do, number, item)))
                if len(pending) == workers + AHEAD:
                    yield _outcome(pending.popleft())
            while pending:
                yield _outcome(pending.popleft())
        finally:
            closed.set()


class _Turns:
    """Lets callers in by their numbers, one after the other, and no more at once than there are places."""

    def __init__(self, places: int) -> None:
        self._changed = threading.Condition()
        self._free, self._next = places, 0
        self._gone = set[int]()

    @contextmanager
    def turn(self, number: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._next == number and self._free > 0)
            self._free -= 1
        self.skip(number)
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def skip(self, number: int) -> None:
        """Nobody waits for this number any more; it may have had its turn."""
        with self._changed:
            if number >= self._next:
                self._gone.add(number)
            while self._next in self._gone:
                self._gone.remove(self._next)
                self._next += 1
            self._changed.notify_all()


def _outcome(done: tuple[Item, Future[None]]) -> tuple[Item, LapDepthError | MemoryError | None]:
    item, future = done
    error = future.exception()
    if error is not None and not isinstance(error, (LapDepthError, MemoryError)):
        raise error
    return item, error
