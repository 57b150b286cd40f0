"""8-bit files: near the float32 model, in fact in 8 bits, refused where they would be far off."""

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="export needs the torch extra")
onnx = pytest.importorskip("onnx", reason="export needs the torch extra")

from lapdepth.errors import InputError, ReadError  # noqa: E402
from lapdepth.export import quantise  # noqa: E402
from lapdepth.export.calibration import pictures_of  # noqa: E402
from lapdepth.export.quantise import MAX_CHANGE, NARROW, export_int8  # noqa: E402
from lapdepth.inference.onnx_engine import OnnxEngine  # noqa: E402
from lapdepth.zoo import find_model  # noqa: E402

SOURCE = find_model("default") / "model.onnx"


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return [rng.random((1, 3, 8, 12), np.float32).repeat(8, 2).repeat(8, 3) for _ in range(2)]


def kinds(path):
    return [node.op_type for node in onnx.load(path).graph.node]


def test_8_bits_are_near_and_are_8_bits(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(quantise, "GROUPS", 4)
    path = tmp_path / "m.onnx"
    made = export_int8(SOURCE, path, pictures)
    exact, rough = OnnxEngine(SOURCE, threads=1), OnnxEngine(path, threads=1)
    assert rough.config == exact.config
    change = np.mean([np.abs(np.log(rough(one)[0] / exact(one)[0])).mean() for one in pictures])
    assert 0 < change <= MAX_CHANGE * 1.1
    assert change == pytest.approx(made.change, rel=0.1)
    assert 0 <= made.in_float < made.convolutions
    assert kinds(path).count("Conv") == made.convolutions
    assert "QuantizeLinear" in kinds(path)
    assert path.stat().st_size < SOURCE.with_name("model.safetensors").stat().st_size  # which holds the weights of SOURCE


def test_without_a_limit_all_but_the_narrow_is_in_8_bits(tmp_path, pictures):
    made = export_int8(SOURCE, tmp_path / "m.onnx", pictures, max_change=math.inf)
    graph = onnx.load(tmp_path / "m.onnx").graph
    # In 8 bits a filter is stored as such, and read through its scale; in float32 it is stored as it is.
    dims = {tensor.name: tensor.dims for tensor in graph.initializer}
    read = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    in_float = 0
    for node in (node for node in graph.node if node.op_type == "Conv"):
        filters = node.input[1]
        out, each = dims[read.get(filters, filters)][:2]
        narrow = min(out, each * onnx.helper.get_node_attr_value(node, "group")) < NARROW
        assert (filters in read) != narrow, node.name
        in_float += narrow
    assert 0 < in_float == made.in_float < made.convolutions
    assert made.change > 0


def test_a_model_of_narrow_layers_stays_in_float(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(quantise, "NARROW", 10_000)
    with pytest.raises(InputError, match="no convolution of the model has 10000 channels on both sides; keep it in float32"):
        export_int8(SOURCE, tmp_path / "m.onnx", pictures)


def test_no_file_where_the_limit_allows_none(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(quantise, "GROUPS", 1)
    with pytest.raises(InputError, match="no part of the model stays within 0% of its float32 depth"):
        export_int8(SOURCE, tmp_path / "m.onnx", pictures, max_change=0.0)
    assert list(tmp_path.iterdir()) == []


def test_without_pictures(tmp_path):
    with pytest.raises(InputError, match="no pictures to calibrate with"):
        export_int8(SOURCE, tmp_path / "m.onnx", [])
    with pytest.raises(ReadError, match="no pictures in"):
        pictures_of(tmp_path, OnnxEngine(SOURCE).config)
