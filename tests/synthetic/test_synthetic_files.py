"""A rendered sequence comes back through the manifest as it was rendered."""

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="the renderer needs the torch extra")

from lapdepth.data.manifest import load_sample, read_manifest
from lapdepth.errors import ConfigError, InputError, OutputError
from lapdepth.synthetic.files import write_sequence
from lapdepth.synthetic.render import Renderer
from lapdepth.synthetic.scene import Camera, Motion, Scene, Thing

SCENE = Scene(
    name="lead",
    duration_s=0.2,
    camera=Camera(width=48, height=32, focal_px=40, cx_px=22, motion=Motion(speed_mps=10)),
    objects=(Thing(kind="box", name="lead car", motion=Motion(z_m=8, speed_mps=5)),),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered") / "deep" / "lead"
    write_sequence(SCENE, folder, split="test")
    return folder


def test_manifest_gives_back_what_was_rendered(folder):
    rows = read_manifest(folder / "manifest.csv", "test")
    assert [row.scene for row in rows] == ["lead"] * 3
    renderer = Renderer(SCENE)
    for number, row in enumerate(rows):
        sample, frame = load_sample(row), renderer.frame(number / 10)
        assert (sample.image == frame.image).all()
        assert sample.intrinsics == frame.intrinsics
        assert sample.sky is not None
        assert sample.sky.any()
        assert (sample.sky == (frame.ids == 0)).all()
        far = frame.depth_m >= 255.99
        assert (sample.depth_m[far] == 0).all()
        np.testing.assert_allclose(sample.depth_m[~far], frame.depth_m[~far], atol=0.5 / 256 + 1e-6)
        ids = cv2.imread(str(folder / "ids" / f"{number:06d}.png"), cv2.IMREAD_UNCHANGED)
        assert (ids == frame.ids).all()


def test_record_holds_scene_poses_and_names(folder):
    record = json.loads((folder / "scene.json").read_text())
    assert Scene.model_validate(record["scene"]) == SCENE
    assert record["instances"] == ["sky", "ground", "lead car"]
    assert [frame["time_s"] for frame in record["frames"]] == [0, 0.1, 0.2]
    np.testing.assert_allclose([frame["camera_to_world"][2][3] for frame in record["frames"]], [0, 1, 2], atol=1e-12)


def test_fewer_frames_as_jpeg(tmp_path):
    write_sequence(SCENE, tmp_path, frames=1, jpeg=True)
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["000000.jpg"]
    assert len(read_manifest(tmp_path / "manifest.csv", "train")) == 1


def test_a_run_that_is_stopped_leaves_no_manifest_of_the_run_before(tmp_path):
    write_sequence(SCENE, tmp_path, frames=1)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sequence(SCENE, tmp_path, progress=stop)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []
    assert (tmp_path / "images/000000.png").exists()


def test_a_manifest_that_cannot_be_replaced_is_said(tmp_path):
    (tmp_path / "manifest.csv").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*manifest\.csv"):
        write_sequence(SCENE, tmp_path)
    assert not any((tmp_path / "images").iterdir())


def test_a_lens_that_distorts_is_written_and_not_read_as_a_pinhole(tmp_path):
    camera = SCENE.camera.model_copy(update={"distortion": (-0.1, 0.0, 0.0, 0.0, 0.0)})
    manifest = write_sequence(SCENE.model_copy(update={"camera": camera}), tmp_path, frames=1)
    with pytest.raises(ConfigError, match=r"manifest\.csv:2: the lens distorts \(k1 -0\.1\)"):
        read_manifest(manifest)


def test_bad_requests_are_refused(tmp_path):
    with pytest.raises(InputError, match="frames is 0; expected at least 1"):
        write_sequence(SCENE, tmp_path, frames=0)
    with pytest.raises(InputError, match=r"frames is 9; 'lead' has 3, 0\.2 s at 10 a second"):
        write_sequence(SCENE, tmp_path / "out", frames=9)
    for device in ("banana", "cuda:99"):
        with pytest.raises(InputError, match=f"cannot use device '{device}': ") as caught:
            write_sequence(SCENE, tmp_path / "out", device=device)
        assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make the folder"):
        write_sequence(SCENE, tmp_path / "file")
