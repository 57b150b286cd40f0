"""`report.json`, and `report.html` in one file: the table of targets, and plots drawn here as SVG."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lapdepth.collision.proving.measures import Row
from lapdepth.collision.proving.scenarios import SCENARIOS
from lapdepth.collision.proving.summary import Summary
from lapdepth.io.files import write_bytes, write_json

WIDTH, HEIGHT, MARGIN = 420, 180, 34
"""Of a plot, in pixels."""
ALERTS = ("warning", "critical")
NOT_THAT = "Evidence from simulation and recordings, not a certified safety system."

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1c2733}
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #d6dde4;text-align:left}
.yes{color:#176b34}.no{color:#b3261e;font-weight:600}figure{display:inline-block;margin:.5rem}figcaption{max-width:26rem}
svg{background:#f7f9fb}text{font:11px system-ui,sans-serif;fill:#51606f}"""


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
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>lapdepth track</title>"
        f"<style>{STYLE}</style><h1>Collision warning on the test track, {depth} depth</h1><p>{NOT_THAT}</p>"
        f"{_table(found)}<h2>First run of each scenario</h2><p>Truth grey, warning's estimate blue; red from alert on.</p>{plots}"
    )
    write_bytes(folder / "report.html", page.encode())


def _table(found: Sequence[Row]) -> str:
    verdicts = {True: "<td class=yes>met</td>", False: "<td class=no>not met</td>", None: "<td>reported</td>"}
    lines = [
        f"<tr><td>{html.escape(row.scenario)}<td>{html.escape(row.measure)}<td>{html.escape(row.target)}"
        f"<td>{row.result:g}<td>{row.interval[0]:g} to {row.interval[1]:g}{verdicts[row.passed]}</tr>"
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
    last = max(float(step[0] or 0) for step in one.trace) or 1.0

    def place(step: tuple[float | str | None, ...], column: int) -> tuple[float, float] | None:
        value = step[column]
        if not isinstance(value, float | int) or not 0 <= value <= most:
            return None
        time = float(step[0] or 0)
        return MARGIN + time / last * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - value / most * (HEIGHT - 2 * MARGIN)

    def line(column: int, colour: str) -> str:
        points = [f"{at[0]:.1f},{at[1]:.1f}" for step in one.trace if (at := place(step, column))]
        return f"<polyline points='{' '.join(points)}' fill=none stroke='{colour}' stroke-width=2 />"

    alert = next((float(step[0] or 0) for step in one.trace if step[5] in ALERTS), None)
    band = ""
    if alert is not None:
        left = MARGIN + alert / last * (WIDTH - 2 * MARGIN)
        band = f"<rect x={left:.1f} y={MARGIN} width={WIDTH - MARGIN - left:.1f} height={HEIGHT - 2 * MARGIN} fill='#f3b7b3' />"
    axes = f"<path d='M{MARGIN} {MARGIN}V{HEIGHT - MARGIN}H{WIDTH - MARGIN}' fill=none stroke='#9aa7b3' />"
    words = (
        f"<text x={MARGIN} y={MARGIN - 8}>{title}</text><text x=4 y={MARGIN + 8}>{most:g}</text>"
        f"<text x={WIDTH - MARGIN - 20} y={HEIGHT - MARGIN + 16}>{last:.0f} s</text>"
    )
    size = f"width={WIDTH} height={HEIGHT} viewBox='0 0 {WIDTH} {HEIGHT}'"
    return f"<svg {size}>{band}{axes}{line(truth, '#8a97a3')}{line(given, '#1a5fb4')}{words}</svg>"
