"""`lapdepth predict` on pictures, here or on a cluster: progress, a line for each that fails, and a summary."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import typer

from lapdepth.cli.progress import print_error, printable, progress_bar
from lapdepth.errors import InputError, LapDepthError, MissingExtraError
from lapdepth.inference import batch
from lapdepth.inference.many import Job, predict_pictures
from lapdepth.io.files import expand_inputs, is_url


def predict_here(job: Job, inputs: list[str], output: str, resume: bool) -> None:
    """Predict on this machine; exit status 1 if anything failed."""
    folder = Path(output)
    paths, problems = expand_inputs(inputs, partial(batch.is_earlier_result, folder))
    _check_any(len(paths), problems, output)
    stems = [folder / name for name in batch.output_names(paths)]
    batch.check_not_overwriting(paths, stems, job.formats)
    predictor, at_once = job.open_for_many() if len(paths) > 1 else (job.open(), 1)
    batch.make_folder(folder)
    todo = [
        (path, stem)
        for path, stem in zip(paths, stems, strict=True)
        if not (resume and job.is_done(stem, str(path), predictor.config.name))
    ]
    failed = _report(predict_pictures(job, predictor, at_once, todo), len(todo))
    _finish(failed, len(paths) - len(todo), len(paths), output, problems)


def predict_on_ray(job: Job, inputs: list[str], output: str, workers: int | None) -> None:
    """Predict on a Ray cluster; what is done is left out. Exit status 1 if anything failed."""
    if any(importlib.util.find_spec(name) is None for name in ("ray", "pyarrow", "pandas")):
        raise MissingExtraError("--cluster ray", "ray")
    from lapdepth.inference.engine import read_model_config
    from lapdepth.inference.predictor import tell_assumption
    from lapdepth.io import store
    from lapdepth.zoo import tell_licence_once

    remote = is_url(output)
    skip = (lambda top, path: False) if remote else partial(batch.is_earlier_result, Path(output))
    paths, problems = expand_inputs([text for text in inputs if not is_url(text)], skip)
    urls: dict[str, None] = {}
    for text in filter(is_url, inputs):
        try:
            urls |= dict.fromkeys(store.pictures_below(text, but=output))
        except LapDepthError as error:
            problems.append(error)
    sources = [*map(str, paths), *urls]
    _check_any(len(sources), problems, output)
    names = batch.output_names([*paths, *map(store.as_path, urls)])
    if remote:
        stems = [store.join(output, str(name)) for name in names]
        store.check_not_overwriting([*urls, *map(store.local_url, paths)], stems, batch.FORMATS.values())
    else:
        local = [Path(output) / name for name in names]
        batch.check_not_overwriting(paths, local, job.formats)
        # A picture named as file:// may lie there too.
        store.check_not_overwriting(list(urls), list(map(store.local_url, local)), [batch.FORMATS[name] for name in job.formats])
        batch.make_folder(Path(output))
        stems = [str(Path(output) / name) for name in names]
    config, _ = read_model_config(job.model)
    tell_licence_once(config.name, config.licence)
    from lapdepth.inference.cluster import cluster, predict_on_cluster  # starts slowly: after all that can be wrong

    skipped, told = 0, False

    def outcomes() -> Iterable[str | None]:
        nonlocal skipped, told
        for outcome in predict_on_cluster(job, at_once, sources, stems):
            skipped += outcome.skipped
            if outcome.assumed_focal and not told:
                told = True
                tell_assumption(config)
            yield outcome.error

    with cluster(workers) as at_once:
        failed = _report(outcomes(), len(sources))
    _finish(failed, skipped, len(sources), output, problems)


def _check_any(count: int, problems: list[LapDepthError], output: str) -> None:
    """Print what was wrong with the inputs, and end where nothing is left to do."""
    for problem in problems:
        print_error(str(problem))
    if not count and problems:
        raise typer.Exit(1)
    if not count:
        raise InputError(
            f"nothing to do: all pictures found are results of an earlier run in {output}; name pictures or another --output"
        )


def _report(errors: Iterable[LapDepthError | MemoryError | str | None], total: int) -> int:
    """Show progress, of more than one picture, and print what fails; returns how many did."""
    failed = 0
    with progress_bar() if total > 1 else nullcontext(lambda *_: None) as show:
        for number, error in enumerate(errors, 1):
            if error is not None:
                failed += 1
                print_error(str(error) or "out of memory")
            show("predicting", number, total)
    return failed


def _finish(failed: int, skipped: int, total: int, output: str, problems: list[LapDepthError]) -> None:
    before = f", {skipped} were there already" if skipped else ""
    typer.echo(printable(f"{total - failed - skipped} of {total} pictures written to {output}{before}"))
    if failed or problems:
        raise typer.Exit(1)
