"""A language model of music without labels, and a sparse classifier of its state."""

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torchmetrics import MeanMetric

from examples.sentiment.events import VOCABULARY, transposed
from musicssl.batch import Batch, valid_instances
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.evaluation.metrics import METRICS, MetricInfo
from musicssl.losses.masked_bce import masked_bce
from musicssl.methods.base.online_probe import OnlineProbe, ProbedMethod
from musicssl.probing.base import Embeddings

METRICS["nll"] = MetricInfo("nll", "NLL per token", shown_in=("progress",), smaller_is_better=True)
STRENGTHS = tuple(2.0**k for k in range(-8, 1))  # C of the paper


class SparseProbe(OnlineProbe):
    """Logistic regression with an L1 penalty; its C is chosen on the validation clips.

    The authors' code chooses C on the test clips, which makes results too good.
    """

    def fit(self, train: Embeddings, val: Embeddings) -> None:
        """Fit the linear layer of the method's pooling."""
        weight, bias = sparse_regression(train, val)
        linear = self._method.classifier.pooling.classifier
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight))
            linear.bias.copy_(torch.from_numpy(bias))


class Sentiment(ProbedMethod):
    """Ferreira and Whitehead 2019, https://arxiv.org/abs/2103.06125: M1 with a language model.

    The encoder learns to predict the next token of all training clips; labels are not used. An L1
    logistic regression of tanh of its cells predicts the sentiment. Units with a weight other than
    0 are sentiment neurons.

    Logged with each epoch: `train/loss` and `val/nll`, in nats per token, and the probe's metrics.

    Args:
        transpose: Training clips are transposed by up to so many semitones. (The authors store ten
            transpositions of each piece.)
        probe_clips: See `OnlineProbe`.
        parts: See `Method`.

    Raises:
        InputError: If the encoder is no language model.
    """

    needs: ClassVar[Needs] = Needs(labels=False)
    artifacts: ClassVar[tuple[str, ...]] = (
        "musicssl.runs.artifacts.training_curves.TrainingCurves",
        "examples.sentiment.generation.ForcedMusic",
    )
    loss_curves: ClassVar[tuple[str, ...]] = ("train/loss", "val/nll")

    def __init__(self, *, transpose: int = 5, probe_clips: int | None = None, **parts: Any) -> None:
        super().__init__(**parts)
        if not hasattr(self.classifier.encoder, "read"):
            raise InputError("method=sentiment trains a language model; set encoder=mlstm.")
        self.transpose = transpose
        self.head = nn.Linear(self.classifier.encoder.embed_dim, VOCABULARY)
        self.probe = SparseProbe(self, probe_clips)
        self._val_nll = MeanMetric("disable")

    def nll(self, tokens: Tensor, lengths: Tensor | None) -> Tensor:
        """Return -log p of each token but the first, (B, T) -> (B, T - 1), NaN for padding."""
        outputs, _ = self.classifier.encoder.read(tokens[:, :-1])
        nll = nn.functional.cross_entropy(self.head(outputs).mT, tokens[:, 1:], reduction="none")
        if lengths is None:
            return nll
        return nll.where(valid_instances(lengths - 1, nll.shape[1]), torch.nan)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the mean NLL of a batch."""
        tokens = batch.x[..., 0].long()
        most = self.transpose
        semitones = torch.randint(-most, most + 1, (len(tokens),), device=tokens.device)
        loss = self.nll(transposed(tokens, semitones), batch.lengths).nanmean()
        self.record(loss=loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep embeddings and NLL of a batch until the epoch ends."""
        super().validation_step(batch, batch_idx)
        nll = self.nll(batch.x[..., 0].long(), batch.lengths)
        self._val_nll.update(nll[~nll.isnan()])

    def evaluate(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Log the NLL and the metrics of the probe."""
        super().evaluate(outputs, targets, mask)
        self.log("val/nll", self._val_nll.compute(), sync_dist=True)
        self._val_nll.reset()

    def measured(self, datamodule: SemiSupervisedDataModule, split: str) -> dict[str, float]:
        """Return the NLL, and the accuracies of the probe and of the same probe of token counts."""
        total, count = 0.0, 0
        with torch.inference_mode():
            for batch in datamodule.batches(split):
                batch = batch.to(self.device)
                nll = self.nll(batch.x[..., 0].long(), batch.lengths)
                total, count = total + float(nll.nansum()), count + int((~nll.isnan()).sum())
        train, val, test = (
            token_counts(datamodule.batches_of(rows))
            for rows in (datamodule.labelled(), datamodule.rows("val"), datamodule.rows(split))
        )
        linear = self.classifier.pooling.classifier
        with torch.no_grad():
            own = linear(self.probe.embedded(datamodule.batches(split)).h).cpu()
        weight, bias = sparse_regression(train, val)
        counts = test.h @ torch.from_numpy(weight.T).float() + torch.from_numpy(bias).float()
        return {
            "nll": total / count,
            "accuracy": accuracy(own, test),
            "token_counts_accuracy": accuracy(counts, test),
            "sentiment_neurons": float((linear.weight != 0).sum()),
        }


def sparse_regression(
    train: Embeddings, val: Embeddings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit an L1 logistic regression of one class with each C, and keep the best on validation.

    Features are standardised first, so that C does not depend on their scale. (The authors do not.)

    Returns:
        Weight, (1, D), and bias, (1,).
    """
    known = train.mask[:, 0].cpu().numpy()
    h, y = train.h.cpu().double().numpy()[known], train.y[:, 0].cpu().numpy()[known] >= 0.5
    mean, spread = h.mean(axis=0), np.maximum(h.std(axis=0), 1e-3)
    best, least = (np.zeros((1, h.shape[1])), np.zeros(1)), np.inf
    for c in STRENGTHS:
        model = LogisticRegression(C=c, l1_ratio=1.0, solver="liblinear", random_state=0)
        model.fit((h - mean) / spread, y)
        weight = model.coef_ / spread
        bias = model.intercept_ - weight @ mean
        logits = val.h.cpu().double() @ torch.from_numpy(weight.T) + torch.from_numpy(bias)
        loss = float(masked_bce(logits.float(), val.y.cpu(), val.mask.cpu()))
        if loss < least:
            best, least = (weight, bias), loss
    return best


def token_counts(batches: Any) -> Embeddings:
    """Return how often each token occurs in each clip, a baseline without order."""
    parts = []
    for batch in batches:
        counts = nn.functional.one_hot(batch.x[..., 0].long(), VOCABULARY).sum(dim=1).float()
        counts[:, 0] = 0  # padding
        parts.append(Embeddings(counts.log1p(), batch.y, batch.mask))
    return Embeddings(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def accuracy(logits: Tensor, of: Embeddings) -> float:
    """Return the share of observed labels that the sign of a logit, (N, 1), gets right."""
    right = (logits > 0) == (of.y.cpu() >= 0.5)
    return float(right[of.mask.cpu()].double().mean())
