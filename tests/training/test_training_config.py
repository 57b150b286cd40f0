"""Settings of a run: the schedule by its formula, and files that are refused when they are wrong."""

import itertools
import math
import re
import tomllib

import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

from lapdepth.config import check_settings, read_toml  # noqa: E402
from lapdepth.errors import ConfigError, ModelError, ReadError  # noqa: E402
from lapdepth.model.checkpoint import save_model  # noqa: E402
from lapdepth.training.config import GroupSettings, OptimizerSettings, TrainConfig, load_train_config  # noqa: E402
from lapdepth.training.schedule import learning_rate  # noqa: E402
from model.designs import DEFAULT_TOML, build  # noqa: E402

TOML = """
output = "run"
steps = 10
[model]
name = "x"
encoder = "resnet18"
max_depth_m = 80.0
working_size = [64, 96]
[[groups]]
name = "all"
crop = [64, 96]
batch = 2
[[groups.sources]]
manifest = "m.csv"
"""


def read(path, overrides=None):
    return check_settings(read_toml(path, overrides), TrainConfig, str(path))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "run.toml").write_text(TOML)
    return tmp_path / "run.toml"


def test_published_schedule():
    # 20 epochs of falling, 5 of the final rate, 40 steps each.
    settings, epoch = OptimizerSettings(), 40
    for step in range(25 * epoch):
        falling = 1e-5 + (1e-4 - 1e-5) * math.sqrt(max(1 - step / (20 * epoch), 0))
        assert learning_rate(step, 25 * epoch, settings) == pytest.approx(falling, rel=1e-9)
    assert learning_rate(0, 1000, settings) == 1e-4
    assert learning_rate(600, 1000, settings) == pytest.approx(1e-5 + 9e-5 * 0.5)  # sqrt(1 - 600 / 800)
    assert {learning_rate(step, 1000, settings) for step in range(800, 1000)} == {1e-5}


def test_published_defaults_are_the_papers():
    settings = OptimizerSettings()
    assert (settings.lr, settings.final_lr, settings.eps) == (1e-4, 1e-5, 1e-3)
    assert (settings.encoder_weight_decay, settings.decoder_weight_decay) == (1e-2, 0)
    assert (settings.clip_norm, settings.warmup_steps, settings.schedule) == (None, 0, "published")


