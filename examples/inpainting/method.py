"""Inpainting of bars: MeasureVAE is trained first, then LatentRNN between its frozen halves."""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from examples.inpainting.networks import LatentRNN, MeasureDecoder, MeasureEncoder
from examples.inpainting.tunes import BARS, TOKENS
from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs
from musicssl.datasets.formats.abc_bars import TICKS
from musicssl.errors import InputError
from musicssl.evaluation.metrics import METRICS, MetricInfo
from musicssl.losses.latents import gaussian_kl
from musicssl.methods.base.online_probe import OnlineProbe, ProbedMethod
from musicssl.methods.base.phases import Phases

METRICS["nll"] = MetricInfo(
    *("nll", "NLL of missing tokens"),
    headline_of=("multi_label",),
    shown_in=("progress",),
    smaller_is_better=True,
)
GAPS = ((4, 2), (5, 4), (6, 6), (8, 3))  # first missing bar and number, in validation and test
FEWEST, MOST = 2, 6  # missing bars in training


class Inpainting(ProbedMethod):
    """Pati, Lerch and Hadjeres 2019, https://arxiv.org/abs/1907.01164.

    Phase 1 maximises MeasureVAE's bound on all bars. Phase 2 trains LatentRNN: the cross-entropy of
    the missing tokens, given its z and the tokens before them in the bar. Labels are not used; a
    linear probe of the mean latent of a clip says what it knows of the mode.

    Logged with each epoch: `val/nll`, in nats per token of the missing bars of `GAPS`.

    Args:
        vae_epochs: Of trainer.max_epochs, for MeasureVAE.
        kl_weight: Of the divergence in its bound.
        latent_rnn: Units of LatentRNN's readers.
        context: What LatentRNN sees: "both", "past" or "none".
        teacher_forcing: Probability that the bars, or tokens, of a whole batch that come before are
            the true ones instead of the network's own.
        dropout: Of decoder and LatentRNN.
        parts: See `Method`.

    Raises:
        InputError: If the encoder is none of bars.
    """

    needs: ClassVar[Needs] = Needs(labels=False)
    artifacts: ClassVar[tuple[str, ...]] = (
        "musicssl.runs.artifacts.training_curves.TrainingCurves",
        "examples.inpainting.rendering.Inpainted",
    )
    loss_curves: ClassVar[tuple[str, ...]] = ("train/loss", "val/nll")

    def __init__(
        self,
        *,
        vae_epochs: int,
        kl_weight: float = 1e-3,
        latent_rnn: int = 128,
        context: Literal["both", "past", "none"] = "both",
        teacher_forcing: float = 0.5,
        dropout: float = 0.0,
        **parts: Any,
    ) -> None:
        super().__init__(**parts)
        encoder = self.classifier.encoder
        if not isinstance(encoder, MeasureEncoder):
            raise InputError("method=inpainting needs encoder=measure_encoder.")
        if context not in ("both", "past", "none"):
            raise InputError(f"method.context must be both, past or none, got {context}.")
        width, latent_dim = encoder.embedding.embedding_dim, encoder.embed_dim
        self.decoder = MeasureDecoder(width, encoder.hidden, latent_dim, dropout)
        self.rnn = LatentRNN(latent_dim, latent_rnn, context, dropout)
        self.kl_weight, self.teacher_forcing = kl_weight, teacher_forcing
        self.probe = OnlineProbe(self, None)
        self.phases = Phases(self, vae_epochs, self._frozen_parameters, "vae_epochs")
        self._val_nll = MeanMetric("disable")

    @property
    def encoder(self) -> MeasureEncoder:
        """q(z | bar)."""
        encoder: MeasureEncoder = self.classifier.encoder
        return encoder

    @property
    def pretraining(self) -> bool:
        """Whether MeasureVAE is being trained."""
        return self.phases.pretraining

    def setup(self, stage: str) -> None:
        """Check that there are epochs for LatentRNN."""
        if stage == "fit":
            self.phases.check_epochs()
        super().setup(stage)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the negative bound of bars, or the loss of missing bars."""
        bars = bars_of(batch)
        if self.pretraining:
            return self.phases.touch_all_parameters(self._vae_loss(bars.flatten(0, 1)))
        count = int(torch.randint(FEWEST, MOST + 1, ()))
        first = int(torch.randint(1, BARS - count, ()))
        posterior = self.encoder.posterior(bars)
        z = posterior.sample().detach()
        forced = bool(torch.rand(()) < self.teacher_forcing)
        filled = self.filled(z, bars if forced else None, first, count)
        missing = bars[:, first : first + count]
        loss = self.decoder.nll(filled.flatten(0, 1), missing.flatten(0, 1)).mean()
        self.record(loss=loss)
        return self.phases.touch_all_parameters(loss)

    def _vae_loss(self, bars: Tensor) -> Tensor:
        posterior = self.encoder.posterior(bars)
        z = posterior.sample()
        if torch.rand(()) < self.teacher_forcing:
            reconstruction = self.decoder.nll(z, bars).mean()
        else:
            logits = self.decoder(z)
            reconstruction = nn.functional.cross_entropy(logits.flatten(0, 1), bars.flatten())
        kl = gaussian_kl(*posterior).mean()
        loss = reconstruction + self.kl_weight * kl
        self.record(loss=loss, reconstruction=reconstruction, kl=kl)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Drop the gradients of parameters that this phase does not train."""
        super().on_before_optimizer_step(optimizer)
        self.phases.drop_frozen_gradients()

    def _frozen_parameters(self, pretraining: bool) -> Iterator[nn.Parameter]:
        parts: list[nn.Module] = [self.rnn] if pretraining else [self.encoder, self.decoder]
        return (parameter for part in parts for parameter in part.parameters())

    def filled(self, z: Tensor, bars: Tensor | None, first: int, count: int) -> Tensor:
        """Return LatentRNN's z of missing bars, (B, count, Z).

        Args:
            z: Of all bars, (B, BARS, Z); those of the missing ones are read with `bars` only.
            bars: None to feed back the network's own z, decoded and encoded again.
            first: First missing bar, at least 1.
            count: Number of missing bars.
        """
        state = self.rnn.start(z[:, :first], z[:, first + count :])
        before, found = z[:, first - 1], []
        for row in range(first, first + count):
            new, state = self.rnn.step(before, state)
            found.append(new)
            before = (
                z[:, row] if bars is not None else self.encoder.posterior(self.tokens(new)).mean
            )
        return torch.stack(found, dim=1)

    @torch.no_grad()
    def tokens(self, z: Tensor) -> Tensor:
        """Decode z, (K, Z), to the most probable tokens, (K, TICKS)."""
        logits: Tensor = self.decoder(z)
        return logits.argmax(dim=-1)

    @torch.no_grad()
    def missing_nll(self, bars: Tensor, latents: Literal["rnn", "true"] = "rnn") -> Tensor:
        """Return -log p of the tokens in the missing bars of all `GAPS`, (K,).

        Args:
            bars: Tokens, (B, BARS, TICKS).
            latents: Whose z of the missing bars are decoded: LatentRNN's, or the means of q(z|bar)
                of the missing bars themselves, which no inpainting can know.
        """
        means, parts = self.encoder.posterior(bars).mean, []
        for first, count in GAPS:
            gap = slice(first, first + count)
            z = means[:, gap] if latents == "true" else self.filled(means, None, first, count)
            nll = self.decoder.nll(z.flatten(0, 1), bars[:, gap].flatten(0, 1))
            parts.append(nll.flatten())
        return torch.cat(parts)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep embeddings and NLLs of a batch until the epoch ends."""
        super().validation_step(batch, batch_idx)
        self._val_nll.update(self.missing_nll(bars_of(batch)))

    def evaluate(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Log the NLL of missing bars and the metrics of the probe."""
        super().evaluate(outputs, targets, mask)
        self.log("val/nll", self._val_nll.compute(), sync_dist=True)
        self._val_nll.reset()

    def measured(self, datamodule: SemiSupervisedDataModule, split: str) -> dict[str, float]:
        """Return the NLL of missing tokens, and those of a better and of a simple predictor.

        `true_latents_nll` decodes the missing bars' own latents; `frequency_nll` knows only how
        often a token occurs at a tick of a bar in the training clips.
        """
        parts = [bars_of(batch).to(self.device) for batch in datamodule.batches(split)]
        train = (bars_of(batch) for batch in datamodule.batches_of(datamodule.training_rows()))
        bars = torch.cat(parts)
        missing = [bars[:, first : first + count].reshape(-1, TICKS) for first, count in GAPS]
        return {
            "nll": float(torch.cat([self.missing_nll(part) for part in parts]).mean()),
            "true_latents_nll": float(
                torch.cat([self.missing_nll(part, "true") for part in parts]).mean()
            ),
            "frequency_nll": frequency_nll(train, torch.cat(missing).cpu()),
        }


def bars_of(batch: Batch) -> Tensor:
    """Return the tokens of a batch by bar, (B, BARS, TICKS)."""
    return batch.x[..., 0].long().view(-1, BARS, TICKS)


def frequency_nll(train: Iterable[Tensor], bars: Tensor) -> float:
    """Return the mean -log p of tokens, (K, TICKS), by their frequency at each tick, plus one.

    Args:
        train: Bars to count in, (B, BARS, TICKS) each.
        bars: Bars to predict.
    """
    counts = torch.ones(TICKS, TOKENS)
    for part in train:
        counts += nn.functional.one_hot(part.reshape(-1, TICKS), TOKENS).sum(dim=0)
    log_p = (counts / counts.sum(dim=1, keepdim=True)).log()
    return float(-log_p.gather(1, bars.T).mean())
