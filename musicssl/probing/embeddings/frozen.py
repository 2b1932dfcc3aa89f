"""A network that shall be used and not changed."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Keep a network in evaluation mode and its parameters from learning, for a while.

    In evaluation mode batch norms neither use nor update the statistics of a batch. Afterwards each
    module is in the mode that it was in, and each parameter learns that did.
    """
    modes = [(module, module.training) for module in network.modules()]
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    network.eval().requires_grad_(False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter in learning:
            parameter.requires_grad_(True)
