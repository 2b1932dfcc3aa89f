"""Batch norm with the statistics of the batches of all ranks together, on CPUs too.

`torch.nn.SyncBatchNorm` refuses CPUs, and so does DistributedDataParallel of any module that has
one. Nobody could see on a machine without GPUs that a distributed run is the run it should be.
"""

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.layer_sync import TorchSyncBatchNorm
from torch import Tensor, nn
from torch.distributed.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from musicssl.gathered import world_size


class SyncBatchNorm(_BatchNorm):
    """Normalise each channel by its mean and variance in the batches of all ranks.

    Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167, algorithm 1, with the unbiased
    variance in the running statistics, as `nn.BatchNorm1d` and `2d` have it and under the same
    names. Ranks may differ in the size of their batches. While evaluating, and alone, it is plain
    batch norm.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C) or (B, C, ...)."""
        if not self.training or world_size() == 1:
            return super().forward(x)
        self._check_input_dim(x)
        return self._over_ranks(x)

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise ValueError(f"batch norm takes clips of channels, (B, C, ...), got {x.ndim}-D.")

    def _over_ranks(self, x: Tensor) -> Tensor:
        channel = (1, -1, *[1] * (x.ndim - 2))
        others = [0, *range(2, x.ndim)]
        values = x.to(torch.promote_types(x.dtype, torch.float32))  # 16 bits are too few for sums
        count = values.new_tensor([values.numel() / values.shape[1]])
        totals = _sum_over_ranks(torch.cat([values.sum(others), count]))  # (C + 1,)
        count = totals[-1]
        mean = totals[:-1] / count  # (C,)
        centred = values - mean.view(channel)
        variance = _sum_over_ranks(centred.square().sum(others)) / count
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
    """Lightning's plugin behind `trainer.sync_batchnorm=true`: torch's own, and ours on CPUs."""

    def __init__(self) -> None:
        self._replaced: list[tuple[nn.Module, str, _BatchNorm]] = []

    def apply(self, model: nn.Module) -> nn.Module:
        """Let the batch norms of a model look at all ranks; weights and statistics stay theirs."""
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
        """Put plain batch norms back, with the weights and statistics of now."""
        for parent, name, plain in self._replaced:
            _share(parent.get_submodule(name), plain)
            setattr(parent, name, plain)
        self._replaced.clear()
        return super().revert(model)


def _synchronised(norm: _BatchNorm) -> SyncBatchNorm:
    synchronised = SyncBatchNorm(
        norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
    )
    _share(norm, synchronised)
    return synchronised


def _share(norm: nn.Module, other: nn.Module) -> None:
    """Let another batch norm have the parameters, the statistics and the mode of the first."""
    for name, parameter in norm.named_parameters():
        setattr(other, name, parameter)
    for name, statistic in norm.named_buffers():
        setattr(other, name, statistic)
    other.train(norm.training)


def _sum_over_ranks(x: Tensor) -> Tensor:
    """Sum a tensor over ranks; its gradient is summed too."""
    total: Tensor = functional.all_reduce(x)  # type: ignore[no-untyped-call]
    return total
