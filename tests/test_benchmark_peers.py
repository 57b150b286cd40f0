"""The peers' benchmark: ratios are to our best exact engine of the same run, a stopped run goes on, bad options are refused."""

import importlib.util
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the peers need the torch extra")
pytest.importorskip("openvino", reason="the peers are timed with OpenVINO too")
pytest.importorskip("transformers", reason="the peers are built by transformers")


@pytest.fixture(scope="module")
def peers():
    path = Path(__file__).parents[1] / "scripts" / "benchmark_peers.py"
    spec = importlib.util.spec_from_file_location("benchmark_peers", path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def seconds(peers):
    ours = {"torch eager": 0.06, "onnx": 0.03, "openvino": 0.025, "openvino-bf16": 0.01}
    theirs = {"torch eager": 2.0, "onnx": 1.0, "openvino-bf16": 0.5}
    return {f"{name}|{key}": value for name, of in ((peers.OURS, ours), ("GLPN", theirs)) for key, value in of.items()}


def test_ratios_are_to_our_best_in_float32(peers):
    rows = {(row["model"], row["engine"]): row for row in peers._rows(seconds(peers), "GLPN", (480, 640), 2)}
    theirs = rows["GLPN", "onnx"]
    assert (theirs["height"], theirs["width"], theirs["batch"]) == (480, 640, 2)
    assert (theirs["ms"], theirs["pictures_per_s"], theirs["times_eager"], theirs["times_our_best"]) == (1000, 2, 2, 40)
    assert (rows[peers.OURS, "openvino"]["times_our_best"], rows[peers.OURS, "onnx"]["width"]) == (1, 640)


def test_the_plot_shows_the_best_float32_engine_of_each(peers, tmp_path):
    peers.draw(peers._rows(seconds(peers), "GLPN", (480, 640), 1), tmp_path / "peers.svg")
    words = [element.text for element in ET.parse(tmp_path / "peers.svg").iter() if element.tag.endswith("text")]
    assert words[2:] == [f"{peers.OURS}, 640x192", "1", "GLPN, 640x480", "40"]


def stand_in(peers, monkeypatch, fails=()):
    """Networks of one layer, engines that take a known time."""
    timed = []

    def build(name):
        if name in fails:
            raise RuntimeError("stopped")
        timed.append(name)
        return torch.nn.Conv2d(3, 1, 1)

    monkeypatch.setattr(peers, "ours", lambda large, tiny: torch.nn.Conv2d(3, 1, 1))
    monkeypatch.setattr(
        peers, "PEERS", {name: (lambda tiny, name=name: build(name), (32, 32), (64, 32)) for name in ("GLPN", "ZoeDepth")}
    )
    monkeypatch.setattr(peers, "on_cpu", lambda network, image, *_: {"torch eager": lambda: network(image)})
    monkeypatch.setattr(peers, "ours_on_cpu", lambda network, image, *_: {"torch eager": lambda: network(image)})
    return timed


def main(peers, monkeypatch, *args):
    monkeypatch.setattr(sys, "argv", ["benchmark_peers.py", "--repeats", "1", *map(str, args)])
    peers.main()


def test_a_run_that_was_stopped_goes_on(peers, monkeypatch, tmp_path, capsys):
    file = tmp_path / "peers.json"
    timed = stand_in(peers, monkeypatch, fails=("ZoeDepth",))
    with pytest.raises(RuntimeError, match="stopped"):
        main(peers, monkeypatch, "--json", file)
    assert timed == ["GLPN", "GLPN"]
    timed = stand_in(peers, monkeypatch)
    main(peers, monkeypatch, "--json", file, "--plot", tmp_path / "peers.svg")
    assert timed == ["ZoeDepth", "ZoeDepth"]
    found = [(row["model"], row["height"]) for row in json.loads(file.read_text()) if row["model"] != peers.OURS]
    assert found == [("GLPN", 32), ("GLPN", 64), ("ZoeDepth", 32), ("ZoeDepth", 64)]
    assert (tmp_path / "peers.svg").is_file()
    assert "GLPN at 32x32, batch 1" in capsys.readouterr().out


def test_options_that_cannot_work_are_refused_first(peers, monkeypatch, capsys):
    monkeypatch.setattr(peers, "measure", lambda *_: pytest.fail("timed before the options were checked"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for args, words in (
        (("--device", "cuda"), "PyTorch finds no CUDA device; rehearse with"),
        (("--busy", "--compiled"), "--busy is for the engines on the CPU"),
        (("--plot", "nowhere/peers.svg"), "the folder nowhere does not exist"),
    ):
        with pytest.raises(SystemExit) as caught:
            main(peers, monkeypatch, *args)
        assert caught.value.code == 2
        assert words in capsys.readouterr().err


@pytest.mark.slow
def test_small_copies_of_all_networks_give_one_map(peers):
    with torch.inference_mode():
        for name, (build, _, _) in peers.PEERS.items():
            size = (42, 56) if "Anything" in name else (64, 64)
            out = peers.Depth(build(True)).eval()(torch.rand(1, 3, *size))
            assert out.squeeze().ndim == 2, name
