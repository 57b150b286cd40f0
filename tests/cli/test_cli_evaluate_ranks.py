"""An evaluation that two processes share covers each picture once, and is that of one process."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from data.pictures import write_pictures
from lapdepth.cli.processes import processes

pytest.importorskip("torch", reason="several processes need the torch extra")

MAIN = "from lapdepth.cli.main import main; main()"


def evaluate(folder, name, *launcher):
    files = [folder / f"{name}.json", folder / f"{name}.html"]
    (folder / "main.py").write_text(MAIN)
    command = [sys.executable, *launcher, str(folder / "main.py"), "evaluate", "--manifest", str(folder / "manifest.csv")]
    command += ["--protocol", "plain", "--json", str(files[0]), "--html", str(files[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(files[0].read_text()), files[1].read_text(), done.stdout


@pytest.mark.slow
def test_two_processes_score_each_picture_once(tmp_path):
    write_pictures(tmp_path, 5)
    alone, page, out = evaluate(tmp_path, "alone")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    shared, same_page, same_out = evaluate(tmp_path, "shared", *launcher)
    assert [one["name"] for one in shared["per_image"]] == [str(i) for i in range(5)]
    assert shared["metrics"] == pytest.approx(alone["metrics"], rel=1e-5)
    np.testing.assert_allclose(shared["confidence"]["bins"], alone["confidence"]["bins"], rtol=1e-5)
    assert len(same_out.splitlines()) == len(out.splitlines())  # one of them prints
    assert same_page.count("data:image/jpeg") == page.count("data:image/jpeg")


def test_alone_nothing_is_asked_of_pytorch(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setattr("lapdepth.cli.processes.needs_torch", lambda command: pytest.fail("asked"))
    with processes("evaluate") as own:
        assert (own.rank, own.count, own.gather("x")) == (0, 1, ["x"])
