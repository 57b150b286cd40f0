"""Draw what training runs logged, each loss of each group against the steps, as one SVG; print its mean over quarters of the run.

Run ``python scripts/learning_curves.py runs/one runs/other --output curves.svg``. Needs no extra.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lapdepth.errors import LapDepthError, ReadError
from lapdepth.io.files import write_bytes
from lapdepth.io.plots import Axis, Series, plot, standalone

Curve = list[tuple[float, float | None]]
SHARE = 0.04
"""Of a run's lines, over which the drawn mean goes."""


def read_log(run: Path) -> dict[str, Curve]:
    """Values by name against steps of a run's `log.jsonl`; the torn last line of a killed run is left out.

    Raises:
        ReadError: There is none, nothing is in it, or a value is no finite number.
    """
    path = run / "log.jsonl"
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
        entries = [json.loads(line) for line in lines]
        steps = [float(entry["step"]) for entry in entries]
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror}; expected the folder of a run of lapdepth train") from None
    except (ValueError, KeyError, TypeError):
        raise ReadError(f"{path} is no log of lapdepth train: a line is not JSON with a step") from None
    if not entries:
        raise ReadError(f"{path} is empty: the run has not logged a step yet")
    for entry in entries:
        for name, value in entry.items():
            if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
                raise ReadError(f"{path}: {name} is {value!r} at step {entry['step']!r}; expected finite numbers alone")
    names = dict.fromkeys(name for entry in entries for name, value in entry.items() if name != "step" and value is not None)
    return {name: [(step, entry.get(name)) for step, entry in zip(steps, entries, strict=True)] for name in names}


def smoothed(curve: Curve) -> Curve:
    """Mean over the lines around each one, those that are there."""
    reach = max(round(SHARE * len(curve) / 2), 0)
    values = np.array([np.nan if value is None else value for _, value in curve], float)
    means: Curve = []
    for i, (step, value) in enumerate(curve):
        near = values[max(i - reach, 0) : i + reach + 1]
        means.append((step, None if value is None else float(np.nanmean(near))))
    return means


def quarters(curve: Curve) -> list[float]:
    """Mean over each quarter of the run's steps, NaN where a quarter has no value."""
    length = curve[-1][0] + 1
    parts: list[list[float]] = [[], [], [], []]
    for step, value in curve:
        if value is not None:
            parts[int(4 * step / length)].append(value)
    return [float(np.mean(part)) if part else float("nan") for part in parts]


def draw(runs: Sequence[Path], wanted: Sequence[str]) -> str:
    """One plot for each value that a run logged, all runs in it; means over quarters are printed.

    Args:
        runs: Folders of runs.
        wanted: Endings of names, such as `si`; all but `total` where none is given.

    Raises:
        ReadError: A log cannot be read, or none has what is wanted.
    """
    logs = {str(run): read_log(run) for run in runs}
    names = dict.fromkeys(name for log in logs.values() for name in log)
    chosen = [name for name in names if (any(name.endswith(end) for end in wanted) if wanted else not name.endswith("total"))]
    if not chosen:
        raise ReadError(f"no run logged {', '.join(wanted) or 'a value'}; there are {', '.join(names) or 'none'}")
    last = max(step for log in logs.values() for curve in log.values() for step, _ in curve)
    labels = _short([Path(run) for run in logs])
    for name in chosen:
        for log, label in zip(logs.values(), labels, strict=True):
            if name in log:
                print(f"{name}  {label}: " + ", ".join(f"{mean:.4g}" for mean in quarters(log[name])))
    return standalone([_one(name, logs, labels, last) for name in chosen])


def _one(name: str, logs: dict[str, dict[str, Curve]], labels: Sequence[str], last: float) -> str:
    faint, lines, values = [], [], []
    for i, (log, label) in enumerate(zip(logs.values(), labels, strict=True)):
        if name in log:
            mean = smoothed(log[name])
            faint.append(Series(log[name], "", i, "faint"))
            lines.append(Series(mean, label, i))
            values += [value for _, value in mean if value is not None]
    low, high = float(np.min(values)), float(np.percentile(values, 99.5))
    room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    return plot(
        name, Axis("step", 0, max(last, 1)), Axis("", min(low - room, 0) if low >= 0 else low - room, high + room), faint + lines
    )


def _short(runs: Sequence[Path]) -> list[str]:
    names = [run.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]


def main() -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder of a run")
    parser.add_argument("--output", type=Path, required=True, help="SVG to write")
    parser.add_argument("--only", default="", help="endings of what is drawn, with commas between, such as si,lr")
    arguments = parser.parse_args()
    try:
        write_bytes(arguments.output, draw(arguments.runs, [end for end in arguments.only.split(",") if end]).encode())
    except LapDepthError as error:
        sys.exit(f"learning_curves: {error}")
    print(arguments.output)


if __name__ == "__main__":
    main()