def test_cosine_schedule_with_warmup():
    settings = OptimizerSettings(lr=1.0, final_lr=0.1, schedule="cosine", warmup_steps=4)
    assert [learning_rate(step, 100, settings) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert learning_rate(50, 100, settings) == pytest.approx(0.55)
    assert learning_rate(25, 100, settings) == pytest.approx(0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2)
    assert learning_rate(99, 100, settings) == pytest.approx(0.1, abs=1e-3)


def test_flat_schedule_by_hand():
    settings = OptimizerSettings(lr=1.0, final_lr=0.1, schedule="flat", tail=0.25, warmup_steps=4)
    assert [learning_rate(step, 400, settings) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert {learning_rate(step, 400, settings) for step in range(4, 301)} == {1.0}
    # The last 100 of 400 steps: a quarter of the way the cosine is the root of 1/2, halfway 0.
    assert learning_rate(325, 400, settings) == pytest.approx(0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2)
    assert learning_rate(350, 400, settings) == pytest.approx(0.55)
    assert learning_rate(375, 400, settings) == pytest.approx(0.1 + 0.9 * (1 - math.sqrt(0.5)) / 2)
    assert learning_rate(399, 400, settings) == pytest.approx(0.1, abs=1e-3)
    tail = [learning_rate(step, 400, settings) for step in range(300, 400)]
    assert tail == sorted(tail, reverse=True)


def test_runs_of_other_lengths_branch_off_a_flat_schedule():
    settings = OptimizerSettings(schedule="flat", tail=0.25, warmup_steps=10)
    short, long = ([learning_rate(step, steps, settings) for step in range(steps)] for steps in (200, 400))
    assert short[:151] == long[:151]
    assert short[151] < long[151]


def test_a_flat_schedule_without_a_tail_and_of_nothing_else():
    flat = OptimizerSettings(schedule="flat", tail=0.0)
    assert {learning_rate(step, 50, flat) for step in range(50)} == {1e-4}
    whole, cosine = (OptimizerSettings(schedule=schedule, tail=1.0) for schedule in ("flat", "cosine"))
    rates = [learning_rate(step, 50, cosine) for step in range(50)]
    assert [learning_rate(step, 50, whole) for step in range(50)] == pytest.approx(rates)


@pytest.mark.parametrize("steps", [1, 7, 300])
@pytest.mark.parametrize("tail", [0.0, 0.2, 0.9, 1.0])
def test_the_tail_of_other_schedules(steps, tail):
    # The published one falls over what is not the tail, at least a step; the cosine knows no tail.
    falling = max(steps * (1 - tail), 1)
    for step in range(steps):
        published = 1e-5 + 9e-5 * math.sqrt(max(1 - step / falling, 0))
        cosine = 1e-5 + 9e-5 * (1 + math.cos(math.pi * step / steps)) / 2
        for schedule, rate in (("published", published), ("cosine", cosine)):
            assert learning_rate(step, steps, OptimizerSettings(schedule=schedule, tail=tail)) == pytest.approx(rate, abs=1e-11)


@pytest.mark.parametrize("schedule", ["published", "cosine", "flat"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_schedules_of_few_steps(schedule, steps):
    rates = [learning_rate(step, steps, OptimizerSettings(schedule=schedule, tail=1.0)) for step in range(steps)]
    assert all(1e-5 <= rate <= 1e-4 for rate in rates)


def test_a_file_as_written(path):
    config = read(path)
    assert (config.steps, config.model.encoder, config.groups[0].crop) == (10, "resnet18", (64, 96))
    assert config.optimizer == OptimizerSettings()


@pytest.mark.parametrize("name", ["default", "open", "resnet18"])
def test_a_shipped_configuration_is_valid(name):
    config = load_train_config(DEFAULT_TOML.with_name(f"{name}.toml"))
    assert (config.model.name, config.model.levels) == (name, 6)
    assert [group.name for group in config.groups][:2] == ["rooms", "roads"]
    assert all(group.trains_at(step) for group in config.groups for step in (0, config.steps - 1))


def test_the_resnet_differs_from_the_default_in_its_encoder_and_holds_out_what_that_is_measured_on():
    default, resnet = (load_train_config(DEFAULT_TOML.with_name(f"{name}.toml")) for name in ("default", "resnet18"))
    own = {"name", "encoder", "image_mean", "image_std", "error_scale"}
    assert default.model.model_dump(exclude=own) == resnet.model.model_dump(exclude=own)
    nyu, kitti = resnet.groups[0].sources[0], resnet.groups[1].sources[0]
    assert (nyu.fold, nyu.folds, kitti.split) == (2, 5, "train")


def test_both_shipped_models_are_of_one_architecture():
    default, free = (load_train_config(DEFAULT_TOML.with_name(f"{name}.toml")).model for name in ("default", "open"))
    own = {"name", "licence", "error_scale"}
    assert default.model_dump(exclude=own) == free.model_dump(exclude=own)


def test_what_the_default_is_measured_on_can_be_left_out_as_its_file_says():
    head = re.search(r"# Held out:.*?\n# [A-Z]", DEFAULT_TOML.read_text(encoding="utf-8"), re.DOTALL)[0]
    config = load_train_config(DEFAULT_TOML, re.findall(r"--set (\S+)", head))
    left_out = [source for group in config.groups for source in group.sources if (source.fold, source.folds) == (2, 5)]
    assert [source.manifest.parts[0] for source in left_out] == ["nyu_labeled_train", "kitti_stereo_2015", "kitti_more"]


def test_rooms_alone_are_taught_as_in_the_default_and_from_a_model_that_saw_none_of_nyu():
    whole, alone = (
        load_train_config(DEFAULT_TOML.with_name(f"{name}.toml"), ["start_from=open"]) for name in ("default-more", "rooms")
    )
    assert (alone.loss, alone.groups[0].augment, alone.groups[0].crop) == (
        whole.loss,
        whole.groups[0].augment,
        whole.groups[0].crop,
    )
    assert [source.manifest.parts[0] for source in alone.groups[0].sources] == [
        "nyu_rooms",
        "indoor_permissive",
        "rendered_rooms",
    ]
    assert tomllib.loads(DEFAULT_TOML.with_name("rooms.toml").read_text(encoding="utf-8"))["start_from"] == "open"
    assert len(alone.groups) == 1


def test_the_open_model_is_trained_on_nothing_that_forbids_commercial_use():
    config = read(DEFAULT_TOML.with_name("open.toml"))
    sources = {source.manifest.parts[0] for group in config.groups for source in group.sources}
    assert sources == {"indoor_permissive", "rendered_rooms", "rendered_roads"}


@pytest.mark.parametrize(
    ("model", "first", "second"),
    [("default", "default", "default-more"), ("open", "open", "open-more")],
)
def test_a_later_part_of_a_recipe_goes_on_with_the_model_of_the_one_before(model, first, second):
    path = DEFAULT_TOML.with_name(f"{second}.toml")
    begun = load_train_config(DEFAULT_TOML.with_name(f"{first}.toml"), [] if first == model else [f"start_from={model}"])
    assert tomllib.loads(path.read_text(encoding="utf-8"))["start_from"] == f"{begun.output}/model"
    config = load_train_config(path, [f"start_from={model}"])
    own = {"provenance", "error_scale"}
    assert config.model.model_dump(exclude=own) == begun.model.model_dump(exclude=own)
    sources = [{source.manifest for group in one.groups for source in group.sources} for one in (begun, config)]
    assert sources[0] <= sources[1]
    forbidden = {"nyu_labeled_train", "kitti_stereo_2015", "kitti_more", "rendered_odometry_00"}
    assert model == "default" or not forbidden & {manifest.parts[0] for manifest in sources[1]}


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("epochs = 3", "epochs"),
        ("[optimizer]\nmomentum = 0.9", "optimizer.momentum"),
        ("[model.decoder]\nlevels = 3", "model.decoder"),
        ("[[groups.sources]]\nmanifest = 'n.csv'\nshuffle = true", "groups.0.sources.1.shuffle"),
    ],
)
def test_an_unknown_key_is_named(path, line, key):
    path.write_text(f"{line}\n{TOML}" if "[" not in line else f"{TOML}\n{line}")
    with pytest.raises(ConfigError, match=key) as caught:
        read(path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("steps=0", "steps"),
        ("steps=ten", "steps"),
        ("steps", "expected key=value"),
        ("=3", "expected key=value"),
        ("steps.more=3", "'steps' is a value, not a table"),
        ("optimizer.lr=-1", "optimizer.lr"),
        ("optimizer.lr=nan", "optimizer.lr"),
        ("optimiser.lr=1", "unknown key 'optimiser'"),
        ("freeze=all", "freeze"),
        ("groups=[]", "groups"),
        ("ema=1.0", "ema"),
        ("model.levels=7", "model.levels"),
        ("loss.uncertainty=0.5", "needs model.uncertainty = true"),
        ("loss.sobel=-0.1", "loss.sobel"),
        ("loss.sobel_from=1.1", "loss.sobel_from"),
        ("loss.sobel_band=[0.3, 1.2]", r"loss.sobel_band.1"),
        ("loss.sobel_band=[0.3]", "loss.sobel_band"),
        ("optimizer.schedule=step", "optimizer.schedule"),
    ],
)
def test_changes_that_are_refused(path, override, match):
    with pytest.raises(ConfigError, match=match):
        read(path, [override])


def test_a_crop_that_does_not_divide(path):
    path.write_text(TOML.replace("crop = [64, 96]", "crop = [64, 100]"))
    with pytest.raises(ConfigError, match=r"crop \(64, 100\) of group 'all' must be multiples of 16"):
        read(path)


def test_two_groups_of_one_name(path):
    path.write_text(TOML + SECOND.format(1).replace("late", "all"))
    with pytest.raises(ConfigError, match="two groups have one name"):
        read(path)


SECOND = """
[[groups]]
name = "late"
crop = [64, 64]
batch = 1
first_step = {}
[[groups.sources]]
manifest = "n.csv"
"""


def stays(first, last):
    """The lines of the file's only group with the steps that it is in."""
    lines = f"first_step = {first}\n" + (f"last_step = {last}\n" if last is not None else "")
    return TOML.replace("batch = 2\n", f"batch = 2\n{lines}")


def test_a_group_is_in_from_its_first_step_to_before_its_last():
    group = {"name": "a", "crop": (64, 96), "batch": 1, "sources": ({"manifest": "m.csv"},)}
    late = GroupSettings(**group, first_step=3, last_step=5)
    assert [late.trains_at(step) for step in range(7)] == [False, False, False, True, True, False, False]
    assert all(GroupSettings(**group).trains_at(step) for step in (0, 1, 10**9))


@pytest.mark.parametrize(
    ("text", "step"),
    [
        (stays(1, None), 0),
        (stays(10, None), 0),
        (stays(0, 9), 9),
        (stays(0, 4) + SECOND.format(6), 4),
        (stays(0, 4) + SECOND.format(4).replace("first_step = 4", "first_step = 4\nlast_step = 8"), 8),
    ],
    ids=["late", "never", "early", "gap", "end"],
)
def test_steps_without_a_group_are_refused(path, text, step):
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"no group trains at step {step} of 10; change first_step or last_step") as caught:
        read(path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", [stays(0, 10), stays(0, 99), stays(0, 4) + SECOND.format(4), stays(0, 7) + SECOND.format(2)])
def test_groups_that_hand_over_or_overlap_are_taken(path, text):
    path.write_text(text)
    assert read(path).groups[0].last_step in (10, 99, 4, 7)


def test_a_run_is_refused_just_when_a_step_has_no_group(path):
    data = read_toml(path) | {"steps": 4}
    spans = [(first, last) for first, last in itertools.product(range(5), [None, 1, 2, 3, 4]) if last is None or first < last]
    for pair in itertools.product(spans, repeat=2):
        groups = [data["groups"][0] | {"name": str(i), "first_step": first} for i, (first, _) in enumerate(pair)]
        for group, (_, last) in zip(groups, pair, strict=True):
            group |= {} if last is None else {"last_step": last}
        empty = [step for step in range(4) if not any(first <= step < (last or 99) for first, last in pair)]
        if empty:
            with pytest.raises(ConfigError, match="no group trains at step"):
                check_settings(data | {"groups": groups}, TrainConfig, "run.toml")
        else:
            assert len(check_settings(data | {"groups": groups}, TrainConfig, "run.toml").groups) == 2


@pytest.mark.parametrize(("first", "last", "match"), [(-1, None, "first_step"), (0, 0, "last_step"), (0, -3, "last_step")])
def test_steps_of_a_group_that_are_none(path, first, last, match):
    path.write_text(stays(first, last))
    with pytest.raises(ConfigError, match=rf"groups\.0\.{match}"):
        read(path)


@pytest.mark.parametrize(
    ("window", "read_as"), [("'kb'", "kb"), ("[1, 2, 3, 4]", (1, 2, 3, 4)), ("'eigen'", None), ("[1, 2, 3]", None)]
)
def test_windows_of_a_source(path, window, read_as):
    path.write_text(f"{TOML}window = {window}\n")
    if read_as is None:
        with pytest.raises(ConfigError, match=r"groups\.0\.sources\.0\.window"):
            read(path)
    else:
        assert read(path).groups[0].sources[0].window == read_as


def test_changes_on_the_command_line(path):
    config = read(
        path,
        [
            "optimizer.lr=3e-4",
            "output=/tmp/a=b",
            "precision=bfloat16",
            'freeze="none"',
            "model.working_size=[32, 64]",
            "ema = 0.5",
        ],
    )
    assert config.optimizer.lr == 3e-4
    assert str(config.output) == "/tmp/a=b"
    assert (config.precision, config.freeze, config.ema) == ("bfloat16", "none", 0.5)
    assert config.model.working_size == (32, 64)


def test_the_last_change_counts(path):
    assert read(path, ["steps=3", "steps=4"]).steps == 4


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ReadError, match="cannot read"):
        read(tmp_path / "none.toml")
    for data in (b"a = ", b"\xff\xfe"):
        (tmp_path / "bad.toml").write_bytes(data)
        with pytest.raises(ConfigError, match="is not TOML"):
            read(tmp_path / "bad.toml")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start") / "model"
    network = build("small")
    network.config = network.config.model_copy(update={"provenance": {"trained_on": "what the child never saw"}})
    save_model(network, folder)
    return folder


