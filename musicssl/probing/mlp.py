"""A probe with one hidden layer: what of the targets a simple, but no linear function can tell."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import torch
from torch import Tensor

from musicssl.errors import InputError
from musicssl.evaluation.tasks import Task
from musicssl.probing.base import Embeddings, FittedProbe
from musicssl.probing.solvers.labels import check_learnable, counted, prior_scores
from musicssl.probing.solvers.networks import Course, Network, Run, train_together
from musicssl.probing.solvers.scales import Scales, scales_of
from musicssl.probing.solvers.scores import outputs_of


@dataclass(frozen=True)
class MLP:
    """One hidden layer of rectified units, trained by Adam on the natural loss of the task.

    A network is trained with each pair of rate and weight decay, and its weights are those of the
    epoch that validated best; of the pairs the one that validated best is kept. The networks of all
    subsets with the same number of labelled clips are trained together. All start from the same
    hidden units, and from outer weights of 0 with what
    `musicssl.probing.solvers.labels.prior_scores` has as the answer to every clip: that is kept if
    nothing validates better. Only labelled clips are trained on; the targets of a regression are
    standardised by them.

    SemiSupCon's code has one rate, 3e-4, batches of 64, a patience of 15 and no bias.

    Attributes:
        hidden: Units.
        rates: Learning rates to choose from.
        weight_decays: Factors of half the squared weights to choose from.
        dropout: Probability of dropping a hidden unit while training.
        epochs: At most. One is a pass over the clips, or as many as make 5 steps.
        patience: Epochs without a better validation loss after which a network is left.
        batch_size: Clips in a step.
        seed: Of the hidden units to start from, the order of the clips, and dropout. The random
            numbers of the caller stay as they were.

    Raises:
        InputError: If a setting is out of its range.
    """

    hidden: int = 512
    rates: Sequence[float] = (1e-3, 3e-4)
    weight_decays: Sequence[float] = (1e-3, 1e-2, 1e-1)
    dropout: float = 0.0
    epochs: int = 100
    patience: int = 10
    batch_size: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("hidden", "epochs", "patience", "batch_size"):
            value = getattr(self, name)
            if value < 1 or value != int(value):
                raise InputError(f"probe.{name} must be a whole number from 1 up, got {value:g}.")
        if not self.rates or min(self.rates) <= 0:
            raise InputError(f"probe.rates must be above 0, got {list(self.rates)}.")
        if not self.weight_decays or min(self.weight_decays) < 0:
            raise InputError(
                f"probe.weight_decays must be 0 or more, got {list(self.weight_decays)}."
            )
        if not 0 <= self.dropout < 1:
            raise InputError(f"probe.dropout must be in [0, 1), got {self.dropout:g}.")

    def fit(
        self, train: Embeddings, subsets: Sequence[Tensor], val: Embeddings, task: Task
    ) -> list[FittedProbe]:
        """Train on each subset; see `musicssl.probing.base.Probe`."""
        check_learnable(train, subsets, val, task)
        labelled = counted(train.mask, task).any(1)
        of_size = defaultdict(list)
        for place, rows in enumerate(subsets):
            of_size[int(labelled[rows].sum())].append(place)
        probes: dict[int, FittedProbe] = {}
        for places in of_size.values():
            clips = [train.select(subsets[place]) for place in places]
            probes |= zip(places, self._fit(clips, val, task), strict=True)
        return [probes[place] for place in range(len(subsets))]

    def _fit(self, subsets: Sequence[Embeddings], val: Embeddings, task: Task) -> list[FittedProbe]:
        """Train on subsets with the same number of labelled clips."""
        scales = [scales_of(clips, task) for clips in subsets]
        learnt = [clips.select(counted(clips.mask, task).any(1)) for clips in subsets]
        generator = torch.Generator().manual_seed(self.seed)
        hidden_units = self._hidden_units(val.h.shape[1], generator)
        runs = [
            Run(network.copied(), subset, rate, decay)
            for subset, clips in enumerate(subsets)
            for network in [_start(hidden_units, clips, scales[subset], task)]
            for rate, decay in product(self.rates, self.weight_decays)
        ]
        course = Course(self.epochs, self.patience, self.batch_size, self.dropout)
        train_together(
            runs,
            _standardised(learnt, scales),
            _standardised([val] * len(scales), scales),
            task.loss(None),
            course,
            generator,
        )
        best = [
            min((run for run in runs if run.subset == subset), key=lambda run: run.loss)
            for subset in range(len(subsets))
        ]
        return [_fitted(run, by, task) for run, by in zip(best, scales, strict=True)]

    def _hidden_units(self, num_features: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw weights, (D, H), and biases, (H,), as torch's linear layers have them at first."""
        bound = num_features**-0.5
        weights = torch.rand(num_features, self.hidden, generator=generator)
        biases = torch.rand(self.hidden, generator=generator)
        return bound * (2 * weights - 1), bound * (2 * biases - 1)


def _start(
    hidden_units: tuple[Tensor, Tensor], clips: Embeddings, scales: Scales, task: Task
) -> Network:
    """Return a network that answers all clips alike."""
    answer = scales.targets(prior_scores(clips.y.double(), clips.mask, task))
    bias = outputs_of(answer, task).float()
    inner, inner_bias = (part.to(bias) for part in hidden_units)
    return Network(inner, inner_bias, bias.new_zeros(inner.shape[1], len(bias)), bias)


def _standardised(subsets: Sequence[Embeddings], scales: Sequence[Scales]) -> Embeddings:
    """Stack clips, each standardised by the scales of its subset, (U, n, ...)."""
    parts = [
        (by.features(clips.h).float(), by.targets(clips.y).float(), clips.mask)
        for clips, by in zip(subsets, scales, strict=True)
    ]
    return Embeddings(*(torch.stack(part) for part in zip(*parts, strict=True)))


def _fitted(run: Run, scales: Scales, task: Task) -> FittedProbe:
    chosen = {"rate": run.rate, "weight_decay": run.weight_decay, "epochs": run.epoch}
    return FittedProbe(partial(_judged, run.best, scales, task), run.loss, chosen)


@torch.no_grad()
def _judged(network: Network, scales: Scales, task: Task, h: Tensor) -> Tensor:
    outputs = network.outputs(scales.features(h).float())
    return task.scores(scales.values(outputs).float())
