import json

import cv2
import numpy as np
import pytest

from data.trees import codes, kitti_frame
from data.trees import noise as noise_file
from inference.fake_engine import FakeEngine, noise
from lapdepth.evaluation.metrics import METRICS

HEADER = "image,depth,units_per_metre,fx_px,fy_px,cx_px,cy_px,split,scene\n"
KEYS = {"model", "engine", "protocol", "cap_m", "flip", "images", "metrics", "by_distance", "confidence", "per_image"}
KEYS |= {"sky", "boundary_f1"}


def add(folder, name, metres, split="test", scene="", focal_px=100, size=(96, 128)):
    """A picture of a flat wall at `metres`, and its line of the manifest."""
    cv2.imwrite(str(folder / f"{name}.png"), noise(*size))
    cv2.imwrite(str(folder / f"{name}_truth.png"), np.full(size, metres * 256, np.uint16))
    return f"{name}.png,{name}_truth.png,256,{focal_px},{focal_px},{size[1] / 2},{size[0] / 2},{split},{scene}\n"


@pytest.fixture
def manifest(tmp_path):
    """The engine tells 2 m: right for `a`, half of the truth for `b`; with twice the focal length of `c` right again."""
    folder = tmp_path / "set"
    folder.mkdir()
    lines = [
        add(folder, "a", 2, scene="hall"),
        add(folder, "b", 4, scene="yard"),
        add(folder, "c", 4, scene="yard", focal_px=200, split="extra"),
    ]
    (folder / "list.csv").write_text(HEADER + "".join(lines))
    return folder / "list.csv"


def scored(run, manifest, *options):
    path = manifest.parent / "scores.json"
    done = run("evaluate", "--manifest", manifest, "--protocol", "plain", "--json", path, *options)
    assert (done.code, done.err) == (0, "")
    return json.loads(path.read_text()), done.out


def test_json(run, engine, manifest, cwd):
    data, _ = scored(run, manifest, "--split", "test")
    assert set(data) == KEYS
    assert (data["model"], data["protocol"], data["cap_m"], data["flip"], data["images"]) == ("fake", "plain", None, False, 2)
    assert set(data["metrics"]) == set(METRICS)
    assert data["metrics"]["abs_rel"] == pytest.approx(0.25)
    assert data["metrics"]["delta1"] == 0.5
    assert [(one["name"], one["scene"], one["pixels"], one["mae"]) for one in data["per_image"]] == [
        ("a", "hall", 96 * 128, 0),
        ("b", "yard", 96 * 128, 2),
    ]
    assert set(data["per_image"][0]) == {"name", "scene", "pixels", *METRICS}
    assert list(cwd.iterdir()) == []


def test_confidence_in_json(run, engine, manifest):
    data, _ = scored(run, manifest, "--split", "test")
    # Half of the pixels are right, and all say 1 - 1 / 1.1.
    found = data["confidence"]
    assert set(found) == {
        "expected_calibration_error",
        "best_error_scale_factor",
        "bins",
        "sparsification_error",
        "sparsification_error_random",
    }
    assert found["expected_calibration_error"] == pytest.approx(0.5 - (1 - 1 / 1.1), rel=1e-4)
    assert np.array(found["bins"]).shape == (10, 3)
    np.testing.assert_allclose(found["bins"][0], [1, 1 - 1 / 1.1, 0.5], rtol=1e-4)


def test_the_factor_that_makes_confidence_honest_is_told(run, engine, manifest):
    data, out = scored(run, manifest, "--split", "test")
    # Half are right, and all say 1 - 1 / 1.1: too little. The least factor that is tried, 1/2, makes it 1 - 1 / 1.21.
    assert data["confidence"]["best_error_scale_factor"] == pytest.approx(0.5)
    before, after = 0.5 - (1 - 1 / 1.1), 0.5 - (1 - 1 / 1.21)
    assert f"  expected calibration error {before:.4f} ({after:.4f} with error_scale times 0.50)" in out.splitlines()


def test_model_without_confidence(run, use_engine, manifest):
    use_engine(FakeEngine(2.0))
    data, out = scored(run, manifest)
    assert data["confidence"] is None
    assert "no confidence" in out
    data, out = scored(run, manifest, "--flip")
    assert data["flip"] is True
    assert data["confidence"]["bins"][9][0] == 1  # both views agree everywhere
    assert "sparsification error" in out


def test_focal_lengths_of_the_manifest_reach_the_model(run, engine, manifest):
    data, _ = scored(run, manifest, "--split", "extra")
    assert data["metrics"]["abs_rel"] == 0


