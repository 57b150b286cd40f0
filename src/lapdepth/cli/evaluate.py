"""`lapdepth evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lapdepth.cli.predict import EngineChoice

if TYPE_CHECKING:
    from lapdepth.cli.processes import Processes
    from lapdepth.data.manifest import Row
    from lapdepth.evaluation.evaluate import Evaluation, Predict
    from lapdepth.evaluation.gallery import Gallery
    from lapdepth.evaluation.protocols import Protocol
    from lapdepth.evaluation.saved import SavedPredictions
    from lapdepth.evaluation.tables import Scored


def evaluate(
    manifest: Annotated[Path | None, typer.Option(help="CSV of pictures with measured depth.")] = None,
    protocol: Annotated[str | None, typer.Option(help="nyu-eigen, kitti-garg, kitti-lapdepth or plain.")] = None,
    dataset: Annotated[str | None, typer.Option(help="An official test in place of --manifest: kitti-eigen or nyu.")] = None,
    root: Annotated[Path | None, typer.Option(help="Of --dataset: its folder, as lapdepth data prepare leaves it.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Embedded name, model folder, .onnx file or hub id. Several are compared.", show_default="default"),
    ] = None,
    engine: Annotated[EngineChoice, typer.Option(help="What runs the model.")] = EngineChoice.AUTO,
    split: Annotated[str | None, typer.Option(help="Only rows of this split.")] = None,
    fold: Annotated[str | None, typer.Option(metavar="K/N", help="Only block K of N blocks of scenes, K from 0.")] = None,
    cap: Annotated[float | None, typer.Option(help="Farthest depth scored, in metres.")] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Average with the mirrored picture.")] = False,
    predictions: Annotated[
        list[Path] | None,
        typer.Option(help="Score what another tool saved in this folder (PNG, NPZ, NPY); several, and models, are compared."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Of --predictions, for all or once for each: depth or inverse.", show_default="depth"),
    ] = None,
    units: Annotated[list[float] | None, typer.Option(help="Likewise: values for one metre; 256 for KITTI's PNG.")] = None,
    align: Annotated[
        list[str] | None,
        typer.Option(help="Likewise: none, median, scale or scale-shift, picture by picture.", show_default="none"),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all numbers here.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write a report with plots and pictures here.")] = None,
) -> None:
    """Score models, which are given the manifest's focal lengths, or saved predictions, on pictures with measured depth."""
    from lapdepth.cli.processes import processes
    from lapdepth.errors import ConfigError
    from lapdepth.evaluation.datasets import PROTOCOL_OF
    from lapdepth.evaluation.gallery import Gallery
    from lapdepth.evaluation.protocols import PROTOCOLS, find_protocol
    from lapdepth.evaluation.published import TEST_OF
    from lapdepth.evaluation.record import record, record_of_several
    from lapdepth.evaluation.report import PICTURES, write_page
    from lapdepth.evaluation.saved import Coding, SavedPredictions
    from lapdepth.evaluation.tables import Scored
    from lapdepth.io.files import check_folder, write_bytes, write_json

    if (manifest is None) == (dataset is None) or (root is None) != (dataset is None):
        raise ConfigError("what shall be scored? Give --manifest FILE --protocol NAME, or --dataset NAME --root DIR")
    if dataset is not None and split is not None:
        raise ConfigError("--split is for manifests; --dataset is an official test, all of it")
    if manifest is not None and protocol is None:
        raise ConfigError(f"--manifest needs --protocol: one of {', '.join(PROTOCOLS)}")
    if flip and predictions and not model:
        raise ConfigError("--flip is for models; saved predictions are scored as they are")
    for file in (json_file, html_file):
        if file is not None:
            check_folder(file)
    rules = find_protocol(protocol or PROTOCOL_OF.get(dataset or "", "plain"))
    rows, folder = _rows(manifest, dataset, root, split, fold)
    codings = [
        Coding(*one)
        for one in zip(
            _for_each("--kind", kind, predictions, "depth"),
            _for_each("--units", units, predictions, None),
            _for_each("--align", align, predictions, "none"),
            strict=True,
        )
    ]
    saved = [
        (path, coding, SavedPredictions(path, rows, folder, coding, rules, cap))
        for path, coding in zip(predictions or [], codings, strict=True)
    ]
    scored: list[Scored] = []
    records: list[dict[str, Any]] = []

    def gallery() -> Gallery:
        """The pictures that are shown of the first model are shown of all."""
        if html_file is None:
            return Gallery(0)
        return Gallery(PICTURES, scored[0].result.gallery.by_place() if scored else None)

    with processes("evaluate") as own:
        for given in model or ([] if predictions else ["default"]):
            name, ran_by, predict = _open(given, engine, flip)
            done = _score(f"evaluating {name}", predict, rows, rules, cap, gallery(), own)
            name = _unlike(scored, name, given)
            records.append(record(name, flip, done, engine=ran_by))
            scored.append(Scored(name, "", flip, False, done))
        for path, coding, reader in saved:
            done = _score(f"reading {path}", reader, rows, rules, cap, gallery(), own)
            coded = {"kind": coding.kind, "units": coding.units, "alignment": coding.alignment}
            records.append(record(f"{path} ({coding})", False, done, predictions=coded))
            name = _unlike(scored, path.resolve().name, str(path))
            scored.append(Scored(name, str(coding), False, coding.alignment != "none", done))
        if own.rank > 0:
            return
        named = all(row.scene for row in rows)
        for one, told in zip(scored, records, strict=True):
            _print(told["model"], one, "scenes" if named else "pictures")
            if unscored := len(rows) - len(one.result.per_image):
                typer.echo(f"  {unscored} of {len(rows)} pictures have no measured pixel to score and are left out")
        for one, told in list(zip(scored, records, strict=True))[1:]:
            typer.echo(f"{told['model']} less {records[0]['model']}, picture by picture")
            _print_differences(one, scored[0], "scenes" if named else "pictures")
        if json_file is not None:
            write_json(json_file, records[0] if len(records) == 1 else record_of_several(records, named))
        if html_file is not None:
            listed = f"{folder.resolve().name}/{manifest.name}" if manifest else dataset
            data = f"{listed}{f', {split}' if split else ''}{f', part {fold}' if fold else ''}"
            whole = all(len(one.result.per_image) == len(rows) for one in scored)
            official = dataset is not None and fold is None and whole and TEST_OF.get(rules.name) == dataset
            write_bytes(html_file, write_page(scored, data, named, official))


