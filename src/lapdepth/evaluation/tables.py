"""The tables of an evaluation report: results beside published ones, and differences of several models."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from lapdepth.evaluation.evaluate import Evaluation
from lapdepth.evaluation.metrics import METRICS, bootstrap_intervals, paired_differences
from lapdepth.evaluation.published import Published, published
from lapdepth.io.plots import COLOURS

BETTER_BELOW = frozenset(METRICS) - {"delta1", "delta2", "delta3"}


@dataclass(frozen=True, slots=True)
class Scored:
    """One model of a report.

    Attributes:
        name: Short, unlike those of the others.
        note: More about it, such as how saved predictions are coded.
        flip: Whether predictions were averaged with those of the mirrored picture.
        aligned: Whether each prediction was aligned to its truth.
        result: Its scores.
    """

    name: str
    note: str
    flip: bool
    aligned: bool
    result: Evaluation


def results_table(models: Sequence[Scored], scenes_named: bool, official: bool) -> str:
    """Metrics of each model with their intervals, over published rows; arguments are those of `write_page`."""
    first = models[0].result
    same, others = published(first.protocol, first.cap_m, any(model.aligned for model in models))
    if all(model.aligned for model in models):  # no row in metres is of their kind
        same, others = [], [*same, *others]
    with_interval = len({one["scene"] for one in first.per_image}) > 1
    lines = []
    for i, model in enumerate(models):
        intervals = bootstrap_intervals(model.result.per_image)
        cells = ""
        for metric in METRICS:
            low, high = intervals[metric]
            spread = f"<br><small>{_value(metric, low)}&ndash;{_value(metric, high)}</small>" if with_interval else ""
            cells += f"<td class=n>{_value(metric, model.result.metrics[metric])}{spread}</td>"
        note = f" <small>{html.escape(model.note)}</small>" if model.note else ""
        note += " <small>mirrored too</small>" if model.flip else ""
        lines.append(f"<tr class=own><td>{colour_key(i, len(models))}{html.escape(model.name)}{note}</td>{cells}</tr>")
    where = "" if official else ", on the official test: other pictures than these"
    for title, rows in (
        (f"Published, same protocol{where}", same),
        (f"Published, other crops, crops not told or another alignment{where}: not to be compared closely", others),
    ):
        if rows:
            lines.append(f"<tr class=part><td colspan={len(METRICS) + 1}>{title}</td></tr>")
            lines += [_published(row) for row in rows]
    head = "<th>model</th>" + "".join(f"<th class=n>{name}</th>" for name in METRICS)
    told = "Small: 95 % interval from resampling " + ("whole scenes. " if scenes_named else "pictures. ") if with_interval else ""
    if with_interval and not scenes_named:
        told += "No scenes are named; if pictures of one place follow each other, the intervals are too narrow. "
    if not with_interval:
        told += "One scene only: nothing can be resampled, so there are no intervals. "
    if (same or others) and not all(model.flip for model in models):
        told += "Published numbers of LapDepth average with the mirrored picture (--flip); of others not all do. "
    if any(model.aligned for model in models):
        told += "Aligned predictions were brought to the truth's scale picture by picture: they say nothing about metres. "
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return (
        f"<h2>Results</h2><div class='wide results'>{table}</div>"
        f"<p class=dim>{told}sq_rel, rmse and mae in metres, silog times 100; delta: more is better, the rest: less.</p>"
    )


def _published(row: Published) -> str:
    values = {metric: _value(metric, row.metrics[metric]) for metric in METRICS if metric in row.metrics}
    notes = [row.parameters] if row.parameters else []
    notes += ["aligned"] if row.aligned else []
    notes += [f"{row.protocol}, to {row.cap_m:g} m" if row.protocol else "other crops or not told", row.source]
    cells = "".join(f"<td class=n>{values.get(metric, '')}</td>" for metric in METRICS)
    return f"<tr><td>{html.escape(row.method)}<br><small>{html.escape('; '.join(notes))}</small></td>{cells}</tr>"


def differences_table(models: Sequence[Scored], scenes_named: bool) -> str:
    """How each model differs from the first."""
    first, *others = models
    lines = []
    for i, model in enumerate(others, 1):
        cells = ""
        for metric, found in paired_differences(model.result.per_image, first.result.per_image).items():
            verdict = _verdict(metric, found.low, found.high)
            cells += (
                f"<td class=n><span class={'yes' if verdict == 'better' else 'no' if verdict == 'worse' else 'dim'}>"
                f"{found.mean:+.4f}</span><br><small>{found.low:+.4f}<br>to {found.high:+.4f}<br>{verdict}</small></td>"
            )
        lines.append(f"<tr><td>{colour_key(i, len(models))}{html.escape(model.name)}</td>{cells}</tr>")
    head = "<th>model</th>" + "".join(f"<th class=n>{name}</th>" for name in METRICS)
    unit = "scenes" if scenes_named else "pictures"
    return (
        f"<h2>Differences to {html.escape(first.name)}</h2><div class=wide><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div><p class=dim>Mean of the differences picture by picture, and its 95 % "
        f"interval when the same {unit} are drawn for both. Better or worse: the interval does not hold 0. "
        "Of ten metrics looked at, one may do so by chance.</p>"
    )


def _verdict(metric: str, low: float, high: float) -> str:
    if low <= 0 <= high:
        return "cannot be told"
    return "better" if (high < 0) == (metric in BETTER_BELOW) else "worse"


def colour_key(i: int, count: int) -> str:
    """A square in a model's colour; nothing where there is one model only."""
    return f"<span class=key style='background:var(--s{i % COLOURS})'></span>" if count > 1 else ""


def _value(metric: str, value: float) -> str:
    return f"{value:.2f}" if metric == "silog" else f"{value:.3f}"
