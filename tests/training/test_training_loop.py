"""Runs of a few steps: what they leave, that they resume exactly, and how they stop."""

import json
import math
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

from safetensors.torch import load_file, save_file  # noqa: E402

from lapdepth import __version__  # noqa: E402
from lapdepth.config import ModelConfig  # noqa: E402
from lapdepth.data.loader import Batch, CounterDataset  # noqa: E402
from lapdepth.data.manifest import read_manifest  # noqa: E402
from lapdepth.errors import ConfigError, ModelError, ReadError  # noqa: E402
from lapdepth.io.depth import write_png16  # noqa: E402
from lapdepth.model.checkpoint import load_model  # noqa: E402
from lapdepth.model.network import build_network  # noqa: E402
from lapdepth.training import loop  # noqa: E402
from lapdepth.training.loop import (  # noqa: E402
    TrainingStoppedError,
    group_loss,
    make_optimizer,
    make_sources,
    starting_network,
    train,
)
from lapdepth.training.losses import sobel_loss  # noqa: E402
from lapdepth.training.report import RunLog, licence  # noqa: E402
from lapdepth.training.state import KEEP, load_newest_state, save_state  # noqa: E402
from model.designs import picture  # noqa: E402
from training.runs import MODEL, logged, make_run  # noqa: E402


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run without interruption."""
    config = make_run(tmp_path_factory.mktemp("whole"))
    assert train(config) == config.output / "model"
    return config


class KilledError(Exception):
    pass


def kill_at(monkeypatch, when):
    step_of = loop._step

    def killed(step, *arguments):
        if step == when:
            raise KilledError
        return step_of(step, *arguments)

    monkeypatch.setattr(loop, "_step", killed)


def test_a_run_ends_in_a_model_that_loads(finished):
    network = load_model(finished.output / "model")
    assert network.config.model_copy(update={"provenance": {}}) == finished.model
    made = network.config.provenance
    assert (made["trained_on"], made["steps"], made["seed"]) == ("manifest.csv", "6", "3")
    assert {"started_from", "trained_at", "torch", "device", "git"} <= made.keys()
    assert made["lapdepth"] == __version__
    assert "start_trained_on" not in made
    out = network(picture(1, 64, 96))
    assert torch.isfinite(out.depth_m).all()
    torch.manual_seed(finished.seed)
    start = starting_network(finished)
    moved = [not torch.equal(a, b) for a, b in zip(start.parameters(), network.parameters(), strict=True)]
    assert any(moved)


def test_a_run_leaves_settings_environment_log_and_checkpoints(finished):
    assert {path.name for path in finished.output.iterdir()} == {
        "config.json",
        "data.json",
        "environment.json",
        "log.jsonl",
        "tensorboard",
        "model",
        "checkpoint-00000004.pt",
        "checkpoint-00000006.pt",
    }
    stored = json.loads((finished.output / "config.json").read_text())
    assert (stored["steps"], stored["seed"], stored["model"]["encoder"]) == (6, 3, "mobilenetv2_100")
    assert json.loads((finished.output / "environment.json").read_text())["torch"] == torch.__version__
    log = logged(finished)
    assert [entry["step"] for entry in log] == list(range(6))
    for entry in log:
        weighted = entry["all/si"] + 0.5 * entry["all/gradient"] + 0.2 * entry["all/uncertainty"]
        assert entry["all/total"] == pytest.approx(weighted, rel=1e-5)
        assert all(math.isfinite(value) for value in entry.values())
    # 80 % of 6 steps fall by the root, 4.8; the last ones keep the final rate.
    rates = [1e-5 + (1e-3 - 1e-5) * math.sqrt(max(1 - step / 4.8, 0)) for step in range(6)]
    assert [entry["lr"] for entry in log] == pytest.approx(rates)


def test_the_frozen_encoder_norms_did_not_move(finished):
    torch.manual_seed(finished.seed)
    start, end = starting_network(finished), load_model(finished.output / "model")
    norms = [name for name, _ in start.encoder.named_buffers() if name.endswith("running_mean")]
    assert norms
    assert all(torch.equal(start.encoder.get_buffer(name), end.encoder.get_buffer(name)) for name in norms)
    decoder = [name for name, _ in start.decoder.named_buffers() if name.endswith("running_mean")]
    assert any(not torch.equal(start.decoder.get_buffer(name), end.decoder.get_buffer(name)) for name in decoder)


@pytest.mark.parametrize("killed_at", [1, 3, 4])
def test_killed_and_resumed_it_is_the_same_run(finished, tmp_path, monkeypatch, killed_at):
    config = make_run(tmp_path)
    with monkeypatch.context() as patch:
        kill_at(patch, killed_at)
        with pytest.raises(KilledError):
            train(config)
    assert [entry["step"] for entry in logged(config)] == list(range(killed_at))
    train(config, resume=True)

    assert logged(config) == logged(finished)
    expected, got = (load_file(run.output / "model" / "model.safetensors") for run in (finished, config))
    assert all(torch.equal(got[name], tensor) for name, tensor in expected.items())


def test_resuming_goes_on_from_the_older_checkpoint_when_the_newest_is_torn(finished, tmp_path, monkeypatch):
    config = make_run(tmp_path)
    with monkeypatch.context() as patch:
        kill_at(patch, 5)
        with pytest.raises(KilledError):
            train(config)
    newest = config.output / "checkpoint-00000004.pt"
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    steps = []
    step_of = loop._step
    monkeypatch.setattr(loop, "_step", lambda step, *rest: steps.append(step) or step_of(step, *rest))
    train(config, resume=True)
    assert steps == [2, 3, 4, 5]
    assert logged(config) == logged(finished)


def test_resuming_a_finished_run_trains_nothing(finished, monkeypatch):
    before = (finished.output / "model" / "model.safetensors").read_bytes()
    kill_at(monkeypatch, 6)
    monkeypatch.setattr(loop, "_step", lambda *_: pytest.fail("a finished run took a step"))
    train(finished, resume=True)
    assert (finished.output / "model" / "model.safetensors").read_bytes() == before
    assert len(logged(finished)) == 6


def test_starting_over_an_existing_run_is_refused(finished):
    before = (finished.output / "log.jsonl").read_bytes()
    with pytest.raises(ConfigError, match="holds a run; go on with --resume, or choose another output"):
        train(finished)
    assert (finished.output / "log.jsonl").read_bytes() == before


def test_resuming_with_another_network_is_refused(finished):
    model = finished.model.model_copy(update={"encoder": "resnet18"})
    with pytest.raises(ConfigError, match=r"checkpoint .*another") as caught:
        train(finished.model_copy(update={"model": model}), resume=True)
    assert len(str(caught.value).splitlines()) == 1


def test_resuming_with_averaging_switched_on_is_refused(tmp_path):
    config = make_run(tmp_path, ema=0.0, steps=1)
    train(config)
    with pytest.raises(ConfigError, match=r"checkpoint .*another"):
        train(config.model_copy(update={"ema": 0.9, "steps": 2}), resume=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 4}, "with seed = 3, not 4"),
        ({"loss": {"gradient": 0.1, "uncertainty": 0.2}}, "with loss.gradient = 0.5, not 0.1"),
        ({"optimizer": {"lr": 1e-2, "eps": 1e-6, "clip_norm": 5.0}}, "nothing is left to train with another optimizer.lr"),
        ({"steps": 4}, "is at step 6 of 4"),
    ],
)
def test_resuming_with_other_settings_is_refused(finished, changes, words):
    files = [path for path in finished.output.rglob("*.*") if path.is_file()]
    before = [path.read_bytes() for path in files]
    config = make_run(finished.output.parent, **changes)
    with pytest.raises(ConfigError) as caught:
        train(config, resume=True)
    assert words in str(caught.value)
    assert "choose another output" in str(caught.value)
    assert [path.read_bytes() for path in files] == before


def test_what_changes_no_loss_may_change(finished):
    train(make_run(finished.output.parent, workers=1, log_every=2, checkpoint_every=3), resume=True)
    assert "changed" not in load_model(finished.output / "model").config.provenance
    train(finished, resume=True)


def test_a_run_of_a_version_with_fewer_settings_goes_on(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished.output, folder)
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    del saved["loss"]["si"], saved["groups"][0]["augment"]["composite"]
    (folder / "config.json").write_text(json.dumps(saved), encoding="utf-8")
    train(make_run(tmp_path), resume=True)
    with pytest.raises(ConfigError, match=r"with loss\.si = 1\.0, not 0\.5"):
        train(make_run(tmp_path, loss={"gradient": 0.5, "uncertainty": 0.2, "si": 0.5}), resume=True)


def test_a_run_with_a_setting_that_is_gone_is_another_run(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished.output, folder)
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(saved | {"berhu": 0.1}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"with berhu = 0\.1, not null"):
        train(make_run(tmp_path), resume=True)


@pytest.mark.parametrize(
    ("precision", "supported", "told"), [("bfloat16", False, 1), ("bfloat16", True, 0), ("float32", False, 0)]
)
def test_a_processor_without_bfloat16_is_told_of(tmp_path, monkeypatch, caplog, precision, supported, told):
    monkeypatch.setattr(loop, "_has_bfloat16", lambda: supported)
    monkeypatch.setattr(loop, "_step", lambda *_: {"all/total": 1.0})
    train(make_run(tmp_path, steps=1, precision=precision))
    assert caplog.text.count("add --set precision=float32") == told


def test_a_run_goes_on_with_the_same_pictures_alone(tmp_path):
    config = make_run(tmp_path, steps=2)
    train(config)
    shutil.move(tmp_path / "data", tmp_path / "moved")
    train(make_run(tmp_path, steps=3, data_root=str(tmp_path / "moved")), resume=True)
    manifest = tmp_path / "moved" / "manifest.csv"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:-1]))
    before = sorted(path.name for path in config.output.iterdir())
    with pytest.raises(
        ConfigError, match=r"groups\.0\.sources\.0 \(manifest\.csv\) had 4 rows, has 3 rows.*choose another output"
    ):
        train(make_run(tmp_path, steps=4, data_root=str(tmp_path / "moved")), resume=True)
    assert sorted(path.name for path in config.output.iterdir()) == before


def test_all_of_the_optimizer_may_change_on_the_way(tmp_path, monkeypatch):
    train(make_run(tmp_path, steps=2))
    changed = {"lr": 1e-4, "eps": 1e-3, "encoder_lr_factor": 0.1, "encoder_weight_decay": 0.3, "decoder_weight_decay": 0.5}
    seen, step_of = [], loop._step

    def noting(step, network, optimizer, *rest):
        parts = step_of(step, network, optimizer, *rest)
        seen.extend((group["weight_decay"], group["eps"], group["factor"], group["lr"]) for group in optimizer.param_groups)
        return parts

    monkeypatch.setattr(loop, "_step", noting)
    train(make_run(tmp_path, steps=3, optimizer=changed), resume=True)
    (of_encoder, of_decoder) = seen
    assert of_encoder[:3] == (0.3, 1e-3, 0.1)
    assert of_decoder[:3] == (0.5, 1e-3, 1.0)
    assert of_encoder[3] == pytest.approx(0.1 * of_decoder[3])


def test_a_rate_that_is_lowered_on_the_way_is_said_in_the_model(tmp_path, monkeypatch):
    lower = {"lr": 1e-4, "eps": 1e-6, "clip_norm": 5.0}
    with monkeypatch.context() as patch:
        kill_at(patch, 3)
        with pytest.raises(KilledError):
            train(make_run(tmp_path))
        kill_at(patch, 3)  # before it saves: nothing was trained with this one
        with pytest.raises(KilledError):
            train(make_run(tmp_path, optimizer=lower | {"lr": 5e-4}), resume=True)
    config = make_run(tmp_path, optimizer=lower)
    train(config, resume=True)
    said = load_model(config.output / "model").config.provenance["changed"]
    assert said == "optimizer.lr 0.001 -> 0.0001 from step 2"
    train(config, resume=True)
    assert load_model(config.output / "model").config.provenance["changed"] == said


def test_the_published_gradient_loss_without_filled_in_depth_is_refused(tmp_path):
    config = make_run(tmp_path, loss={"sobel": 0.1})
    sparse = np.zeros((80, 120), bool)
    sparse[::8] = True
    for row in read_manifest(config.data_root / "manifest.csv"):
        write_png16(row.depth, np.full((80, 120), 3, np.float32), sparse)
    with pytest.raises(ConfigError, match=r"loss\.sobel needs filled-in depth: .* has 12% of its pixels"):
        train(config)
    assert not config.output.exists()


def test_truth_beyond_the_farthest_counts_as_the_farthest(finished):
    network = starting_network(finished)
    (group,) = finished.groups
    batch = next(loop._stream(group, make_sources(group, finished), finished, 0))
    farthest = finished.model.max_depth_m * batch.focal_px / finished.model.focal_px  # as that picture's camera sees it
    at, beyond = (
        loop.group_loss(network, replace(batch, depth_m=batch.depth_m * 0 + (factor * farthest).view(-1, 1, 1, 1)), finished)
        for factor in (1, 3)
    )
    assert beyond["si"].item() == pytest.approx(at["si"].item(), rel=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_batch(tmp_path, monkeypatch, value):
    config = make_run(tmp_path, checkpoint_every=1)
    loss_of, calls = loop.scale_invariant_loss, []

    def bad_at_step_two(*arguments):
        calls.append(1)
        return loss_of(*arguments) * (value if len(calls) == 3 else 1)

    monkeypatch.setattr(loop, "scale_invariant_loss", bad_at_step_two)
    with pytest.raises(TrainingStoppedError, match=r"loss of group 'all' is not finite at step 2; .*nan-step-00000002\.saf"):
        train(config)
    batch = load_file(config.output / "nan-step-00000002.safetensors")
    assert batch.keys() == {f"all/{field.name}" for field in fields(Batch)}
    assert batch["all/image"].shape == (2, 3, 64, 96)
    assert batch["all/depth_m"].shape == (2, 1, 64, 96)
    assert_newest_is_finite(config, step=2)


def assert_newest_is_finite(config, step):
    """Nothing of a step that was stopped came into the weights: the last checkpoint is of the step before."""
    state = load_newest_state(config.output)
    assert state["step"] == step
    assert all(torch.isfinite(tensor).all() for tensor in state["network"].values())
    assert not (config.output / "model").exists()


class BadSlope(torch.autograd.Function):
    """Passes a finite value on, and no finite gradient back."""

    @staticmethod
    def forward(ctx, value):
        return value.clone()

    @staticmethod
    def backward(ctx, slope):
        return slope * math.nan


@pytest.mark.parametrize("clip_norm", [5.0, None])
def test_a_gradient_that_is_not_finite_stops_the_run_before_the_weights_change(tmp_path, monkeypatch, clip_norm):
    groups = [group_of("a", 2), group_of("b", 1)]
    optimizer = {"lr": 1e-3, "eps": 1e-6, "clip_norm": clip_norm}
    config = make_run(tmp_path, groups=groups, optimizer=optimizer, checkpoint_every=1)
    loss_of, calls = loop.scale_invariant_loss, []

    def bad_in_the_second_group(*arguments):
        calls.append(1)
        loss = loss_of(*arguments)
        return BadSlope.apply(loss) if len(calls) == 4 else loss

    monkeypatch.setattr(loop, "scale_invariant_loss", bad_in_the_second_group)
    with pytest.raises(TrainingStoppedError, match=r"^the gradient is not finite at step 1; .*nan-step-00000001\.safetensors"):
        train(config)
    kept = load_file(config.output / "nan-step-00000001.safetensors")
    assert kept.keys() == {f"{group}/{field.name}" for group in "ab" for field in fields(Batch)}
    assert (len(kept["a/image"]), len(kept["b/image"])) == (2, 1)
    assert_newest_is_finite(config, step=1)


def test_without_clipping_a_gradient_is_taken_as_it_is(tmp_path):
    runs = []
    for name, clip_norm in (("none", None), ("far", 1e9)):
        (tmp_path / name).mkdir()
        runs.append(make_run(tmp_path / name, steps=2, optimizer={"lr": 1e-3, "clip_norm": clip_norm}))
        train(runs[-1])
    assert logged(runs[0]) == logged(runs[1])
    none, far = (load_file(run.output / "model" / "model.safetensors") for run in runs)
    assert all(torch.equal(far[name], tensor) for name, tensor in none.items())


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_an_update_that_overflows_is_told_and_not_saved(tmp_path, ema):
    config = make_run(tmp_path, steps=1, ema=ema, optimizer={"lr": 1e30})
    with pytest.raises(TrainingStoppedError, match=r"weights are not finite after 1 steps, .*lower optimizer\.lr") as caught:
        train(config)
    assert len(str(caught.value).splitlines()) == 1
    assert load_newest_state(config.output) is None
    assert not (config.output / "model").exists()


def test_a_finished_run_of_weights_that_are_not_finite_makes_no_model(tmp_path):
    config = make_run(tmp_path, steps=1, ema=0.0)
    train(config)
    (config.output / "model" / "model.safetensors").unlink()
    state = load_newest_state(config.output)
    next(iter(state["network"].values()))[:] = math.nan
    save_state(config.output, state.pop("step"), state)
    with pytest.raises(TrainingStoppedError, match="weights are not finite"):
        train(config, resume=True)
    assert not (config.output / "model" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"data_root": "nowhere"}, ReadError),
        ({"start_from": "nowhere"}, ModelError),
        (
            {"groups": [{"name": "a", "crop": [32, 48], "batch": 1, "sources": [{"manifest": "manifest.csv", "folds": 1}]}]},
            ConfigError,
        ),
    ],
    ids=["no data", "no start", "nothing left"],
)
@pytest.mark.parametrize("sobel", [0.0, 0.1])
def test_a_refused_run_leaves_no_folder(tmp_path, changes, error, sobel):
    config = make_run(tmp_path, **changes, loss={"sobel": sobel})
    with pytest.raises(error):
        train(config)
    assert not config.output.exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # later Pythons warn of forks
@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_picture_is_told_in_one_line(tmp_path, workers):
    config = make_run(tmp_path, workers=workers)
    for row in read_manifest(config.data_root / "manifest.csv"):
        row.image.write_bytes(row.image.read_bytes()[:40])
    with pytest.raises(ReadError, match=r"\d\.png") as caught:
        train(config)
    assert type(caught.value) is ReadError
    assert len(str(caught.value).splitlines()) == 1
    assert "Traceback" not in str(caught.value)


def test_each_manifest_is_read_once(tmp_path, monkeypatch):
    read, paths = loop.read_manifest, []
    monkeypatch.setattr(loop, "read_manifest", lambda path, split: paths.append(path) or read(path, split))
    train(make_run(tmp_path, steps=1, loss={"sobel": 0.1}))
    assert len(paths) == 1


def test_infinite_depth_in_the_data_stops_the_run(tmp_path, monkeypatch):
    from lapdepth.data import loader

    load = loader.load_sample

    def broken(row):
        sample = load(row)
        sample.depth_m[:] = float("inf")
        return sample

    monkeypatch.setattr(loader, "load_sample", broken)
    with pytest.raises(TrainingStoppedError, match="step 0"):
        train(make_run(tmp_path))


def test_pictures_without_a_measurement_do_no_harm(tmp_path, monkeypatch):
    from lapdepth.data import loader

    load = loader.load_sample

    def unmeasured(row):
        sample = load(row)
        sample.depth_m[:] = 0
        return sample

    monkeypatch.setattr(loader, "load_sample", unmeasured)
    config = make_run(tmp_path, steps=2)
    train(config)
    assert all(math.isfinite(value) for entry in logged(config) for value in entry.values())
    assert logged(config)[0]["all/gradient"] == 0


def test_groups_add_their_losses_and_both_teach(tmp_path):
    source = [{"manifest": "manifest.csv", "sky": True}]
    groups = [
        {"name": "a", "crop": [64, 96], "batch": 1, "sources": source},
        {"name": "b", "crop": [96, 64], "batch": 2, "weight": 3.0, "sources": source},
    ]
    config = make_run(tmp_path, groups=groups, steps=1, precision="bfloat16", freeze_norms_at=0.0, ema=0.0)
    train(config)
    (entry,) = logged(config)
    assert {"a/si", "a/total", "b/si", "b/total", "gradient_norm"} <= entry.keys()
    start = build_network(config.model)
    end = load_model(config.output / "model")
    # The decoder's norms were held from the first step on.
    for name, buffer in start.decoder.named_buffers():
        assert torch.equal(end.decoder.get_buffer(name), buffer), name


def group_of(name, batch, **changes):
    return {"name": name, "crop": [32, 48], "batch": batch, "sources": [{"manifest": "manifest.csv"}]} | changes


RELAY = [group_of("first", 2, last_step=4), group_of("through", 1), group_of("late", 2, first_step=3)]
"""Steps 0 to 3, 0 to 5 and 3 to 5 of a run of six."""


def test_each_group_draws_from_its_first_counter_on_while_it_is_in(tmp_path, monkeypatch):
    config = make_run(tmp_path, groups=RELAY, checkpoint_every=2)
    drawn, shown = {}, []

    def watch(step, network, optimizer, step_batches, *rest):
        for group, batch in step_batches:
            drawn[step, group.name] = batch
        return {"lr": 0.0}

    monkeypatch.setattr(loop, "_step", watch)
    monkeypatch.setattr(RunLog, "picture", lambda self, name, step, *maps: shown.append((step, name)))
    train(config)
    # By hand: the first counter of each step.
    counters = {
        **{(step, "first"): 2 * step for step in range(4)},
        **{(step, "through"): step for step in range(6)},
        (3, "late"): 0,
        (4, "late"): 2,
        (5, "late"): 4,
    }
    assert set(drawn) == set(counters)
    datasets = {
        group.name: CounterDataset(make_sources(group, config), group.crop, group.augment, config.seed) for group in config.groups
    }
    for (step, name), batch in drawn.items():
        assert len(batch.image) == (1 if name == "through" else 2)
        for i, image in enumerate(batch.image):
            assert torch.equal(image, datasets[name][counters[step, name] + i][0]), (step, name)
    assert shown == [
        (1, "first"),
        (1, "through"),
        (3, "first"),
        (3, "through"),
        (3, "late"),
        (5, "through"),
        (5, "late"),
    ]


@pytest.fixture(scope="module")
def relay(tmp_path_factory):
    """A run whose groups come and go, without interruption."""
    config = make_run(tmp_path_factory.mktemp("relay"), groups=RELAY)
    train(config)
    return config


def test_the_log_names_only_groups_that_are_in(relay):
    named = [{key.split("/")[0] for key in entry if "/" in key} for entry in logged(relay)]
    assert named == [{"first", "through"}] * 3 + [{"first", "through", "late"}] + [{"through", "late"}] * 2
    assert all(math.isfinite(value) for entry in logged(relay) for value in entry.values())


@pytest.mark.parametrize("killed_at", [3, 5], ids=["while one comes in", "when one has left"])
def test_resumed_across_a_change_of_groups_it_is_the_same_run(relay, tmp_path, monkeypatch, killed_at):
    config = make_run(tmp_path, groups=RELAY)
    with monkeypatch.context() as patch:
        kill_at(patch, killed_at)
        with pytest.raises(KilledError):
            train(config)
    assert load_newest_state(config.output)["step"] == killed_at - 1
    train(config, resume=True)
    assert logged(config) == logged(relay)
    expected, got = (load_file(run.output / "model" / "model.safetensors") for run in (relay, config))
    assert all(torch.equal(got[name], tensor) for name, tensor in expected.items())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # later Pythons warn of forks
def test_loader_processes_that_start_late_change_nothing(relay, tmp_path):
    config = make_run(tmp_path, groups=RELAY, workers=1)
    train(config)
    assert logged(config) == logged(relay)


def test_a_late_group_without_data_is_told_before_the_first_step(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "_step", lambda *_: pytest.fail("took a step"))
    groups = [group_of("first", 1), group_of("late", 1, first_step=5, sources=[{"manifest": "none.csv"}])]
    with pytest.raises(ReadError, match=r"cannot read .*none\.csv"):
        train(make_run(tmp_path, groups=groups))


def test_the_average_forgets_faster_while_it_is_young():
    update = loop.warm_average(0.99)
    averaged, current = torch.tensor([10.0]), torch.tensor([0.0])
    # By hand: (1 + n) / (10 + n) of the old value is kept, at most the decay.
    assert update(averaged, current, torch.tensor(0)).item() == pytest.approx(10 * 0.1)
    assert update(averaged, current, torch.tensor(8)).item() == pytest.approx(10 * 0.5)
    assert update(averaged, current, 10_000).item() == pytest.approx(10 * 0.99)


def batch_of(config, depth_m, focal_px):
    shape = (2, 1, 64, 96)
    nothing = torch.zeros(shape)
    depth = torch.full(shape, depth_m)
    return loop.Batch(picture(2, 64, 96), depth, nothing.bool(), torch.tensor([focal_px] * 2), nothing, depth)


def test_truth_is_brought_to_the_training_focal_length(tmp_path):
    config = make_run(tmp_path)
    torch.manual_seed(0)
    network = build_network(config.model).eval()
    # Seen with twice the focal length, a point looks as one at half the depth.
    one = group_loss(network, batch_of(config, 8.0, 90.0), config)
    other = group_loss(network, batch_of(config, 16.0, 180.0), config)
    wrong = group_loss(network, batch_of(config, 16.0, 90.0), config)
    assert other["total"].item() == pytest.approx(one["total"].item(), rel=1e-5)
    assert wrong["total"].item() != pytest.approx(one["total"].item(), rel=1e-2)


def test_the_losses_of_error_in_log_depth_count_by_their_weights(tmp_path):
    config = make_run(tmp_path, loss={"si": 0.5, "l1": 0.25, "gradient": 20.0})
    torch.manual_seed(0)
    network = build_network(config.model).eval()
    with torch.no_grad():
        losses = {name: loss.item() for name, loss in group_loss(network, filled_batch(), config).items()}
    assert set(losses) == {"si", "l1", "gradient", "total"}
    assert min(losses.values()) > 0
    assert losses["total"] == pytest.approx(0.5 * losses["si"] + 0.25 * losses["l1"] + 20 * losses["gradient"])


def test_the_uncertainty_is_taught_as_if_errors_were_larger_by_their_factor(tmp_path):
    config = make_run(tmp_path)
    torch.manual_seed(0)
    network = build_network(config.model).eval()
    with torch.no_grad():
        once, twice, thrice = (group_loss(network, filled_batch(), config, error_factor=factor) for factor in (1.0, 2.0, 3.0))
    # |error| * factor / scale + log scale: a rising line in the factor.
    step = (twice["uncertainty"] - once["uncertainty"]).item()
    assert step > 0
    assert (thrice["uncertainty"] - twice["uncertainty"]).item() == pytest.approx(step, rel=1e-4)
    assert (once["si"], once["gradient"]) == (twice["si"], twice["gradient"])


def test_a_run_takes_the_error_factor_of_its_group(finished, tmp_path):
    groups = [finished.groups[0].model_copy(update={"error_factor": 2.0}).model_dump()]
    config = make_run(tmp_path, groups=groups, steps=1)
    train(config)
    usual, doubled = logged(finished)[0], logged(config)[0]
    assert doubled["all/si"] == usual["all/si"]
    assert doubled["all/uncertainty"] > usual["all/uncertainty"]


def test_a_model_of_unknown_camera_takes_truth_as_it_is(tmp_path):
    config = make_run(tmp_path, model=MODEL | {"focal_px": None})
    torch.manual_seed(0)
    network = build_network(config.model).eval()
    one, other = (group_loss(network, batch_of(config, 8.0, focal), config)["total"].item() for focal in (90.0, 180.0))
    assert one == other


def filled_batch(factor=1.0, focal_px=90.0):
    """Truth measured in the lower half and filled in above it, sloping both ways; a camera of another focal length sees it."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    dense = (5 + 0.1 * rows + 0.05 * columns).expand(2, 1, 64, 96) * factor
    depth = torch.where(rows >= 32, dense, 0.0)
    nothing = torch.zeros_like(dense)
    return loop.Batch(picture(2, 64, 96), depth, nothing.bool(), torch.tensor([focal_px] * 2), nothing, dense)


