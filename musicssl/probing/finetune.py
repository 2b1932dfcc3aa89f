"""Fine-tuning: what a trained encoder is worth as the start of training on another corpus.

Unlike the probes of `musicssl.probing`, this one changes the encoder, a copy of it, and needs the
clips themselves beside their embeddings. Encoder and linear head are trained on each subset of
labelled clips with several learning rates; the rate and the epoch with the least loss on the
validation clips are kept. The state before the first step is among them: fine-tuning does not
validate worse than what it starts from.
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
from musicssl.probing.finetuning.quiet_lightning import quiet_lightning
from musicssl.probing.finetuning.training import EpochsBar, progress_of_epochs, train_in_memory
from musicssl.probing.linear import LinearProbe, fit_linear


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A network that was fine-tuned, in evaluation mode.

    Attributes:
        network: Encoder and head.
        val_loss: What it was chosen by, of the validation clips: the natural loss of the task.
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
    """How to fine-tune an encoder.

    The head is linear, on a clip's mean embedding. It starts as the linear probe of the frozen
    encoder: from a random head, the first steps would distort features that were good (Kumar et
    al. 2022, https://arxiv.org/abs/2202.10054, "LP-FT"). Everything is trained at one rate by AdamW
    with the natural loss of the task, in the units of its targets.

    The encoder works as in evaluation while it learns: batch norms keep the mean and variance that
    they learnt from much audio, and nothing is dropped. Otherwise statistics of few clips, which
    are noise, and dropout would move the embeddings that the head was made for before any weight
    has changed. One rule for all numbers of clips keeps a curve over them comparable.

    Attributes:
        rates: Learning rates to try.
        epochs: At most; see `labelled_batches` for what an epoch is.
        patience: Epochs without a smaller validation loss after which training stops.
        batch_size: Clips in a training batch, at most.
        weight_decay: Of AdamW: a fraction of the learning rate.
        crop_seconds: What training sees of a recording, in seconds; None for all of it. Instances
            are always seen whole.
        from_linear: Whether the head starts as the linear probe; otherwise from 0.
        as_evaluated: Whether the encoder works as in evaluation. False is fair to one that has
            learnt nothing, and whose batch norms have no statistics to keep.
        seed: Of the order of clips, the places of crops, and dropout if there is any.

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

        A result depends on its own subset only. The encoder stays as it is, and so do the random
        numbers of the caller.

        Args:
            encoder: Maps clips to embeddings; see `Classifier`.
            datamodule: Serves the clips, and the labels of those that validate.
            train: The training clips as the encoder embeds them now, in the order of
                `datamodule.rows("train")`, and their labels.
            subsets: Rows of those whose labels may be seen, each (n,) int64.
            val: The validation clips as the encoder embeds them now.
            device: To train on; the networks stay there.

        Raises:
            InputError: If a subset or the validation clips have no label, an embedding is not
                finite, or crops are shorter than what the encoder embeds together.
        """
        corpus, task = datamodule.corpus, task_named(datamodule.corpus.task)
        check_crops(getattr(encoder, "chunk_samples", None), self.crop_seconds, corpus)
        clips, clip_rows = clips_of(corpus, self.crop_seconds), datamodule.rows("train")
        labelled = [train.select(rows.to(train.h.device)) for rows in subsets]
        heads = [self._head(seen, val, task) for seen in labelled]
        gpus = [device] if device.type == "cuda" else []
        fitted = []
        with quiet_lightning(), torch.random.fork_rng(devices=gpus), progress_of_epochs() as shown:
            bar = EpochsBar(shown, len(subsets) * len(self.rates) * self.epochs)
            for rows, seen, head in zip(subsets, labelled, heads, strict=True):
                here = clip_rows[rows.cpu().numpy()]
                batches = partial(labelled_batches, clips, here, seen, self.batch_size, self.seed)
                start = with_linear_head(encoder, head, len(corpus.classes))
                val_clips = datamodule.batches("val")
                tried = [
                    self._trained(start, task, rate, batches(), val_clips, bar, device)
                    for rate in self.rates
                ]
                fitted.append(min(tried, key=lambda one: one.val_loss))
        return fitted

    def _head(self, labelled: Embeddings, val: Embeddings, task: Task) -> LinearProbe | None:
        """Fit what the head starts as; None for a head of 0."""
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
