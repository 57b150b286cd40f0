"""Depthwise convolutions with gradients in float32: the same numbers, and float32 filters' gradients under bfloat16."""

import copy

import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

from torch import nn  # noqa: E402

from lapdepth.training.depthwise import use_float32_gradients  # noqa: E402


def layers(dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 1, bias=False),
        nn.Conv2d(6, 6, 5, stride=2, padding=2, groups=6, bias=False),
        nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=6, bias=False),
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
    ).to(dtype)


def test_only_plain_depthwise_convolutions_are_taken():
    assert use_float32_gradients(layers()) == 2


def test_output_and_gradients_are_those_of_the_convolution():
    plain = layers(torch.float64)
    quick = copy.deepcopy(plain)
    use_float32_gradients(quick)
    x = torch.randn(2, 3, 11, 8, dtype=torch.float64, requires_grad=True)
    results = []
    for network in (plain, quick):
        out = network(x)
        results.append((out, *torch.autograd.grad(out.square().sum(), [x, *network.parameters()])))
    for expected, got in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def test_under_autocast_activations_are_bfloat16_and_filter_gradients_keep_float32():
    network = layers()
    use_float32_gradients(network)
    x = torch.randn(2, 3, 12, 8)
    with torch.autocast("cpu", torch.bfloat16):
        out = network(x)
    out.float().square().sum().backward()
    exact = layers()
    exact(x).square().sum().backward()
    assert out.dtype == torch.bfloat16
    got, expected = network[1].weight.grad, exact[1].weight.grad
    assert got.dtype == torch.float32
    # Rounded to bfloat16 anywhere behind the sum, every entry would have 8 significant bits.
    assert not torch.equal(got, got.bfloat16().float())
    assert (got - expected).norm() < 0.02 * expected.norm()


def test_frozen_filters_get_no_gradient():
    network = layers()
    use_float32_gradients(network)
    network[1].weight.requires_grad_(False)
    network(torch.randn(1, 3, 8, 8)).sum().backward()
    assert network[1].weight.grad is None
    assert network[0].weight.grad is not None
