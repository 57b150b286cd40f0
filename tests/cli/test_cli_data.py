"""`lapdepth data`: what it prints and how it ends."""

import pytest

from data.pictures import write_pictures


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
    assert lines[1] == f"row 3: {manifest.parent / '2.png'}: missing: {manifest.parent / '2-depth.png'} does not exist"
    assert len(leaky(done)) == 2
    assert lines[-1] == f"{manifest}: 4 rows, 3 problems (2 leak, 1 missing)"


def test_check_of_a_sound_manifest(run, manifest):
    manifest.write_text(manifest.read_text().replace("train", "test"))
    done = run("data", "check", manifest, "--jobs", "1")
    assert (done.code, done.out, done.err) == (0, f"{manifest}: 4 rows, 0 problems\n", "")


def test_check_of_what_is_no_manifest(run, tmp_path):
    (tmp_path / "m.csv").write_text("a,b\n1,2\n")
    for path, reason in ((tmp_path / "m.csv", "lacks the column image"), (tmp_path / "none.csv", "No such file")):
        done = run("data", "check", path)
        assert (done.code, done.out, len(done.errors)) == (1, "", 1)
        assert reason in done.err
