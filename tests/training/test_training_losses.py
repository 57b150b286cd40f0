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
    l1_loss,
    log_error,
    scale_invariant_loss,
    sky_loss,
    sobel_loss,
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


def test_l1_loss_is_ten_times_the_mean_absolute_log_error(depths):
    measured = depths[1] > 0
    expected = 10 * np.mean(np.abs(np.log(depths[0][measured]) - np.log(depths[1][measured])))
    assert l1_loss(*log_error(*tensors(depths))).item() == pytest.approx(expected, rel=1e-5)


def test_l1_loss_asks_for_the_median_where_squares_ask_for_the_mean():
    # One pixel in three is behind the edge: the best single depth is that before it, and not one between the two.
    truth = torch.tensor([2.0, 2.0, 6.0]).view(1, 1, 1, 3)
    tried_m = torch.linspace(1.5, 7, 111)
    losses = [
        [loss(*log_error(torch.full_like(truth, float(depth_m)), truth)).item() for depth_m in tried_m]
        for loss in (l1_loss, lambda error, mask: scale_invariant_loss(error, mask, 0.0))
    ]
    medians, means = (float(tried_m[int(np.argmin(values))]) for values in losses)
    assert medians == pytest.approx(2.0, abs=0.03)
    assert means == pytest.approx(2 * 3 ** (1 / 3), abs=0.03)


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


SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]


def sobel(predicted, dense, measured, band=None):
    """Mean over pixels whose eight neighbours and self are filled of |Sobel(prediction) - Sobel(truth)|, across plus down."""
    total, count = 0.0, 0
    for one, other, known in zip(predicted[:, 0], dense[:, 0], measured[:, 0], strict=True):
        height, width = one.shape
        first, last = (int(share * height) for share in band) if band else (0, 0)
        for i in range(1, height - 1):
            for j in range(1, width - 1):
                if not all(other[i + k, j + m] > 0.001 for k in (-1, 0, 1) for m in (-1, 0, 1)):
                    continue
                slopes = np.zeros((2, 2))
                for k in range(3):
                    for m in range(3):
                        values = np.array([one[i + k - 1, j + m - 1], other[i + k - 1, j + m - 1]], np.float64)
                        slopes[0] += SOBEL[k][m] * values
                        slopes[1] += SOBEL[m][k] * values
                weight = 1.0 if known[i, j] or first <= i < last else 0.1
                total += weight * np.abs(slopes[:, 0] - slopes[:, 1]).sum()
                count += 1
    return total / max(count, 1)


@pytest.fixture
def filled():
    """Prediction, truth with few holes and what of it was measured, (2, 1, 14, 20)."""
    rng = np.random.default_rng(4)
    predicted = rng.uniform(1, 60, (2, 1, 14, 20)).astype(np.float32)
    dense = rng.uniform(1, 60, predicted.shape).astype(np.float32)
    dense[rng.random(dense.shape) < 0.03] = 0
    measured = (rng.random(dense.shape) < 0.4) & (dense > 0)
    return predicted, dense, measured


@pytest.mark.parametrize("band", [None, (0.332, 0.992), (0.0, 0.5), (0.5, 1.0), (0.7, 0.2)])
def test_sobel_loss(filled, band):
    loss = sobel_loss(*(torch.from_numpy(x) for x in filled), band)
    assert loss.item() == pytest.approx(sobel(*filled, band), rel=1e-5)


def test_sobel_loss_is_not_of_the_mean_of_each_picture_but_of_the_batch(filled):
    predicted, dense, measured = filled
    dense[0, :, :, 3:] = 0  # a column of pixels is left in the first
    loss = sobel_loss(*(torch.from_numpy(x) for x in (predicted, dense, measured)))
    assert loss.item() == pytest.approx(sobel(predicted, dense, measured), rel=1e-5)


def ramp(slope, height=10, width=12):
    return (5 + slope * torch.arange(width, dtype=torch.float32)).expand(1, 1, height, width).clone()


def test_sobel_loss_by_hand():
    measured = torch.ones(1, 1, 10, 12, dtype=torch.bool)
    # A filter of [1, 2, 1] across [-1, 0, 1] takes eight times the slope; the other way there is none.
    assert sobel_loss(ramp(3.0), ramp(1.0), measured).item() == pytest.approx(8 * 2)
    assert sobel_loss(ramp(3.0).mT, ramp(1.0).mT, measured.mT).item() == pytest.approx(8 * 2)
    # What is only filled in weighs a tenth.
    assert sobel_loss(ramp(3.0), ramp(1.0), ~measured).item() == pytest.approx(0.1 * 8 * 2)
    # A common distance in metres is not seen, a common factor is.
    assert sobel_loss(ramp(1.0) + 4, ramp(1.0), measured).item() == pytest.approx(0, abs=1e-5)
    assert sobel_loss(2 * ramp(1.0), ramp(1.0), measured).item() == pytest.approx(8)


def test_sobel_loss_counts_the_band_in_full():
    nothing = torch.zeros(1, 1, 10, 12, dtype=torch.bool)
    # Rows 3 to 8 of 10 lie between int(3.32) and int(9.92); of the eight rows that count, 1 to 8, six are of the band.
    loss = sobel_loss(ramp(2.0), ramp(1.0), nothing, (0.332, 0.992))
    assert loss.item() == pytest.approx(8 * (6 * 1 + 2 * 0.1) / 8)
    assert not nothing.any()  # the mask belongs to the other losses


def test_sobel_loss_leaves_out_what_is_next_to_a_hole():
    measured = torch.ones(1, 1, 10, 12, dtype=torch.bool)
    dense = ramp(1.0)
    dense[0, 0, 4, 6] = 0
    predicted = ramp(1.0).requires_grad_()
    loss = sobel_loss(predicted, dense, measured)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    # Of eight rows of ten, nine are gone: a wrong pixel of 8 m in the corner of what counts is in the windows of one.
    wrong = ramp(1.0)
    wrong[0, 0, 0, 0] += 8
    assert sobel_loss(wrong, dense, measured).item() == pytest.approx((8 + 8) / (8 * 10 - 9))
    # Whatever is told at the hole itself, it is the same.
    wrong[0, 0, 4, 6] = 1000.0
    assert sobel_loss(wrong, dense, measured).item() == pytest.approx((8 + 8) / (8 * 10 - 9))


@pytest.mark.parametrize("truth", [0.0, -1.0, float("nan"), MIN_TRUTH_M])
def test_sobel_loss_without_truth_is_nothing(truth):
    predicted = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = sobel_loss(predicted, torch.full((2, 1, 8, 8), truth), torch.zeros(2, 1, 8, 8, dtype=torch.bool), (0.0, 1.0))
    assert loss.item() == 0
    loss.backward()
    assert torch.equal(predicted.grad, torch.zeros_like(predicted))


def test_sobel_loss_has_a_finite_slope_where_the_fit_is_exact_and_around_missing_truth(filled):
    predicted, dense, measured = (torch.from_numpy(x) for x in filled)
    dense[0, 0, 2, 2] = float("nan")
    exact = torch.where(dense > 0, dense, 7.0).requires_grad_()
    loss = sobel_loss(exact, dense, measured)
    assert loss.item() == 0
    loss.backward()
    assert torch.isfinite(exact.grad).all()
    predicted.requires_grad_()
    sobel_loss(predicted, dense, measured).backward()
    assert torch.isfinite(predicted.grad).all()
    assert predicted.grad.any()


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