def test_report(run, engine, manifest):
    _, out = scored(run, manifest, "--split", "test")
    first, *lines = out.splitlines()
    assert first == "fake, protocol plain, cap inf m, flip False, 2 pictures"
    assert [line.split()[0] for line in lines[: len(METRICS)]] == list(METRICS)
    assert lines[0].split() == ["abs_rel", "0.2500", "95", "%", "over", "scenes", "0.0000", "to", "0.5000"]


SKY = 65535


@pytest.fixture
def street(tmp_path):
    """Two pictures, 4 m in the lower half, sky over it, which the manifest tells."""
    folder = tmp_path / "street"
    folder.mkdir()
    lines = [add(folder, name, 4, scene=name) for name in "ab"]
    for name in "ab":
        truth = np.full((96, 128), 4 * 256, np.uint16)
        truth[:48] = SKY
        cv2.imwrite(str(folder / f"{name}_truth.png"), truth)
    rows = [f"{line.strip()},{SKY}\n" for line in lines]
    (folder / "list.csv").write_text(HEADER.replace("scene", "scene,sky_code") + "".join(rows))
    return folder / "list.csv"


def test_sky_and_edges_are_told(run, engine, street):
    """The engine tells 2 m everywhere: sky nearer than the 4 m that were measured, and no edge."""
    data, out = scored(run, street, "--flip")
    assert data["sky"] == {
        "near_m": 80,
        "pictures": 2,
        "by_looks": 0,
        "pixels": 2 * 48 * 128,
        "near": 1,
        "before_median": 1,
        "inner_pixels": 2 * 48 * 128,
        "inner_near": 1,
    }
    assert data["boundary_f1"] == {"mean": 0, "low": 0, "high": 0, "pictures": 2}
    assert "  boundary F1 0.0000   95 % over scenes 0.0000 to 0.0000, 2 pictures" in out.splitlines()
    assert (
        "  sky as the data tell it: 100.00 % nearer than 80 m (100.00 % off the rim), 100.00 % nearer than the median measured "
        "depth, of 12,288 pixels of 2 pictures"
    ) in out.splitlines()


def test_sky_that_the_model_leaves_out(run, use_engine, street):
    use_engine(FakeEngine(60.0, far_m=60.0))
    data, _ = scored(run, street)
    assert (data["sky"]["near"], data["sky"]["before_median"]) == (0, 0)


def test_sky_and_edges_of_saved_predictions_beside_a_model(run, engine, street, tmp_path):
    saved = tmp_path / "saved"
    saved.mkdir()
    codes_m = np.full((96, 128), 2 * 256, np.uint16)
    codes_m[:48] = 0  # nothing predicted
    for name in "ab":
        cv2.imwrite(str(saved / f"{name}.png"), codes_m)
    page = tmp_path / "report.html"
    data, out = scored(run, street, "--model", "default", "--predictions", saved, "--units", 256, "--html", page)
    model, other = data["models"]
    assert (model["sky"]["near"], other["sky"]["near"], other["sky"]["pixels"]) == (1, 0, 12288)
    assert (model["boundary_f1"]["mean"], other["boundary_f1"]["mean"]) == (0, 1)
    assert out.count("sky as the data tell it") == out.count("boundary F1") == 2
    text = page.read_text()
    section = text[text.index("<h2>Edges and sky") : text.index("<h2>Worst pictures")]
    assert section.count("12,288 of 2 pictures<td>sky as the data tell it") == 2
    assert "<td class=n>100.00 %<td class=n>100.00 %" in section
    assert "<td class=n>1.000<br><small>1.000&ndash;1.000</small><td class=n>2<td class=n>0.00 %<td class=n>0.00 %" in section


def test_inverse_depth_of_nothing_is_far_whatever_the_cap(run, street, tmp_path):
    saved = tmp_path / "saved"
    saved.mkdir()
    inverse = np.full((96, 128), 0.25, np.float32)
    inverse[:48] = 0
    for name in "ab":
        np.save(saved / f"{name}.npy", inverse)
    data, _ = scored(run, street, "--predictions", saved, "--kind", "inverse", "--cap", 50)
    assert (data["sky"]["near"], data["boundary_f1"]["mean"], data["metrics"]["abs_rel"]) == (0, 1, 0)


def test_no_sky_is_looked_for_off_the_road(run, engine, manifest):
    data, out = scored(run, manifest)
    assert (data["sky"], data["boundary_f1"]) == (None, None)
    assert "sky" not in out
    assert "  boundary F1 none: no picture has an edge and 50 % of its depth known" in out.splitlines()


