"""One-hidden-layer MLP probe."""

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
from musicssl.probing.solvers.labels import check_learnable, labelled_cells, prior_scores
from musicssl.probing.solvers.networks import Candidate, Network, Schedule, train_together
from musicssl.probing.solvers.scales import Scales, outputs_of, scales_of


@dataclass(frozen=True)
class MLP:
    """One hidden layer of rectified units, trained by Adam on the natural loss of the task.

    A network is trained for each pair of learning rate and weight decay; the epoch and the pair
    with the lowest validation loss are kept. The networks of all subsets with the same number of
    labelled clips are trained together. All start with the same hidden units, with outer weights of
    0, and with biases that give every clip the scores of
    `musicssl.probing.solvers.labels.prior_scores`; this start is kept if training does not improve
    it. Only labelled clips are used for training; the targets of a regression are standardised by
    them.

    SemiSupCon's code uses one rate, 3e-4, batches of 64, a patience of 15 and no bias.

    Attributes:
        hidden: Number of hidden units.
        rates: Learning rates to choose from.
        weight_decays: Factors of half the squared weights to choose from.
        dropout: Probability of dropping a hidden unit in training.
        epochs: Maximum number of epochs. An epoch is a pass over the clips, or as many passes as
            are needed for 5 steps.
        patience: Number of epochs without an improvement after which training of a network stops.
        batch_size: Number of clips in a step.
        seed: Seed of the initial hidden units, the order of the clips, and dropout. The caller's
            random generators are not used.

    Raises:
        InputError: If a setting is invalid.
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
        labelled = labelled_cells(train.mask, task).any(1)
        by_size = defaultdict(list)
        for index, rows in enumerate(subsets):
            by_size[int(labelled[rows].sum())].append(index)
        probes: dict[int, FittedProbe] = {}
        for indices in by_size.values():
            clips = [train.select(subsets[index]) for index in indices]
            probes |= zip(indices, self._fit(clips, val, task), strict=True)
        return [probes[index] for index in range(len(subsets))]

    def _fit(self, subsets: Sequence[Embeddings], val: Embeddings, task: Task) -> list[FittedProbe]:
        """Train on subsets with the same number of labelled clips."""
        scales = [scales_of(clips, task) for clips in subsets]
        learnt = [clips.select(labelled_cells(clips.mask, task).any(1)) for clips in subsets]
        generator = torch.Generator().manual_seed(self.seed)
        hidden_units = self._hidden_units(val.h.shape[1], generator)
        candidates = [
            Candidate(network.copied(), subset, rate, decay)
            for subset, clips in enumerate(subsets)
            for network in [_start(hidden_units, clips, scales[subset], task)]
            for rate, decay in product(self.rates, self.weight_decays)
        ]
        schedule = Schedule(self.epochs, self.patience, self.batch_size, self.dropout)
        train_together(
            candidates,
            _standardised(learnt, scales),
            _standardised([val] * len(scales), scales),
            task.loss(None),
            schedule,
            generator,
        )
        best = [
            min(
                (candidate for candidate in candidates if candidate.subset == subset),
                key=lambda candidate: candidate.loss,
            )
            for subset in range(len(subsets))
        ]
        return [_fitted(candidate, by, task) for candidate, by in zip(best, scales, strict=True)]

    def _hidden_units(self, num_features: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw initial weights, (D, H), and biases, (H,), like those of torch's linear layers."""
        bound = num_features**-0.5
        weights = torch.rand(num_features, self.hidden, generator=generator)
        biases = torch.rand(self.hidden, generator=generator)
        return bound * (2 * weights - 1), bound * (2 * biases - 1)


def _start(
    hidden_units: tuple[Tensor, Tensor], clips: Embeddings, scales: Scales, task: Task
) -> Network:
    """Return a network that gives all clips the scores of the class priors."""
    prior = scales.targets(prior_scores(clips.y.double(), clips.mask, task))
    bias = outputs_of(prior, task).float()
    inner, inner_bias = (part.to(bias) for part in hidden_units)
    return Network(inner, inner_bias, bias.new_zeros(inner.shape[1], len(bias)), bias)


def _standardised(subsets: Sequence[Embeddings], scales: Sequence[Scales]) -> Embeddings:
    """Stack clips, each standardised by the scales of its subset, (U, n, ...)."""
    parts = [
        (by.features(clips.h).float(), by.targets(clips.y).float(), clips.mask)
        for clips, by in zip(subsets, scales, strict=True)
    ]
    return Embeddings(*(torch.stack(part) for part in zip(*parts, strict=True)))


def _fitted(candidate: Candidate, scales: Scales, task: Task) -> FittedProbe:
    chosen = {
        "rate": candidate.rate,
        "weight_decay": candidate.weight_decay,
        "epochs": candidate.epoch,
    }
    return FittedProbe(partial(_judged, candidate.best, scales, task), candidate.loss, chosen)


@torch.no_grad()
def _judged(network: Network, scales: Scales, task: Task, h: Tensor) -> Tensor:
    outputs = network.outputs(scales.features(h).float())
    return task.scores(scales.values(outputs).float())
