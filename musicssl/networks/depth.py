"""The layers of an encoder from its input to its output, for a learning rate of each."""

from collections.abc import Iterable, Iterator

from torch import nn


def blocks(encoder: nn.Module) -> list[list[nn.Parameter]]:
    """Return the parameters of each layer or block of layers, from the input to the output.

    A block is what an encoder defines as one module, in the order of definition: a layer, or a
    residual block. An `nn.Sequential` of the encoder counts as the modules in it. Modules without a
    matrix, such as batch norms, belong to the block before them, or to the first one. An encoder
    whose modules have another order has a method `blocks_in_order`, which returns them.

    Args:
        encoder: Encoder of any kind.
    """
    in_order = getattr(encoder, "blocks_in_order", None)
    modules = _children(encoder) if in_order is None else in_order()
    found: list[list[nn.Parameter]] = []
    first = list(encoder.parameters(recurse=False))  # before the first matrix
    for module in modules:
        parameters = list(module.parameters())
        if any(parameter.ndim > 1 for parameter in parameters):
            found.append([*first, *parameters])
            first = []
        elif found:
            found[-1] += parameters
        else:
            first += parameters
    return found or ([first] if first else [])


def by_distance(
    parameters: Iterable[nn.Parameter], encoder: nn.Module
) -> dict[int, list[nn.Parameter]]:
    """Group parameters by the number of blocks from the top of a network, that number ascending.

    All that is not in the encoder, such as the classifier, is the top, 0; the last block of the
    encoder is at 1, and the first one farthest.

    Args:
        parameters: All parameters to group.
        encoder: Some of them are its own.
    """
    distances = {
        id(parameter): distance
        for distance, block in enumerate(reversed(blocks(encoder)), start=1)
        for parameter in block
    }
    groups: dict[int, list[nn.Parameter]] = {}
    for parameter in parameters:
        groups.setdefault(distances.get(id(parameter), 0), []).append(parameter)
    return dict(sorted(groups.items()))


def _children(encoder: nn.Module) -> Iterator[nn.Module]:
    for child in encoder.children():
        if isinstance(child, nn.Sequential):
            yield from child
        else:
            yield child
