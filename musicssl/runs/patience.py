"""Early stopping on the metric by which the epoch of a run is chosen."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from musicssl.evaluation.metrics import metric_info


class Patience(EarlyStopping):
    """End training after a number of validations in a row without a better one.

    Validations of a method that is `pretraining` do not count. A run that was interrupted after it
    had lost its patience does not train on when it is started again.

    Args:
        metric: What is compared, by the name it is logged with; see
            `musicssl.runs.resume.BestCheckpoint`.
        validations: Number of validations without a better one, at least 1.
    """

    def __init__(self, metric: str, validations: int) -> None:
        smaller = metric_info(metric).smaller_is_better
        super().__init__(
            metric,
            patience=validations,
            mode="min" if smaller else "max",
            check_finite=False,  # a loss that is no number ends the run as an error
            check_on_train_epoch_end=False,
        )

    @property
    def is_over(self) -> bool:
        """Whether training was to be ended."""
        return self.wait_count >= self.patience

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Train no further if the patience was over before an interruption."""
        if self.is_over:
            trainer.should_stop = True

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare, unless the method is pretraining."""
        if not getattr(pl_module, "pretraining", False):
            super().on_validation_end(trainer, pl_module)