@pytest.mark.parametrize(
    ("share", "steps", "comes_in"),
    [(0.0, 6, 0), (0.5, 6, 3), (0.6, 25, 15), (20 / 35, 35, 20), (0.5, 5, 3), (1.0, 6, 6)],
)
def test_the_published_gradient_loss_comes_in_at_its_share_of_the_steps(tmp_path, share, steps, comes_in):
    loss = {"gradient": 0.5, "sobel": 0.1, "sobel_from": share, "sobel_band": (0.0, 0.25)}
    config = make_run(tmp_path, steps=steps, loss=loss)
    torch.manual_seed(0)
    network = build_network(config.model).eval()
    batch = filled_batch()
    with torch.no_grad():
        if comes_in > 0:
            before = group_loss(network, batch, config, comes_in - 1)
            assert set(before) == {"si", "gradient", "total"}
            assert before["total"].item() == pytest.approx((before["si"] + 0.5 * before["gradient"]).item())
        after = group_loss(network, batch, config, comes_in)
        expected = sobel_loss(network(batch.image).depth_m, batch.dense_m, batch.depth_m > 0, (0.0, 0.25))
    assert after["sobel"].item() == pytest.approx(expected.item())
    assert after["sobel"] > 0
    weighted = after["si"] + 0.5 * after["gradient"] + 0.1 * after["sobel"]
    assert after["total"].item() == pytest.approx(weighted.item())


