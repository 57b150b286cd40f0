"""One picture in, metres out.

    io.images.read_image      file               -> (H, W, 3) uint8 RGB
    imaging.fit               (H, W, 3) uint8    -> (1, 3, H', W') float32 in [0, 1], with what the focal length was scaled by
    engine(image)             (1, 3, H', W')     -> (1, 1, H', W') metres at the training focal length
    Fitted.restore            (H', W')           -> (H, W)
    sharpen_edges             (H, W)             -> (H, W), with the picture's help, where the model asks for it
    x focal length / training focal length

Legend: H, W height and width of the picture; H', W' of the network's input.
"""

from __future__ import annotations

import logging
import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self, get_args, overload

import numpy as np
from PIL.Image import Image

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.config import ModelConfig
from lapdepth.errors import InputError, ModelError
from lapdepth.imaging import ByteArray, Fitted, check_rgb, fit
from lapdepth.inference import confidence
from lapdepth.inference.engine import Engine, EngineName, open_engine
from lapdepth.inference.result import DepthResult, SkyAs
from lapdepth.inference.sharpening import sharpen_edges
from lapdepth.io.images import Picture, from_pil, read_image

if TYPE_CHECKING:
    PictureInput = str | Path | Image | ByteArray | Picture

NATIVE_BUDGET_BYTES = 4 * 2**30
"""Memory that a prediction at the picture's own size may take."""

ASSUMED = "assumed field of view"
"""`DepthResult.focal_source` where neither an option nor EXIF tells the focal length."""

logger = logging.getLogger("lapdepth")


class DepthPredictor:
    """Predicts depth with one model.

    Args:
        engine: An opened model, see `from_pretrained`.
        sharpen_edges: Whether smeared edges are made steps; `None`: as the model's configuration says.

    Example:
        >>> predictor = DepthPredictor.from_pretrained()
        >>> result = predictor(np.zeros((240, 320, 3), np.uint8), focal_px=260)
        >>> result.depth_m.shape
        (240, 320)
    """

    def __init__(self, engine: Engine, sharpen_edges: bool | None = None) -> None:
        self.engine = engine
        self.sharpens_edges = engine.config.sharpen_edges if sharpen_edges is None else sharpen_edges
        self._told_assumption = False
        self._telling = threading.Lock()

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = "default",
        engine: EngineName = "auto",
        device: str | None = None,
        threads: int = 0,
        sharpen_edges: bool | None = None,
    ) -> Self:
        """Open a model.

        Args:
            model: Name of an embedded model, a model folder, an `.onnx` file or a hub id.
            engine: `onnx`, `openvino`, `openvino-bf16`, `torch`, or `auto`: what `lapdepth benchmark` found fastest in float32
                for this model on this machine; where it has not run, ONNX Runtime where the model has an ONNX file, else PyTorch.
            device: A torch device, which chooses the torch engine; with `onnx`: `cpu`, `cuda` or `tensorrt`.
            threads: Threads of one prediction with ONNX Runtime or OpenVINO; 0 takes all cores.
            sharpen_edges: Whether smeared edges are made steps; `None`: as the model's configuration says.

        Raises:
            InputError: `device` goes with another engine, or there is no such device.
            ModelError: No such model, or a damaged one.
            MissingExtraError: An optional dependency is needed and not installed.
        """
        return cls(open_engine(model, engine, device, threads), sharpen_edges)

    @property
    def config(self) -> ModelConfig:
        """The model's configuration."""
        return self.engine.config

    @overload
    def __call__(
        self,
        image: PictureInput,
        *,
        focal_px: float | None = None,
        fov_deg: float | None = None,
        native: bool = False,
        flip: bool = False,
        sky: SkyAs = "invalid",
    ) -> DepthResult: ...
    @overload
    def __call__(
        self,
        image: list[PictureInput] | tuple[PictureInput, ...],
        *,
        focal_px: float | None = None,
        fov_deg: float | None = None,
        native: bool = False,
        flip: bool = False,
        sky: SkyAs = "invalid",
    ) -> list[DepthResult]: ...
    def __call__(
        self,
        image: PictureInput | list[PictureInput] | tuple[PictureInput, ...],
        *,
        focal_px: float | None = None,
        fov_deg: float | None = None,
        native: bool = False,
        flip: bool = False,
        sky: SkyAs = "invalid",
    ) -> DepthResult | list[DepthResult]:
        """Predict depth of a picture, or of each in a list.

        Args:
            image: Path, PIL image, (H, W, 3) uint8 RGB or what `read_image` gives; or a list or tuple of them.
            focal_px: Focal length in pixels of the picture at its own size.
            fov_deg: Horizontal field of view in degrees, in place of `focal_px`. With neither, EXIF, else the model's assumption.
            native: Predict at the picture's own size, within `NATIVE_BUDGET_BYTES`, not at the model's working size.
            flip: Average with the prediction of the mirror image: twice the time, a little more accurate.
            sky: `invalid` leaves sky out of `valid`; `far` gives it the farthest metres of the model and counts it as valid.

        Returns:
            The result, or a list of them in order.

        Raises:
            ReadError: The file cannot be read.
            InputError: The picture or an option cannot be used.
            ModelError: The model gave something that is not a depth.
        """
        if isinstance(image, (list, tuple)):
            return [self(one, focal_px=focal_px, fov_deg=fov_deg, native=native, flip=flip, sky=sky) for one in image]
        if sky not in get_args(SkyAs):
            raise InputError(f"sky is '{sky}'; expected {' or '.join(get_args(SkyAs))}")
        picture = _picture(image)
        camera, source = self._camera(picture, focal_px, fov_deg)
        if native:
            check_native_size(picture.rgb.shape[:2], self.config)
        working_size = None if native else self.config.working_size
        fitted = fit(picture.rgb, self.config.stride, working_size)
        depth_m, sureness = self._run(fitted)
        if flip:
            mirrored = fit(np.ascontiguousarray(picture.rgb[:, ::-1]), self.config.stride, working_size)
            other_m = self._run(mirrored)[0][:, ::-1]
            if sureness is None:
                sureness = confidence.from_flip(depth_m, other_m, self.config.error_scale)
            depth_m = np.float32(0.5) * (depth_m + other_m)
        if self.sharpens_edges:
            depth_m = sharpen_edges(depth_m, picture.rgb, 1 / fitted.scale)
        # A camera with twice the focal length sees a thing at twice the depth as the training camera saw it.
        ratio = 1.0 if self.config.focal_px is None else camera.focal_px * fitted.scale / self.config.focal_px
        range_m = _range(self.config, ratio)
        in_sky = depth_m >= (self.config.far_m or math.inf)
        depth_m = depth_m * np.float32(ratio)
        return DepthResult(
            depth_m=np.where(in_sky, np.float32(range_m[1]), depth_m) if sky == "far" else depth_m,
            valid=np.ones_like(in_sky) if sky == "far" else ~in_sky,
            sky=in_sky,
            sky_as=sky,
            confidence=sureness,
            image=picture.rgb,
            intrinsics=camera,
            focal_source=source,
            network_size=fitted.size,
            range_m=range_m,
            config=self.config,
            engine=self.engine.name,
            path=picture.path,
        )

    def _camera(self, picture: Picture, focal_px: float | None, fov_deg: float | None) -> tuple[Intrinsics, str]:
        height, width = picture.rgb.shape[:2]
        if focal_px is not None and fov_deg is not None:
            raise InputError("both focal_px and fov_deg are given; give one of them")
        if focal_px is not None:
            return Intrinsics.from_focal(width, height, focal_px), "option"
        if fov_deg is not None:
            return Intrinsics.from_fov(width, height, fov_deg), "option"
        if picture.focal_px is not None:
            return Intrinsics.from_focal(width, height, picture.focal_px), "exif"
        with self._telling:
            told, self._told_assumption = self._told_assumption, True
        if not told:
            tell_assumption(self.config)
        # Along the longer side, so that a portrait photograph is taken with the same camera as a landscape one.
        longer = Intrinsics.from_fov(max(width, height), 1, self.config.fov_deg)
        return Intrinsics.from_focal(width, height, longer.fx_px), ASSUMED

    def _run(self, fitted: Fitted) -> tuple[FloatArray, FloatArray | None]:
        """Depth (H, W) at the training focal length, and confidence (H, W) or `None`."""
        depth_m, log_scale = self.engine(fitted.tensor)
        sound = np.isfinite(depth_m).all() and (depth_m > 0).all() and (log_scale is None or np.isfinite(log_scale).all())
        if not sound:
            raise ModelError(f"model '{self.config.name}' gave NaN or a depth that is not positive; its weights are damaged")
        sureness = (
            None if log_scale is None else fitted.restore(confidence.from_log_scale(log_scale[0, 0], self.config.error_scale))
        )
        return fitted.restore(depth_m[0, 0]), sureness


