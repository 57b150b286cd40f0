"""`lapdepth benchmark`: every engine in the table, and the same numbers in the file."""

import importlib.util
import json

import pytest

from data.pictures import write_pictures
from lapdepth.benchmark import speed
from lapdepth.inference import ranking
from lapdepth.zoo import find_model


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """A small matrix product, and a cache of this test's own, so that no other test takes what was fastest here."""
    monkeypatch.setattr(speed, "PRODUCT_SIDE", 64)
    monkeypatch.setenv(ranking.FOLDER_VARIABLE, str(tmp_path / "cache"))


def test_table_and_file(run, cwd):
    onnx_file = find_model("open") / "model.onnx"
    models = ["--model", "default", "--model", onnx_file, "--model", "open"]
    done = run("benchmark", "--quick", "--repeats", 1, *models, "--json", "speed.json")
    assert (done.code, done.errors) == (0, [])
    numbers = json.loads((cwd / "speed.json").read_text())
    rows = numbers["rows"]
    assert {(row["width"], row["height"]) for row in rows} == {(640, 192)}
    assert {("default", "onnx"), (str(onnx_file), "onnx"), ("open", "onnx")} <= {(row["model"], row["engine"]) for row in rows}
    for row in rows:
        assert row["median_ms"] * row["pictures_per_s"] == pytest.approx(1000, rel=0.05)
        assert row["engine"] in done.out
    if all(importlib.util.find_spec(name) for name in ("torch", "timm")):
        # Each network is compared with itself, the file with the network that it was made of.
        eager = {row["model"]: row for row in rows if row["engine"] == "torch eager"}
        assert eager.keys() == {"default", "open"}
        assert all((row["times_eager"], row["change"]) == (1, 0) for row in eager.values())
        for row in rows:
            own = eager["default" if row["model"] == "default" else "open"]
            assert row["times_eager"] == pytest.approx(own["median_ms"] / row["median_ms"], abs=0.02)
            assert row["engine"] == "openvino-bf16" or row["change"] < 1e-5
    assert numbers["machine"]["peak_gflops"] > 0
    assert all(row["delta1"] is None for row in rows)
    assert "delta1" not in done.out
    # For --engine auto: what computes the model's own float32, and nothing else.
    kept = json.loads(ranking.ranking_file().read_text())[str(onnx_file.resolve())]["milliseconds"]
    measured = {row["engine"] for row in rows} - {"openvino-bf16", "torch eager"}
    assert set(kept) == measured


@pytest.mark.parametrize("options", [("--protocol", "kitti-garg"), ("--split", "test"), ("--pictures", 3)])
def test_options_of_a_manifest_without_one(run, monkeypatch, options):
    monkeypatch.setattr(speed, "peak_gflops", lambda: pytest.fail("timed before the options were checked"))
    done = run("benchmark", "--quick", *options)
    assert (done.code, len(done.errors)) == (1, 1)
    assert "are of --manifest" in done.errors[0]


def test_with_a_manifest_each_engine_is_scored(run, cwd):
    manifest = write_pictures(cwd / "data", 3)
    options = ["--quick", "--repeats", 1, "--manifest", manifest, "--split", "test", "--json", "speed.json"]
    done = run("benchmark", "--model", find_model("default") / "model.onnx", *options)
    assert (done.code, done.errors) == (0, [])
    scored = {row["engine"]: row for row in json.loads((cwd / "speed.json").read_text())["rows"]}
    options = ["--manifest", manifest, "--split", "test", "--protocol", "plain", "--engine", "onnx", "--json", "e.json"]
    assert run("evaluate", *options).code == 0
    expected = json.loads((cwd / "e.json").read_text())["metrics"]
    assert scored["onnx"]["abs_rel"] == pytest.approx(expected["abs_rel"], abs=1e-4)
    assert scored["onnx"]["delta1"] == pytest.approx(expected["delta1"], abs=1e-4)
    assert f"{scored['onnx']['abs_rel']:.4f}" in done.out


def test_a_manifest_that_is_not_there_costs_no_timing(run, monkeypatch):
    monkeypatch.setattr(speed, "peak_gflops", lambda: pytest.fail("timed before the options were checked"))
    done = run("benchmark", "--quick", "--manifest", "nowhere.csv")
    assert (done.code, len(done.errors)) == (1, 1)
    assert "nowhere.csv" in done.errors[0]


def test_a_model_that_is_not_there(run):
    done = run("benchmark", "--quick", "--model", "nowhere")
    assert done.code == 1
    assert done.errors[0].startswith("lapdepth: error: no model 'nowhere'")


def test_a_file_that_cannot_be_written_costs_no_timing(run, monkeypatch):
    monkeypatch.setattr(speed, "peak_gflops", lambda: pytest.fail("timed before the options were checked"))
    done = run("benchmark", "--quick", "--json", "nowhere/speed.json")
    assert (done.code, len(done.errors)) == (1, 1)
    assert "the folder nowhere does not exist" in done.errors[0]
