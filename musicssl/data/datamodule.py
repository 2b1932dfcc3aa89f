"""The data module of every method: batches of labelled and unlabelled clips.

Two settings, with the names of the SemiSupCon paper, control the mix. `p_s` is the fraction of the
labelled training clips whose labels are kept; the others become unlabelled clips. `b_s` is the
fraction of each batch that is drawn from the labelled clips. The rest is drawn from *all* training
clips, with their labels hidden, so that there is an unlabelled stream at every `p_s`, and `b_s=0`
is self-supervision. With `b_s=null` there is one stream of all training clips with all labels that
were observed: the natural choice if every clip is partly labelled, as in OpenMIC-2018. If there is
an unlabelled corpus, unlabelled clips are drawn from its training clips instead. `u_s` is the
fraction of the unlabelled clips that are used; the others are as if the corpus did not have them.

A method declares its requirements of batches, see `musicssl.data.needs`, and passes them to
`serve`. Batches by label hold only the rows of clips, drawn for each label separately, and a clip
can be labelled for one label and unlabelled for another: see `musicssl.data.label_batches`. The
unlabelled clips of a label are then the clips in which it was not observed, or all training clips
if it was observed in all of them.

Clips of instances are always whole. Clips of sound are cropped in training, at random positions
that are a pure function of the seed and the number of the batch; validation and test use whole
clips.
"""

import dataclasses
import itertools
from functools import partial

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicssl.batch import Batch
from musicssl.data.batches import BatchLoader, BatchPlan, StepLoader, Stream, labelled_share
from musicssl.data.checks import check_clips, check_corpus
from musicssl.data.clips import Clips, clips_of, feature_statistics
from musicssl.data.corpus import Corpus, Dataset
from musicssl.data.joined_clips import JoinedClips, as_stored
from musicssl.data.label_batches import LabelPlan, LabelRows, plan_labels
from musicssl.data.loaders import SplitLoader
from musicssl.data.needs import Needs, check_corpus_for, check_needs, check_teacher
from musicssl.data.outline import Outline, outline_of
from musicssl.data.resident import (
    AUTO,
    ResidentClips,
    ResidentLabelPlan,
    ResidentLoader,
    ResidentSplit,
    is_resident,
    size_of,
)
from musicssl.data.sending import SendingLoader
from musicssl.data.settings import check_settings
from musicssl.data.subsets import Subsets, check_subsets, draw_subsets
from musicssl.data.teacher import Teacher, TeacherTable, teacher_of
from musicssl.data.unlabelled_corpus import check_same_features, prefix_errors, used_pool
from musicssl.data.validation import BY_LABELS

_NO_NEEDS = Needs(labels=False, tokens=True)
_LABELLED_STREAM, _UNLABELLED_STREAM = 0, 1  # give the two streams different orders


