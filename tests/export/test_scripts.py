"""Scripts of the repository: packaging replaces all or nothing, the benchmark draws what training draws, no scene leaks."""

import importlib.util
import json
import logging
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="the scripts need the torch extra")

from data.pictures import write_pictures  # noqa: E402
from inference.fake_engine import FakeEngine  # noqa: E402
from lapdepth.data.manifest import read_manifest  # noqa: E402
from lapdepth.errors import LapDepthError, ModelError  # noqa: E402
from lapdepth.evaluation.metrics import METRICS  # noqa: E402
from lapdepth.inference.predictor import DepthPredictor  # noqa: E402
from lapdepth.model.checkpoint import load_model, save_model  # noqa: E402
from lapdepth.model.network import build_network  # noqa: E402
from lapdepth.training import loop  # noqa: E402
from lapdepth.training.config import load_train_config  # noqa: E402
from lapdepth.training.loop import make_sources, train  # noqa: E402
from model.designs import DEFAULT_TOML, build, soften  # noqa: E402
from training.runs import logged, make_run, run_settings  # noqa: E402

SCRIPTS = Path(__file__).parents[2] / "scripts"


def script(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def packaging(tmp_path, monkeypatch):
    """The script with another place for models, one old model in it, and an export that takes no time."""
    module = script("package_model")
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "weights")
    monkeypatch.setattr(
        module, "export_onnx", lambda network, path, compact: path.write_bytes(network.config.name.encode()) and 1e-6
    )
    monkeypatch.setattr(module, "share_weights", lambda onnx_file, weights_file: 0)
    monkeypatch.setattr(module, "compare_with_torch", lambda network, path: 1e-6)
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
    def fails(network, path, compact):
        raise ModelError("the export differs")

    before = contents(tmp_path / "weights")
    monkeypatch.setattr(packaging, "export_onnx", fails)
    with pytest.raises(ModelError, match="the export differs"):
        packaging.package(tmp_path / "trained", "default")
    assert contents(tmp_path / "weights") == before


def test_packaging_what_differs_once_packed_replaces_nothing(packaging, tmp_path, monkeypatch):
    before = contents(tmp_path / "weights")
    monkeypatch.setattr(packaging, "compare_with_torch", lambda network, path: float("nan"))
    with pytest.raises(SystemExit, match="the packed model differs from PyTorch by nan"):
        packaging.package(tmp_path / "trained", "default")
    assert contents(tmp_path / "weights") == before


@pytest.mark.parametrize(
    ("words", "message"),
    [(["runs/model"], "got 1 words; expected the folder of a trained model and the name"), (["no", "default"], "no model 'no'")],
)
def test_packaging_what_is_not_told_or_not_there_is_refused_in_one_line(packaging, tmp_path, monkeypatch, words, message):
    before = contents(tmp_path / "weights")
    monkeypatch.setattr("sys.argv", ["package_model", *words])
    with pytest.raises(SystemExit) as ended:
        packaging.main()
    assert re.fullmatch(f"package_model: .*{message}.*", ended.value.code)
    assert contents(tmp_path / "weights") == before


def test_flicker_of_a_scene_that_is_none_is_refused_before_any_is_measured(monkeypatch):
    monkeypatch.setattr(logging, "disable", lambda: None)  # of the whole process: other tests look at what is logged
    app = typer.Typer()
    app.command()(script("measure_flicker").main)
    result = CliRunner().invoke(app, ["road:7", "moon:1"])
    assert result.exit_code == 1
    assert re.fullmatch(r"measure_flicker: .*moon.*", result.output.strip())


