import json
import math
import os
from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from lapdepth.config import FORMAT_VERSION, ModelConfig, Settings, check_settings, read_toml
from lapdepth.errors import ConfigError, ModelError, ReadError

LEAST = {"name": "m", "encoder": "e", "max_depth_m": 80.0, "working_size": [352, 1216]}
DECODER = {"widths": [32, 16, 8, 8, 8], "heads": [[], [], [], [], []], "aspp_width": 16}


def read(**changes):
    return ModelConfig.from_json(json.dumps(LEAST | {"format_version": FORMAT_VERSION} | changes), "m/config.json")


def test_round_trip():
    config = read(
        decoder=DECODER,
        depth_scale="log",
        min_depth_m=0.1,
        far_m=70.0,
        focal_px=350.5,
        uncertainty=True,
        error_scale=1.7,
        licence="CC0, öffentlich",
        provenance={"command": "lapdepth train a.toml"},
    )
    assert ModelConfig.from_json(config.to_json(), "again") == config
    assert json.loads(config.to_json())["error_scale"] == 1.7
    assert json.loads(config.to_json())["provenance"] == {"command": "lapdepth train a.toml"}


def test_defaults_are_the_published_model():
    config = read()
    assert (config.levels, config.norm, config.activation, config.depth_scale) == (5, "bn", "relu", "linear")
    assert (config.decoder, config.focal_px, config.far_m, config.min_depth_m) == (None, None, None, None)
    assert (config.uncertainty, config.error_scale) == (False, 1.0)
    assert config.image_mean == (0.485, 0.456, 0.406)
    assert config.image_std == (0.229, 0.224, 0.225)


@pytest.mark.parametrize(("levels", "stride"), [(5, 16), (6, 32)])
def test_stride(levels, stride):
    assert read(levels=levels).stride == stride


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"max_depht_m": 5}, r"^m/config.json is not a model configuration: unknown key 'max_depht_m'$"),
        ({"decoder": DECODER | {"width": 3}}, "unknown key 'decoder.width'"),
        ({"max_depth_m": 0}, "max_depth_m: .* got '0'"),
        ({"name": "a\x1b[2J"}, r"name: .*one line of text without control characters, got 'a\\x1b\[2J'$"),
        ({"licence": "free\nlapdepth: all is well"}, "licence: .*one line of text"),
        ({"provenance": {"a": "b\u2028c"}}, "provenance.a: .*one line of text"),
        ({"provenance": {"a\x07": "b"}}, r"provenance\.a\\x07"),
        ({"\x1b[2J": 1}, r"unknown key '\\x1b\[2J'$"),
        ({"max_depth_m": "far"}, "max_depth_m: .* got 'far'"),
        ({"max_depth_m": None}, "max_depth_m"),
        ({"focal_px": -1}, "focal_px"),
        ({"far_m": 0}, "far_m"),
        ({"fov_deg": 180}, "fov_deg"),
        ({"error_scale": 0}, "error_scale"),
        ({"error_scale": math.inf}, "error_scale"),
        ({"levels": 4}, "levels"),
        ({"norm": "layer"}, "norm"),
        ({"activation": "gelu"}, "activation"),
        ({"working_size": [31, 100]}, "working_size.0"),
        ({"working_size": [100]}, "working_size"),
        ({"image_std": [0, 1, 1]}, "image_std.0"),
        ({"name": ""}, "name"),
        ({"depth_scale": "log"}, "min_depth_m belongs to depth_scale 'log'"),
        ({"min_depth_m": 1}, "min_depth_m belongs to depth_scale 'log'"),
        ({"depth_scale": "log", "min_depth_m": 80}, "min_depth_m 80.0 must be below max_depth_m 80.0"),
        ({"depth_scale": "inverse"}, "depth_scale"),
        ({"decoder": DECODER, "levels": 6}, "decoder has 5 widths; 6 levels need 6"),
        ({"decoder": DECODER | {"heads": [[]]}}, "widths has 5 levels, heads 1"),
        ({"decoder": DECODER | {"dilations": [0]}}, "decoder.dilations.0"),
        ({"decoder": DECODER | {"widths": [8] * 9, "heads": [[]] * 9}}, "decoder.widths: .*at most 8"),
        ({"decoder": DECODER | {"heads": [[]] * 9}}, "decoder.heads: .*at most 8"),
        ({"decoder": DECODER | {"heads": [[8] * 9, [], [], [], []]}}, "decoder.heads.0: .*at most 8"),
        ({"decoder": DECODER | {"dilations": [1] * 9}}, "decoder.dilations: .*at most 8"),
        ({"image_mean": [0.5, math.inf, 0.5]}, "image_mean.1"),
        ({"image_mean": [0.5, math.nan, 0.5]}, "image_mean.1"),
        ({"format_version": 0}, "format_version"),
        ({"far_m": 4.0}, "far_m 4.0 must be above 4 and at most max_depth_m 80.0"),
        ({"far_m": 80.5}, "far_m 80.5 must be above 4 and at most max_depth_m 80.0"),
        ({"far_m": 0.5, "depth_scale": "log", "min_depth_m": 0.5}, "far_m 0.5 must be above 0.5 and at most"),
        ({"working_size": [4096, 4128]}, "more than 16,777,216 pixels"),
        ({"far_m": 81}, r"far_m 81.0 must be above 4 and at most max_depth_m 80.0$"),
        ({"depth_scale": "x" * 80}, "depth_scale: .*got 'x{80}'$"),
        ({"depth_scale": "x" * 81}, "depth_scale: [^x]*$"),
        ({"far_m": -1, "focal_px": -1, "max_depth_m": -1}, r"\(and 2 more\)"),
    ],
)
def test_wrong_settings(changes, match):
    with pytest.raises(ModelError, match=match) as caught:
        read(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "words", b"\xff\xfe", "{}", json.dumps(LEAST)])
