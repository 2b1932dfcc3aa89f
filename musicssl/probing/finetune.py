"""Fine-tuning of a trained encoder on another corpus.

Unlike the other probes, this one changes (a copy of) the encoder, and needs the clips in addition
to their embeddings. Encoder and linear head are trained on each subset of labelled clips with
several learning rates; the rate and the epoch with the lowest validation loss are kept. The state
before the first step is a candidate as well: the validation loss is never higher than at the start.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from musicssl.batch import Batch
from musicssl.data.batches import BatchLoader
from musicssl.data.clips import clips_of
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.label_grid import check_crops
from musicssl.data.loaders import SplitLoader
from musicssl.errors import InputError
from musicssl.evaluation.tasks import Task, task_named
from musicssl.networks.classifier import Classifier
from musicssl.probing.base import Embeddings
from musicssl.probing.finetuning.labelled_batches import labelled_batches
from musicssl.probing.finetuning.network import FineTunedNetwork, with_linear_head
from musicssl.probing.finetuning.training import (
    EpochsBar,
    epochs_progress,
    quiet_lightning,
    train_in_memory,
)
from musicssl.probing.linear import LinearProbe, fit_linear


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A fine-tuned network, in evaluation mode.

    Attributes:
        network: Encoder and head.
        val_loss: The natural loss of the task on the validation clips, by which it was chosen.
        chosen: Learning rate ("rate") and epoch ("epoch"; 0 is before training).
    """

    network: FineTunedNetwork
    val_loss: float
    chosen: Mapping[str, float]

    def scores(self, batch: Batch) -> Tensor:
        """Return probabilities of classes, or values, (B, C), for a batch on any device."""
        return self.network.scores(batch)


@dataclass(frozen=True)
class FineTune:
    """Fine-tune an encoder with a linear head.

    The input of the head is a clip's mean embedding. The head starts as the linear probe of the
    frozen encoder: with a random head, the first steps would distort good features (Kumar et al.
    2022, https://arxiv.org/abs/2202.10054, "LP-FT"). Everything is trained at one rate by AdamW
    with the natural loss of the task, in the units of its targets.

    By default the encoder is in evaluation mode during training: batch norms keep the mean and
    variance that they learnt from much audio, and dropout is off. Otherwise the noisy statistics of
    few clips, and dropout, would change the embeddings for which the head was fitted before any
    weight has changed. The same rule for all numbers of clips keeps a curve over them comparable.

    Attributes:
        rates: Learning rates to try.
        epochs: Maximum number of epochs; `labelled_batches` defines an epoch.
        patience: Number of epochs without a lower validation loss after which training stops.
        batch_size: Largest number of clips in a training batch.
        weight_decay: Weight decay of AdamW, relative to the learning rate.
        crop_seconds: Length of the crops of recordings in training, in seconds; None for whole
            recordings. Instances are never cropped.
        from_linear: Whether the head starts as the linear probe; otherwise from 0.
        as_evaluated: Whether the encoder is in evaluation mode during training. False is fair for
            an untrained encoder, whose batch norms have no statistics yet.
        seed: Seed of the order of clips, the positions of crops, and dropout.

    Raises:
        InputError: If a setting is invalid.
    """

    rates: Sequence[float] = (1e-5, 1e-4, 1e-3)
    epochs: int = 50
    patience: int = 10
    batch_size: int = 16
    weight_decay: float = 0.01
    crop_seconds: float | None = None
    from_linear: bool = True
    as_evaluated: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.rates, Sequence) or not self.rates or min(self.rates) <= 0:
            raise InputError(
                "probe.rates must be a list of numbers above 0, such as [0.0001,0.001], got "
                f"{self.rates}."
            )
        for name, least in {"epochs": 1, "patience": 1, "batch_size": 2, "weight_decay": 0}.items():
            value = getattr(self, name)
            if value < least:
                raise InputError(f"probe.{name} must be {least} or more, got {value:g}.")

    def fit(
        self,
        encoder: nn.Module,
        datamodule: SemiSupervisedDataModule,
        train: Embeddings,
        subsets: Sequence[Tensor],
        val: Embeddings,
        device: torch.device,
    ) -> list[FineTuned]:
        """Fine-tune a copy of an encoder to each of several subsets of the training clips.

        Every result depends on its own subset only. Neither the encoder nor the caller's random
        generators are changed.

        Args:
            encoder: Maps clips to embeddings; see `Classifier`.
            datamodule: Provides the clips, and the labels of the validation clips.
            train: Embeddings of the training clips by this encoder, in the order of
                `datamodule.rows("train")`, and their labels.
            subsets: Rows of the clips whose labels may be used, each (n,) int64.
            val: Embeddings and labels of the validation clips.
            device: Device for training, on which the networks remain.

        Raises:
            InputError: If a subset or the validation clips have no label, an embedding is not
                finite, or crops are shorter than a chunk of the encoder.
        """
        corpus, task = datamodule.corpus, task_named(datamodule.corpus.task)
        check_crops(getattr(encoder, "chunk_samples", None), self.crop_seconds, corpus)
        clips, clip_rows = clips_of(corpus, self.crop_seconds), datamodule.rows("train")
        labelled = [train.select(rows.to(train.h.device)) for rows in subsets]
        heads = [self._head(clips_of_subset, val, task) for clips_of_subset in labelled]
        gpus = [device] if device.type == "cuda" else []
        fitted = []
        with quiet_lightning(), torch.random.fork_rng(devices=gpus), epochs_progress() as progress:
            bar = EpochsBar(progress, len(subsets) * len(self.rates) * self.epochs)
            for rows, labels, head in zip(subsets, labelled, heads, strict=True):
                subset = clip_rows[rows.cpu().numpy()]
                batches = partial(
                    labelled_batches, clips, subset, labels, self.batch_size, self.seed
                )
                start = with_linear_head(encoder, head, len(corpus.classes))
                val_clips = datamodule.batches("val")
                candidates = [
                    self._trained(start, task, rate, batches(), val_clips, bar, device)
                    for rate in self.rates
                ]
                fitted.append(min(candidates, key=lambda candidate: candidate.val_loss))
        return fitted

    def _head(self, labelled: Embeddings, val: Embeddings, task: Task) -> LinearProbe | None:
        """Fit the initial head; None means weights of 0."""
        if self.from_linear:
            return fit_linear(labelled, val, task)
        if not labelled.mask.any():
            raise InputError("no training clip has a label to learn from; raise data.p_s.")
        return None

    def _trained(
        self,
        start: Classifier,
        task: Task,
        rate: float,
        batches: BatchLoader,
        val: SplitLoader,
        bar: EpochsBar,
        device: torch.device,
    ) -> FineTuned:
        """Train a copy of a classifier at one rate."""
        optimizer = partial(torch.optim.AdamW, lr=rate, weight_decay=self.weight_decay)
        network = FineTunedNetwork(copy.deepcopy(start), task, optimizer, self.as_evaluated)
        best = train_in_memory(
            network,
            batches,
            val,
            bar,
            device,
            epochs=self.epochs,
            patience=self.patience,
            seed=self.seed,
        )
        return FineTuned(network, best.loss, {"rate": rate, "epoch": best.epoch})