WITHOUT_MODEL = TOML[: TOML.index("[model]")] + TOML[TOML.index("[[groups]]") :]


def test_a_run_that_starts_from_a_model_takes_its_settings(tmp_path, start):
    (tmp_path / "run.toml").write_text(f"start_from = '{start}'\n{WITHOUT_MODEL}")
    assert load_train_config(tmp_path / "run.toml").model == build("small").config
    config = load_train_config(tmp_path / "run.toml", ["model.focal_px=55.0", "model.name=mine"])
    assert config.model == build("small").config.model_copy(update={"focal_px": 55.0, "name": "mine"})


def test_a_run_that_starts_from_nothing_needs_a_model(tmp_path):
    (tmp_path / "run.toml").write_text(WITHOUT_MODEL)
    with pytest.raises(ConfigError, match="model"):
        load_train_config(tmp_path / "run.toml")
    with pytest.raises(ModelError, match="no model 'nowhere'"):
        load_train_config(tmp_path / "run.toml", ["start_from=nowhere"])
    with pytest.raises(ConfigError, match=r"unknown key 'model\.colour'"):
        load_train_config(
            tmp_path / "run.toml",
            ["model.name=x", "model.encoder=y", "model.max_depth_m=9", "model.working_size=[64,64]", "model.colour=red"],
        )
