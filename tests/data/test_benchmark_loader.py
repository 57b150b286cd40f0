"""The script that times the loader draws what training draws, from a tree in KITTI's own layout."""

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the loader needs the torch extra")

from data.pictures import write_pictures
from lapdepth.training.config import load_train_config

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch):
    spec = importlib.util.spec_from_file_location("benchmark_loader", ROOT / "scripts" / "benchmark_loader.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "FRAMES", 2)
    return module


def test_a_tree_is_made_found_and_timed(script, tmp_path):
    write_pictures(tmp_path / "given", 2)
    rows, kilobytes = script.make_tree(tmp_path / "kitti", tmp_path / "given", ".jpg")
    assert [row.image.name for row in rows] == ["0000000005.jpg", "0000000006.jpg"]
    assert {(row.fx_px, row.units_per_metre, row.split) for row in rows} == {(721.5377, 256.0, "train")}
    assert kilobytes > 1
    group = load_train_config(ROOT / "configs" / "kitti.toml").groups[0]
    example, decoding = script.seconds_per_picture(rows, group, 1)
    assert example > 0
    assert decoding > 0


def test_without_pictures(script, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmark_loader", "--pictures", str(tmp_path)])
    with pytest.raises(SystemExit, match="no pictures in"):
        script.main()
