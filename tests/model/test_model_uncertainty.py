"""The uncertainty: each level's head adds a part of it, as of the depth, and the depth knows nothing of it."""

import pytest

torch = pytest.importorskip("torch", reason="the network needs the torch extra")

import torch.nn.functional as F  # noqa: E402

from lapdepth.model.fold import fold  # noqa: E402
from lapdepth.model.network import build_network  # noqa: E402
from model.designs import build, calibrate, config_of, picture  # noqa: E402

NAMES = ["shallow", "default"]
"""Five levels with group norm, six with batch norm."""


def heads_of(network):
    """Heads, coarsest first."""
    return [network.decoder.head, *(level.head for level in network.decoder.levels)]


def run(network, image):
    """The decoder's residuals and uncertainty, and what each head gave, all coarsest first."""
    said = []
    hooks = [head.register_forward_hook(lambda _module, _inputs, out: said.append(out)) for head in heads_of(network)]
    given = []
    hooks.append(network.decoder.register_forward_hook(lambda _module, _inputs, out: given.append(out)))
    with torch.inference_mode():
        out = network(image)
    for hook in hooks:
        hook.remove()
    ((residuals, uncertainty),) = given
    return out, residuals, uncertainty, said


def image_for(network):
    return picture(2, 2 * network.config.stride, 3 * network.config.stride)


def doubled(x, times):
    for _ in range(times):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    return x


@pytest.mark.parametrize("name", NAMES)
def test_every_head_tells_of_depth_and_uncertainty_at_its_own_size(name):
    network = build(name).eval()
    image = image_for(network)
    out, residuals, uncertainty, said = run(network, image)
    height, width = image.shape[2:]
    levels = network.config.levels
    assert [tuple(one.shape) for one in said] == [(2, 2, height >> k, width >> k) for k in range(levels - 1, -1, -1)]
    assert [tuple(one.shape) for one in residuals] == [(2, 1, height >> k, width >> k) for k in range(levels - 1, -1, -1)]
    assert uncertainty.shape == out.log_scale.shape == (2, 1, height, width)


@pytest.mark.parametrize("name", NAMES)
def test_the_uncertainty_is_the_sum_of_what_the_heads_say(name):
    network = build(name).eval()
    out, _, uncertainty, said = run(network, image_for(network))
    expected = sum(doubled(one[:, 1:], len(said) - 1 - i) for i, one in enumerate(said))
    torch.testing.assert_close(uncertainty, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(out.log_scale, 3 * torch.tanh(expected / 3) - 2, rtol=1e-5, atol=1e-5)
    # Each of them says something of its own.
    assert all(one[:, 1:].std() > 1e-3 for one in said)


@pytest.mark.parametrize("name", NAMES)
def test_what_one_head_adds_is_added_at_every_pixel_and_moves_no_depth(name):
    network = build(name).eval()
    image = image_for(network)
    before, residuals, uncertainty, _ = run(network, image)
    for head in heads_of(network):
        more = torch.tensor([0.0, 0.5]).view(1, 2, 1, 1)
        hook = head.register_forward_hook(lambda _module, _inputs, out, more=more: out + more)
        after, moved, raised, _ = run(network, image)
        hook.remove()
        torch.testing.assert_close(raised, uncertainty + 0.5, rtol=1e-5, atol=1e-5)
        assert all(torch.equal(a, b) for a, b in zip(moved, residuals, strict=True))
        assert torch.equal(after.depth_m, before.depth_m)


@pytest.mark.parametrize("name", NAMES)
def test_the_uncertainty_teaches_every_head_and_every_parameter_stays_finite(name):
    network = build(name).train()
    network.encoder.freeze("none")
    network(image_for(network)).log_scale.square().mean().backward()
    for name_of, parameter in network.named_parameters():
        assert parameter.grad is not None, name_of
        assert torch.isfinite(parameter.grad).all(), name_of
    for head in heads_of(network):
        depth, scale = head[-1].conv.weight.grad
        assert scale.any()
        # The depth's own filter of the finest head is behind the uncertainty; the coarser ones lead on to the next level.
        assert depth.any() == (head is not heads_of(network)[-1])


def without_uncertainty(network):
    """The network with the same weights but for the filters that tell the uncertainty."""
    config = network.config.model_copy(update={"uncertainty": False})
    plain = build_network(config)
    own = plain.state_dict()
    given = network.state_dict()
    assert own.keys() == given.keys()
    differ = {key for key in own if own[key].shape != given[key].shape}
    filters = {name for name, module in plain.named_modules() if any(module is head[-1].conv for head in heads_of(plain))}
    assert {key.rpartition(".")[0] for key in differ} == filters
    plain.load_state_dict({key: tensor[:1] if key in differ else tensor for key, tensor in given.items()})
    return plain


@pytest.mark.parametrize("name", NAMES)
def test_a_network_without_uncertainty_gives_the_same_depth_from_the_other_filters(name):
    network = build(name).eval()
    plain = without_uncertainty(network).eval()
    image = image_for(network)
    expected, residuals, _, _ = run(network, image)
    got, same, nothing, said = run(plain, image)
    assert got.log_scale is None
    assert nothing.shape[:2] == (2, 0)
    assert all(one.shape[1] == 1 for one in said)
    torch.testing.assert_close(got.depth_m, expected.depth_m, rtol=1e-4, atol=0)
    for a, b in zip(same, residuals, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_the_published_heads_have_one_output_unless_asked_for_two():
    for uncertainty, outputs in ((False, 1), (True, 2)):
        network = build_network(config_of("resnet18-bn", uncertainty=uncertainty))
        assert [head[-1].conv.weight.shape[0] for head in heads_of(network)] == [outputs] * 5
        assert network.config.decoder is None


@pytest.mark.parametrize("name", ["shallow", "mobilenetv2"])
def test_folded_it_is_as_unsure_as_before(name):
    torch.manual_seed(0)
    network = build_network(config_of(name, uncertainty=True))
    calibrate(network)
    network.eval()
    image = image_for(network)
    with torch.inference_mode():
        expected, got = network(image), fold(network)(image)
    torch.testing.assert_close(got.log_scale, expected.log_scale, rtol=1e-4, atol=1e-4)
