"""The listing of stages: the tutorial's order, and a network that stays as it was."""

import pytest

torch = pytest.importorskip("torch", reason="the network needs the torch extra")

from lapdepth.errors import InputError  # noqa: E402
from lapdepth.model.stages import describe  # noqa: E402
from model.designs import build, picture  # noqa: E402


def test_stages_come_in_the_tutorials_order():
    names = [stage.name for stage in describe(build("small"), 64, 96)]
    marks = [
        "encoder",
        "Laplacian pyramid",
        "dense ASPP",
        "level 5",
        "level 4",
        "level 3",
        "level 2",
        "level 1",
        "residuals added",
    ]
    places = [next(i for i, name in enumerate(names) if name.startswith(mark)) for mark in marks]
    assert places == sorted(places)
    assert places[:3] == [0, 1, 2]
    assert names[-1] == "whole network"


def test_shapes_and_parameters():
    network = build("small")
    stages = describe(network, 64, 96)
    assert stages[0].shapes == [(16, 32, 48), (24, 16, 24), (32, 8, 12), (96, 4, 6)]
    assert stages[1].shapes == [(3, 64, 96), (3, 32, 48), (3, 16, 24), (3, 8, 12)]
    assert stages[-2].shapes == [(1, 64, 96)]
    assert stages[-1].parameters == sum(parameter.numel() for parameter in network.parameters())
    assert stages[-1].multiply_adds >= sum(stage.multiply_adds for stage in stages[:-1]) > 0


def test_the_network_stays_as_it_was():
    network = build("small").train()
    network.encoder.freeze("published")
    modes = [module.training for module in network.modules()]
    describe(network, 64, 96)
    assert [module.training for module in network.modules()] == modes
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.isfinite(network.eval()(picture(1, 64, 96)).depth_m).all()


@pytest.mark.parametrize(("height", "width"), [(0, 96), (64, 8208), (64, 100)])
def test_sizes_that_are_refused(height, width):
    with pytest.raises(InputError):
        describe(build("small"), height, width)
