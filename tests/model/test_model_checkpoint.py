"""Model folders: written whole, loaded strictly."""

import json
import os
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the network needs the torch extra")

from safetensors.torch import load_file, save_file  # noqa: E402

from lapdepth.errors import ModelError, ModelNotFoundError, OutputError  # noqa: E402
from lapdepth.model import checkpoint  # noqa: E402
from lapdepth.model.catalogue import find_network  # noqa: E402
from lapdepth.model.checkpoint import load_model, load_weights, save_model  # noqa: E402
from lapdepth.model.network import build_network  # noqa: E402
from lapdepth.zoo import find_model, read_config  # noqa: E402
from model.designs import build  # noqa: E402


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "small"
    save_model(build("small"), folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "model"))


def refused(folder, match):
    with pytest.raises(ModelError, match=match) as caught:
        load_model(folder)
    assert len(str(caught.value).splitlines()) == 1
    assert str(folder) in str(caught.value)


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


NAME = "decoder.levels.1.fuse.conv.weight"


def test_a_model_folder_holds_two_files(saved):
    assert sorted(path.name for path in saved.iterdir()) == ["config.json", "model.safetensors"]


def test_missing_tensor(folder):
    change_weights(folder, lambda weights: weights.pop(NAME))
    refused(folder, rf"1 tensors missing, 0 unknown \(missing '{NAME}'\)")


def test_extra_tensor(folder):
    change_weights(folder, lambda weights: weights.update(extra=torch.zeros(1)))
    refused(folder, r"0 tensors missing, 1 unknown \(unknown 'extra'\)")


def test_wrong_shape(folder):
    change_weights(folder, lambda weights: weights.update({NAME: weights[NAME][:, :3].clone()}))
    refused(folder, rf"'{NAME}' is \(8, 3, 3, 3\), expected \(8, 8, 3, 3\)")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(folder, value):
    change_weights(folder, lambda weights: weights[NAME].view(-1)[5].fill_(value))
    refused(folder, rf"'{NAME}' holds NaN or infinity")


@pytest.mark.parametrize("keep", [0, 4, 100, 5000, -1])
def test_truncated_weights(folder, keep):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    refused(folder, r"cannot read .*model\.safetensors")


def test_missing_weights(folder):
    (folder / "model.safetensors").unlink()
    refused(folder, r"cannot read .*model\.safetensors")


def test_missing_config(folder):
    (folder / "config.json").unlink()
    refused(folder, r"cannot read .*config\.json.*a model folder holds config\.json")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"format_version": 2}, "of model format 2; this release reads up to 1. Upgrade"),
        ({"format_version": 2, "colour": "red"}, "Upgrade lapdepth"),
        ({"max_depth_m": -1}, "max_depth_m: .*greater than 0"),
        ({"encoder": "resnet19"}, "no encoder 'resnet19'"),
        ({"encoder": "resnet18"}, "tensors missing"),
        ({"norm": "gn"}, "tensors missing|unknown"),
        ({"weight_gain": False}, "unknown"),
        ({"uncertainty": True}, "is "),
        ({"levels": 6}, "6 levels need 6"),
    ],
)
def test_config_that_is_wrong_or_of_another_model(folder, values, match):
    change_config(folder, **values)
    refused(folder, match)


def test_what_does_not_fit_is_refused_before_it_takes_memory(folder, monkeypatch):
    devices = []

    def noting(config):
        devices.append(str(torch.get_default_device()))
        return build_network(config)

    monkeypatch.setattr(checkpoint, "build_network", noting)
    decoder = json.loads((folder / "config.json").read_text())["decoder"]
    change_config(folder, decoder=decoder | {"aspp_width": 4096})
    refused(folder, r"expected \(4096, ")
    assert devices == ["meta"]


def test_a_config_that_is_no_ordinary_file(folder):
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")  # opening it would wait for ever
    refused(folder, "is no file of at most 1,048,576 bytes")
    (folder / "config.json").unlink()
    (folder / "config.json").write_bytes(b" " * (2**20 + 1))
    refused(folder, "is no file of at most 1,048,576 bytes")


