"""What latent dimensions tell about attributes, and attributes about each other, computed once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError
from musicssl.evaluation.latents.estimators import Estimator, Floats, Neighbours

Bools = NDArray[np.bool_]

_MOST_VALUES = 100  # of a column that counts as discrete


@dataclass(frozen=True, eq=False)
class Information:
    """Mutual information in nats, which the measures share; see `measure_information`.

    Attributes:
        estimator: Its name.
        latents: I(z_d; a_i), (D, M). NaN for an attribute that is constant, or observed too seldom.
        attributes: I(a_i; a_k), (M, M); on its diagonal the entropies H(a_i).
    """

    estimator: str
    latents: Floats
    attributes: Floats

    @property
    def entropies(self) -> Floats:
        """H(a_i) = I(a_i; a_i), (M,)."""
        return self.attributes.diagonal()

    def entropy_given(self, attribute: int, other: int) -> float:
        """Return H(a_i | a_k) = H(a_i) - I(a_i; a_k)."""
        row = self.attributes[attribute]
        return float(row[attribute] - row[other])

    def most_informative(self) -> list[int | None]:
        """Return the dimension that tells most about each attribute, (M); None if it is unknown."""
        columns = self.latents.T
        return [None if np.isnan(column).any() else int(column.argmax()) for column in columns]


def is_discrete(attributes: Floats, mask: Bools | None = None) -> list[bool]:
    """Return which attributes take few values: whole numbers, at most 100 different ones.

    Args:
        attributes: (N, M).
        mask: True where observed, (N, M); None if all are.

    Returns:
        (M).
    """
    observed = observed_cells(attributes, mask)
    found = []
    for column, here in zip(attributes.T, observed.T, strict=True):
        values = np.unique(column[here])
        found.append(len(values) <= _MOST_VALUES and bool((values == np.rint(values)).all()))
    return found


def measure_information(
    z: Floats,
    attributes: Floats,
    mask: Bools | None = None,
    discrete: Sequence[bool] | None = None,
    estimator: Estimator | None = None,
) -> Information:
    """Estimate the mutual information that all measures follow from.

    An attribute counts on the clips where it was observed, and two attributes together where both
    were.

    Args:
        z: Latent variables of clips, (N, D).
        attributes: (N, M).
        mask: True where observed, (N, M); None if all are.
        discrete: Which attributes take few values, (M); None for `is_discrete`.
        estimator: Estimator of mutual information; None for `Neighbours`.

    Raises:
        InputError: If shapes do not fit, or a latent variable or an observed attribute is not
            finite.
    """
    observed = checked(z, attributes, mask)
    kinds = is_discrete(attributes, observed) if discrete is None else list(discrete)
    estimator = Neighbours() if estimator is None else estimator
    rows, count = usable(attributes, observed), attributes.shape[1]
    latents = np.full((z.shape[1], count), np.nan)
    between = np.full((count, count), np.nan)
    continuous = [False] * z.shape[1]
    for together in _same(rows):
        here, own = rows[:, together[0]], [kinds[i] for i in together]
        a = attributes[here][:, together]
        latents[:, together] = estimator(z[here], a, continuous, own)
        for number, i in enumerate(together):  # one by one, so that each meets the same noise
            one = slice(number, number + 1)
            between[i, together] = estimator(a[:, one], a, own[one], own)[0]
    for i in range(count):
        for k in np.flatnonzero(np.isnan(between[i])).tolist():
            both = rows[:, i] & rows[:, k]
            if _enough(attributes[both, i]) and _enough(attributes[both, k]):
                pair = attributes[both, i, None], attributes[both, k, None]
                between[i, k] = estimator(*pair, kinds[i : i + 1], kinds[k : k + 1])[0, 0]
    return Information(estimator.name, latents, between)


_FEWEST = 10  # clips from which anything is estimated


def usable(attributes: Floats, observed: Bools) -> Bools:
    """Return the clips that count for each attribute, (N, M): none if it says nothing."""
    usable = observed.copy()
    for i, here in enumerate(observed.T):
        if not _enough(attributes[here, i]):
            usable[:, i] = False
    return usable


def _enough(values: Floats) -> bool:
    return len(values) >= _FEWEST and bool((values != values[0]).any())


def _same(rows: Bools) -> list[list[int]]:
    """Group the attributes that count on the same clips; those that count on none are left out."""
    groups: dict[bytes, list[int]] = {}
    for i, column in enumerate(rows.T):
        if column.any():
            groups.setdefault(column.tobytes(), []).append(i)
    return list(groups.values())


def observed_cells(attributes: Floats, mask: Bools | None) -> Bools:
    """Return the mask of observed attributes, (N, M); all are if there is none."""
    return np.ones(attributes.shape, bool) if mask is None else np.asarray(mask, bool)


def checked(z: Floats, attributes: Floats, mask: Bools | None) -> Bools:
    """Return the mask of observed attributes, all shapes and values being right."""
    if z.ndim != 2 or attributes.ndim != 2 or len(z) != len(attributes):
        raise InputError(
            f"latent variables are (clips, dimensions) and attributes (clips, attributes), not "
            f"{z.shape} and {attributes.shape}."
        )
    observed = observed_cells(attributes, mask)
    if observed.shape != attributes.shape:
        raise InputError(f"the mask is {observed.shape}, but attributes are {attributes.shape}.")
    if not np.isfinite(z).all():
        raise InputError("a latent variable is not finite; the training has diverged.")
    if not np.isfinite(attributes[observed]).all():
        raise InputError("an observed attribute is not finite; mask it, or mend the corpus.")
    return observed