def test_not_a_configuration(text):
    with pytest.raises(ModelError, match="x is not a model configuration") as caught:
        ModelConfig.from_json(text, "x")
    assert "\n" not in str(caught.value)


def test_the_bounds_themselves_are_allowed():
    decoder = DECODER | {"heads": [[8] * 8, [], [], [], []], "dilations": [1] * 8}
    config = read(decoder=decoder, far_m=80.0, working_size=[4096, 4096], image_mean=[0, 0, 0])
    assert (config.far_m, config.working_size) == (80.0, (4096, 4096))
    assert read(far_m=4.1).far_m == 4.1
    assert read(far_m=0.6, depth_scale="log", min_depth_m=0.5).far_m == 0.6


def test_infinite_range_is_refused():
    with pytest.raises(ModelError, match="max_depth_m"):
        read(max_depth_m=math.inf)  # Python writes it as Infinity


def test_newer_format_says_upgrade_before_its_new_keys_confuse():
    text = json.dumps(LEAST | {"format_version": FORMAT_VERSION + 1, "new_key": 1, "max_depth_m": "new meaning"})
    with pytest.raises(ModelError, match=rf"m is of model format {FORMAT_VERSION + 1}; .* up to {FORMAT_VERSION}\. Upgrade"):
        ModelConfig.from_json(text, "m")


def test_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        read().max_depth_m = 10


# --- TOML


class Inner(Settings):
    rate: float = Field(default=0.1, gt=0)
    names: tuple[str, ...] = ()


class Outer(Settings):
    steps: int
    inner: Inner = Inner()
    title: str = ""


