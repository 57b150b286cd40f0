"""The script that draws the README's clip."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from lapdepth.collision.frame import FrameResult, Level
from lapdepth.collision.proving.loop import Run, Step

pytest.importorskip("torch")
SCRIPT = Path(__file__).parents[2] / "scripts" / "draw_warning.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("draw_warning", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_clip_has_all_frames_and_holds_the_last(script, tmp_path):
    frames = [np.full((48, 64, 3), 40, np.uint8) for _ in range(5)]
    for i, frame in enumerate(frames):
        frame[:, 10 * i : 10 * i + 10] = (225, 30, 30)
    script.write_gif(frames, tmp_path / "w.gif")
    with Image.open(tmp_path / "w.gif") as clip:
        assert (clip.n_frames, clip.size) == (5, (64, 48))
        times = []
        for i, frame in enumerate(frames):
            clip.seek(i)
            times.append(clip.info["duration"])
            assert np.abs(np.asarray(clip.convert("RGB")).astype(int) - frame).max() <= 2 * script.SAME
    assert times == [100, 100, 100, 100, 2000]


def test_a_pixel_that_hardly_changes_keeps_its_colour_but_does_not_drift(script, tmp_path):
    frames = [np.full((16, 16, 3), 100 + 4 * i, np.uint8) for i in range(8)]
    frames = [np.where(np.arange(16)[None, :, None] < 8, frame, 200).astype(np.uint8) for frame in frames]
    script.write_gif(frames, tmp_path / "w.gif")
    with Image.open(tmp_path / "w.gif") as clip:
        clip.seek(clip.n_frames - 1)
        assert abs(int(np.asarray(clip.convert("RGB"))[0, 0, 0]) - 128) <= script.SAME


def test_it_says_how_the_drive_went(script):
    levels = [Level.CLEAR, Level.CLEAR, Level.WARNING, Level.CRITICAL]
    steps = tuple(Step(i / 10, 9.0 - i, 5.0, 0.0, 0.0, FrameResult(i / 10, level, "")) for i, level in enumerate(levels))
    assert script.words(Run("T2", 0, 1.0, steps)) == (
        "0.00 s clear, 0.20 s warning, 0.30 s critical, no collision, last gap 6.0 m"
    )
    assert "0.50 s collision at 2.0 m/s" in script.words(Run("T2", 0, 1.0, steps, 0.5, 2.0))


def test_a_road_that_cannot_be_drawn_is_refused(script, capsys, tmp_path):
    with pytest.raises(typer.Exit):
        script.main("crest", output=tmp_path / "w.gif")
    assert "'crest'; expected one of T1, T2" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
