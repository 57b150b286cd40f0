"""NYU's labelled pictures told apart by room: runs of consecutive numbers, held out from everywhere in the list."""

import importlib.util
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lapdepth.data.manifest import divide, read_manifest

HEADER = "image,depth,units_per_metre,fx_px,fy_px,cx_px,cy_px,split\n"


def invoke(*arguments):
    spec = importlib.util.spec_from_file_location("nyu_rooms", Path(__file__).parents[2] / "scripts/nyu_rooms.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app = typer.Typer()
    app.command()(module.main)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def manifest_of(folder, names):
    folder.mkdir(exist_ok=True)
    rows = (f"rgb/{name}.jpg,depth/{name}.png,25.5,518.9,519.5,325.6,253.7,train\n" for name in names)
    (folder / "manifest.csv").write_text(HEADER + "".join(rows))
    return folder / "manifest.csv"


def test_runs_are_scenes_and_every_fold_takes_from_the_whole_list(tmp_path):
    numbers = [2, 3, 4, 9, 10, 18, 43, 44, 50, 51]  # runs of 3, 2, 1, 2 and 2
    manifest = manifest_of(tmp_path / "nyu", [f"{number:05}" for number in numbers])
    done = invoke(manifest, "--output", tmp_path / "made" / "rooms", "--folds", 2)
    assert done.exit_code == 0, done.output
    assert "10 pictures in 5 runs" in done.output
    rows = read_manifest(tmp_path / "made" / "rooms" / "manifest.csv")
    assert [int(row.image.stem) for row in rows] == [2, 3, 4, 18, 50, 51, 9, 10, 43, 44]
    assert [row.scene for row in rows[:4]] == ["from_00002"] * 3 + ["from_00018"]
    assert {row.image.resolve() for row in rows} == {tmp_path / f"nyu/rgb/{number:05}.jpg" for number in numbers}
    assert rows[0].cx_px == 325.6
    train, held_out = divide(rows, 0, 2)
    assert {int(row.image.stem) for row in held_out} == {2, 3, 4, 18}
    assert not {row.scene for row in train} & {row.scene for row in held_out}


@pytest.mark.parametrize("names", [["00002", "00009", "00003"], ["00002", "00002"], ["kitchen_1"]])
def test_pictures_that_are_not_numbered_in_order_are_refused(tmp_path, names):
    done = invoke(manifest_of(tmp_path / "nyu", names), "--output", tmp_path / "rooms")
    assert done.exit_code == 1
    assert "expected NYU's labelled pictures, named by index, in order" in done.output
    assert not (tmp_path / "rooms").exists()


def test_the_manifest_that_is_read_is_not_overwritten(tmp_path):
    manifest = manifest_of(tmp_path / "nyu", ["00002", "00003"])
    before = manifest.read_bytes()
    done = invoke(manifest, "--output", tmp_path / "nyu")
    assert done.exit_code == 1
    assert "is the input and would be overwritten; choose another --output" in done.output
    assert manifest.read_bytes() == before


def test_a_manifest_that_is_missing_is_one_line(tmp_path):
    done = invoke(tmp_path / "none.csv", "--output", tmp_path / "rooms")
    assert done.exit_code == 1
    assert done.output.startswith("nyu_rooms: cannot read")
