"""What every network keeps to, whatever its encoder, norm, activation, levels and range."""

import math

import pytest

torch = pytest.importorskip("torch", reason="the network needs the torch extra")

import torch.nn.functional as F  # noqa: E402
from torch.nn.modules.batchnorm import _BatchNorm  # noqa: E402

from lapdepth.errors import InputError  # noqa: E402
from lapdepth.model.checkpoint import load_model, save_model  # noqa: E402
from model.designs import DESIGNS, SLOW, build, picture  # noqa: E402

pytestmark = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in DESIGNS]
)


def sizes_of(network):
    stride = network.config.stride
    return 2 * stride, 3 * stride


def test_shapes_and_bounds(name):
    network = build(name).eval()
    height, width = sizes_of(network)
    levels, maximum = network.config.levels, network.config.max_depth_m
    with torch.inference_mode():
        out = network(picture(2, height, width))

    assert out.depth_m.shape == (2, 1, height, width)
    expected = [(2, 1, height >> k, width >> k) for k in range(levels - 1, -1, -1)]
    assert [tuple(residual.shape) for residual in out.residuals_m] == expected
    coarsest, *others = out.residuals_m
    assert (coarsest > 0).all()
    assert (coarsest < maximum).all()
    for residual in others:
        assert (residual.abs() < maximum).all()
        assert residual.std() > 0
    assert (out.log_scale is not None) == network.config.uncertainty
    if out.log_scale is not None:
        assert out.log_scale.shape == out.depth_m.shape
        # Between 3 * tanh(-inf) - 2 and 3 * tanh(inf) - 2.
        assert (out.log_scale >= -5).all()
        assert (out.log_scale <= 1).all()


def test_depth_is_the_restored_sum_of_the_residuals(name):
    network = build(name).eval()
    config = network.config
    with torch.inference_mode():
        out = network(picture(1, *sizes_of(network)))
    total = torch.zeros(())
    for residual in out.residuals_m:
        share = residual / config.max_depth_m
        total = share + (F.interpolate(total, scale_factor=2, mode="bilinear") if total.ndim else total)
    share = 1 / (1 + torch.exp(-total))
    least = config.min_depth_m
    expected = share * config.max_depth_m if least is None else least ** (1 - share) * config.max_depth_m**share
    torch.testing.assert_close(out.depth_m, expected, rtol=1e-5, atol=0)
    # One sigmoid and levels - 1 tanh add up to between 1 - levels and levels.
    low, high = 1 / (1 + math.exp(config.levels - 1)), 1 / (1 + math.exp(-config.levels))
    if least is None:
        assert low * config.max_depth_m <= out.depth_m.min() < out.depth_m.max() <= high * config.max_depth_m
    else:
        assert least < out.depth_m.min() < out.depth_m.max() < config.max_depth_m


def test_every_trainable_parameter_gets_a_finite_gradient(name):
    network = build(name).train()
    network.encoder.freeze("none")
    out = network(picture(2, *sizes_of(network)))
    loss = torch.log(out.depth_m).square().mean()
    if out.log_scale is not None:
        loss = loss + out.log_scale.square().mean()
    loss.backward()
    missing = [key for key, p in network.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert missing == []
    still = [key for key, p in network.named_parameters() if not p.grad.any()]
    assert still == []


def test_frozen_parts_stay_still_in_training(name):
    network = build(name)
    network.encoder.freeze("published")
    assert network.train() is network
    norms = [module for module in network.encoder.modules() if isinstance(module, _BatchNorm)]
    before = [norm.running_mean.clone() for norm in norms]
    network(picture(2, *sizes_of(network))).depth_m.mean().backward()

    assert norms
    assert not any(norm.training for norm in norms)
    assert all(torch.equal(norm.running_mean, mean) for norm, mean in zip(norms, before, strict=True))
    assert all(p.grad is None for norm in norms for p in norm.parameters())
    assert network.decoder.training
    assert all(p.grad is not None for p in network.decoder.parameters())
    assert network.eval() is network
    assert not network.training


def test_norms_that_are_not_frozen_learn_their_statistics(name):
    network = build(name).train()
    norm = next(module for module in network.encoder.modules() if isinstance(module, _BatchNorm))
    before = norm.running_mean.clone()
    network(picture(2, *sizes_of(network)))
    assert not torch.equal(norm.running_mean, before)


def test_saved_and_loaded_it_gives_the_same(name, tmp_path):
    network = build(name).eval()
    save_model(network, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.config == network.config
    assert not loaded.training
    image = picture(1, *sizes_of(network))
    with torch.inference_mode():
        expected, got = network(image), loaded(image)
    assert torch.equal(got.depth_m, expected.depth_m)
    assert all(torch.equal(a, b) for a, b in zip(got.residuals_m, expected.residuals_m, strict=True))


def test_saved_in_half_precision_only_convolutions_are_rounded(name, tmp_path):
    network = build(name)
    save_model(network, tmp_path / "half", half=True)
    save_model(network, tmp_path / "full")
    loaded = load_model(tmp_path / "half").state_dict()
    for key, tensor in network.state_dict().items():
        expected = tensor.to(torch.float16).to(torch.float32) if tensor.ndim == 4 else tensor
        assert torch.equal(loaded[key], expected), key
        assert loaded[key].dtype == tensor.dtype
    half, full = ((tmp_path / kind / "model.safetensors").stat().st_size for kind in ("half", "full"))
    assert half < 0.6 * full


def test_a_size_that_does_not_divide_is_refused(name):
    network = build(name).eval()
    stride = network.config.stride
    padded = f"{2 * stride}x{3 * stride}"
    with pytest.raises(InputError, match=rf"{stride + 1}x{3 * stride};.*by {stride}\..*{padded} "):
        network(picture(1, stride + 1, 3 * stride))
    with pytest.raises(InputError, match=padded):
        network(picture(1, 2 * stride, 3 * stride - 1))
    with pytest.raises(InputError, match=r"\(B, 3, H, W\)"):
        network(picture(1, 2 * stride, 3 * stride)[0])


def test_pictures_of_a_batch_do_not_touch_each_other(name):
    network = build(name).eval()
    images = picture(3, *sizes_of(network))
    with torch.inference_mode():
        together = network(images).depth_m
        for i in range(3):
            torch.testing.assert_close(network(images[i : i + 1]).depth_m[0], together[i], rtol=1e-3, atol=0)
    assert not torch.allclose(together[0], together[1], rtol=1e-2)