def test_filled_in_truth_is_brought_to_the_training_focal_length(tmp_path):
    config = make_run(tmp_path, loss={"sobel": 0.1})
    torch.manual_seed(0)
    network = build_network(config.model).eval()
    one, other, wrong = (
        group_loss(network, batch, config)["sobel"].item()
        for batch in (filled_batch(), filled_batch(2.0, 180.0), filled_batch(2.0))
    )
    assert other == pytest.approx(one, rel=1e-5)
    assert wrong != pytest.approx(one, rel=1e-3)


def test_a_run_without_the_published_gradient_loss_does_not_look_at_filled_in_truth(tmp_path):
    config = make_run(tmp_path)
    network = build_network(config.model).eval()
    batch = filled_batch()
    batch.dense_m[:] = float("nan")
    losses = group_loss(network, batch, config, step=5)
    assert "sobel" not in losses
    assert torch.isfinite(losses["total"])


def test_a_run_takes_the_published_gradient_loss_in_on_the_way(tmp_path):
    group = group_of("all", 2, augment={"fit": False})
    config = make_run(tmp_path, groups=[group], steps=4, loss={"sobel": 0.1, "sobel_from": 0.5}, optimizer={"schedule": "flat"})
    train(config)
    entries = logged(config)
    assert ["all/sobel" in entry for entry in entries] == [False, False, True, True]
    for entry in entries:
        assert entry["all/total"] == pytest.approx(entry["all/si"] + 0.1 * entry.get("all/sobel", 0), rel=1e-5)


