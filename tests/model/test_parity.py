"""The network computes what the authors' release computes, to the last channel."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network needs the torch extra")

from lapdepth.model.published import convert_published  # noqa: E402
from model.published_weights import FIXTURES, NAMES, describe, write_checkpoint  # noqa: E402


@pytest.mark.parametrize("fixture", NAMES)
def test_converted_checkpoint_agrees_with_the_release(fixture, tmp_path):
    spec = describe(fixture)
    expected = np.load(FIXTURES / f"{fixture}.npz")
    path = tmp_path / "published.pkl"
    write_checkpoint(fixture, path)

    network = convert_published(path, spec["max_depth_m"], spec["activation"].lower())
    # The fixture's picture is already normalised; undo that, as the network normalises itself.
    image = torch.from_numpy(expected["image"]) * network.image_std + network.image_mean
    with torch.inference_mode():
        out = network(image)

    assert network.config.norm == spec["norm"].lower()
    np.testing.assert_allclose(out.depth_m, expected["depth"], rtol=1e-4)
    for level, residual in zip((5, 4, 3, 2, 1), out.residuals_m, strict=True):
        np.testing.assert_allclose(residual, expected[f"residual_{level}"], atol=1e-4 * spec["max_depth_m"], rtol=0)
