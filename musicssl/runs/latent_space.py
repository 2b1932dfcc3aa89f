"""The latent space of a trained method: clips in it, and walks along its dimensions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.evaluation.latents.interpolation import monotonicity, smoothness
from musicssl.methods.base.latent import LatentSpace

Floats = NDArray[np.floating]
Attributes = Callable[[NDArray[Any]], Floats]

_REACH = 2.0  # standard deviations of the clips, to either side
_WALKS = 100  # clips that walks start from


class EncodedClips(NamedTuple):
    """Clips in a latent space.

    Attributes:
        z: Means of q(z|x), (N, D).
        y: Their attributes, (N, M).
        mask: True where observed, (N, M).
        total: Clips of the split, of which N were taken.
    """

    z: Floats
    y: Floats
    mask: NDArray[np.bool_]
    total: int


def encode(
    space: LatentSpace, datamodule: SemiSupervisedDataModule, split: str, most: int
) -> EncodedClips:
    """Encode the clips of a split, or `most` of them, always the same, with all their labels."""
    rows = datamodule.rows(split)
    taken = np.sort(np.random.default_rng(0).permutation(rows)[:most])
    z = [space.latent_means(batch).float().cpu().numpy() for batch in datamodule.batches_of(taken)]
    corpus = datamodule.corpus
    return EncodedClips(np.concatenate(z), corpus.y[taken], corpus.mask[taken], len(rows))


@dataclass(frozen=True, eq=False)
class Walk:
    """A walk along one dimension.

    Attributes:
        attribute: Index of the attribute that it is meant to change.
        dimension: Dimension that is moved.
        places: Its values, equally spaced from two deviations of the clips below their mean to two
            above, (S,).
        decoded: What they are decoded to, the rest of z being that of one clip, (S, ...).
        course: The attribute of what is decoded, (S,); NaN where it has none.
        smoothness: Smoothness of the attribute, the mean over walks from several clips; NaN if it
            has none.
        monotonicity: Monotonicity of the attribute, likewise.
        known: Share of these walks on which the attribute is known everywhere.
    """

    attribute: int
    dimension: int
    places: Floats
    decoded: NDArray[Any]
    course: Floats
    smoothness: float
    monotonicity: float
    known: float


def walks(
    space: LatentSpace,
    z: Floats,
    dimensions: Sequence[int | None],
    steps: int,
    attributes: Attributes | None = None,
) -> list[Walk]:
    """Walk along the dimension of each attribute that has one.

    Pictures are of the walk from the clip that is closest to the mean of all; smoothness and
    monotonicity are means over walks from it and up to 99 other clips.

    Args:
        space: The method.
        z: Clips, (N, D).
        dimensions: Dimensions of the attributes, (M).
        steps: Places on a walk, S, 3 or more.
        attributes: Returns the attributes, (n, M), of what is decoded; None if nothing knows them.
    """
    mean, spread = z.mean(axis=0), z.std(axis=0)
    distances = (((z - mean) / np.where(spread > 0, spread, 1)) ** 2).sum(axis=1)
    middle = int(distances.argmin())
    others = np.random.default_rng(0).permutation(len(z))
    starts = z[[middle, *others[others != middle][: _WALKS - 1]]]
    found = []
    for attribute, d in enumerate(dimensions):
        if d is None:
            continue
        places = mean[d] + np.linspace(-_REACH, _REACH, steps) * spread[d]
        taken = starts if attributes is not None else starts[:1]
        decoded = _decoded(space, taken, d, places)  # (n, S, ...)
        curves = np.full(decoded.shape[:2], np.nan)
        if attributes is not None:
            flat = decoded.reshape(-1, *decoded.shape[2:])
            curves = attributes(flat)[:, attribute].reshape(curves.shape)
        measures = _interpolation(curves, float(places[1] - places[0]))
        found.append(Walk(attribute, d, places, decoded[0], curves[0], *measures))
    return found


def _decoded(space: LatentSpace, starts: Floats, d: int, places: Floats) -> NDArray[Any]:
    """Decode walks from several clips, (n, D), along a dimension, (n, S, ...)."""
    z = np.repeat(starts[:, None], len(places), axis=1)  # (n, S, D)
    z[:, :, d] = places
    flat = torch.from_numpy(z.reshape(-1, z.shape[2]).astype(np.float32))
    decoded = space.decode_latents(flat).cpu().numpy()
    return decoded.reshape(*z.shape[:2], *decoded.shape[1:])


def _interpolation(curves: Floats, step: float) -> tuple[float, float, float]:
    """Return mean smoothness and monotonicity of the curves that are known, and their share."""
    known = curves[~np.isnan(curves).any(axis=1)]
    share = len(known) / len(curves)
    if not len(known) or step <= 0:
        return float("nan"), float("nan"), share
    rises = monotonicity(known, step)
    rises = rises[~np.isnan(rises)]
    rising = float(rises.mean()) if len(rises) else float("nan")
    return float(smoothness(known, step).mean()), rising, share