def test_encoder_and_decoder_have_their_own_rate_and_decay(tmp_path):
    optimizer = {"encoder_lr_factor": 0.3, "encoder_weight_decay": 0.05, "decoder_weight_decay": 0.01, "lr": 0.002}
    config = make_run(tmp_path, optimizer=optimizer)
    network = build_network(config.model)
    network.encoder.freeze("published")
    encoder, decoder = make_optimizer(network, config).param_groups
    assert (encoder["factor"], encoder["weight_decay"]) == (0.3, 0.05)
    assert (decoder["factor"], decoder["weight_decay"]) == (1.0, 0.01)
    assert {id(p) for p in decoder["params"]} == {id(p) for p in network.decoder.parameters()}
    assert {id(p) for p in encoder["params"]} == {id(p) for p in network.encoder.parameters() if p.requires_grad}
    assert len(encoder["params"]) < len(list(network.encoder.parameters()))


def test_starting_from_another_model(finished, tmp_path):
    start = starting_network(make_run(tmp_path, start_from=str(finished.output / "model")))
    expected = load_file(finished.output / "model" / "model.safetensors")
    assert all(torch.equal(tensor, expected[name]) for name, tensor in start.state_dict().items())
    with pytest.raises(ConfigError, match="of another architecture") as caught:
        starting_network(make_run(tmp_path, start_from=str(finished.output / "model"), model=MODEL | {"encoder": "resnet18"}))
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(ModelError, match="no model"):
        starting_network(make_run(tmp_path, start_from="nowhere"))


