"""IASS: a network separates a source and tells when it sounds; the activity filters the sound."""

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss, pad
from torchmetrics import MeanMetric

from examples.separation.network import Separated, SeparationUNet
from musicssl.batch import Batch
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.evaluation.metrics import METRICS, MetricInfo
from musicssl.methods.base.method import Method

for _name in ("sdr", "sir", "sar", "sdr_ungated", "sdr_input", "sdr_ideal"):
    METRICS[_name] = MetricInfo(_name, f"{_name.replace('_', ' ').upper()} (dB)")


class Separation(Method):
    """Separate one source of a mixture, with its activity as a second task and as a filter.

    The loss is the mean squared error of magnitudes, plus w times the binary cross-entropy of the
    activity of each frame: Hung and Lerch 2020, https://arxiv.org/abs/2008.00616, section 3. w is
    in neither paper nor code; ours makes both terms about equal at the start. The network predicts
    whether the source is in a clip, and in which frames. The separated sound is

        mask * activity * mixture

    with the mixture's phase, where the activity is 1 in frames above 0.5, after a median filter.

    Args:
        activity_weight: w; 0 for a network that only separates.
        gate: Whether the activity filters the sound that is tested.
        median_frames: Length of the median filter, odd.
        parts: See `Method`; the encoder is a `SeparationUNet`.

    Raises:
        InputError: If a setting is invalid, or the corpus has several sources to separate.
    """

    needs: ClassVar[Needs] = Needs(activity=True, only_labelled=True)
    artifacts: ClassVar[tuple[str, ...]] = (
        *Method.artifacts,
        "examples.separation.measures.SeparationMeasures",
    )
    loss_curves: ClassVar[tuple[str, ...]] = ("train/separation_loss", "val/separation_loss")

    def __init__(
        self, *, activity_weight: float, gate: bool, median_frames: int, **parts: Any
    ) -> None:
        super().__init__(**parts)
        if activity_weight < 0 or (gate and activity_weight == 0):
            raise InputError(
                f"method.activity_weight must be 0 or more, got {activity_weight:g}; at 0 nothing "
                "learns the activity, so set method.gate=false, too."
            )
        if median_frames % 2 == 0:
            raise InputError(f"method.median_frames must be odd, got {median_frames}.")
        if parts["num_classes"] != 1:
            raise InputError("this method separates one source; choose dataset=bands or musdb.")
        self.activity_weight, self.gate = activity_weight, gate
        self.median_frames = median_frames
        self._val_error = MeanMetric("disable")

    @property
    def unet(self) -> SeparationUNet:
        """The network."""
        unet: SeparationUNet = self.classifier.encoder
        return unet

    def setup(self, stage: str) -> None:
        """Let the network start from the mean and the deviation of each bin of the mixtures."""
        super().setup(stage)
        if stage != "fit":
            return
        batches = self.data.batches_of(self.data.training_rows())
        with torch.no_grad():
            magnitudes = [self.unet.spectra(b.x.to(self.device))[0].abs() for b in batches]
            bins = torch.cat(magnitudes).transpose(0, 1).flatten(1)[: self.unet.bins]
            self.unet.mean.copy_(bins.mean(dim=1))
            self.unet.scale.copy_(1 / bins.std(dim=1).clamp_min(1e-4))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        seen = self.unet.separate(batch.x)
        separation = self._error(seen, batch)
        assert batch.activity is not None
        logits = self.classifier.pooling.instances(seen.h).logits  # (B, T, 1)
        activity = binary_cross_entropy_with_logits(logits, batch.activity.to(logits))
        loss: Tensor = separation + self.activity_weight * activity
        self.record(loss=loss, separation_loss=separation, activity_loss=activity)
        return loss

    def validation_outputs(self, batch: Batch) -> Tensor:
        """Return the logits of the clips, and keep the error of their magnitudes."""
        seen = self.unet.separate(batch.x)
        self._val_error.update(self._error(seen, batch), len(batch.x))
        logits: Tensor = self.classifier.pooling(seen.h)
        return logits

    def evaluate(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Log the error of magnitudes, and how well the presence of the source is predicted."""
        super().evaluate(outputs, targets, mask)
        self.log("val/separation_loss", self._val_error.compute(), sync_dist=True)
        self._val_error.reset()

    def _error(self, seen: Separated, batch: Batch) -> Tensor:
        return mse_loss(seen.magnitudes, self.unet.spectra(batch.x)[1].abs())

    def separated(self, batch: Batch, gate: bool) -> Tensor:
        """Return the separated source, (B, S), filtered by its activity if `gate`."""
        seen = self.unet.separate(batch.x)
        mask = seen.mask
        if gate:
            active = self.classifier.pooling.instances(seen.h).logits[..., 0] > 0  # (B, T)
            active = median_filtered(active, self.median_frames)
            mask = mask * pad(active.float(), (0, 1), mode="replicate")[:, None]
        return self.unet.sound(mask * seen.mixture, self.unet.sounds(batch.x)[0].shape[1])


def median_filtered(active: Tensor, frames: int) -> Tensor:
    """Filter decisions, (B, T) bool; the first and the last one are repeated beyond the ends.

    >>> median_filtered(torch.tensor([[True, False, True, False, False]]), 3).int().tolist()
    [[1, 1, 0, 0, 0]]
    """
    padded = pad(active.float(), (frames // 2, frames // 2), mode="replicate")
    return padded.unfold(1, frames, 1).mean(dim=2) > 0.5
