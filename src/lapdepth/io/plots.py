"""Plots as SVG text, drawn here without a library, for a page or for a file of their own.

Colours are names that `STYLE` gives, so that a plot follows its page into dark.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

COLOURS = 6
"""Series that have colours of their own; a seventh takes the first again."""

STYLE = """:root{color-scheme:light dark;--paper:#fff;--panel:#f6f8fa;--ink:#1c2733;--dim:#5b6876;--rule:#d5dce3;
--band:#f6cfcb;--s0:#1a5fb4;--s1:#c64600;--s2:#1b7f4b;--s3:#813d9c;--s4:#0a7f8c;--s5:#8d6200;--grey:#8a97a3}
@media (prefers-color-scheme:dark){:root{--paper:#12181f;--panel:#1b232c;--ink:#e6ebf0;--dim:#9fadba;--rule:#37434f;
--band:#5c2b2b;--s0:#78aeed;--s1:#ff9d5c;--s2:#63d48f;--s3:#d29be8;--s4:#5cc8d4;--s5:#e0b040;--grey:#7d8b98}}
.plot{background:var(--panel);border-radius:6px;max-width:100%;height:auto;font:11px system-ui,sans-serif}
.plot text{fill:var(--dim)}.plot .title{fill:var(--ink);font-size:12.5px;font-weight:600}
.plot .rule{stroke:var(--rule);fill:none}.plot .band{fill:var(--band);opacity:.6}
.plot .line{fill:none;stroke-width:2;stroke-linejoin:round}.plot .dashed{stroke-dasharray:5 4;stroke-width:1.5}
.plot .faint{opacity:.3;stroke-width:1}""" + "".join(
    f"\n.plot .s{i}{{stroke:var(--{name})}}.plot .f{i}{{fill:var(--{name})}}"
    for i, name in [*((i, f"s{i}") for i in range(COLOURS)), (COLOURS, "grey")]
)
GREY = COLOURS
"""Colour for what others are compared with."""

_LEFT, _RIGHT, _BOTTOM, _LETTER = 46, 14, 40, 6.2


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows.

    Attributes:
        label: With the unit.
        low: Value at its beginning.
        high: Value at its end, above `low`.
        log: Whether equal steps are equal ratios; both ends must be positive.
    """

    label: str
    low: float
    high: float
    log: bool = False

    def share(self, value: float) -> float:
        """Place of a value, 0 at the beginning and 1 at the end."""
        if self.log:
            return math.log(max(value, self.low * 1e-3) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """About five round values within."""
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            found = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
            inside = [tick for tick in found if self.low <= tick * (1 + 1e-9) and tick <= self.high * (1 + 1e-9)]
            return inside if len(inside) <= 8 else [tick for tick in inside if math.log10(tick) % 1 < 1e-6]
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [step * i for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class Series:
    """What is drawn over an axis.

    Attributes:
        points: (x, y); where y is `None` or not finite the line breaks.
        name: For the legend; nothing is not told there.
        colour: Index below `COLOURS`, or `GREY`.
        kind: A line, a dashed or a faint one, a line with dots, or bars from the x of one point to that of the next.
    """

    points: Sequence[tuple[float, float | None]]
    name: str = ""
    colour: int = 0
    kind: Literal["line", "dashed", "faint", "dots", "bars"] = "line"


def plot(
    title: str,
    x: Axis,
    y: Axis,
    series: Sequence[Series],
    bands: Sequence[tuple[float, float]] = (),
    size: tuple[int, int] = (430, 240),
) -> str:
    """One plot, as an `<svg>` element.

    Args:
        title: Over it, and for readers who do not see it.
        x: The axis across.
        y: The axis up. What lies outside is cut off.
        series: Drawn one over another.
        bands: Spans of x that are shaded.
        size: Width and height, in pixels.
    """
    width, height = size
    legend, rows = _legend([one for one in series if one.name], width)
    top = 28 + 16 * rows
    inner_width, inner_height = width - _LEFT - _RIGHT, height - top - _BOTTOM
    inside = "".join(
        f"<rect class='band' x='{_number(inner_width * x.share(first))}' y='0' "
        f"width='{_number(inner_width * (x.share(last) - x.share(first)))}' height='{inner_height}'/>"
        for first, last in bands
    )
    inside += "".join(_drawn(one, x, y, inner_width, inner_height) for one in series)
    marks = "".join(
        f"<path class='rule' d='M{_LEFT} {_number(top + inner_height * (1 - y.share(tick)))}h{inner_width}'/>"
        f"<text x='{_LEFT - 6}' y='{_number(top + inner_height * (1 - y.share(tick)) + 4)}' text-anchor='end'>{tick:.4g}</text>"
        for tick in y.ticks()
    )
    marks += "".join(
        f"<path class='rule' d='M{_number(_LEFT + inner_width * x.share(tick))} {top + inner_height}v4'/>"
        f"<text x='{_number(_LEFT + inner_width * x.share(tick))}' y='{top + inner_height + 16}' text-anchor='middle'>"
        f"{_short(tick)}</text>"
        for tick in x.ticks()
    )
    words = (
        f"<text class='title' x='10' y='18'>{html.escape(title)}</text>"
        f"<text x='{_LEFT + inner_width / 2:g}' y='{height - 8}' text-anchor='middle'>{html.escape(x.label)}</text>"
        f"<text x='{width - _RIGHT}' y='18' text-anchor='end'>{html.escape(y.label)}</text>"
    )
    return (
        f"<svg class='plot' role='img' aria-label='{html.escape(title)}' width='{width}' height='{height}' "
        f"viewBox='0 0 {width} {height}'>{words}{legend}{marks}"
        f"<svg x='{_LEFT}' y='{top}' width='{inner_width}' height='{inner_height}' overflow='hidden'>{inside}</svg></svg>"
    )


def standalone(plots: Sequence[str], columns: int = 2, size: tuple[int, int] = (430, 240)) -> str:
    """Plots of one size side by side as a file of its own."""
    columns = min(columns, len(plots))
    rows = -(-len(plots) // columns)
    width, height = columns * (size[0] + 10), rows * (size[1] + 10)
    placed = "".join(
        f"<g transform='translate({i % columns * (size[0] + 10)} {i // columns * (size[1] + 10)})'>"
        f"<rect width='{size[0]}' height='{size[1]}' rx='6' fill='var(--panel)'/>{one}</g>"
        for i, one in enumerate(plots)
    )
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}'>"
    return f"{head}<style>{STYLE}</style>{placed}</svg>\n"


def _drawn(one: Series, x: Axis, y: Axis, width: int, height: int) -> str:
    def at(point: tuple[float, float | None]) -> tuple[str, str]:
        assert point[1] is not None
        return _number(width * x.share(point[0])), _number(height * (1 - y.share(point[1])))

    if one.kind == "bars":
        bars = []
        for here, following in zip(one.points, one.points[1:], strict=False):
            if here[1]:
                (left, top), right = at(here), width * x.share(following[0])
                size = f"width='{_number(max(right - float(left) - 1, 0.5))}' height='{_number(height - float(top))}'"
                bars.append(f"<rect class='f{one.colour % (COLOURS + 1)}' x='{left}' y='{top}' {size} opacity='.35'/>")
        return "".join(bars)
    shown = ""
    kind = {"dots": "line"}.get(one.kind, f"line {one.kind}")
    for known, run in groupby(one.points, lambda point: point[1] is not None and math.isfinite(point[1])):
        if known:
            points = [at(point) for point in run]
            path = " ".join(",".join(point) for point in points)
            shown += f"<polyline class='{kind} s{one.colour % (COLOURS + 1)}' points='{path}'/>"
            if one.kind == "dots":
                shown += "".join(f"<circle class='f{one.colour % (COLOURS + 1)}' cx='{a}' cy='{b}' r='3'/>" for a, b in points)
    return shown


def _legend(named: Sequence[Series], width: int) -> tuple[str, int]:
    """Key and names under the title, and how many rows they take."""
    left, row, text = 10.0, 0, ""
    for one in named:
        needed = 30 + _LETTER * len(one.name)
        if left > 10 and left + needed > width - 8:
            left, row = 10.0, row + 1
        at, colour = 31 + 16 * row, one.colour % (COLOURS + 1)
        if one.kind == "bars":
            text += f"<rect class='f{colour}' x='{left:g}' y='{at - 5}' width='16' height='8' opacity='.35'/>"
        else:
            dashed = " dashed" if one.kind == "dashed" else ""
            text += f"<path class='line{dashed} s{colour}' d='M{left:g} {at}h16'/>"
        text += f"<text x='{left + 21:g}' y='{at + 4}'>{html.escape(one.name)}</text>"
        left += needed
    return text, row + 1 if named else 0


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _short(tick: float) -> str:
    return f"{tick / 1000:g}k" if abs(tick) >= 10_000 else f"{tick:.4g}"
