"""Saved predictions: found, decoded and aligned, with numbers by hand."""

import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.pictures import write_manifest, write_pictures
from lapdepth.data.manifest import read_manifest
from lapdepth.errors import ConfigError, InputError, ReadError
from lapdepth.evaluation.evaluate import evaluate
from lapdepth.evaluation.protocols import PROTOCOLS
from lapdepth.evaluation.saved import Coding, SavedPredictions, read_values, to_metres

PLAIN = PROTOCOLS["plain"]
ALL = np.ones((1, 4), bool)


def metres(values, truth_m, coding, mask=ALL):
    values, truth_m = np.array([values], np.float32), np.array([truth_m], np.float32)
    return to_metres(values, truth_m, mask, coding)[0].tolist()


# --- what the numbers mean


@pytest.mark.parametrize(
    ("coding", "values", "expected"),
    [
        (Coding(), [1, 2, 0, -3], [1, 2, 0, 0]),
        (Coding(), [np.nan, np.inf, 2, 4], [0, 0, 2, 4]),
        (Coding(units=256), [256, 128, 0, 512], [1, 0.5, 0, 2]),
        (Coding(units=0.5), [np.finfo(np.float32).max, 1, 2, 3], [0, 2, 4, 6]),  # twice that is more than float32 holds
        (Coding("inverse"), [0.5, 0.25, 0, -1], [2, 4, 1000, 1000]),
        (Coding("inverse", 2), [1, 0.5, 4, np.nan], [2, 4, 0.5, 0]),
        (Coding(alignment="median"), [1, 2, 3, 6], [2, 4, 6, 12]),  # medians 2.5 and 5
        (Coding("inverse", alignment="median"), [1, 0.5, 1 / 3, 1 / 6], [2, 4, 6, 12]),
        (Coding(alignment="scale"), [1, 2, 3, 6], [2, 4, 6, 12]),
        (Coding("inverse", alignment="scale"), [2, 1, 2 / 3, 1 / 3], [2, 4, 6, 12]),
        (Coding(alignment="scale-shift"), [3, 5, 7, 13], [2, 4, 6, 12]),  # t = p - 1
        (Coding("inverse", alignment="scale-shift"), [5.5, 3, 13 / 6, 8 / 6], [2, 4, 6, 12]),  # 1 / t = (p - 0.5) / 10
    ],
)
def test_to_metres(coding, values, expected):
    np.testing.assert_allclose(metres(values, [2, 4, 6, 12], coding), expected, rtol=1e-5)


def test_alignment_sees_scored_pixels_alone():
    mask = np.array([[True, True, False, False]])
    assert metres([1, 2, 50, 3], [2, 4, 6, 7], Coding(alignment="median"), mask) == [2, 4, 100, 6]
    assert metres([1, 2, 50, 3], [2, 4, 6, 7], Coding(alignment="scale"), mask) == pytest.approx([2, 4, 100, 6])


def test_alignment_passes_over_what_was_not_predicted():
    assert metres([1, 2, 0, np.nan], [2, 4, 6, 7], Coding(alignment="median")) == [2, 4, 0, 0]
    assert metres([0, 0, 0, 0], [2, 4, 6, 7], Coding(alignment="scale")) == [0, 0, 0, 0]
    assert metres([0, 0, 0, 0.5], [2, 4, 6, 8], Coding("inverse", alignment="median")) == [1000, 1000, 1000, 8]


def test_least_squares_by_hand():
    # Scale s minimises (s - 1)^2 + (2 s - 3)^2: s = (1 + 6) / 5.
    assert metres([1, 2, 0, 0], [1, 3, 1, 1], Coding(alignment="scale")) == pytest.approx([1.4, 2.8, 0, 0])


def test_a_shift_below_zero_stays_a_depth():
    assert min(
        metres([1, 2, 3, 0.01], [1, 2.5, 4, 1], Coding(alignment="scale-shift"), np.array([[True, True, True, False]]))
    ) == (pytest.approx(1e-3))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("disparity",), "kind of the predictions is 'disparity'; choose of depth, inverse"),
        (("depth", 1, "best"), "alignment of the predictions is 'best'; choose of none, median, scale, scale-shift"),
        (("depth", 0), "units of the predictions are 0"),
        (("depth", float("nan")), "units of the predictions are nan"),
    ],
)
def test_unusable_codings(arguments, reason):
    with pytest.raises(ConfigError, match=reason):
        Coding(*arguments)


# --- files


def test_files_of_all_kinds(tmp_path):
    made = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    np.save(tmp_path / "a.npy", made.astype(np.float64)[None])
    np.savez(tmp_path / "b.npz", depth_m=made, valid=made > 1)
    np.savez_compressed(tmp_path / "c.npz", anything=made[..., None])
    cv2.imwrite(str(tmp_path / "d.png"), made.astype(np.uint16))
    for name in ("a.npy", "b.npz", "c.npz", "d.png"):
        values = read_values(tmp_path / name)
        assert values.dtype == np.float32
        assert np.array_equal(values, made)


