"""Time from the start of a process to its first depth map, with the default model and a picture of examples/.

    python scripts/measure_start.py                                          # 10 rounds
    python -X importtime -c 'import lapdepth.inference.predictor' 2>&1 | sort -t'|' -k2 -n | tail    # where imports spend it

In turns: Python that only starts, the imports that a prediction needs, the first depth map from Python, and `lapdepth predict`
until its files are written. Printed are the least and the median, by the clock and of processor time, which others disturb
less.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

PICTURE = str(Path(__file__).parent.parent / "examples" / "street.jpg")
IMPORTS = "import lapdepth.inference.predictor, lapdepth.inference.onnx_engine"
FIRST_MAP = "from lapdepth import DepthPredictor as P; P.from_pretrained('default', 'onnx')({!r}, focal_px=721.5)"
COMMAND = "from lapdepth.cli.main import main; main()"


def seconds(*arguments: str) -> tuple[float, float]:
    """Seconds of a Python with these arguments, from before its start to after its end, and its processor time."""
    before, start_s = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall_s, after = time.perf_counter() - start_s, os.times()
    return wall_s, after.children_user + after.children_system - before.children_user - before.children_system


def main(rounds: Annotated[int, typer.Option(min=1)] = 10) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        predict = ["predict", PICTURE, "--focal-px", "721.5", "--engine", "onnx", "--output", folder]
        runs = {
            "Python alone": ["-c", "pass"],
            "imports": ["-c", IMPORTS],
            "first depth map": ["-c", FIRST_MAP.format(PICTURE)],
            "lapdepth predict": ["-c", COMMAND, *predict],
        }
        times = {name: list[tuple[float, float]]() for name in runs}
        for _ in range(rounds):
            for name, arguments in runs.items():
                times[name].append(seconds(*arguments))
    for name, measured in times.items():
        wall_s, cpu_s = zip(*measured, strict=True)
        print(
            f"{name:17} {min(wall_s):.2f} s at least, {statistics.median(wall_s):.2f} in the median; "
            f"processor {min(cpu_s):.2f} and {statistics.median(cpu_s):.2f}"
        )


if __name__ == "__main__":
    typer.run(main)
