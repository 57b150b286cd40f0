"""Many runs: in processes side by side, each finished one kept at once, so that an interrupted campaign goes on where it was."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from lapdepth.camera import Intrinsics
from lapdepth.collision.pipeline import open_predictor
from lapdepth.collision.proving.following import follow_ordinarily
from lapdepth.collision.proving.loop import CAMERA, PICTURE_CAMERA, Run, run
from lapdepth.collision.proving.measures import FOLLOWING, Depth
from lapdepth.collision.proving.scenarios import SCENARIOS, Scenario, can_draw
from lapdepth.collision.proving.scene import CAMERA_TO_FRONT_M, DepthSource
from lapdepth.collision.proving.sources import ExactSource, NoisySource
from lapdepth.collision.proving.summary import Summary, summarise
from lapdepth.collision.settings import WarnerSettings
from lapdepth.collision.warner import CollisionWarner
from lapdepth.errors import InputError, OutputError, ReadError
from lapdepth.inference.predictor import DepthPredictor
from lapdepth.io.processes import end_with_parent
from lapdepth.zoo import EMBEDDED

COMPUTED: dict[Depth, Callable[[int], DepthSource]] = {"exact": ExactSource, "noisy": NoisySource}
"""Kinds of depth that need no picture, each made from a seed."""

Job = tuple[str, int]
"""Scenario and seed."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Where depth comes from.

    Attributes:
        depth: Its kind.
        model: Of `model`: embedded name, model folder, .onnx file or hub id.
        folder: Of `folder`: with a folder of maps for each run.
    """

    depth: Depth
    model: str = "default"
    folder: Path = Path()

    @property
    def label(self) -> str:
        """For names of files; of two models or folders it is not the same, unless one is where the other was."""
        if self.depth not in ("model", "folder"):
            return self.depth
        given = str(self.folder) if self.depth == "folder" else self.model
        path = os.path.realpath(given)
        whole = path if os.path.exists(given) and given not in EMBEDDED else given  # noqa: PTH110 - of any length
        name = re.sub(r"[^A-Za-z0-9]+", "_", Path(whole).name)
        return f"{self.depth}-{name}" + ("" if name == whole else f"-{zlib.crc32(os.fsencode(whole)):08x}")


def choose(names: str, drawn: bool = False) -> list[str]:
    """Scenarios by name or group, comma between them; `all` for all, ordinary following among them.

    Args:
        names: What to choose.
        drawn: Pictures are needed: those of which none can be drawn are left out of `all`.

    Raises:
        InputError: A name is neither, or none of it can be drawn.
    """
    if names == "all":
        return [*(one.name for one in SCENARIOS.values() if not drawn or can_draw(one)), FOLLOWING]
    found: list[str] = []
    for name in filter(None, (part.strip() for part in names.split(","))):
        fitting = [one.name for one in SCENARIOS.values() if name in (one.name, one.group)]
        if name == FOLLOWING:
            fitting = [FOLLOWING]
        if not fitting:
            groups = ", ".join(sorted({one.group for one in SCENARIOS.values()} | {FOLLOWING}))
            raise InputError(f"no scenario is called '{name}'; expected all, a name, or one of the groups {groups}")
        found += [one for one in fitting if one not in found]
    flat = [name for name in found if not drawn or name == FOLLOWING or can_draw(SCENARIOS[name])]
    if len(flat) < len(found):
        raise InputError(f"{', '.join(set(found) - set(flat))} cannot be drawn: the renderer's ground has no crest and no dip")
    if not found:
        raise InputError("no scenario given; expected all, or names such as T1,T2,T3")
    return found


def drive(setup: Setup, job: Job) -> Summary:
    """One run, in this process."""
    name, seed = job
    warner = CollisionWarner(WarnerSettings(camera_to_front_m=CAMERA_TO_FRONT_M))
    source, camera = _source(setup, job)
    if name == FOLLOWING:
        done = follow_ordinarily(source, warner, seed, camera)
        return summarise(done, alerts=len(done.steps))
    return summarise(_drive(setup, SCENARIOS[name], source, warner, seed, camera), traced=seed == 0)


def _drive(setup: Setup, scenario: Scenario, source: DepthSource, warner: CollisionWarner, seed: int, camera: Intrinsics) -> Run:
    if setup.depth != "folder":
        return run(scenario, source, warner, seed, camera)
    from lapdepth.collision.proving.open_loop import drive_open

    return drive_open(scenario, source, warner, seed, camera)


def _source(setup: Setup, job: Job) -> tuple[DepthSource, Intrinsics]:
    """Depth of a run, and the camera it is for. What draws needs PyTorch, which the rest does without."""
    name, seed = job
    if setup.depth == "model":
        from lapdepth.collision.proving.pictures import ModelSource

        return ModelSource(seed, _predictor(setup.model)), PICTURE_CAMERA
    if setup.depth == "folder":
        from lapdepth.collision.proving.open_loop import FolderSource

        return FolderSource(setup.folder / f"{name}-{seed}"), PICTURE_CAMERA
    return COMPUTED[setup.depth](seed), CAMERA


@lru_cache(maxsize=1)
def _predictor(model: str) -> DepthPredictor:
    """One for all runs of a process."""
    return open_predictor(model)


def campaign(names: Sequence[str], setup: Setup, seeds: int, log: Path, workers: int) -> Iterator[Summary]:
    """All runs of some scenarios, those that `log` holds already first.

    Args:
        names: Scenarios, as `choose` gives them.
        setup: Where depth comes from.
        seeds: Runs of each, with seeds from 0.
        log: File of lines of JSON, added to as runs finish.
        workers: Processes.

    Yields:
        Each run, as it is done.

    Raises:
        ReadError: `log` is none.
        OutputError: A run cannot be added to it, or a process was ended.
    """
    wanted: list[Job] = [(name, seed) for seed in range(seeds) for name in names]
    known = {(one.scenario, one.seed): one for one in _read(log)}
    yield from (known[job] for job in wanted if job in known)
    left = [job for job in wanted if job not in known]
    if not left:
        return
    pool = ProcessPoolExecutor(min(workers, len(left)), get_context("spawn"), end_with_parent)
    try:
        with log.open("ab", buffering=0) as file:  # a buffer could fail once more at the end
            for future in as_completed([pool.submit(drive, setup, job) for job in left]):
                done = future.result()
                line = (done.to_json() + "\n").encode()
                try:
                    while line:  # a disk that is nearly full takes a part
                        line = line[file.write(line) :]
                except OSError as error:
                    raise OutputError(f"cannot write {log}: {error.strerror or error}; the same command goes on") from None
                yield done
    except BrokenProcessPool:
        raise OutputError(
            "a process of the runs was ended, probably for want of memory; use fewer --workers: the same command goes on"
        ) from None
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
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise ReadError(f"{log} is no log of runs of this release: {error}; remove it, or report to another folder") from error
