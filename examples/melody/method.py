"""Two language models of melodies, of pitches and of durations, trained side by side."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from examples.melody.networks import MelodyNetworks
from musicssl.batch import Batch, valid_instances
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.evaluation.metrics import METRICS, MetricInfo
from musicssl.methods.base.online_probe import OnlineProbe, ProbedMethod

METRICS["nll"] = MetricInfo(
    *("nll", "NLL per note"),
    headline_of=("multi_label",),
    shown_in=("progress",),
    smaller_is_better=True,
)
for _name in ("pitch", "duration"):
    METRICS[f"{_name}_nll"] = MetricInfo(f"{_name}_nll", f"NLL of {_name}", smaller_is_better=True)


class Melody(ProbedMethod):
    """Explicitly conditioned melody generation: Genchel, Pati and Lerch 2019.

    https://arxiv.org/abs/1907.05208. The two networks share no weight, so that training them by the
    sum of their losses is training each by itself. Labels are not used in training; a linear probe
    of the mean state says what it knows of the mode of the song.

    Logged with each epoch: `val/pitch_nll`, `val/duration_nll` and their sum `val/nll`, in nats per
    note that is not the first one of a clip.

    Args:
        parts: See `Method`.

    Raises:
        InputError: If the encoder is not `MelodyNetworks`.
    """

    needs: ClassVar[Needs] = Needs(labels=False)
    artifacts: ClassVar[tuple[str, ...]] = (
        "musicssl.runs.artifacts.training_curves.TrainingCurves",
        "examples.melody.generation.GeneratedMelodies",
    )
    loss_curves: ClassVar[tuple[str, ...]] = ("train/loss", "val/nll")

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        if not isinstance(self.classifier.encoder, MelodyNetworks):
            raise InputError("method=melody needs encoder=melody_networks.")
        self.probe = OnlineProbe(self, None)
        self._pitch_nll, self._duration_nll = MeanMetric("disable"), MeanMetric("disable")

    def nll(self, batch: Batch) -> dict[str, Tensor]:
        """Return -log p of the tokens of all notes but the first, by network, (K,) each."""
        x, result = batch.x, {}
        for column, name in enumerate(("pitch", "duration")):
            network = self.classifier.encoder.get_submodule(name)
            logits = network(x[:, :-1], x[:, 1:])[0]
            targets = x[:, 1:, column].long()
            nll = nn.functional.cross_entropy(logits.mT, targets, reduction="none")
            valid = torch.ones_like(targets, dtype=torch.bool)
            if batch.lengths is not None:
                valid = valid_instances(batch.lengths - 1, nll.shape[1])
            result[name] = nll[valid]
        return result

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the sum of both mean NLLs."""
        losses = {f"{name}_nll": values.mean() for name, values in self.nll(batch).items()}
        loss = torch.stack(list(losses.values())).sum()
        self.record(loss=loss, **losses)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep embeddings and NLLs of a batch until the epoch ends."""
        super().validation_step(batch, batch_idx)
        nll = self.nll(batch)
        self._pitch_nll.update(nll["pitch"])
        self._duration_nll.update(nll["duration"])

    def evaluate(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> None:
        """Log the NLLs and the metrics of the probe."""
        super().evaluate(outputs, targets, mask)
        pitch, duration = self._pitch_nll.compute(), self._duration_nll.compute()
        means = {"val/pitch_nll": pitch, "val/duration_nll": duration, "val/nll": pitch + duration}
        self.log_dict(means, sync_dist=True)
        self._pitch_nll.reset()
        self._duration_nll.reset()

    @torch.inference_mode()
    def measured(self, datamodule: SemiSupervisedDataModule, split: str) -> dict[str, float]:
        """Return the NLL of pitches, of durations, and their sum."""
        found = [self.nll(batch.to(self.device)) for batch in datamodule.batches(split)]
        means = {
            f"{name}_nll": float(torch.cat([nll[name] for nll in found]).mean())
            for name in ("pitch", "duration")
        }
        return {"nll": sum(means.values()), **means}
