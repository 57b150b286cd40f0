"""PyTorch engine: any device that PyTorch runs on. The only file of this package that imports the network.

Legend: B batch, H and W height and width, multiples of the model's stride.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from lapdepth.camera import FloatArray
from lapdepth.errors import InputError, ModelError
from lapdepth.model.checkpoint import load_model
from lapdepth.model.fold import fold


class TorchEngine:
    """Runs a model folder.

    Args:
        folder: The model folder.
        device: A torch device; `None` takes CUDA, then Apple's MPS, then the CPU.

    Attributes:
        name: `torch`.
        config: The model's configuration.

    Raises:
        InputError: There is no such device.
    """

    name = "torch"

    def __init__(self, folder: Path, device: str | None = None) -> None:
        self._device = device or _best_device()
        network = fold(load_model(folder))
        try:
            self._network = network.to(self._device).to(memory_format=torch.channels_last)
        except (RuntimeError, AssertionError) as error:  # an unknown name, no driver, or a PyTorch built without it
            raise InputError(f"cannot use device '{self._device}': {str(error).splitlines()[0]}") from None
        self.config = self._network.config

    def __call__(self, image: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """As `OnnxEngine.__call__`."""
        try:
            with torch.inference_mode():
                out = self._network(torch.from_numpy(image).to(self._device).to(memory_format=torch.channels_last))
        except RuntimeError as error:  # out of memory, or a device without these operations
            reason = str(error).splitlines()[0]
            raise ModelError(f"model '{self.config.name}' failed on {image.shape} on {self._device}: {reason}") from None
        depth_m = np.asarray(out.depth_m.cpu().numpy(), np.float32)
        return depth_m, None if out.log_scale is None else np.asarray(out.log_scale.cpu().numpy(), np.float32)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
