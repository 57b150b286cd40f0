"""ONNX Runtime: the core's engine.

Legend: B batch, H and W height and width, multiples of the model's stride.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from lapdepth.camera import FloatArray
from lapdepth.config import ModelConfig
from lapdepth.errors import InputError, ModelError

CONFIG_KEY = "lapdepth_config"
"""Key of the configuration in a file's metadata."""
OUTPUT_DEPTH = "depth_m"
OUTPUT_LOG_SCALE = "log_scale"

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
"""ONNX Runtime's names of what it runs on."""

_FATAL = 4


class OnnxEngine:
    """Runs an exported model.

    Args:
        path: The `.onnx` file.
        threads: Threads of one prediction; 0 lets ONNX Runtime choose.
        provider: `cpu`, or `cuda` or `tensorrt` where the installed ONNX Runtime has them.

    Attributes:
        name: `onnx`.
        config: The configuration stored in the file.

    Raises:
        InputError: The installed ONNX Runtime has no such provider.
        ModelError: The file is damaged, or was not written by `lapdepth export`.
    """

    name = "onnx"

    def __init__(self, path: Path, threads: int = 0, provider: str = "cpu") -> None:
        self._session = _open(path, threads, provider)
        self.config = _config(self._session, path)

    def __call__(self, image: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """Depth at the training focal length, and the logarithm of the error's scale where the model predicts it.

        Args:
            image: (B, 3, H, W) float32 RGB in [0, 1].

        Returns:
            (B, 1, H, W) metres, and (B, 1, H, W) or `None`.

        Raises:
            ModelError: The file does not take such an image, or there is too little memory.
        """
        try:
            outputs = self._session.run(None, {"image": image})
        except Exception as error:  # as above
            raise ModelError(f"model '{self.config.name}' failed on {image.shape}: {str(error).splitlines()[0]}") from None
        batch, _, height, width = image.shape
        for output in outputs:
            if not isinstance(output, np.ndarray) or output.dtype.kind != "f":
                kind = output.dtype if isinstance(output, np.ndarray) else type(output).__name__
                raise ModelError(f"model '{self.config.name}' gave {kind}; expected float32. Export it again")
            if output.shape != (batch, 1, height, width):
                raise ModelError(f"model '{self.config.name}' gave {output.shape} for {image.shape}; export it again")
        return np.asarray(outputs[0], np.float32), np.asarray(outputs[1], np.float32) if len(outputs) > 1 else None


def read_onnx_config(path: Path) -> ModelConfig:
    """The configuration in an exported file.

    Raises:
        ModelError: As `OnnxEngine`.
    """
    return _config(_open(path, 1, "cpu", optimise=False), path)


def _open(path: Path, threads: int, provider: str, optimise: bool = True) -> onnxruntime.InferenceSession:
    available = [name for name, long in PROVIDERS.items() if long in onnxruntime.get_available_providers()]
    if provider not in available:
        raise InputError(f"the onnx engine runs on {', '.join(available)} here, not on '{provider}'")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _FATAL  # what goes wrong is raised, with one line of its own
    # Threads that wait for the next prediction by spinning would take the cores from reading and writing.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        chosen = list(dict.fromkeys([PROVIDERS[provider], PROVIDERS["cpu"]]))
        return onnxruntime.InferenceSession(str(path), options, providers=chosen)
    except Exception as error:  # ONNX Runtime's own kinds, which differ between releases
        raise ModelError(f"cannot read {path} as an ONNX model: {str(error).splitlines()[0]}") from None


def _config(session: onnxruntime.InferenceSession, path: Path) -> ModelConfig:
    metadata = session.get_modelmeta().custom_metadata_map
    if CONFIG_KEY not in metadata:
        raise ModelError(f"{path} has no LapDepth configuration in its metadata; write it with: lapdepth export")
    config = ModelConfig.from_json(metadata[CONFIG_KEY], str(path))
    names = [OUTPUT_DEPTH, OUTPUT_LOG_SCALE] if config.uncertainty else [OUTPUT_DEPTH]
    found = [output.name for output in session.get_outputs()]
    if found != names:
        raise ModelError(f"{path} has the outputs {found}, its configuration asks for {names}; export it again")
    return config