def _rows(
    manifest: Path | None, dataset: str | None, root: Path | None, split: str | None, fold: str | None
) -> tuple[list[Row], Path]:
    """What is scored, and the folder that predictions are placed relative to."""
    import re

    from lapdepth.data.manifest import divide, read_manifest
    from lapdepth.errors import ConfigError
    from lapdepth.evaluation.datasets import test_rows

    if manifest is not None:
        rows, folder = read_manifest(manifest, split), manifest.parent
    else:
        assert dataset is not None
        assert root is not None
        rows, folder = test_rows(dataset, root), root
    if fold is not None:
        match = re.fullmatch(r"(\d{1,4})/(\d{1,4})", fold)
        if match is None:
            raise ConfigError(f"--fold is '{fold}'; expected K/N, such as 0/5")
        rows = divide(rows, int(match[1]), int(match[2]))[1]
    return rows, folder


def _for_each(option: str, values: Sequence[Any] | None, folders: Sequence[Path] | None, default: object) -> list[Any]:
    """An option of --predictions, once for each folder."""
    from lapdepth.errors import ConfigError

    count = len(folders or [])
    given = list(values or [default])
    if values and not count:
        raise ConfigError(f"{option} is of --predictions; leave it out, or give a folder of predictions")
    if len(given) not in (1, count) and count:
        raise ConfigError(f"{option} is given {len(given)} times for {count} folders of predictions; give it once, or for each")
    return given * count if len(given) == 1 else given


def _open(model: str, engine: EngineChoice, flip: bool) -> tuple[str, str, Predict]:
    """The model's name, the engine that runs it, and what predicts."""
    from lapdepth.inference.predictor import DepthPredictor

    predictor = DepthPredictor.from_pretrained(model, engine.value)

    def predict(image: Any, camera: Any) -> Any:
        result = predictor(image, focal_px=camera.focal_px, flip=flip)
        return result.depth_m, result.confidence, result.valid

    return predictor.config.name, predictor.engine.name, predict


