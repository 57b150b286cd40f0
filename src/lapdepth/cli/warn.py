"""`lapdepth warn`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer


def warn(
    source: Annotated[str, typer.Argument(metavar="VIDEO|CAMERA|FOLDER", help="A video, a camera's number, or pictures.")],
    focal_px: Annotated[float | None, typer.Option(help="Focal length in pixels at the frames' own size.")] = None,
    camera_height_m: Annotated[
        float | None, typer.Option(help="Height of the camera above the road: corrects the metres.")
    ] = None,
    camera_to_front_m: Annotated[float, typer.Option(help="From the camera forward to the bumper.")] = 0.0,
    ego_speed_mps: Annotated[float | None, typer.Option(help="Own speed, the same all the time.")] = None,
    ego_speed_csv: Annotated[
        Path | None, typer.Option(help="Own speed: columns time_s, from the first frame, and speed_mps.")
    ] = None,
    model: Annotated[str, typer.Option(help="Embedded name, model folder, .onnx file or hub id.")] = "default",
    fps: Annotated[float | None, typer.Option(help="Frames a second, of a folder.")] = None,
    timestamps: Annotated[Path | None, typer.Option(help="Of a folder: a file of times, one a line.")] = None,
    output: Annotated[Path | None, typer.Option(help="Overlay video to write, .mp4.")] = None,
    events: Annotated[Path | None, typer.Option(help="Alerts, one line of JSON each.")] = None,
    frames: Annotated[Path | None, typer.Option(help="Every frame, one line of JSON; on stdout if left out.")] = None,
) -> None:
    """Warn before a collision. No certified safety system: it warns, it does not brake, and nobody may rely on it.

    Without own speed or focal length it runs on time to collision alone, and says so.
    Ctrl-C or SIGTERM ends it with its files complete.
    """
    from lapdepth.collision.run import Options, run
    from lapdepth.collision.settings import warner_settings

    settings = warner_settings(camera_height_m, camera_to_front_m)
    options = Options(source, focal_px, ego_speed_mps, ego_speed_csv, model, fps, timestamps, output, events, frames)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service or a container is stopped as by Ctrl-C
    try:
        summary = run(options, settings, typer.echo)
    finally:
        signal.signal(signal.SIGTERM, before)
    typer.echo(summary, err=True)
