"""Labelled and unlabelled clips, mixed: the data side of every method.

Two knobs, with the names of the SemiSupCon paper. `p_s` is the fraction of the labelled training
clips whose labels are kept; the others become unlabelled clips. `b_s` is the fraction of each batch
that is drawn from the labelled clips; the rest is drawn from *all* training clips with their labels
hidden, so that an unlabelled stream exists at every `p_s`, and `b_s=0` is self-supervision. With
`b_s=null` there is one stream of all training clips with whatever is known of them: the natural
choice where every clip is partly labelled, as in OpenMIC-2018. Where a second corpus is given,
unlabelled clips are drawn from its training clips instead.

A method says what it needs of batches, see `musicssl.data.needs`, and the data module is told by
`serve`. Batches by label hold only the rows of clips, drawn for each label separately, and a clip
is labelled or unlabelled to one label at a time: see `musicssl.data.label_batches`. There the
unlabelled clips of a label are those of which it is not known; only where there are none are they
all training clips, as above.

Instances are served clip by clip. Of sound, training sees a crop of each clip at a random place, a
pure function of the seed and the batch's number; validation and test see whole clips.
"""

import dataclasses
import itertools

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.batches import BatchLoader, BatchPlan, StepLoader, Stream, labelled_share
from musicssl.data.checks import learnable
from musicssl.data.clips import Clips, JoinedClips, clips_of
from musicssl.data.corpus import Corpus, Dataset, check_clips, check_corpus
from musicssl.data.label_batches import LabelPlan, LabelRows, plan_labels
from musicssl.data.labels import ClipLabels
from musicssl.data.loaders import SplitLoader
from musicssl.data.needs import Needs
from musicssl.data.splits import carve_validation, labelled_subset, observed_cells, strata
from musicssl.data.unlabelled_corpus import told_of_the_second, training_pool
from musicssl.errors import InputError

_NO_NEEDS = Needs(labels=False)
_LABELLED_STREAM, _UNLABELLED_STREAM = 0, 1  # tell the orders of the two streams apart


