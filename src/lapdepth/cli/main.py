"""The `lapdepth` command. Each command's file parses, calls the library and prints; heavy imports happen when it runs."""

from __future__ import annotations

import logging
import re
import sys

import typer

from lapdepth import __version__
from lapdepth.cli import benchmark, convert, data, evaluate, export, info, inspect, predict, render, track, train, warn
from lapdepth.errors import LapDepthError

app = typer.Typer(
    name="lapdepth",
    help="Depth in metres from one ordinary camera.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    predict.predict,
    info.info,
    inspect.inspect,
    convert.convert,
    export.export,
    train.train,
    evaluate.evaluate,
    render.render,
    track.track,
    warn.warn,
    benchmark.benchmark,
):
    app.command()(command)
app.add_typer(data.app, name="data")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lapdepth {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Options of the program itself."""


OUT_OF_MEMORY = "lapdepth: error: out of memory; use smaller pictures, or a smaller model"
INTERRUPTED = 130
"""Exit status that Typer, which prints nothing, gives to Ctrl-C: 128 and the number of SIGINT."""


def main() -> None:
    """Run the command line; what the package raises on purpose becomes one line on stderr and exit status 1."""
    logging.basicConfig(format="lapdepth: %(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        app(prog_name="lapdepth")
    except LapDepthError as error:
        sys.exit(f"lapdepth: error: {error}")
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            typer.echo("lapdepth: interrupted; files that are there under their names are whole", err=True)
        raise
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
    except RuntimeError as error:  # PyTorch's own, on processors and GPUs
        if re.search(r"can't allocate memory|out of memory", str(error)) is None:
            raise
        sys.exit(OUT_OF_MEMORY)
