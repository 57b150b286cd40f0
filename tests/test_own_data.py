"""The commands of docs/own-data.md, as written there; only the training is cut short."""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the torch extra")

ROOT = Path(__file__).parent.parent


def commands(name):
    text = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
    block = re.search(rf"<!-- ci: {name} -->\n```bash\n(.*?)```", text, re.S)
    assert block, f"docs/own-data.md has no block marked {name}"
    return block[1].splitlines()


@pytest.mark.slow
def test_three_commands(tmp_path):
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def run(command):
        done = subprocess.run(shlex.split(command), cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(f"{sys.executable} {ROOT / 'scripts' / 'make_dataset.py'} --output my_data --rooms 5")
    with (tmp_path / "my_data" / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["scene"] for row in rows if row["split"] == "test"}.isdisjoint(
        row["scene"] for row in rows if row["split"] == "train"
    )

    for command in commands("finetune"):
        run(f"{command} --set steps=4 --set workers=0")
    evaluate, export = commands("evaluate")
    printed = run(f"{evaluate} --json scores.json")

    scores = json.loads((tmp_path / "scores.json").read_text())
    # As the page says, the factor that evaluate prints makes the confidence as honest as it prints.
    line = r"expected calibration error (\S+) \((\S+) with error_scale times (\S+)\)"
    before, best, factor = map(float, re.search(line, printed).groups())
    made = tmp_path / "runs" / "finetune" / "model" / "config.json"
    config = json.loads(made.read_text())
    made.write_text(json.dumps(config | {"error_scale": config["error_scale"] * factor}))
    after = float(re.search(line, run(evaluate))[1])
    assert abs(after - best) <= 0.01 < before - best
    run(export)
    assert scores["model"] == "finetune"
    assert scores["images"] == sum(row["split"] == "test" for row in rows)
    run(f"lapdepth predict {ROOT / 'examples' / 'room.jpg'} --model my_model.onnx --output depth")
    assert (tmp_path / "depth" / "room_depth.png").stat().st_size > 0
