"""What `lapdepth benchmark` found is what `--engine auto` takes: only for the same file, and only where it is worth it."""

import json
import logging

import pytest

from lapdepth.errors import OutputError
from lapdepth.inference import engine as engines
from lapdepth.inference import ranking
from lapdepth.inference.engine import open_engine
from lapdepth.zoo import find_model

ONNX_FILE = find_model("default") / "model.onnx"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of this test's own, not made yet."""
    monkeypatch.setenv(ranking.FOLDER_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"a model")
    return path


@pytest.mark.parametrize(
    ("milliseconds", "best"),
    [
        ({"onnx": 30.0, "openvino": 20.0, "torch": 50.0}, "openvino"),
        ({"onnx": 30.0, "openvino": 29.5}, "onnx"),  # within the noise
        ({"onnx": 20.0, "openvino": 30.0}, "onnx"),
        ({"torch": 50.0}, "torch"),
    ],
)
def test_the_fastest_is_remembered(model, milliseconds, best):
    assert ranking.fastest(model) is None
    ranking.remember(model, milliseconds)
    assert ranking.fastest(model)[0] == best


def test_models_are_remembered_side_by_side_and_replaced(model, tmp_path):
    other = tmp_path / "other.onnx"
    other.write_bytes(b"another")
    ranking.remember(model, {"onnx": 2.0, "openvino": 1.0})
    ranking.remember(other, {"onnx": 1.0, "openvino": 2.0})
    assert (ranking.fastest(model)[0], ranking.fastest(other)[0]) == ("openvino", "onnx")
    ranking.remember(model, {"onnx": 1.0, "openvino": 2.0})
    assert (ranking.fastest(model)[0], ranking.fastest(other)[0]) == ("onnx", "onnx")


def test_another_file_release_or_machine_is_not_known(model, monkeypatch):
    ranking.remember(model, {"onnx": 2.0, "openvino": 1.0})
    with monkeypatch.context() as other:
        other.setattr(ranking.os, "cpu_count", lambda: 1000)
        assert ranking.fastest(model) is None
    with monkeypatch.context() as other:
        other.setattr(ranking, "__version__", "0")
        assert ranking.fastest(model) is None
    assert ranking.fastest(model) is not None
    model.write_bytes(b"a model, trained again")
    assert ranking.fastest(model) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"PATH": 3}', '{"PATH": {"stamp": STAMP, "milliseconds": {}}}'])
def test_a_ranking_that_is_damaged_is_as_good_as_none(model, cache, text):
    cache.mkdir()
    key = json.dumps(str(model.resolve()))[1:-1]
    stamp = json.dumps(ranking._stamp(model))
    ranking.ranking_file().write_text(text.replace("PATH", key).replace("STAMP", stamp))
    assert ranking.fastest(model) is None
    ranking.remember(model, {"onnx": 2.0, "openvino": 1.0})
    assert ranking.fastest(model)[0] == "openvino"


def test_a_folder_that_cannot_be_made(model, cache):
    cache.write_text("a file in its place")
    with pytest.raises(OutputError, match="cannot make the folder"):
        ranking.remember(model, {"onnx": 1.0})


@pytest.mark.parametrize("best", ["openvino", "torch"])
def test_auto_takes_what_was_fastest_and_says_so(best, caplog):
    pytest.importorskip("openvino" if best == "openvino" else "torch", reason=f"the {best} engine needs its extra")
    assert open_engine("default").name == "onnx"
    ranking.remember(ONNX_FILE, {"onnx": 3.0, best: 1.0})
    with caplog.at_level(logging.WARNING, "lapdepth"):
        assert open_engine("default").name == best
    assert f"engine {best}: the fastest for this model when lapdepth benchmark ran on " in caplog.text
    # An ONNX file alone holds nothing that PyTorch runs.
    assert open_engine(ONNX_FILE).name == ("onnx" if best == "torch" else best)


def test_auto_does_not_take_what_is_no_longer_installed(monkeypatch):
    ranking.remember(ONNX_FILE, {"onnx": 3.0, "openvino": 1.0, "torch": 2.0})
    monkeypatch.setattr(engines, "_installed", lambda *packages: False)
    assert open_engine("default").name == "onnx"


def test_auto_with_a_device_asks_no_ranking():
    pytest.importorskip("openvino", reason="the openvino engine needs its extra")
    pytest.importorskip("torch", reason="the torch engine needs the torch extra")
    ranking.remember(ONNX_FILE, {"onnx": 3.0, "openvino": 1.0})
    assert open_engine("default", device="cpu").name == "torch"