def test_what_a_model_and_its_starts_were_trained_on_stays_on_record(finished, tmp_path):
    start = finished.output / "model"
    named = "unknown; since then trained on other.csv: see its own licence"
    for generation, expected in enumerate(["manifest.csv", "other.csv; manifest.csv"]):
        (folder := tmp_path / str(generation)).mkdir()
        config = make_run(
            folder,
            steps=1,
            start_from=str(start),
            model=MODEL | {"licence": load_model(start).config.licence},
            groups=[group_of("all", 1, sources=[{"manifest": "other.csv"}])],
        )
        (config.data_root / "manifest.csv").rename(config.data_root / "other.csv")
        made = load_model(train(config)).config
        assert (made.provenance["trained_on"], made.provenance["start_trained_on"]) == ("other.csv", expected)
        assert made.licence == named
        start = config.output / "model"


def test_a_model_from_the_free_one_does_not_say_that_it_is_free(tmp_path):
    start = ModelConfig.model_validate(
        MODEL
        | {
            "licence": "Apache-2.0",
            "provenance": {"trained_on": "rooms/manifest.csv, manifest.csv", "averaged_with_2": "a=b.csv"},
        }
    )

    def told(*manifests, **model):
        sources = [{"manifest": manifest} for manifest in manifests]
        config = make_run(tmp_path, model=MODEL | {"licence": "Apache-2.0"} | model, groups=[group_of("all", 1, sources=sources)])
        return licence(config, start)

    assert told("manifest.csv", "b.csv") == "Apache-2.0"
    assert told("manifest.csv", "own/manifest.csv", "c.csv") == (
        "Apache-2.0; since then trained on own/manifest.csv, c.csv: see its own licence"
    )
    assert told("c.csv", licence="mine") == "mine"
    drawn = {"scene": "room", "count": 4, "focal_px": [50.0, 60.0]}
    config = make_run(tmp_path, model=MODEL | {"licence": "Apache-2.0"}, groups=[group_of("all", 1, sources=[drawn])])
    assert licence(config, start) == licence(config) == "Apache-2.0"


