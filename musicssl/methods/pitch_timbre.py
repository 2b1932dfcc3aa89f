"""`pitch_timbre`: an autoencoder of single notes with latent variables of pitch and of timbre."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, nll_loss
from torchmetrics import MeanMetric

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.losses.latents import kl_between
from musicssl.losses.vade import Mixture, component_costs, log_responsibilities, vade_kl
from musicssl.methods.base.method import NETWORK_ARTIFACTS, Method
from musicssl.methods.generative.notes import (
    ComponentPooling,
    NoteDecoder,
    NoteEncoder,
    NotePosterior,
)
from musicssl.methods.generative.sizes import check_latent_dim, check_widths
from musicssl.methods.generative.vae import Gaussian
from musicssl.networks.distributed import gathered

NUM_PITCHES = 128  # MIDI numbers
_PITCH_LOG_VARIANCE = -4.0  # deviation e^-2


class NoteTerms(NamedTuple):
    """The terms of the loss of each note but that of its label, in nats, (B,) each.

    Attributes:
        reconstruction: Squared error of the spectrogram, summed: -log p(x|z) of a Gaussian with
            variance 1/2, without its constant.
        timbre_kl: sum_y q(y|x) KL(q(z_t|x) || p(z_t|y)) + KL(q(y|x) || uniform).
        pitch_kl: KL(q(z_p|x) || p(z_p|pitch)).
        pitch_cross_entropy: Cross-entropy of the pitch, which a linear layer classifies from a
            sample of z_p.
        log_classes: log q(y|x) from a sample of z_t, (B, C).
        pitch_logits: Logits of the pitch from the mean of z_p, (B, 128).
    """

    reconstruction: Tensor
    timbre_kl: Tensor
    pitch_kl: Tensor
    pitch_cross_entropy: Tensor
    log_classes: Tensor
    pitch_logits: Tensor

    @property
    def bound(self) -> Tensor:
        """The negative bound of log p(x|pitch), without its constant, (B,)."""
        return self.reconstruction + self.timbre_kl + self.pitch_kl


class PitchTimbre(Method):
    """Separate the timbre of single notes from their pitch, given the instruments of some.

    Luo, Agres and Herremans 2019, "Learning Disentangled Representations of Timbre and Pitch for
    Musical Instrument Sounds Using Gaussian Mixture Variational Autoencoders",
    https://arxiv.org/abs/1906.08152, and the authors' code, https://github.com/yjlolo/gmvae-synth.

    Two encoders read the spectrogram of a note. The prior of the timbre z_t is a mixture with a
    component N(mu_y, 1) for each instrument y, all equally probable; q(y|x) = p(y|z_t) at a sample.
    The prior of the pitch z_p is N(mu_p, e^-4) with a mean for each MIDI number p. All means are
    learned. One decoder reads both.

        loss = |x - decoder(z_t, z_p)|^2 + sum_y q(y|x) KL(q(z_t|x) || p(z_t|y))
               + KL(q(y|x) || uniform) + KL(q(z_p|x) || p(z_p|p)) - log softmax(W z_p + b)_p
               - log q(y|x), where the instrument is labelled

    The last term is the mean over the labelled notes of a batch, the others over all notes. The
    pitch of every note must be known, with a label of its instrument or without; `data.p_s` is the
    share of notes whose instrument is known. In expectation over y, labelled notes keep their
    q(y|x), as in the authors' code.

    Deviations: spectrograms are scaled to [-1, 1] by the extremes of all training notes, and not of
    each note, so that they keep their level; `features=log_mel_frames` has bands from 0 Hz to half
    the sample rate instead of from 27 to 11,000 Hz, and a floor of -80 dB. The paper says 0.5 s,
    and the code 43 frames with a hop of 512 samples at 22,050 Hz, which are 1 s: it is 43 frames
    here. There is a mean for each of 128 MIDI numbers instead of 82; those without a training note
    are not trained.

    Clips are classified by q(y|x) at the mean of z_t. Logged: `train/loss` and its parts,
    `val/bound_loss`, the negative bound of log p(x|pitch) without its constant, in nats per note,
    and `val/pitch_accuracy`, of the linear layer at the mean of z_p.

    Args:
        num_features: Features of a frame, F.
        num_instances: Frames of the longest clip, T.
        num_frames: Frames from the start of a clip that are used, K.
        units: Channels of the convolutions, and width of the hidden layers.
        latent_dim: Number of latent variables of timbre, and as many of pitch, Z.
        parts: See `Method`; the method has its own encoder and pooling.

    Raises:
        InputError: If a size is invalid, or a clip may have several classes.
    """

    needs: ClassVar[Needs] = Needs(labels=False)
    artifacts: ClassVar[tuple[str, ...]] = (
        *NETWORK_ARTIFACTS,
        "musicssl.runs.artifacts.timbre.TimbreTransfer",
    )

    def __init__(
        self,
        *,
        num_features: int,
        num_instances: int,
        num_frames: int,
        units: int,
        latent_dim: int,
        **parts: Any,
    ) -> None:
        check_widths([units], "method.units")
        check_latent_dim(latent_dim)
        sizes: dict[str, int] = {"num_frames": num_frames, "units": units}
        super().__init__(
            encoder=partial(NoteEncoder, **sizes, latent_dim=latent_dim),
            pooling=ComponentPooling,
            num_features=num_features,
            num_instances=num_instances,
            **parts,
        )
        if not self.task.one_class_per_clip:
            raise InputError(
                "method=pitch_timbre is for corpora of single notes, each of one instrument; "
                "choose dataset=nsynth or dataset=synthband_notes."
            )
        self.pitch_encoder = NotePosterior(num_features, **sizes, latent_dim=latent_dim)
        self.decoder = NoteDecoder(2 * latent_dim, units, num_features, num_frames)
        self.pitch_means = nn.Parameter(torch.empty(NUM_PITCHES, latent_dim))
        nn.init.xavier_uniform_(self.pitch_means)
        self.pitch_classifier = nn.Linear(latent_dim, NUM_PITCHES)
        self._val_bound = MeanMetric("disable")  # keep NaN: it signals divergence
        self._val_pitch = MeanMetric()

    @property
    def encoder(self) -> NoteEncoder:
        """q(z_t|x)."""
        encoder: NoteEncoder = self.classifier.encoder
        return encoder

    @property
    def timbre_means(self) -> Tensor:
        """Mean of z_t of each instrument, (C, Z)."""
        pooling = self.classifier.pooling
        assert isinstance(pooling, ComponentPooling)
        return pooling.classifier.means

    def mixture(self) -> Mixture:
        """Return the prior of z_t."""
        means = self.timbre_means
        weights = means.new_zeros(len(means)).log_softmax(dim=0)
        return Mixture(weights, means, torch.zeros_like(means))

    def setup(self, stage: str) -> None:
        """Find the pitches of all notes, and the extremes of the training spectrograms.

        Raises:
            InputError: If the pitch of a note is not known, or instruments are not the classes.
        """
        super().setup(stage)
        if stage != "fit":
            return
        self._pitches = pitches_of(self.data)
        self.encoder.spectrograms.fit(self.data.batches_of(self.data.training_rows()))

    def on_fit_start(self) -> None:
        """Move the pitches to the device, which is not known before."""
        self._pitches = self._pitches.to(self.device)

    def posteriors(self, x: Tensor) -> tuple[Gaussian, Gaussian]:
        """Return q(z_t|x) and q(z_p|x) of scaled spectrograms, (B, F, K)."""
        return self.encoder.posterior(x), self.pitch_encoder(x)

    def terms(self, x: Tensor, pitches: Tensor) -> NoteTerms:
        """Return the terms of the loss, with one sample of the latent variables.

        Args:
            x: Scaled spectrograms, (B, F, K).
            pitches: MIDI numbers, (B,) int64.
        """
        timbre, pitch = self.posteriors(x)
        z_t, z_p = timbre.sample(), pitch.sample()
        mixture = self.mixture()
        log_classes = log_responsibilities(z_t, mixture)
        decoded = self.decoder(torch.cat([z_t, z_p], dim=1)).float()
        means = self.pitch_means[pitches]
        return NoteTerms(
            reconstruction=(decoded - x).square().sum(dim=(1, 2)),
            timbre_kl=vade_kl(component_costs(*timbre, mixture), log_classes),
            pitch_kl=kl_between(*pitch, means, torch.full_like(means, _PITCH_LOG_VARIANCE)),
            pitch_cross_entropy=cross_entropy(
                self.pitch_classifier(z_p).float(), pitches, reduction="none"
            ),
            log_classes=log_classes,
            pitch_logits=self.pitch_classifier(pitch.mean),
        )

    def compiled_calls(self) -> list[tuple[nn.Module, str]]:
        """Return what its training step calls that can be compiled; see `Method`."""
        parts = ("pitch_encoder", "decoder", "pitch_classifier")
        return [(self.encoder, "posterior"), *((self, part) for part in parts)]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        terms = self.terms(self.encoder.inputs(batch), self._pitches[batch.rows])
        log_classes, y, mask = gathered(terms.log_classes, batch.y, batch.mask)
        labelled = mask.all(dim=1)  # also of other ranks, which may have more or fewer of them
        costs = nll_loss(log_classes, y.argmax(dim=1), reduction="none")  # (B,)
        answers = costs.where(labelled, 0).sum()
        means = {
            name: getattr(terms, name).mean()
            for name in ("reconstruction", "timbre_kl", "pitch_kl", "pitch_cross_entropy")
        }
        means["cross_entropy"] = answers / labelled.sum().clamp_min(1)
        loss = torch.stack([*means.values()]).sum()
        self.record(loss=loss, **means)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep logits, bounds and pitches of a batch until the epoch ends."""
        super().validation_step(batch, batch_idx)
        pitches = self._pitches[batch.rows]
        terms = self.terms(self.encoder.inputs(batch), pitches)
        self._val_bound.update(terms.bound)
        self._val_pitch.update((terms.pitch_logits.argmax(dim=1) == pitches).float())

    def evaluate(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Log metrics of the instruments, the bound and the accuracy of pitches."""
        super().evaluate(outputs, targets, mask)
        for name, metric in (("bound_loss", self._val_bound), ("pitch_accuracy", self._val_pitch)):
            self.log(f"val/{name}", metric.compute(), sync_dist=True)
            metric.reset()

    @torch.no_grad()
    def encode_notes(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the means of q(z_t|x) and q(z_p|x), (B, Z) each, for a batch on any device."""
        timbre, pitch = self.posteriors(self.encoder.inputs(batch.to(self.device)))
        return timbre.mean, pitch.mean

    @torch.no_grad()
    def decode_notes(self, z_t: Tensor, z_p: Tensor) -> Tensor:
        """Return frames in the units of the features, (N, K, F), of latent variables, (N, Z)."""
        z = torch.cat([z_t, z_p], dim=1).to(self.device)
        return self.encoder.spectrograms.unscaled(self.decoder(z).float())

    @property
    def attribute_dimensions(self) -> Sequence[int | None]:
        """Empty: instruments and pitches have 16 dimensions together, and none of their own."""
        return ()

    def latent_means(self, batch: Batch) -> Tensor:
        """Return the means of z_t followed by those of z_p, (N, 2 Z), as in evaluation."""
        training = self.training
        self.eval()
        means = torch.cat(self.encode_notes(batch), dim=1)
        self.train(training)
        return means

    def decode_latents(self, z: Tensor) -> Tensor:
        """Return frames in their units, one after the other, (N, 2 Z) -> (N, K F)."""
        training = self.training
        self.eval()
        frames = self.decode_notes(*z.chunk(2, dim=1)).flatten(1)
        self.train(training)
        return frames


def pitches_of(datamodule: SemiSupervisedDataModule) -> Tensor:
    """Return the MIDI number of each clip of a data module, (N,) int64.

    Raises:
        InputError: If a corpus does not say it, or the pitches are its classes.
    """
    pitches = []
    for corpus in datamodule.corpora:
        if corpus.pitches is None:
            raise InputError(
                f"method=pitch_timbre needs the pitch of every note, and {corpus.name} has none; "
                "choose dataset=nsynth or dataset=synthband_notes."
            )
        pitches.append(torch.from_numpy(corpus.pitches))
    classes = datamodule.corpus.classes
    if all(name.isdecimal() for name in classes):
        raise InputError(
            "method=pitch_timbre takes the pitch of each note as known, and the classes of this "
            f"corpus are pitches, {classes[0]} to {classes[-1]}; set dataset.target=family."
        )
    return torch.cat(pitches)