@pytest.mark.slow
def test_weights_that_both_files_hold_are_stored_once(tmp_path):
    module = script("package_model")
    network = soften(build("small"))
    module.absorb_norms(network.encoder)
    save_model(network, tmp_path, half=True)
    network = load_model(tmp_path)
    onnx_file, weights_file = tmp_path / "model.onnx", tmp_path / "model.safetensors"
    module.export_onnx(network, onnx_file, compact=True)
    before = onnx_file.stat().st_size
    convolutions = sum(
        tensor.numel() * 2 for tensor in network.state_dict().values() if tensor.ndim == 4 and tensor.numel() >= 256
    )
    assert module.share_weights(onnx_file, weights_file) > 10
    assert before - onnx_file.stat().st_size > 0.9 * convolutions
    assert module.compare_with_torch(network, onnx_file) < 1e-4
    # What runs is read from the other file: other weights there, another depth.
    data = bytearray(weights_file.read_bytes())
    data[-2000:] = bytes(2000)
    weights_file.write_bytes(data)
    assert not module.compare_with_torch(network, onnx_file) < 1e-4


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


# --- cross-validation


@pytest.fixture(scope="module")
def crossing():
    return script("cross_validate")


def parts(group):
    return [(str(source.manifest), source.fold, source.folds) for source in group.sources]


def crossing_groups():
    """Roads are divided; rooms hold out a block of their own in one group, and roads come in another group as well."""
    return [
        {
            "name": "rooms",
            "crop": [64, 96],
            "batch": 1,
            "sources": [{"manifest": "rooms.csv", "fold": 2, "folds": 5}, {"manifest": "more.csv", "repeat": 3}],
        },
        {
            "name": "all",
            "crop": [64, 96],
            "batch": 1,
            "first_step": 2,
            "sources": [{"manifest": "roads.csv", "window": "kb"}, {"manifest": "rooms.csv", "window": (1, 2, 90, 60)}],
        },
        {
            "name": "roads",
            "crop": [64, 96],
            "batch": 1,
            "first_step": 4,
            "sources": [{"manifest": "roads.csv", "sky": True}, {"manifest": "streets.csv", "fold": 1, "folds": 2}],
        },
    ]


ROADS, STREETS = Path("roads.csv"), Path("streets.csv")


def test_a_block_is_held_out_of_every_group(crossing, tmp_path):
    config = make_run(tmp_path, groups=crossing_groups())
    divided = crossing.held_out(config, {ROADS, STREETS}, 1, 3)
    rooms, both, roads = divided.groups
    assert parts(rooms) == [("rooms.csv", 2, 5), ("more.csv", 0, 0)]
    assert parts(both) == [("roads.csv", 1, 3), ("rooms.csv", 0, 0)]
    assert parts(roads) == [("roads.csv", 1, 3), ("streets.csv", 1, 3)]  # also where the group held out another block
    # All else stays.
    for before, after in zip(config.groups, divided.groups, strict=True):
        plain = [source.model_copy(update={"fold": 0, "folds": 0}) for source in before.sources]
        assert [source.model_copy(update={"fold": 0, "folds": 0}) for source in after.sources] == plain
        assert after.model_copy(update={"sources": before.sources}) == before
    assert divided.output == config.output / "fold-1-of-3"
    assert divided.model_copy(update={"groups": config.groups, "output": config.output}) == config


def test_no_group_draws_from_a_scene_that_is_scored(crossing, tmp_path):
    write_pictures(tmp_path / "data", 8)
    source = {"manifest": "manifest.csv"}
    groups = [{"name": name, "crop": [64, 96], "batch": 1, "sources": [source]} for name in ("rooms", "roads")]
    config = make_run(tmp_path, groups=groups)
    manifest = Path("manifest.csv")
    scored = []
    for fold in range(3):
        divided = crossing.held_out(config, {manifest}, fold, 3)
        done = crossing.score(DepthPredictor(FakeEngine(2.0)), divided, [manifest], "plain")
        scenes = {one["scene"] for one in done.per_image}
        for group in divided.groups:
            assert scenes.isdisjoint(row.scene for one in make_sources(group, divided) for row in one.rows)
        scored += [one["name"] for one in done.per_image]
    # Every picture is scored, once.
    assert scored == [row.image.stem for row in read_manifest(tmp_path / "data" / "manifest.csv")]


