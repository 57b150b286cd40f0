"""A missing package of the torch extra is told before anything is imported."""

import importlib.util

import pytest

from lapdepth.cli.extras import needs_torch
from lapdepth.errors import MissingExtraError

NETWORK = {"torch", "timm", "safetensors"}


@pytest.mark.parametrize(
    ("command", "packages"),
    [
        ("inspect", NETWORK),
        ("convert", NETWORK),
        ("render", NETWORK),
        ("export", NETWORK | {"onnx", "onnxscript"}),
        ("train", NETWORK | {"tensorboard"}),
    ],
)
def test_each_package_that_a_command_imports_is_needed(monkeypatch, command, packages):
    for missing in ("torch", "timm", "safetensors", "onnx", "onnxscript", "tensorboard"):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, missing=missing: None if name == missing else object())
        if missing in packages:
            with pytest.raises(MissingExtraError, match=rf"lapdepth {command} needs the 'torch' extra"):
                needs_torch(command)
        else:
            needs_torch(command)


@pytest.mark.parametrize("options", [("--depth", "model"), ("--write-pictures", "pictures")])
def test_the_track_asks_for_pytorch_where_it_draws(run, cwd, monkeypatch, options):
    monkeypatch.setattr("lapdepth.cli.extras.importlib.util.find_spec", lambda name: None)
    done = run("track", "--scenarios", "T3", "--seeds", 1, *options)
    assert done.code == 1
    assert len(done.errors) == 1
    assert f"lapdepth track {options[0]}" in done.errors[0]
    assert "'torch' extra" in done.errors[0]
    assert not list(cwd.iterdir())
