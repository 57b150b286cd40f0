"""The decoder's parts against formulas written out in NumPy, and the published widths and counts."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network needs the torch extra")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

from lapdepth.config import ModelConfig  # noqa: E402
from lapdepth.errors import ConfigError  # noqa: E402
from lapdepth.model.blocks import BlockFactory, DenseASPP, WSConv2d  # noqa: E402
from lapdepth.model.decoder import Level, published_decoder  # noqa: E402
from lapdepth.model.fold import fold  # noqa: E402
from lapdepth.model.network import build_network  # noqa: E402
from lapdepth.model.pyramid import laplacian_pyramid, up2  # noqa: E402
from model.designs import build, picture  # noqa: E402


def standardised(weight):
    """Zero mean, unit unbiased deviation a filter; 1e-5 is added to the deviation."""
    filters = weight.astype(np.float64).reshape(len(weight), -1)
    centred = filters - filters.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).sum(axis=1, keepdims=True) / (filters.shape[1] - 1))
    return (centred / (deviation + 1e-5)).reshape(weight.shape)


def convolved(x, weight, dilation):
    """'Same' convolution by its definition: (C, H, W) and (O, C, k, k) to (O, H, W)."""
    reach = dilation * (weight.shape[2] // 2)
    height, width = x.shape[1:]
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach)))
    out = np.zeros((len(weight), height, width))
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            shifted = padded[:, i * dilation : i * dilation + height, j * dilation : j * dilation + width]
            out += np.einsum("oc,chw->ohw", weight[:, :, i, j], shifted)
    return out


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (3, 2), (3, 6)])
def test_standardised_convolution(kernel, dilation):
    torch.manual_seed(0)
    conv = WSConv2d(3, 5, kernel, dilation=dilation)
    # A filter whose deviation is near 1e-5 shows where the constant is added.
    with torch.no_grad():
        conv.weight[0] *= 1e-4
    x = picture(1, 7, 9)
    expected = convolved(x[0].double().numpy(), standardised(conv.weight.detach().numpy()), dilation)
    np.testing.assert_allclose(conv(x)[0].detach(), expected, rtol=1e-4, atol=1e-4)
    assert conv.bias is None


def test_gain_scales_each_filter_and_starts_by_keeping_the_variance():
    torch.manual_seed(0)
    conv = WSConv2d(4, 6, 3, gain=True)
    weight = conv.standardised_weight().detach()
    # 36 values of unit unbiased variance have a sum of squares of 35.
    np.testing.assert_allclose(weight.square().sum(dim=(1, 2, 3)), np.full(6, 35 / 36), rtol=1e-3)
    with torch.no_grad():
        conv.gain[2] = 3.0
    changed = conv.standardised_weight().detach()
    np.testing.assert_allclose(changed[2], 3.0 * standardised(conv.weight.detach().numpy())[2], rtol=1e-5)
    assert torch.equal(changed[3], weight[3])


@pytest.mark.parametrize(
    ("channels", "groups"),
    [
        (1024, 64),
        (512, 32),
        (264, 12),
        (120, 6),
        (48, 3),
        (32, 2),
        (20, 1),
        (17, 1),
        (16, 1),
        (8, 1),
        (34, 2),
        (51, 3),
        (250, 10),
    ],
)
def test_group_norm_takes_sixteen_channels_a_group_or_the_most_groups_that_divide(channels, groups):
    norm = BlockFactory("gn", "relu", gain=False).make_norm(channels)
    assert isinstance(norm, nn.GroupNorm)
    assert (norm.num_groups, norm.num_channels) == (groups, channels)


def test_batch_norm_is_the_published_one():
    norm = BlockFactory("bn", "relu", gain=False).make_norm(24)
    assert (norm.eps, norm.momentum, norm.num_features) == (1e-3, 0.1, 24)


def test_pre_activation_is_norm_then_activation_then_convolution():
    torch.manual_seed(0)
    block = BlockFactory("bn", "relu", gain=False).pre_conv(3, 2, 3).eval()
    with torch.no_grad():
        block.norm.running_mean.copy_(torch.tensor([0.1, 0.5, 0.9]))
        block.norm.running_var.copy_(torch.tensor([0.2, 1.0, 3.0]))
        block.norm.bias.copy_(torch.tensor([0.0, 0.1, -0.1]))
    x = picture(1, 5, 6)[0].double().numpy()
    mean, var, bias = (np.array(v)[:, None, None] for v in ([0.1, 0.5, 0.9], [0.2, 1.0, 3.0], [0.0, 0.1, -0.1]))
    activated = np.maximum((x - mean) / np.sqrt(var + 1e-3) + bias, 0)
    expected = convolved(activated, standardised(block.conv.weight.detach().numpy()), 1)
    np.testing.assert_allclose(block(picture(1, 5, 6))[0].detach(), expected, rtol=1e-4, atol=1e-5)


def test_pre_up_doubles_between_activation_and_convolution():
    torch.manual_seed(0)
    block = BlockFactory("gn", "elu", gain=False).pre_up(16, 2).eval()
    x = picture(1, 4, 12)[:, :1].repeat(1, 16, 1, 1) * torch.linspace(-1, 1, 16).view(1, 16, 1, 1)
    activated = F.elu(F.group_norm(x, 1))
    doubled = F.interpolate(activated, scale_factor=2, mode="bilinear")
    expected = convolved(doubled[0].double().numpy(), standardised(block.conv.weight.detach().numpy()), 1)
    np.testing.assert_allclose(block(x)[0].detach(), expected, rtol=1e-4, atol=1e-4)


def test_pre_up_may_convolve_before_it_doubles():
    torch.manual_seed(0)
    block = BlockFactory("gn", "elu", gain=False, convolve_first=True).pre_up(16, 2).eval()
    x = picture(1, 4, 12)[:, :1].repeat(1, 16, 1, 1) * torch.linspace(-1, 1, 16).view(1, 16, 1, 1)
    activated = F.elu(F.group_norm(x, 1))[0].double().numpy()
    small = convolved(activated, standardised(block.conv.weight.detach().numpy()), 1)
    expected = F.interpolate(torch.from_numpy(small)[None], scale_factor=2, mode="bilinear")[0]
    np.testing.assert_allclose(block(x)[0].detach(), expected, rtol=1e-4, atol=1e-4)


def test_doubling_is_bilinear_between_pixel_centres():
    # By hand: weights 3/4 and 1/4, edges repeated.
    row = torch.tensor([0.0, 4.0, 8.0]).view(1, 1, 1, 3)
    assert up2(row)[0, 0, 0].tolist() == [0.0, 1.0, 3.0, 5.0, 7.0, 8.0]
    assert up2(row)[0, 0, 1].tolist() == [0.0, 1.0, 3.0, 5.0, 7.0, 8.0]


@pytest.mark.parametrize("levels", [1, 4, 5])
def test_laplacians_and_the_coarsest_copy_add_up_to_the_picture(levels):
    image = picture(2, 64, 96)
    laplacians = laplacian_pyramid(image, levels)
    # Another way to the same halves: what the specification says, bilinear to half the size.
    coarser = [image]
    for _ in range(levels):
        coarser.append(F.interpolate(coarser[-1], scale_factor=0.5, mode="bilinear"))
    for level, laplacian in enumerate(laplacians):
        back = F.interpolate(coarser[level + 1], size=coarser[level].shape[2:], mode="bilinear")
        torch.testing.assert_close(laplacian, coarser[level] - back, rtol=0, atol=1e-6)

    total = coarser[-1]
    for laplacian in reversed(laplacians):
        total = laplacian + F.interpolate(total, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(total, image, rtol=0, atol=1e-6)
    assert len(laplacians) == levels


def test_laplacian_of_a_flat_picture_is_nothing():
    assert all(not laplacian.any() for laplacian in laplacian_pyramid(torch.full((1, 3, 32, 32), 0.25), 4))


def test_dense_aspp_widths_are_the_published_ones():
    with torch.device("meta"):
        aspp = DenseASPP(BlockFactory("bn", "relu", gain=False), 1024, 256, 512, (3, 6, 12, 18))
    shapes = [(tuple(one.conv.weight.shape[:2]), tuple(three.conv.weight.shape[:2])) for one, three in aspp.branches]
    inputs = (512, 768, 1024, 1280)
    assert shapes == [((256, n), (256, 256)) for n in inputs]
    assert [branch[1].conv.dilation for branch in aspp.branches] == [(3, 3), (6, 6), (12, 12), (18, 18)]
    assert tuple(aspp.reduce.weight.shape) == (512, 1024, 1, 1)
    assert tuple(aspp.fuse.conv.weight.shape) == (512, 1536, 3, 3)
    assert isinstance(aspp.reduce, WSConv2d)


def test_level_adds_a_tenth_of_the_mean_laplacian_to_its_first_channel_only():
    torch.manual_seed(0)
    level = Level(BlockFactory("bn", "relu", gain=True), 8, 0, 8, (4,), 2).eval()
    x, residual, laplacian = torch.rand(1, 8, 4, 4), torch.rand(1, 1, 8, 8), torch.randn(1, 3, 8, 8)
    features, out = level(x, None, residual, laplacian)
    head = level.head(features)
    torch.testing.assert_close(out[:, :1], head[:, :1] + 0.1 * (laplacian[:, :1] + laplacian[:, 1:2] + laplacian[:, 2:]) / 3)
    assert torch.equal(out[:, 1:], head[:, 1:])


@pytest.mark.parametrize(
    ("channels", "widths", "heads", "aspp"),
    [
        (
            (64, 256, 512, 1024),
            (512, 256, 128, 64, 64),
            ((256, 128, 64, 32), (128, 64), (64,), (), (32,)),
            256,
        ),
        ((16, 24, 32, 96), (48, 24, 12, 6, 6), ((24, 12, 6, 3), (12, 6), (6,), (), (3,)), 24),
        (
            (64, 256, 512, 1024, 2048),
            (1024, 512, 256, 128, 64, 64),
            ((512, 256, 128, 64, 32), (256, 128, 64), (128, 64), (64,), (), (32,)),
            512,
        ),
    ],
)
def test_published_widths(channels, widths, heads, aspp):
    config = published_decoder(channels)
    assert (config.widths, config.heads, config.aspp_width) == (widths, heads, aspp)
    assert config.dilations == (3, 6, 12, 18)


def test_an_encoder_too_narrow_for_the_published_widths_is_refused_with_the_way_out():
    assert published_decoder((8, 8, 8, 80)).widths[-1] == 5
    for channels in ((16, 8, 16, 24), (8, 8, 8, 79)):
        with pytest.raises(ConfigError, match=rf"{channels[-1]} channels; the published widths need 80 or more.*model\.decoder"):
            published_decoder(channels)
    with pytest.raises(ConfigError, match="160 or more"):
        published_decoder((8, 8, 8, 8, 159))


def on_meta(encoder, **changes):
    config = ModelConfig.model_validate(
        {"name": encoder, "encoder": encoder, "max_depth_m": 80, "working_size": (352, 1216)} | changes
    )
    with torch.device("meta"):
        return build_network(config)


def count(module, trainable_only=False):
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable_only)


def test_parameters_of_the_published_network():
    network = on_meta("resnext101_32x8d.tv_in1k")
    assert count(network.encoder) == 57_996_608
    assert count(network.decoder) == 15_572_864
    assert network.encoder.channels == (64, 256, 512, 1024)
    network.encoder.freeze("published")
    assert count(network, trainable_only=True) == 73_131_904


@pytest.mark.parametrize(
    ("encoder", "encoder_millions", "decoder_millions"),
    [("resnet101.tv_in1k", 27.5, 15.6), ("densenet161", 17.0, 16.5), ("mobilenetv2_100", None, 0.14)],
)
def test_parameters_of_the_other_published_networks(encoder, encoder_millions, decoder_millions):
    network = on_meta(encoder)
    assert count(network.decoder) / 1e6 == pytest.approx(decoder_millions, abs=0.05)
    if encoder_millions is not None:  # the release stores parts of MobileNetV2 that nothing reads
        assert count(network.encoder) / 1e6 == pytest.approx(encoder_millions, abs=0.05)


@pytest.mark.parametrize("name", ["resnet18-gn", "mobilenetv2", "small"])
def test_folded_network_computes_the_same_without_standardising(name):
    network = build(name).eval()
    folded = fold(network)
    image = picture(1, 32, 64)
    with torch.inference_mode():
        expected, got = network(image), folded(image)
    torch.testing.assert_close(got.depth_m, expected.depth_m, rtol=1e-5, atol=0)
    assert not any(isinstance(module, WSConv2d) for module in folded.modules())
    assert any(isinstance(module, WSConv2d) for module in network.modules())
    assert not any(p.requires_grad for p in folded.parameters())
