"""A whole training step, loss and every gradient, against a plain implementation written from the specification.

The network is written anew below, as functions of its weights, in float64: no module, loss or schedule of the package is used.
What the two share is PyTorch's convolution and its derivative, which is checked against differences of the plain loss.

Legend: B batch, H and W height and width.
"""

import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

import torch.nn.functional as F  # noqa: E402

from lapdepth.data.loader import Batch  # noqa: E402
from lapdepth.training import loop  # noqa: E402
from model.designs import build, config_of, picture  # noqa: E402
from training.runs import make_run  # noqa: E402

DESIGN = "resnet18-bn"
WEIGHT, BAND = 0.1, (0.332, 0.992)


def norm(x, p, name, training, eps):
    """Batch norm over (B, C, H, W), by statistics of the batch or by the running ones."""
    if training:
        mean = x.mean(dim=(0, 2, 3))
        variance = ((x - mean.view(1, -1, 1, 1)) ** 2).mean(dim=(0, 2, 3))
    else:
        mean, variance = p[f"{name}.running_mean"], p[f"{name}.running_var"]
    scale = p[f"{name}.weight"] / (variance + eps) ** 0.5
    return x * scale.view(1, -1, 1, 1) + (p[f"{name}.bias"] - mean * scale).view(1, -1, 1, 1)


def relu(x):
    return x * (x > 0)


def twice(x):
    """Bilinear to twice the size: a new pixel lies a quarter from one old one and three quarters from the next."""
    for axis in (2, 3):
        count = x.shape[axis]
        at = torch.arange(count)
        before = x.index_select(axis, (at - 1).clamp(min=0))
        after = x.index_select(axis, (at + 1).clamp(max=count - 1))
        pair = torch.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], dim=axis + 1)
        x = pair.flatten(axis, axis + 1)
    return x


def half(x):
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def standardised(weight):
    """Zero mean and unit deviation a filter: deviation by n - 1, plus 1e-5."""
    flat = weight.flatten(1)
    centred = flat - flat.mean(dim=1, keepdim=True)
    deviation = ((centred**2).sum(dim=1, keepdim=True) / (flat.shape[1] - 1)) ** 0.5
    return (centred / (deviation + 1e-5)).view_as(weight)


