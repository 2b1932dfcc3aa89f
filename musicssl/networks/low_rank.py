"""LoRA: layers keep their weights and learn a low-rank matrix that is added to them."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from musicssl.errors import InputError

_WEIGHT = "parametrizations.weight"  # where torch keeps the factors, and the weights as they were


class LowRank(nn.Module):
    """Add the product of two factors to a weight: W + (alpha / r) B A.

    Hu et al. 2021, https://arxiv.org/abs/2106.09685, section 4.1. B, (out, r), starts at 0, so that
    the layer starts as it was, and A, (r, in), is uniform in +-1 / sqrt(in), as in the authors'
    code (the paper's text says Gaussian). A 1 x 1 convolution is a linear layer of channels.

    Args:
        weight: Weight of the layer, (out, in) or (out, in, 1, ...).
        rank: r.
        alpha: Divided by the rank it scales the product.
    """

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        self.scale = alpha / rank
        self.a = nn.Parameter(weight.new_empty(rank, weight.shape[1]))
        self.b = nn.Parameter(weight.new_zeros(weight.shape[0], rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the sum, in the shape of the weight."""
        return weight + self.scale * (self.b @ self.a).view_as(weight)


def add_low_rank(network: nn.Module, rank: int, alpha: float) -> int:
    """Freeze a network but for new factors at its linear layers and 1 x 1 convolutions.

    Args:
        network: To be changed in place.
        rank: See `LowRank`.
        alpha: See `LowRank`.

    Returns:
        The number of layers that have factors.

    Raises:
        InputError: If there is no such layer, or all matrices of one have a lower rank.
    """
    layers: list[Any] = [layer for layer in network.modules() if _is_linear(layer)]
    if not layers:
        raise InputError(
            "finetune.lora changes linear layers and 1 x 1 convolutions, and this encoder has "
            "none; leave it out, and choose finetune.frozen or finetune.layer_decay."
        )
    most = min(min(layer.weight.shape[:2]) for layer in layers)
    if rank > most:
        raise InputError(
            f"finetune.lora={rank} is more than {most}, the width of a layer; choose 1 to {most}."
        )
    network.requires_grad_(False)
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank, alpha))
    return len(layers)


def has_low_rank(network: nn.Module) -> bool:
    """Whether some layer of a network has factors."""
    return any(True for _ in _changed(network))


def merge_low_rank(network: nn.Module) -> None:
    """Replace the weights by their sums with the products, in place, and remove the factors."""
    for _, layer in list(_changed(network)):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


@torch.no_grad()
def merged_state(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state that the network would have after `merge_low_rank`.

    Args:
        network: With factors.
        state: Its `state_dict`.
    """
    sums = {f"{name}.weight": layer.weight.detach() for name, layer in _changed(network)}
    return {name: t for name, t in state.items() if f".{_WEIGHT}." not in name} | sums


def factors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the part of a `state_dict` that `merged_state` leaves out."""
    return {name: t for name, t in state.items() if f".{_WEIGHT}." in name}


def unmerged_state(state: Mapping[str, Tensor], parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the `state_dict` that `merged_state` and `factors` were made from."""
    sums = {name.partition(f".{_WEIGHT}.")[0] + ".weight" for name in parts}
    return {name: t for name, t in state.items() if name not in sums} | dict(parts)


def _changed(network: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, module in network.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            layer: Any = module
            if isinstance(layer.parametrizations.weight[0], LowRank):
                yield name, layer


def _is_linear(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        return layer.groups == 1 and set(layer.kernel_size) == {1}
    return isinstance(layer, nn.Linear)
