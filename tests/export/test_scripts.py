"""Scripts of the repository: packaging replaces all or nothing, the benchmark draws what training draws."""

import importlib.util
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the scripts need the torch extra")

from lapdepth.errors import ModelError  # noqa: E402
from lapdepth.model.checkpoint import load_model, save_model  # noqa: E402
from model.designs import build  # noqa: E402
from training.runs import make_run  # noqa: E402

SCRIPTS = Path(__file__).parents[2] / "scripts"


def script(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def packaging(tmp_path, monkeypatch):
    """The script with another place for models, one old model in it, and an export that takes no time."""
    module = script("package_model")
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "weights")
    monkeypatch.setattr(module, "export_onnx", lambda network, path: path.write_bytes(network.config.name.encode()) and 1e-6)
    save_model(build("shallow"), tmp_path / "weights" / "default")
    (tmp_path / "weights" / "default" / "model.onnx").write_bytes(b"shallow")
    (tmp_path / "weights" / "default" / "LICENSE").write_text("CC0")
    save_model(build("small"), tmp_path / "trained")
    return module


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_packaging_replaces_three_files(packaging, tmp_path):
    packaging.package(tmp_path / "trained", "default")
    folder = tmp_path / "weights" / "default"
    assert load_model(folder).config.name == "small"
    assert (folder / "model.onnx").read_bytes() == b"small"
    assert sorted(path.name for path in folder.iterdir()) == ["LICENSE", "config.json", "model.onnx", "model.safetensors"]
    assert [path.name for path in folder.parent.iterdir()] == ["default"]


def test_packaging_a_model_too_large_replaces_nothing(packaging, tmp_path, monkeypatch):
    before = contents(tmp_path / "weights")
    monkeypatch.setattr(packaging, "MAX_BYTES", 1000)
    with pytest.raises(SystemExit, match="more than the 1000"):
        packaging.package(tmp_path / "trained", "default")
    assert contents(tmp_path / "weights") == before
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["default"]


def test_packaging_a_model_that_exports_wrongly_replaces_nothing(packaging, tmp_path, monkeypatch):
    def fails(network, path):
        raise ModelError("the export differs")

    before = contents(tmp_path / "weights")
    monkeypatch.setattr(packaging, "export_onnx", fails)
    with pytest.raises(ModelError, match="the export differs"):
        packaging.package(tmp_path / "trained", "default")
    assert contents(tmp_path / "weights") == before


class SeenError(Exception):
    pass


def test_the_benchmark_draws_from_the_sources_of_training(tmp_path, monkeypatch):
    module = script("benchmark")
    seen = []

    def spy(sources, *_settings):
        seen.extend(sources)
        raise SeenError

    monkeypatch.setattr(module, "CounterDataset", spy)
    source = {"manifest": "manifest.csv", "fold": 1, "folds": 2, "window": (0, 0, 90, 60), "sky": True}
    config = make_run(tmp_path, groups=[{"name": "all", "crop": [64, 96], "batch": 2, "sources": [source]}])
    with pytest.raises(SeenError):
        module.compare_loader(config, 1)
    assert [(one.window, one.sky, len(one.rows) < 4) for one in seen] == [((0, 0, 90, 60), True, True)]
