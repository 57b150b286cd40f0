"""Put a trained model into the package: weights in half precision, and the ONNX file made from those very weights.

Run ``python scripts/package_model.py runs/default/model default``. The model card and the licence beside the weights are
written by hand; the configuration comes with the trained model.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lapdepth.export.onnx import export_onnx
from lapdepth.model.checkpoint import load_model, save_model
from lapdepth.zoo import CONFIG_FILE, ONNX_FILE, WEIGHTS_FILE

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "lapdepth" / "weights"
MAX_BYTES = 15_000_000


def package(trained: Path, name: str) -> None:
    """Copy, round, export; refuse what is too large to ship."""
    target = PACKAGE / name
    target.mkdir(parents=True, exist_ok=True)
    rounded = target.with_name(f".{name}-rounded")
    save_model(load_model(trained), rounded, half=True)
    for file in (CONFIG_FILE, WEIGHTS_FILE):
        (rounded / file).replace(target / file)
    rounded.rmdir()
    difference = export_onnx(load_model(target), target / ONNX_FILE)
    size = sum((target / file).stat().st_size for file in (CONFIG_FILE, WEIGHTS_FILE, ONNX_FILE))
    print(f"{target}: {size / 1e6:.2f} MB, ONNX within {difference:.1e} of PyTorch")
    if size > MAX_BYTES:
        sys.exit(f"{size} bytes are more than the {MAX_BYTES} that a model in the package may take")


if __name__ == "__main__":
    package(Path(sys.argv[1]), sys.argv[2])
