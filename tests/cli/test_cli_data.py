"""`lapdepth data`: what it prints and how it ends."""

import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.pictures import write_pictures
from data.trees import codes, noise, tum_sequence
from lapdepth.data.manifest import read_manifest


@pytest.fixture
def manifest(tmp_path):
    return write_pictures(tmp_path / "set", 4)


def leaky(done):
    """The scenes of `write_pictures` each hold a picture of both splits."""
    return [line for line in done.out.splitlines() if ": leak: scene" in line]


def test_check_names_each_problem_and_fails(run, manifest):
    (manifest.parent / "2-depth.png").unlink()
    done = run("data", "check", manifest)
    lines = done.out.splitlines()
    assert (done.code, done.err) == (1, "")
    assert lines[1] == f"row 3: {manifest.parent / '2.png'}: missing: there is no file {manifest.parent / '2-depth.png'}"
    assert len(leaky(done)) == 2
    assert lines[-1] == f"{manifest}: 4 rows, 3 problems (2 leak, 1 missing)"


def test_check_of_a_sound_manifest(run, manifest):
    manifest.write_text(manifest.read_text().replace("train", "test"))
    done = run("data", "check", manifest, "--jobs", "1")
    assert (done.code, done.out, done.err) == (0, f"{manifest}: 4 rows, 0 problems\n", "")


def test_check_of_two_manifests_together(run, manifest):
    lines = manifest.read_text().splitlines()
    test, train = manifest.with_name("test.csv"), manifest.with_name("train.csv")
    test.write_text("\n".join(lines[:2]) + "\n")
    train.write_text("\n".join([lines[0], lines[1].replace(",test,scene0", ",train,other")]) + "\n")
    assert run("data", "check", test).code == run("data", "check", train).code == 0
    done = run("data", "check", train, test)
    assert done.code == 1
    assert done.out.splitlines()[-2].startswith(
        f"{test} row 1: {manifest.parent / '0.png'}: leak: the same picture as {train} row 1 of 'train'"
    )
    assert done.out.splitlines()[-1] == f"{train}, {test}: 2 rows, 1 problem (1 leak)"


def test_check_of_two_manifests_whose_splits_have_one_name(run, manifest):
    lines = manifest.read_text().replace(",train,", ",test,").splitlines()
    train, test = manifest.with_name("train.csv"), manifest.with_name("test.csv")
    cv2.imwrite(str(manifest.parent / "3.jpg"), cv2.imread(str(manifest.parent / "1.png")))
    train.write_text("\n".join(lines[:3]) + "\n")
    test.write_text("\n".join([lines[0], lines[1], lines[3], lines[4].replace("3.png", "3.jpg").replace("scene1", "x")]) + "\n")
    assert run("data", "check", test).code == run("data", "check", train).code == 0
    done = run("data", "check", train, test)
    assert done.code == 1
    same, scene, alike, last = done.out.splitlines()
    assert f"{test} row 1: {manifest.parent / '0.png'}: leak: the same picture as {train} row 1 of 'test'" in same
    assert scene.endswith(f"leak: scene 'scene0' is in 'test' and, from {train} row 1 on, in 'test'")
    assert f"{test} row 3: {manifest.parent / '3.jpg'}: leak: looks like {train} row 2 of 'test'" in alike
    assert last == f"{train}, {test}: 5 rows, 3 problems (3 leak)"


def test_check_tells_a_wrong_unit_by_what_the_pictures_look_like(run, tmp_path, engine):
    """The engine of these tests sees 2.5 m in each; of the 8 pictures the middle ones have 4 and 5 m."""
    manifest = write_pictures(tmp_path / "set", 8)
    manifest.write_text(manifest.read_text().replace("train", "test"))
    wrong = manifest.with_name("wrong.csv")
    wrong.write_text(manifest.read_text().replace(",256,", ",100,"))
    done = run("data", "check", wrong)
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0].startswith(f"row 1: {manifest.parent / '0.png'}: unit: depth at 100 units per metre is 4.6 times what")
    assert lines[-1] == f"{wrong}: 8 rows, 1 problem (1 unit)"
    assert run("data", "check", wrong, "--no-look").code == 0


