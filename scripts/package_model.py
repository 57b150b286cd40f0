"""Put a trained model into the package: weights in half precision, and the ONNX file made from those very weights.

The encoder's norms, which training left frozen, are moved into its convolutions first, so that both files hold the same
numbers and either may be half as large.

Run ``python scripts/package_model.py runs/default/model default``. The model card and the licence beside the weights are
written by hand; the configuration comes with the trained model.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from lapdepth.export.onnx import export_onnx
from lapdepth.model.checkpoint import load_model, save_model
from lapdepth.model.fold import absorb_norms
from lapdepth.zoo import CONFIG_FILE, ONNX_FILE, WEIGHTS_FILE

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "lapdepth" / "weights"
FILES = (CONFIG_FILE, WEIGHTS_FILE, ONNX_FILE)
MAX_BYTES = 15_000_000


def package(trained: Path, name: str) -> None:
    """Round and export aside, refuse what is too large to ship, and only then replace the three files."""
    target = PACKAGE / name
    PACKAGE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PACKAGE, prefix=f".{name}-") as scratch:
        made = Path(scratch) / name
        network = load_model(trained)
        absorb_norms(network.encoder)
        save_model(network, made, half=True)
        difference = export_onnx(load_model(made), made / ONNX_FILE, compact=True)
        size = sum((made / file).stat().st_size for file in FILES)
        if size > MAX_BYTES:
            sys.exit(f"{size} bytes are more than the {MAX_BYTES} that a model in the package may take; nothing was replaced")
        target.mkdir(exist_ok=True)
        for file in FILES:
            (made / file).replace(target / file)
    print(f"{target}: {size / 1e6:.2f} MB, ONNX within {difference:.1e} of PyTorch")


if __name__ == "__main__":
    package(Path(sys.argv[1]), sys.argv[2])
