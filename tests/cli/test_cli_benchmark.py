"""`lapdepth benchmark`: every engine in the table, and the same numbers in the file."""

import importlib.util
import json

import pytest

from lapdepth.benchmark import speed
from lapdepth.zoo import find_model


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(speed, "PRODUCT_SIDE", 64)


def test_table_and_file(run, cwd):
    onnx_file = find_model("default") / "model.onnx"
    done = run("benchmark", "--quick", "--repeats", 1, "--model", "default", "--model", onnx_file, "--json", "speed.json")
    assert (done.code, done.errors) == (0, [])
    numbers = json.loads((cwd / "speed.json").read_text())
    rows = numbers["rows"]
    assert {(row["width"], row["height"]) for row in rows} == {(640, 192)}
    assert ("default", "onnx") in {(row["model"], row["engine"]) for row in rows}
    assert (str(onnx_file), "onnx") in {(row["model"], row["engine"]) for row in rows}
    for row in rows:
        assert row["median_ms"] * row["pictures_per_s"] == pytest.approx(1000, rel=0.05)
        assert row["engine"] in done.out
    if all(importlib.util.find_spec(name) for name in ("torch", "timm")):
        eager = next(row for row in rows if row["engine"] == "torch eager")
        assert eager["times_eager"] == 1
        assert all(row["times_eager"] == pytest.approx(eager["median_ms"] / row["median_ms"], abs=0.02) for row in rows)
    assert numbers["machine"]["peak_gflops"] > 0


def test_a_model_that_is_not_there(run):
    done = run("benchmark", "--quick", "--model", "nowhere")
    assert done.code == 1
    assert done.errors[0].startswith("lapdepth: error: no model 'nowhere'")


def test_a_file_that_cannot_be_written_costs_no_timing(run, monkeypatch):
    monkeypatch.setattr(speed, "peak_gflops", lambda: pytest.fail("timed before the options were checked"))
    done = run("benchmark", "--quick", "--json", "nowhere/speed.json")
    assert (done.code, len(done.errors)) == (1, 1)
    assert "the folder nowhere does not exist" in done.errors[0]
