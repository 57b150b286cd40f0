"""Losses against the formulas of the paper, and finite with gradients where there is nothing to learn from."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the torch extra")

from lapdepth.training.losses import (  # noqa: E402
    MIN_TRUTH_M,
    gradient_loss,
    guess_loss,
    log_error,
    scale_invariant_loss,
    sky_loss,
    uncertainty_loss,
)

PARITY = Path(__file__).parent.parent / "data" / "parity"


@pytest.fixture
def depths():
    """Prediction and truth (2, 1, 12, 20), a third of it not measured."""
    rng = np.random.default_rng(0)
    predicted = rng.uniform(1, 60, (2, 1, 12, 20)).astype(np.float32)
    truth = rng.uniform(1, 60, predicted.shape).astype(np.float32)
    truth[rng.random(truth.shape) < 1 / 3] = 0
    return predicted, truth


def tensors(depths):
    predicted, truth = (torch.from_numpy(x.copy()) for x in depths)
    return predicted.requires_grad_(), truth


def scale_invariant(predicted, truth, focus):
    measured = truth > 0.001
    d = np.log(predicted[measured].astype(np.float64)) - np.log(truth[measured].astype(np.float64))
    return 10 * np.sqrt(np.mean(d**2) - focus * np.mean(d) ** 2)


@pytest.mark.parametrize("focus", [0.0, 0.5, 0.85, 1.0])
def test_scale_invariant_loss(depths, focus):
    loss = scale_invariant_loss(*log_error(*tensors(depths)), focus)
    assert loss.item() == pytest.approx(scale_invariant(*depths, focus), rel=1e-5)


def test_scale_invariant_loss_agrees_with_the_release():
    arrays = np.load(PARITY / "metrics.npz")
    expected = json.loads((PARITY / "metrics.json").read_text())["si_loss"]
    error, mask = log_error(torch.from_numpy(arrays["prediction"]), torch.from_numpy(arrays["truth"]))
    assert mask.sum() == (arrays["truth"] > 0.001).sum()
    assert scale_invariant_loss(error, mask).item() == pytest.approx(expected, rel=1e-5)


def test_a_common_factor_is_forgiven_as_far_as_the_focus_says(depths):
    # By hand: d = ln 2 everywhere, so that the loss is 10 ln 2 sqrt(1 - focus).
    _, truth = tensors(depths)
    for focus in (0.0, 0.85):
        loss = scale_invariant_loss(*log_error(truth.clamp(min=0.5) * 2, truth), focus)
        assert loss.item() == pytest.approx(10 * np.log(2) * np.sqrt(1 - focus), rel=1e-4)


def test_what_is_measured():
    truth = torch.tensor([0.0, -1.0, MIN_TRUTH_M, 0.0011, 5.0, float("nan")]).view(1, 1, 1, 6)
    error, mask = log_error(torch.full((1, 1, 1, 6), 10.0), truth)
    assert mask.flatten().tolist() == [False, False, False, True, True, False]
    np.testing.assert_allclose(error.flatten(), [0, 0, 0, np.log(10 / 0.0011), np.log(2), 0], rtol=1e-5)


def gradients(predicted, truth, scales):
    """Mean absolute step of the log error between measured neighbours at each spacing, down and across."""
    total = 0.0
    for spacing in (2**k for k in range(scales)):
        for axis in (0, 1):
            steps = []
            for one, other in zip(predicted[:, 0], truth[:, 0], strict=True):
                p, t = (one, other) if axis == 0 else (one.T, other.T)
                for i in range(p.shape[0] - spacing):
                    both = (t[i] > 0) & (t[i + spacing] > 0)
                    d = np.log(p[[i, i + spacing]][:, both]) - np.log(t[[i, i + spacing]][:, both])
                    steps += np.abs(d[1] - d[0]).tolist()
            total += np.mean(steps) if steps else 0.0
    return total / scales


@pytest.mark.parametrize("scales", [1, 4])
def test_gradient_loss(depths, scales):
    loss = gradient_loss(*log_error(*tensors(depths)), scales)
    assert loss.item() == pytest.approx(gradients(*depths, scales), rel=1e-4)


def test_gradient_loss_does_not_see_a_common_factor(depths):
    _, truth = tensors(depths)
    assert gradient_loss(*log_error(truth.clamp(min=0.5) * 3, truth)).item() == pytest.approx(0, abs=1e-5)


def test_gradient_loss_of_a_picture_smaller_than_the_spacing():
    error, mask = torch.tensor([[[[0.0, 1.0, 3.0]]]]), torch.ones(1, 1, 1, 3, dtype=torch.bool)
    # By hand: spacing 1 gives steps 1 and 2, spacing 2 a step of 3; nothing across.
    assert gradient_loss(error, mask, scales=4).item() == pytest.approx((1.5 + 3) / 4)


def test_uncertainty_loss(depths):
    predicted, truth = tensors(depths)
    log_scale = torch.linspace(-4, 1, predicted.numel()).view(predicted.shape).requires_grad_()
    loss = uncertainty_loss(*log_error(predicted, truth), log_scale)
    measured = depths[1] > 0
    d = np.abs(np.log(depths[0][measured]) - np.log(depths[1][measured]))
    s = log_scale.detach().numpy()[measured]
    assert loss.item() == pytest.approx(float(np.mean(d / np.exp(s) + s)), rel=1e-5)
    loss.backward()
    assert predicted.grad is None or not predicted.grad.any()
    # The slope to the scale is (1 - d / scale) / count: the best scale is the mean error itself.
    expected = np.zeros(depths[0].shape)
    expected[measured] = (1 - d / np.exp(s)) / measured.sum()
    np.testing.assert_allclose(log_scale.grad, expected, rtol=1e-4, atol=1e-7)


def test_sky_loss():
    depth_m = torch.tensor([10.0, 50.0, 100.0, 200.0]).view(1, 1, 2, 2).requires_grad_()
    sky = torch.tensor([True, False, True, True]).view(1, 1, 2, 2)
    loss = sky_loss(depth_m, sky, 100.0)
    assert loss.item() == pytest.approx(np.log(10) / 3)
    loss.backward()
    np.testing.assert_allclose(depth_m.grad.flatten(), [-1 / 30, 0, 0, 0], atol=1e-7)


def test_guess_loss_leaves_a_third_either_way_alone():
    guess = torch.tensor([10.0, 10.0, 10.0, 0.0]).view(1, 1, 2, 2)
    predicted = torch.tensor([13.0, 20.0, 5.0, 7.0]).view(1, 1, 2, 2).requires_grad_()
    loss = guess_loss(*log_error(predicted, guess))
    assert loss.item() == pytest.approx(2 * (np.log(2) - np.log(4 / 3)) / 3)
    loss.backward()
    np.testing.assert_allclose(predicted.grad.flatten(), [0, 1 / 60, -1 / 15, 0], atol=1e-7)


CASES = {
    "nothing measured": (torch.full((2, 1, 8, 8), 5.0), torch.zeros(2, 1, 8, 8)),
    "all invalid": (torch.full((2, 1, 8, 8), 5.0), torch.full((2, 1, 8, 8), float("nan"))),
    "exact fit": (torch.full((2, 1, 8, 8), 5.0), torch.full((2, 1, 8, 8), 5.0)),
    "one pixel": (torch.full((1, 1, 1, 1), 5.0), torch.full((1, 1, 1, 1), 7.0)),
    "very far off": (torch.full((1, 1, 8, 8), 1e-3), torch.full((1, 1, 8, 8), 1e5)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("focus", [0.85, 1.0])
def test_losses_and_their_gradients_are_finite(case, focus):
    predicted, truth = (x.clone() for x in CASES[case])
    predicted.requires_grad_()
    log_scale = torch.zeros_like(predicted, requires_grad=True)
    error, mask = log_error(predicted, truth)
    none = torch.zeros_like(mask)
    losses = [
        scale_invariant_loss(error, mask, focus),
        gradient_loss(error, mask),
        uncertainty_loss(error, mask, log_scale),
        sky_loss(predicted, none, 90.0),
        guess_loss(error, mask),
    ]
    assert all(torch.isfinite(loss) for loss in losses)
    torch.stack(losses).sum().backward()
    assert torch.isfinite(predicted.grad).all()
    assert torch.isfinite(log_scale.grad).all()
    if case in ("nothing measured", "all invalid", "exact fit"):
        # The root's floor: 10 * sqrt(1e-10).
        assert losses[0].item() == pytest.approx(1e-4, rel=1e-3)
        assert not predicted.grad.any()
