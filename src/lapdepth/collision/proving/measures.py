"""From runs to the table of targets: one row a measure, with its target, its result and a 95 % interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lapdepth.collision.proving.following import DURATION_S
from lapdepth.collision.proving.scenarios import SCENARIOS
from lapdepth.collision.proving.statistics import Interval, quantile_interval, rate_interval, share_interval
from lapdepth.collision.proving.summary import Summary

Depth = Literal["exact", "noisy", "model", "folder"]
"""Kinds of depth; `model` is a network on drawn pictures, `folder` what any other model made of them."""

FOLLOWING = "following"
ANNOUNCED_S = 1.0
"""A collision without an alert this long before counts as unannounced. [D] specification"""
TESTED = ("T1", "T2", "T3", "CCRs", "CCRm", "CCRb12-hard", "CCRb12-soft", "CCRb40-hard", "CCRb40-soft")
"""Groups of the rows "all of these"."""
IN_TIME = {"T1": (2.1, 0.95), "T2": (2.4, 0.71), "T3": (2.0, 0.95)}
"""Least time to collision at the alert, and the share of noisy runs that must keep it. [Q] NHTSA; shares [D] specification"""
SEVENS = (7, 5, 2)
"""Of a network's runs five of every seven must keep it, in two sevens at least. [C] NHTSA; twice over [D]"""
AVOIDED = {"CCRs": (1.0, 0.95, 0.9), "CCRm": (1.0, 0.95, 0.9)}
"""Share of runs without collision, for exact and noisy depth and for a network's, of this up to `NETWORK_MPS`. [D]"""
NETWORK_MPS = 60 / 3.6
QUIET = (0.0, 0.0, 0.01)
"""Largest share of runs with a false alert, and of collisions not announced. [D] specification"""
NUISANCE = (0.0, 0.5, 2.0)
"""Largest number of alerts an hour of ordinary following. [D] specification"""
ERRORS = {"TTC of 1.5 to 4 s": (0.03, 0.12, 0.15), "range of 5 to 40 m, net of s": (0.01, 0.05, 0.08)}
"""Largest median relative errors. [D] specification"""
DELAYS_S = {"CCRb12-hard": (0.7, 1.2), "CCRb12-soft": (1.8, 2.1), "CCRb40-hard": (1.6, 2.0), "CCRb40-soft": (3.9, 4.3)}
"""Longest time from the lead's onset to the alert, for exact and for noisy depth. [D] specification"""
REPORTED = ("pedestrian", "cyclist", "motorcycle")
LONGEST_TTC_S = 5.0
"""Largest time to collision at an alert, p95: an earlier one is a nuisance. [D] specification"""
SEEDS, QUIET_RUNS, FOLLOWING_S = 50, 100, 20 * 3600.0
"""Asked for of exact and noisy depth: runs of each scenario, of each road without danger, and following. [D] specification"""
NETWORK_RUNS, NETWORK_FOLLOWING_S = SEVENS[0] * SEVENS[2], 1800.0
"""The same of a network: runs of each group of scenarios, danger or not, and following. [D] specification"""
NEVER_S = 99.0
"""Stands for an alert while nothing came nearer, and for none at all."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report.

    Attributes:
        scenario: Scenario, or group of scenarios.
        measure: What is measured, with its unit and the number of runs.
        target: What the specification asks for, in words; empty where it is only reported.
        result: The number.
        interval: 95 % interval.
        passed: Whether the result meets the target; `None` where there is none.
        runs: Runs that it is made of.
        runs_asked: Runs that the specification asks for: on fewer, `passed` says little.
    """

    scenario: str
    measure: str
    target: str
    result: float
    interval: Interval
    passed: bool | None
    runs: int
    runs_asked: int

    @property
    def enough(self) -> bool:
        """Whether there are as many runs as asked for."""
        return self.runs >= self.runs_asked

    @property
    def verdict(self) -> str:
        """In words; too few runs come first, so that nobody takes the rest for the verdict."""
        word = {True: "met", False: "NOT MET", None: "reported"}[self.passed]
        return word if self.enough else f"too few runs, {self.runs} of {self.runs_asked} asked for: {word} so far"


