"""Memory of this process over many pictures, from JPEG to written files, as `lapdepth predict` does it (Linux).

    python scripts/measure_memory.py                  # 10,000 pictures of 96x64 at their own size, the embedded model
    python scripts/measure_memory.py --count 1000

The pictures are a few files that are read again and again, and the results replace each other, so that only memory could grow.
Printed is the resident memory after every tenth; exit status 1 if the last is over 5 % above the one after the first fifth.
"""

from __future__ import annotations

import logging
import re
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from lapdepth.inference.many import Job, predict_pictures

FILES = 16
HEIGHT, WIDTH = 64, 96
GROWTH = 1.05


def resident_mb() -> float:
    """Resident memory of this process."""
    match = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if match is None:
        sys.exit("there is no VmRSS in /proc/self/status; this script needs Linux")
    return int(match[1]) / 1000


def main(
    count: Annotated[int, typer.Option(min=20, help="Pictures.")] = 10_000,
    at_once: Annotated[int, typer.Option(min=1, help="Pictures in work at once.")] = 2,
) -> None:
    """Measure and print."""
    logging.disable()
    job = Job(focal_px=80.0, native=True)
    predictor = job.open(threads=1)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        todo = [(folder / f"{number}.jpg", folder / "out" / str(number)) for number in range(FILES)]
        for path, _ in todo:
            cv2.imwrite(str(path), rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
        marks = []
        items = (todo[number % FILES] for number in range(count))
        for number, error in enumerate(predict_pictures(job, predictor, at_once, items), 1):
            if error is not None:
                sys.exit(f"picture {number} failed: {error}")
            if number % (count // 10) == 0:
                marks.append(resident_mb())
                print(f"{number:6} pictures: {marks[-1]:.1f} MB", flush=True)
    growth = marks[-1] / marks[1]
    print(f"from {2 * (count // 10)} to {count} pictures: x {growth:.3f}")
    if growth > GROWTH:
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
