"""What users may rely on: the names, what importing them costs, and that the core works where PyTorch is not installed."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

import lapdepth

HEAVY = ("torch", "cv2", "onnxruntime", "typer", "numpy", "PIL", "pydantic", "rich")
TORCH_EXTRA = ("huggingface_hub", "onnx", "onnxscript", "safetensors", "tensorboard", "timm", "torch", "torchvision")

RUN = """
import atexit, sys
atexit.register(lambda: print("loaded", *sorted(set({heavy!r}) & set(sys.modules)), file=sys.stderr))
for name in {hidden!r}:
    sys.modules[name] = None  # an import now fails as if it were not installed
from lapdepth.cli.main import main
main()
"""


def python(code, *args, cwd=None):
    return subprocess.run([sys.executable, "-W", "error", "-c", code, *args], cwd=cwd, capture_output=True, text=True)


def command_line(*args, hidden=(), heavy=(), cwd=None):
    return python(RUN.format(hidden=hidden, heavy=heavy), *map(str, args), cwd=cwd)


def without_torch(*args, cwd):
    return command_line(*args, hidden=TORCH_EXTRA, cwd=cwd)


def errors(done):
    return [line for line in done.stderr.splitlines() if line.startswith("lapdepth: error:")]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path):
    """A picture, depth of the same size, and a manifest."""
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "a.png"), rng.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    cv2.imwrite(str(tmp_path / "a_truth.png"), rng.integers(256, 2560, (64, 96)).astype(np.uint16))
    (tmp_path / "list.csv").write_text(
        "image,depth,units_per_metre,fx_px,fy_px,cx_px,cy_px,split\na.png,a_truth.png,256,80,80,47.5,31.5,test\n"
    )
    return tmp_path


# --- names


def test_public_names():
    assert lapdepth.__all__ == ["DepthPredictor", "DepthResult", "Intrinsics", "LapDepthError", "__version__", "load_model"]
    assert dir(lapdepth) == sorted(lapdepth.__all__)


def test_public_names_are_the_things_themselves():
    from lapdepth.camera import Intrinsics
    from lapdepth.errors import LapDepthError
    from lapdepth.inference.predictor import DepthPredictor
    from lapdepth.inference.result import DepthResult

    found = (lapdepth.DepthPredictor, lapdepth.DepthResult, lapdepth.Intrinsics, lapdepth.LapDepthError)
    assert found == (DepthPredictor, DepthResult, Intrinsics, LapDepthError)


def test_load_model_is_public():
    pytest.importorskip("torch")
    from lapdepth.model.checkpoint import load_model

    assert lapdepth.load_model is load_model


def test_unknown_name():
    with pytest.raises(AttributeError, match="'lapdepth' has no attribute 'predict_depth'"):
        lapdepth.predict_depth  # noqa: B018


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        ("InputError", ValueError),
        ("ReadError", OSError),
        ("OutputError", OSError),
        ("ConfigError", ValueError),
        ("ModelError", ValueError),
        ("MissingExtraError", ImportError),
    ],
)
def test_errors_are_of_one_family_and_of_a_builtin(error, builtin):
    from lapdepth import errors

    kind = getattr(errors, error)
    assert issubclass(kind, lapdepth.LapDepthError)
    assert issubclass(kind, builtin)


# --- what an import costs


def test_import_loads_nothing_heavy():
    done = python(f"import sys, lapdepth; print(sorted(set({HEAVY!r}) & set(sys.modules)), lapdepth.__version__)")
    assert (done.stdout, done.stderr) == (f"[] {lapdepth.__version__}\n", "")


@pytest.mark.parametrize(
    "command",
    [None, "predict", "evaluate", "info", "train", "export", "convert", "inspect", "render", "track", "benchmark", "data"],
)
def test_help_loads_nothing_heavy(command):
    heavy = ("torch", "cv2", "onnxruntime", "numpy", "PIL")
    done = command_line(*([command] if command else []), "--help", heavy=heavy)
    assert done.stdout.startswith("Usage: ")
    assert (done.returncode, done.stderr) == (0, "loaded\n")


def test_prediction_does_not_load_torch(folder):
    done = command_line("predict", "a.png", "--output", "out", "--fov-deg", 60, heavy=("torch", "onnxruntime"), cwd=folder)
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == "loaded onnxruntime"


# --- where PyTorch is not installed


def test_predict_without_torch(folder):
    done = without_torch("predict", "a.png", "--output", "out", "--format", "png16,npz,ply,color,compare", cwd=folder)
    assert (done.returncode, errors(done)) == (0, [])
    written = ["a.json", "a.ply", "a_color.png", "a_compare.png", "a_depth.npz", "a_depth.png"]
    assert names(folder / "out") == written
    assert json.loads((folder / "out" / "a.json").read_text())["engine"] == "onnx"


def test_info_without_torch(folder):
    done = without_torch("info", cwd=folder)
    assert (done.returncode, errors(done)) == (0, [])
    for word in ("max_depth_m", "focal_px", "licence", "model.onnx"):
        assert word in done.stdout


def test_evaluate_without_torch(folder):
    args = ("evaluate", "--manifest", "list.csv", "--protocol", "plain", "--json", "scores.json", "--html", "report.html")
    done = without_torch(*args, cwd=folder)
    assert (done.returncode, errors(done)) == (0, [])
    assert json.loads((folder / "scores.json").read_text())["images"] == 1
    assert "<h2>Results" in (folder / "report.html").read_text()


@pytest.mark.parametrize(
    "args",
    [
        ("train", "run.toml"),
        ("export", "default", "--output", "m.onnx"),
        ("convert", "in.pkl", "--max-depth-m", "80", "--output", "m"),
        ("inspect", "default"),
        ("render", "road:1", "--output", "d"),
    ],
    ids=lambda args: args[0],
)
def test_torch_commands_name_the_extra(folder, args):
    before = names(folder)
    done = without_torch(*args, cwd=folder)
    line = f"lapdepth: error: lapdepth {args[0]} needs the 'torch' extra; install it with: pip install 'lapdepth[torch]'"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{line}\nloaded\n")
    assert names(folder) == before


@pytest.mark.parametrize("hidden", [TORCH_EXTRA, ("timm",), ("safetensors",)], ids=["all", "timm", "safetensors"])
def test_torch_engine_names_the_extra(folder, hidden):
    done = command_line("predict", "a.png", "--output", "out", "--engine", "torch", hidden=hidden, cwd=folder)
    line = "lapdepth: error: engine torch needs the 'torch' extra; install it with: pip install 'lapdepth[torch]'"
    assert (done.returncode, done.stderr) == (1, f"{line}\nloaded\n")


def test_load_model_without_torch():
    done = python(
        f"import sys\nfor name in {TORCH_EXTRA!r}: sys.modules[name] = None\n"
        "import lapdepth\n"
        "try: lapdepth.load_model\n"
        "except lapdepth.LapDepthError as error: print(type(error).__name__, error)"
    )
    line = "MissingExtraError lapdepth.load_model needs the 'torch' extra; install it with: pip install 'lapdepth[torch]'\n"
    assert (done.stdout, done.stderr) == (line, "")


def test_hub_model_without_its_client(folder):
    done = without_torch("info", "owner/name", cwd=folder)
    assert done.returncode == 1
    assert errors(done) == [
        "lapdepth: error: model 'owner/name' from the hub needs the 'hub' extra; install it with: pip install 'lapdepth[hub]'"
    ]