def test_manifests_are_scored_on_what_they_hold_out_and_nothing_else(crossing, tmp_path):
    write_pictures(tmp_path / "data", 8)
    write_pictures(tmp_path / "data" / "more", 4)
    sources = [{"manifest": "manifest.csv", "split": "train", "fold": 1, "folds": 2}, {"manifest": "more/manifest.csv"}]
    config = make_run(tmp_path, groups=[{"name": "all", "crop": [64, 96], "batch": 1, "sources": sources}])
    done = crossing.score(DepthPredictor(FakeEngine(2.0, log_scale=0.0)), config, [Path("manifest.csv")], "plain")
    assert [(one["name"], one["scene"]) for one in done.per_image] == [("5", "scene2"), ("7", "scene3")]
    assert done.reliability is not None


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ("streets=plain", r"--hold-out is 'streets=plain'; expected MANIFEST=PROTOCOL with .*: rooms.csv, more.csv, roads.csv"),
        ("roads.csv", "--hold-out is 'roads.csv'"),
        ("roads.csv=lidar", "lidar"),
        ("roads.csv=plain", "different splits"),
    ],
)
def test_what_cannot_be_held_out_is_refused(crossing, tmp_path, asked, match):
    groups = crossing_groups()
    if match == "different splits":
        groups[2]["sources"][0]["split"] = "train"
    with pytest.raises(LapDepthError, match=match):
        crossing.protocols_of([asked], make_run(tmp_path, groups=groups))


def test_the_shipped_recipe_holds_out_rooms_and_roads_at_once(crossing):
    config = load_train_config(DEFAULT_TOML)
    nyu, kitti = Path("nyu_labeled_train/manifest.csv"), Path("kitti_stereo_2015/manifest.csv")
    asked = crossing.protocols_of([f"{nyu}=nyu-eigen", f"{kitti}=kitti-garg"], config)
    assert asked == {nyu: "nyu-eigen", kitti: "kitti-garg"}
    held = {
        source.manifest: (source.fold, source.folds)
        for group in crossing.held_out(config, asked, 3, 5).groups
        for source in group.sources
        if source.folds
    }
    assert held == {nyu: (3, 5), kitti: (3, 5)}


