"""The program itself: usage, interruption, lost readers."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import lapdepth
from inference.fake_engine import FakeEngine
from lapdepth.errors import LapDepthError

TESTS = str(Path(__file__).parents[1])


def python(code, *args, **options):
    command = [sys.executable, "-W", "error", "-c", code, *map(str, args)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_version(run):
    done = run("--version")
    assert (done.code, done.out, done.err) == (0, f"lapdepth {lapdepth.__version__}\n", "")


def test_the_package_is_the_program():
    done = subprocess.run([sys.executable, "-m", "lapdepth", "--version"], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == (f"lapdepth {lapdepth.__version__}\n", "")


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["nosuch"], "No such command 'nosuch'"),
        (["predict", "a.png"], "Missing option '--output'"),
        (["predict", "--output", "o"], "Missing argument"),
        (["predict", "a.png", "--output", "o", "--engine", "magic"], "--engine"),
        (["predict", "a.png", "--output", "o", "--focal-px", "far"], "--focal-px"),
        (["predict", "a.png", "--output", "o", "--focal", "100"], "No such option"),
    ],
)
def test_usage_errors(run, cwd, args, reason):
    done = run(*args)
    assert (done.code, done.out) == (2, "")
    assert reason in done.err
    assert "Usage: lapdepth" in done.err
    assert list(cwd.iterdir()) == []


def test_what_the_package_raises_becomes_one_line(run, monkeypatch):
    def fail(_model):
        raise LapDepthError("got this, expected that; do so")

    monkeypatch.setattr("lapdepth.inference.engine.read_model_config", fail)
    done = run("info")
    assert (done.code, done.out, done.err) == (1, "", "lapdepth: error: got this, expected that; do so\n")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] data. DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    ],
)
def test_out_of_memory_becomes_one_line(run, monkeypatch, error):
    def fail(_model):
        raise error

    monkeypatch.setattr("lapdepth.inference.engine.read_model_config", fail)
    done = run("info")
    assert (done.code, done.out) == (1, "")
    assert done.errors == ["lapdepth: error: out of memory; use smaller pictures, or a smaller model"]


def test_info(run):
    done = run("info", "default")
    assert (done.code, done.err) == (0, "")
    told = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.out.splitlines() if len(line.split()) > 1}
    from lapdepth.inference.engine import read_model_config

    config, _ = read_model_config("default")
    assert told["name"] == config.name
    assert told["encoder"] == config.encoder
    assert told["max_depth_m"] == str(config.max_depth_m)
    assert told["licence"] == config.licence
    assert "model.safetensors" in done.out


def test_info_of_an_onnx_file_that_is_none(run, tmp_path):
    (tmp_path / "m.onnx").write_text("no model")
    done = run("info", tmp_path / "m.onnx")
    assert (done.code, done.out, len(done.errors)) == (1, "", 1)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["train", "no.toml"], "cannot read no.toml: No such file"),
        (["inspect", "default", "--size", "352"], "--size is '352'; expected height and width"),
        (["convert", "no.pkl", "--max-depth-m", "80", "--output", "m"], "no.pkl"),
        (["render", "no.toml", "--output", "d"], "cannot read no.toml: No such file"),
        (["render", "road:1", "--output", "d", "--frames", "0"], "frames is 0; expected at least 1"),
        (["render", "room:9999999999", "--output", "d"], "seed of room:9999999999 is too large"),
        (["export", "no-such-model", "--output", "m.onnx"], "no-such-model"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_torch_commands_fail_in_one_line(run, cwd, args, reason):
    pytest.importorskip("torch")
    pytest.importorskip("timm")
    done = run(*args)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert reason in done.errors[0]
    assert list(cwd.iterdir()) == []


# --- interruption


def test_interrupted_engine(run, use_engine, pictures, out):
    def interrupt(_image):
        raise KeyboardInterrupt

    use_engine(FakeEngine(interrupt))
    done = run("predict", pictures, "--output", out, "--focal-px", 100)
    assert done.code in (1, 130)  # 1, and a line of its own, from early releases of Typer
    assert "Traceback" not in done.err
    assert done.code == 1 or sum("interrupted" in line for line in done.err.splitlines()) == 1
    assert list(out.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_interrupted_while_a_file_is_being_written(pictures, out):
    code = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
from inference.fake_engine import FakeEngine
import lapdepth.inference.predictor
lapdepth.inference.predictor.open_engine = lambda *_: FakeEngine()

replace = os.replace

def block(*paths):
    print(*os.listdir(sys.argv[-1]), flush=True)
    sys.stdin.read()  # until the test closes it
    replace(*paths)

os.replace = block
from lapdepth.cli.main import main
main()
"""
    args = ("predict", pictures / "a.png", "--focal-px", 100, "--output", out)
    with python(code, *args, env=os.environ | {"PYTHONPATH": TESTS}) as process:
        assert process.stdout.readline().startswith(".lapdepth-")  # written, but not yet under its name
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode in (1, 130)
    assert "Traceback" not in err
    # What was being written is finished, whole and with its metadata; nothing half-written stays.
    assert sorted(path.name for path in out.iterdir()) == ["a.json", "a_color.png", "a_depth.png"]


def test_reader_that_went_away():
    reader, writer = os.pipe()
    os.close(reader)
    code = "from lapdepth.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "info"], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.returncode != 0
    assert done.stderr == ""
