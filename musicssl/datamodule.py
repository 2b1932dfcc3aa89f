"""Labelled and unlabelled clips, mixed: the data side of every method.

Two knobs, with the names of the SemiSupCon paper. `p_s` is the fraction of the labelled training
clips whose labels are kept; the others become unlabelled clips. `b_s` is the fraction of each batch
that is drawn from the labelled clips; the rest is drawn from *all* training clips with their labels
hidden, so that an unlabelled stream exists at every `p_s`, and `b_s=0` is self-supervision. With
`b_s=null` there is one stream of all training clips with whatever is known of them: the natural
choice where every clip is partly labelled, as in OpenMIC-2018.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.batch import Batch
from musicssl.corpus import Corpus, Dataset, check_corpus
from musicssl.errors import InputError
from musicssl.splits import carve_validation, labelled_subset, observed_cells
from musicssl.streams import BatchLoader, BatchPlan, Stream, labelled_share

_LABELLED_STREAM, _UNLABELLED_STREAM = 0, 1  # tell the orders of the two streams apart


@dataclass(frozen=True)
class LabelCount:
    """What is left to learn from, for the line printed before training.

    Attributes:
        train: Training clips.
        labelled: Those that keep a label.
        lost: Classes without an observed positive, or without an observed negative, among them.
    """

    train: int
    labelled: int
    lost: tuple[str, ...]

    def __str__(self) -> str:
        text = f"{self.labelled:,} of {self.train:,} training clips keep labels."
        if self.lost:
            text += (
                f" Not to be learnt from them: {', '.join(self.lost)}"
                " (data.stratified=true keeps what it can)."
            )
        return text


class SemiSupervisedDataModule(pl.LightningDataModule):
    """Serve a corpus in batches of labelled and unlabelled clips.

    Args:
        dataset: The corpus to read.
        p_s: Fraction of the labelled training clips whose labels are kept, in [0, 1].
        b_s: Labelled share of each batch, in [0, 1], or None for one stream of all training clips.
        batch_size: Clips per batch and rank, B.
        p_cells: Fraction of the classes that stay observed in a training or validation clip, as in
            OpenMIC-2018 (about 0.1); 1 leaves the corpus as it is. Test clips keep all labels.
        stratified: Let every class keep labels at small `p_s`; see `splits.labelled_subset`.
        val_fraction: Share of "train" that validates where the corpus has no "val" clips.
        split_seed: Of the validation carve-out and of `p_cells`; apart from `seed`, so that runs
            validate alike.
        seed: Of the labelled subset and of the order of the batches.
    """

    def __init__(
        self,
        dataset: Dataset,
        p_s: float = 1.0,
        b_s: float | None = 1.0,
        batch_size: int = 128,
        p_cells: float = 1.0,
        stratified: bool = False,
        val_fraction: float = 0.15,
        split_seed: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        _check_numbers(p_s=p_s, b_s=0 if b_s is None else b_s, p_cells=p_cells)
        if not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f"data.batch_size must be a whole number from 1 up, got {batch_size}.")
        self.dataset = dataset
        self.p_s = p_s
        self.b_s = b_s
        self.batch_size = batch_size
        self.p_cells = p_cells
        self.stratified = stratified
        self.val_fraction = val_fraction
        self.split_seed = split_seed
        self.seed = seed
        self._num_labelled = batch_size if b_s is None else labelled_share(b_s, batch_size)
        self._corpus: Corpus | None = None

    def prepare_data(self) -> None:
        """Let the corpus make its caches (Lightning calls this on one process per machine)."""
        self.dataset.prepare()

    def setup(self, stage: str | None = None) -> None:
        """Load the corpus, draw the splits and the labelled subset.

        Raises:
            InputError: If the corpus cannot be learnt from, or `p_s` leaves no labelled clip for a
                `b_s` that asks for some.
        """
        if self._corpus is not None:
            return
        corpus = check_corpus(self.dataset.load())
        train, val = corpus.indices("train"), corpus.indices("val")
        if len(val) == 0:
            train, val = self._carve(corpus, train)
        mask = corpus.mask.copy()
        for rows in (train, val):
            cells = observed_cells(corpus.y[rows], mask[rows], self.p_cells, self.split_seed)
            mask[rows] = cells
        kept = train[
            labelled_subset(corpus.y[train], mask[train], self.p_s, self.seed, self.stratified)
        ]
        mask[np.setdiff1d(train, kept)] = False
        self._corpus, self._train, self._val, self._labelled = corpus, train, val, kept
        self._test = corpus.indices("test")
        self._arrays = _Arrays(corpus, mask)
        self._check_streams()

    @property
    def corpus(self) -> Corpus:
        """The corpus as loaded, every label of its files included."""
        self.setup()
        assert self._corpus is not None
        return self._corpus

    def rows(self, split: str) -> NDArray[np.int64]:
        """Return the rows of the corpus that form "train", "val" or "test" in this run."""
        self.setup()
        return {"train": self._train, "val": self._val, "test": self._test}[split]

    def clips(self, split: str) -> Batch:
        """Return all clips of a split, with the labels that this run may see, as one batch."""
        return self._arrays.gather(self.rows(split))

    @property
    def sizes(self) -> dict[str, int]:
        """What the corpus decides about a method, as its keyword arguments."""
        _, num_instances, num_features = self.corpus.x.shape
        return {
            "num_features": num_features,
            "num_instances": num_instances,
            "num_classes": len(self.corpus.classes),
        }

    def labels(self, split: str) -> tuple[Tensor, Tensor]:
        """Return targets and mask, both (N, C), of a split, without reading its instances."""
        return self._arrays.labels(self.rows(split))

    def label_count(self) -> LabelCount:
        """Count what this run learns from."""
        targets, mask = self.labels("train")
        present, absent = mask & (targets >= 0.5), mask & (targets < 0.5)
        learnable = (present.any(0) & absent.any(0)).tolist()
        names = zip(self.corpus.classes, learnable, strict=True)
        return LabelCount(
            train=len(self._train),
            labelled=len(self._labelled),
            lost=tuple(name for name, both in names if not both),
        )

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which a run of this size sees as many clips as there are in "train".

        It does not depend on `p_s`: label fractions are compared at equal compute.
        """
        return -(-len(self.rows("train")) // (self.batch_size * self._world_size))

    def train_dataloader(self) -> BatchLoader:
        """Return the loader of this rank's training batches."""
        trainer = self.trainer
        epochs = itertools.count()
        return BatchLoader(
            self.batch_plan(),
            self._gather_training,
            epoch=(lambda: next(epochs)) if trainer is None else (lambda: trainer.current_epoch),
        )

    def val_dataloader(self) -> "SplitLoader":
        """Return the loader of this rank's share of the validation clips."""
        return self.batches("val", self._rank, self._world_size)

    def test_dataloader(self) -> "SplitLoader":
        """Return the loader of this rank's share of the test clips."""
        return self.batches("test", self._rank, self._world_size)

    def batches(self, split: str, rank: int = 0, world_size: int = 1) -> "SplitLoader":
        """Return the clips of a split in order, or every so manieth of them, each once."""
        return SplitLoader(self._arrays, self.rows(split)[rank::world_size], self.batch_size)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move a batch, without Lightning's search for tensors in collections of any kind."""
        return batch.to(device)

    def batch_plan(self) -> BatchPlan:
        """Return which clips form each batch of this rank."""
        labelled_pool = self.rows("train") if self.b_s is None else self._labelled
        return BatchPlan(
            labelled=Stream(labelled_pool, (self.seed, _LABELLED_STREAM)),
            unlabelled=Stream(self._train, (self.seed, _UNLABELLED_STREAM)),
            batch_size=self.batch_size,
            num_labelled=self._num_labelled,
            steps_per_epoch=self.steps_per_epoch,
            rank=self._rank,
            world_size=self._world_size,
        )

    @property
    def _rank(self) -> int:
        return 0 if self.trainer is None else self.trainer.global_rank

    @property
    def _world_size(self) -> int:
        return 1 if self.trainer is None else self.trainer.world_size

    def _gather_training(self, clips: NDArray[np.int64], num_labelled: int) -> Batch:
        batch = self._arrays.gather(clips)
        batch.mask[num_labelled:] = False  # the gather made a copy
        return batch

    def _carve(
        self, corpus: Corpus, train: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Let labelled clips validate; unlabelled ones of their groups are left out of training."""
        labelled = train[corpus.mask[train].any(axis=1)]
        present = corpus.mask[labelled] & (corpus.y[labelled] >= 0.5)
        groups = None if corpus.groups is None else corpus.groups[labelled]
        _, val = carve_validation(labelled, self.val_fraction, self.split_seed, present, groups)
        rest = np.setdiff1d(train, val)
        if corpus.groups is not None:
            rest = rest[~np.isin(corpus.groups[rest], corpus.groups[val])]
        return rest, val

    def _check_streams(self) -> None:
        if len(self._test) == 0:
            raise InputError(
                f"{self.corpus.name}: no clip is in the test split; mark some as 'test'."
            )
        for split in ("val", "test"):
            if not self.labels(split)[1].any():
                raise InputError(
                    f"{self.corpus.name}: no clip of the {split} split has a label, so nothing can "
                    "be measured; label some."
                )
        if self.b_s != 0 and len(self._labelled) == 0:
            share = "null" if self.b_s is None else f"{self.b_s:g}"
            raise InputError(
                f"data.p_s={self.p_s:g} leaves no labelled clip, but data.b_s={share} draws them; "
                "raise data.p_s or set data.b_s=0."
            )


def _check_numbers(**settings: object) -> None:
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"data.{name} must be a number, got {value!r}.")


class SplitLoader:
    """The clips of a split in order, in batches."""

    def __init__(self, arrays: "_Arrays", rows: NDArray[np.int64], batch_size: int) -> None:
        self._arrays = arrays
        self._rows = rows
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._rows) // self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self._rows), self._batch_size):
            yield self._arrays.gather(self._rows[start : start + self._batch_size])


class _Arrays:
    """The corpus as tensors that share its memory; a batch is one indexed read of each."""

    def __init__(self, corpus: Corpus, mask: NDArray[np.bool_]) -> None:
        self._x = corpus.x
        self._y = torch.from_numpy(corpus.y)
        self._mask = torch.from_numpy(mask)
        self._lengths = None if corpus.lengths is None else torch.from_numpy(corpus.lengths)

    def labels(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Copy targets and mask of some rows."""
        return self._y[rows], self._mask[rows]

    def gather(self, rows: NDArray[np.int64]) -> Batch:
        """Copy some rows into a batch."""
        index = torch.from_numpy(rows)
        lengths: Tensor | None = None if self._lengths is None else self._lengths[index]
        x = torch.from_numpy(np.take(self._x, rows, axis=0))
        return Batch(x, self._y[index], self._mask[index], lengths, index)