def rows(runs: Sequence[Summary], depth: Depth) -> list[Row]:
    """The report's rows for what was run; groups of which nothing was run are left out."""
    column = {"exact": 0, "noisy": 1}.get(depth, 2)
    groups: dict[str, list[Summary]] = {}
    for one in runs:
        groups.setdefault(FOLLOWING if one.scenario == FOLLOWING else SCENARIOS[one.scenario].group, []).append(one)
    found: list[Row] = []
    for name, group in groups.items():
        asked = _asked(name, column)
        if name in IN_TIME:
            floor, share = IN_TIME[name]
            good = _in_time("ttc_s", floor)
            measure = f"alert at TTC >= {floor} s"
            if column == 2:
                found.append(_sevens(name, group, asked, measure, good))
            else:
                found.append(_share(name, group, asked, measure, (1.0, share)[column], good))
        if name == "T2":
            good = _in_time("ttc_braking_s", IN_TIME[name][0])
            found.append(_share(name, group, asked, "the same, counting the lead's braking", None, good))
        if name in AVOIDED or name in REPORTED:
            target = AVOIDED[name][column] if name in AVOIDED else None
            measure, judged = "collision avoided by the driver", group
            if target is not None and column == 2:
                measure += f", up to {3.6 * NETWORK_MPS:g} km/h"
                judged = [one for one in group if SCENARIOS[one.scenario].ego_mps < NETWORK_MPS + 0.01]
            if judged:
                found.append(_share(name, judged, asked, measure, target, lambda one: one.collided_s is None))
        if name in DELAYS_S:
            found.append(_delay(name, group, asked, (*DELAYS_S[name], None)[column], column == 0))
        if name == FOLLOWING:
            found.append(_nuisance(group, asked, NUISANCE[column]))
        elif not SCENARIOS[group[0].scenario].alarm:
            false = sum(one.alerts > 0 for one in group)
            measure = f"share of {len(group)} runs with a false alert"
            found.append(_rare(name, measure, false, len(group), asked, QUIET[column]))
    tested = [one for name in TESTED for one in groups.get(name, [])]
    asked = sum(_asked(name, column) for name in TESTED if name in groups)
    return found + list(_overall(tested, asked, column)) if tested else found


def _asked(name: str, column: int) -> int:
    """Runs that the specification asks for of a whole group, even where only a part of it was chosen."""
    if name == FOLLOWING:
        return round((NETWORK_FOLLOWING_S if column == 2 else FOLLOWING_S) / DURATION_S)
    if column == 2:
        return NETWORK_RUNS
    group = [one for one in SCENARIOS.values() if one.group == name]
    return len(group) * (SEEDS if group[0].alarm else QUIET_RUNS)


def _row(
    name: str,
    measure: str,
    target: str,
    result: float,
    interval: Interval,
    passed: bool | None,
    runs: int,
    asked: int,
) -> Row:
    bounds = (round(interval[0], 4), round(interval[1], 4))
    return Row(name, measure, target, round(result, 4), bounds, passed, runs, asked)


def _in_time(field: Literal["ttc_s", "ttc_braking_s"], floor_s: float) -> Callable[[Summary], bool]:
    def good(one: Summary) -> bool:
        value = getattr(one, field)
        return value is not None and value >= floor_s

    return good


def _share(
    name: str, group: Sequence[Summary], asked: int, measure: str, target: float | None, good: Callable[[Summary], bool]
) -> Row:
    hits = sum(map(good, group))
    share = hits / len(group)
    passed = None if target is None else share >= target
    words = "" if target is None else f">= {100 * target:g} %"
    measure, interval = f"share of {len(group)} runs: {measure}", share_interval(hits, len(group))
    return _row(name, measure, words, share, interval, passed, len(group), asked)


