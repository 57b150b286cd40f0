"""Moving an encoder's norms into its filters changes nothing but rounding, and the compact file holds the same numbers."""

import copy

import pytest

torch = pytest.importorskip("torch", reason="networks need the torch extra")

import numpy as np  # noqa: E402
import onnx  # noqa: E402
from torch import nn  # noqa: E402

from lapdepth.errors import ModelError  # noqa: E402
from lapdepth.export.onnx import compare_with_torch, to_onnx  # noqa: E402
from lapdepth.model.fold import absorb_norms  # noqa: E402
from model.designs import build, picture, soften  # noqa: E402


def shaken(network):
    """Norms as training leaves them: nothing about them is 0 or 1."""
    generator = torch.Generator().manual_seed(3)
    for module in network.encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(0.1 * torch.randn(module.num_features, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(module.num_features, generator=generator))
            with torch.no_grad():
                module.weight.copy_(0.5 + torch.rand(module.num_features, generator=generator))
                module.bias.copy_(0.1 * torch.randn(module.num_features, generator=generator))
    return network.eval()


def test_features_stay_and_filters_are_exact_in_half_precision():
    network = shaken(build("small"))
    packed = copy.deepcopy(network)
    absorb_norms(packed.encoder)
    image = picture(1, 64, 96)
    with torch.inference_mode():
        before, after = network.encoder(image), packed.encoder(image)
    for old, new in zip(before, after, strict=True):
        assert (new - old).abs().max() < 0.01 * old.abs().max()
    changed = 0
    for name, module in packed.encoder.named_modules():
        if isinstance(module, nn.Conv2d):
            assert torch.equal(module.weight, module.weight.half().float()), name
            changed += not torch.equal(module.weight, network.encoder.get_submodule(name).weight)
        if isinstance(module, nn.BatchNorm2d):
            assert torch.equal(module.weight / torch.sqrt(module.running_var + module.eps), torch.ones(module.num_features))
    assert changed > 10


def test_a_norm_without_a_convolution_is_refused():
    with pytest.raises(ModelError, match="norm '1' does not follow a convolution"):
        absorb_norms(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4)))


def test_the_compact_file_is_smaller_and_computes_the_same(tmp_path):
    network = soften(shaken(build("small")))
    absorb_norms(network.encoder)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.ndim == 4:
                tensor.copy_(tensor.half())
    sizes = []
    for compact in (False, True):
        path = tmp_path / f"{compact}.onnx"
        onnx.save(to_onnx(network, compact), path)
        assert compare_with_torch(network, path) < 1e-4
        sizes.append(path.stat().st_size)
    assert sizes[1] < 0.65 * sizes[0]
    halves = [tensor for tensor in onnx.load(tmp_path / "True.onnx").graph.initializer if tensor.name.endswith(".half")]
    assert len(halves) > 10
    assert all(onnx.numpy_helper.to_array(tensor).dtype == np.float16 for tensor in halves)
