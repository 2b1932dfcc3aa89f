"""A network whose validation is written down beforehand."""

import pytorch_lightning as pl
import torch


class Told(pl.LightningModule):
    """Validates as it is told, the first time before training; its weight counts its steps."""

    def __init__(self, losses):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.losses = iter([float(loss) for loss in losses])

    def training_step(self, batch, batch_idx):
        return -self.weight

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", next(self.losses))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)
