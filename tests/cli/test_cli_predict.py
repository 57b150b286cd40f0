import errno
import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.fake_engine import FakeEngine, by_column, noise
from lapdepth.io.depth import read_npz, read_png16

FOCAL = ("--focal-px", 100)
NO_EXR = "png16,npz,ply,color,compare"


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def error_of(done):
    """The one line of a command that failed as a whole."""
    assert done.code == 1
    assert done.err.count("\n") == 1
    (line,) = done.errors
    return line


# --- what is predicted


@pytest.mark.parametrize(("sky", "beyond_m"), [("invalid", 0), ("far", 33)])
def test_sky(run, use_engine, pictures, out, sky, beyond_m):
    use_engine(FakeEngine(by_column, far_m=33.0))
    done = run("predict", pictures, "--output", out, "--format", "png16", "--sky", sky, *FOCAL)
    assert (done.code, done.err) == (0, "")
    depth_m, _ = read_png16(out / "a_depth.png")
    assert set(depth_m[:, 66:].flat) == {beyond_m}
    assert (depth_m[:, :62] > 0).all()
    notes = json.loads((out / "a.json").read_text())
    assert (notes["sky"], notes["sky_share"] > 0.4, notes["range_max_m"]) == (sky, True, 33)
    other = "invalid" if sky == "far" else "far"
    assert (
        "were there already"
        in run("predict", pictures, "--output", out, "--format", "png16", "--sky", sky, "--resume", *FOCAL).out
    )
    again = run("predict", pictures, "--output", out, "--format", "png16", "--sky", other, "--resume", *FOCAL)
    assert again.out == f"3 of 3 pictures written to {out}\n"


def test_an_unknown_kind_of_sky(run, engine, pictures, out):
    done = run("predict", pictures, "--output", out, "--sky", "blue")
    assert done.code != 0
    assert "Traceback" not in done.err
    assert "blue" in done.err
    assert not out.exists()


def test_files(run, engine, pictures, out, cwd):
    done = run("predict", pictures / "a.png", pictures / "b.jpg", "--output", out, *FOCAL)
    assert (done.code, done.out, done.err) == (0, f"2 of 2 pictures written to {out}\n", "")
    expected = ["a.json", "a_color.png", "a_depth.png", "b.json", "b_color.png", "b_depth.png"]
    assert names(out) == expected
    depth_m, valid = read_png16(out / "b_depth.png")
    np.testing.assert_array_equal(depth_m, np.full((96, 128), 2, np.float32))
    assert valid.all()
    assert names(cwd) == []


def test_folder_with_all_below(run, engine, pictures, out):
    (pictures / "notes.txt").write_text("no picture")
    (pictures / ".hidden.png").write_text("no picture")
    done = run("predict", pictures, "--output", out, "--format", "png16", *FOCAL)
    assert (done.code, done.err) == (0, "")
    assert [name for name in names(out) if name.endswith(".png")] == ["a_depth.png", "b_depth.png", "deep/c_depth.png"]


def test_pattern(run, engine, pictures, out):
    done = run("predict", f"{pictures}/**/*.png", "--output", out, "--format", "png16", *FOCAL)
    assert (done.code, done.err) == (0, "")
    assert names(out) == ["a.json", "a_depth.png", "deep/c.json", "deep/c_depth.png"]


def test_relative_names(run, engine, pictures, cwd, monkeypatch):
    monkeypatch.chdir(pictures)
    assert run("predict", "a.png", "--output", "../out", "--format", "png16", *FOCAL).code == 0
    assert names(pictures) == ["a.png", "b.jpg", "deep/c.png"]
    assert names(pictures.parent / "out") == ["a.json", "a_depth.png"]


def test_a_picture_named_twice_is_predicted_once(run, engine, pictures, out):
    done = run("predict", pictures / "a.png", pictures, pictures / "a.png", "--output", out, *FOCAL)
    assert (done.code, done.out) == (0, f"3 of 3 pictures written to {out}\n")
    assert len(engine.seen) == 3


def test_colliding_names(run, engine, pictures, out):
    cv2.imwrite(str(pictures / "a.jpg"), noise(96, 128, seed=7))
    done = run("predict", pictures / "a.jpg", pictures / "a.png", "--output", out, "--format", "png16", *FOCAL)
    assert (done.code, names(out)) == (0, ["a_jpg.json", "a_jpg_depth.png", "a_png.json", "a_png_depth.png"])
    for suffix in ("jpg", "png"):
        assert json.loads((out / f"a_{suffix}.json").read_text())["image"] == str(pictures / f"a.{suffix}")