def as_toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {as_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return json.dumps(value)


def write_run(folder, **changes):
    """The tiny run as a file."""
    path = folder / "run.toml"
    path.write_text("".join(f"{key} = {as_toml(value)}\n" for key, value in run_settings(folder, **changes).items()))
    return path


@pytest.fixture
def cross_validate(crossing):
    app = typer.Typer()
    app.command()(crossing.main)

    def command(*arguments):
        return CliRunner().invoke(app, [str(one) for one in arguments])

    return command


def test_cross_validation_from_a_shared_checkpoint(cross_validate, tmp_path, monkeypatch):
    groups = [
        {"name": "start", "crop": [32, 48], "batch": 1, "sources": [{"manifest": "more/manifest.csv"}], "last_step": 1},
        {"name": "roads", "crop": [32, 48], "batch": 1, "sources": [{"manifest": "manifest.csv"}], "first_step": 1},
    ]
    write_pictures(tmp_path / "data", 4)
    more = write_pictures(tmp_path / "data" / "more", 2)
    more.write_text(more.read_text().replace("scene0", "elsewhere"))
    config = make_run(tmp_path, groups=groups, steps=1)
    train(config)
    shared = tmp_path / "run" / "checkpoint-00000001.pt"
    steps, step_of = [], loop._step
    monkeypatch.setattr(loop, "_step", lambda step, *rest: steps.append(step) or step_of(step, *rest))

    # The run's own folder is not where the folds go.
    path, output = write_run(tmp_path, groups=groups, steps=3), tmp_path / "folds"
    arguments = [path, "--folds", 2, "--hold-out", "manifest.csv=plain", "--output", output, "--shared", shared]
    done = cross_validate(*arguments, "--set", "steps=2")
    assert done.exit_code == 0, done.output
    assert steps == [1, 1]  # one step of each fold, after the shared one
    report = json.loads((output / "report.json").read_text())
    assert set(report) == {"plain"}
    assert set(report["plain"]["metrics"]) == set(METRICS)
    assert [(one["name"], one["scene"]) for one in report["plain"]["per_image"]] == [
        ("0", "scene0"),
        ("1", "scene0"),
        ("2", "scene1"),
        ("3", "scene1"),
    ]
    means = {name: sum(one[name] for one in report["plain"]["per_image"]) / 4 for name in METRICS}
    assert report["plain"]["metrics"] == pytest.approx(means)
    low, high = report["plain"]["intervals"]["abs_rel"]
    assert low <= means["abs_rel"] <= high
    for fold in range(2):
        own = config.model_copy(update={"output": output / f"fold-{fold}-of-2"})
        assert [entry["step"] for entry in logged(own)] == [1]
        stored = json.loads((own.output / "config.json").read_text())
        assert [(source["fold"], source["folds"]) for source in stored["groups"][1]["sources"]] == [(fold, 2)]
        assert f"fold {fold}, plain: delta1 " in done.output
    assert "plain: 4 scores of pictures held out" in done.output
    assert done.output.count("with error_scale times") == 2
    assert shared.exists()

    # Again: all is there.
    monkeypatch.setattr(loop, "_step", lambda *_: pytest.fail("trained again"))
    again = cross_validate(*arguments, "--set", "steps=2")
    assert (again.exit_code, again.stdout) == (0, done.stdout)
    assert json.loads((output / "report.json").read_text()) == report

    # The same models, averaged with the mirrored picture.
    flipped = cross_validate(*arguments, "--set", "steps=2", "--flip")
    assert flipped.exit_code == 0, flipped.output
    mirrored = json.loads((output / "report.json").read_text())["plain"]
    assert (report["plain"]["flip"], mirrored["flip"]) == (False, True)
    assert mirrored["metrics"]["abs_rel"] != pytest.approx(means["abs_rel"], rel=1e-6)
    assert mirrored["metrics"]["abs_rel"] == pytest.approx(means["abs_rel"], rel=0.2)

    # A fold of other settings may have trained on what is held out now.
    other = cross_validate(*arguments, "--set", "steps=2", "--set", "seed=9")
    assert other.exit_code == 1
    assert "fold-0-of-2 holds a run with seed = 3, not 9" in other.stderr

    # A fold that was interrupted goes on from its own checkpoint, not from the shared one.
    shutil.rmtree(output / "fold-1-of-2" / "model")
    last = cross_validate(*arguments, "--set", "steps=2")
    assert (last.exit_code, last.stdout) == (0, done.stdout)


@pytest.mark.parametrize("make", [lambda path: path.write_text("text"), lambda path: torch.save({"stop": 1}, path)])
def test_a_shared_checkpoint_that_is_none_is_refused(cross_validate, tmp_path, make):
    make(tmp_path / "shared.pt")
    arguments = [
        "--folds",
        2,
        "--hold-out",
        "manifest.csv=plain",
        "--output",
        tmp_path / "folds",
        "--shared",
        tmp_path / "shared.pt",
    ]
    done = cross_validate(write_run(tmp_path), *arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith("cross_validate: --shared")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "folds").exists()


def test_a_shared_checkpoint_that_saw_a_scene_held_out_is_refused(cross_validate, tmp_path):
    groups = [
        {"name": "start", "crop": [32, 48], "batch": 1, "sources": [{"manifest": "more/manifest.csv"}], "last_step": 1},
        {"name": "roads", "crop": [32, 48], "batch": 1, "sources": [{"manifest": "manifest.csv"}], "first_step": 1},
    ]
    write_pictures(tmp_path / "data", 4)
    write_pictures(tmp_path / "data" / "more", 3)  # scenes of the same names
    train(make_run(tmp_path, groups=groups, steps=1))
    shared = tmp_path / "run" / "checkpoint-00000001.pt"
    path, output = write_run(tmp_path, groups=groups, steps=3), tmp_path / "folds"
    done = cross_validate(path, "--folds", 2, "--hold-out", "manifest.csv=plain", "--output", output, "--shared", shared)
    assert done.exit_code == 1
    assert "of step 1, and group 'start' came in at 0 with scenes that are held out" in done.stderr
    assert not list(output.rglob("*.pt"))


def test_cross_validation_without_a_shared_checkpoint_starts_from_the_first_step(cross_validate, tmp_path, monkeypatch):
    class StoppedError(Exception):
        pass

    def stop(step, *_):
        assert step == 0
        raise StoppedError

    monkeypatch.setattr(loop, "_step", stop)
    path = write_run(tmp_path)
    done = cross_validate(path, "--folds", 2, "--hold-out", "manifest.csv=plain", "--output", tmp_path / "folds")
    assert isinstance(done.exception, StoppedError)
    assert [one.name for one in (tmp_path / "folds").iterdir()] == ["fold-0-of-2"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--folds", 2, "--hold-out", "roads.csv=plain"], "--hold-out is 'roads.csv=plain'"),
        (["--folds", 3], "2 scenes cannot be divided into 3 folds"),
        (["--folds", 2, "--set", "steps=0"], "steps"),
    ],
)
def test_cross_validation_that_is_refused(cross_validate, tmp_path, options, match):
    done = cross_validate(write_run(tmp_path), "--hold-out", "manifest.csv=plain", *options, "--output", tmp_path / "folds")
    assert (done.exit_code, done.stdout, type(done.exception)) == (1, "", SystemExit)
    last = done.stderr.splitlines()[-1]  # behind what is shown of a run's progress
    assert last.startswith("cross_validate: ")
    assert match in last
    assert not (tmp_path / "folds" / "report.json").exists()


