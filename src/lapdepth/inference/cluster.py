"""Many pictures on many machines, with Ray Data: each worker reads, predicts and writes its own, on one core or GPU.

What travels is names and outcomes. Folders must therefore be seen by all machines under the same path; object stores are named by
URL. Every machine needs this package, and the model where it is not an embedded one.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# Before the import: Ray would tell its makers of each run, and print log lines of its own between ours. What fails is raised.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")

import cv2
import ray
import ray.data
from ray.exceptions import RayError

from lapdepth.errors import InputError, LapDepthError, ReadError
from lapdepth.inference import batch
from lapdepth.inference.many import Job
from lapdepth.inference.predictor import ASSUMED
from lapdepth.inference.result import DepthResult
from lapdepth.io import store
from lapdepth.io.files import is_url, write_json
from lapdepth.io.images import decode_image, read_image

PICTURES_A_TASK = 16
"""At most: outcomes come in when a task is done, and each costs the cluster some milliseconds."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a picture.

    Attributes:
        error: What was wrong with it, in one line.
        skipped: Its results were there.
        assumed_focal: Its metres rest on a guessed field of view.
    """

    error: str | None
    skipped: bool
    assumed_focal: bool


@contextmanager
def cluster(workers: int | None) -> Iterator[int]:
    """A Ray cluster: that of `RAY_ADDRESS`, else one on this machine, which ends with the block.

    Args:
        workers: Pictures at once; `None` takes one for each core.

    Yields:
        How many workers there are to be.

    Raises:
        LapDepthError: The cluster cannot be reached, or fails.
    """
    own = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **own)
        yield workers or int(ray.cluster_resources().get("CPU", 1))
    except (RayError, ConnectionError, ValueError, RuntimeError) as error:
        if isinstance(error, LapDepthError):
            raise
        reason = (str(error) or type(error).__name__).strip().splitlines()[-1]
        raise LapDepthError(f"the Ray cluster failed: {reason}; run again, what is done by now is kept") from error
    finally:
        ray.shutdown()


def predict_on_cluster(job: Job, workers: int, sources: Sequence[str], stems: Sequence[str]) -> Iterator[Outcome]:
    """Predict pictures whose results are not there yet, inside a `cluster`.

    Args:
        job: How.
        workers: At once; no more than the cluster has cores, or GPUs where the job asks for one.
        sources: Paths or URLs of the pictures.
        stems: Path or URL without suffix of the results of each.

    Yields:
        The outcome of each, in the order in which they are done.

    Raises:
        InputError: The cluster has no GPU, and the job asks for one.
    """
    gpus = 0 if job.device in (None, "cpu") else 1
    places = int(ray.cluster_resources().get("GPU" if gpus else "CPU", 0))
    if not places:  # Ray would wait for one
        raise InputError(f"the cluster has no {'GPU' if gpus else 'core'} for device '{job.device}'; leave --device out")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    rows = [
        {"source": source, "path": _absolute(source), "stem": _absolute(stem)}
        for source, stem in zip(sources, stems, strict=True)
    ]
    workers = min(workers, places, len(rows))
    blocks = min(len(rows), max(4 * workers, len(rows) // PICTURES_A_TASK))
    todo = ray.data.from_items(rows, override_num_blocks=blocks)
    done = todo.map(
        _Worker, fn_constructor_args=(job,), compute=ray.data.ActorPoolStrategy(size=workers), num_cpus=1, num_gpus=gpus
    )
    for row in done.iter_rows():
        yield Outcome(row["error"], row["skipped"], row["assumed_focal"])


class _Worker:
    """Holds the model between pictures."""

    def __init__(self, job: Job) -> None:
        cv2.setNumThreads(1)  # a core each
        self._job = job
        self._predictor = job.open(threads=1)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        outcome = {"error": None, "skipped": False, "assumed_focal": False}
        try:
            stem = row["stem"]
            earlier = _sidecar(stem) if is_url(stem) else {}
            if self._is_done(row["source"], stem, earlier):
                return {**outcome, "skipped": True}
            path = row["path"]
            picture = decode_image(store.read_url(path), path) if is_url(path) else read_image(Path(path))
            result = self._job.predict(self._predictor, replace(picture, path=row["source"]))  # as a local run notes it
            self._write(result, stem, earlier)
            return {**outcome, "assumed_focal": result.focal_source == ASSUMED}
        except (LapDepthError, MemoryError) as error:
            return {**outcome, "error": str(error) or "out of memory"}

    def _is_done(self, image: str, stem: str, earlier: dict[str, Any]) -> bool:
        job, model = self._job, self._predictor.config.name
        if not is_url(stem):
            return job.is_done(Path(stem), image, model)
        return batch.covers(earlier, job.formats, image, model, job.png_scale, job.sky)

    def _write(self, result: DepthResult, stem: str, earlier: dict[str, Any]) -> None:
        if not is_url(stem):
            self._job.write(result, Path(stem))
            return
        there = batch.listed(earlier)
        if earlier:
            # As `write_result` does: a kill from here on must not leave a sidecar that tells of files as they were.
            stale = {**earlier, "formats": [], "other_formats": sorted(there), "png_units_per_metre": None}
            store.write_url(store.extend(stem, batch.METADATA), json.dumps(stale).encode())
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "result"
            if earlier:  # `write_result` notes what lies beside its files, so names of the others are put there
                write_json(local.with_name(local.name + batch.METADATA), earlier)
                for name in there & batch.FORMATS.keys() - set(self._job.formats):
                    local.with_name(local.name + batch.FORMATS[name]).touch()
            try:
                self._job.write(result, local)
            finally:  # one format that fails does not cost the others
                for name, file in batch.result_files(local, self._job.formats).items():  # the sidecar last
                    if file.is_file():
                        end = batch.METADATA if name == "metadata" else batch.FORMATS[name]
                        store.write_url(store.extend(stem, end), file.read_bytes())


def _sidecar(stem: str) -> dict[str, Any]:
    """What an earlier run noted of a picture's results at a URL; nothing if there is none."""
    try:
        return batch.parse_sidecar(store.read_url(store.extend(stem, batch.METADATA)))
    except ReadError:
        return {}


def _absolute(text: str) -> str:
    return text if is_url(text) else os.path.abspath(text)  # noqa: PTH100 - Path.absolute keeps ".."
