"""A trained classifier as the start of one with other classes, or with another pooling."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from musicssl.networks.classifier import Classifier

Columns = Sequence[int | None]


class Transfer(NamedTuple):
    """What a classifier takes from another one.

    Attributes:
        state: The `state_dict` of the classifier, or of its part.
        by_class: Modules of the pooling that have the weights of the classes in both, and new ones
            for other classes.
        new: Modules of the pooling of which nothing is taken.
    """

    state: dict[str, Tensor]
    by_class: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


def transferred(
    network: Classifier, weights: Mapping[str, Tensor], columns: Columns | None = None
) -> Transfer:
    """Take what fits from the weights of another classifier.

    All of the encoder is taken. Nothing is taken of a `ClipRegression`, which each run fits to its
    own clips. Of the pooling those tensors are taken that have the same name and
    shape; a tensor with a row for each class takes the rows of the classes that both have.

    Args:
        network: The classifier that takes them; it is not changed.
        weights: The `state_dict` of the other one.
        columns: For each class its column in the other classifier, or None if that does not know
            it; None if the classes are the same.

    Raises:
        RuntimeError: If the encoders differ in the name or the shape of a tensor.
    """
    own = network.state_dict()
    _check_encoder(own, weights)
    encoder = {name: weights[name] for name in own if name.startswith("encoder.")}
    regression = {name: value for name, value in own.items() if name.startswith("regression.")}
    taken = transferred_pooling(network, weights, columns)
    return taken._replace(state=encoder | regression | taken.state)


def transferred_pooling(
    network: Classifier, weights: Mapping[str, Tensor], columns: Columns | None = None
) -> Transfer:
    """Take the pooling alone; see `transferred`, also for the arguments."""
    own = network.pooling.state_dict(prefix="pooling.")
    dims = {} if columns is None else _dims_of_classes(network)
    state: dict[str, Tensor] = {}
    by_class: set[str] = set()
    new: set[str] = set()
    taken: set[str] = set()
    for name, value in own.items():
        other, module = weights.get(name), name.rpartition(".")[0]
        state[name] = value
        if other is None:
            new.add(module)
        elif name in dims and columns is not None and _fits_but(value, other, dims[name]):
            state[name] = _rows(value, other, columns, dims[name])
            known = any(column is not None for column in columns)
            (by_class if known else new).add(module)
        elif name not in dims and value.shape == other.shape:
            state[name] = other
            taken.add(module)
        else:
            new.add(module)
    return Transfer(state, tuple(sorted(by_class)), tuple(sorted(new - by_class - taken)))


def _check_encoder(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    shapes, theirs = (
        {name: tuple(t.shape) for name, t in state.items() if name.startswith("encoder.")}
        for state in (own, weights)
    )
    for name in sorted(shapes.keys() | theirs.keys()):
        if shapes.get(name) != theirs.get(name):
            raise RuntimeError(f"{name} is {theirs.get(name)} there and {shapes.get(name)} here")


def _dims_of_classes(network: Classifier) -> dict[str, int]:
    """Return the dimension of the classes of each tensor of the pooling that has one.

    It is the one that would be longer with another class.
    """
    pooling, build = network.pooling, network.builders[1]
    with torch.device("meta"):
        larger = build(embed_dim=network.encoder.embed_dim, num_classes=network.num_classes + 1)
    longer = larger.state_dict()
    return {
        f"pooling.{name}": dim
        for name, value in pooling.state_dict().items()
        for dim in range(value.ndim)
        if value.shape[dim] != longer[name].shape[dim]
    }


def _fits_but(value: Tensor, other: Tensor, dim: int) -> bool:
    """Whether two tensors have the same shape but for one dimension."""
    if value.ndim != other.ndim:
        return False
    return all(value.shape[d] == other.shape[d] for d in range(value.ndim) if d != dim)


def _rows(value: Tensor, other: Tensor, columns: Columns, dim: int) -> Tensor:
    """Copy the rows of the classes that both have into a copy of `value`."""
    here = [row for row, column in enumerate(columns) if column is not None]
    there = [column for column in columns if column is not None]
    rows = other.index_select(dim, torch.tensor(there, dtype=torch.int64)).to(value)
    return value.index_copy(dim, torch.tensor(here, device=value.device, dtype=torch.int64), rows)


def part_of(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the `state_dict` of a submodule, given that of the module.

    Args:
        state: The `state_dict` of the module.
        name: Dotted name of the submodule.
    """
    prefix = f"{name}."
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