def test_weights_that_are_no_ordinary_file(folder):
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")
    refused(folder, "model.safetensors: it is a folder, a pipe or a device; expected an ordinary file")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b"{" * 100_000], ids=["empty", "cut", "list", "null", "bytes", "deep"]
)
def test_config_that_is_not_json(folder, data):
    (folder / "config.json").write_bytes(data)
    refused(folder, "not a model configuration")


def test_a_name_that_is_no_model(tmp_path):
    with pytest.raises(ModelError, match="no model 'nowhere'; give default"):
        load_model("nowhere")
    (tmp_path / "model.onnx").write_bytes(b"x")
    refused(tmp_path / "model.onnx", "not a model folder; PyTorch needs one with config.json")


def test_saving_replaces_an_existing_model(folder):
    network = build("small")
    with torch.no_grad():
        network.decoder.head[-1].conv.gain.fill_(0.25)
    (folder / "model.onnx").write_bytes(b"of the old model")
    (folder / "LICENSE").write_text("CC0")
    save_model(network, folder)
    assert load_model(folder).decoder.head[-1].conv.gain.item() == 0.25
    # An export of the replaced weights must not survive beside the new ones.
    assert sorted(path.name for path in folder.iterdir()) == ["LICENSE", "config.json", "model.safetensors"]
    assert (folder / "LICENSE").read_text() == "CC0"
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_saving_over_a_model_without_weights(folder):
    (folder / "model.safetensors").unlink()
    save_model(build("small"), folder)
    assert load_model(folder).config.name == "small"


def test_saving_goes_on_where_a_killed_run_left_its_scratch(tmp_path):
    (tmp_path / "new" / ".lapdepth-abc").mkdir(parents=True)
    save_model(build("small"), tmp_path / "new")
    assert load_model(tmp_path / "new").config.name == "small"


@pytest.mark.parametrize("config", ["{}", "", '{"steps": 6, "model": {"name": "tiny"}}'])
def test_saving_refuses_the_folder_of_a_run(tmp_path, config):
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "log.jsonl").write_text("{}")
    with pytest.raises(OutputError, match="exists and is not a model folder") as caught:
        save_model(build("small"), tmp_path)
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "log.jsonl"]
    assert (tmp_path / "config.json").read_text() == config


def test_saving_fills_an_empty_folder(tmp_path):
    (tmp_path / "new").mkdir()
    save_model(build("small"), tmp_path / "new")
    assert load_model(tmp_path / "new").config.name == "small"


def test_saving_makes_the_folders_above(tmp_path):
    save_model(build("small"), tmp_path / "a" / "b" / "model")
    assert load_model(tmp_path / "a" / "b" / "model").config.name == "small"


def test_saving_refuses_a_folder_of_something_else(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("hello")
    (tmp_path / "file").write_text("hello")
    for place in ("letters", "file"):
        with pytest.raises(OutputError, match="exists and is not a model folder"):
            save_model(build("small"), tmp_path / place)
    assert (tmp_path / "letters" / "dear.txt").read_text() == "hello"
    assert (tmp_path / "file").read_text() == "hello"


def test_saved_files_may_be_read_by_others(saved):
    # As any new file; the safetensors writer's own are for their owner only.
    reference = saved.parent / "reference"
    reference.write_text("x")
    assert (saved / "model.safetensors").stat().st_mode == reference.stat().st_mode


def full_disk(*_arguments, **_options):
    raise OSError(28, "No space left on device")


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "save", full_disk)
    with pytest.raises(OutputError, match=r"cannot write .*No space left"):
        save_model(build("small"), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_model(folder, monkeypatch):
    before = (folder / "model.safetensors").read_bytes()
    monkeypatch.setattr(checkpoint, "save", full_disk)
    with pytest.raises(OutputError, match="cannot write"):
        save_model(build("small"), folder)
    assert (folder / "model.safetensors").read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.fixture
def replacing_fails(monkeypatch, request):
    """The file of that name cannot be put in its place."""
    replace = Path.replace

    def fails(self, target):
        if self.name == request.param and self.parent.name == "new":
            raise OSError(13, "Permission denied")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails)


