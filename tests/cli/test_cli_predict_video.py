"""`lapdepth predict` on videos made here, and on a camera that is not there."""

import csv
import json

import numpy as np
import pytest

from inference.fake_engine import FakeEngine, by_column
from lapdepth.errors import InputError, ReadError
from lapdepth.inference.predictor import DepthPredictor
from lapdepth.inference.video import predict_video
from lapdepth.io.color import colorize
from lapdepth.io.depth import read_png16
from lapdepth.io.video import FrameSource, VideoFrame, open_frames
from lapdepth.io.video_writer import write_video

FOCAL = ("--focal-px", 100)
TIMES_S = [0.0, 0.1, 0.3, 0.4]


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "drive.mp4"
    with write_video(path, 10) as add:
        for i in range(6):
            add(i / 10, np.full((96, 128, 3), 40 * i, np.uint8))
    return path


def times(path):
    with path.open() as file:
        return [(int(row["frame"]), float(row["time_s"])) for row in csv.DictReader(file)]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def source(frames, live=False):
    return FrameSource("made", live, 10.0, None, frames, lambda: None)


def made(times_s=TIMES_S):
    for time_s in times_s:
        yield VideoFrame(time_s, np.full((97, 129, 3), 50, np.uint8))


@pytest.fixture
def predict():
    predictor = DepthPredictor(FakeEngine(2.0))
    return lambda frame: predictor(frame.rgb, focal_px=100)


def test_a_video_becomes_a_depth_video_with_times(run, engine, clip, out):
    done = run("predict", clip, "--output", out, "--range", 1, 20, *FOCAL)
    assert (done.code, done.err, done.out) == (0, "", f"6 frames of {clip} written to {out}\n")
    assert names(out) == ["drive.json", "drive_depth.mp4", "drive_times.csv"]
    assert times(out / "drive_times.csv") == [(i, pytest.approx(i / 10)) for i in range(6)]
    notes = json.loads((out / "drive.json").read_text())
    assert (notes["color_near_m"], notes["color_far_m"], notes["frames"], notes["stopped"]) == (1, 20, 6, False)
    assert (notes["source"], notes["focal_source"], notes["model"]) == (str(clip), "option", engine.config.name)
    with open_frames(str(out / "drive_depth.mp4")) as written:
        frames = list(written)
    assert [frame.time_s for frame in frames] == pytest.approx([i / 10 for i in range(6)])
    depth_m = np.full((96, 128), 2, np.float32)
    colour = colorize(depth_m, depth_m > 0, 1, 20)[0, 0].astype(float)
    assert np.abs(frames[-1].rgb.mean((0, 1)) - colour).max() < 12


def test_sixteen_bit_frames_on_demand(run, engine, clip, out):
    assert run("predict", clip, "--output", out, "--format", "png16", *FOCAL).code == 0
    assert names(out) == ["drive.json", "drive_depth", "drive_times.csv"]
    assert names(out / "drive_depth") == [f"{i:06}.png" for i in range(6)]
    assert read_png16(out / "drive_depth" / "000005.png")[0].tolist() == [[2.0] * 128] * 96
    assert json.loads((out / "drive.json").read_text())["png_units_per_metre"] == 256


@pytest.mark.parametrize("steady", [(), ("--steady",)])
@pytest.mark.parametrize(("sky", "beyond_m"), [("invalid", 0), ("far", 66)])
def test_sky_of_a_video(run, use_engine, clip, out, sky, beyond_m, steady):
    use_engine(FakeEngine(by_column, far_m=33.0))  # a camera of 50 px; here it is twice the focal length at half the size
    assert run("predict", clip, "--output", out, "--format", "png16", "--sky", sky, *steady, "--focal-px", 200).code == 0
    depth_m = read_png16(out / "drive_depth" / "000005.png")[0]
    assert set(depth_m[:, 66:].flat) == {beyond_m}
    assert (depth_m[:, :60] > 0).all()
    assert depth_m.max() <= 66
    notes = json.loads((out / "drive.json").read_text())
    assert notes["sky"] == sky
    assert "sky_share" not in notes


def test_uneven_times_and_odd_sides_are_kept(predict, tmp_path):
    assert predict_video(source(made()), predict, tmp_path / "a") == 4
    assert [time_s for _, time_s in times(tmp_path / "a_times.csv")] == TIMES_S
    with open_frames(str(tmp_path / "a_depth.mp4")) as written:
        assert next(iter(written)).rgb.shape == (96, 128, 3)


def test_a_camera_begins_at_zero(predict, tmp_path):
    predict_video(source(made([1000.5]), live=True), predict, tmp_path / "a")
    assert times(tmp_path / "a_times.csv") == [(0, 0.0)]


def test_interrupted_its_files_are_complete(predict, tmp_path):
    def progress(done):
        if done >= 3:
            raise KeyboardInterrupt

    count = predict_video(source(made([i / 10 for i in range(50)])), predict, tmp_path / "a", progress=progress)
    assert 3 <= count < 50
    assert len(times(tmp_path / "a_times.csv")) == count
    with open_frames(str(tmp_path / "a_depth.mp4")) as written:
        assert len(list(written)) == count
    assert json.loads((tmp_path / "a.json").read_text())["stopped"]