def teach(folder, model, *more):
    """The script on four pictures for four steps."""
    app = typer.Typer()
    app.command()(script("train_confidence").main)
    return CliRunner().invoke(app, [str(write_run(folder, steps=4)), str(model), "--output", str(folder / "taught"), *more])


def test_teaching_confidence_leaves_depth_to_the_last_bit(tmp_path):
    config = make_run(tmp_path)
    network = loop.starting_network(config)
    network.config = network.config.model_copy(update={"error_scale": 1.7})
    save_model(network, tmp_path / "start")
    done = teach(tmp_path, tmp_path / "start")
    assert done.exit_code == 0, done.output
    before, after = load_model(tmp_path / "start").eval(), load_model(tmp_path / "taught").eval()
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        old, new = before(image), after(image)
    assert torch.equal(old.depth_m, new.depth_m)
    assert not torch.equal(old.log_scale, new.log_scale)
    assert "confidence" in after.config.provenance
    assert after.config.error_scale == 1.0


def test_a_confidence_that_is_given_no_weight_is_refused(tmp_path):
    save_model(loop.starting_network(make_run(tmp_path)), tmp_path / "start")
    done = teach(tmp_path, tmp_path / "start", "--set", "loss.uncertainty=0")
    assert done.exit_code == 1
    assert "loss.uncertainty is 0" in done.stderr
    assert not (tmp_path / "taught").exists()


def test_a_confidence_that_diverges_is_not_written(tmp_path, monkeypatch):
    def diverging(network, *_, **__):
        return {"uncertainty": next(one for one in network.parameters() if one.requires_grad).sum() * float("nan")}

    save_model(loop.starting_network(make_run(tmp_path)), tmp_path / "start")
    monkeypatch.setattr(loop, "group_loss", diverging)
    done = teach(tmp_path, tmp_path / "start")
    assert done.exit_code == 1
    assert "not finite after step 0; nothing is written" in done.stderr
    assert not (tmp_path / "taught").exists()


