"""A command that several processes share, where `torchrun` started them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lapdepth.cli.extras import needs_torch


@dataclass(frozen=True, slots=True)
class Processes:
    """Those that do a command together.

    Attributes:
        rank: Number of this one, from 0; the first prints and writes.
        count: How many there are.
        gather: Gives on each process what all have, by rank.
    """

    rank: int
    count: int
    gather: Callable[[Any], list[Any]]


@contextmanager
def processes(command: str) -> Iterator[Processes]:
    """This process alone, which needs no PyTorch, or it and the others that `torchrun` started.

    Raises:
        MissingExtraError: There are others, and PyTorch is not installed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes(0, 1, lambda value: [value])
        return
    needs_torch(command)
    from lapdepth.training.ranks import count, everyones, joined, rank

    with joined():
        yield Processes(rank(), count(), everyones)