def test_a_source_that_fails_on_its_way_leaves_what_there_is(predict, tmp_path):
    def frames():
        yield from made()
        raise ReadError("unplugged")

    with pytest.raises(ReadError, match="unplugged"):
        predict_video(source(frames()), predict, tmp_path / "a")
    assert len(times(tmp_path / "a_times.csv")) == 4
    assert names(tmp_path) == ["a.json", "a_depth.mp4", "a_times.csv"]


def test_a_source_without_a_frame_is_what_is_wrong_whatever_was_to_be_written(predict, tmp_path):
    def frames():
        raise ReadError("unplugged")
        yield

    with pytest.raises(ReadError, match=r"^unplugged$"):
        predict_video(source(frames()), predict, tmp_path / "a", ["png16"])
    assert names(tmp_path) == []


def test_a_frame_that_does_not_fit_leaves_no_half_file(run, engine, clip, out):
    done = run("predict", clip, "--output", out, "--format", "color,png16", "--png-scale", 1e6, *FOCAL)
    assert (done.code, len(done.errors)) == (1, 1)
    assert names(out) == []


def test_frames_in_a_folder_are_of_one_run(predict, tmp_path):
    def sixteen_bit(times_s, png_scale, predict=predict):
        return predict_video(source(made(times_s)), predict, tmp_path / "a", ["color", "png16"], png_scale=png_scale)

    def growing(frame):
        return DepthPredictor(FakeEngine(2.0 + 100 * frame.time_s))(frame.rgb, focal_px=100)

    assert sixteen_bit(TIMES_S, 256.0) == 4
    (tmp_path / "a_depth" / "notes.txt").write_text("mine")
    whole = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="does not fit 16 bits"):
        sixteen_bit(TIMES_S, 5000.0, growing)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == whole

    assert sixteen_bit(TIMES_S[:2], 1000.0) == 2
    assert names(tmp_path / "a_depth") == ["000000.png", "000001.png", "notes.txt"]
    assert read_png16(tmp_path / "a_depth" / "000001.png", 1000.0)[0][0, 0] == pytest.approx(2, rel=0.02)
    notes = json.loads((tmp_path / "a.json").read_text())
    assert (notes["frames"], notes["png_units_per_metre"]) == (2, 1000)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("drive.mp4", "a.png"), "given together"),
        (("drive.mp4", "--camera", 0), "given together"),
        (("a.png", "--steady"), "--steady is for videos"),
        (("drive.mp4", "--resume"), "are for pictures"),
        (("drive.mp4", "--cluster", "ray"), "are for pictures"),
        (("drive.mp4", "--format", "npz"), "format 'npz' is for pictures"),
        (("drive.mp4", "--range", 5, 2), "near_m must be smaller"),
        (("drive.mp4", "--range", 0, 2), "near_m is 0"),
        (("drive.mp4", "--range", 1, 2, "--near-m", 1), "give one of them"),
        (("drive.mp4",), "does not exist"),
        (("text.mp4",), "is not a video"),
        (("--camera", 987), "cannot open camera"),
    ],
)
def test_bad_input_is_one_line(run, engine, cwd, args, message):
    (cwd / "text.mp4").write_text("no video")
    done = run("predict", *args, "--output", "out", *FOCAL)
    assert (done.code, done.err.count("\n"), len(done.errors)) == (1, 1, 1)
    assert message in done.errors[0]
    assert not (cwd / "out").exists()


def test_a_bad_video_does_not_stop_the_others(run, engine, clip, out):
    bad = clip.with_name("bad.mp4")
    bad.write_bytes(clip.read_bytes()[:200])
    done = run("predict", bad, clip, "--output", out, *FOCAL)
    assert (done.code, len(done.errors)) == (1, 1)
    assert "drive_depth.mp4" in names(out)


def test_what_can_be_decoded_of_a_truncated_video_is_kept(run, engine, truncated_video, out):
    done = run("predict", truncated_video, "--output", out, *FOCAL)
    assert (done.code, len(done.errors), done.err.count("\n")) == (1, 1, 1)
    assert f"{truncated_video}: only 1" in done.errors[0]
    count = len(times(out / "truncated_times.csv"))
    assert 10 <= count < 18
    notes = json.loads((out / "truncated.json").read_text())
    assert (notes["frames"], notes["stopped"]) == (count, True)
    with open_frames(str(out / "truncated_depth.mp4")) as written:
        assert len(list(written)) == count


def test_no_video_is_replaced_by_another_ones_result(run, engine, clip):
    clip.rename(clip.with_name("drive_depth.mp4"))
    clip.write_bytes(clip.with_name("drive_depth.mp4").read_bytes())
    done = run("predict", clip, clip.with_name("drive_depth.mp4"), "--output", clip.parent, *FOCAL)
    assert (done.code, len(done.errors)) == (1, 1)
    assert "would be overwritten" in done.errors[0]
