"""What a run writes: places that cannot be written, full disks, and which rows a group draws from."""

import os
import resource
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

from data.pictures import write_pictures  # noqa: E402
from lapdepth import __version__  # noqa: E402
from lapdepth.data.manifest import divide, read_manifest, write_manifest  # noqa: E402
from lapdepth.errors import OutputError  # noqa: E402
from lapdepth.training import report  # noqa: E402
from lapdepth.training.loop import make_sources  # noqa: E402
from lapdepth.training.report import RunLog  # noqa: E402
from lapdepth.training.state import clear_unfinished, load_newest_state, save_state  # noqa: E402
from training.runs import make_run  # noqa: E402


@pytest.mark.parametrize("output", ["file", "file/run", "run"])
def test_an_output_that_cannot_be_written(tmp_path, output):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "tensorboard").write_text("mine")
    with pytest.raises(OutputError, match=r"cannot write the run's folder .*choose another output") as caught:
        RunLog(make_run(tmp_path, output=str(tmp_path / output)), 0)
    assert len(str(caught.value).splitlines()) == 1
    assert (tmp_path / "file").read_text() == "mine"


@contextmanager
def files_of_at_most(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_the_old_checkpoints(tmp_path):
    for step in (1, 2):
        save_state(tmp_path, step, {"network": torch.ones(2)})
    with files_of_at_most(2**20), pytest.raises(OutputError, match=r"cannot write .*checkpoint-00000003\.pt") as caught:
        save_state(tmp_path, 3, {"network": torch.ones(2**20)})
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-00000001.pt", "checkpoint-00000002.pt"]
    assert load_newest_state(tmp_path)["step"] == 2


def test_a_checkpoint_with_a_hole_is_passed_over(tmp_path):
    save_state(tmp_path, 1, {"network": torch.ones(2)})
    newest = save_state(tmp_path, 2, {"network": torch.ones(2**14)})
    data = bytearray(newest.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 512] = bytes(512)  # as a disk leaves it that lost power: the size is right
    newest.write_bytes(data)
    assert load_newest_state(tmp_path)["step"] == 1


def test_what_a_killed_writer_left_is_removed(tmp_path):
    save_state(tmp_path, 1, {"network": torch.ones(2)})
    (tmp_path / ".lapdepth-0123456789abcdef.pt").write_bytes(b"half")
    clear_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000001.pt"]


def test_sources_are_used_as_the_settings_say(tmp_path):
    write_pictures(tmp_path / "data", 4)
    other = write_pictures(tmp_path / "data" / "other", 4)
    other.write_text(other.read_text().replace("scene", "place"))
    plain = {"manifest": "manifest.csv"}
    used = {"manifest": "other/manifest.csv", "fold": 1, "folds": 2, "repeat": 3, "window": (0, 0, 90, 60), "sky": True}
    group = {"name": "all", "crop": [64, 96], "batch": 2, "sources": [plain, used]}
    config = make_run(tmp_path, groups=[group])
    first, second = make_sources(config.groups[0], config)
    rows = read_manifest(other)
    assert (first.rows, first.repeat, first.window, first.sky) == (
        read_manifest(tmp_path / "data" / "manifest.csv"),
        1,
        None,
        False,
    )
    assert second.rows == divide(rows, 1, 2)[0]
    assert len(second.rows) < len(rows)
    assert (second.repeat, second.window, second.sky) == (3, (0, 0, 90, 60), True)


def test_a_scene_held_out_of_one_data_set_is_held_out_of_all(tmp_path):
    for name in ("", "more"):
        write_pictures(tmp_path / "data" / name, 6)
    held_out = {"manifest": "manifest.csv", "fold": 1, "folds": 3}
    groups = [
        {"name": name, "crop": [64, 96], "batch": 2, "sources": [source]}
        for name, source in (("first", {"manifest": "more/manifest.csv"}), ("second", held_out))
    ]
    config = make_run(tmp_path, groups=groups)
    for group in config.groups:
        (source,) = make_sources(group, config)
        assert [row.scene for row in source.rows] == ["scene0", "scene0", "scene2", "scene2"]


def test_pictures_held_out_without_a_scene_are_held_out_of_all(tmp_path):
    listed = write_pictures(tmp_path / "data", 40)
    lines = [line.rpartition(",")[0] for line in listed.read_text().splitlines()]
    listed.write_text("\n".join(lines))
    (tmp_path / "data" / "again").mkdir()
    write_manifest(tmp_path / "data" / "again" / "all.csv", read_manifest(listed))
    sources = [{"manifest": "again/all.csv"}, {"manifest": "manifest.csv", "fold": 1, "folds": 4}]
    config = make_run(tmp_path, groups=[{"name": "all", "crop": [64, 96], "batch": 2, "sources": sources}])
    again, divided = make_sources(config.groups[0], config)
    assert [row.image.name for row in again.rows] == [row.image.name for row in divided.rows]
    assert 0 < len(again.rows) < 30


def git(folder, *arguments):
    names = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(["git", *arguments], cwd=folder, env=os.environ | names, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_git_state_is_the_packages_own(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    package = tmp_path / "package"
    package.mkdir()
    file = package / "report.py"
    file.write_text("a = 1\n")
    assert report._git_state(file) == "unknown"  # as of an environment inside of someone's repository
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    commit = git(tmp_path, "rev-parse", "--short", "HEAD")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    git(elsewhere, "init", "-q")
    monkeypatch.chdir(elsewhere)
    assert report._git_state(file) == commit
    file.write_text("a = 2\n")
    assert report._git_state(file) == f"{commit}-dirty"
    assert report._git_state(tmp_path / "none" / "report.py") == "unknown"


def test_the_environment_tells_the_package(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    (tmp_path / "mine").write_text("a")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "mine")
    own = report._git_state(Path(report.__file__))
    monkeypatch.chdir(tmp_path)
    made = report.environment()
    assert (made["lapdepth"], made["git"]) == (__version__, own)
    assert git(tmp_path, "rev-parse", "--short", "HEAD") not in made["git"]