def test_results_are_replaced_by_a_second_run(run, engine, pictures, out):
    for focal_px, metres in ((100, 2), (300, 6)):
        assert run("predict", pictures / "a.png", "--output", out, "--focal-px", focal_px).code == 0
        assert read_png16(out / "a_depth.png")[0].max() == metres
    assert names(out) == ["a.json", "a_color.png", "a_depth.png"]


def test_resume_leaves_out_what_is_done(run, engine, pictures, out):
    assert run("predict", pictures / "a.png", "--output", out, *FOCAL).code == 0
    done = run("predict", pictures / "a.png", pictures / "b.jpg", "--output", out, "--resume", *FOCAL)
    assert (done.code, done.out) == (0, f"1 of 2 pictures written to {out}, 1 were there already\n")
    assert len(engine.seen) == 2
    (out / "b_color.png").unlink()
    done = run("predict", pictures / "a.png", pictures / "b.jpg", "--output", out, "--resume", *FOCAL)
    assert (done.code, done.out) == (0, f"1 of 2 pictures written to {out}, 1 were there already\n")
    assert (out / "b_color.png").exists()


def test_workers_are_for_a_cluster(run, engine, pictures, out):
    assert "--workers is for --cluster" in error_of(run("predict", pictures, "--output", out, "--workers", 2))