class SemiSupervisedDataModule(pl.LightningDataModule):
    """Serve a corpus in batches of labelled and unlabelled clips.

    Args:
        dataset: Dataset that loads the corpus.
        p_s: Fraction of the labelled training clips whose labels are kept, in [0, 1].
        u_s: Fraction of the clips without labels that are used, in [0, 1]; clips of the unlabelled
            corpus, if there is one. Clips that keep labels are always used.
        b_s: Labelled share of each batch, in [0, 1], or None for one stream of all training clips.
        batch_size: Clips per batch and rank, B.
        p_cells: Fraction of the classes that stay observed in a training or validation clip; about
            0.1 resembles OpenMIC-2018, 1 keeps all labels. Test clips always keep all labels.
        stratified: Whether to keep labels of every class at small `p_s`; see
            `musicssl.data.splits.labelled_subset`.
        val_fraction: Fraction of "train" that becomes the validation set if the corpus has no
            "val" clips.
        val_by: "clips": validation clips are taken out of "train". "labels": each class is
            validated on that fraction of its own labels, of clips that may train other classes;
            for methods with batches by label.
        val_list: File that names the validation clips instead; see
            `musicssl.data.validation.listed_clips`.
        val_labels: Validation clips that keep their labels: their number (an integer), a fraction
            (a float), or None for all; see `musicssl.data.splits.labelled_validation`.
        missing: What labels that were not observed are in the training clips that keep labels:
            "masked" or "negative".
        drop_labels: Probability of hiding an observed label of these clips; see
            `musicssl.data.missing_labels`.
        split_seed: Seed of the validation set, of `p_cells` and of `drop_labels`. It differs from
            `seed`, so that runs with different seeds have the same validation set.
        seed: Seed of the labelled subset, also of `u_s` and `val_labels`, of the order of the
            batches and of the crop positions.
        disjoint: Whether unlabelled clips are drawn only from the clips that keep no label, D_u;
            otherwise from all training clips, with the labels hidden.
        epoch_of: An epoch draws as many clips as are in "train", or as are "labelled" or
            "unlabelled": the clips of that stream. With `b_s=0.5` it is half a pass over either.
            "crops": as many crops as "train" is long, and each clip as often as it has crops.
        steps_per_epoch: Batches of an epoch, after which a run is validated. None for the number
            that follows from `epoch_of`. Batches by label have a number of their own.
        crop_seconds: Length of a training crop of a recording, in seconds; None for the whole
            recording, padded to the longest of the corpus. Instances are never cropped.
        num_crops: Crops of each clip in a training batch, V; the batch then has V consecutive rows
            per clip. None for the number that the method compares. Crops of instances are copies.
        adjacent_crops: Whether the crops of a clip follow each other in time; otherwise each has a
            random position of its own.
        unlabelled: Dataset of a second corpus from which unlabelled clips are drawn; its labels are
            ignored.
        resident: Whether instances are kept on the device of training, where batches are gathered
            from them; see `musicssl.data.resident`. "auto": on a GPU, if they take at most half of
            its free memory. The batches are the same.
        needs: Requirements of the method; see `serve`. For batches by label, `batch_size` and `b_s`
            apply to each label, and `train_dataloader` yields `LabelRows`.
    """

    def __init__(
        self,
        dataset: Dataset,
        p_s: float = 1.0,
        b_s: float | None = 1.0,
        u_s: float = 1.0,
        batch_size: int = 128,
        p_cells: float = 1.0,
        stratified: bool = False,
        val_fraction: float = 0.15,
        val_by: str = "clips",
        val_list: str | None = None,
        val_labels: float | None = None,
        missing: str = "masked",
        drop_labels: float = 0.0,
        split_seed: int = 0,
        seed: int = 0,
        disjoint: bool = False,
        epoch_of: str = "train",
        steps_per_epoch: int | None = None,
        crop_seconds: float | None = None,
        num_crops: int | None = None,
        adjacent_crops: bool = False,
        unlabelled: Dataset | None = None,
        resident: bool | str = AUTO,
        needs: Needs = _NO_NEEDS,
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.p_s = p_s
        self.b_s = b_s
        self.u_s = u_s
        self.batch_size = batch_size
        self.p_cells = p_cells
        self.stratified = stratified
        self.val_fraction = val_fraction
        self.val_by = val_by
        self.val_list = val_list
        self.val_labels = val_labels
        self.missing = missing
        self.drop_labels = drop_labels
        self.split_seed = split_seed
        self.seed = seed
        self.disjoint = disjoint
        self.epoch_of = epoch_of
        self._steps_per_epoch = steps_per_epoch
        self.crop_seconds = crop_seconds
        self._num_crops = num_crops
        self.adjacent_crops = adjacent_crops
        self.unlabelled = unlabelled
        self.resident = resident
        self._device: torch.device | None = None  # of resident clips
        self._on_device: ResidentClips | None = None
        check_settings(self, num_crops, steps_per_epoch)
        self._num_labelled = batch_size if b_s is None else labelled_share(b_s, batch_size)
        self.teacher: Teacher | None = None
        self._corpus: Corpus | None = None
        self._second: Corpus | None = None
        self.needs = needs
        check_needs(self.needs, self)

    def outline(self) -> Outline | None:
        """Check folders and annotations of the corpora before anything is prepared.

        Returns:
            What is known of the corpus, without the unlabelled corpus; None if nothing is.

        Raises:
            InputError: If a folder or file is missing, a class cannot be learnt, or the features of
                the two corpora differ.
        """
        outline, other = outline_of(self.dataset), None
        if self.unlabelled is not None:
            with prefix_errors():
                other = outline_of(self.unlabelled)
        if outline is not None:
            outline.check_labels()
        if outline is not None and other is not None:
            check_same_features(outline, other)
        return outline

    def prepare_data(self) -> None:
        """Prepare the caches of the corpora; Lightning calls this in one process per machine."""
        self.dataset.prepare()
        if self.unlabelled is not None:
            with prefix_errors():
                self.unlabelled.prepare()

    def setup(self, stage: str | None = None) -> None:
        """Load the corpus, and draw the splits and the labelled subset.

        Raises:
            InputError: If the corpus cannot be learnt from, or `b_s` requires labelled clips and
                `p_s` keeps none.
        """
        if self._corpus is not None:
            return
        corpus = check_corpus(self.dataset.load())
        self._subsets = draw_subsets(corpus, self)
        self._corpus = corpus
        self._clips = self._clips_of(corpus)
        if self.unlabelled is not None:
            with prefix_errors():
                self._join(corpus, check_clips(self.unlabelled.load()))
        check_subsets(self._subsets, corpus, self, self.needs.labels)
        check_corpus_for(self.needs, corpus)
        check_teacher(self.needs, self.teacher)

    def serve(self, needs: Needs) -> None:
        """Set the requirements of a method, which apply to all further training batches.

        Args:
            needs: Requirements of the method.

        Raises:
            InputError: If the settings or the corpus do not meet the requirements.
        """
        self.needs = needs
        check_needs(self.needs, self)
        self._on_device = None  # what batches hold may be other now
        if self._corpus is None:
            return
        check_corpus_for(self.needs, self._corpus)
        check_teacher(self.needs, self.teacher)
        clips = self._clips_of(self._corpus)
        if isinstance(self._clips, JoinedClips):
            self._clips = dataclasses.replace(self._clips, first=clips)
        else:
            self._clips = clips

    def add_teacher(self, table: TeacherTable) -> None:
        """Add the outputs of a teacher to training batches, for methods that need them.

        Raises:
            InputError: If it says nothing of the training clips, or its width does not fit.
        """
        self.setup()
        self.teacher = teacher_of(table, self.corpora, self.training_rows())
        self._on_device = None

    def teacher_outputs(self, split: str) -> tuple[Tensor, Tensor, Tensor]:
        """Return the outputs of the teacher for the clips of a split, and their labels.

        Returns:
            Values, (n, E), targets and mask, (n, C), of those clips that the teacher knows.
        """
        assert self.teacher is not None
        rows = self.rows(split)
        rows = rows[self.teacher.knows(rows)]
        return self.teacher.values(rows), *self.subsets.labels.values(rows)

    @property
    def num_crops(self) -> int:
        """Crops of each clip in a training batch, V."""
        return self.crops_of(self.needs.crops)

    def crops_of(self, compared: int) -> int:
        """Return V for a method that compares so many crops."""
        return compared if self._num_crops is None else self._num_crops

    @property
    def corpus(self) -> Corpus:
        """The corpus as loaded, with all labels, also those that this run may not see."""
        self.setup()
        assert self._corpus is not None
        return self._corpus

    @property
    def subsets(self) -> Subsets:
        """The clips that train, validate and test, and the labels that this run may see."""
        self.setup()
        return self._subsets

    @property
    def corpora(self) -> list[Corpus]:
        """The corpus, and the unlabelled corpus if there is one."""
        return [self.corpus, *([] if self._second is None else [self._second])]

    def identity(self) -> dict[str, str]:
        """Hash the data that a run depends on; see `Corpus.identity`.

        Hashes of the second corpus have names that begin with "unlabelled".
        """
        parts = self.corpus.identity()
        if self._second is not None:
            other = self._second.identity()
            del other["labels"]
            parts |= {f"unlabelled {name}": value for name, value in other.items()}
        return parts

    def rows(self, split: str) -> NDArray[np.int64]:
        """Return the rows of the clips of "train", "val" or "test" in this run."""
        return self.subsets.rows(split)

    def clips(self, split: str) -> Batch:
        """Return all clips of a split, with the labels that this run may see, as one batch."""
        rows = self.rows(split)
        return self.subsets.labels_in(split).of(rows, self._clips.whole(rows))

    @property
    def sizes(self) -> dict[str, int | str]:
        """Keyword arguments of a method that depend on the corpus."""
        classes, task = self.corpus.classes, self.corpus.task
        tokens = {"num_tokens": len(self.corpus.tokens)} if self.corpus.is_tokens else {}
        return {
            "num_features": self._clips.num_features,
            "num_instances": self._clips.num_instances,
            "num_classes": len(classes),
            "task": task,
            **tokens,
        }

    def labels(self, split: str) -> tuple[Tensor, Tensor]:
        """Return targets and mask, both (N, C), of a split, without reading its input."""
        rows = self.rows(split)
        return self.subsets.labels_in(split).values(rows)

    def feature_statistics(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation, both (F,) float32, of the training clips' instances.

        All clips that training batches may hold count, with or without labels; no other clip does.
        """
        return feature_statistics(self._clips, self.training_rows())

    @property
    def labelled_in_batch(self) -> int:
        """Number of clips in a batch of each rank that are drawn for their labels."""
        return self._num_labelled

    def training_rows(self) -> NDArray[np.int64]:
        """Return all clips that training batches may hold, ascending; see `batches_of`."""
        self.setup()
        return np.union1d(self.subsets.used, self.subsets.pool)

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps of an epoch, on each rank.

        Unless it was given, all ranks together draw as many clips in it as `epoch_of` says. With
        "train" it does not depend on `p_s`, so that label fractions are compared at equal compute.
        For batches by label see `LabelPlan.steps_per_epoch`.
        """
        if self.needs.by_label:
            return self.label_plan().steps_per_epoch
        if self._steps_per_epoch is not None:
            return self._steps_per_epoch
        self.setup()
        clips = {
            "train": self.subsets.train,
            "labelled": self.subsets.labelled,
            "unlabelled": self.subsets.pool,
            "crops": self._by_crops(self.subsets.train),
        }
        return max(1, -(-len(clips[self.epoch_of]) // (self.batch_size * self._world_size)))

    def train_dataloader(self) -> StepLoader[Batch] | StepLoader[LabelRows] | SendingLoader:
        """Return the loader of this rank's training batches."""
        trainer = self.trainer
        epochs = itertools.count()

        def epoch() -> int:
            return next(epochs) if trainer is None else trainer.current_epoch

        device = self._resident_on()
        if self.needs.by_label:
            plan = self.label_plan()
            rows = plan.rows if device is None else ResidentLabelPlan(plan, device).rows
            return StepLoader(plan.steps_per_epoch, rows, epoch)
        if device is not None:
            return ResidentLoader(self.batch_plan(), self._resident_clips, epoch, device)
        reads_files = self._clips.reads_files
        on = torch.device("cpu") if trainer is None else trainer.strategy.root_device
        if reads_files and on.type == "cuda":
            gather = partial(self._gather_training, clips=as_stored(self._clips))
            return SendingLoader(self.batch_plan(), gather, epoch, on)
        gather = partial(self._gather_training, clips=self._clips)
        return BatchLoader(self.batch_plan(), gather, epoch, reads_files)

    def val_dataloader(self) -> SplitLoader | ResidentSplit:
        """Return the loader of this rank's share of the validation clips."""
        return self._evaluated("val")

    def test_dataloader(self) -> SplitLoader | ResidentSplit:
        """Return the loader of this rank's share of the test clips."""
        return self._evaluated("test")

    def teardown(self, stage: str) -> None:
        """Free the memory of the device when training has ended; Lightning calls this."""
        self._device = self._on_device = None

    def _evaluated(self, split: str) -> SplitLoader | ResidentSplit:
        device = self._resident_on()
        if device is None or self.needs.by_label:
            return self.batches(split, self._rank, self._world_size)
        rows = self.rows(split)[self._rank :: self._world_size]
        everything = np.arange(len(self.corpus.clip_ids))
        return ResidentSplit(
            list(self._clips.batches(rows, self.batch_size)),
            self._resident_clips,
            *self.subsets.labels_in(split).values(everything),
            device=device,
        )

    def _resident_on(self) -> torch.device | None:
        """Return the device on which batches are gathered; None for the memory of the computer."""
        self.setup()
        trainer = self.trainer
        device = torch.device("cpu") if trainer is None else trainer.strategy.root_device
        if self._device != device:
            size = size_of(self.corpora, self._teacher_in_batches(), self.needs.activity)
            self._device = device if is_resident(self.resident, size, device) else None
        return self._device

    def _resident_clips(self) -> ResidentClips:
        """Return all clips on the device of training, copied to it when they are first needed."""
        if self._on_device is None:
            assert self._device is not None
            self._on_device = ResidentClips.of(
                self._clips,
                self.subsets.labels,
                [len(corpus.clip_ids) for corpus in self.corpora],
                self._device,
                self.needs.activity,
                self._teacher_in_batches(),
            )
        return self._on_device

    def _teacher_in_batches(self) -> Teacher | None:
        return self.teacher if self.needs.teacher else None

    def batches(self, split: str, rank: int = 0, world_size: int = 1) -> SplitLoader:
        """Return the loader of the whole clips of a split, in order.

        With `world_size > 1`, every `world_size`-th clip starting at `rank`.
        """
        rows = self.rows(split)[rank::world_size]
        labels = self.subsets.labels_in(split)
        return SplitLoader(self._clips, labels, rows, self.batch_size, self.needs.activity)

    def batches_of(self, rows: NDArray[np.int64]) -> SplitLoader:
        """Return a loader of whole clips, in order, with the labels that this run may train on."""
        return SplitLoader(
            self._clips, self.subsets.labels, rows, self.batch_size, self.needs.activity
        )

    def labelled(self, limit: int | None = None) -> NDArray[np.int64]:
        """Return the training clips that keep labels, or `limit` of them, drawn by the seed."""
        self.setup()
        if limit is None or limit >= len(self.subsets.labelled):
            return self.subsets.labelled
        drawn = np.random.default_rng(self.seed).permutation(self.subsets.labelled)[:limit]
        return np.sort(drawn)

    def transfer_batch_to_device(
        self, batch: Batch | LabelRows, device: torch.device, dataloader_idx: int
    ) -> Batch | LabelRows:
        """Move a batch to a device, without Lightning's slow search for tensors in collections."""
        return batch.to(device)

    def batch_plan(self) -> BatchPlan:
        """Return the plan of this rank's training batches."""
        self.setup()
        labelled_pool = self.subsets.used if self.b_s is None else self.labelled()
        return BatchPlan(
            labelled=Stream(self._by_crops(labelled_pool), (self.seed, _LABELLED_STREAM)),
            unlabelled=Stream(self._by_crops(self.subsets.pool), (self.seed, _UNLABELLED_STREAM)),
            batch_size=self.batch_size,
            num_labelled=self._num_labelled,
            steps_per_epoch=self.steps_per_epoch,
            rank=self._rank,
            world_size=self._world_size,
            num_crops=self.num_crops,
        )

    def label_plan(self) -> LabelPlan:
        """Return the plan of this rank's training batches by label.

        In a multi-class corpus there is one model for all classes, because either all classes of a
        clip were observed or none.
        """
        self.setup()
        observed = self.subsets.labels.values(self.subsets.used)[1]
        if self.corpus.task == "multi_class":
            observed = observed.all(dim=1, keepdim=True)
        return plan_labels(
            observed.numpy(),
            train=self.subsets.used,
            others=None if self.unlabelled is None else self.subsets.pool,
            seed=self.seed,
            batch_size=self.batch_size,
            num_labelled=self._num_labelled,
            rank=self._rank,
            world_size=self._world_size,
            validating=self._validating(),
        )

    def _by_crops(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return each clip as often as it is drawn in a pass: once, or as it has whole crops."""
        return rows if self.epoch_of != "crops" else np.repeat(rows, self._clips.num_crops(rows))

    def _validating(self) -> NDArray[np.bool_] | None:
        """Return which labels of the used clips validate, (N, C); None if whole clips do."""
        if self.val_by != BY_LABELS:
            return None
        return self.subsets.val_labels.values(self.subsets.used)[1].numpy()

    @property
    def _rank(self) -> int:
        return 0 if self.trainer is None else self.trainer.global_rank

    @property
    def _world_size(self) -> int:
        return 1 if self.trainer is None else self.trainer.world_size

    def _gather_training(
        self, rows: NDArray[np.int64], positions: NDArray[np.float64], clips: Clips
    ) -> Batch:
        piece = clips.crop(rows, positions)
        batch = self.subsets.labels.of(np.repeat(rows, self.num_crops), piece, self.needs.activity)
        batch.mask[self._num_labelled * self.num_crops :] = False  # the labels are a copy
        teacher = self._teacher_in_batches()
        if teacher is None:
            return batch
        return teacher.added_to(batch, np.repeat(rows, self.num_crops))

    def _clips_of(self, corpus: Corpus) -> Clips:
        return clips_of(corpus, self.crop_seconds, self.adjacent_crops, self.needs.activity)

    def _join(self, corpus: Corpus, other: Corpus) -> None:
        """Append the clips of the unlabelled corpus, and draw unlabelled clips from them."""
        self._second = other
        drawn, count = self._subsets, len(corpus.clip_ids)
        held_out = np.concatenate([drawn.val, drawn.test])
        pool = used_pool(other, corpus, held_out, self.u_s, self.seed)
        clips = clips_of(other, self.crop_seconds, self.adjacent_crops)
        self._subsets = dataclasses.replace(drawn, pool=count + pool)
        self._clips = JoinedClips(self._clips, clips, count)
        drawn.labels.append_unlabelled(len(other.clip_ids))
