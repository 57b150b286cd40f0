"""Pictures of the track: they show what the exact depth says; and the open loop with another model's maps."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from lapdepth.camera import Intrinsics
from lapdepth.cli.main import main
from lapdepth.collision.proving import loop, open_loop
from lapdepth.collision.proving.campaign import Setup, choose, drive
from lapdepth.collision.proving.loop import run
from lapdepth.collision.proving.open_loop import FolderSource, drive_open, write_pictures
from lapdepth.collision.proving.pictures import ModelSource, Painter
from lapdepth.collision.proving.scenarios import SCENARIOS
from lapdepth.collision.proving.scene import Solid, View, exact_depth
from lapdepth.collision.proving.sources import ExactSource
from lapdepth.collision.settings import WarnerSettings
from lapdepth.collision.warner import CollisionWarner
from lapdepth.errors import InputError, ReadError

SMALL = Intrinsics.from_focal(160, 48, 92.75)
CAR_AHEAD = Solid("car", 0.5, 15.0, 1.8, 4.5, 0.0, 1.5)


@pytest.mark.parametrize("curvature", [0.0, 0.01])
def test_pictures_have_the_tracks_geometry(curvature):
    view = View(0.3, (CAR_AHEAD,), ego_m=120.0, curvature_1pm=curvature)
    paint = Painter(1)
    image = paint(view, SMALL)
    assert image.shape == (48, 160, 3)
    drawn, ids = paint._renderer.depth(0.3)
    exact = exact_depth(view, SMALL)
    body = ids == len(paint._renderer.scene.objects) + 1  # the last thing, after the ground and the country
    assert body.sum() > 0.5 * np.sum((exact > 14.9) & (exact < 15.1))
    assert np.median(drawn[body]) == pytest.approx(15.5, abs=0.6)  # windows lie behind the bumper
    assert np.median(np.argwhere(body)[:, 1]) == pytest.approx(SMALL.cx_px + SMALL.fx_px * 0.5 / 15, abs=2)
    road = (ids == 1) & (exact < 12) & (drawn < 12)
    assert np.median(np.abs(drawn[road] / exact[road] - 1)) < 0.01


def test_road_moves_and_things_keep_their_looks():
    paint = Painter(1)
    first = paint(View(0.0, (CAR_AHEAD,)), SMALL)
    again = paint(View(0.0, (CAR_AHEAD,), ego_m=3.0), SMALL)
    assert np.mean(first != again) > 0.1
    assert np.array_equal(Painter(1)(View(0.0, (CAR_AHEAD,)), SMALL), first)  # by seed and view alone
    far_on = paint(View(0.0, (CAR_AHEAD,), ego_m=252.0 * 50), SMALL)
    assert np.array_equal(far_on, first)  # the country repeats


def test_the_country_stays_as_it_is_when_things_come_and_go():
    paint, behind = Painter(1), dataclasses.replace(CAR_AHEAD, near_m=-30.0)
    assert np.array_equal(paint(View(0.0, (behind,)), SMALL), paint(View(0.0, ()), SMALL))


def test_crest_and_dip_are_not_drawn():
    with pytest.raises(InputError, match="up or down"):
        Painter(0)(View(0.0, (), bend_m=50.0, grade=0.06), SMALL)
    assert {"crest", "dip"} & set(choose("all")) == {"crest", "dip"}
    assert not {"crest", "dip"} & set(choose("all", drawn=True))
    with pytest.raises(InputError, match="crest"):
        choose("crest,T1", drawn=True)


def test_network_sees_the_picture():
    class Predictor:
        def __call__(self, image, focal_px):
            assert image.shape == (48, 160, 3)
            assert focal_px == SMALL.focal_px
            return type(
                "Result", (), {"depth_m": np.ones((48, 160), np.float32), "valid": np.ones((48, 160), bool), "confidence": None}
            )

    seen = ModelSource(0, Predictor())(View(0.0, ()), SMALL)
    assert seen.depth_m.shape == (48, 160)
    assert seen.image.shape == (48, 160, 3)


@pytest.fixture
def small(monkeypatch):
    for module in (loop, open_loop):
        monkeypatch.setattr(module, "PICTURE_CAMERA", SMALL)
    return SMALL


def test_pictures_are_written_once(small, tmp_path, monkeypatch):
    monkeypatch.setitem(SCENARIOS, "T3", dataclasses.replace(SCENARIOS["T3"], duration_s=0.3))
    assert list(write_pictures(["T3"], 1, tmp_path)) == ["T3-0"]
    lines = list(csv.DictReader((tmp_path / "T3-0" / "frames.csv").read_text().splitlines()))
    assert [line["picture"] for line in lines] == [f"{i:06d}.png" for i in range(len(lines))]
    step = float(lines[1]["travelled_m"]) - float(lines[0]["travelled_m"])
    assert step == pytest.approx(20.1 * 0.1, abs=0.01)
    assert json.loads((tmp_path / "track.json").read_text())["camera"]["width"] == 160
    before = (tmp_path / "T3-0" / "000000.png").stat().st_mtime_ns
    list(write_pictures(["T3"], 1, tmp_path))
    assert (tmp_path / "T3-0" / "000000.png").stat().st_mtime_ns == before


def test_open_loop_ends_as_the_closed_one():
    """Exact depth, once with a driver who brakes and once from what would have been written."""
    settings = WarnerSettings(camera_to_front_m=1.5)
    closed = run(SCENARIOS["T3"], ExactSource(), CollisionWarner(settings), 1)
    opened = drive_open(SCENARIOS["T3"], ExactSource(), CollisionWarner(settings), 1, loop.CAMERA)
    assert opened.alert.time_s == closed.alert.time_s
    assert (opened.collided_s, opened.impact_mps) == (closed.collided_s, closed.impact_mps)
    assert opened.steps[-1].gap_m < closed.steps[-1].gap_m  # what was seen goes on to the end


def test_maps_of_a_folder(tmp_path):
    np.save(tmp_path / "000000.npy", np.full((48, 160), 7, np.float32))
    source = FolderSource(tmp_path)
    seen = source(View(0.0, ()), SMALL)
    assert float(seen.depth_m[0, 0]) == 7
    with pytest.raises(ReadError, match="000001"):
        source(View(0.1, ()), SMALL)
    np.save(tmp_path / "000002.npy", np.ones((4, 4), np.float32))
    with pytest.raises(InputError, match="expected"):
        source(View(0.2, ()), SMALL)


def test_a_map_may_lie_beside_its_picture(tmp_path):
    Image.fromarray(np.full((48, 160, 3), 90, np.uint8)).save(tmp_path / "000000.png")
    with pytest.raises(ReadError, match=r"000000_depth\.png"):
        FolderSource(tmp_path)(View(0.0, ()), SMALL)
    np.save(tmp_path / "000000.npy", np.full((48, 160), 7, np.float32))
    assert float(FolderSource(tmp_path)(View(0.0, ()), SMALL).depth_m[0, 0]) == 7
    Image.fromarray(np.full((48, 160), 5 * 256, np.uint16)).save(tmp_path / "000000_depth.png")
    assert float(FolderSource(tmp_path)(View(0.0, ()), SMALL).depth_m[0, 0]) == 5


def test_missing_maps_are_one_clear_line(tmp_path):
    with pytest.raises(ReadError, match="write-pictures"):
        drive(Setup("folder", folder=tmp_path), ("T3", 0))


def test_command_names_what_cannot_be(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["lapdepth", "track", "--depth", "model", "--scenarios", "dip", "--report", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert "cannot be drawn" in str(stop.value.code)