def test_cluster_without_the_extra(run, engine, pictures, out, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "needs the 'ray' extra" in error_of(run("predict", pictures, "--output", out, "--cluster", "ray"))
    assert not out.exists()


# --- what is written


def test_all_formats(run, use_engine, pictures, out):
    use_engine(FakeEngine(by_column, log_scale=0.0, far_m=30.0))
    done = run("predict", pictures / "a.png", "--output", out, "--format", NO_EXR, *FOCAL)
    assert (done.code, done.err) == (0, "")
    assert names(out) == ["a.json", "a.ply", "a_color.png", "a_compare.png", "a_depth.npz", "a_depth.png"]
    stored = read_npz(out / "a_depth.npz")
    assert stored.depth_m.shape == (96, 128)
    assert stored.intrinsics.focal_px == 100
    depth_m, valid = read_png16(out / "a_depth.png")
    np.testing.assert_array_equal(valid, stored.valid)
    assert 0 < valid.mean() < 1
    np.testing.assert_allclose(depth_m, stored.depth_m, atol=1 / 512)
    assert f"element vertex {valid.sum()}\n".encode() in (out / "a.ply").read_bytes()
    assert cv2.imread(str(out / "a_color.png")).shape == (96, 128, 3)
    assert cv2.imread(str(out / "a_compare.png")).shape[1] == 256


def test_exr(run, engine, pictures, out):
    exr = pytest.importorskip("OpenEXR")
    assert run("predict", pictures / "a.png", "--output", out, "--format", "exr", *FOCAL).code == 0
    assert names(out) == ["a.json", "a_depth.exr"]
    assert exr.File(str(out / "a_depth.exr")).channels()["Z"].pixels.tolist() == np.full((96, 128), 2.0).tolist()


def test_exr_without_the_extra(run, engine, pictures, out, monkeypatch):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    done = run("predict", pictures, "--output", out, "--format", "png16,exr", *FOCAL)
    assert "needs the 'exr' extra" in error_of(done)
    assert engine.seen == []
    assert not out.exists()


def test_sidecar(run, engine, pictures, out):
    run("predict", pictures / "a.png", "--output", out, *FOCAL)
    notes = json.loads((out / "a.json").read_text())
    notes.pop("predicted_at")
    assert notes == {
        "image": str(pictures / "a.png"),
        "units": "metres along the optical axis",
        "range_min_m": 1.7986,
        "range_max_m": 99.3307,
        "height": 96,
        "width": 128,
        "network_height": 48,
        "network_width": 64,
        "focal_px": 100.0,
        "focal_source": "option",
        "metres_follow_focal": True,
        "sky": "invalid",
        "sky_share": 0.0,
        "valid_share": 1.0,
        "model": "fake",
        "model_licence": "free",
        "engine": "fake",
        "formats": ["png16", "color"],
        "other_formats": [],
        "png_units_per_metre": 256.0,
    }


def test_field_of_view(run, engine, pictures, out):
    assert run("predict", pictures / "a.png", "--output", out, "--fov-deg", 90).code == 0
    assert json.loads((out / "a.json").read_text())["focal_px"] == 64


def test_native(run, engine, pictures, out):
    assert run("predict", pictures / "a.png", "--output", out, "--native", *FOCAL).code == 0
    notes = json.loads((out / "a.json").read_text())
    assert (notes["network_height"], notes["network_width"]) == (96, 128)
    assert read_png16(out / "a_depth.png")[0].max() == 4  # seen with 100 px in place of 50


def test_flip_looks_twice(run, engine, pictures, out):
    assert run("predict", pictures / "a.png", "--output", out, "--flip", *FOCAL).code == 0
    first, second = engine.seen
    np.testing.assert_array_equal(second, first[..., ::-1])


def test_png_scale(run, engine, pictures, out):
    assert run("predict", pictures / "a.png", "--output", out, "--png-scale", 1000, *FOCAL).code == 0
    codes = cv2.imread(str(out / "a_depth.png"), cv2.IMREAD_UNCHANGED)
    assert (codes.dtype, codes.min(), codes.max()) == (np.uint16, 2000, 2000)
    assert json.loads((out / "a.json").read_text())["png_units_per_metre"] == 1000


def test_colour_range(run, use_engine, pictures, out):
    use_engine(FakeEngine(by_column))
    options = ("--output", out, "--format", "color", *FOCAL)
    assert run("predict", pictures / "a.png", *options, "--near-m", 1, "--far-m", 64).code == 0
    first = (out / "a_color.png").read_bytes()
    assert run("predict", pictures / "a.png", *options, "--near-m", 60, "--far-m", 64).code == 0
    assert (out / "a_color.png").read_bytes() != first


# --- what goes wrong with one picture does not stop the others


def test_batch_with_bad_files(run, engine, pictures, out):
    good = (pictures / "a.png").read_bytes()
    (pictures / "truncated [b].png").write_bytes(good[: len(good) // 2])
    (pictures / "empty.png").write_bytes(b"")
    (pictures / "text.png").write_text("this is no picture\n")
    bad = [pictures / name for name in ("truncated [b].png", "empty.png", "text.png", "missing.png")]
    done = run("predict", bad[0], pictures / "a.png", *bad[1:], pictures / "b.jpg", "--output", out, *FOCAL)
    assert (done.code, done.out) == (1, f"2 of 6 pictures written to {out}\n")
    assert names(out) == ["a.json", "a_color.png", "a_depth.png", "b.json", "b_color.png", "b_depth.png"]
    assert done.err.splitlines() == done.errors
    for line, path, reason in zip(done.errors, bad, ("damaged", "is empty", "is not a picture", "No such file"), strict=True):
        assert str(path) in line
        assert reason in line


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("empty/", "no pictures in"),
        ("https://example.org/a.png", "download it first"),
        ("", "an input is empty text"),
        ("none*.png", "no pictures in"),
        ("none/", "does not exist"),
        ("a" * 300 + ".jpg", "File name too long"),
    ],
)
def test_bad_input_does_not_stop_the_others(run, engine, pictures, out, cwd, bad, reason):
    (cwd / "empty").mkdir()
    done = run("predict", bad, pictures / "a.png", "--output", out, *FOCAL)
    assert reason in error_of(done)
    assert [Path(name).name for name in names(out)] == ["a.json", "a_color.png", "a_depth.png"]


def test_each_bad_input_has_its_line(run, engine, out):
    done = run("predict", "", "https://example.org/a.png", "--output", out)
    assert (done.code, len(done.errors), done.out) == (1, 2, "")
    assert not out.exists()


def test_name_that_is_not_utf8(run, engine, pictures, out):
    bad = pictures / os.fsdecode(b"bad\xff.png")
    (pictures / "a.png").rename(bad)
    out = out.with_name(os.fsdecode(b"out\xfe"))
    broken = pictures / os.fsdecode(b"broken\xff.png")
    broken.write_bytes(b"no picture")
    done = run("predict", bad, broken, pictures / "b.jpg", "--output", out, "--format", NO_EXR, *FOCAL)
    assert "broken\\udcff.png is not a picture" in error_of(done)
    assert done.out.startswith("2 of 3 pictures written to ")
    assert done.out.endswith("out\\udcfe\n")
    stem = os.fsdecode(b"bad\xff")
    assert len(names(out)) == 12
    assert json.loads((out / f"{stem}.json").read_text())["image"] == str(bad)
    assert read_npz(out / f"{stem}_depth.npz").metadata["image"] == str(bad)


def test_memory_runs_out_for_one_picture(run, use_engine, pictures, out):
    def full(image):
        if len(engine.seen) == 1:
            raise MemoryError
        return 2.0

    engine = use_engine(FakeEngine(full))
    done = run("predict", pictures / "a.png", pictures / "b.jpg", "--output", out, *FOCAL)
    assert (done.code, done.errors) == (1, ["lapdepth: error: out of memory"])
    assert names(out) == ["b.json", "b_color.png", "b_depth.png"]


def test_damaged_model_weights(run, use_engine, pictures, out):
    use_engine(FakeEngine(np.nan))
    done = run("predict", pictures / "a.png", "--output", out, *FOCAL)
    assert "model 'fake' gave NaN" in error_of(done)
    assert names(out) == []


def test_depth_that_does_not_fit_the_png(run, engine, pictures, out):
    done = run("predict", pictures / "a.png", "--output", out, "--format", "png16", "--focal-px", 50_000)
    assert "from 1000 to 1000 m does not fit 16 bits at 256 units per metre" in error_of(done)
    assert "use 64 units per metre" in done.err
    assert names(out) == []
    done = run("predict", pictures / "a.png", "--output", out, "--focal-px", 50_000)
    assert "does not fit 16 bits" in error_of(done)
    assert names(out) == ["a.json", "a_color.png"]
    done = run("predict", pictures / "a.png", "--output", out, "--format", "npz", "--focal-px", 50_000)
    assert (done.code, done.err) == (0, "")
    assert read_npz(out / "a_depth.npz").depth_m.max() == 1000
    done = run("predict", pictures / "a.png", "--output", out, "--focal-px", 50_000, "--png-scale", 64)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--focal-px", 100, "--fov-deg", 60), "both focal_px and fov_deg are given"),
        (("--focal-px", "nan"), "fx_px is nan"),
        (("--focal-px", -3), "fx_px is -3"),
        (("--fov-deg", 200), "field of view is 200"),
        ((*FOCAL, "--png-scale", 0), "png_scale is 0"),
        ((*FOCAL, "--format", "color", "--near-m", 5, "--far-m", 2), "near_m must be smaller"),
    ],
)
def test_impossible_options(run, engine, pictures, out, options, reason):
    done = run("predict", pictures / "a.png", "--output", out, *options)
    assert reason in error_of(done)
    assert names(out) == []