def conv(x, p, name, dilation=1, up=False, plain=False):
    """Norm, ReLU, perhaps twice the size, standardised convolution; only the convolution where `plain`."""
    if not plain:
        x = relu(norm(x, p, f"{name}.norm", True, 1e-3))
    weight = p[f"{name}{'' if plain else '.conv'}.weight"]
    return F.conv2d(twice(x) if up else x, standardised(weight), padding=dilation * (weight.shape[2] // 2), dilation=dilation)


def chain(x, p, name):
    for i in range(sum(key.startswith(name) and key.endswith("conv.weight") for key in p)):
        x = conv(x, p, f"{name}.{i}")
    return x


def resnet18(x, p):
    """Features at strides 2, 4, 8 and 16; norms of the encoder are frozen."""
    root = "encoder.body"
    x = relu(norm(F.conv2d(x, p[f"{root}.conv1.weight"], stride=2, padding=3), p, f"{root}.bn1", False, 1e-5))
    features = [x]
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    for layer in (1, 2, 3):
        for block in (0, 1):
            name = f"{root}.layer{layer}.{block}"
            stride = 2 if layer > 1 and block == 0 else 1
            kept = x
            if stride == 2:
                kept = norm(F.conv2d(x, p[f"{name}.downsample.0.weight"], stride=2), p, f"{name}.downsample.1", False, 1e-5)
            y = relu(norm(F.conv2d(x, p[f"{name}.conv1.weight"], stride=stride, padding=1), p, f"{name}.bn1", False, 1e-5))
            x = relu(norm(F.conv2d(y, p[f"{name}.conv2.weight"], padding=1), p, f"{name}.bn2", False, 1e-5) + kept)
        features.append(x)
    return features


def plain_depth(p, image, config):
    mean, deviation = (torch.tensor(values).double().view(1, 3, 1, 1) for values in (config.image_mean, config.image_std))
    x = (image - mean) / deviation
    laplacians, small = [], x
    for _ in range(4):
        laplacians.append(small - twice(half(small)))
        small = half(small)
    features = resnet18(x, p)
    seen = conv(features[3], p, "decoder.aspp.reduce", plain=True)
    for i, dilation in enumerate((3, 6, 12, 18)):
        new = conv(conv(seen, p, f"decoder.aspp.branches.{i}.0"), p, f"decoder.aspp.branches.{i}.1", dilation)
        seen = torch.cat([seen, new], dim=1)
    y = conv(seen, p, "decoder.aspp.fuse")
    residual = 1 / (1 + torch.exp(-chain(y, p, "decoder.head")))
    total = residual
    for i, level in enumerate((4, 3, 2, 1)):
        name, laplacian = f"decoder.levels.{i}", laplacians[level - 1]
        y = conv(y, p, f"{name}.up", up=True)
        if level > 1:
            y = conv(torch.cat([y, features[level - 2]], dim=1), p, f"{name}.skip")
        y = conv(torch.cat([y, twice(residual), laplacian], dim=1), p, f"{name}.fuse")
        residual = torch.tanh(chain(y, p, f"{name}.head") + 0.1 * laplacian.mean(dim=1, keepdim=True))
        total = residual + twice(total)
    return config.max_depth_m / (1 + torch.exp(-total))


def plain_si(predicted_m, truth_m):
    where = truth_m > 0.001
    d = torch.log(predicted_m[where]) - torch.log(truth_m[where])
    return 10 * ((d**2).mean() - 0.85 * d.mean() ** 2) ** 0.5


def plain_sobel(predicted_m, dense_m, measured):
    """Term by term over the eight neighbours; pixels whose window has a hole or leaves the picture do not count."""
    error = predicted_m - dense_m
    height, width = error.shape[2:]

    def at(values, down, right):
        return values[:, :, 1 + down : height - 1 + down, 1 + right : width - 1 + right]

    across = sum((2 - abs(k)) * (at(error, k, 1) - at(error, k, -1)) for k in (-1, 0, 1))
    down = sum((2 - abs(k)) * (at(error, 1, k) - at(error, -1, k)) for k in (-1, 0, 1))
    known = torch.ones_like(across, dtype=torch.bool)
    for k in (-1, 0, 1):
        for m in (-1, 0, 1):
            known &= at(dense_m, k, m) > 0.001
    weight = torch.full_like(across, 0.1)
    rows = torch.arange(1, height - 1)
    weight[:, :, (rows >= int(BAND[0] * height)) & (rows < int(BAND[1] * height))] = 1
    weight[at(measured, 0, 0)] = 1
    return ((across.abs() + down.abs()) * weight)[known].sum() / known.sum()


@pytest.fixture(scope="module")
def made():
    """The network in float64, its settings, and a batch with holes in the truth."""
    network = build(DESIGN).double()
    rng = torch.Generator().manual_seed(3)
    shape = (2, 1, 48, 64)
    dense = 2 + 40 * torch.rand(shape, generator=rng, dtype=torch.float64)
    dense[:, :, :6] = 0
    dense[1, :, 20:23, 30:40] = 0
    measured = (torch.rand(shape, generator=rng) < 0.4) & (dense > 0)
    batch = Batch(
        *(picture(2, 48, 64, seed=8).double(), torch.where(measured, dense, 0.0), torch.zeros(shape, dtype=torch.bool)),
        *(torch.full((2,), 100.0), torch.zeros(shape, dtype=torch.float64), dense),
    )
    return network, batch


def step_of(made, folder, sobel, monkeypatch):
    """Loss and gradients of `loop._step` itself, the optimizer's own step left out."""
    network, batch = made
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    loss = {"sobel": sobel, "sobel_band": BAND}
    base = make_run(folder, steps=10, loss={}, optimizer={}, freeze="published", ema=0.0, model=MODEL)
    config = base.model_copy(update={"model": network.config, "loss": type(base.loss)(**loss)})
    network.encoder.freeze("published")
    optimizer = loop.make_optimizer(network, config)
    monkeypatch.setattr(optimizer, "step", lambda: None)
    parts = loop._step(0, network, optimizer, [(config.groups[0], batch)], config, torch.device("cpu"))
    return parts["all/total"], {name: p.grad for name, p in network.named_parameters() if p.requires_grad}


MODEL = {"name": "x", "encoder": "resnet18", "max_depth_m": 80.0, "working_size": (64, 96), "focal_px": 100.0}


@pytest.mark.parametrize("sobel", [0.0, WEIGHT], ids=["scale-invariant", "with the gradient loss"])
def test_a_step_is_that_of_a_plain_implementation(made, tmp_path, monkeypatch, sobel):
    network, batch = made
    before = {name: value.detach().clone() for name, value in network.state_dict().items()}
    loss, gradients = step_of(made, tmp_path, sobel, monkeypatch)
    network.load_state_dict(before)  # the running statistics moved
    p = {name: value.clone() for name, value in before.items()}
    for name in gradients:
        p[name].requires_grad_()

    def plain_loss():
        predicted_m = plain_depth(p, batch.image, config_of(DESIGN))
        total = plain_si(predicted_m, batch.depth_m)
        return total + sobel * plain_sobel(predicted_m, batch.dense_m, batch.depth_m > 0.001) if sobel else total

    total = plain_loss()
    assert loss == pytest.approx(total.item(), rel=1e-9)
    expected = torch.autograd.grad(total, [p[name] for name in gradients])
    for (name, got), right in zip(gradients.items(), expected, strict=True):
        torch.testing.assert_close(got, right, rtol=1e-6, atol=1e-9 * float(right.abs().max()) + 1e-12, msg=name)
    # By the recipe: of the encoder, the stem, the first two blocks and all norms are held; the whole decoder learns.
    learns = {name for name in gradients if name.startswith("encoder")}
    assert learns
    assert not [name for name in learns if "conv1.weight" in name.split("layer")[0] or "layer1.0" in name or "bn" in name]
    assert {name for name in gradients if name.startswith("decoder")} == {
        name for name, _ in network.named_parameters() if name.startswith("decoder")
    }
    # The derivative itself, along a direction of all weights at once.
    rng = torch.Generator().manual_seed(0)
    direction = [torch.randn(right.shape, generator=rng).double() for right in expected]
    slope = sum(float((one * other).sum()) for one, other in zip(direction, expected, strict=True))
    reach = 1e-9  # 5e-6 along the direction: beyond, ReLUs change sides
    ends = []
    with torch.no_grad():
        for sign in (1, -2):
            for name, one in zip(gradients, direction, strict=True):
                p[name] += sign * reach * one
            ends.append(plain_loss().item())
    assert (ends[0] - ends[1]) / (2 * reach) == pytest.approx(slope, rel=1e-3)
