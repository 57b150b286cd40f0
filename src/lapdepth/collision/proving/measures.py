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
    """

    scenario: str
    measure: str
    target: str
    result: float
    interval: Interval
    passed: bool | None


def rows(runs: Sequence[Summary], depth: Depth) -> list[Row]:
    """The report's rows for what was run; groups of which nothing was run are left out."""
    column = {"exact": 0, "noisy": 1}.get(depth, 2)
    groups: dict[str, list[Summary]] = {}
    for one in runs:
        groups.setdefault(FOLLOWING if one.scenario == FOLLOWING else SCENARIOS[one.scenario].group, []).append(one)
    found: list[Row] = []
    for name, group in groups.items():
        if name in IN_TIME:
            floor, share = IN_TIME[name]
            good = _in_time("ttc_s", floor)
            measure = f"alert at TTC >= {floor} s"
            if column == 2:
                found.append(_sevens(name, group, measure, good))
            else:
                found.append(_share(name, group, measure, (1.0, share)[column], good))
        if name == "T2":
            good = _in_time("ttc_braking_s", IN_TIME[name][0])
            found.append(_share(name, group, "the same, counting the lead's braking", None, good))
        if name in AVOIDED or name in REPORTED:
            target = AVOIDED[name][column] if name in AVOIDED else None
            measure, judged = "collision avoided by the driver", group
            if target is not None and column == 2:
                measure += f", up to {3.6 * NETWORK_MPS:g} km/h"
                judged = [one for one in group if SCENARIOS[one.scenario].ego_mps < NETWORK_MPS + 0.01]
            if judged:
                found.append(_share(name, judged, measure, target, lambda one: one.collided_s is None))
        if name in DELAYS_S:
            found.append(_delay(name, group, (*DELAYS_S[name], None)[column], column == 0))
        if name == FOLLOWING:
            found.append(_nuisance(group, NUISANCE[column]))
        elif not SCENARIOS[group[0].scenario].alarm:
            false = sum(one.alerts > 0 for one in group)
            measure = f"share of {len(group)} runs with a false alert"
            found.append(_rare(name, measure, false, len(group), QUIET[column]))
    tested = [one for name in TESTED for one in groups.get(name, [])]
    return found + list(_overall(tested, column)) if tested else found


def _row(name: str, measure: str, target: str, result: float, interval: Interval, passed: bool | None) -> Row:
    return Row(name, measure, target, round(result, 4), (round(interval[0], 4), round(interval[1], 4)), passed)


def _in_time(field: Literal["ttc_s", "ttc_braking_s"], floor_s: float) -> Callable[[Summary], bool]:
    def good(one: Summary) -> bool:
        value = getattr(one, field)
        return value is not None and value >= floor_s

    return good


def _share(name: str, group: Sequence[Summary], measure: str, target: float | None, good: Callable[[Summary], bool]) -> Row:
    hits = sum(map(good, group))
    share = hits / len(group)
    passed = None if target is None else share >= target
    words = "" if target is None else f">= {100 * target:g} %"
    return _row(name, f"share of {len(group)} runs: {measure}", words, share, share_interval(hits, len(group)), passed)


def _sevens(name: str, group: Sequence[Summary], measure: str, good: Callable[[Summary], bool]) -> Row:
    """In the order of their seeds, seven by seven; too few runs are only reported."""
    runs, needed, times = SEVENS
    kept = [good(one) for one in sorted(group, key=lambda one: one.seed)]
    sevens = [sum(kept[start : start + runs]) for start in range(0, len(kept) - runs + 1, runs)]
    passed = all(hits >= needed for hits in sevens) if len(sevens) >= times else None
    words, share = f"{needed} of {runs}, {times} times", sum(kept) / len(kept)
    return _row(name, f"share of {len(kept)} runs: {measure}", words, share, share_interval(sum(kept), len(kept)), passed)


def _rare(name: str, measure: str, count: int, total: int, limit: float) -> Row:
    share = count / total
    words = "0" if limit == 0 else f"<= {100 * limit:g} %"
    return _row(name, measure, words, share, share_interval(count, total), share <= limit)


def _delay(name: str, group: Sequence[Summary], limit_s: float | None, longest: bool) -> Row:
    """Of every run for exact depth, of 95 % for others. An alert before the onset is a failure whatever the delay."""
    delays = [NEVER_S if one.alert_s is None else one.alert_s - SCENARIOS[one.scenario].onset_s for one in group]
    early = sum(delay < 0 for delay in delays)
    share = 1.0 if longest else 0.95
    result = float(np.quantile(delays, share, method="higher"))
    measure = f"s from the lead's onset to the alert, {'longest' if longest else 'p95'} of {len(group)} runs, {early} before it"
    interval = quantile_interval(delays, share)
    if limit_s is None:
        return _row(name, measure, "", result, interval, None)
    return _row(name, measure, f"<= {limit_s} s", result, interval, result <= limit_s and not early)


def _nuisance(group: Sequence[Summary], limit: float) -> Row:
    hours = len(group) * DURATION_S / 3600
    count = sum(one.alerts for one in group)
    rate = count / hours
    return _row(FOLLOWING, f"alerts per hour, {hours:g} h", f"<= {limit:g}", rate, rate_interval(count, hours), rate <= limit)


def _overall(tested: Sequence[Summary], column: int) -> Iterable[Row]:
    times = [one.ttc_braking_s or NEVER_S for one in tested if one.alert_s is not None]
    name = "all of these"
    if times:
        p95 = float(np.quantile(times, 0.95))
        measure = f"TTC at the alert counting the lead's braking, p95 of {len(times)} alerts, s"
        yield _row(name, measure, f"<= {LONGEST_TTC_S:g} s", p95, quantile_interval(times, 0.95), p95 <= LONGEST_TTC_S)
    bad = sum(map(_unannounced, tested))
    measure = f"share of {len(tested)} runs: collision without an alert {ANNOUNCED_S:g} s before"
    yield _rare(name, measure, bad, len(tested), QUIET[column])
    ttc = [error for one in tested for error in one.ttc_errors]
    reach = [error for one in tested for error in one.range_errors]
    for (what, limits), errors in zip(ERRORS.items(), (ttc, reach), strict=True):
        if errors:
            limit, middle = limits[column], float(np.median(errors))
            measure = f"median relative error of {what}, {len(errors)} frames"
            yield _row(name, measure, f"<= {100 * limit:g} %", middle, quantile_interval(errors, 0.5), middle <= limit)


def _unannounced(one: Summary) -> bool:
    if one.collided_s is None:
        return False
    return one.alert_s is None or one.collided_s - one.alert_s < ANNOUNCED_S