def _sevens(name: str, group: Sequence[Summary], asked: int, measure: str, good: Callable[[Summary], bool]) -> Row:
    """In the order of their seeds, seven by seven; too few runs are only reported."""
    runs, needed, times = SEVENS
    kept = [good(one) for one in sorted(group, key=lambda one: one.seed)]
    sevens = [sum(kept[start : start + runs]) for start in range(0, len(kept) - runs + 1, runs)]
    passed = all(hits >= needed for hits in sevens) if len(sevens) >= times else None
    words, share = f"{needed} of {runs}, {times} times", sum(kept) / len(kept)
    measure, interval = f"share of {len(kept)} runs: {measure}", share_interval(sum(kept), len(kept))
    return _row(name, measure, words, share, interval, passed, len(kept), asked)


def _rare(name: str, measure: str, count: int, total: int, asked: int, limit: float) -> Row:
    share = count / total
    words = "0" if limit == 0 else f"<= {100 * limit:g} %"
    return _row(name, measure, words, share, share_interval(count, total), share <= limit, total, asked)


def _delay(name: str, group: Sequence[Summary], asked: int, limit_s: float | None, longest: bool) -> Row:
    """Of every run for exact depth, of 95 % for others. An alert before the onset is a failure whatever the delay."""
    delays = [NEVER_S if one.alert_s is None else one.alert_s - SCENARIOS[one.scenario].onset_s for one in group]
    early = sum(delay < 0 for delay in delays)
    share = 1.0 if longest else 0.95
    result = float(np.quantile(delays, share, method="higher"))
    measure = f"s from the lead's onset to the alert, {'longest' if longest else 'p95'} of {len(group)} runs, {early} before it"
    interval = quantile_interval(delays, share)
    words = "" if limit_s is None else f"<= {limit_s} s"
    passed = None if limit_s is None else result <= limit_s and not early
    return _row(name, measure, words, result, interval, passed, len(group), asked)


def _nuisance(group: Sequence[Summary], asked: int, limit: float) -> Row:
    hours = len(group) * DURATION_S / 3600
    count = sum(one.alerts for one in group)
    rate = count / hours
    measure, interval = f"alerts per hour, {hours:g} h", rate_interval(count, hours)
    return _row(FOLLOWING, measure, f"<= {limit:g}", rate, interval, rate <= limit, len(group), asked)


def _overall(tested: Sequence[Summary], asked: int, column: int) -> Iterable[Row]:
    count = len(tested)
    times = [one.ttc_braking_s or NEVER_S for one in tested if one.alert_s is not None]
    name = "all of these"
    if times:
        p95 = float(np.quantile(times, 0.95))
        measure = f"TTC at the alert counting the lead's braking, p95 of {len(times)} alerts, s"
        interval = quantile_interval(times, 0.95)
        yield _row(name, measure, f"<= {LONGEST_TTC_S:g} s", p95, interval, p95 <= LONGEST_TTC_S, count, asked)
    bad = sum(map(_unannounced, tested))
    measure = f"share of {count} runs: collision without an alert {ANNOUNCED_S:g} s before"
    yield _rare(name, measure, bad, count, asked, QUIET[column])
    ttc = [error for one in tested for error in one.ttc_errors]
    reach = [error for one in tested for error in one.range_errors]
    for (what, limits), errors in zip(ERRORS.items(), (ttc, reach), strict=True):
        if errors:
            limit, middle = limits[column], float(np.median(errors))
            measure = f"median relative error of {what}, {len(errors)} frames"
            interval = quantile_interval(errors, 0.5)
            yield _row(name, measure, f"<= {100 * limit:g} %", middle, interval, middle <= limit, count, asked)


def _unannounced(one: Summary) -> bool:
    if one.collided_s is None:
        return False
    return one.alert_s is None or one.collided_s - one.alert_s < ANNOUNCED_S
