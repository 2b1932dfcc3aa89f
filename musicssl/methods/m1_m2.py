"""`m1_m2`: an M2 for each label on the latent variables of an M1 of all clips."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from musicssl.batch import Batch
from musicssl.data.batches import Stream
from musicssl.data.label_batches import LabelRows
from musicssl.errors import InputError
from musicssl.losses.likelihoods import BoundedGaussian, Likelihood
from musicssl.methods.base.m2 import M2Method
from musicssl.methods.base.phases import Phases
from musicssl.methods.generative.latent_features import KeptLikelihood, LatentFeatures
from musicssl.methods.generative.pictures import FeatureModel, shown_m2, shown_stacked
from musicssl.methods.generative.sizes import check_latent_dim, check_widths, hidden_layers
from musicssl.methods.generative.training_clips import Answered, TrainingClips
from musicssl.methods.generative.vae import Decoder, vae_bound
from musicssl.networks.transfer import Columns, Transfer, part_of

_M1_STREAM = 2  # makes the order of M1's clips differ from those of musicssl.data.label_batches
_AT_ONCE = 4096  # clips that are encoded at a time


class M1M2(M2Method):
    """Train an M1 on all clips, then an M2 for each label on samples of M1's latent variables z1.

    Kingma et al. 2014, https://arxiv.org/abs/1406.5298, section 3.1, the "stacked generative
    semi-supervised model". Training has two phases. For `m1_epochs` epochs M1, an autoencoder of
    all training clips, is trained with its bound, and none of these epochs is kept as the best. In
    the second phase it is frozen. Latent variables whose posterior means vary over the training
    clips with a standard deviation of at most 0.1 are dropped, as in the authors' code, which uses
    1,000 clips. The others are the features of the M2s: in training a new sample of q(z1|x) at each
    step, in validation, test and prediction the means. The M2s' likelihood of z1 is a Gaussian with
    a learnt variance, bounded from below. (The "stacked" model of wohlert/semi-supervised-pytorch
    reconstructs x instead of z1, and is a different model.)

    In the first phase batches are drawn from all training clips, in one permutation after another.
    An epoch has the same number of steps in both phases.

    Logged in addition to `M2Method`: `train/m1_reconstruction` and `train/m1_kl`, whose sum is the
    loss of the first phase, in nats per clip. They are NaN in the second phase, which has
    `train/m1_kept`, the number of latent variables that were not dropped. Validation in the first
    phase uses the untrained classifiers.

    Args:
        likelihood: Distribution of the features of a clip, for M1; see
            `musicssl.losses.likelihoods`.
        summary: Kind of these features; see `ClipSummary`.
        m1_epochs: Epochs of M1; 0 to use the M1 of another run, `finetune.checkpoint`, unchanged.
        m1_hidden: Widths of the hidden layers of M1's encoder; the decoder's are in reverse order.
        m1_latent_dim: Dimensions of z1.
        h1: Width of the first hidden layers of the M2s' encoders and classifiers.
        h2: Width of the second hidden layers; 0 for none.
        h3: Width of the third hidden layers; 0 for none.
        latent_dim: Dimensions of the M2s' z.
        dropout: Probability of dropping a hidden unit of a classifier.
        beta: Weight of the cross-entropy.
        prior: See `M2Method`.
        select: See `M2Method`.
        parts: See `M2Method` and `Method`.

    Raises:
        InputError: See `M2Method`; also if a number is out of range.
    """

    features: LatentFeatures

    def __init__(
        self,
        *,
        likelihood: Likelihood,
        m1_hidden: Sequence[int],
        summary: str = "mean_std",
        m1_epochs: int = 15,
        m1_latent_dim: int = 50,
        h1: int = 512,
        h2: int = 256,
        h3: int = 0,
        latent_dim: int = 64,
        dropout: float = 0.5,
        beta: float = 32.0,
        prior: Literal["uniform", "labelled"] = "uniform",
        select: str = "val/loss",
        **parts: Any,
    ) -> None:
        check_widths(m1_hidden, "method.m1_hidden")
        check_latent_dim(m1_latent_dim, "method.m1_latent_dim")
        super().__init__(
            features=partial(
                LatentFeatures,
                summary=summary,
                standardised=likelihood.standardised,
                hidden=m1_hidden,
                latent_dim=m1_latent_dim,
            ),
            likelihood=BoundedGaussian(),
            hidden=hidden_layers(h1=h1, h2=h2, h3=h3),
            latent_dim=latent_dim,
            dropout=dropout,
            beta=beta,
            prior=prior,
            select=select,
            **parts,
        )
        num_inputs = self.features.encoder.summary.dim
        self.decoder = Decoder(m1_latent_dim, m1_hidden[::-1], num_inputs, likelihood)
        assert self.generator is not None
        assert self.best_generator is not None
        kept = KeptLikelihood(self.generator.likelihood, self.features.kept)
        self.generator.likelihood = self.best_generator.likelihood = kept
        self.phases = Phases(self, m1_epochs, self._frozen_parameters, "m1_epochs")
        self._has_pretrained_m1 = False  # whether M1 comes from another run

    @property
    def pretraining(self) -> bool:
        """Whether M1 is being trained."""
        return self.phases.pretraining

    def start_from(
        self,
        state: Mapping[str, Tensor],
        network: str = "classifier",
        columns: Columns | None = None,
    ) -> Transfer:
        """Start with M1 and the selected classifiers of another run of this method."""
        taken = super().start_from(state, network, columns)
        self.decoder.load_state_dict(part_of(state, "decoder"))
        self._has_pretrained_m1 = True
        return taken

    def setup(self, stage: str) -> None:
        """Check that there are epochs for M1, or a pretrained one, and for the M2s.

        Raises:
            InputError: If there are not.
        """
        if stage == "fit" and self.phases.pretrain_epochs == 0 and not self._has_pretrained_m1:
            raise InputError(
                "method.m1_epochs=0 takes M1 from another run of m1_m2; name it, "
                "finetune.checkpoint=..., or raise method.m1_epochs."
            )
        if stage == "fit":
            self.phases.check_epochs()
        super().setup(stage)

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Read the training clips; see `M2Method`."""
        summary = self.features.encoder.summary
        if self.phases.pretrain_epochs > 0:  # a pretrained M1 has its own scale of the features
            summary.to("cpu").fit(batches)
            summary.to(self.device)
        self._clips = TrainingClips(batches, summary, self.task, self.device)
        self.decoder.likelihood.check(self._clips.x)
        self._of_epoch: tuple[tuple[int, int, int], Tensor] | None = None  # M1's clips
        self._encoded = False  # whether self._clips holds q(z1|x) instead of features

    def draw(self, rows: Tensor) -> Answered:
        """Return clips of the corpus, (M, B) int64, each as a new sample of z1."""
        clips = super().draw(rows)
        mean, std = clips.x.chunk(2, dim=-1)  # (M, B, Z) each
        return clips._replace(x=mean + std * torch.randn_like(mean))

    def training_step(self, batch: LabelRows, batch_idx: int) -> Tensor:
        """Return the loss of M1, or the sum of the losses of all M2s."""
        if self.pretraining:
            count = batch.labelled.shape[1] + batch.unlabelled.shape[1]
            loss = self._m1_step(count, batch_idx)
        else:
            if not self._encoded:  # at the start of the phase, or of a run resumed within it
                self._encode()
            loss, terms = self.objective(batch)
            nan = loss.new_full((), math.nan)  # else the history repeats the last value
            kept = self.features.kept.mask.sum().float()
            self.record(**terms, m1_reconstruction=nan, m1_kl=nan, m1_kept=kept)
        return self.phases.touch_all_parameters(loss)

    def compiled_calls(self) -> list[tuple[nn.Module, str]]:
        """Return what its training step calls that can be compiled; see `Method`."""
        of_m1 = (self.features.encoder, "posterior"), (self.decoder, "negative_log")
        return [*super().compiled_calls(), *of_m1]

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Drop the gradients of parameters that this phase does not train."""
        super().on_before_optimizer_step(optimizer)
        self.phases.drop_frozen_gradients()

    def evaluate(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Select the models that have improved, but none in the first phase."""
        super().evaluate(outputs, targets, mask)
        if self.pretraining:
            self.selected.best.fill_(math.inf)

    def _m1_step(self, count: int, batch_idx: int) -> Tensor:
        """Return M1's bound averaged over the clips of a step, `count` on each device."""
        x = self._clips.x[self._drawn_for_m1(count)[batch_idx]]  # (count, D)
        bound = vae_bound(self.features.encoder, self.decoder, x)
        reconstruction, kl = bound.reconstruction.mean(), bound.kl.mean()
        self.record(loss=reconstruction + kl, m1_reconstruction=reconstruction, m1_kl=kl)
        return reconstruction + kl

    def _drawn_for_m1(self, count: int) -> Tensor:
        """Return the clips of the steps of this epoch, (steps, count), on the device.

        They are drawn and sent once an epoch, so that a step does not wait for them.
        """
        trainer = self.trainer
        key = (trainer.current_epoch, count, trainer.global_rank)
        if self._of_epoch is None or self._of_epoch[0] != key:
            steps, ranks = int(trainer.num_training_batches), trainer.world_size
            stream = Stream(np.arange(len(self._clips.x)), (self.data.seed, _M1_STREAM))
            of_epoch = steps * ranks * count
            drawn = stream.draw(trainer.current_epoch * of_epoch, of_epoch)
            own = drawn.reshape(steps, ranks, count)[:, trainer.global_rank]
            self._of_epoch = key, torch.from_numpy(own).to(self.device)
        return self._of_epoch[1]

    @torch.no_grad()
    def _encode(self) -> None:
        """Replace the features of all clips by means and standard deviations of q(z1|x).

        They depend only on M1's weights, so a resumed run computes the same values.

        Raises:
            InputError: If no latent variable is active.
        """
        chunks = self._clips.x.chunk(-(-len(self._clips.x) // _AT_ONCE))
        parts = [self.features.encoder.posterior(x) for x in chunks]
        mean, log_variance = (torch.cat(part) for part in zip(*parts, strict=True))  # (N, Z) each
        self.features.kept.fit(mean)
        if not self.features.kept.mask.any():
            raise InputError(
                "no latent variable of M1 varies from clip to clip; raise method.m1_epochs or "
                "optimizer.lr, or lower likelihood.std."
            )
        moments = torch.cat([mean, (0.5 * log_variance).exp()], dim=1).float()
        self._clips.x = self.features.kept(moments)
        self._encoded = True

    def _frozen_parameters(self, pretraining: bool) -> Iterator[nn.Parameter]:
        """Return the parameters of the M2s in the first phase, those of M1 in the second."""
        of_m1 = {*self.features.parameters(), *self.decoder.parameters()}
        for parameter in self.parameters():
            if parameter.requires_grad and (parameter in of_m1) != pretraining:
                yield parameter

    def shown(self) -> FeatureModel:
        """Return both models as one model of the features of clips, for figures."""
        generator, summary = self.best_generator, self.features.encoder.summary
        assert generator is not None
        model = shown_m2(generator, summary, self.task, self.selected)
        return shown_stacked(model, self.features, self.decoder)
