"""Many runs: in processes side by side, each finished one kept at once, so that an interrupted campaign goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from lapdepth.collision.proving.following import follow_ordinarily
from lapdepth.collision.proving.loop import run
from lapdepth.collision.proving.measures import FOLLOWING, Depth
from lapdepth.collision.proving.scenarios import SCENARIOS
from lapdepth.collision.proving.scene import CAMERA_TO_FRONT_M, DepthSource
from lapdepth.collision.proving.sources import ExactSource, NoisySource
from lapdepth.collision.proving.summary import Summary, summarise
from lapdepth.collision.settings import WarnerSettings
from lapdepth.collision.warner import CollisionWarner
from lapdepth.errors import InputError, ReadError

SOURCES: dict[Depth, Callable[[int], DepthSource]] = {"exact": ExactSource, "noisy": NoisySource}
"""Kinds of depth, each made from a seed."""

Job = tuple[str, int]
"""Scenario and seed."""


def choose(names: str) -> list[str]:
    """Scenarios by name or group, comma between them; `all` for all, ordinary following among them.

    Raises:
        InputError: A name is neither.
    """
    if names == "all":
        return [*SCENARIOS, FOLLOWING]
    found: list[str] = []
    for name in filter(None, (part.strip() for part in names.split(","))):
        fitting = [one.name for one in SCENARIOS.values() if name in (one.name, one.group)]
        if name == FOLLOWING:
            fitting = [FOLLOWING]
        if not fitting:
            groups = ", ".join(sorted({one.group for one in SCENARIOS.values()} | {FOLLOWING}))
            raise InputError(f"no scenario is called '{name}'; expected all, a name, or one of the groups {groups}")
        found += [one for one in fitting if one not in found]
    if not found:
        raise InputError("no scenario given; expected all, or names such as T1,T2,T3")
    return found


def drive(depth: Depth, job: Job) -> Summary:
    """One run, in this process."""
    name, seed = job
    warner = CollisionWarner(WarnerSettings(camera_to_front_m=CAMERA_TO_FRONT_M))
    source = SOURCES[depth](seed)
    if name == FOLLOWING:
        done = follow_ordinarily(source, warner, seed)
        return summarise(done, alerts=len(done.steps))
    return summarise(run(SCENARIOS[name], source, warner, seed), traced=seed == 0)


def campaign(names: Sequence[str], depth: Depth, seeds: int, log: Path, workers: int) -> Iterator[Summary]:
    """All runs of some scenarios, those that `log` holds already first.

    Args:
        names: Scenarios, as `choose` gives them.
        depth: Kind of depth.
        seeds: Runs of each, with seeds from 0.
        log: File of lines of JSON, added to as runs finish.
        workers: Processes.

    Yields:
        Each run, as it is done.
    """
    wanted: list[Job] = [(name, seed) for seed in range(seeds) for name in names]
    known = {(one.scenario, one.seed): one for one in _read(log)}
    yield from (known[job] for job in wanted if job in known)
    left = [job for job in wanted if job not in known]
    if not left:
        return
    pool = ProcessPoolExecutor(min(workers, len(left)), get_context("spawn"))
    try:
        with log.open("a", encoding="utf-8") as file:
            for future in as_completed([pool.submit(drive, depth, job) for job in left]):
                done = future.result()
                file.write(done.to_json() + "\n")
                file.flush()
                yield done
    finally:  # an interruption need not wait for the runs that have not begun
        pool.shutdown(cancel_futures=True)


def _read(log: Path) -> list[Summary]:
    """Runs of a log; a last line that an interruption cut short is left out, and taken off the file."""
    if not log.exists():
        return []
    try:
        text = log.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            log.write_text(whole, encoding="utf-8")
        return [Summary.from_json(line) for line in whole.splitlines()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(f"{log} is no log of runs of this release: {error}; remove it, or report to another folder") from error