@dataclasses.dataclass(frozen=True)
class LabelCount:
    """What is left to learn from, for the line printed before training.

    Attributes:
        train: Training clips.
        labelled: Those that keep a label.
        lost: Classes that have nothing to tell apart among them; see `target_checks.learnable`.
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
        seed: Of the labelled subset, of the order of the batches and of the places of crops.
        crop_seconds: What training sees of a recording, in seconds; None for all of it, padded to
            the longest of the corpus. Instances are always served whole.
        num_crops: Crops of each clip in a training batch, V, which then has V rows to a clip, one
            after the other; None for as many as the method compares. Of instances these are copies.
        adjacent_crops: Whether the crops of a clip follow each other in time; otherwise each is
            drawn for itself.
        unlabelled: A second corpus, whose training clips are the unlabelled ones; its labels are
            not looked at.
        needs: What the method needs of the batches; see `serve`. For batches by label,
            `batch_size` and `b_s` are those of each label, and `train_dataloader` yields
            `LabelRows`.
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
        crop_seconds: float | None = None,
        num_crops: int | None = None,
        adjacent_crops: bool = False,
        unlabelled: Dataset | None = None,
        needs: Needs = _NO_NEEDS,
    ) -> None:
        super().__init__()
        _check_numbers(p_s=p_s, b_s=0 if b_s is None else b_s, p_cells=p_cells)
        if not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f"data.batch_size must be a whole number from 1 up, got {batch_size}.")
        if num_crops is not None and (not isinstance(num_crops, int) or num_crops < 1):
            raise InputError(f"data.num_crops must be a whole number from 1 up, got {num_crops}.")
        self.dataset = dataset
        self.p_s = p_s
        self.b_s = b_s
        self.batch_size = batch_size
        self.p_cells = p_cells
        self.stratified = stratified
        self.val_fraction = val_fraction
        self.split_seed = split_seed
        self.seed = seed
        self.crop_seconds = crop_seconds
        self._num_crops = num_crops
        self.adjacent_crops = adjacent_crops
        self.unlabelled = unlabelled
        self._num_labelled = batch_size if b_s is None else labelled_share(b_s, batch_size)
        if unlabelled is not None and self._num_labelled == batch_size:
            raise InputError(
                f"no clip of unlabelled=... is drawn with data.b_s={_shown(b_s)}; lower data.b_s, "
                "and choose a method that learns from unlabelled clips."
            )
        self._corpus: Corpus | None = None
        self._second: Corpus | None = None
        self.needs = needs
        self._check_needs()

    def prepare_data(self) -> None:
        """Let the corpus make its caches (Lightning calls this on one process per machine)."""
        self.dataset.prepare()
        if self.unlabelled is not None:
            with told_of_the_second():
                self.unlabelled.prepare()

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
            mask[rows] = observed_cells(
                corpus.y[rows], mask[rows], self.p_cells, self.split_seed, corpus.task
            )
        kept = labelled_subset(
            corpus.y[train], mask[train], self.p_s, self.seed, self.stratified, corpus.task
        )
        kept = train[kept]
        mask[np.setdiff1d(train, kept)] = False
        self._corpus, self._train, self._val, self._labelled = corpus, train, val, kept
        self._test = corpus.indices("test")
        self._clips = self._clips_of(corpus)
        self._labels = ClipLabels(corpus, mask)
        self._pool = train
        if self.unlabelled is not None:
            with told_of_the_second():
                self._join(corpus, check_clips(self.unlabelled.load()))
        self._check_streams()
        self._check_corpus(corpus)

    def serve(self, needs: Needs) -> None:
        """Draw the training batches that a method needs, from now on.

        Args:
            needs: Of the method.

        Raises:
            InputError: If the settings or the corpus do not allow such batches.
        """
        self.needs = needs
        self._check_needs()
        if self._corpus is None:
            return
        self._check_corpus(self._corpus)
        clips = self._clips_of(self._corpus)
        if isinstance(self._clips, JoinedClips):
            self._clips = dataclasses.replace(self._clips, first=clips)
        else:
            self._clips = clips

    @property
    def num_crops(self) -> int:
        """Crops of each clip in a training batch, V."""
        return self.needs.crops if self._num_crops is None else self._num_crops

    @property
    def corpus(self) -> Corpus:
        """The corpus as loaded, every label of its files included."""
        self.setup()
        assert self._corpus is not None
        return self._corpus

    def identity(self) -> dict[str, str]:
        """Hash what a run follows from beside its settings; see `Corpus.identity`.

        What the second corpus brings has its name in front.
        """
        parts = self.corpus.identity()
        if self._second is not None:
            other = self._second.identity()
            del other["labels"]
            parts |= {f"unlabelled {name}": value for name, value in other.items()}
        return parts

    def rows(self, split: str) -> NDArray[np.int64]:
        """Return the rows of the corpus that form "train", "val" or "test" in this run."""
        self.setup()
        return {"train": self._train, "val": self._val, "test": self._test}[split]

    def clips(self, split: str) -> Batch:
        """Return all clips of a split, with the labels that this run may see, as one batch."""
        rows = self.rows(split)
        return self._labels.of(rows, self._clips.whole(rows))

    @property
    def sizes(self) -> dict[str, int | str]:
        """What the corpus decides about a method, as its keyword arguments."""
        classes, task = self.corpus.classes, self.corpus.task
        return {
            "num_features": self._clips.num_features,
            "num_instances": self._clips.num_instances,
            "num_classes": len(classes),
            "task": task,
        }

    def labels(self, split: str) -> tuple[Tensor, Tensor]:
        """Return targets and mask, both (N, C), of a split, without reading its instances."""
        rows = self.rows(split)
        return self._labels.values(rows)

    def label_count(self) -> LabelCount:
        """Count what this run learns from."""
        targets, mask = self.labels("train")
        both = learnable(targets.numpy(), mask.numpy(), self.corpus.task).tolist()
        names = zip(self.corpus.classes, both, strict=True)
        return LabelCount(
            train=len(self._train),
            labelled=len(self._labelled),
            lost=tuple(name for name, learnt in names if not learnt),
        )

    def training_rows(self) -> NDArray[np.int64]:
        """Return all clips that training batches may hold, ascending; see `batches_of`."""
        return np.union1d(self.rows("train"), self._pool)

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which a run of this size sees as many clips as there are in "train".

        It does not depend on `p_s`: label fractions are compared at equal compute. Batches by
        label have their own; see `LabelPlan`.
        """
        if self.needs.by_label:
            return self.label_plan().steps_per_epoch
        return -(-len(self.rows("train")) // (self.batch_size * self._world_size))

    def train_dataloader(self) -> StepLoader[Batch] | StepLoader[LabelRows]:
        """Return the loader of this rank's training batches."""
        trainer = self.trainer
        epochs = itertools.count()

        def epoch() -> int:
            return next(epochs) if trainer is None else trainer.current_epoch

        if self.needs.by_label:
            plan = self.label_plan()
            return StepLoader(plan.steps_per_epoch, plan.rows, epoch)
        return BatchLoader(self.batch_plan(), self._gather_training, epoch, self._clips.reads_files)

    def val_dataloader(self) -> SplitLoader:
        """Return the loader of this rank's share of the validation clips."""
        return self.batches("val", self._rank, self._world_size)

    def test_dataloader(self) -> SplitLoader:
        """Return the loader of this rank's share of the test clips."""
        return self.batches("test", self._rank, self._world_size)

    def batches(self, split: str, rank: int = 0, world_size: int = 1) -> SplitLoader:
        """Return the clips of a split in order; those of one rank, every `world_size`-th clip."""
        return self.batches_of(self.rows(split)[rank::world_size])

    def batches_of(self, rows: NDArray[np.int64]) -> SplitLoader:
        """Return clips of the corpus, whole and in order, with the labels that this run may see."""
        return SplitLoader(self._clips, self._labels, rows, self.batch_size, self.needs.activity)

    def labelled(self, limit: int | None = None) -> NDArray[np.int64]:
        """Return the training clips that keep labels, or so many of them, drawn by the seed."""
        self.setup()
        if limit is None or limit >= len(self._labelled):
            return self._labelled
        drawn = np.random.default_rng(self.seed).permutation(self._labelled)[:limit]
        return np.sort(drawn)

    def transfer_batch_to_device(
        self, batch: Batch | LabelRows, device: torch.device, dataloader_idx: int
    ) -> Batch | LabelRows:
        """Move a batch, without Lightning's search for tensors in collections of any kind."""
        return batch.to(device)

    def batch_plan(self) -> BatchPlan:
        """Return which clips form each batch of this rank."""
        labelled_pool = self.rows("train") if self.b_s is None else self.labelled()
        return BatchPlan(
            labelled=Stream(labelled_pool, (self.seed, _LABELLED_STREAM)),
            unlabelled=Stream(self._pool, (self.seed, _UNLABELLED_STREAM)),
            batch_size=self.batch_size,
            num_labelled=self._num_labelled,
            steps_per_epoch=self.steps_per_epoch,
            rank=self._rank,
            world_size=self._world_size,
            num_crops=self.num_crops,
        )

    def label_plan(self) -> LabelPlan:
        """Return which clips form each batch of this rank, for each label separately.

        Where a clip has one class there is one plan for all labels: it is known or not.
        """
        known = self.labels("train")[1]
        if self.corpus.task == "multi_class":
            known = known.all(dim=1, keepdim=True)
        return plan_labels(
            known.numpy(),
            train=self.rows("train"),
            others=None if self.unlabelled is None else self._pool,
            seed=self.seed,
            batch_size=self.batch_size,
            num_labelled=self._num_labelled,
            rank=self._rank,
            world_size=self._world_size,
        )

    @property
    def _rank(self) -> int:
        return 0 if self.trainer is None else self.trainer.global_rank

    @property
    def _world_size(self) -> int:
        return 1 if self.trainer is None else self.trainer.world_size

    def _gather_training(self, rows: NDArray[np.int64], places: NDArray[np.float64]) -> Batch:
        piece = self._clips.crop(rows, places)
        batch = self._labels.of(np.repeat(rows, self.num_crops), piece, self.needs.activity)
        batch.mask[self._num_labelled * self.num_crops :] = False  # the labels are a copy
        return batch

    def _clips_of(self, corpus: Corpus) -> Clips:
        return clips_of(corpus, self.crop_seconds, self.adjacent_crops, self.needs.activity)

    def _join(self, corpus: Corpus, other: Corpus) -> None:
        """Number the clips of the second corpus after those of the first, and draw from them."""
        self._second = other
        pool = training_pool(other, corpus, np.concatenate([self._val, self._test]))
        clips = clips_of(other, self.crop_seconds, self.adjacent_crops)
        if (other.is_sound, other.num_features) != (corpus.is_sound, corpus.num_features):
            raise InputError(
                f"{corpus.name} and unlabelled={other.name} differ in what a clip is made of; "
                "choose features that both have, such as features=log_mel or features=waveform."
            )
        self._pool = len(corpus.clip_ids) + pool
        self._clips = JoinedClips(self._clips, clips, len(corpus.clip_ids))
        self._labels.append_unlabelled(len(other.clip_ids))

    def _carve(
        self, corpus: Corpus, train: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Let labelled clips validate; unlabelled ones of their groups are left out of training."""
        labelled = train[corpus.mask[train].any(axis=1)]
        present = strata(corpus.y[labelled], corpus.mask[labelled], corpus.task)
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
            cure = "raise data.p_s" + (" or set data.b_s=0" if not self.needs.labels else "")
            raise InputError(
                f"data.p_s={self.p_s:g} leaves no labelled clip, but data.b_s={_shown(self.b_s)} "
                f"draws them; {cure}."
            )

    def _check_needs(self) -> None:
        """Refuse settings that do not give the method what it needs."""
        needs, share = self.needs, _shown(self.b_s)
        if needs.by_label and not self.b_s:
            raise InputError(
                "this method draws batches for each label separately, a share of them labelled, "
                f"which data.b_s={share} is not; set it above 0, such as data.b_s=0.5."
            )
        if needs.by_label and self.num_crops > 1:
            raise InputError(
                "this method draws batches for each label separately, on which data.num_crops="
                f"{self.num_crops} has no effect; leave it out."
            )
        if needs.labels and self.b_s == 0:
            raise InputError("data.b_s=0 hides the labels that this method needs; raise it.")
        if needs.only_labelled and self.b_s != 1:
            raise InputError(
                f"this method learns from labelled clips alone, but data.b_s={share} draws others; "
                "set data.b_s=1."
            )
        if self.num_crops < needs.crops:
            raise InputError(
                f"this method compares crops of a clip, but data.num_crops={self.num_crops}; set "
                f"it to {needs.crops}."
            )

    def _check_corpus(self, corpus: Corpus) -> None:
        """Refuse a corpus that lacks what the method needs."""
        if self.needs.by_label and corpus.task == "regression":
            raise InputError(
                f"this method draws batches for each class, but {corpus.name} is a regression; "
                "choose another method."
            )
        if self.needs.activity and corpus.activity is None:
            raise InputError(
                f"{corpus.name} does not say when its classes sound, which this method needs; "
                "choose another method, or a corpus with activity: synthband, or medleydb with "
                "dataset.what=mixes and dataset.activity."
            )


def _shown(b_s: float | None) -> str:
    """Return `b_s` as it is typed."""
    return "null" if b_s is None else f"{b_s:g}"


def _check_numbers(**settings: object) -> None:
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"data.{name} must be a number, got {value!r}.")