def test_check_of_what_is_no_manifest(run, tmp_path):
    (tmp_path / "m.csv").write_text("a,b\n1,2\n")
    for path, reason in ((tmp_path / "m.csv", "lacks the column image"), (tmp_path / "none.csv", "No such file")):
        done = run("data", "check", path)
        assert (done.code, done.out, len(done.errors)) == (1, "", 1)
        assert reason in done.err


def test_prepare_tum_from_an_archive(run, tmp_path):
    name = "rgbd_dataset_freiburg1_desk"
    tum_sequence(tmp_path / "tree", name, ["10.00"], ["10.01"])
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as file:
        file.add(tmp_path / "tree" / name, name)
    done = run("data", "prepare", "tum", "--archives", tmp_path / "a.tgz", "--output", tmp_path / "tum")
    assert (done.code, done.out, done.err) == (0, f"{tmp_path / 'tum' / 'manifest.csv'}: 1 train\n", "")
    assert run("data", "check", tmp_path / "tum" / "manifest.csv").code == 1  # the small pictures do not fit the camera


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["kitti", "--lidar"], "697 of 697 rows lack a file"),
        (["kitti", "--lidar", "--partial"], "697 of 697 rows lack a file"),
        (["kitti", "--camera", "image_00"], "cameras are image_00; choose of image_02, image_03"),
        (
            ["kitti", "--camera", "image_03", "--list", "pairs.txt"],
            "pairs.txt names the camera of each picture; leave one of them",
        ),
        (["nyu"], "nothing to prepare"),
        (["tum"], "no sequence in"),
        (["tum", "--archives", "nosuch.tgz"], "nosuch.tgz: no archive there"),
    ],
)
def test_prepare_without_data(run, tmp_path, args, reason):
    done = run("data", "prepare", *args, "--output", tmp_path / "out")
    assert (done.code, done.out, len(done.errors)) == (1, "", 1)
    assert reason in done.err
    assert not list((tmp_path / "out").rglob("*.csv"))


def test_prepare_a_folder_of_ones_own(run, tmp_path):
    noise(tmp_path / "rgb/hall/1.png", 1)
    codes(tmp_path / "depth/hall/1.png", 1250)
    noise(tmp_path / "rgb/2.png", 2)
    options = ("--units-per-metre", 1000, "--focal-px", 80)
    done = run("data", "prepare", "folder", tmp_path, *options)
    assert done.code == 1
    assert "1 of 2 rows lack a file" in done.err
    done = run("data", "prepare", "folder", tmp_path, *options, "--partial", "--split", "test")
    assert (done.code, done.out) == (0, f"{tmp_path / 'manifest.csv'}: 1 test\n")
    done = run("data", "check", tmp_path / "manifest.csv")
    assert (done.code, done.out) == (0, f"{tmp_path / 'manifest.csv'}: 1 row, 0 problems\n")


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (["--units-per-metre", "inf"], "the depth maps have inf codes a metre; expected a positive number"),
        (["--focal-px", "inf"], "the focal length is (inf, inf) pixels; expected positive numbers"),
        (["--center-px", "nan", "5"], "the principal point is (nan, 5.0); expected a column and a row in pixels"),
    ],
)
def test_prepare_a_folder_with_a_camera_that_no_manifest_holds(run, tmp_path, option, reason):
    noise(tmp_path / "rgb/1.png", 1)
    codes(tmp_path / "depth/1.png", 1250)
    done = run("data", "prepare", "folder", tmp_path, "--units-per-metre", 1000, "--focal-px", 80, *option)
    assert (done.code, done.out, len(done.errors)) == (1, "", 1)
    assert reason in done.err
    assert not (tmp_path / "manifest.csv").exists()


