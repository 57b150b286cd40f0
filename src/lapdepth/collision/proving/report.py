"""`report.json`, and `report.html` in one file: the table of targets, and plots."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lapdepth.collision.proving.measures import Row
from lapdepth.collision.proving.scenarios import SCENARIOS
from lapdepth.collision.proving.summary import Summary
from lapdepth.io.files import write_bytes, write_json
from lapdepth.io.page import page
from lapdepth.io.plots import GREY, Axis, Series, plot

ALERTS = ("warning", "critical")
NOT_THAT = "Evidence from simulation and recordings, not a certified safety system."


def write_report(folder: Path, found: Sequence[Row], runs: Sequence[Summary], depth: str, settings: dict[str, object]) -> None:
    """Write both files.

    Args:
        folder: Where to; exists.
        found: The rows.
        runs: The runs; those with a trace are drawn.
        depth: Where depth came from.
        settings: Of the warning, for the record.
    """
    write_json(folder / "report.json", {"depth": depth, "rows": [asdict(row) for row in found], "settings": settings})
    traced = sorted((one for one in runs if one.trace), key=lambda one: list(SCENARIOS).index(one.scenario))
    plots = "".join(_figure(one) for one in traced)
    heading = f"Collision warning on the test track, {depth} depth"
    body = (
        f"<h1>{heading}</h1><p>{NOT_THAT}</p>"
        f"{_table(found)}<h2>First run of each scenario</h2><p>Shaded from alert on.</p>{plots}"
    )
    write_bytes(folder / "report.html", page(heading, body))


def _table(found: Sequence[Row]) -> str:
    colours = {True: " class=yes", False: " class=no", None: ""}
    lines = [
        f"<tr><td>{html.escape(row.scenario)}<td>{html.escape(row.measure)}<td>{html.escape(row.target)}"
        f"<td>{row.result:g}<td>{row.interval[0]:g} to {row.interval[1]:g}"
        f"<td{colours[row.passed] if row.enough else ''}>{row.verdict}</tr>"
        for row in found
    ]
    head = "<tr><th>scenario<th>measure<th>target<th>result<th>95 % interval<th></tr>"
    return f"<table>{head}{''.join(lines)}</table>"


def _figure(one: Summary) -> str:
    scenario = SCENARIOS[one.scenario]
    gap = _plot(one, 1, 2, "range, m", 80.0)
    ttc = _plot(one, 3, 4, "time to collision, s", 10.0)
    return (
        f"<figure>{gap}{ttc}<figcaption><b>{html.escape(one.scenario)}</b>: {html.escape(scenario.words)}</figcaption></figure>"
    )


def _plot(one: Summary, truth: int, given: int, title: str, most: float) -> str:
    """Truth and estimate against time; a column of the trace each."""
    times = [float(step[0] or 0) for step in one.trace]
    last = max(times) or 1.0

    def line(column: int, name: str, colour: int) -> Series:
        values = [step[column] for step in one.trace]
        numbers = (float(value) if isinstance(value, float | int) else None for value in values)
        return Series(list(zip(times, numbers, strict=True)), name, colour)

    alert = next((time for time, step in zip(times, one.trace, strict=True) if step[5] in ALERTS), None)
    bands = [] if alert is None else [(alert, last)]
    return plot(
        title, Axis("time, s", 0, last), Axis("", 0, most), [line(truth, "truth", GREY), line(given, "estimate", 0)], bands
    )
