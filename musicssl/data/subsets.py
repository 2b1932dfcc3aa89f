"""The subsets of a run: which clips train, validate and test, and which labels the run may see."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicssl.data.corpus import Corpus
from musicssl.data.labels import ClipLabels
from musicssl.data.missing_labels import NEGATIVE, kept_cells, taken_for_absent
from musicssl.data.settings import DataSettings, as_typed
from musicssl.data.splits import (
    labelled_subset,
    labelled_validation,
    observed_cells,
    used_unlabelled,
)
from musicssl.data.validation import (
    BY_LABELS,
    carve_clips,
    carve_labels,
    check_validation_in,
    listed_clips,
)
from musicssl.errors import InputError

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Subsets:
    """Rows of the clips of a run, ascending, and its labels.

    Attributes:
        train: Training clips, with or without labels.
        val: Validation clips. With `val_by="labels"` they are training clips, too.
        test: Test clips.
        labelled: Training clips that keep labels.
        used: Training clips without those that `u_s` leaves out.
        pool: Clips from which unlabelled clips are drawn. Rows of an unlabelled corpus follow those
            of the corpus.
        labels: Labels of training and test clips.
        val_labels: Labels of validation clips.
    """

    train: Rows
    val: Rows
    test: Rows
    labelled: Rows
    used: Rows
    pool: Rows
    labels: ClipLabels
    val_labels: ClipLabels

    def rows(self, split: str) -> Rows:
        """Return the clips of "train", "val" or "test"."""
        return {"train": self.train, "val": self.val, "test": self.test}[split]

    def labels_in(self, split: str) -> ClipLabels:
        """Return the labels of a split; with `val_by="labels"` a clip can be in two of them."""
        return self.val_labels if split == "val" else self.labels


def draw_subsets(corpus: Corpus, data: DataSettings) -> Subsets:
    """Draw validation clips, the clips that keep labels, and the unlabelled clips that are used.

    Args:
        corpus: Corpus with its official splits and all its labels.
        data: The settings.

    Raises:
        InputError: If the settings do not fit the corpus.
    """
    train, val = corpus.indices("train"), corpus.indices("val")
    check_validation_in(corpus, data.val_by, data.val_list)
    if data.val_list is not None:
        train, val = listed_clips(corpus, train, data.val_list)
    elif len(val) == 0 and data.val_by != BY_LABELS:
        train, val = carve_clips(corpus, train, data.val_fraction, data.split_seed)
    mask = val_mask = _observed(corpus, (train, val), data)
    if data.val_by == BY_LABELS:
        held_out = carve_labels(corpus, train, mask[train], data.val_fraction, data.split_seed)
        val_mask = np.zeros_like(mask)
        val_mask[train] = held_out
        mask[train] &= ~held_out
        val = train[held_out.any(axis=1)]
    kept = labelled_subset(
        corpus.y[train], mask[train], data.p_s, data.seed, data.stratified, corpus.task
    )
    kept = train[kept]
    others = np.setdiff1d(train, kept)
    mask[others] = False
    mask[kept] = kept_cells(mask[kept], data.drop_labels, data.split_seed, corpus.task)
    kept_val = labelled_validation(
        corpus.y[val], val_mask[val], data.val_labels, data.seed, data.stratified, corpus.task
    )
    val_mask[np.setdiff1d(val, val[kept_val])] = False
    used = train
    if data.unlabelled is None:
        used = np.union1d(kept, used_unlabelled(others, data.u_s, data.seed, order_of=train))
    labels = ClipLabels(corpus, corpus.y, mask)
    val_labels = labels if val_mask is mask else ClipLabels(corpus, corpus.y, val_mask)
    if data.missing == NEGATIVE:
        labels = ClipLabels(corpus, *taken_for_absent(corpus.y, mask, kept, corpus.task))
    return Subsets(
        train=train,
        val=val,
        test=corpus.indices("test"),
        labelled=kept,
        used=used,
        pool=np.setdiff1d(used, kept) if data.disjoint else used,
        labels=labels,
        val_labels=val_labels,
    )


def _observed(corpus: Corpus, splits: Iterable[Rows], data: DataSettings) -> NDArray[np.bool_]:
    """Return the mask of the corpus after hiding cells of some splits, (N, C)."""
    mask = corpus.mask.copy()
    for rows in splits:
        mask[rows] = observed_cells(
            corpus.y[rows], mask[rows], data.p_cells, data.split_seed, corpus.task
        )
    return mask


def check_subsets(subsets: Subsets, corpus: Corpus, data: DataSettings, needs_labels: bool) -> None:
    """Check that there are clips to train on, to draw batches from, and to evaluate on.

    Args:
        subsets: The clips of the run.
        corpus: Corpus that they belong to.
        data: The settings.
        needs_labels: Whether the method learns nothing without labels.

    Raises:
        InputError: If a subset is empty that must not be.
    """
    if len(subsets.test) == 0:
        raise InputError(f"{corpus.name}: no clip is in the test split; mark some as 'test'.")
    for split in ("val", "test"):
        if not subsets.labels_in(split).values(subsets.rows(split))[1].any():
            raise InputError(
                f"{corpus.name}: no clip of the {split} split has a label, so there is "
                "nothing to evaluate; label some of its clips."
            )
    if len(subsets.pool) == 0 and data.disjoint:
        raise InputError(
            "data.disjoint=true draws unlabelled clips from those without labels, but "
            f"data.p_s={data.p_s:g} and data.u_s={data.u_s:g} leave none; lower data.p_s, "
            "raise data.u_s, or leave data.disjoint out."
        )
    if len(subsets.pool) == 0:
        raise InputError(
            f"data.p_s={data.p_s:g} and data.u_s={data.u_s:g} leave no training clip; raise "
            "one of them."
        )
    if data.b_s != 0 and len(subsets.labelled) == 0:
        remedy = "raise data.p_s" + (" or set data.b_s=0" if not needs_labels else "")
        raise InputError(
            f"data.p_s={data.p_s:g} leaves no labelled clip, but data.b_s="
            f"{as_typed(data.b_s)} draws them; {remedy}."
        )
