"""How `lapdepth predict --cluster ray` scales with its workers, on a cluster made of this machine.

    python scripts/measure_cluster.py                          # 1 and 2 workers
    python scripts/measure_cluster.py --workers 1,2,4,8 --count 800

Every number of workers predicts the same JPEGs of 640x480 to 16-bit PNG and colour, twice, in turns. The rate counts from the
first written result to the last, so that the start of Ray and of its workers, which is printed beside it, is left out. The last
line is a run without Ray.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

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
                start_s = time.time()
                with cluster(number) as at_once:
                    stems = [str(folder / path.stem) for path in paths]
                    for outcome in predict_on_cluster(job, at_once, [str(path) for path in paths], stems):
                        if outcome.error is not None:
                            raise SystemExit(outcome.error)
                print(f"{number} workers: {rate(folder, start_s)}", flush=True)
            predictor, at_once = job.open_for_many()
            folder = Path(name) / f"{turn}-here"
            start_s = time.time()
            list(predict_pictures(job, predictor, at_once, [(path, folder / path.stem) for path in paths]))
            print(f"without Ray, {at_once} at once: {rate(folder, start_s)}", flush=True)


def rate(folder: Path, start_s: float) -> str:
    """Pictures a second, by the times at which their results were written."""
    times_s = sorted(path.stat().st_mtime for path in folder.glob("*.json"))
    return (
        f"{(len(times_s) - 1) / (times_s[-1] - times_s[0]):.2f} pictures a second; the first after {times_s[0] - start_s:.1f} s"
    )


if __name__ == "__main__":
    typer.run(main)
