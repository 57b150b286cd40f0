"""`lapdepth predict`."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class EngineChoice(StrEnum):
    """Engines by name."""

    AUTO = "auto"
    ONNX = "onnx"
    OPENVINO = "openvino"
    OPENVINO_BF16 = "openvino-bf16"
    TORCH = "torch"


class SkyChoice(StrEnum):
    """What sky becomes."""

    INVALID = "invalid"
    FAR = "far"


class ClusterChoice(StrEnum):
    """Kinds of cluster."""

    RAY = "ray"


def predict(
    output: Annotated[str, typer.Option(help="Folder for the results; made if missing. With --cluster also a URL.")],
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="INPUT...", help="Pictures, folders or quoted patterns; or videos.")
    ] = None,
    camera: Annotated[int | None, typer.Option(min=0, max=999, help="A camera's number, in place of INPUT.")] = None,
    model: Annotated[str, typer.Option(help="Embedded name, model folder, .onnx file or hub id.")] = "default",
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Comma-separated: png16, npz, exr, ply, color, compare [png16,color]; of a video: color, png16 [color].",
        ),
    ] = None,
    focal_px: Annotated[float | None, typer.Option(help="Focal length in pixels at the picture's own size.")] = None,
    fov_deg: Annotated[float | None, typer.Option(help="Horizontal field of view in degrees, in place of --focal-px.")] = None,
    engine: Annotated[EngineChoice, typer.Option(help="What runs the model.")] = EngineChoice.AUTO,
    device: Annotated[
        str | None, typer.Option(help="Of the torch engine, such as cuda:0; of onnx: cpu, cuda or tensorrt.")
    ] = None,
    native: Annotated[bool, typer.Option("--native", help="Do not scale to the model's working size.")] = False,
    flip: Annotated[bool, typer.Option("--flip", help="Average with the mirrored picture; takes twice as long.")] = False,
    sky: Annotated[
        SkyChoice, typer.Option(help="Sky, and what is too far to tell, has no depth, or the farthest that the model can give.")
    ] = SkyChoice.INVALID,
    png_scale: Annotated[float, typer.Option(help="png16: codes for one metre; 0 is invalid.")] = 256.0,
    near_m: Annotated[float | None, typer.Option(help="Depth of the warmest colour.")] = None,
    far_m: Annotated[float | None, typer.Option(help="Depth of the coldest colour.")] = None,
    range_m: Annotated[
        tuple[float, float] | None,
        typer.Option("--range", metavar="NEAR FAR", help="Both at once; of a video 1 to 80 if left out."),
    ] = None,
    steady: Annotated[
        bool, typer.Option("--steady", help="Of a video: mix each frame with the one before, moved along with the picture.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Leave out pictures whose results are there already.")] = False,
    cluster: Annotated[
        ClusterChoice | None,
        typer.Option(
            help="Predict on the cluster of RAY_ADDRESS, else one made of this machine; always resumes. INPUT may be URLs."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=9999, help="Pictures at once on the cluster; one a core.")] = None,
) -> None:
    """Predict depth in metres for pictures, videos or a camera.

    Of street.jpg come street_depth.png (16-bit), street_color.png and so on, and street.json with units, range, sizes,
    focal length, model and licence. Of drive.mp4 come drive_depth.mp4 in colours that keep their metres, drive_times.csv with
    the time of each frame, drive.json, and with --format png16 the frames in drive_depth/. Ctrl-C leaves complete files.
    """
    from lapdepth.errors import InputError
    from lapdepth.inference import batch
    from lapdepth.inference.many import Job
    from lapdepth.io.files import VIDEO_SUFFIXES

    if range_m is not None:
        if near_m is not None or far_m is not None:
            raise InputError("both --range and --near-m or --far-m are given; give one of them")
        near_m, far_m = range_m
    inputs = inputs or []
    videos = [Path(text) for text in inputs if Path(text).suffix.lower() in VIDEO_SUFFIXES and not os.path.isdir(text)]  # noqa: PTH112
    if not inputs and camera is None:
        raise typer.BadParameter("Missing argument 'INPUT...': name pictures, folders or videos, or give --camera")
    if (videos or camera is not None) and len(inputs) > (0 if camera is not None else len(videos)):
        raise InputError("pictures, videos and a camera are given together; predict them one after the other")
    moving = bool(videos) or camera is not None
    usual = "color" if moving else "png16,color"
    wanted = tuple(batch.parse_formats(usual if formats is None else formats))
    job = Job(model, engine.value, device, focal_px, fov_deg, native, flip, wanted, png_scale, near_m, far_m, sky.value)
    job.check()
    if workers is not None and cluster is None:
        raise InputError("--workers is for --cluster; without it every core takes a picture by itself")
    if moving:
        from lapdepth.cli.predict_videos import predict_videos

        if cluster is not None or resume:
            raise InputError("--cluster and --resume are for pictures; leave them out for videos and cameras")
        predict_videos(job, videos, camera, Path(output), steady)
    elif steady:
        raise InputError("--steady is for videos and cameras: pictures have no frame before")
    elif cluster is not None:
        from lapdepth.cli.predict_pictures import predict_on_ray

        predict_on_ray(job, inputs, output, workers)
    else:
        from lapdepth.cli.predict_pictures import predict_here

        predict_here(job, inputs, output, resume)
