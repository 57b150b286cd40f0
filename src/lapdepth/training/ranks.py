"""Processes that train together, as `torchrun` starts them, and come to the losses of one process with the same batch.

Three things make them agree. Each process (rank) takes its part of every step's batch. A mean in a loss is over the measured
pixels of all ranks (`total`), not the mean of the ranks' means, which would weigh a pixel by how sparse its neighbours are. And
batch norms that train take their statistics from all ranks (`share_norms`). What is left is rounding: sums in another order.

Each rank's loss is then the loss of the whole batch, and the gradient of each sum over ranks is again summed over ranks, so
that a rank's gradients are `count()` times its share; `DistributedDataParallel` divides by that.

Legend: B examples of this rank, C channels, H and W height and width.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from timm.layers.norm_act import BatchNormAct2d, convert_sync_batchnorm
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from lapdepth.errors import ConfigError
from lapdepth.model.network import LapDepth


@contextmanager
def joined() -> Iterator[torch.device]:
    """Join the processes that `torchrun` started, if it did, and leave them at the end.

    Yields:
        The device of this process: a GPU of its own where there are any.
    """
    local, cuda = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.is_available()
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield torch.device("cuda" if cuda else "cpu")
        return
    if cuda and local >= torch.cuda.device_count():
        raise ConfigError(f"process {local} of this machine has no GPU, there are {torch.cuda.device_count()}; start fewer")
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    # Processes that were started again share the store of those that died, and without a prefix may find their addresses.
    store, number, processes = next(rendezvous("env://"))
    store = PrefixStore(f"attempt-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    dist.init_process_group(
        "nccl" if cuda else "gloo", store=store, rank=number, world_size=processes, device_id=device if cuda else None
    )
    try:
        yield device
        dist.barrier()  # what rank 0 wrote last is there when any returns
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process, from 0; the first one writes files."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """Processes that train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def everyones(value: Any) -> list[Any]:
    """What each rank has, by rank, on all ranks; of any type that goes by pickle between one's own processes."""
    values: list[Any] = [value] * count()
    if count() > 1:
        dist.all_gather_object(values, value)
    return values


def share_of(batch: int) -> range:
    """Which examples of a batch this process takes.

    Raises:
        ConfigError: There are fewer examples than processes.
    """
    if batch < count():
        raise ConfigError(
            f"a batch of {batch} cannot be divided among {count()} processes; raise the group's batch or start fewer"
        )
    return range(batch * rank() // count(), batch * (rank() + 1) // count())


def total(values: Tensor) -> Tensor:
    """Sum of a tensor of any shape, and of those of the other ranks: a scalar, the same on all."""
    return over_ranks(values.sum())


def over_ranks(value: Tensor) -> Tensor:
    """Sum over ranks, element by element; its gradient is summed likewise."""
    if count() == 1:
        return value
    summed: Tensor = _OverRanks.apply(value)
    return summed


class _OverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        summed = value.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        summed = slope.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed


def same_everywhere(what: str, value: int) -> None:
    """Check that all ranks see one number.

    Raises:
        ConfigError: They do not; the message names `what`.
    """
    if count() == 1:
        return
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    seen = [torch.zeros(1, dtype=torch.long, device=device) for _ in range(count())]
    dist.all_gather(seen, torch.tensor([value], device=device))
    values = [int(one) for one in seen]
    if len(set(values)) > 1:
        raise ConfigError(f"the processes see {what} {values}; data and the run's folder must be shared by all machines")


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the examples of all ranks, on processors, for which PyTorch's own is not made.

    Args:
        norm: What it replaces, with its parameters and statistics, and the activation that timm's bring along.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        self.drop, self.act = (norm.drop, norm.act) if isinstance(norm, BatchNormAct2d) else (nn.Identity(), nn.Identity())
        self.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        out: Tensor = self.act(self.drop(self._normalised(x) if self.training else super().forward(x)))
        return out

    def _normalised(self, x: Tensor) -> Tensor:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        pixels = over_ranks(wide.new_tensor(x.numel() // x.shape[1]))
        mean = over_ranks(wide.sum(dim=(0, 2, 3))) / pixels
        centred = wide - mean.view(1, -1, 1, 1)
        variance = over_ranks(centred.square().sum(dim=(0, 2, 3))) / pixels
        with torch.no_grad():
            self.num_batches_tracked += 1
            momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
            self.running_var.lerp_((variance * pixels / (pixels - 1)).to(self.running_var.dtype), momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)).to(x.dtype)


def share_norms(network: LapDepth, device: torch.device) -> LapDepth:
    """Let batch norms in training see the examples of all ranks; in one process nothing changes."""
    if count() == 1:
        return network
    if device.type == "cuda":
        shared: Any = convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        assert isinstance(shared, LapDepth)
        return shared
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm) and not isinstance(child, SharedBatchNorm):
                setattr(module, name, SharedBatchNorm(child))
    return network


def together(network: LapDepth, device: torch.device) -> nn.Module:
    """The network as it is trained: its gradients become those of all ranks. In one process, itself."""
    if count() == 1:
        return network
    for parameter in unused_parameters(network):
        parameter.requires_grad_(False)  # the ranks would wait for its gradient for ever
    return DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None)


def unused_parameters(network: LapDepth) -> list[nn.Parameter]:
    """Parameters that no output depends on, as some encoders have; only shapes are computed."""
    learning = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    mode = network.training
    tensors = {name: tensor.to("meta") for name, tensor in network.named_buffers()}
    tensors |= {name: parameter.detach().to("meta") for name, parameter in network.named_parameters()}
    leaves = [tensors[name].requires_grad_() for name in learning]
    side = 4 * network.config.stride
    out = functional_call(network.eval(), tensors, torch.empty(1, 3, side, side, device="meta"))
    network.train(mode)
    loss = out.depth_m.sum() if out.log_scale is None else out.depth_m.sum() + out.log_scale.sum()
    slopes = torch.autograd.grad(loss, leaves, allow_unused=True)
    return [parameter for parameter, slope in zip(learning.values(), slopes, strict=True) if slope is None]


def plain(network: nn.Module) -> LapDepth:
    """The network inside of what `together` gave."""
    inner = network.module if isinstance(network, DistributedDataParallel) else network
    assert isinstance(inner, LapDepth)
    return inner


@contextmanager
def gathering(network: nn.Module, last: bool) -> Iterator[None]:
    """For the forward and backward pass of one of several batches of a step: ranks exchange gradients at the last one only."""
    if last or not isinstance(network, DistributedDataParallel):
        yield
    else:
        with network.no_sync():
            yield
