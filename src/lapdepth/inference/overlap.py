"""Many pictures: the next one is read and the last one written while the engine works."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from lapdepth.errors import LapDepthError

Item = TypeVar("Item")
Read = TypeVar("Read")
Made = TypeVar("Made")

AHEAD = 2
"""Items that are read, and results that are written, beside the one in work. Memory does not grow with the number of items."""


def overlapped(
    items: Iterable[Item], read: Callable[[Item], Read], work: Callable[[Read], Made], write: Callable[[Item, Made], None]
) -> Generator[tuple[Item, LapDepthError | MemoryError | None]]:
    """Read, work and write each item; reading and writing run in a thread each, work in the caller's.

    Args:
        items: What there is to do, in order.
        read: First step.
        work: Second step, one item at a time.
        write: Third step, one item at a time.

    Yields:
        Each item once it is done, in order, with what was raised for it of `LapDepthError` and `MemoryError`, or `None`. Other
        errors are raised. Closed early, it ends once what is being written is written.
    """
    rest = iter(items)
    reading: deque[tuple[Item, Future[Read]]] = deque()
    writing: deque[tuple[Item, Future[None]]] = deque()
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:

        def read_on() -> None:
            while len(reading) < AHEAD and (item := next(rest, None)) is not None:
                reading.append((item, reader.submit(read, item)))

        read_on()
        while reading:
            item, picture = reading.popleft()
            read_on()
            writing.append((item, _written(item, picture, work, write, writer)))
            while len(writing) > AHEAD:
                yield _outcome(writing.popleft())
        while writing:
            yield _outcome(writing.popleft())


def _written(
    item: Item,
    picture: Future[Read],
    work: Callable[[Read], Made],
    write: Callable[[Item, Made], None],
    writer: ThreadPoolExecutor,
) -> Future[None]:
    try:
        return writer.submit(write, item, work(picture.result()))
    except (LapDepthError, MemoryError) as error:
        failed: Future[None] = Future()
        failed.set_exception(error)
        return failed


def _outcome(done: tuple[Item, Future[None]]) -> tuple[Item, LapDepthError | MemoryError | None]:
    item, future = done
    error = future.exception()
    if error is not None and not isinstance(error, (LapDepthError, MemoryError)):
        raise error
    return item, error