def toml(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_bytes(text.encode("latin-1"))
    return path


def read_outer(path, overrides=None):
    return check_settings(read_toml(path, overrides), Outer, str(path))


def test_toml(tmp_path):
    read_back = read_outer(toml(tmp_path, 'steps = 3\n[inner]\nrate = 0.5\nnames = ["a", "b"]\n'))
    assert read_back == Outer(steps=3, inner=Inner(rate=0.5, names=("a", "b")))


def test_toml_with_changes(tmp_path):
    path = toml(tmp_path, "steps = 3\n[inner]\nrate = 0.5\n")
    changes = ["steps=7", "inner.rate = 1e-4", 'inner.names=["x"]', "title=two words"]
    assert read_outer(path, changes) == Outer(steps=7, inner=Inner(rate=1e-4, names=("x",)), title="two words")


def test_change_makes_the_table_it_needs(tmp_path):
    assert read_outer(toml(tmp_path, "steps = 3"), ["inner.rate=2.0"]).inner.rate == 2


def test_change_of_an_entry_of_a_list(tmp_path):
    path = toml(tmp_path, "[[groups]]\nname = 'a'\n[[groups]]\nname = 'b'\n[[groups.sources]]\nfold = 1\n")
    groups = read_toml(path, ["groups.1.sources.0.fold=2", "groups.0.batch=4"])["groups"]
    assert groups == [{"name": "a", "batch": 4}, {"name": "b", "sources": [{"fold": 2}]}]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("groups.2.name=c", "'2' is none of 0 to 1"),
        ("groups.name=c", "'name' is an entry of a list"),
        ("groups.first.name=c", "'first' is none of 0 to 1"),
        ("groups.\u00b2.name=c", "'\u00b2' is none of 0 to 1"),
        ("groups.0=c", "'0' is an entry of a list; name one of its keys, such as 0.KEY"),
    ],
)
def test_wrong_change_of_a_list(tmp_path, change, match):
    path = toml(tmp_path, "[[groups]]\nname = 'a'\n[[groups]]\nname = 'b'\n")
    with pytest.raises(ConfigError, match=match):
        read_toml(path, [change])


@pytest.mark.parametrize(
    ("text", "changes", "match"),
    [
        ("steps = 3\nstep = 4", [], "unknown key 'step'"),
        ("steps = 3\n[inner]\nrat = 1", [], "unknown key 'inner.rat'"),
        ("steps = 'x'", [], "steps: .* got 'x'"),
        ("", [], "steps: Field required"),
        ("steps = 3\n[inner]\nrate = 0", [], "inner.rate"),
        ("steps = ", [], "is not TOML"),
        ("title = '\xff'", [], "is not TOML"),
        ("steps = " + "[" * 9999, [], "is nested too deeply"),
        ("steps = " + "1" * 5000, [], "is not TOML"),
        ("steps = 3", ["steps=" + "[" * 9999], "--set steps: its value is nested too deeply"),
        ("steps = 3", ["steps=" + "1" * 5000], "steps: Unable to parse input string as an integer"),
        ("steps = 3", ["steps"], "--set got 'steps'; expected key=value"),
        ("steps = 3", ["=4"], "--set got '=4'"),
        ("steps = 3", ["inner.rate=0"], "inner.rate"),
        ("steps = 3", ["other=1"], "unknown key 'other'"),
        ("steps = 3", ["steps.more=1"], "'steps' is a value, not a table"),
    ],
)
def test_wrong_toml(tmp_path, text, changes, match):
    with pytest.raises(ConfigError, match=match) as caught:
        read_outer(toml(tmp_path, text), changes)
    assert "\n" not in str(caught.value)


def test_missing_toml(tmp_path):
    with pytest.raises(ReadError, match=r"cannot read .*run\.toml: No such file"):
        read_outer(tmp_path / "run.toml")


def test_toml_in_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "run.toml")
    with pytest.raises(ReadError, match=r"run\.toml is a pipe or a device; expected TOML in an ordinary file"):
        read_toml(tmp_path / "run.toml")


def test_toml_that_is_a_folder(tmp_path):
    with pytest.raises(ReadError, match=r"cannot read .*: Is a directory"):
        read_toml(tmp_path)