def test_a_number_too_large_is_infinite(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1e300, 2], [3, 4]]))
    assert read_values(tmp_path / "a.npy").tolist() == [[np.inf, 2], [3, 4]]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.npy", b"no", "cannot read"),
        ("a.npz", b"no", "cannot read"),
        ("a.npy", pickle.dumps([1]), "cannot read"),
        ("a.png", b"no", "is not a PNG"),
        ("a.npy", np.zeros((2, 3, 4)), r"holds float64 \(2, 3, 4\); expected one map"),
        ("a.npy", np.array([["a", "b"], ["c", "d"]]), "expected one map"),
        ("a.npz", {"x": np.zeros((2, 2)), "y": np.zeros((2, 2))}, "holds x, y; expected 'depth_m', 'depth' or one array"),
    ],
)
def test_unusable_files(tmp_path, name, data, reason):
    path = tmp_path / name
    if isinstance(data, bytes):
        path.write_bytes(data)
    elif isinstance(data, dict):
        np.savez(path, **data)
    else:
        np.save(path, data)
    with pytest.raises(ReadError, match=reason):
        read_values(path)


def test_an_array_that_unpacks_to_more_than_a_picture(tmp_path, monkeypatch):
    monkeypatch.setattr("lapdepth.evaluation.saved.MAX_PIXELS", 100)
    np.savez_compressed(tmp_path / "a.npz", depth=np.zeros((100, 100)))
    with pytest.raises(ReadError, match="unpacks to 80,128 bytes; expected at most 1,200"):
        read_values(tmp_path / "a.npz")


# --- scoring


@pytest.fixture
def rows(tmp_path):
    """Four pictures, the i-th with a depth of i + 1 metres."""
    return read_manifest(write_pictures(tmp_path / "set", 4))


def scored(tmp_path, rows, coding, protocol=PLAIN, cap_m=None):
    saved = SavedPredictions(tmp_path / "saved", rows, tmp_path / "set", coding, protocol, cap_m)
    return evaluate(saved, saved.samples(rows), protocol, cap_m)


def save(tmp_path, name, array):
    path = tmp_path / "saved" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array) if path.suffix == ".npy" else cv2.imwrite(str(path), array)


def test_right_predictions_score_right(tmp_path, rows):
    for i, name in enumerate(("0.npy", "1_depth.npy", "2.npy", "3.npy")):
        save(tmp_path, name, np.full((80, 120), i + 1, np.float32))
    done = scored(tmp_path, rows, Coding())
    assert (done.metrics["abs_rel"], done.metrics["delta1"], len(done.per_image)) == (0, 1, 4)
    assert done.reliability is None


def test_half_of_the_truth(tmp_path, rows):
    for i in range(4):
        save(tmp_path, f"{i}.png", np.full((80, 120), 128 * (i + 1), np.uint16))
    assert scored(tmp_path, rows, Coding(units=256)).metrics["abs_rel"] == pytest.approx(0.5)
    assert scored(tmp_path, rows, Coding(alignment="median")).metrics["abs_rel"] == pytest.approx(0)
    with pytest.raises(ConfigError, match=r"0.png holds codes; say how many are one metre"):
        scored(tmp_path, rows, Coding())


def test_each_picture_gets_its_own_prediction_where_names_repeat(tmp_path):
    lines = []
    for i, drive in enumerate(("a", "b")):
        write_pictures(tmp_path / "set" / drive, 1)
        cv2.imwrite(str(tmp_path / "set" / drive / "0-depth.png"), np.full((80, 120), 256 * (i + 1), np.uint16))
        save(tmp_path, f"{drive}/0.npy", np.full((80, 120), i + 1.0))
        lines.append([f"{drive}/0.png", f"{drive}/0-depth.png", 256, 110, 105, 57, 41.5, "test", drive])
    write_manifest(tmp_path / "set" / "m.csv", lines)
    rows = read_manifest(tmp_path / "set" / "m.csv")
    assert scored(tmp_path, rows, Coding()).metrics["abs_rel"] == 0
    (tmp_path / "saved/b/0.npy").rename(tmp_path / "saved/0.npy")
    with pytest.raises(ReadError, match=r"1 of 2 pictures have no prediction in .*: no .*b/0.png"):
        scored(tmp_path, rows, Coding())


