"""Distributed training: rows gathered from all ranks, and batch norm over all ranks, also on CPUs.

`torch.nn.SyncBatchNorm` raises an error on CPUs, and so does DistributedDataParallel for a module
that contains one. `SyncBatchNorms` makes it possible to test distributed runs without GPUs.
"""

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.plugins.layer_sync import TorchSyncBatchNorm
from torch import Tensor, nn
from torch.distributed.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from musicssl.errors import InputError


def world_size() -> int:
    """Return the number of processes of a distributed run, or 1 outside of one."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gathered(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Concatenate the rows of all ranks, in the order of ranks, with gradient.

    The gradient of a rank's rows is summed over the losses of all ranks. If every rank computes the
    same loss of all rows, the mean of gradients in DistributedDataParallel is then exactly the
    gradient of one process with the whole batch. (It is not if each rank puts its own rows into the
    result of `torch.distributed.all_gather`, which has no gradient: then the gradient lacks the
    losses of other ranks' anchors.) Tensors without gradient, such as labels and indices of clips,
    are concatenated in the same way.

    This uses torch's own differentiable operation, for gloo and NCCL, after a check that all ranks
    have the same number of rows: NCCL would otherwise wait for ever or return garbage. The check
    synchronises a GPU, so gather all tensors of a step in one call.

    Args:
        tensors: Tensors of this rank, each (n, ...) with the same n, of any dtype.

    Returns:
        The tensors with the rows of all R ranks, (R n, ...); the same tensors if R is 1.

    Raises:
        InputError: If ranks differ in the number of rows.
    """
    if world_size() == 1:
        return tensors
    first = tensors[0]
    counts = torch.cat(_all_gather(torch.tensor([len(first)], device=first.device))).tolist()
    if len(set(counts)) > 1:
        listed = ", ".join(str(count) for count in counts)
        raise InputError(f"the ranks have {listed} rows; give every rank the same number of rows.")
    return tuple(_joined(x) for x in tensors)


def _joined(x: Tensor) -> Tensor:
    whole = torch.cat(_all_gather(x))
    if (
        whole.requires_grad
    ):  # torch sends gradients in the order of memory, which is wrong for transposed rows
        whole.register_hook(torch.Tensor.contiguous)  # type: ignore[no-untyped-call]
    return whole


def mean_over_ranks(x: Tensor) -> Tensor:
    """Average a tensor over ranks, with gradient.

    For a mean over the batch to which something is done that is not linear. As with `gathered`, the
    mean of gradients in DistributedDataParallel is then that of one process with the whole batch.

    Args:
        x: Tensor of this rank, the same shape on all; each from the same number of clips.
    """
    return x if world_size() == 1 else _sum_over_ranks(x) / world_size()


def _all_gather(x: Tensor) -> tuple[Tensor, ...]:
    parts: tuple[Tensor, ...] = functional.all_gather(x)  # type: ignore[no-untyped-call]
    return parts


class SyncBatchNorm(_BatchNorm):
    """Normalise each channel by its mean and variance over the batches of all ranks.

    Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167, algorithm 1, with the unbiased
    variance in the running statistics, as in `nn.BatchNorm1d` and `2d`, whose names of parameters
    and buffers it has. Batch sizes may differ between ranks. In evaluation mode, and in a single
    process, it is plain batch norm.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C) or (B, C, ...)."""
        if not self.training or world_size() == 1:
            return super().forward(x)
        self._check_input_dim(x)
        return self._over_ranks(x)

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise ValueError(f"batch norm needs an input of shape (B, C, ...), got {x.ndim}-D.")

    def _over_ranks(self, x: Tensor) -> Tensor:
        channel = (1, -1, *[1] * (x.ndim - 2))
        reduced = [0, *range(2, x.ndim)]
        values = x.to(torch.promote_types(x.dtype, torch.float32))  # 16 bits are too few for sums
        count = values.new_tensor([values.numel() / values.shape[1]])
        totals = _sum_over_ranks(torch.cat([values.sum(reduced), count]))  # (C + 1,)
        count = totals[-1]
        mean = totals[:-1] / count  # (C,)
        centred = values - mean.view(channel)
        variance = _sum_over_ranks(centred.square().sum(reduced)) / count
        self._track(mean, variance * count / (count - 1))
        normalised = centred * (variance + self.eps).rsqrt().view(channel)
        if self.affine:
            normalised = normalised * self.weight.view(channel) + self.bias.view(channel)
        return normalised.to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(variance.to(self.running_var), share)


class SyncBatchNorms(TorchSyncBatchNorm):
    """Lightning's plugin for `trainer.sync_batchnorm=true`: torch's on GPUs, ours on CPUs."""

    def __init__(self) -> None:
        self._replaced: list[tuple[nn.Module, str, _BatchNorm]] = []

    def apply(self, model: nn.Module) -> nn.Module:
        """Replace the batch norms of a model by synchronised ones with the same parameters."""
        if (
            isinstance(model, pl.LightningModule)
            and model.trainer.strategy.root_device.type != "cpu"
        ):
            return super().apply(model)
        for parent in list(model.modules()):
            for name, child in parent.named_children():
                if isinstance(child, _BatchNorm):
                    self._replaced.append((parent, name, child))
                    setattr(parent, name, _synchronised(child))
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Restore the plain batch norms, with the current parameters and statistics."""
        for parent, name, plain in self._replaced:
            _share(parent.get_submodule(name), plain)
            setattr(parent, name, plain)
        self._replaced.clear()
        return super().revert(model)


def has_synchronised(model: nn.Module) -> bool:
    """Return whether batch norms of a model share their statistics over the ranks of a run."""
    kinds = (SyncBatchNorm, nn.SyncBatchNorm)
    return world_size() > 1 and any(isinstance(part, kinds) for part in model.modules())


def _synchronised(norm: _BatchNorm) -> SyncBatchNorm:
    synchronised = SyncBatchNorm(
        norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
    )
    _share(norm, synchronised)
    return synchronised


def _share(norm: nn.Module, other: nn.Module) -> None:
    """Give the parameters, the statistics and the mode of a batch norm to another one."""
    for name, parameter in norm.named_parameters():
        setattr(other, name, parameter)
    for name, statistic in norm.named_buffers():
        setattr(other, name, statistic)
    other.train(norm.training)


def _sum_over_ranks(x: Tensor) -> Tensor:
    """Sum a tensor over ranks; its gradient is summed as well."""
    total: Tensor = functional.all_reduce(x)  # type: ignore[no-untyped-call]
    return total
