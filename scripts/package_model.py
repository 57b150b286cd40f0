"""Put a trained model into the package: weights in half precision, and the ONNX file made from those very weights.

The encoder's norms, which training left frozen, are moved into its convolutions first, so that both files hold the same
numbers and either may be half as large. What is the same to the bit is stored once: `model.onnx` points into `model.safetensors`,
as ONNX allows for data outside of a file, so the two belong together.

Run ``python scripts/package_model.py runs/default/model default``. The model card and the licence beside the weights are
written by hand; the configuration comes with the trained model.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import onnx

from lapdepth.errors import LapDepthError
from lapdepth.export.onnx import MAX_RELATIVE_DIFFERENCE, compare_with_torch, export_onnx
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
        export_onnx(load_model(made), made / ONNX_FILE, compact=True)
        share_weights(made / ONNX_FILE, made / WEIGHTS_FILE)
        difference = compare_with_torch(load_model(made), made / ONNX_FILE)
        if not difference <= MAX_RELATIVE_DIFFERENCE:
            sys.exit(f"the packed model differs from PyTorch by {difference:.1e} relative; nothing was replaced")
        size = sum((made / file).stat().st_size for file in FILES)
        if size > MAX_BYTES:
            sys.exit(f"{size} bytes are more than the {MAX_BYTES} that a model in the package may take; nothing was replaced")
        target.mkdir(exist_ok=True)
        for file in FILES:
            (made / file).replace(target / file)
    print(f"{target}: {size / 1e6:.2f} MB, ONNX within {difference:.1e} of PyTorch")


def share_weights(onnx_file: Path, weights_file: Path) -> int:
    """Let an ONNX file take from a safetensors file in its folder what is in there byte for byte; returns how many tensors."""
    data = weights_file.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    places = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            first, end = (start + offset for offset in entry["data_offsets"])
            places[data[first:end]] = first
    model = onnx.load(onnx_file)
    shared = 0
    for tensor in model.graph.initializer:
        raw = tensor.raw_data
        if tensor.data_type == onnx.TensorProto.FLOAT16 and raw in places:
            onnx.external_data_helper.set_external_data(tensor, weights_file.name, offset=places[raw], length=len(raw))
            tensor.ClearField("raw_data")
            shared += 1
    onnx_file.write_bytes(model.SerializeToString())
    return shared


def main() -> None:
    """Package what the command line names."""
    if len(sys.argv) != 3:
        sys.exit(f"package_model: got {len(sys.argv) - 1} words; expected the folder of a trained model and the name to give it")
    try:
        package(Path(sys.argv[1]), sys.argv[2])
    except (LapDepthError, OSError) as error:
        sys.exit(f"package_model: {error}")


if __name__ == "__main__":
    main()