def test_cap(run, engine, manifest):
    data, _ = scored(run, manifest, "--cap", 3)
    assert (data["cap_m"], [one["name"] for one in data["per_image"]]) == (3, ["a"])


def test_fold(run, engine, manifest):
    names = [[one["name"] for one in scored(run, manifest, "--fold", f"{k}/2")[0]["per_image"]] for k in (0, 1)]
    assert names == [["a"], ["b", "c"]]  # whole scenes


def test_nyu_protocol(run, engine, tmp_path):
    line = add(tmp_path, "a", 2, size=(480, 640))
    (tmp_path / "list.csv").write_text(HEADER + line)
    path = tmp_path / "scores.json"
    done = run("evaluate", "--manifest", tmp_path / "list.csv", "--protocol", "nyu-eigen", "--json", path)
    assert done.code == 0
    data = json.loads(path.read_text())
    assert (data["cap_m"], data["per_image"][0]["pixels"]) == (10, 426 * 560)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--protocol", "kitti"], "protocol 'kitti' is unknown; choose of nyu-eigen, kitti-garg, kitti-lapdepth, plain"),
        (["--protocol", "nyu-eigen"], "picture is 96x128; the NYU protocol takes 480x640"),
        (["--protocol", "kitti-garg"], "picture is 96x128; the KITTI protocols take 352x1216"),
        (["--protocol", "plain", "--split", "none"], "no row of split 'none'; it has extra, test"),
        (["--protocol", "plain", "--fold", "1"], "--fold is '1'; expected K/N"),
        (["--protocol", "plain", "--fold", "2/2"], "folds count from 0 to 1"),
        (["--protocol", "plain", "--cap", "0"], "cap is 0.0 m"),
        (["--protocol", "plain", "--cap", "1"], "no picture has a measured pixel"),
        (["--protocol", "plain", "--manifest", "nowhere.csv"], "cannot read nowhere.csv: No such file"),
    ],
)
def test_refused(run, engine, manifest, options, reason):
    path = manifest.parent / "scores.json"
    done = run("evaluate", "--manifest", manifest, "--json", path, *options)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert reason in done.errors[0]
    assert not path.exists()


def test_json_that_cannot_be_written(run, engine, manifest, tmp_path):
    done = run("evaluate", "--manifest", manifest, "--protocol", "plain", "--json", tmp_path / "no" / "scores.json")
    assert (done.code, len(done.errors)) == (1, 1)
    assert "does not exist; make it first" in done.errors[0]
    assert done.out == ""  # told before the work, not after


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_folder_where_a_file_is_to_be_written_is_told_before_the_work(run, engine, manifest, tmp_path, option):
    (manifest.parent / "b.png").unlink()  # scoring would tell of this
    done = run("evaluate", "--manifest", manifest, "--protocol", "plain", option, tmp_path)
    assert (done.code, done.out, len(done.errors)) == (1, "", 1)
    assert f"cannot write {tmp_path}: it is a folder or a device; give the name of a file" in done.errors[0]


def test_missing_picture(run, engine, manifest):
    (manifest.parent / "b.png").unlink()
    done = run("evaluate", "--manifest", manifest, "--protocol", "plain")
    assert (done.code, done.out, len(done.errors)) == (1, "", 1)
    assert "b.png: No such file" in done.errors[0]


def test_saved_predictions(run, manifest, tmp_path, monkeypatch):
    monkeypatch.setattr("lapdepth.inference.predictor.open_engine", None)  # no model is opened
    saved = tmp_path / "saved"
    saved.mkdir()
    for name in "abc":
        cv2.imwrite(str(saved / f"{name}_depth.png"), np.full((96, 128), 2 * 256, np.uint16))
    options = ("--predictions", saved, "--units", 256, "--split", "test")
    data, out = scored(run, manifest, *options)
    assert data["metrics"]["abs_rel"] == pytest.approx(0.25)
    assert data["model"] == f"{saved} (depth, not aligned)"
    assert data["predictions"] == {"kind": "depth", "units": 256, "alignment": "none"}
    assert "(depth, not aligned), protocol plain" in out
    data, out = scored(run, manifest, *options, "--align", "median")
    assert data["metrics"]["abs_rel"] == pytest.approx(0)
    assert "(depth, aligned by the median of each picture)" in out


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "3 of 3 pictures have no prediction"),
        (["--flip"], "--flip is for models"),
        (["--align", "best"], "alignment of the predictions is 'best'"),
        (["--kind", "disparity"], "kind of the predictions is 'disparity'"),
    ],
)
def test_saved_predictions_that_cannot_be_scored(run, manifest, tmp_path, options, reason):
    done = run("evaluate", "--manifest", manifest, "--protocol", "plain", "--predictions", tmp_path / "none", *options)
    assert (done.code, done.out, len(done.errors)) == (1, "", 1)
    assert reason in done.err


