"""What is kept of a run: enough for every row of the report, small enough for a line of JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

from lapdepth.collision.proving.loop import Run, Step
from lapdepth.collision.proving.scene import CAMERA_TO_FRONT_M

TTC_SPAN_S = (1.5, 4.0)
RANGE_SPAN_M = (5.0, 40.0)
"""Where errors are measured. Specification"""


@dataclass(frozen=True, slots=True)
class Summary:
    """One run.

    Attributes:
        scenario: Its name.
        seed: Of its noise.
        alerts: Number of alerts.
        alert_s: Time of the first, `None` without one.
        ttc_s: True time to collision then, `None` where nothing came nearer.
        ttc_braking_s: The same if the target keeps its braking until it stands.
        collided_s: Time of the collision, `None` without one.
        impact_mps: Speed of the collision.
        ttc_errors: Relative errors of time to collision, frame by frame, true values in `TTC_SPAN_S`, until the alert and after.
        range_errors: Relative errors of range, net of the source's constant factor, true values in `RANGE_SPAN_M`.
        trace: (time, true gap, range, true and given time to collision, level), frame by frame, of runs that are drawn.
    """

    scenario: str
    seed: int
    alerts: int
    alert_s: float | None
    ttc_s: float | None
    ttc_braking_s: float | None
    collided_s: float | None
    impact_mps: float | None
    ttc_errors: tuple[float, ...] = ()
    range_errors: tuple[float, ...] = ()
    trace: tuple[tuple[float | str | None, ...], ...] = ()

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Summary:
        """The inverse of `to_json`."""
        data = json.loads(line)
        lists = {name: tuple(data[name]) for name in ("ttc_errors", "range_errors")}
        return cls(**{**data, **lists, "trace": tuple(tuple(step) for step in data["trace"])})


def summarise(run: Run, alerts: int | None = None, traced: bool = False) -> Summary:
    """What is kept of a run.

    Args:
        run: The run.
        alerts: Number of alerts where the steps do not tell, as of ordinary following.
        traced: Keep what the plots need.
    """
    first = run.alert
    began = sum(
        step.result.level.alert and not (index and run.steps[index - 1].result.level.alert)
        for index, step in enumerate(run.steps)
    )
    return Summary(
        run.scenario,
        run.seed,
        began if alerts is None else alerts,
        first.time_s if first else None,
        _time_s(first) if first else None,
        _braking_time_s(first) if first else None,
        run.collided_s,
        run.impact_mps,
        tuple(round(error, 4) for step in run.steps if (error := _ttc_error(step)) is not None),
        tuple(round(error, 4) for step in run.steps if (error := _range_error(step, run.scale)) is not None),
        tuple(map(_drawn, run.steps)) if traced else (),
    )


def _time_s(step: Step) -> float | None:
    return step.gap_m / step.closing_mps if step.gap_m is not None and step.closing_mps > 0 else None


def _braking_time_s(step: Step) -> float | None:
    """True time until the gap is gone, the target's braking kept up until it stands."""
    brakes = -step.lead_mps2
    if step.gap_m is None or brakes <= 0:
        return _time_s(step)
    moving = (math.sqrt(step.closing_mps**2 + 2 * brakes * step.gap_m) - step.closing_mps) / brakes
    if moving <= step.lead_mps / brakes:
        return moving
    return (step.gap_m + step.lead_mps**2 / (2 * brakes)) / (step.closing_mps + step.lead_mps)


def _ttc_error(step: Step) -> float | None:
    truth, given = _time_s(step), step.result.ttc_s
    if truth is None or given is None or not TTC_SPAN_S[0] <= truth <= TTC_SPAN_S[1]:
        return None
    return abs(given / truth - 1)


def _range_error(step: Step, scale: float) -> float | None:
    """The source's factor works on the distance from the camera."""
    if step.gap_m is None or step.result.range_m is None or not RANGE_SPAN_M[0] <= step.gap_m <= RANGE_SPAN_M[1]:
        return None
    net = (step.result.range_m + CAMERA_TO_FRONT_M) / scale - CAMERA_TO_FRONT_M
    return abs(net / step.gap_m - 1)


def _drawn(step: Step) -> tuple[float | str | None, ...]:
    numbers = (step.time_s, step.gap_m, step.result.range_m, _time_s(step), step.result.ttc_s)
    return (*(None if number is None else round(number, 3) for number in numbers), step.result.level.value)
