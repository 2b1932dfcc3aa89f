"""Who keeps labels, who validates: pure functions of (labels, settings, seed).

Clips are row numbers. What is labelled is a prefix of one seeded order, so that the clips labelled
at p_s = 0.05 are among those labelled at 0.10.
"""

import numpy as np
from numpy.typing import NDArray

from musicssl.errors import InputError

Rows = NDArray[np.int64]


def carve_validation(
    train: Rows,
    fraction: float,
    seed: int,
    present: NDArray[np.bool_],
    groups: NDArray[np.str_] | None = None,
    tries: int = 200,
) -> tuple[Rows, Rows]:
    """Set some training clips aside for validation, never tearing a group apart.

    Groups can be large and of one class each, so that one random draw may validate three classes
    and leave the others to chance. Of `tries` seeded draws, each of the groups that come nearest to
    the asked number of clips, the one is taken whose share of every class is nearest to `fraction`.

    Args:
        train: Training clips, (N,).
        fraction: Share of the clips to set aside, in (0, 1).
        seed: Of the draws.
        present: True where a class is observed and present in a clip, (N, C), or whatever else is
            to be shared out fairly; see `strata`.
        groups: Group of each clip of `train`, (N,), or None if every clip stands alone.
        tries: Number of draws.

    Returns:
        The clips that train and those that validate, each ascending.

    Raises:
        InputError: If the fraction is not in (0, 1), or one of the two sides would be empty.
    """
    if not 0 < fraction < 1:
        raise InputError(f"data.val_fraction must lie between 0 and 1, got {fraction:g}.")
    members = np.arange(len(train)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(members)
    if len(sizes) < 2:
        raise InputError(
            f"a validation set of {fraction:.0%} cannot be carved out of {len(train)} training "
            f"clips in {len(sizes)} group(s); give the corpus a 'val' split or more groups."
        )
    rng = np.random.default_rng(seed)
    draws = [_nearest(rng.permutation(len(sizes)), sizes, fraction) for _ in range(tries)]
    by_group = np.zeros((len(sizes), present.shape[1]))
    np.add.at(by_group, members, present)  # clips of each class in each group
    totals = np.maximum(by_group.sum(axis=0), 1)
    errors = [((by_group[draw].sum(axis=0) / totals - fraction) ** 2).sum() for draw in draws]
    validates = np.isin(members, draws[int(np.argmin(errors))])
    return np.sort(train[~validates]), np.sort(train[validates])


def _nearest(order: Rows, sizes: NDArray[np.int64], fraction: float) -> Rows:
    """Take groups in order until their clips come nearest to the share, at least one, not all."""
    taken = np.cumsum(sizes[order[:-1]])
    return order[: int(np.argmin(np.abs(taken - fraction * sizes.sum()))) + 1]


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
        p_s: Fraction of the labelled clips to keep, in [0, 1]; `round(p_s * labelled)` clips stay,
            at least one unless `p_s` is 0.
        seed: Of the draw.
        stratified: Draw so that every class keeps observed labels of both kinds as early as
            possible: the classes take turns, each time picking the next clip in which the class is
            present, and then one in which it is absent. Where a clip has one class, each turn is
            one clip of a class; in a regression the `strata` take turns.
        task: What the targets are; see `musicssl.data.corpus.Corpus`.

    Returns:
        The kept clips, ascending. For one seed they contain those of every smaller `p_s`.

    Raises:
        InputError: If `p_s` is not in [0, 1].
    """
    if not 0 <= p_s <= 1:
        hint = f" (did you mean {p_s / 100:.2f}?)" if 1 < p_s <= 100 else ""
        raise InputError(f"data.p_s must be in [0, 1], got {p_s:g}{hint}.")
    labelled = np.flatnonzero(mask.any(axis=1))
    order = np.random.default_rng(seed).permutation(labelled)
    if stratified:
        wishes = strata(y[order], mask[order], task)
        if task == "multi_label":
            absent = (y[order] < 0.5) & mask[order]
            wishes = np.concatenate([wishes, absent], axis=1)
        order = _in_turn(order, wishes)
    count = round(p_s * len(labelled))
    if p_s > 0:
        count = max(count, 1)
    return np.sort(order[:count])


def strata(y: NDArray[np.float32], mask: NDArray[np.bool_], task: str) -> NDArray[np.bool_]:
    """Sort clips into the kinds of which every draw should have its share, (N, K).

    One kind for each class, the clips in which it is present. In a regression four for each target,
    the quarters of its observed values from low to high; of equal values at a border, all fall into
    the upper one.

    Args:
        y: Targets, (N, C).
        mask: True where observed, (N, C).
        task: What the targets are; see `musicssl.data.corpus.Corpus`.
    """
    if task != "regression":
        present: NDArray[np.bool_] = (y >= 0.5) & mask
        return present
    quarters = []
    for values, seen in zip(y.T, mask.T, strict=True):
        borders = np.quantile(values[seen], [0.25, 0.5, 0.75]) if seen.any() else np.zeros(3)
        quarter = np.searchsorted(borders, values, side="right")
        quarters += [(quarter == number) & seen for number in range(4)]
    return np.stack(quarters, axis=1)


def _in_turn(order: Rows, wishes: NDArray[np.bool_]) -> Rows:
    """Reorder clips so that a short prefix has some of every kind, (N, K)."""
    # The rarest wishes first, so that common ones do not crowd them.
    queues = [np.flatnonzero(wish) for wish in sorted(wishes.T, key=np.count_nonzero)]
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
    """Hide single cells the way OpenMIC-2018 does: each clip was asked about a few classes only.

    A clip keeps `round(fraction * C)` of its observed cells, at least one. As OpenMIC's annotators
    were asked about likely instruments, present and absent classes are drawn in turn, in seeded
    order, until one kind runs out: about half of the kept cells are positive. The targets of a
    regression have no such kinds and are drawn alike.

    Args:
        y: Targets, (N, C).
        mask: True where observed, (N, C).
        fraction: Share of the classes that stay observed, in (0, 1].
        seed: Of the draw.
        task: What the targets are; see `musicssl.data.corpus.Corpus`.

    Returns:
        The cells that stay observed, (N, C); a subset of `mask`, nested over `fraction`.

    Raises:
        InputError: If the fraction is not in (0, 1], or below 1 where a clip has one class, which
            is known or not.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"data.p_cells must be in (0, 1], got {fraction:g}.")
    if task == "multi_class" and fraction < 1:
        raise InputError(
            f"data.p_cells={fraction:g} hides single classes of a clip, but each clip of this "
            "corpus has one class; hide whole labels with data.p_s."
        )
    rng = np.random.default_rng(seed)
    noise = rng.random(y.shape)
    first_kind = rng.random((len(y), 1)) < 0.5  # which kind of cell is asked first
    present = (y >= 0.5) & (task != "regression")
    rank = np.where(
        present, _rank_within(noise, present & mask), _rank_within(noise, ~present & mask)
    )
    priority = 2 * rank + (present ^ first_kind) + 2 * y.shape[1] * ~mask  # (N, C), all distinct
    count = max(1, round(fraction * y.shape[1]))
    order = np.argsort(np.argsort(priority, axis=1), axis=1)
    kept: NDArray[np.bool_] = (order < count) & mask
    return kept


def _rank_within(noise: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rank the chosen cells of each row by their noise, from 0."""
    return np.argsort(np.argsort(np.where(chosen, noise, 2.0), axis=1), axis=1)
