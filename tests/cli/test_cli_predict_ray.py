"""`lapdepth predict --cluster ray` with two workers on this machine, beside a local run of the same pictures."""

import json
import os
import subprocess
import sys

import cv2
import pytest

from inference.fake_engine import noise
from lapdepth.errors import InputError

pytest.importorskip("ray", reason="the cluster needs the ray extra")
pytest.importorskip("pyarrow", reason="the cluster needs the ray extra")

pytestmark = pytest.mark.slow
COUNT = 5


def predict(*args, cwd):
    code = "from lapdepth.cli.main import main; main()"
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    environment["RAY_worker_niceness"] = "0"  # on a busy machine the workers would never get their turn
    command = [sys.executable, "-c", code, "predict", *map(str, args), "--fov-deg", "60"]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def on_ray(*args, cwd):
    return predict(*args, "--cluster", "ray", "--workers", 2, cwd=cwd)


def errors(done):
    assert "Traceback" not in done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("lapdepth: error: ")]


def contents(folder):
    """Files by name; of the JSON all but the time."""
    found = {}
    for path in folder.rglob("*"):
        if path.suffix == ".json":
            found[str(path.relative_to(folder))] = json.loads(path.read_text()) | {"predicted_at": None}
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for number in range(COUNT):
        cv2.imwrite(str(tmp_path / "in" / ("deep" if number % 2 else "") / f"{number} x.png"), noise(64, 96, number))
    (tmp_path / "in" / "bad.jpg").write_text("no picture")
    return tmp_path


def test_a_folder(folder):
    local = predict("in", "--output", "local", "--sky", "far", cwd=folder)
    far = on_ray("in", "--output", "far", "--sky", "far", cwd=folder)
    assert (far.returncode, len(errors(far))) == (1, 1)
    assert errors(far) == [line.replace("in/", f"{folder}/in/", 1) for line in errors(local)]
    assert far.stdout == f"{COUNT} of {COUNT + 1} pictures written to far\n"
    assert contents(folder / "far") == contents(folder / "local")
    assert len(contents(folder / "far")) == 3 * COUNT
    assert contents(folder / "far")["0 x.json"]["sky"] == "far"

    (folder / "far" / "0 x_depth.png").unlink()
    (folder / "in" / "bad.jpg").unlink()
    kept = (folder / "far" / "2 x.json").read_bytes()
    again = on_ray("in", "--output", "far", "--sky", "far", cwd=folder)
    assert (again.returncode, errors(again)) == (0, [])
    assert again.stdout == f"1 of {COUNT} pictures written to far, {COUNT - 1} were there already\n"
    assert (folder / "far" / "2 x.json").read_bytes() == kept
    assert contents(folder / "far") == contents(folder / "local")


def test_a_cluster_without_a_gpu_is_not_waited_for(monkeypatch):
    from lapdepth.inference import cluster
    from lapdepth.inference.many import Job

    monkeypatch.setattr(cluster.ray, "cluster_resources", lambda: {"CPU": 8.0})
    with pytest.raises(InputError, match="no GPU for device 'cuda'"):
        next(cluster.predict_on_cluster(Job(device="cuda"), 2, ["a.png"], ["out/a"]))


def test_urls(folder):
    predict("in", "--output", "local", cwd=folder)  # first: it would find the cluster's results among the pictures
    url = f"file://{folder}/in"
    far = on_ray(url, "--output", f"file://{folder}/in/out", cwd=folder)
    assert (far.returncode, len(errors(far))) == (1, 1)
    assert f"{url}/bad.jpg is not a picture" in errors(far)[0]
    expected, found = contents(folder / "local"), contents(folder / "in" / "out")
    assert found.keys() == expected.keys()
    for name, content in found.items():
        if name.endswith(".json"):
            assert content.pop("image") == f"{url}/{expected[name].pop('image').removeprefix('in/').replace(' ', '%20')}"
        assert content == expected[name]
    again = on_ray(url, "--output", f"file://{folder}/in/out", cwd=folder)
    assert again.stdout.endswith(f"{COUNT} were there already\n")


def test_what_a_store_would_overwrite_is_refused(folder):
    cv2.imwrite(str(folder / "in" / "0 x_depth.png"), noise(64, 96, 0))
    url = f"file://{folder}/in"
    for inputs, output in (("in", url), (url, "in")):
        done = on_ray(inputs, "--output", output, cwd=folder)
        assert (done.returncode, len(errors(done))) == (1, 1)
        assert "0%20x_depth.png is one of the inputs and would be overwritten" in errors(done)[0]


def test_a_sidecar_in_a_store_never_tells_of_files_of_other_settings(folder, monkeypatch):
    from lapdepth.inference import cluster
    from lapdepth.inference.many import Job

    out = folder / "out"
    row = {"source": "in/0 x.png", "path": str(folder / "in" / "0 x.png"), "stem": f"file://{out}/a"}
    first = cluster._Worker(Job(fov_deg=60, formats=("png16", "color"), png_scale=100))
    assert first(row)["error"] is None
    write, meanwhile = cluster.store.write_url, []

    def noting(url, data):
        if url.endswith("_depth.png"):
            meanwhile.append(json.loads((out / "a.json").read_text()))
        write(url, data)

    monkeypatch.setattr(cluster.store, "write_url", noting)
    second = cluster._Worker(Job(fov_deg=60, formats=("png16", "npz"), png_scale=200, sky="far"))
    assert second(row)["error"] is None
    # A kill at this point leaves nothing that a run with either scale takes for done.
    assert [(notes["formats"], notes["other_formats"]) for notes in meanwhile] == [([], ["color", "png16"])]
    notes = json.loads((out / "a.json").read_text())
    assert (notes["formats"], notes["other_formats"]) == (["png16", "npz"], ["color"])
    assert notes["png_units_per_metre"] == 200
    assert sorted(path.name for path in out.iterdir()) == ["a.json", "a_color.png", "a_depth.npz", "a_depth.png"]
    assert all(path.stat().st_size for path in out.iterdir())
    assert second(row)["skipped"]
    assert not first(row)["skipped"]
