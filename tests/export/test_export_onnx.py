"""An exported file computes what PyTorch does, holds plain convolutions and its configuration, or does not exist."""

import copy
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the export needs the torch extra")

import onnx  # noqa: E402

from lapdepth.config import ModelConfig  # noqa: E402
from lapdepth.errors import ModelError, OutputError  # noqa: E402
from lapdepth.export import onnx as export  # noqa: E402
from lapdepth.inference.onnx_engine import CONFIG_KEY, OnnxEngine  # noqa: E402
from lapdepth.model.checkpoint import load_model  # noqa: E402
from model.designs import build, picture, soften  # noqa: E402

NAMES = ["shallow", pytest.param("resnet18-gn", marks=pytest.mark.slow), pytest.param("default", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=NAMES)
def exported(request, tmp_path_factory):
    # The embedded weights, not random ones of that design: it is so deep that noise magnifies rounding to more than 1e-4.
    network = (load_model("default") if request.param == "default" else soften(build(request.param))).eval()
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    difference = export.export_onnx(network, path)
    assert 0 <= difference <= 1e-4
    return network, path


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("strides", [(2, 2), (3, 5), (6, 2)])
def test_agrees_with_pytorch_at_any_size(exported, batch, strides):
    network, path = exported
    stride = network.config.stride
    image = picture(batch, strides[0] * stride, strides[1] * stride)
    with torch.inference_mode():
        expected = network(image)
    depth_m, log_scale = OnnxEngine(path, threads=1)(image.numpy())
    np.testing.assert_allclose(depth_m, expected.depth_m.numpy(), rtol=1e-4)
    assert (log_scale is None) == (expected.log_scale is None)
    if log_scale is not None:
        np.testing.assert_allclose(log_scale, expected.log_scale.numpy(), atol=1e-3)


def test_nothing_computes_on_weights(exported):
    network, path = exported
    graph = onnx.load(path).graph
    constants = {tensor.name for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == sum(isinstance(module, torch.nn.Conv2d) for module in network.modules())
    assert all(node.input[1] in constants for node in convolutions)

    from_image = {"image"}
    for node in graph.node:
        depends = any(name in from_image for name in node.input)
        assert depends or node.op_type == "Constant", f"{node.op_type} {node.name} works on constants"
        if depends:
            from_image.update(node.output)


def test_standardised_filters_are_in_the_file(exported):
    network, path = exported
    conv = network.decoder.levels[0].fuse.conv
    expected = conv.standardised_weight().detach().numpy()
    tensors = [onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer]
    same = [tensor for tensor in tensors if tensor.shape == expected.shape and np.allclose(tensor, expected, atol=1e-6)]
    unfolded = conv.weight.detach()
    raw = [tensor for tensor in tensors if tensor.shape == expected.shape and np.allclose(tensor, unfolded, atol=1e-6)]
    # A batch norm behind the convolution may have been folded into it, but never in front of the standardising.
    assert raw == []
    assert same or network.config.norm == "bn"
    assert len(tensors) > 1


def test_the_configuration_is_inside(exported):
    network, path = exported
    properties = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert ModelConfig.from_json(properties[CONFIG_KEY], "file") == network.config
    assert OnnxEngine(path).config == network.config


def test_the_file_tells_nothing_of_the_machine_that_made_it(exported):
    _, path = exported
    data = path.read_bytes()
    for trace in (b".py", b"site-packages", str(Path(__file__).parents[2]).encode(), b"lapdepth/"):
        assert trace not in data


def test_the_comparison_sees_a_difference(exported):
    network, path = exported
    other = copy.deepcopy(network)
    assert export.compare_with_torch(other, path) <= 1e-4
    with torch.no_grad():
        other.decoder.head[-1].conv.weight.mul_(-1)
    assert export.compare_with_torch(other, path) > 1e-3


def test_the_comparison_sees_a_difference_of_the_log_scale(exported):
    network, path = exported
    if not network.config.uncertainty:
        pytest.skip("a model without log scale")
    with torch.inference_mode():
        before = network(picture(1, 64, 64))
    other = copy.deepcopy(network)
    last = other.decoder.levels[-1].head[-1].conv
    with torch.no_grad():
        last.weight[1].mul_(-1)  # the second channel, which depth does not see
        after = other.eval()(picture(1, 64, 64))
    assert torch.equal(after.depth_m, before.depth_m)
    assert export.compare_with_torch(other, path) > 1e-3


class FakeSession:
    """An engine that gives NaN for one of its outputs, and ones for the other."""

    broken = ""

    def __init__(self, *_arguments, **_options):
        pass

    def run(self, names, feeds):
        image = feeds["image"]
        return [np.full_like(image[:, :1], np.nan if name == self.broken else 1.0) for name in names]


@pytest.mark.parametrize("broken", [export.OUTPUT_DEPTH, export.OUTPUT_LOG_SCALE])
def test_the_comparison_does_not_lose_a_nan(tmp_path, monkeypatch, broken):
    monkeypatch.setattr(FakeSession, "broken", broken)
    monkeypatch.setattr(export.onnxruntime, "InferenceSession", FakeSession)
    assert np.isnan(export.compare_with_torch(build("shallow"), tmp_path / "model.onnx"))


def test_the_comparison_leaves_the_network_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(export.onnxruntime, "InferenceSession", FakeSession)
    network = build("shallow").train()
    export.compare_with_torch(network, tmp_path / "model.onnx")
    assert all(module.training for module in network.modules())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_network_on_a_gpu(exported):
    network, path = exported
    on_gpu = copy.deepcopy(network).to("cuda")
    assert export.compare_with_torch(on_gpu, path) <= 1e-4
    assert next(on_gpu.parameters()).is_cuda


@pytest.mark.parametrize("existing", [None, b"an older file"])
@pytest.mark.parametrize("limit", [-1.0, float("nan")])
def test_an_export_that_differs_is_refused_and_no_file_is_left(tmp_path, monkeypatch, limit, existing):
    path = tmp_path / "model.onnx"
    if existing is not None:
        path.write_bytes(existing)
    monkeypatch.setattr(export, "to_onnx", lambda network, compact: onnx.ModelProto())
    monkeypatch.setattr(export, "compare_with_torch", lambda network, path: 0.0)
    monkeypatch.setattr(export, "MAX_RELATIVE_DIFFERENCE", limit)
    with pytest.raises(ModelError, match=r"differs from PyTorch by 0\.0e.*nothing was written"):
        export.export_onnx(build("small"), path)
    assert [p.name for p in tmp_path.iterdir()] == ([] if existing is None else ["model.onnx"])
    assert existing is None or path.read_bytes() == existing


def test_a_difference_that_is_nan_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "to_onnx", lambda network, compact: onnx.ModelProto())
    monkeypatch.setattr(export, "compare_with_torch", lambda network, path: float("nan"))
    with pytest.raises(ModelError, match="differs from PyTorch by nan"):
        export.export_onnx(build("small"), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_output_error(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "to_onnx", lambda network, compact: onnx.ModelProto())
    with pytest.raises(OutputError, match="does not exist"):
        export.export_onnx(build("small"), tmp_path / "none" / "model.onnx")