def save(manifest, folder, metres, suffix=".npy"):
    """Predictions of a flat wall for all pictures of the list."""
    folder.mkdir()
    for name in "abc":
        if suffix == ".npy":
            np.save(folder / f"{name}.npy", np.full((96, 128), metres, np.float32))
        else:
            cv2.imwrite(str(folder / f"{name}.png"), np.full((96, 128), 256 * metres, np.uint16))
    return folder


def test_a_report_in_html(run, engine, manifest, tmp_path):
    done = run("evaluate", "--manifest", manifest, "--protocol", "plain", "--html", tmp_path / "report.html")
    assert (done.code, done.err) == (0, "")
    text = (tmp_path / "report.html").read_text()
    assert "<h1>Depth on set/list.csv</h1>" in text
    assert text.count("data:image/jpeg") == 3 * 4
    assert "<p>3 pictures of 2 scenes." in text
    assert str(tmp_path) not in text


def test_pictures_of_one_name_are_drawn_apart_where_there_are_no_scenes(run, engine, tmp_path):
    """The engine tells 2 m: wrong by 0 and by 1/2 in one folder, by 1/2 and by 0 in the other."""
    lines = []
    for place, metres in (("a/0", 2), ("a/1", 4), ("b/0", 4), ("b/1", 2)):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        lines.append(add(tmp_path, place, metres))
    (tmp_path / "list.csv").write_text(HEADER + "".join(lines))
    data, out = scored(run, tmp_path / "list.csv", "--html", tmp_path / "report.html")
    assert [one["scene"] for one in data["per_image"]] == ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]
    assert out.splitlines()[1].split()[:9] == ["abs_rel", "0.2500", "95", "%", "over", "pictures", "0.0000", "to", "0.5000"]
    text = (tmp_path / "report.html").read_text()
    assert "<h3>b/1.png <small>" in text
    assert str(tmp_path) not in text


def test_several_models_and_saved_predictions(run, engine, manifest, tmp_path):
    metric, inverse = save(manifest, tmp_path / "metric", 4, ".png"), save(manifest, tmp_path / "inverse", 0.25)
    options = ["--split", "test", "--model", "default", "--model", "default", "--html", tmp_path / "report.html"]
    options += ["--predictions", metric, "--predictions", inverse, "--kind", "depth", "--kind", "inverse"]
    options += ["--units", 256, "--units", 1, "--align", "none", "--align", "scale"]
    data, out = scored(run, manifest, *options)
    assert set(data) == {"protocol", "cap_m", "images", "resampled", "models", "differences"}
    assert set(data["models"][0]) == KEYS
    assert (data["images"], data["resampled"]) == (2, "scenes")
    told = [one["model"] for one in data["models"]]
    assert told[:2] == ["fake", "fake (default)"]
    assert told[2] == f"{metric} (depth, not aligned)"
    assert data["models"][3]["predictions"] == {"kind": "inverse", "units": 1, "alignment": "scale"}
    # 2 m are right for one of 2 and 4 m, 4 m are twice the first; a scale for each picture makes all right.
    assert [one["metrics"]["abs_rel"] for one in data["models"]] == pytest.approx([0.25, 0.25, 0.5, 0.0], abs=1e-6)
    same, worse, better = (one["metrics"]["abs_rel"] for one in data["differences"])
    assert same == {"mean": 0, "low": 0, "high": 0}
    assert (worse["mean"], worse["low"], worse["high"]) == pytest.approx((0.25, -0.5, 1.0))
    assert better["mean"] == pytest.approx(-0.25)
    assert "fake (default) less fake, picture by picture" in out.splitlines()
    assert f"{told[2]} less fake, picture by picture" in out.splitlines()
    text = (tmp_path / "report.html").read_text()
    for name in ("fake", "fake (default)", "metric", "inverse"):
        assert f"</span>{name}" in text
    assert "inverse depth, aligned by a scale for each picture" in text