def test_a_model_without_uncertainty_has_no_confidence_to_teach(tmp_path):
    config = make_run(tmp_path)
    network = build_network(config.model.model_copy(update={"uncertainty": False}))
    save_model(network, tmp_path / "start")
    done = teach(tmp_path, tmp_path / "start")
    assert done.exit_code == 1
    assert "uncertainty" in done.output
    assert not (tmp_path / "taught").exists()


HELD_OUT_SETS = {(0, 0): "nyu_labeled_train", (1, 0): "kitti_stereo_2015", (1, 1): "kitti_more"}


@pytest.fixture
def train_default(tmp_path, monkeypatch):
    """The script, and a command that trains its stages with the tiny run in place of the recipes, 250 steps a file."""
    monkeypatch.syspath_prepend(SCRIPTS)
    module = importlib.import_module("train_default")
    source = {"manifest": "manifest.csv"}
    groups = [
        {"name": name, "crop": [64, 96], "batch": 1, "sources": sources, "augment": {"composite": 0.5}}
        for name, sources in (("rooms", [source]), ("roads", [source, source]), ("drawn roads", [source]))
    ]
    recipe = write_run(tmp_path, steps=250, groups=groups).read_text()
    for name in ("rendered_roads", "rendered_drives"):  # all but the last two stages name them in place of the file's
        (tmp_path / "data" / name).symlink_to(tmp_path / "data")
    save_model(build_network(make_run(tmp_path).model), tmp_path / "open")
    start = f"start_from = {json.dumps(str(tmp_path / 'open'))}\n"
    for name, head in (("default", start), ("default-more", ""), ("confidence", "")):
        (tmp_path / f"{name}.toml").write_text(head + recipe)
    app = typer.Typer()
    app.command()(module.main)

    def command(*options):
        monkeypatch.setattr(module, "CONFIGS", tmp_path)
        where = ["--data-root", str(tmp_path / "data"), "--output", str(tmp_path / "out"), "--steps-scale", "0.01"]
        return CliRunner().invoke(app, [*where, *options])

    return module, command


