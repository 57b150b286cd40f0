"""The renderer's benchmark: what it calls a frame a second, and a table of tiny pictures."""

import importlib.util
import itertools
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the renderer needs the torch extra")

from lapdepth.synthetic.scene import Camera  # noqa: E402


@pytest.fixture(scope="module")
def module():
    spec = importlib.util.spec_from_file_location(
        "benchmark_render", Path(__file__).parents[2] / "scripts" / "benchmark_render.py"
    )
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_rate_is_of_the_fastest_frame_without_the_first(module, monkeypatch):
    durations_s = [0.125, 0.5, 0.25, 8.0]
    clock = itertools.accumulate(itertools.chain.from_iterable((0.0, duration) for duration in durations_s))
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    times_s = []
    assert module.frames_per_s(times_s.append, 3) == 4
    assert times_s == pytest.approx([0, 0.05, 0.1, 0.15])


def test_a_table_has_a_column_for_each_device(module):
    threads = torch.get_num_threads()
    try:
        camera = Camera(width=32, height=24, focal_px=30, height_m=1.4)
        table = module.measure([("cpu", 1), ("cpu", 2)], 1, {"room": camera})
    finally:
        torch.set_num_threads(threads)
    assert list(table) == ["depth, `room:7`, 32x24", "colour, `room:7`, 32x24"]
    assert all(len(rates) == 2 and min(rates) > 0 for rates in table.values())