def _score(
    what: str,
    predict: Predict | SavedPredictions,
    rows: Sequence[Row],
    rules: Protocol,
    cap_m: float | None,
    gallery: Gallery,
    own: Processes,
) -> Evaluation:
    """Score the pictures that are this process's, every `own.count`-th, and add up what all scored."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import track

    from lapdepth.cli.progress import printable
    from lapdepth.data.manifest import load_sample
    from lapdepth.evaluation.evaluate import evaluate_part, summed
    from lapdepth.evaluation.saved import SavedPredictions

    places = range(own.rank, len(rows), own.count)
    console = Console(stderr=True)
    hidden = own.rank > 0 or not console.is_terminal
    mine = (rows[i] for i in places)
    shown = track(mine, escape(printable(what)), len(places), console=console, transient=True, disable=hidden)
    samples = predict.samples(shown) if isinstance(predict, SavedPredictions) else map(load_sample, shown)
    part = evaluate_part(predict, zip(places, samples, strict=True), rules, cap_m, gallery)
    return summed(own.gather(part), rules, cap_m)


def _unlike(scored: Sequence[Scored], name: str, more: str) -> str:
    """A short name that no other has; of a path only the end, for reports are passed on."""
    taken = {one.name for one in scored}
    more = "/".join(Path(more).parts[-2:])
    return (
        name
        if name not in taken
        else next(
            tried for i in range(1, len(taken) + 2) if (tried := f"{name} ({more}{f', {i}' if i > 1 else ''})") not in taken
        )
    )


def _print(name: str, one: Scored, drawn: str) -> None:
    from lapdepth.evaluation.metrics import METRICS, bootstrap_intervals

    done = one.result
    typer.echo(f"{name}, protocol {done.protocol}, cap {done.cap_m:g} m, flip {one.flip}, {len(done.per_image)} pictures")
    intervals = bootstrap_intervals(done.per_image)
    for metric in METRICS:
        low, high = intervals[metric]
        typer.echo(f"  {metric:9} {done.metrics[metric]:8.4f}   95 % over {drawn} {low:.4f} to {high:.4f}")
    for line in _sky_and_edges(done, drawn):
        typer.echo(f"  {line}")
    if done.reliability is None or done.ranking is None:
        typer.echo(f"  no confidence{'' if one.note else ': this model predicts none (--flip makes one from disagreement)'}")
        return
    typer.echo("  confidence   share   mean   right to 10 %")
    for i, (share, mean, right) in enumerate(done.reliability.bins):
        if share > 0:
            typer.echo(f"  {i / 10:.1f} to {(i + 1) / 10:.1f}   {share:5.3f}  {mean:5.3f}   {right:5.3f}")
    typer.echo(
        f"  expected calibration error {done.reliability.calibration_error:.4f} "
        f"({done.reliability.best_calibration_error:.4f} with error_scale times {done.reliability.best_scale:.2f})"
    )
    typer.echo(f"  sparsification error {done.ranking[0]:.4f} (random {done.ranking[1]:.4f}, oracle 0)")


def _sky_and_edges(done: Evaluation, drawn: str) -> list[str]:
    """A line each; none on sky where nothing tells what is sky."""
    from lapdepth.evaluation.edges import DENSE
    from lapdepth.evaluation.sky import NEAR_M

    lines = [f"boundary F1 none: no picture has an edge and {100 * DENSE:.0f} % of its depth known"]
    if edges := done.boundary_f1:
        span = f"95 % over {drawn} {edges.low:.4f} to {edges.high:.4f}"
        lines = [f"boundary F1 {edges.mean:.4f}   {span}, {edges.pictures} pictures"]
    if sky := done.sky:
        rim = "no pixel is off the rim" if sky.inner_near is None else f"{100 * sky.inner_near:.2f} % off the rim"
        lines.append(
            f"{sky.source}: {100 * sky.near:.2f} % nearer than {NEAR_M:g} m ({rim}), {100 * sky.before_median:.2f} % nearer than "
            f"the median measured depth, of {sky.pixels:,} pixels of {sky.pictures} pictures"
        )
    return lines


def _print_differences(one: Scored, first: Scored, drawn: str) -> None:
    from lapdepth.evaluation.metrics import paired_differences

    for name, found in paired_differences(one.result.per_image, first.result.per_image).items():
        typer.echo(f"  {name:9} {found.mean:+8.4f}   95 % over {drawn} {found.low:+.4f} to {found.high:+.4f}")