def test_encoder_weights_from_a_file(tmp_path):
    config = make_run(tmp_path, encoder_weights="encoder.safetensors")
    torch.manual_seed(77)
    encoder = build_network(config.model).encoder
    weights = {name.removeprefix("body."): tensor for name, tensor in encoder.state_dict().items()}
    save_file(weights, config.data_root / "encoder.safetensors")
    started = starting_network(config).encoder
    assert all(torch.equal(tensor, encoder.state_dict()[name]) for name, tensor in started.state_dict().items())

    save_file({"a": torch.zeros(1)}, config.data_root / "encoder.safetensors")
    with pytest.raises(ConfigError, match="pretrained weights have nothing for"):
        starting_network(config)
    (config.data_root / "encoder.safetensors").write_bytes(b"no")
    with pytest.raises(ConfigError, match="encoder_weights: cannot read"):
        starting_network(config)


def test_a_fold_that_leaves_nothing_is_refused(tmp_path):
    groups = [
        {"name": "all", "crop": [64, 96], "batch": 1, "sources": [{"manifest": "manifest.csv", "folds": 1}]},
    ]
    with pytest.raises(ConfigError, match="no picture is left to train on"):
        train(make_run(tmp_path, groups=groups))


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    for step in range(1, 5):
        save_state(tmp_path, step, {"network": {"a": torch.full((2,), float(step))}})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-00000003.pt", "checkpoint-00000004.pt"]
    assert KEEP == 2
    assert load_newest_state(tmp_path)["step"] == 4


@pytest.mark.parametrize("torn", [b"", b"PK\x03\x04", b"text\n", bytes(range(256)) * 20], ids=["empty", "zip", "text", "bytes"])
def test_a_torn_checkpoint_is_passed_over(tmp_path, torn):
    save_state(tmp_path, 1, {"network": {"a": torch.ones(2)}})
    newest = save_state(tmp_path, 2, {"network": {"a": torch.zeros(2)}})
    newest.write_bytes(torn)
    assert load_newest_state(tmp_path)["step"] == 1
    (tmp_path / "checkpoint-00000001.pt").write_bytes(torn)
    with pytest.raises(ModelError, match=r"no checkpoint in .* can be read"):
        load_newest_state(tmp_path)


def test_no_checkpoint_is_no_error(tmp_path):
    assert load_newest_state(tmp_path) is None
