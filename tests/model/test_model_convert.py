"""Import of the authors' checkpoints: nothing in them runs, and what is wrong with them is said in one line."""

import os
import pickle
import shutil
from collections import OrderedDict

import pytest

torch = pytest.importorskip("torch", reason="the network needs the torch extra")

from lapdepth.errors import LapDepthError, ModelError, ReadError  # noqa: E402
from lapdepth.model.published import convert_published  # noqa: E402
from model.published_weights import write_checkpoint  # noqa: E402


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    path = tmp_path_factory.mktemp("published") / "mobile.pkl"
    write_checkpoint("mobilenetv2_bn", path)
    return path


def tensors_of(path):
    return torch.load(path, weights_only=True)


def refused(path, match, kind=ModelError, max_depth_m=80.0):
    with pytest.raises(kind, match=match) as caught:
        convert_published(path, max_depth_m, "relu")
    assert len(str(caught.value).splitlines()) == 1


class Hostile:
    """Makes a folder when a pickle of it is loaded without restraint."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize("where", ["alone", "among the tensors", "beside the dictionary"])
@pytest.mark.parametrize("written_by", ["pickle", "torch", "old torch"])
def test_a_pickle_that_would_run_code_is_refused(tmp_path, where, written_by):
    marker, path = tmp_path / "ran", tmp_path / "hostile.pkl"
    hostile = Hostile(marker)
    content = {
        "alone": hostile,
        "among the tensors": {"module.encoder.encoder.conv1.weight": torch.zeros(2), "module.x": hostile},
        "beside the dictionary": [{"module.encoder.encoder.conv1.weight": torch.zeros(2)}, hostile],
    }[where]
    if written_by == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=written_by == "torch")
    refused(path, "asks to run code, which is refused")
    assert not marker.exists()

    if written_by == "pickle":  # the trap itself works
        pickle.loads(path.read_bytes())
        assert marker.is_dir()


def test_a_missing_file_or_a_folder_cannot_be_read(tmp_path):
    refused(tmp_path / "none.pkl", "cannot read .*none.pkl", ReadError)
    refused(tmp_path, "cannot read", ReadError)
    os.mkfifo(tmp_path / "pipe.pkl")  # opening it would wait for ever
    refused(tmp_path / "pipe.pkl", "is a pipe or a device; expected an ordinary file", ReadError)


@pytest.mark.parametrize(
    "data", [b"", b"hello\n", b"PK\x03\x04", b"\x80\x02.", bytes(range(256)) * 8], ids=["empty", "text", "zip", "pickle", "bytes"]
)
def test_files_of_something_else(tmp_path, data):
    path = tmp_path / "x.pkl"
    path.write_bytes(data)
    refused(path, "is not a (PyTorch|plain) checkpoint")


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
@pytest.mark.parametrize("old_format", [False, True])
def test_a_truncated_checkpoint(published, tmp_path, share, old_format):
    path = tmp_path / "torn.pkl"
    torch.save(tensors_of(published), path, _use_new_zipfile_serialization=not old_format)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, r"torn\.pkl is not a (PyTorch|plain) checkpoint")


@pytest.mark.parametrize(
    "content",
    [
        [torch.zeros(2)],
        {},
        {"epoch": 3},
        {0: torch.zeros(2)},
        {"state_dict": {"a": torch.zeros(1)}},
        torch.zeros(3),
    ],
    ids=["list", "empty", "number inside", "names that are numbers", "nested", "one tensor"],
)
def test_contents_other_than_a_dictionary_of_tensors(tmp_path, content):
    path = tmp_path / "x.pkl"
    torch.save(content, path)
    refused(path, f"holds {type(content).__name__}; expected a dictionary of tensors")


def test_a_missing_tensor_is_named(published, tmp_path):
    tensors = tensors_of(published)
    del tensors["module.decoder.decoder1.3.module.2.weight"]
    torch.save(tensors, tmp_path / "x.pkl")
    refused(tmp_path / "x.pkl", r"1 tensors missing, 0 unknown \(missing 'decoder\.head\.3\.conv\.weight'\)")


def test_an_unknown_tensor_is_named(published, tmp_path):
    torch.save(tensors_of(published) | {"module.decoder.more": torch.zeros(1)}, tmp_path / "x.pkl")
    refused(tmp_path / "x.pkl", r"unknown 'decoder\.more'")


def test_nan_is_found(published, tmp_path):
    tensors = tensors_of(published)
    tensors["module.decoder.decoder1.3.module.2.weight"].view(-1)[0] = float("nan")
    torch.save(tensors, tmp_path / "x.pkl")
    refused(tmp_path / "x.pkl", r"decoder\.head\.3\.conv\.weight' holds NaN")


@pytest.mark.parametrize(
    "tensors",
    [
        {"module.encoder.encoder.features.0.weight": torch.zeros(2)},
        {"module.decoder.decoder1.0.module.2.weight": torch.zeros(2)},
        {"something": torch.zeros(2)},
    ],
)
def test_an_unknown_encoder(tmp_path, tensors):
    torch.save(tensors, tmp_path / "x.pkl")
    refused(tmp_path / "x.pkl", "no encoder that is known; .*ResNeXt101, ResNet101, DenseNet161 or MobileNetV2")


@pytest.mark.slow
@pytest.mark.parametrize("first", [torch.zeros(()), torch.zeros(128, 64, 1, 1), torch.zeros(64, 64, 1, 1)])
def test_a_resnet_that_is_not_a_published_one(tmp_path, first):
    torch.save({"module.encoder.encoder.layer1.0.conv1.weight": first}, tmp_path / "x.pkl")
    refused(tmp_path / "x.pkl", "tensors missing")


@pytest.mark.parametrize(
    ("max_depth_m", "working_size", "focal_px"),
    [(80, (352, 1216), 721.5377), (10, (480, 640), 518.8579), (20, (480, 640), None)],
)
def test_the_range_tells_the_camera(published, max_depth_m, working_size, focal_px):
    config = convert_published(published, max_depth_m, "elu").config
    assert config.max_depth_m == max_depth_m
    assert config.working_size == working_size
    assert config.focal_px == focal_px
    assert (config.name, config.encoder, config.norm, config.activation) == ("mobile", "mobilenetv2_100", "bn", "elu")
    assert (config.levels, config.depth_scale, config.decoder, config.weight_gain) == (5, "linear", None, False)
    assert "GPL-3.0" in config.licence
    assert config.provenance == {"converted_from": "mobile.pkl"}


@pytest.mark.parametrize("name", ["a\nb.pkl", os.fsdecode(b"a\xff.pkl"), "\x1b[2J.pkl"])
def test_a_file_name_of_any_bytes(published, tmp_path, name):
    shutil.copy(published, tmp_path / name)
    config = convert_published(tmp_path / name, 80.0, "relu").config
    assert config.provenance["converted_from"].isprintable()
    assert config.name == config.provenance["converted_from"].removesuffix(".pkl")


@pytest.mark.parametrize("name", ["features.3", "features.3x.weight", "features.99999.conv.weight"])
def test_a_tensor_of_a_stage_that_is_none(published, tmp_path, name):
    tensors = tensors_of(published) | {f"module.encoder.encoder.{name}": torch.zeros(1)}
    torch.save(tensors, tmp_path / "x.pkl")
    if name == "features.99999.conv.weight":  # beyond what is used, as the release stores some
        convert_published(tmp_path / "x.pkl", 80.0, "relu")
    else:
        refused(tmp_path / "x.pkl", "1 unknown")


@pytest.mark.parametrize("max_depth_m", [0.0, -80.0, float("nan"), float("inf")])
def test_a_range_that_is_none(published, max_depth_m):
    refused(published, "max_depth_m", LapDepthError, max_depth_m)


@pytest.mark.parametrize("old_format", [False, True])
def test_as_older_releases_of_pytorch_wrote_it(published, tmp_path, old_format):
    # `state_dict()` is an ordered dictionary that carries versions of its modules.
    tensors = OrderedDict(tensors_of(published))
    tensors._metadata = OrderedDict({"": {"version": 1}})
    torch.save(tensors, tmp_path / "x.pkl", _use_new_zipfile_serialization=not old_format)
    expected = convert_published(published, 80.0, "relu").state_dict()
    got = convert_published(tmp_path / "x.pkl", 80.0, "relu").state_dict()
    assert all(torch.equal(got[name], tensor) for name, tensor in expected.items())


def test_names_without_the_wrapper_are_known_too(published, tmp_path):
    torch.save({name.removeprefix("module."): tensor for name, tensor in tensors_of(published).items()}, tmp_path / "x.pkl")
    assert convert_published(tmp_path / "x.pkl", 80.0, "relu").config.encoder == "mobilenetv2_100"
