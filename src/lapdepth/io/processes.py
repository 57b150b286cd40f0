"""Processes that work beside this one."""

from __future__ import annotations

import os
from functools import lru_cache
from multiprocessing import parent_process
from threading import Thread


@lru_cache(maxsize=1)
def end_with_parent() -> None:
    """End this process when the one that began it is killed; called again, it does nothing more.

    What waits for jobs in a `ProcessPoolExecutor` would wait for ever, and work on what it has until then.
    """
    parent = parent_process()
    assert parent is not None  # called in a pool's processes alone

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()
