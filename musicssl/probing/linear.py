"""The linear probe: how much of the targets a linear function of frozen embeddings knows.

Several strengths of an L2 penalty are fitted to the training clips, and the one that validates best
is kept. Embeddings are standardised by the training clips first, see `standardisation`, so that the
penalty does not depend on the scale of an encoder; that is folded into weights and bias, and a
probe takes embeddings as they are.
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

_LEAST_SPREAD = 0.03  # of a feature, relative to the typical one
_ROUNDING = 8 * torch.finfo(torch.float32).eps  # of means of embeddings, relative to their size
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)


class LinearProbe(NamedTuple):
    """A linear function of embeddings: `h @ weight.T + bias` are logits, or values.

    Attributes:
        weight: (C, D).
        bias: (C,).
        strength: By which its losses outweighed the penalty.
        val_loss: By which that was chosen.
    """

    weight: Tensor
    bias: Tensor
    strength: float
    val_loss: float


@dataclass(frozen=True)
class Linear:
    """The linear probe of each of several subsets, as `fit_linear` has it.

    All strengths and classes of a subset are solved together, and subsets one after another: each
    has features of its own, so that stacking them makes no product wider. At 400 columns it is
    wide enough as it is: at 3,000 clips x 512 the products are 70 % of the time.

    Attributes:
        strengths: To choose among; see `fit_linear`.
        tolerance: Of the fit; see `musicssl.probing.solvers.logistic`.
    """

    strengths: Sequence[float] = STRENGTHS
    tolerance: float = TOLERANCE

    def fit(
        self, train: Embeddings, subsets: Sequence[Tensor], val: Embeddings, task: Task
    ) -> list[FittedProbe]:
        """Fit one probe to each subset; see `musicssl.probing.base.Probe`."""
        return [self._fitted(train.select(rows.to(train.h.device)), val, task) for rows in subsets]

    def _fitted(self, train: Embeddings, val: Embeddings, task: Task) -> FittedProbe:
        probe = fit_linear(train, val, task, self.strengths, self.tolerance)
        return FittedProbe(_judge(probe, task), probe.val_loss, {"strength": probe.strength})


@torch.no_grad()
def fit_linear(
    train: Embeddings,
    val: Embeddings,
    task: Task,
    strengths: Sequence[float] = STRENGTHS,
    tolerance: float = TOLERANCE,
) -> LinearProbe:
    """Fit a linear probe with each strength and return the one with the least validation loss.

    Minimised is 0.5 ||w||^2 + strength * (sum of losses), as scikit-learn has it with strength C:
    the logistic loss of each class in the clips in which it was observed; the cross-entropy of a
    softmax over the clips whose classes were all observed; the squared error of each target, in
    units of its standard deviation, so that no unit of a target decides. What cannot be fitted
    decides alike for all clips; see `musicssl.probing.solvers.logistic`. All strengths are solved
    together on the device of the tensors. Nothing is random.

    Args:
        train: To fit to.
        val: To choose by: the natural loss of the task, averaged over what was observed.
        task: What the targets are.
        strengths: To try; of equal losses the first one is kept.
        tolerance: Of the fit; see `musicssl.probing.solvers.logistic`. A regression needs none.

    Raises:
        InputError: If nothing was observed in one of the two, an embedding is not finite, there is
            no strength, or one is not above 0 and finite.
    """
    if not strengths or not all(0 < strength < math.inf for strength in strengths):
        raise InputError(
            f"a linear probe's strengths must be above 0 and finite, got {list(strengths)}."
        )
    train, val = _checked(train, "training", task), _checked(val, "validation", task)
    mean, spread = standardisation(train.h)
    unit = torch.ones_like(train.y[0])
    if task.name == "regression":
        _, unit = _mean_and_spread(train.y, train.mask)
    cs = torch.tensor(strengths, dtype=torch.float64, device=train.h.device)
    weights, biases = _fit(
        (train.h - mean) / spread, train.y / unit, train.mask, task, cs, tolerance
    )
    z = ((val.h - mean) / spread).float()
    logits = z @ weights.mT.float() + biases[:, None].float()  # (R, N, C)
    loss, y = task.loss(None), (val.y / unit).float()
    prior = torch.zeros_like(unit)  # of no use to the natural losses
    losses = torch.stack([loss(guess, y, val.mask, prior) for guess in logits])
    best = int(losses.argmin())
    weight = unit[:, None] * weights[best] / spread
    bias = unit * biases[best] - weight @ mean
    return LinearProbe(weight.float(), bias.float(), strengths[best], float(losses[best]))


def linear_judge(train: Embeddings, val: Embeddings, task: Task) -> Judge:
    """Return what scores clips by a linear probe of some labelled ones; see `fit_linear`.

    Of a single clip it can only learn to answer all alike.
    """
    return _judge(fit_linear(train, val, task), task)


def _judge(probe: LinearProbe, task: Task) -> Judge:
    return lambda h: task.scores(h @ probe.weight.T + probe.bias)


def _fit(
    z: Tensor, y: Tensor, mask: Tensor, task: Task, strengths: Tensor, tolerance: float
) -> tuple[Tensor, Tensor]:
    if task.name == "regression":
        return ridge_regressions(z, y, mask, strengths)
    if task.name == "multi_class":
        known = mask.all(1)
        return softmax_regression(z[known], y[known], strengths, tolerance)
    return logistic_regressions(z, y, mask, strengths, tolerance)


def _checked(embeddings: Embeddings, split: str, task: Task) -> Embeddings:
    """Return embeddings and targets in float64 if they can be fitted to."""
    h, y, mask = embeddings
    labelled = mask.all(1) if task.name == "multi_class" else mask
    if not labelled.any():
        raise InputError(
            f"no {split} clip has a label for the linear probe; label some, or raise data.p_s."
        )
    if not h.isfinite().all():
        raise InputError(
            f"an embedding of a {split} clip is not finite; lower the learning rate, for training "
            "diverged."
        )
    return Embeddings(h.double(), y.double(), mask)


def standardisation(h: Tensor) -> tuple[Tensor, Tensor]:
    """Return what to subtract from embeddings, (D,), and what to divide them by, (D,).

    That is mean and standard deviation of each feature, but no less than 0.03 of the root mean
    square of the deviations. A unit of an encoder that is silent in all these clips but for a trace
    in one would otherwise be magnified until it decides wherever it speaks up. (The root mean
    square, because most units may be silent, and their median would be, too.) A factor common to
    all features changes nothing; nor does one for each of them, as long as none falls that low.
    """
    mean, spread = _mean_and_spread(h, torch.ones_like(h, dtype=torch.bool))
    typical = (h - mean).square().mean().sqrt()
    return mean, spread.clamp_min(_LEAST_SPREAD * typical)


def varying(values: Tensor, mask: Tensor) -> Tensor:
    """Return in which columns the observed cells differ by more than float32 rounds, (C,) bool."""
    low, high = values.where(mask, torch.inf).amin(0), values.where(mask, -torch.inf).amax(0)
    rounding = _ROUNDING * torch.maximum(low.abs(), high.abs())
    return high - low > rounding


def _mean_and_spread(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of the observed cells of each column.

    The deviation of a column whose observed cells are all alike, up to rounding in float32, or that
    has none, is 1: it says nothing, and must not be magnified until its rounding does.
    """
    count = mask.sum(0).clamp_min(1)
    mean = values.where(mask, 0).sum(0) / count
    spread = ((values - mean).where(mask, 0).square().sum(0) / count).sqrt()
    return mean, spread.where(varying(values, mask), 1)