def test_the_default_model_is_made_in_the_stages_of_its_card(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    module = importlib.import_module("train_default")
    shipped = load_model("default").config
    card = (DEFAULT_TOML.parents[1] / "src/lapdepth/weights/default/MODEL_CARD.md").read_text()
    for held_out in (False, True):
        begun = load_train_config(
            module.CONFIGS / module.STAGES[0].config, module.settings(module.STAGES[0], None, [], held_out, 1.0)
        )
        assert begun.start_from == "open"
        runs = [begun]
        for run in (*module.STAGES[1:], module.CONFIDENCE):
            changes = module.settings(run, Path("default"), ["workers=0"], held_out, 1.0)
            runs.append(load_train_config(module.CONFIGS / run.config, changes))
        assert [run.start_from for run in runs[1:]] == ["default"] * 7
        assert [run.workers for run in runs] == [2, *[0] * 7]
        patchwork = [(run.groups[1].augment.strip, run.groups[2].augment.composite) for run in runs[:-1]]
        assert patchwork == [(0.4, 0.3)] * 2 + [(0, 0)] * 5
        losses = [(run.loss.si, run.loss.l1, run.loss.variance_focus) for run in runs[:-1]]
        assert losses == [(1, 0, 0.85)] * 3 + [(0.5, 0.5, 0.5)] * 4
        batches = [tuple(group.batch for group in run.groups) for run in runs[:-1]]
        assert batches == [(16, 8, 8), (6, 2, 2), (6, 2, 3), (6, 2, 3), (6, 3, 3), (6, 3, 4), (4, 3, 4)]
        assert [run.groups[0].crop for run in runs[:-1]] == [*[(288, 384)] * 6, (384, 512)]
        drawn = [[source.manifest.parts[0] for source in run.groups[2].sources] for run in runs[:-1]]
        roads = ["rendered_roads", "rendered_drives"]
        assert drawn == [*[roads] * 5, *[[*roads, "rendered_motorways"]] * 2]
        assert [run.steps for run in runs] == [1010, 1100, 850, 900, 850, 800, 800, 125]
        assert [run.seed for run in runs[:-1]] == [1, 2, 3, 5, 6, 7, 8]
        for run, made in zip(module.STAGES, runs, strict=False):
            assert re.search(rf"\| `configs/{run.config}`.*\| {made.steps:,} \|", card)
            assert all(f"--set {change}" in card for change in run.changes)
        for place in ((0, 0), (1, 0), (1, 1)):
            sources = [run.groups[place[0]].sources[place[1]] for run in runs]
            assert {source.manifest.parts[0] for source in sources} == {HELD_OUT_SETS[place]}
            assert [(source.fold, source.folds) == (2, 5) for source in sources] == [*[held_out] * 7, True]
        assert {run.model.licence for run in runs} == {shipped.licence}
    taught = load_train_config(module.CONFIGS / module.CONFIDENCE.config)
    assert [group.error_factor for group in taught.groups] == [1.8, 2.45, 0.8]
    assert (shipped.error_scale, shipped.sharpen_edges) == (1.0, True)


@pytest.mark.slow
def test_the_stages_of_the_default_model_follow_each_other(train_default, tmp_path):
    _, command = train_default
    # In float32, as a processor that must emulate bfloat16 takes minutes for these few steps.
    options = ["--set", "checkpoint_every=1", "--set", "precision=float32"]
    done = command(*options)
    assert done.exit_code == 0, done.output
    out = tmp_path / "out"
    runs = {name: json.loads((out / name / "config.json").read_text()) for name in "1234567"}
    assert [run["steps"] for run in runs.values()] == [2, 11, 8, 9, 8, 2, 2]
    starts = tmp_path / "open", out / "1" / "model", *(out / name / "mean" for name in "23456")
    assert [run["start_from"] for run in runs.values()] == [str(start) for start in starts]
    ends = [load_model(out / part).state_dict() for part in ("6/mean", "7/model")]
    mean = load_model(out / "7" / "mean").state_dict()
    assert all(torch.allclose(mean[key], (ends[0][key] + ends[1][key]) / 2) for key in mean if mean[key].is_floating_point())
    made = load_model(out / "model")
    assert made.config.error_scale == 1.0
    assert "confidence" in made.config.provenance
    # Killed in the last stage and called again.
    shutil.rmtree(out / "model")
    shutil.rmtree(out / "7" / "model")
    (out / "7" / "checkpoint-00000002.pt").unlink()
    done = command(*options)
    assert done.exit_code == 0, done.output
    again = load_model(out / "model").state_dict()
    assert all(torch.equal(tensor, again[key]) for key, tensor in made.state_dict().items())


def test_the_stages_of_the_default_model_are_refused_in_one_line(train_default, tmp_path):
    done = train_default[1]("--set", "moon=1")
    assert done.exit_code == 1
    assert done.stderr.startswith("train_default: ")
    assert "unknown key 'moon'" in done.stderr
    assert not (tmp_path / "out").exists()


def published_lite(timm_name):
    """Weights as the published files name them, each tensor with values of its own."""
    timm = pytest.importorskip("timm", reason="the converter needs timm")
    module = script("convert_efficientnet_lite")
    network = timm.create_model(timm_name)
    places = {
        f"blocks.{i}.{j}": n for n, (i, j) in enumerate((i, j) for i, s in enumerate(network.blocks) for j in range(len(s)))
    }
    weights = {}
    for key, tensor in network.state_dict().items():
        place = next((place for place in places if key.startswith(f"{place}.")), None)
        if place is None:
            names, prefix, rest = module.OUTSIDE, "", key
        else:
            names = module.INVERTED if hasattr(network.get_submodule(place), "conv_pwl") else module.SEPARABLE
            prefix, rest = f"_blocks.{places[place]}.", key.removeprefix(f"{place}.")
        part, _, leaf = rest.partition(".")
        weights[prefix + {new: old for old, new in names.items()}[part] + "." + leaf] = torch.rand(tensor.shape)
    return module, network, weights


def test_published_efficientnet_lite_weights_get_timm_names(capsys):
    module, network, weights = published_lite("efficientnet_lite0")
    renamed = module.rename(weights, "efficientnet_lite0")
    missing, unexpected = network.load_state_dict(renamed, strict=False)
    assert not unexpected
    assert all(key.endswith("num_batches_tracked") for key in missing)
    assert torch.equal(renamed["blocks.1.0.conv_pwl.weight"], weights["_blocks.1._project_conv.weight"])
    assert torch.equal(renamed["blocks.0.0.conv_pw.weight"], weights["_blocks.0._project_conv.weight"])
    np.testing.assert_allclose(renamed["bn1.running_var"], weights["_bn0.running_var"] + 1e-3 - 1e-5, rtol=1e-6)


def test_efficientnet_lite_weights_of_another_network_are_refused():
    module, _, weights = published_lite("efficientnet_lite0")
    with pytest.raises(SystemExit, match=r"does not fit efficientnet_lite2|tensors of efficientnet_lite2 are not in the file"):
        module.rename(weights, "efficientnet_lite2")
    del weights["_conv_stem.weight"]
    with pytest.raises(SystemExit, match=r"1 tensors of efficientnet_lite0 are not in the file, such as 'conv_stem\.weight'"):
        module.rename(weights, "efficientnet_lite0")


def test_models_are_averaged(tmp_path):
    for seed, name in enumerate(("one", "other")):
        network = build("small")
        for parameter in network.parameters():
            parameter.data += 0.1 * seed
        network.config = network.config.model_copy(update={"name": name, "provenance": {"steps": str(seed)}, "licence": name})
        save_model(network, tmp_path / name)
    app = typer.Typer()
    app.command()(script("average_models").main)
    done = CliRunner().invoke(app, [str(tmp_path / "one"), str(tmp_path / "other"), "--output", str(tmp_path / "mean")])
    assert done.exit_code == 0, done.output
    one, other, mean = (load_model(tmp_path / name).state_dict() for name in ("one", "other", "mean"))
    changed = [key for key in one if one[key].is_floating_point() and not torch.equal(one[key], other[key])]
    assert len(changed) > 5
    for key in changed:
        torch.testing.assert_close(mean[key], (one[key] + other[key]) / 2)
    assert load_model(tmp_path / "mean").config.provenance == {"steps": "0", "averaged_with_2": "steps=1"}
    assert load_model(tmp_path / "mean").config.licence == "one; and other"
    again = [str(tmp_path / "mean"), str(tmp_path / "one"), "--output", str(tmp_path / "again")]
    assert CliRunner().invoke(app, again).exit_code == 0
    notes = {"steps": "0", "averaged_with_2": "steps=1", "averaged_with_3": "steps=0"}
    assert load_model(tmp_path / "again").config.provenance == notes
    done = CliRunner().invoke(app, [str(tmp_path / "one"), "open", "--output", str(tmp_path / "no")])
    assert "not of one architecture" in done.output  # so it was found by its name
    save_model(build("shallow"), tmp_path / "other")
    done = CliRunner().invoke(app, [str(tmp_path / "one"), str(tmp_path / "other"), "--output", str(tmp_path / "no")])
    assert done.exit_code == 1
    assert "not of one architecture" in done.output
    assert not (tmp_path / "no").exists()