# --- full disks


def no_space(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_leaves_nothing_half_written(run, engine, pictures, out, monkeypatch):
    whole = Path.write_bytes

    def half(path, data):
        whole(path, data[: len(data) // 2])
        no_space()

    monkeypatch.setattr(Path, "write_bytes", half)
    done = run("predict", pictures / "a.png", pictures / "b.jpg", "--output", out, *FOCAL)
    assert (done.code, len(done.errors), done.out) == (1, 2, f"0 of 2 pictures written to {out}\n")
    assert all("No space left on device" in line for line in done.errors)
    assert names(out) == []


def test_full_disk_keeps_what_was_there(run, engine, pictures, out, monkeypatch):
    assert run("predict", pictures / "a.png", "--output", out, "--format", "npz", *FOCAL).code == 0
    before = {name: (out / name).read_bytes() for name in names(out)}
    monkeypatch.setattr(os, "replace", no_space)
    assert run("predict", pictures / "a.png", "--output", out, "--format", "npz", "--focal-px", 200).code == 1
    assert {name: (out / name).read_bytes() for name in names(out)} == before


# --- what stops the command before it begins


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (["https://example.org/a.png"], "https://example.org/a.png is a URL; download it first"),
        ([""], "an input is empty text"),
        (["nowhere/*.png"], "no pictures in nowhere/*.png"),
        (["nowhere/"], "cannot read the folder nowhere/"),
        (["."], "no pictures in ."),
    ],
)
def test_unusable_inputs(run, engine, out, inputs, reason):
    assert reason in error_of(run("predict", *inputs, "--output", out))
    assert not out.exists()


@pytest.mark.parametrize("formats", ["jpg", "png16,jpg", ""])
def test_unknown_format(run, engine, pictures, out, formats):
    done = run("predict", pictures / "a.png", "--output", out, "--format", formats)
    assert "is unknown; choose of png16, npz, exr, ply, color, compare" in error_of(done)
    assert not out.exists()


@pytest.mark.parametrize("below", [(), ("deeper",)])
def test_output_folder_is_a_file(run, engine, pictures, out, below):
    out.write_text("mine")
    done = run("predict", pictures / "a.png", "--output", out.joinpath(*below))
    assert f"cannot make the folder {out.joinpath(*below)}: " in error_of(done)
    assert out.read_text() == "mine"


def test_output_folder_that_may_not_be_written(run, engine, pictures, out):
    out.mkdir()
    out.chmod(0o555)
    if os.access(out, os.W_OK):
        pytest.skip("root may write anywhere")
    assert "Permission denied" in error_of(run("predict", pictures / "a.png", "--output", out, *FOCAL))


@pytest.mark.parametrize("model", ["no-such-model", "no/such/model.onnx"])
def test_unknown_model(run, pictures, out, model):
    done = run("predict", pictures / "a.png", "--output", out, "--model", model)
    assert f"no model '{model}'; give default, open, a model folder, an .onnx file or a hub id" in error_of(done)
    assert not out.exists()


def test_model_that_is_a_text_file(run, pictures, out, tmp_path):
    (tmp_path / "m.onnx").write_text("no model")
    done = run("predict", pictures / "a.png", "--output", out, "--model", tmp_path / "m.onnx")
    assert "as an ONNX model" in error_of(done)
    assert not out.exists()


def test_a_picture_is_never_overwritten_by_a_result(run, engine, tmp_path):
    truth = tmp_path / "a_depth.png"
    cv2.imwrite(str(tmp_path / "a.png"), noise(96, 128))
    cv2.imwrite(str(truth), noise(96, 128, seed=1))
    before = truth.read_bytes()
    done = run("predict", tmp_path, "--output", tmp_path, *FOCAL)
    assert "is one of the inputs and would be overwritten" in error_of(done)
    assert truth.read_bytes() == before


# --- results among the pictures


@pytest.mark.parametrize("formats", ["png16,color", "compare,npz"])
@pytest.mark.parametrize(
    ("inputs", "output"), [("{}", "{}/out"), ("{}", "{}"), ("{}/**/*", "{}/out"), ("{}/deep", "{}"), (".", ".")]
)
def test_second_run_is_as_the_first(run, engine, pictures, monkeypatch, formats, inputs, output):
    monkeypatch.chdir(pictures)
    args = ("predict", inputs.format(pictures), "--output", output.format(pictures), "--format", formats, *FOCAL)
    first = run(*args)
    files = names(pictures)
    second = run(*args)
    assert (second.code, second.out, second.err) == (0, first.out, "")
    assert names(pictures) == files


def test_only_results_are_left(run, engine, pictures, out):
    run("predict", pictures, "--output", out, *FOCAL)
    assert "nothing to do: all pictures found are results" in error_of(run("predict", out, "--output", out, *FOCAL))


def test_result_named_outright_is_predicted(run, engine, pictures, out):
    run("predict", pictures / "a.png", "--output", out, "--format", "color", *FOCAL)
    assert run("predict", out / "a_color.png", "--output", out, "--format", "color", *FOCAL).code == 0
    assert (out / "a_color_color.png").exists()


def test_truth_beside_a_picture_is_safe_after_a_run_in_other_formats(run, engine, tmp_path):
    truth = tmp_path / "a_depth.png"
    for name in ("a.png", truth.name):
        cv2.imwrite(str(tmp_path / name), noise(96, 128))
    before = truth.read_bytes()
    assert run("predict", tmp_path / "a.png", "--output", tmp_path, "--format", "npz", *FOCAL).code == 0
    assert "would be overwritten" in error_of(run("predict", tmp_path, "--output", tmp_path, *FOCAL))
    assert truth.read_bytes() == before
