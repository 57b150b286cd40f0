"""OpenVINO: doubling by a transposed convolution gives the same numbers; half precision is asked for, not taken."""

import numpy as np
import pytest

from lapdepth.errors import InputError, MissingExtraError
from lapdepth.inference.engine import open_engine

openvino = pytest.importorskip("openvino", reason="the openvino engine needs its extra")

from openvino import opset8, opset11  # noqa: E402

from lapdepth.inference.openvino_engine import _double_by_convolution  # noqa: E402

CPU = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}


def interpolation(shape, target, coordinates="half_pixel", quantised=False):
    """A model that resizes, bilinearly."""
    image = opset8.parameter(shape, np.float32, name="image")
    read = opset8.fake_quantize(image, *(np.float32(v) for v in (0, 1, 0, 1)), 256) if quantised else image
    resized = opset11.interpolate(
        read,
        np.array(target, np.int64),
        mode="linear_onnx",
        shape_calculation_mode="sizes",
        coordinate_transformation_mode=coordinates,
        axes=np.array([2, 3], np.int64),
    )
    return openvino.Model([resized], [image], "resize")


def kinds(model):
    return [node.get_type_name() for node in model.get_ops()]


def output(model, image):
    return openvino.compile_model(model, "CPU", CPU)(image)[0]


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (12, 20)])
def test_doubled_numbers_are_the_same(channels, size):
    shape, target = [2, channels, *size], [2 * one for one in size]
    image = np.random.default_rng(0).random(shape, np.float32)
    expected = output(interpolation(shape, target), image)
    model = interpolation(shape, target)
    _double_by_convolution(model)
    assert "Interpolate" not in kinds(model)
    assert "GroupConvolutionBackpropData" in kinds(model)
    np.testing.assert_allclose(output(model, image), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "target", "options"),
    [
        ([1, 5, 8, 8], (16, 16), {}),  # many channels: its own is faster
        ([1, 2, 8, 8], (16, 24), {}),
        ([1, 2, 8, 8], (16, 16), {"coordinates": "align_corners"}),
        ([1, 2, 8, 8], (16, 16), {"quantised": True}),
    ],
    ids=["many channels", "not twice", "other places", "8 bits"],
)
def test_other_resizing_stays(shape, target, options):
    model = interpolation(shape, target, **options)
    _double_by_convolution(model)
    assert "Interpolate" in kinds(model)


def test_one_channel_of_an_8_bit_model_is_doubled_by_convolution():
    model = interpolation([1, 1, 8, 8], (16, 16), quantised=True)
    _double_by_convolution(model)
    assert "Interpolate" not in kinds(model)


def test_half_precision_is_an_engine_of_its_own():
    exact, half = (open_engine("default", name, threads=1) for name in ("openvino", "openvino-bf16"))
    assert (exact.name, half.name) == ("openvino", "openvino-bf16")
    rng = np.random.default_rng(0)
    image = rng.random((1, 3, 8, 16), np.float32).repeat(8, 2).repeat(8, 3)
    change = np.abs(np.log(half(image)[0] / exact(image)[0])).mean()
    assert change < 0.05  # none at all where the processor has no bfloat16


def test_half_precision_is_on_the_cpu_and_needs_the_extra(monkeypatch):
    with pytest.raises(InputError, match="device 'cuda' is for the torch and onnx engines"):
        open_engine("default", "openvino-bf16", device="cuda")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="needs the 'openvino' extra"):
        open_engine("default", "openvino-bf16")
