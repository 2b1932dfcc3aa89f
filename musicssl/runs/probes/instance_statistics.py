"""Statistics of instances over time, in place of an encoder."""

import torch
from torch import Tensor

from musicssl.batch import Batch, valid_instances


class InstanceStatistics(torch.nn.Module):
    """Embed a clip as mean and standard deviation of each feature over its instances."""

    def clip_embeddings(self, batch: Batch) -> Tensor:
        """Return means and deviations, (B, 2 F), padding left out."""
        num_instances = batch.x.shape[1]
        lengths = batch.lengths
        if lengths is None:
            lengths = torch.full((len(batch.x),), num_instances, device=batch.x.device)
        valid = valid_instances(lengths, num_instances)[..., None]  # (B, T, 1)
        count = lengths[:, None]
        mean = batch.x.where(valid, 0).sum(1) / count  # (B, F)
        variance = (batch.x - mean[:, None]).where(valid, 0).square().sum(1) / count
        return torch.cat([mean, variance.sqrt()], dim=1)
