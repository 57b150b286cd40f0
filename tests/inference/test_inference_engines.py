"""Model files that are none, and engines that must agree."""

import importlib.machinery
import importlib.util
import logging
import math
import re
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.fake_engine import make_config
from lapdepth import zoo
from lapdepth.data.manifest import load_sample, read_manifest
from lapdepth.errors import ConfigError, InputError, LapDepthError, MissingExtraError, ModelError
from lapdepth.inference.engine import open_engine, read_model_config
from lapdepth.inference.onnx_engine import CONFIG_KEY, OnnxEngine
from lapdepth.inference.predictor import DepthPredictor

DEFAULT = zoo.find_model("default")


def street(height=180, width=320):
    """A sky, a road with stripes, a house and a car: something that looks like a picture."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    image = np.where(rows[..., None] < 0.45, [150, 190, 240], [95, 95, 100]) + 60 * np.stack([rows, rows, 0.2 * rows], -1)
    image[(np.abs(columns - 0.5) < 0.02 * rows) & (rows > 0.5) & (np.sin(60 * rows) > 0)] = 240
    image[int(0.15 * height) : int(0.6 * height), : int(0.3 * width)] = [170, 110, 80]
    image[int(0.5 * height) : int(0.7 * height), int(0.6 * width) : int(0.75 * width)] = [30, 40, 120]
    noisy = np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    return cv2.GaussianBlur(noisy, (0, 0), 0.8)


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


# --- the embedded model


@pytest.mark.parametrize("name", zoo.EMBEDDED)
def test_embedded_model_predicts(caplog, name):
    caplog.set_level(logging.WARNING, "lapdepth")
    predictor = DepthPredictor.from_pretrained(name)
    assert predictor.config.name == name
    result = predictor(street(), fov_deg=80)
    assert (result.engine, result.depth_m.shape) == ("onnx", (180, 320))
    assert np.isfinite(result.depth_m).all()
    nearest_m, farthest_m = result.range_m
    assert result.depth_m.min() >= nearest_m * (1 - 1e-5)
    assert result.depth_m[result.valid].max() <= farthest_m * (1 + 1e-5)
    assert np.ptp(result.depth_m) > 0
    if predictor.config.uncertainty:
        assert 0 <= result.confidence.min() < result.confidence.max() <= 1


@pytest.mark.parametrize("name", zoo.EMBEDDED)
def test_embedded_files_tell_the_same_configuration(name):
    folder = zoo.find_model(name)
    from_folder, files = read_model_config(name)
    from_file, (onnx_file,) = read_model_config(folder / "model.onnx")
    assert from_folder == from_file
    assert {"config.json", "model.onnx", "model.safetensors"} <= {path.name for path in files}
    assert onnx_file == folder / "model.onnx"
    assert {"MODEL_CARD.md", "LICENSE"} <= {path.name for path in folder.iterdir()}


def test_the_model_that_is_called_open_is_free_and_the_default_says_that_it_is_not():
    assert read_model_config("open")[0].licence.startswith("Apache-2.0")
    assert "no commercial use" in read_model_config("default")[0].licence


def test_licence_is_told_once(caplog, monkeypatch):
    monkeypatch.setattr(zoo, "_told", set())
    with caplog.at_level(logging.WARNING, "lapdepth"):
        config = open_engine("default").config
        open_engine("default")
    assert [record.getMessage() for record in caplog.records] == [f"model '{config.name}': {config.licence}"]


@pytest.fixture(scope="module", params=zoo.EMBEDDED)
def engines(request):
    pytest.importorskip("torch", reason="the torch engine")
    pytest.importorskip("timm", reason="the torch engine")
    return open_engine(request.param, "onnx"), open_engine(request.param, "torch", "cpu")


@pytest.mark.parametrize(("size", "flip"), [((180, 320), False), ((200, 150), True)])
def test_torch_and_onnx_agree(engines, size, flip):
    by_onnx, by_torch = (DepthPredictor(engine)(street(*size), fov_deg=80, flip=flip) for engine in engines)
    assert (by_onnx.engine, by_torch.engine) == ("onnx", "torch")
    np.testing.assert_allclose(by_onnx.depth_m, by_torch.depth_m, rtol=1e-4)
    assert (by_onnx.confidence is None) == (by_torch.confidence is None)
    if by_onnx.confidence is not None:
        np.testing.assert_allclose(by_onnx.confidence, by_torch.confidence, rtol=1e-4, atol=1e-5)
    assert by_onnx.config == by_torch.config
    assert np.ptp(by_onnx.depth_m) > 0.01 * by_onnx.depth_m.max()  # two flat maps would prove nothing


@pytest.mark.parametrize("size", [(180, 320), (200, 150)])
def test_openvino_and_onnx_agree(size):
    pytest.importorskip("openvino", reason="the openvino engine needs its extra")
    by_onnx, by_openvino = (
        DepthPredictor.from_pretrained(engine=name)(street(*size), fov_deg=80) for name in ("onnx", "openvino")
    )
    assert by_openvino.engine == "openvino"
    np.testing.assert_allclose(by_openvino.depth_m, by_onnx.depth_m, rtol=1e-4)
    if by_onnx.confidence is not None:
        np.testing.assert_allclose(by_openvino.confidence, by_onnx.confidence, rtol=1e-4, atol=1e-5)


REAL = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize("picture", ["room:1", "road:1", "nyu_labeled_train", "kitti_more"])
def test_engines_agree_on_rendered_and_real_pictures(picture):
    pytest.importorskip("torch", reason="the renderer and the reference need the torch extra")
    from lapdepth.synthetic.makers import find_scene
    from lapdepth.synthetic.render import Renderer

    if ":" in picture:
        image = Renderer(find_scene(picture)).frame(0.0).image
    elif (REAL / picture).is_dir():
        image = load_sample(read_manifest(REAL / picture / "manifest.csv")[0]).image
    else:
        pytest.skip(f"no shared data in {REAL / picture}")
    others = ["onnx", "openvino"] if importlib.util.find_spec("openvino") else ["onnx"]
    by_torch, *by_others = (DepthPredictor(open_engine("default", name))(image, fov_deg=65) for name in ("torch", *others))
    for made in by_others:
        np.testing.assert_allclose(made.depth_m, by_torch.depth_m, rtol=1e-4, err_msg=made.engine)


def test_openvino_keeps_few_shapes_and_names_what_fails(tmp_path):
    pytest.importorskip("openvino", reason="the openvino engine needs its extra")
    from lapdepth.inference.openvino_engine import SHAPES_KEPT, OpenVinoEngine

    engine = OpenVinoEngine(write_onnx(tmp_path / "m.onnx", make_config().to_json(), size=(32, 32)), threads=1)
    with pytest.raises(ModelError, match=r"model 'fake' failed on \(1, 3, 48, 64\) with OpenVINO") as error:
        engine(np.zeros((1, 3, 48, 64), np.float32))
    one_line(error)
    for batch in range(1, SHAPES_KEPT + 3):
        depth_m, log_scale = engine(np.zeros((batch, 3, 32, 32), np.float32))
        assert (depth_m.shape, log_scale) == ((batch, 1, 32, 32), None)
        assert (depth_m == 2).all()
    assert len(engine._compiled) == SHAPES_KEPT


def test_openvino_that_is_not_installed(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="engine openvino needs the 'openvino' extra"):
        open_engine("default", "openvino")


@pytest.mark.parametrize("device", ["nonsense", "meta:x", "cuda:99"])
def test_device_that_is_not_there(device):
    pytest.importorskip("torch")
    with pytest.raises(InputError, match=f"cannot use device '{device}'") as error:
        open_engine("default", "torch", device)
    one_line(error)


# --- no such model


@pytest.mark.parametrize("model", ["Default", "defualt", "../nowhere/model", "no/such/model.onnx"])
def test_wrong_name(model):
    with pytest.raises(ModelError, match=re.escape(f"no model '{model}'; give default, open, a model folder")) as error:
        open_engine(model)
    one_line(error)


def test_wrong_path(tmp_path):
    with pytest.raises(ModelError, match="no model "):
        open_engine(tmp_path / "default")


def test_hub_id_without_the_client(monkeypatch):
    monkeypatch.setattr(zoo.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"'owner/name' from the hub needs the 'hub' extra"):
        open_engine("owner/name")


@pytest.mark.parametrize("engine", ["auto", "onnx", "torch"])
def test_empty_folder(tmp_path, engine):
    pytest.importorskip("torch")
    with pytest.raises(ModelError) as error:
        open_engine(tmp_path, engine)
    assert str(tmp_path) in one_line(error)


def test_folder_without_onnx_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ModelError, match=r"has no model\.onnx; make one with: lapdepth export"):
        open_engine(tmp_path, "onnx")


def test_torch_engine_of_a_file():
    with pytest.raises(ModelError, match="is a file; the torch engine needs a model folder"):
        open_engine(DEFAULT / "model.onnx", "torch")


def test_configuration_of_a_folder_without(tmp_path):
    with pytest.raises(ModelError, match=r"cannot read .*config\.json: No such file") as error:
        read_model_config(tmp_path)
    one_line(error)


# --- files that are no model


def half_a_model():
    data = (DEFAULT / "model.onnx").read_bytes()
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    "make",
    [bytes, lambda: b"this is a text file\n" * 50, lambda: bytes(1000), lambda: b"\x89PNG\r\n\x1a\n", half_a_model],
    ids=["empty", "text", "zeros", "picture", "truncated"],
)
@pytest.mark.parametrize("function", [open_engine, read_model_config])
def test_damaged_onnx_file(tmp_path, capfd, make, function):
    path = tmp_path / "model.onnx"
    path.write_bytes(make())
    with pytest.raises(ModelError, match=r"cannot read .*model\.onnx as an ONNX model") as error:
        function(path)
    one_line(error)
    assert capfd.readouterr() == ("", "")


def write_onnx(path, config_text, outputs=("depth_m",), size=(1, 1)):
    """An ONNX file whose outputs are 2 everywhere; it fails on other sizes than the one given, 1x1 goes with all."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    axes = helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [1])
    nodes = [helper.make_node("ReduceSum", ["image", "axes"], ["sum"], keepdims=1)]
    for name in outputs:
        nodes += [
            helper.make_node("Mul", ["sum", "nothing"], [f"{name} 0"]),
            helper.make_node("Add", [f"{name} 0", "two"], [name]),
        ]
    constants = [
        axes,
        helper.make_tensor("nothing", kind, size, [0.0] * math.prod(size)),
        helper.make_tensor("two", kind, [], [2.0]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", kind, [None, 3, None, None])],
        [helper.make_tensor_value_info(name, kind, [None, 1, None, None]) for name in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if config_text is not None:
        helper.set_model_props(model, {CONFIG_KEY: config_text})
    onnx.save(model, str(path))
    return path


def test_onnx_file_of_one_output(tmp_path):
    engine = OnnxEngine(write_onnx(tmp_path / "m.onnx", make_config().to_json()))
    depth_m, log_scale = engine(np.zeros((1, 3, 32, 48), np.float32))
    assert (engine.config, log_scale) == (make_config(), None)
    np.testing.assert_array_equal(depth_m, np.full((1, 1, 32, 48), 2, np.float32))


def test_onnx_file_with_uncertainty(tmp_path):
    text = make_config(uncertainty=True).to_json()
    engine = OnnxEngine(write_onnx(tmp_path / "m.onnx", text, ("depth_m", "log_scale")))
    _, log_scale = engine(np.zeros((1, 3, 32, 48), np.float32))
    np.testing.assert_array_equal(log_scale, np.full((1, 1, 32, 48), 2, np.float32))


@pytest.mark.parametrize(
    ("config_text", "outputs", "match"),
    [
        (None, ["depth_m"], "has no LapDepth configuration in its metadata; write it with: lapdepth export"),
        ("{}", ["depth_m"], "is not a model configuration"),
        ('{"format_version": 99}', ["depth_m"], "model format 99"),
        (make_config().to_json(), ["depth"], "has the outputs .'depth'., its configuration asks for .'depth_m'."),
        (make_config(uncertainty=True).to_json(), ["depth_m"], "asks for .'depth_m', 'log_scale'."),
        (make_config().to_json(), ["depth_m", "log_scale"], "export it again"),
    ],
    ids=["no metadata", "empty", "newer", "other output", "too few", "too many"],
)
def test_onnx_file_of_something_else(tmp_path, config_text, outputs, match):
    path = write_onnx(tmp_path / "m.onnx", config_text, outputs)
    with pytest.raises(ModelError, match=match) as error:
        open_engine(path)
    assert one_line(error).startswith(str(path))
    assert isinstance(error.value, LapDepthError)
    assert not isinstance(error.value, ConfigError)


def test_onnx_file_that_takes_another_size(tmp_path, capfd):
    engine = OnnxEngine(write_onnx(tmp_path / "m.onnx", make_config().to_json(), size=(32, 32)))
    assert engine(np.zeros((1, 3, 32, 32), np.float32))[0].shape == (1, 1, 32, 32)
    with pytest.raises(ModelError, match=r"model 'fake' failed on \(1, 3, 48, 64\)") as error:
        engine(np.zeros((1, 3, 48, 64), np.float32))
    one_line(error)
    assert capfd.readouterr() == ("", "")  # ONNX Runtime logs it to the terminal unless told not to


def test_a_device_chooses_the_torch_engine():
    with pytest.raises(InputError, match=r"the onnx engine runs on cpu.* here, not on 'cuda:7'"):
        DepthPredictor.from_pretrained(engine="onnx", device="cuda:7")
    with pytest.raises(InputError, match="device 'cuda' is for the torch and onnx engines"):
        DepthPredictor.from_pretrained(engine="openvino", device="cuda")
    pytest.importorskip("torch", reason="the torch engine needs the torch extra")
    assert DepthPredictor.from_pretrained(device="cpu").engine.name == "torch"


@pytest.mark.parametrize(
    ("output", "match"),
    [
        (np.ones((1, 1, 10, 10), np.float32), r"gave \(1, 1, 10, 10\)"),
        (np.ones(1, np.float32), r"gave \(1,\)"),
        ([np.ones((1, 1, 32, 64), np.float32)], "gave list; expected float32"),
        (np.full((1, 1, 32, 64), "2"), "gave <U1; expected float32"),
    ],
)
def test_an_output_of_another_shape_or_kind(output, match, monkeypatch):
    engine = DepthPredictor.from_pretrained(threads=1).engine

    class Session:
        def run(self, *_):
            return [output] * 2

    monkeypatch.setattr(engine, "_session", Session())
    with pytest.raises(ModelError, match=f"{match}.*xport it again"):
        engine(np.zeros((1, 3, 32, 64), np.float32))


@pytest.fixture
def hub(monkeypatch):
    """A stand-in for the hub's client; what it does is set by the test."""
    module = types.ModuleType("huggingface_hub")
    module.__spec__ = importlib.machinery.ModuleSpec("huggingface_hub", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return module


def test_a_hub_id_is_downloaded_without_anything_but_the_model(hub):
    asked = []

    def snapshot_download(hub_id, allow_patterns):
        asked.append((hub_id, sorted(allow_patterns)))
        return str(DEFAULT)

    hub.snapshot_download = snapshot_download
    assert zoo.find_model("owner/name") == DEFAULT
    assert asked == [("owner/name", ["config.json", "model.onnx", "model.safetensors"])]


def test_a_hub_that_fails_is_one_line(hub):
    def snapshot_download(hub_id, allow_patterns):
        raise ConnectionError("no route\nto the hub")

    hub.snapshot_download = snapshot_download
    with pytest.raises(ModelError, match="cannot get model 'owner/name' from the hub: no route") as error:
        zoo.find_model("owner/name")
    one_line(error)
