"""The script that draws what runs logged; it needs no extra."""

import importlib.util
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "learning_curves.py"


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("learning_curves", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_run(folder, steps=60, torn=False, **extra):
    folder.mkdir(parents=True)
    entries = [
        {"step": i, "lr": 1e-3, "rooms/si": 10 / (1 + i), "rooms/total": 20 / (1 + i), **extra} for i in range(0, steps, 2)
    ]
    text = "".join(json.dumps(entry) + "\n" for entry in entries)
    (folder / "log.jsonl").write_text(text + ('{"step": 9' if torn else ""))
    return folder


def run(script, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["learning_curves", *map(str, arguments)])
    script.main()


def test_each_loss_is_a_plot_with_all_runs(script, monkeypatch, tmp_path, capsys):
    runs = write_run(tmp_path / "a", torn=True), write_run(tmp_path / "b", steps=30, **{"roads/si": 4.0})
    run(script, monkeypatch, *runs, "--output", tmp_path / "curves.svg")
    text = (tmp_path / "curves.svg").read_text()
    ET.fromstring(text)
    for name in ("lr", "rooms/si", "roads/si"):
        assert f"aria-label='{name}'" in text
    assert "rooms/total" not in text
    assert text.count(">a</text>") == 2  # rooms/si and lr
    assert text.count(">b</text>") == 3
    printed = capsys.readouterr().out.splitlines()
    assert "roads/si  b: 4, 4, 4, 4" in printed
    assert printed[-1] == str(tmp_path / "curves.svg")


def test_only_what_is_asked_for(script, monkeypatch, tmp_path):
    run(script, monkeypatch, write_run(tmp_path / "a"), "--output", tmp_path / "c.svg", "--only", "total")
    text = (tmp_path / "c.svg").read_text()
    assert "aria-label='rooms/total'" in text
    assert "aria-label='lr'" not in text


def test_a_mean_over_neighbours(script):
    curve = [(i, float(i % 2)) for i in range(100)]
    inner = [value for _, value in script.smoothed(curve)][10:-10]
    assert min(inner) == pytest.approx(0.4)
    assert max(inner) == pytest.approx(0.6)
    gap = [(0, 1.0), (1, None), (2, 3.0)]
    assert script.smoothed(gap) == gap


def test_means_over_quarters(script):
    curve = [(i, float(i // 25)) for i in range(100)]
    assert script.quarters(curve) == [0, 1, 2, 3]
    assert script.quarters([(0, 2.0), (39, 6.0), (79, None)])[:2] == [2, 6]
    assert all(mean != mean for mean in script.quarters([(0, None), (79, None)]))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "expected the folder of a run"),
        ("", "is empty"),
        ("oops\n", "is no log"),
        ('{"a": 1}\n', "is no log"),
        ('{"step": 0, "lr": 1}\n{"step": 2, "lr": NaN}\n', "log.jsonl: lr is nan at step 2; expected finite numbers alone"),
        ('{"step": 0, "lr": "fast"}\n', "lr is 'fast' at step 0"),
        ('{"step": NaN, "lr": 1}\n', "step is nan at step nan"),
        ('{"step": 0, "lr": null}\n', "no run logged a value"),
    ],
)
def test_what_is_no_run(script, monkeypatch, tmp_path, text, reason):
    if text is not None:
        (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(SystemExit, match=reason):
        run(script, monkeypatch, tmp_path, "--output", tmp_path / "c.svg")
    assert not (tmp_path / "c.svg").exists()


def test_nothing_of_what_is_asked_for(script, monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match="no run logged sky; there are lr, rooms/si, rooms/total"):
        run(script, monkeypatch, write_run(tmp_path / "a"), "--output", tmp_path / "c.svg", "--only", "sky")
