"""What an engine or a precision costs in accuracy, for the table of speeds."""

from __future__ import annotations

from pathlib import Path

from lapdepth.camera import FloatArray, Intrinsics
from lapdepth.data.manifest import load_sample, read_manifest
from lapdepth.evaluation.evaluate import evaluate
from lapdepth.evaluation.protocols import BoolArray, find_protocol
from lapdepth.imaging import ByteArray
from lapdepth.inference.engine import Engine
from lapdepth.inference.predictor import DepthPredictor


class Cost:
    """Scores engines on the same pictures, as `lapdepth evaluate` does.

    Args:
        manifest: CSV of pictures with measured depth.
        protocol: Name of the protocol.
        split: Only rows of this split.
        most: Of so many pictures, evenly spread.

    Raises:
        ReadError: The manifest cannot be read.
        ConfigError: There is no such protocol.
    """

    def __init__(self, manifest: Path, protocol: str, split: str | None = None, most: int = 100) -> None:
        self._protocol = find_protocol(protocol)
        rows = read_manifest(manifest, split)
        self._rows = rows[:: -(-len(rows) // most)]

    def __call__(self, engine: Engine) -> tuple[float, float]:
        """Its abs_rel and delta1."""
        predictor = DepthPredictor(engine)

        def predict(image: ByteArray, camera: Intrinsics) -> tuple[FloatArray, FloatArray | None, BoolArray]:
            result = predictor(image, focal_px=camera.focal_px)
            return result.depth_m, None, result.valid

        metrics = evaluate(predict, (load_sample(row) for row in self._rows), self._protocol).metrics
        return round(metrics["abs_rel"], 4), round(metrics["delta1"], 4)