EITHER = pytest.mark.parametrize("replacing_fails", ["config.json", "model.safetensors"], indirect=True)


@EITHER
@pytest.mark.usefixtures("replacing_fails")
def test_a_failure_in_the_last_moment_brings_the_old_model_back(folder):
    (folder / "model.onnx").write_bytes(b"of the old model")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(OutputError, match="Permission denied"):
        save_model(build("shallow"), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert load_model(folder).config.name == "small"
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@EITHER
@pytest.mark.usefixtures("replacing_fails")
def test_a_failure_in_the_last_moment_leaves_no_half_of_a_new_model(tmp_path):
    (tmp_path / "empty").mkdir()
    for place in ("new", "empty"):
        with pytest.raises(OutputError, match="Permission denied"):
            save_model(build("small"), tmp_path / place)
    assert list(tmp_path.rglob("*")) == [tmp_path / "empty"]


def test_a_name_too_long_for_a_folder(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        save_model(build("small"), tmp_path / ("x" * 300))


def test_loading_says_the_licence_once(saved, caplog, monkeypatch):
    monkeypatch.setattr("lapdepth.zoo._told", set())
    load_model(saved)
    load_model(saved)
    change_config(saved, licence="another")  # it may be another model of that name
    load_model(saved)
    assert [record.getMessage() for record in caplog.records] == ["model 'small': unknown", "model 'small': another"]


def test_a_network_by_a_word(saved):
    assert find_network(str(saved)).config.name == "small"
    published = find_network("resnet18")
    assert (published.config.max_depth_m, published.config.norm, published.config.decoder) == (80.0, "bn", None)
    with pytest.raises(ModelError, match=r"'resnet19' is no embedded model.*close names"):
        find_network("resnet19")
    with pytest.raises(ModelNotFoundError, match=r"no model '\./resnet18'"):
        find_network("./resnet18")


def test_a_damaged_model_is_not_taken_for_an_encoder(folder, monkeypatch):
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr("lapdepth.model.catalogue.load_model", lambda name: read_config(folder))
    with pytest.raises(ModelError, match="not a model configuration"):
        find_network("resnet18")


@pytest.mark.parametrize("name", ["x" * 100, "x" * 300, "x" * 300 + "/y"])
def test_a_name_longer_than_a_files(name):
    with pytest.raises(ModelNotFoundError, match="no model 'xxx"):
        find_model(name)
    with pytest.raises(ModelError) as caught:
        find_network(name)
    assert len(str(caught.value).splitlines()) == 1


UNUSUAL = {
    "float8": lambda tensor: tensor.to(torch.float8_e4m3fn),
    "int8": lambda tensor: tensor.to(torch.int8),
    "sparse": lambda tensor: tensor.to_sparse(),
    "meta": lambda tensor: tensor.to("meta"),
    "quantised": lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", UNUSUAL)
def test_tensors_of_another_kind(kind):
    network = build("small")
    weights = network.state_dict()
    weights[NAME] = UNUSUAL[kind](weights[NAME])
    with pytest.raises(ModelError, match=rf"file: '{NAME}' is torch.*; expected plain tensors on the CPU") as caught:
        load_weights(network, weights, "file")
    assert len(str(caught.value).splitlines()) == 1


def test_float8_in_a_file(folder):
    change_weights(folder, lambda weights: weights.update({NAME: weights[NAME].to(torch.float8_e4m3fn)}))
    refused(folder, rf"'{NAME}' is torch.float8_e4m3fn")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_widened_or_narrowed(folder, dtype):
    expected = load_file(folder / "model.safetensors")[NAME].to(dtype).float()
    change_weights(folder, lambda weights: weights.update({NAME: weights[NAME].to(dtype)}))
    assert torch.equal(load_model(folder).state_dict()[NAME], expected)


def test_a_number_too_large_for_float32(folder):
    change_weights(folder, lambda weights: weights.update({NAME: torch.full_like(weights[NAME], 1e300, dtype=torch.float64)}))
    refused(folder, rf"'{NAME}' holds NaN or infinity")
