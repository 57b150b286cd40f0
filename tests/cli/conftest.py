"""The command line inside this process, and a model whose depths are known."""

import logging
import sys
from dataclasses import dataclass

import cv2
import pytest

from inference.fake_engine import FakeEngine, noise
from lapdepth.cli.main import main


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def errors(self):
        assert "Traceback" not in self.err
        return [line for line in self.err.splitlines() if line.startswith("lapdepth: error: ")]


@pytest.fixture
def cwd(tmp_path, monkeypatch):
    """An empty current folder, apart from where the pictures are."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def pictures(tmp_path):
    """Pictures of 96x128: a.png, b.jpg and deep/c.png."""
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    for i, name in enumerate(("a.png", "b.jpg", "deep/c.png")):
        cv2.imwrite(str(folder / name), noise(96, 128, seed=i))
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def use_engine(monkeypatch):
    """Replaces what opens a model."""

    def use(engine):
        monkeypatch.setattr("lapdepth.inference.predictor.open_engine", lambda *_: engine)
        return engine

    return use


@pytest.fixture
def engine(use_engine):
    """2 m everywhere for a camera of 100 px: pictures of 96x128 are seen at half size, with 50 px."""
    return use_engine(FakeEngine(2.0, log_scale=0.0))


@pytest.fixture
def run(cwd, monkeypatch, capsys):
    """`lapdepth ARGS...`, as the installed command runs it."""

    def command(*args):
        monkeypatch.setattr(sys, "argv", ["lapdepth", *map(str, args)])
        monkeypatch.setattr(logging.root, "handlers", logging.root.handlers[:])  # main() may add one
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        text = capsys.readouterr()
        code, err = caught.value.code, text.err
        if isinstance(code, str):  # the interpreter prints it
            code, err = 1, f"{err}{code}\n"
        return Done(code or 0, text.out, err)

    return command
