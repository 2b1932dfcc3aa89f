"""Linear probe.

Linear functions of frozen embeddings are fitted to the training clips with several strengths of an
L2 penalty, and the one with the lowest validation loss is kept. Embeddings are first standardised
by the training clips, see `standardisation`, so that the penalty does not depend on the scale of an
encoder; this is folded into weights and bias, and the probe is applied to the embeddings
themselves.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from musicssl.errors import InputError
from musicssl.evaluation.tasks import Task
from musicssl.probing.base import Embeddings, FittedProbe, Judge
from musicssl.probing.solvers.logistic import TOLERANCE, logistic_regressions, softmax_regression
from musicssl.probing.solvers.ridge import ridge_regressions

_LEAST_SPREAD = 0.03  # smallest deviation of a feature, relative to the typical one
_ROUNDING = 8 * torch.finfo(torch.float32).eps  # rounding error of mean embeddings, relative
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)


class LinearProbe(NamedTuple):
    """A linear function of embeddings: `h @ weight.T + bias` are logits, or values.

    Attributes:
        weight: Weights, (C, D).
        bias: Biases, (C,).
        strength: Weight of the losses relative to the penalty.
        val_loss: Validation loss, by which `strength` was chosen.
    """

    weight: Tensor
    bias: Tensor
    strength: float
    val_loss: float


@dataclass(frozen=True)
class Linear:
    """The linear probe of each of several subsets; see `fit_linear`.

    All strengths and classes of a subset are solved together, and subsets one after another: each
    has its own features, so that stacking them would not make matrix products wider. With 400
    columns they are wide enough: at 3,000 clips x 512 they take 70 % of the time.

    Attributes:
        strengths: Strengths to choose from; see `fit_linear`.
        tolerance: Tolerance of the fit; see `musicssl.probing.solvers.logistic`.
    """

    strengths: Sequence[float] = STRENGTHS
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        check_strengths(self.strengths)

    def fit(
        self, train: Embeddings, subsets: Sequence[Tensor], val: Embeddings, task: Task
    ) -> list[FittedProbe]:
        """Fit one probe to each subset; see `musicssl.probing.base.Probe`."""
        return [self._fitted(train.select(rows.to(train.h.device)), val, task) for rows in subsets]

    def _fitted(self, train: Embeddings, val: Embeddings, task: Task) -> FittedProbe:
        probe = fit_linear(train, val, task, self.strengths, self.tolerance)
        return FittedProbe(_judge(probe, task), probe.val_loss, {"strength": probe.strength})


def check_strengths(strengths: Sequence[float]) -> None:
    """Check the strengths to choose from.

    Raises:
        InputError: If there is none, or one is not above 0 and finite.
    """
    if not strengths or not all(0 < strength < math.inf for strength in strengths):
        raise InputError(
            f"a linear probe's strengths must be above 0 and finite, got {list(strengths)}."
        )


@torch.no_grad()
def fit_linear(
    train: Embeddings,
    val: Embeddings,
    task: Task,
    strengths: Sequence[float] = STRENGTHS,
    tolerance: float = TOLERANCE,
) -> LinearProbe:
    """Fit a linear probe with each strength and return the one with the lowest validation loss.

    The objective is 0.5 ||w||^2 + strength * (sum of losses), as in scikit-learn, where strength is
    C. The losses are the logistic loss of each class over the clips in which it was observed; the
    cross-entropy of a softmax over the clips whose classes were all observed; or the squared error
    of each target, in units of its standard deviation, so that the unit of a target has no effect.
    A class that cannot be fitted gets the same score for all clips; see
    `musicssl.probing.solvers.logistic`. All strengths are solved together on the device of the
    tensors. The result is deterministic.

    Args:
        train: Training clips.
        val: Validation clips; the criterion is the natural loss of the task, averaged over observed
            cells.
        task: The task of the targets.
        strengths: Strengths to try; if losses are equal, the first one is kept.
        tolerance: Tolerance of the fit; see `musicssl.probing.solvers.logistic`. A regression does
            not use it.

    Raises:
        InputError: If the training or the validation clips have no label, an embedding is not
            finite, there is no strength, or a strength is not above 0 and finite.
    """
    check_strengths(strengths)
    train, val = _checked(train, "training", task), _checked(val, "validation", task)
    mean, spread = standardisation(train.h)
    unit = torch.ones_like(train.y[0])
    if not task.has_classes:
        _, unit = _mean_and_spread(train.y, train.mask)
    cs = torch.tensor(strengths, dtype=torch.float64, device=train.h.device)
    weights, biases = _fit(
        (train.h - mean) / spread, train.y / unit, train.mask, task, cs, tolerance
    )
    z = ((val.h - mean) / spread).float()
    logits = z @ weights.mT.float() + biases[:, None].float()  # (R, N, C)
    loss, y = task.loss(None), (val.y / unit).float()
    losses = torch.stack([loss(prediction, y, val.mask) for prediction in logits])
    best = int(losses.argmin())
    weight = unit[:, None] * weights[best] / spread
    bias = unit * biases[best] - weight @ mean
    return LinearProbe(weight.float(), bias.float(), strengths[best], float(losses[best]))


def linear_judge(train: Embeddings, val: Embeddings, task: Task) -> Judge:
    """Return the scoring function of a linear probe of labelled clips; see `fit_linear`.

    With a single clip the probe gives all clips the same score.
    """
    return _judge(fit_linear(train, val, task), task)


def _judge(probe: LinearProbe, task: Task) -> Judge:
    return lambda h: task.scores(h @ probe.weight.T + probe.bias)


def _fit(
    z: Tensor, y: Tensor, mask: Tensor, task: Task, strengths: Tensor, tolerance: float
) -> tuple[Tensor, Tensor]:
    if not task.has_classes:
        return ridge_regressions(z, y, mask, strengths)
    if task.one_class_per_clip:
        labelled = mask.all(1)
        return softmax_regression(z[labelled], y[labelled], strengths, tolerance)
    return logistic_regressions(z, y, mask, strengths, tolerance)


def _checked(embeddings: Embeddings, split: str, task: Task) -> Embeddings:
    """Return embeddings and targets in float64 if there are labels and finite embeddings."""
    h, y, mask = embeddings
    labelled = mask.all(1) if task.one_class_per_clip else mask
    if not labelled.any():
        raise InputError(
            f"no {split} clip has a label for the linear probe; label some, or raise data.p_s."
        )
    if not h.isfinite().all():
        raise InputError(
            f"an embedding of a {split} clip is not finite because training diverged; lower the "
            "learning rate."
        )
    return Embeddings(h.double(), y.double(), mask)


def standardisation(h: Tensor) -> tuple[Tensor, Tensor]:
    """Return the offset, (D,), and the scale, (D,), of a standardisation of embeddings.

    These are the mean and the standard deviation of each feature, the latter at least 0.03 of the
    root mean square of all deviations. Otherwise a unit of an encoder that is almost constant in
    these clips would be magnified until it dominates clips in which it is active. (The median would
    not do in place of the root mean square, since most units may be inactive.) A common factor of
    all features makes no difference, nor do factors of single features above that limit.
    """
    mean, spread = _mean_and_spread(h, torch.ones_like(h, dtype=torch.bool))
    typical = (h - mean).square().mean().sqrt()
    return mean, spread.clamp_min(_LEAST_SPREAD * typical)


def varying(values: Tensor, mask: Tensor) -> Tensor:
    """Return whether observed cells of a column differ by more than float32 rounding, (C,) bool."""
    low, high = values.where(mask, torch.inf).amin(0), values.where(mask, -torch.inf).amax(0)
    rounding = _ROUNDING * torch.maximum(low.abs(), high.abs())
    return high - low > rounding


def _mean_and_spread(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of the observed cells of each column.

    The deviation is 1 for a column without observed cells, or whose observed cells are equal up to
    rounding in float32, so that rounding errors are not magnified.
    """
    count = mask.sum(0).clamp_min(1)
    mean = values.where(mask, 0).sum(0) / count
    spread = ((values - mean).where(mask, 0).square().sum(0) / count).sqrt()
    return mean, spread.where(varying(values, mask), 1)