def test_a_picture_beside_the_manifest_is_not_scored_with_the_truth_beside_it(tmp_path):
    write_pictures(tmp_path / "frames", 2)
    for i in range(2):
        (tmp_path / "frames" / f"{i}-depth.png").rename(tmp_path / "frames" / f"{i}_depth.png")
        save(tmp_path, f"{i}.png", np.full((80, 120), 128 * (i + 1), np.uint16))  # half of the truth
    (tmp_path / "set").mkdir()
    lines = [[f"../frames/{i}.png", f"../frames/{i}_depth.png", 256, 110, 105, 57, 41.5, "test", f"scene{i}"] for i in range(2)]
    write_manifest(tmp_path / "set" / "m.csv", lines)
    rows = read_manifest(tmp_path / "set" / "m.csv")
    assert scored(tmp_path, rows, Coding(units=256)).metrics["abs_rel"] == pytest.approx(0.5)
    (tmp_path / "saved" / "1.png").unlink()
    with pytest.raises(ReadError, match=r"1 of 2 pictures have no prediction in .*: no .*saved/1.png"):
        scored(tmp_path, rows, Coding(units=256))
    for name in ("a", "b"):  # the name alone does not tell them apart
        write_pictures(tmp_path / name, 1)
    write_manifest(tmp_path / "set" / "m.csv", [[f"../{name}/0.png", *lines[0][1:]] for name in ("a", "b")])
    with pytest.raises(ReadError, match=r"a/0.png is not below .*set, the manifest's folder, and another picture is named 0"):
        scored(tmp_path, read_manifest(tmp_path / "set" / "m.csv"), Coding(units=256))


def test_absolute_pictures_have_their_place_below_a_relative_manifest(tmp_path, monkeypatch):
    found = []
    for i, drive in enumerate(("a", "b")):
        (row,) = read_manifest(write_pictures(tmp_path / "set" / drive, 1))
        found.append(row)
        save(tmp_path, f"{drive}/0.npy", np.full((80, 120), i + 1.0))
    save(tmp_path, "0.npy", np.full((80, 120), 1.0))
    monkeypatch.chdir(tmp_path)
    saved = SavedPredictions(tmp_path / "saved", found, tmp_path / "set", Coding(), PLAIN)
    relative = SavedPredictions(tmp_path / "saved", found, Path("set"), Coding(), PLAIN)
    for one in (saved, relative):
        depths_m = [one(None, None)[0][0, 0] for _ in one.samples(found)]
        assert depths_m == [1, 2]


@pytest.mark.parametrize("other", ["0.jpg", "0_depth.png"])
def test_two_pictures_that_one_file_would_be_scored_for(tmp_path, rows, other):
    save(tmp_path, "0_depth.npy", np.ones((80, 120)))
    pair = [rows[0], replace(rows[1], image=rows[1].image.with_name(other))]
    with pytest.raises(
        ReadError, match=rf"0_depth.npy would be scored for {other} and for 0.png; expected a prediction for each"
    ):
        scored(tmp_path, pair, Coding())
    twice = [rows[0], replace(rows[0], split="again")]
    assert len(scored(tmp_path, twice, Coding()).per_image) == 2


def test_predictions_of_the_window_alone(tmp_path):
    height, width = 375, 1242
    cv2.imwrite(str(tmp_path / "a.png"), np.full((height, width, 3), 90, np.uint8))
    truth = np.arange(height * width, dtype=np.uint32).reshape(height, width) % 5000 + 1000
    cv2.imwrite(str(tmp_path / "d.png"), truth.astype(np.uint16))
    write_manifest(tmp_path / "m.csv", [["a.png", "d.png", 256, 700, 700, 620, 187, "test", ""]])
    rows = read_manifest(tmp_path / "m.csv")
    for part in (truth, truth[23:, 13:1229]):  # the KB crop by hand
        save(tmp_path, "a.npy", (part / 256).astype(np.float32))
        done = scored(tmp_path, rows, Coding(), PROTOCOLS["kitti-garg"])
        # What kitti-garg scores and does not show is 1 mm by the protocol: rows 153 on lie inside the crop, so nothing here.
        assert done.metrics["abs_rel"] == pytest.approx(0, abs=1e-6)
    save(tmp_path, "a.npy", np.ones((192, 640), np.float32))
    with pytest.raises(
        InputError, match=r"is \(192, 640\), its picture \(375, 1242\); expected that or the window \(352, 1216\)"
    ):
        scored(tmp_path, rows, Coding(), PROTOCOLS["kitti-garg"])


def test_without_samples_there_is_nothing_to_predict(tmp_path, rows):
    for i in range(4):
        save(tmp_path, f"{i}.npy", np.ones((80, 120)))
    saved = SavedPredictions(tmp_path / "saved", rows, tmp_path / "set", Coding(), PLAIN)
    with pytest.raises(InputError, match=r"draw from samples\(\) first"):
        saved(None, None)