def tell_assumption(config: ModelConfig) -> None:
    """Warn that the metres rest on a guessed camera."""
    logger.warning(
        "no focal length given or in EXIF: assuming a field of view of %g degrees along the longer side; "
        "metres are as good as that guess",
        config.fov_deg,
    )


def check_native_size(size: tuple[int, ...], config: ModelConfig) -> None:
    """Raise `InputError` where a prediction at (height, width) would take more than `NATIVE_BUDGET_BYTES`.

    The estimate is what was measured with ONNX Runtime: about twelve float32 maps of the finest level's width.
    """
    widest = config.decoder.widths[-1] if config.decoder else 64
    needed = size[0] * size[1] * widest * 12 * 4
    if needed > NATIVE_BUDGET_BYTES:
        raise InputError(
            f"picture of {size[0]}x{size[1]} would take about {needed / 2**30:.1f} GiB at its own size, more than the "
            f"{NATIVE_BUDGET_BYTES / 2**30:.0f} GiB allowed; leave native off or make it smaller"
        )


def _picture(image: PictureInput) -> Picture:
    if isinstance(image, Picture):
        return image
    if isinstance(image, (str, Path)):
        return read_image(Path(image))
    if isinstance(image, np.ndarray):
        check_rgb(image)
        return Picture(image, None, None)
    if isinstance(image, Image):
        return from_pil(image)
    raise InputError(f"picture is {type(image).__name__}; expected a path, a PIL image or an (H, W, 3) uint8 RGB array")


def _range(config: ModelConfig, ratio: float) -> tuple[float, float]:
    """Nearest and farthest metres that the head can give: its residuals add up to between -(levels - 1) and levels."""

    def metres(total: float) -> float:
        share = 1 / (1 + math.exp(-total))
        if config.min_depth_m is None:
            return config.max_depth_m * share
        return float(config.min_depth_m * (config.max_depth_m / config.min_depth_m) ** share)

    return metres(1 - config.levels) * ratio, min(metres(config.levels), config.far_m or math.inf) * ratio
