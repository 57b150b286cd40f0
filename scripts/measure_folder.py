"""Throughput of a folder of JPEGs as a share of the engine's own rate, and where the rest goes.

    python scripts/measure_folder.py                                    # all cores
    OMP_NUM_THREADS=1 taskset -c 1 python scripts/measure_folder.py     # one core: steady beside other work

Each round times the engine alone (arrays in, arrays out, one at a time, a thread on each core), the same in batches of four, then
the same number of pictures from JPEG to written files, as `lapdepth predict` does it. Printed are medians over the rounds, by the
clock and by the processor time of this process, which other programs disturb less.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from lapdepth.imaging import ByteArray, fit
from lapdepth.inference.batch import parse_formats
from lapdepth.inference.many import Job, available_cores, predict_pictures
from lapdepth.io.images import read_image

FOCAL_PX = 520.0
BATCH = 4
PICTURE = Path(__file__).parent.parent / "examples" / "room.jpg"


def write_jpegs(folder: Path, count: int) -> list[Path]:
    """Pictures of 640x480, the example room moved by some pixels from one to the next."""
    rgb = read_image(PICTURE).rgb
    paths = [folder / f"{number:04}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        moved: ByteArray = np.roll(rgb, 3 * number, axis=1)
        cv2.imwrite(str(path), cv2.cvtColor(moved, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return paths


def seconds(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of processor time."""
    start, start_cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start, time.process_time() - start_cpu


def main(
    formats: Annotated[str, typer.Option("--format", help="As of lapdepth predict.")] = "png16,color",
    count: Annotated[int, typer.Option(help="Pictures in all.")] = 200,
    rounds: Annotated[int, typer.Option(help="Parts that the pictures are taken in.")] = 10,
) -> None:
    """Measure and print."""
    logging.disable()
    job = Job(focal_px=FOCAL_PX, formats=tuple(parse_formats(formats)))
    alone = job.open(available_cores())
    predictor, at_once = job.open_for_many()
    rates: list[tuple[float, ...]] = []
    shares: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_jpegs(folder, count)
        tensor = fit(read_image(paths[0]).rgb, alone.config.stride, alone.config.working_size).tensor
        alone.engine(tensor)
        predictor.engine(tensor)
        part = count // rounds
        batches = max(1, part // BATCH)
        four = np.repeat(tensor, BATCH, 0)
        alone.engine(four)

        def engine_alone() -> None:
            for _ in range(part):
                alone.engine(tensor)

        def engine_in_batches() -> None:
            for _ in range(batches):
                alone.engine(four)

        for number in range(rounds):
            todo = [(path, folder / "out" / path.stem) for path in paths[number * part : (number + 1) * part]]
            engine = seconds(engine_alone)
            batched = seconds(engine_in_batches)
            whole = seconds(partial(list, predict_pictures(job, predictor, at_once, todo)))
            rates.append((part / engine[0], BATCH * batches / batched[0], part / whole[0]))
            shares.append((engine[0] / whole[0], engine[1] / whole[1]))
    print(f"{available_cores()} cores, {at_once} pictures at once, {rounds * part} pictures as {formats}")
    medians = map(statistics.median, zip(*rates, strict=True))
    print("engine alone {:.1f}, in batches of four {:.1f}, whole path {:.1f} pictures a second".format(*medians))
    print("share {:.2f} by the clock, {:.2f} by processor time".format(*map(statistics.median, zip(*shares, strict=True))))


if __name__ == "__main__":
    typer.run(main)
