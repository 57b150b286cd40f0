"""An evaluation of one or several models as one HTML file that needs no network."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from datetime import date
from pathlib import PurePath

from lapdepth import __version__
from lapdepth.evaluation.charts import Named, distance_charts, reliability_chart, sparsification_chart
from lapdepth.evaluation.drawing import colour_span, model_tiles, shared_tiles
from lapdepth.evaluation.edges import DENSE
from lapdepth.evaluation.evaluate import Evaluation
from lapdepth.evaluation.gallery import Seen
from lapdepth.evaluation.metrics import METRICS
from lapdepth.evaluation.protocols import find_protocol
from lapdepth.evaluation.sky import NEAR_M, RIM
from lapdepth.evaluation.tables import Scored, colour_key, differences_table, results_table
from lapdepth.io.page import page

PICTURES = 4
"""Of the best, and of the worst, that are shown."""

STYLE = """.key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.45em}
.own td{font-weight:600}.own small{font-weight:400}.part td{padding-top:1.1rem;color:var(--dim);font-size:.9em}
.shots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,16rem),1fr));gap:.5rem;margin:.3rem 0 1.2rem}
.shots figure{margin:0}.shots img{width:100%;display:block;border-radius:4px}.shots figcaption{color:var(--dim);font-size:.85em}
.bar{display:inline-block;width:9rem;height:.8em;border-radius:2px;vertical-align:-.1em;margin:0 .4em}
.error{background:linear-gradient(90deg,rgb(178,24,43),rgb(247,247,247),rgb(33,102,172))}
.depth{background:linear-gradient(90deg,#7a0403,#fb7e21,#a4fc3c,#28bceb,#30123b)}
.results td:first-child{min-width:15rem}.results td.n,.results th.n{padding-left:.2rem}
.charts{display:flex;flex-wrap:wrap;gap:.6rem}
.scroll{max-height:32rem;overflow:auto;border:1px solid var(--rule);border-radius:6px}.scroll th{position:sticky;top:0;
background:var(--panel)}th button{all:unset;cursor:pointer;font-weight:600}th button:focus-visible{outline:2px solid var(--s0)}
th[aria-sort=ascending] button::after{content:" \\2191"}th[aria-sort=descending] button::after{content:" \\2193"}"""
SORT = """for(const head of document.querySelectorAll('.sorted th'))head.firstChild.onclick=()=>{
const body=head.closest('table').tBodies[0],i=head.cellIndex,up=head.ariaSort!=='ascending';
for(const other of head.parentNode.cells)other.removeAttribute('aria-sort');head.ariaSort=up?'ascending':'descending';
const key=row=>row.cells[i].textContent,order=(a,b)=>head.className?key(a)-key(b):key(a).localeCompare(key(b));
body.append(...[...body.rows].sort((a,b)=>up?order(a,b):order(b,a)))}"""


def write_page(models: Sequence[Scored], data: str, scenes_named: bool, official: bool) -> bytes:
    """The whole report.

    Args:
        models: At least one; the same pictures under the same protocol. The first is what the others are compared with.
        data: Name of the data, for the heading.
        scenes_named: Whether scenes are told; else every picture is taken for a scene of its own.
        official: Whether the data are the official test that the protocol is made for, all of it.
    """
    first = models[0].result
    named = [(model.name, model.result) for model in models]
    seen = first.gallery
    body = (
        _head(models, data, scenes_named)
        + results_table(models, scenes_named, official)
        + (differences_table(models, scenes_named) if len(models) > 1 else "")
        + _by_distance(named)
        + _confidence(named)
        + _sky_and_edges(named)
        + _pictures("Worst pictures", seen.worst(), models)
        + _pictures("Best pictures", seen.best(), models)
        + _per_image(models)
    )
    return page(f"Depth of {', '.join(model.name for model in models)} on {data}", body, STYLE, SORT)


def _head(models: Sequence[Scored], data: str, scenes_named: bool) -> str:
    first = models[0].result
    cap = "without a cap" if math.isinf(first.cap_m) else f"up to {first.cap_m:g} m"
    how = [f"<b>{html.escape(first.protocol)}</b>: {find_protocol(first.protocol).words}, {cap}."]
    how.append("A value is the mean over pictures of each picture's mean.")
    if len(models) == 1:
        how.append("Averaged with the mirrored picture." if models[0].flip else "Not averaged with the mirrored picture.")
    names = " · ".join(f"{colour_key(i, len(models))}{html.escape(model.name)}" for i, model in enumerate(models))
    return (
        f"<h1>Depth on {html.escape(data)}</h1><p>{names}</p>"
        f"<p>{len(first.per_image)} pictures{_of_scenes(first, scenes_named)}. {' '.join(how)}</p>"
        f"<p class=dim>lapdepth {__version__}, {date.today().isoformat()}</p>"
    )


def _by_distance(models: Named) -> str:
    lines = ""
    for i, (name, done) in enumerate(models):
        for one in done.by_distance:
            span = f"{one.from_m:g} and more" if one.to_m is None else f"{one.from_m:g} to {one.to_m:g}"
            numbers = "".join(
                f"<td class=n>{value}</td>" for value in (f"{one.abs_rel:.4f}", f"{one.delta1:.4f}", f"{one.bias:+.4f}")
            )
            lines += f"<tr><td>{colour_key(i, len(models))}{html.escape(name)}<td>{span}<td class=n>{one.pixels:,}{numbers}</tr>"
    head = "<th>model<th>distance, m<th class=n>pixels<th class=n>abs_rel<th class=n>delta1<th class=n>bias"
    return (
        f"<h2>Error by distance</h2><div class=charts>{''.join(distance_charts(models))}</div>"
        "<p class=dim>All scored pixels together, each counting the same.</p><details><summary>As numbers</summary>"
        f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div></details>"
    )


def _confidence(models: Named) -> str:
    lines = ""
    for i, (name, done) in enumerate(models):
        if done.reliability is None or done.ranking is None:
            numbers = "<td colspan=4 class=dim>predicts no confidence"
        else:
            found = (done.reliability.calibration_error, *done.ranking, done.reliability.best_scale)
            numbers = "".join(f"<td class=n>{value:.4f}" for value in found[:3]) + f"<td class=n>{found[3]:.2f}"
        lines += f"<tr><td>{colour_key(i, len(models))}{html.escape(name)}{numbers}</tr>"
    head = "<th>model<th class=n>expected calibration error<th class=n>sparsification error<th class=n>at random"
    head += "<th class=n>error_scale factor that fits best"
    charts = ""
    if any(done.reliability is not None for _, done in models):
        charts = f"<div class=charts>{reliability_chart(models)}{sparsification_chart(models)}</div>"
    return (
        f"<h2>Confidence</h2>{charts}<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
        "<p class=dim>Confidence is the probability that a depth is right to 10 %. Honest is a line on the diagonal. The "
        "sparsification error is the area between a model's curve and the oracle's, dashed: 0 ranks errors perfectly.</p>"
    )


def _sky_and_edges(models: Named) -> str:
    lines = ""
    for i, (name, done) in enumerate(models):
        edges, sky = done.boundary_f1, done.sky
        cells = "<td colspan=2 class=dim>truth too sparse, or without edges"
        if edges is not None:
            span = f"<br><small>{edges.low:.3f}&ndash;{edges.high:.3f}</small>"
            cells = f"<td class=n>{edges.mean:.3f}{span}<td class=n>{edges.pictures}"
        if sky is None:
            cells += "<td colspan=5 class=dim>not known where it is"
        else:
            inner = "none" if sky.inner_near is None else f"{100 * sky.inner_near:.2f} %"
            cells += f"<td class=n>{100 * sky.near:.2f} %<td class=n>{inner}<td class=n>{100 * sky.before_median:.2f} %"
            cells += f"<td class=n>{sky.pixels:,} of {sky.pictures} pictures<td>{sky.source}"
        lines += f"<tr><td>{colour_key(i, len(models))}{html.escape(name)}{cells}</tr>"
    head = "<th>model<th class=n>boundary F1<th class=n>pictures<th class=n>sky "
    head += f"nearer than {NEAR_M:g} m<th class=n>the same off the rim<th class=n>nearer than the median measured depth"
    head += "<th class=n>pixels of sky<th>what is sky"
    return (
        f"<h2>Edges and sky</h2><div class=wide><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
        "<p class=dim>Boundary F1: how many steps of depth between neighbouring pixels are found at their very place, 1 is all, "
        f"over pictures whose depth is known at {100 * DENSE:.0f} % of the pixels or more. Sky: share of its pixels, less is "
        f"better; off the rim, of those farther than 1/{1 / RIM:.0f} of the picture's width from what is no sky.</p>"
    )


def _pictures(title: str, chosen: Sequence[Seen], models: Sequence[Scored]) -> str:
    if not chosen:
        return ""
    by_place = [model.result.gallery.by_place() for model in models]
    shots = ""
    for seen in chosen:
        near_m, far_m = colour_span(seen)
        picture, truth = shared_tiles(seen)
        tiles = [(picture, "picture"), (truth, "truth")]
        for i, (model, kept) in enumerate(zip(models, by_place, strict=True)):
            own = kept[seen.place]
            predicted, error = model_tiles(own)
            score = f"abs_rel {own.metrics['abs_rel']:.3f}, delta1 {own.metrics['delta1']:.3f}"
            whose = f"{colour_key(i, len(models))}{html.escape(model.name)}: " if len(models) > 1 else ""
            tiles += [(predicted, f"{whose}prediction"), (error, f"{whose}error, {score}")]
        # Where no scene is named, the picture's own path stands for it.
        itself = seen.name in (seen.scene, PurePath(seen.scene).stem)
        place = seen.scene if itself else f"{seen.scene} / {seen.name}".removeprefix(" / ")
        figures = "".join(f"<figure><img src='{uri}' alt=''><figcaption>{words}</figcaption></figure>" for uri, words in tiles)
        shots += (
            f"<h3>{html.escape(place)} "
            f"<small>depth {near_m:.3g} m<span class='bar depth'></span>{far_m:.3g} m</small></h3>"
            f"<div class=shots>{figures}</div>"
        )
    of = f", by abs_rel of {html.escape(models[0].name)}" if len(models) > 1 else ", by abs_rel"
    return (
        f"<h2>{title}<small>{of}</small></h2><p class=dim>Error: 25 % and more too near"
        f"<span class='bar error'></span>25 % and more too far; dark was not scored.</p>{shots}"
    )


def _per_image(models: Sequence[Scored]) -> str:
    single = len(models) == 1
    metrics = METRICS if single else ("abs_rel", "delta1")
    names = [metric if single else f"{metric}, {i}" for i in range(1, len(models) + 1) for metric in metrics]
    heads = [("picture", ""), ("scene", ""), ("pixels", " class=n"), *((name, " class=n") for name in names)]
    head = "".join(f"<th{kind}><button>{html.escape(name)}</button></th>" for name, kind in heads)
    rows = []
    for images in zip(*(model.result.per_image for model in models), strict=True):
        values = "".join(f"<td class=n>{float(one[metric]):.4f}" for one in images for metric in metrics)
        rows.append(
            f"<tr><td>{html.escape(str(images[0]['name']))}<td>{html.escape(str(images[0]['scene']))}"
            f"<td class=n>{images[0]['pixels']}{values}</tr>"
        )
    key = "" if single else "<p>" + " · ".join(f"{i} is {html.escape(model.name)}" for i, model in enumerate(models, 1)) + "</p>"
    return (
        f"<h2>All pictures</h2>{key}<div class=scroll><table class=sorted><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div><p class=dim>A click on a heading sorts.</p>"
    )


def _of_scenes(result: Evaluation, scenes_named: bool) -> str:
    return f" of {len({one['scene'] for one in result.per_image})} scenes" if scenes_named else ""
