"""How `lapdepth predict --cluster ray` scales with its workers, on a cluster made of this machine.

    python scripts/measure_cluster.py                          # 1 and 2 workers
    python scripts/measure_cluster.py --workers 1,2,4,8 --count 800

Every number of workers predicts the same JPEGs of 640x480 to 16-bit PNG and colour, twice, in turns; the last line of a turn is a
run without Ray. The rate counts from the first outcome to the last, so that the start of Ray and of its workers, which is
printed beside it, is left out; so does the processor time, which other programs disturb less: of the workers (without Ray: of
this process), and of all that Ray runs beside them.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

import psutil  # comes with Ray
import typer

from lapdepth.inference.cluster import cluster, predict_on_cluster
from lapdepth.inference.many import Job, available_cores, predict_pictures
from measure_folder import FOCAL_PX, write_jpegs


def main(
    workers: Annotated[str, typer.Option(help="Comma-separated.")] = "1,2",
    count: Annotated[int, typer.Option(min=32, help="Pictures.")] = 200,
) -> None:
    """Measure and print."""
    logging.disable()
    os.environ.pop("RAY_ADDRESS", None)
    os.environ |= {"RAY_worker_niceness": "0"}  # as a local run, so that the two can be compared
    job = Job(focal_px=FOCAL_PX)
    print(f"{available_cores()} cores, {count} pictures")
    with tempfile.TemporaryDirectory() as name:
        paths = write_jpegs(Path(name), count)
        for turn in range(2):
            for number in map(int, workers.split(",")):
                folder = Path(name) / f"{turn}-{number}"
                with cluster(number) as at_once:
                    stems = [str(folder / path.stem) for path in paths]
                    rate = Rate(folder)
                    for outcome in predict_on_cluster(job, at_once, [str(path) for path in paths], stems):
                        if outcome.error is not None:
                            raise SystemExit(outcome.error)
                        rate.add()
                    print(f"{number} workers: {rate}", flush=True)
            predictor, at_once = job.open_for_many()
            folder = Path(name) / f"{turn}-here"
            rate = Rate(folder)
            for _ in predict_pictures(job, predictor, at_once, [(path, folder / path.stem) for path in paths]):
                rate.add()
            print(f"without Ray, {at_once} at once: {rate}", flush=True)


class Rate:
    """Counts what is written between the first outcome and now, and what it took."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._start_s = time.perf_counter()
        self._first = self._last = (0, 0.0, 0.0, 0.0)

    def add(self) -> None:
        """The next outcome is there."""
        now = self._now()
        if self._first[0] == 0:
            self._first = now
        if now[2] >= self._last[2]:  # less when workers have ended, with what they took
            self._last = now

    def __str__(self) -> str:
        count, wall_s, cpu_s, beside_s = (now - then for now, then in zip(self._last, self._first, strict=True))
        return (
            f"{count / wall_s:.2f} pictures a second, {1e3 * cpu_s / count:.0f} ms of processor time each "
            f"and {1e3 * beside_s / count:.0f} beside them, {1e3 * beside_s / wall_s:.0f} ms a second; "
            f"the first after {self._first[1] - self._start_s:.1f} s"
        )

    def _now(self) -> tuple[int, float, float, float]:
        """Results written, the clock, and processor seconds of the workers, and of what is beside them."""
        me = psutil.Process()
        seconds = {True: 0.0, False: 0.0}
        below = me.children(recursive=True)
        for process in (me, *below):
            cpu = process.cpu_times()
            seconds[not below or "MapWorker" in process.cmdline()[0]] += cpu.user + cpu.system
        return len(list(self._folder.glob("*.json"))), time.perf_counter(), seconds[True], seconds[False]


if __name__ == "__main__":
    typer.run(main)