def test_prepare_a_folder_with_a_linked_scene(run, tmp_path):
    noise(tmp_path / "elsewhere/1.png", 1)
    codes(tmp_path / "set/depth/hall/1.png", 1250)
    (tmp_path / "set/rgb").mkdir()
    (tmp_path / "set/rgb/hall").symlink_to(tmp_path / "elsewhere")
    options = ("--units-per-metre", 1000, "--focal-px", 80)
    for _ in range(2):  # again, its own list is not lost
        done = run("data", "prepare", "folder", tmp_path / "set", *options)
        assert (done.code, done.out) == (0, f"{tmp_path / 'set/manifest.csv'}: 1 train\n")
    assert "rgb/hall/1.png,depth/hall/1.png" in (tmp_path / "set/manifest.csv").read_text()


def test_preview(run, manifest, tmp_path):
    done = run("data", "preview", manifest, "--output", tmp_path / "sheet.png", "--count", 3)
    assert (done.code, done.out, done.err) == (0, f"{tmp_path / 'sheet.png'}: 3 pictures of {manifest}\n", "")
    assert cv2.imread(str(tmp_path / "sheet.png")).shape[1] == 1320
    done = run("data", "preview", manifest, "--output", tmp_path / "one.jpg", "--split", "train")
    assert (done.code, done.out) == (0, f"{tmp_path / 'one.jpg'}: 2 pictures of {manifest}\n")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--output", "sheet.tiff"], "the suffix is '.tiff'"),
        (["--output", "nosuch/sheet.png"], "does not exist"),
        (["--output", "sheet.png", "--count", 0], "0 pictures asked for"),
        (["--output", "sheet.png", "--split", "val"], "no row of split 'val'"),
    ],
)
def test_preview_that_cannot_be(run, manifest, cwd, options, reason):
    done = run("data", "preview", manifest, *options)
    assert (done.code, done.out, len(done.errors)) == (1, "", 1)
    assert reason in done.err
    assert list(cwd.iterdir()) == []


def test_preview_writes_over_nothing_that_the_manifest_names(run, manifest, cwd):
    row = read_manifest(manifest)[0]
    (cwd / "link.png").symlink_to(row.depth)
    for output in (row.image, row.depth, "link.png"):
        before = Path(output).read_bytes()
        done = run("data", "preview", manifest, "--output", output)
        assert (done.code, done.out, len(done.errors)) == (1, "", 1)
        assert "would be overwritten; choose another --output" in done.err
        assert Path(output).read_bytes() == before


def test_a_submission_of_the_benchmark(run, engine, tmp_path, monkeypatch):
    monkeypatch.setattr("lapdepth.data.kitti_benchmark.TEST_PICTURES", 1)
    folder = tmp_path / "depth_selection/test_depth_prediction_anonymous"
    noise(folder / "image/0000000000.png", 1, (352, 1216))
    (folder / "intrinsics").mkdir()
    (folder / "intrinsics/0000000000.txt").write_text("100 0 608 0 100 176 0 0 1")
    done = run("data", "submission", tmp_path, "--output", tmp_path / "s.zip")
    assert (done.code, done.out) == (0, f"{tmp_path / 's.zip'}: 1 pictures, fake, flip False\n")
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        codes_read = cv2.imdecode(np.frombuffer(archive.read("0000000000.png"), np.uint8), cv2.IMREAD_UNCHANGED)
    assert codes_read.shape == (352, 1216)
    assert (codes_read > 0).all()


def test_the_selection_of_the_benchmark_is_missing(run, tmp_path):
    done = run("data", "prepare", "kitti-selection", "--output", tmp_path)
    assert (done.code, done.out, len(done.errors)) == (1, "", 1)
    assert "unpack data_depth_selection.zip there" in done.err
