"""Validation sets, labelled subsets and observed cells, as pure functions of labels and a seed.

Clips are row numbers. The labelled clips are a prefix of one seeded order, so that the clips
labelled at p_s = 0.05 are among those labelled at 0.10.
"""

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError

Rows = NDArray[np.int64]
_UNLABELLED = 1  # makes the order of unlabelled clips another one than that of labelled clips


def share_of(total: int, fraction: float) -> int:
    """Return the number that is a fraction of `total`, rounded half up.

    The fraction counts as the decimal number that it is written as: 0.145 of 100 is 14.5, and not
    the 14.499999999999998 of binary arithmetic. (Python's `round` makes 2 of 2.5.)

    >>> share_of(25, 0.1), share_of(35, 0.1), share_of(100, 0.145)
    (3, 4, 15)
    """
    return int(_decimal_share(total, fraction).quantize(Decimal(1), ROUND_HALF_UP))


def _decimal_share(total: int, fraction: float) -> Decimal:
    return Decimal(repr(float(fraction))) * int(total)


def carve_validation(
    train: Rows,
    fraction: float,
    seed: int,
    present: NDArray[np.bool_],
    groups: NDArray[np.str_] | None = None,
    tries: int = 200,
) -> tuple[Rows, Rows]:
    """Divide training clips into training and validation clips, without dividing a group.

    Groups can be large and contain one class each, so that a single random draw may contain only
    some of the classes. Therefore `tries` seeded draws are made, each of the groups whose number of
    clips is closest to the requested one, and the draw is used that contains the most even share of
    every class: the least sum of squared differences from `fraction`.

    Args:
        train: Training clips, (N,).
        fraction: Fraction of the clips to use for validation, in (0, 1).
        seed: Seed of the draws.
        present: True where a class is observed and present in a clip, (N, C), or other properties
            to balance; see `strata`.
        groups: Group of each clip of `train`, (N,), or None if every clip is its own group.
        tries: Number of draws.

    Returns:
        The training clips and the validation clips, each ascending.

    Raises:
        InputError: If the fraction is not in (0, 1), or one of the two sets would be empty.
    """
    if not 0 < fraction < 1:
        raise InputError(
            f"data.val_fraction must be above 0 and below 1, got {fraction:g}; 0.01 is enough if "
            "nothing is chosen on validation (select=last)."
        )
    members = np.arange(len(train)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(members)
    if len(sizes) < 2:
        raise InputError(
            f"a validation set of {fraction:.0%} cannot be drawn from {len(train)} training "
            f"clips in {len(sizes)} group(s); give the corpus a 'val' split or more groups."
        )
    rng = np.random.default_rng(seed)
    draws = [_nearest(rng.permutation(len(sizes)), sizes, fraction) for _ in range(tries)]
    by_group = np.zeros((len(sizes), present.shape[1]))
    np.add.at(by_group, members, present)  # clips of each class in each group
    totals = np.maximum(by_group.sum(axis=0), 1)
    errors = [((by_group[draw].sum(axis=0) / totals - fraction) ** 2).sum() for draw in draws]
    held_out = np.isin(members, draws[int(np.argmin(errors))])
    return np.sort(train[~held_out]), np.sort(train[held_out])


def _nearest(order: Rows, sizes: NDArray[np.int64], fraction: float) -> Rows:
    """Return the first groups whose clips come closest to the fraction, at least one, not all.

    If two are equally close, the larger one is returned, as in `share_of`.
    """
    taken = np.cumsum(sizes[order[:-1]])
    distances = np.abs(taken - float(_decimal_share(sizes.sum(), fraction)))
    return order[: int(np.flatnonzero(distances == distances.min())[-1]) + 1]


def labelled_subset(
    y: NDArray[np.float32],
    mask: NDArray[np.bool_],
    p_s: float,
    seed: int,
    stratified: bool = False,
    task: str = "multi_label",
) -> Rows:
    """Choose the clips that keep their labels.

    Args:
        y: Targets, (N, C).
        mask: True where observed, (N, C); a clip counts as labelled if any of its cells is.
        p_s: Fraction of the labelled clips to keep, in [0, 1]; `p_s * labelled` clips stay, rounded
            half up, and at least one unless `p_s` is 0.
        seed: Seed of the draw.
        stratified: Whether every class keeps positive and negative labels at the smallest possible
            `p_s`: the classes take turns, each time with the next clip in which the class is
            present, and then with one in which it is absent. In a multi-class corpus a turn is one
            clip of a class; in a regression the `strata` take turns.
        task: Kind of the targets; see `musicssl.data.corpus.Corpus`.

    Returns:
        The clips that keep labels, ascending. With the same seed, they contain those of every
        smaller `p_s`.

    Raises:
        InputError: If `p_s` is not in [0, 1].
    """
    check_share("p_s", p_s)
    labelled = np.flatnonzero(mask.any(axis=1))
    order = np.random.default_rng(seed).permutation(labelled)
    if stratified:
        kinds = strata(y[order], mask[order], task)
        if task == "multi_label":
            absent = (y[order] < 0.5) & mask[order]
            kinds = np.concatenate([kinds, absent], axis=1)
        order = _in_turn(order, kinds)
    count = share_of(len(labelled), p_s)
    if p_s > 0:
        count = max(count, 1)
    return np.sort(order[:count])


def used_unlabelled(unlabelled: Rows, u_s: float, seed: int, order_of: Rows) -> Rows:
    """Choose the clips that are used without labels.

    Args:
        unlabelled: Clips to choose from, (U,).
        u_s: Fraction of them to use, in [0, 1]: `u_s * U` clips, rounded half up.
        seed: Seed of the draw; it is independent of that of `labelled_subset`.
        order_of: All clips, (N,), which are put into one seeded order. The chosen clips are the
            first of `unlabelled` in it, so that choices from different `unlabelled` are alike.

    Returns:
        The clips, ascending. With the same seed, they contain those of every smaller `u_s`.

    Raises:
        InputError: If `u_s` is not in [0, 1].
    """
    check_share("u_s", u_s)
    order = np.random.default_rng((seed, _UNLABELLED)).permutation(order_of)
    return np.sort(order[np.isin(order, unlabelled)][: share_of(len(unlabelled), u_s)])


def labelled_validation(
    y: NDArray[np.float32],
    mask: NDArray[np.bool_],
    amount: float | None,
    seed: int,
    stratified: bool = False,
    task: str = "multi_label",
) -> Rows:
    """Choose the validation clips that keep their labels.

    Args:
        y: Targets, (N, C).
        mask: True where observed, (N, C).
        amount: Number of clips (an integer) or fraction of the labelled clips (a float up to 1);
            None for all.
        seed: Seed of the draw.
        stratified: See `labelled_subset`.
        task: See `labelled_subset`.

    Returns:
        The clips that keep labels, ascending; at least one. With the same seed, they contain those
        of every smaller amount.

    Raises:
        InputError: If the amount is not positive, or larger than the number of labelled clips.
    """
    labelled = int(mask.any(axis=1).sum())
    most = labelled if isinstance(amount, int) else 1
    if amount is not None and (isinstance(amount, bool) or not 0 < amount <= most):
        raise InputError(
            "data.val_labels must be a number of validation clips, from 1 to the "
            f"{labelled:,} that have labels, or a fraction such as 0.1, or null, got {amount}."
        )
    if isinstance(amount, int):
        amount = amount / labelled
    return labelled_subset(y, mask, 1.0 if amount is None else amount, seed, stratified, task)


def strata(y: NDArray[np.float32], mask: NDArray[np.bool_], task: str) -> NDArray[np.bool_]:
    """Return which clips are of which kind, (N, K) bool; a draw should contain all kinds.

    There is one kind for each class, the clips in which it is present. In a regression there are
    four for each target, the quarters of its observed values from low to high; values that equal a
    border belong to the upper quarter.

    Args:
        y: Targets, (N, C).
        mask: True where observed, (N, C).
        task: Kind of the targets; see `musicssl.data.corpus.Corpus`.
    """
    if task != "regression":
        present: NDArray[np.bool_] = (y >= 0.5) & mask
        return present
    quarters = []
    for values, observed in zip(y.T, mask.T, strict=True):
        borders = np.zeros(3)
        if observed.any():
            borders = np.quantile(values[observed], [0.25, 0.5, 0.75])
        quarter = np.searchsorted(borders, values, side="right")
        quarters += [(quarter == number) & observed for number in range(4)]
    return np.stack(quarters, axis=1)


def _in_turn(order: Rows, kinds: NDArray[np.bool_]) -> Rows:
    """Reorder clips so that a short prefix contains every kind, (N, K)."""
    # The rarest kind comes first, because its clips may also be of a more common kind.
    queues = [np.flatnonzero(kind) for kind in sorted(kinds.T, key=np.count_nonzero)]
    cursor, taken = [0] * len(queues), np.zeros(len(order), bool)
    reordered: list[np.int64] = []
    while len(reordered) < len(order):
        before = len(reordered)
        for turn, queue in enumerate(queues):
            while cursor[turn] < len(queue) and taken[queue[cursor[turn]]]:
                cursor[turn] += 1
            if cursor[turn] < len(queue):
                taken[queue[cursor[turn]]] = True
                reordered.append(order[queue[cursor[turn]]])
        if len(reordered) == before:
            break
    return np.array(reordered, dtype=order.dtype)


def observed_cells(
    y: NDArray[np.float32],
    mask: NDArray[np.bool_],
    fraction: float,
    seed: int,
    task: str = "multi_label",
) -> NDArray[np.bool_]:
    """Hide single cells as in OpenMIC-2018, where only a few classes of each clip were observed.

    A clip keeps `fraction * C` of its observed cells, rounded half up, at least one. OpenMIC's
    annotators were asked about likely instruments; to imitate this, present and absent classes are
    drawn in turn, in seeded order, until one kind runs out, so that about half of the kept cells
    are positive. Targets of a regression are drawn without this distinction.

    Args:
        y: Targets, (N, C).
        mask: True where observed, (N, C).
        fraction: Fraction of the classes that stay observed, in (0, 1].
        seed: Seed of the draw.
        task: Kind of the targets; see `musicssl.data.corpus.Corpus`.

    Returns:
        The cells that stay observed, (N, C): a subset of `mask` that contains the cells of every
        smaller fraction.

    Raises:
        InputError: If the fraction is not in (0, 1], or below 1 in a multi-class corpus.
    """
    check_cells(fraction)
    if task == "multi_class" and fraction < 1:
        raise InputError(
            f"data.p_cells={fraction:g} hides single classes of a clip, but each clip of this "
            "corpus has one class; hide whole labels with data.p_s."
        )
    rng = np.random.default_rng(seed)
    noise = rng.random(y.shape)
    first_kind = rng.random((len(y), 1)) < 0.5  # whether a present or an absent class comes first
    present = (y >= 0.5) & (task != "regression")
    rank = np.where(
        present, _rank_within(noise, present & mask), _rank_within(noise, ~present & mask)
    )
    priority = 2 * rank + (present ^ first_kind) + 2 * y.shape[1] * ~mask  # (N, C), all distinct
    count = max(1, share_of(y.shape[1], fraction))
    order = np.argsort(np.argsort(priority, axis=1), axis=1)
    kept: NDArray[np.bool_] = (order < count) & mask
    return kept


def _rank_within(noise: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rank the chosen cells of each row by their noise, from 0."""
    return np.argsort(np.argsort(np.where(chosen, noise, 2.0), axis=1), axis=1)


def check_share(name: str, share: float) -> None:
    """Check a fraction of the clips, such as `p_s`.

    Raises:
        InputError: If it is not in [0, 1].
    """
    if not 0 <= share <= 1:
        hint = f" (did you mean {share / 100:.2f}?)" if 1 < share <= 100 else ""
        raise InputError(f"data.{name} must be in [0, 1], got {share:g}{hint}.")


def check_cells(fraction: float) -> None:
    """Check `p_cells`.

    Raises:
        InputError: If it is not in (0, 1].
    """
    if not 0 < fraction <= 1:
        raise InputError(f"data.p_cells must be in (0, 1], got {fraction:g}.")