def test_models_of_one_name_are_told_apart_by_the_end_of_their_path():
    from types import SimpleNamespace

    from lapdepth.cli.evaluate import _unlike

    scored = [SimpleNamespace(name="default")]
    assert _unlike(scored, "open", "/home/me/runs/open/model") == "open"
    assert _unlike(scored, "default", "/home/me/runs/late/model") == "default (late/model)"
    scored.append(SimpleNamespace(name="default (late/model)"))
    assert _unlike(scored, "default", "/home/you/runs/late/model") == "default (late/model, 2)"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--units", "256"], "--units is of --predictions; leave it out"),
        (["--kind", "depth", "--model", "default"], "--kind is of --predictions"),
        (["--html", "no/report.html"], "the folder no does not exist; make it first"),
        (["--json", "no/scores.json"], "the folder no does not exist; make it first"),
    ],
)
def test_options_that_do_not_go_together(run, engine, manifest, options, reason):
    done = run("evaluate", "--manifest", manifest, "--protocol", "plain", *options)
    assert (done.code, done.out, len(done.errors)) == (1, "", 1)
    assert reason in done.errors[0]


def test_an_option_for_some_of_the_predictions_only(run, manifest, tmp_path):
    folders = [save(manifest, tmp_path / name, 2) for name in "xyz"]
    options = [word for folder in folders for word in ("--predictions", folder)]
    done = run("evaluate", "--manifest", manifest, "--protocol", "plain", *options, "--units", 1, "--units", 2)
    assert "--units is given 2 times for 3 folders of predictions; give it once, or for each" in done.errors[0]


DRIVE = "2011_09_26_drive_0002_sync"


def test_the_official_test_of_kitti(run, use_engine, tmp_path, monkeypatch):
    use_engine(FakeEngine(2.0))
    monkeypatch.setattr("lapdepth.data.kitti.read_list", lambda name: {DRIVE: [69]})
    root = tmp_path / "kitti"
    kitti_frame(root, DRIVE, 69, part="val")
    noise_file(root / DRIVE[:10] / DRIVE / "image_02/data/0000000069.png", 1, (375, 1242))
    codes(root / "data_depth_annotated/val" / DRIVE / "proj_depth/groundtruth/image_02/0000000069.png", 256 * 4, (375, 1242))
    path = tmp_path / "scores.json"
    for options, protocol, pixels in (
        ([], "kitti-garg", 218 * 1153),  # rows 153 to 370, columns 44 to 1196
        (["--protocol", "kitti-lapdepth"], "kitti-lapdepth", 206 * 1129),  # rows 166 to 371, columns 56 to 1184
    ):
        done = run("evaluate", "--dataset", "kitti-eigen", "--root", root, "--json", path, *options)
        assert (done.code, done.err) == (0, "")
        data = json.loads(path.read_text())
        assert (data["protocol"], data["images"], data["per_image"][0]["pixels"]) == (protocol, 1, pixels)
    (root / DRIVE[:10] / DRIVE / "image_02/data/0000000069.png").unlink()
    done = run("evaluate", "--dataset", "kitti-eigen", "--root", root)
    assert (done.code, len(done.errors)) == (1, 1)
    assert "1 of 1 rows lack a file" in done.errors[0]


def test_the_official_test_of_nyu(run, engine, tmp_path, monkeypatch):
    monkeypatch.setattr("lapdepth.evaluation.datasets.NYU_TEST_PICTURES", 1)
    lines = [add(tmp_path, "a", 2, size=(480, 640)), add(tmp_path, "b", 2, split="train", size=(480, 640))]
    (tmp_path / "manifest_labeled.csv").write_text(HEADER + "".join(lines))
    path = tmp_path / "scores.json"
    done = run("evaluate", "--dataset", "nyu", "--root", tmp_path, "--json", path)
    assert done.code == 0
    data = json.loads(path.read_text())
    assert (data["protocol"], data["images"], data["per_image"][0]["pixels"]) == ("nyu-eigen", 1, 426 * 560)
    monkeypatch.setattr("lapdepth.evaluation.datasets.NYU_TEST_PICTURES", 654)
    done = run("evaluate", "--dataset", "nyu", "--root", tmp_path)
    assert "has 1 test pictures; expected the official 654" in done.errors[0]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "what shall be scored?"),
        (["--manifest", "a.csv"], "--manifest needs --protocol: one of nyu-eigen"),
        (["--manifest", "a.csv", "--dataset", "nyu", "--root", "."], "what shall be scored?"),
        (["--dataset", "nyu"], "what shall be scored?"),
        (["--dataset", "make3d", "--root", "."], "data set 'make3d' is unknown; choose of kitti-eigen, nyu"),
        (["--dataset", "nyu", "--root", "."], "lapdepth data prepare nyu"),
        (["--dataset", "nyu", "--root", ".", "--split", "test"], "--split is for manifests"),
    ],
)
def test_what_to_score_is_asked(run, options, reason):
    done = run("evaluate", *options)
    assert (done.code, done.out, len(done.errors)) == (1, "", 1)
    assert reason in done.errors[0]
